package model

import (
	"fmt"
	"math"
	"strings"

	"github.com/eptop/eptop/internal/loadgen"
)

// The limits that connections run into. A load can be stopped by the generator's own;
// the others are only seen coming.
const (
	WallNofile               = loadgen.WallNofile
	WallFileMax              = loadgen.WallFileMax
	WallUserWatches          = loadgen.WallUserWatches
	WallPorts                = loadgen.WallPorts
	WallMemory               = loadgen.WallMemory
	WallCgroup               = loadgen.WallCgroup
	WallTasks                = loadgen.WallTasks
	WallUserTasks            = loadgen.WallUserTasks
	WallPids                 = loadgen.WallPids
	WallLoopback             = loadgen.WallLoopback
	WallNrOpen      WallName = "nr_open"   // fs.nr_open, where it is below a process's RLIMIT_NOFILE
	WallTCPMem      WallName = "tcp_mem"   // net.ipv4.tcp_mem
	WallConntrack   WallName = "conntrack" // net.netfilter.nf_conntrack_max
	WallAcceptQueue WallName = "accept_queue"
)

// wallTitles are the words for limits, on screen and in text.
var wallTitles = map[WallName]string{
	WallNofile: "open files", WallNrOpen: "fs.nr_open", WallFileMax: "fs.file-max", WallUserWatches: "watches",
	WallPorts: "local ports", WallMemory: "available memory", WallCgroup: "cgroup memory",
	WallTasks: "threads", WallUserTasks: "threads (ulimit -u)", WallPids: "threads (pids.max)", WallLoopback: "loopback interface",
	WallTCPMem: "tcp_mem", WallConntrack: "conntrack entries", WallOrphans: "orphaned sockets", WallAcceptQueue: "accept queue",
	loadgen.WallError: "an error",
}

// WallTitle is the name of a limit in words.
func WallTitle(name WallName) string {
	if title, ok := wallTitles[name]; ok {
		return title
	}
	return string(name)
}

// Title names the limit and says whose it is, where it is one user's or one process's, or
// where from and to its connections go.
func (w *Wall) Title() string {
	title := WallTitle(w.Name)
	switch user, ofUser := strings.CutPrefix(w.Scope, "user "); {
	case ofUser && w.Others > 0 && w.urgency() == 0:
		return title + " of any user"
	case ofUser:
		return title + " of " + user
	case w.Name == WallPorts && !strings.HasPrefix(w.Scope, "ports "):
		return title + " from " + w.Scope
	case w.Name == WallAcceptQueue:
		return strings.TrimSpace(title + " of " + w.Holder() + " " + w.Scope)
	case w.PID != 0:
		return title + " of " + w.Holder()
	case w.Name == WallCgroup:
		return "memory of " + w.Scope
	case strings.HasPrefix(w.Scope, "pid "), strings.HasPrefix(w.Scope, "uid "):
		return title + " of " + w.Scope
	}
	return title
}

// Holder names the process that the limit holds for: "nginx[42]"; "" where it is none's.
func (w *Wall) Holder() string {
	switch {
	case w.PID == 0:
		return ""
	case w.Comm == "":
		return fmt.Sprintf("pid %d", w.PID)
	}
	return fmt.Sprintf("%s[%d]", w.Comm, w.PID)
}

// LeftMark stands before ConnectionsLeft: what is used up is not left. Fewer than none
// there cannot be.
func (w *Wall) LeftMark() string {
	return Mark(w.AtMost, (w.AtLeast || w.LeftAtMost) && w.ConnectionsLeft > 0)
}

// Unit is what a number counts, in the words of the JSON.
type Unit string

// The units of walls.
const (
	UnitFiles       Unit = "files"
	UnitWatches     Unit = "watches"
	UnitBytes       Unit = "bytes"
	UnitPages       Unit = "pages" // of a captured tree whose page size is not known
	UnitPorts       Unit = "ports"
	UnitTasks       Unit = "tasks"
	UnitConnections Unit = "connections"
)

// walls lists the limits that more connections would run into, the nearest
// first. A connection is one watched end held by a process of this host.
func (b *builder) walls(snap *Snapshot) []Wall {
	s := b.sample
	out := nofileWalls(s)
	for i := range snap.Epoll.Users {
		if u := &snap.Epoll.Users[i]; u.Limit.Known {
			out = append(out, watchesWall(u, u.Limit.Value, &snap.Host))
		}
	}
	open, ok1 := s.OpenFiles.Get()
	files, ok2 := s.MaxFiles.Get()
	if ok1 && ok2 && files <= mostMaxFiles {
		out = append(out, Wall{
			Name: WallFileMax, Unit: UnitFiles, Used: open, Limit: files, ConnectionsLeft: files - open, Scope: "host",
			RaiseWith: snap.Host.sysctl("fs.file-max=%d", twice(files)), Origin: Measured,
		})
	}
	if w, ok := memoryWall(snap); ok {
		out = append(out, w)
	}
	out = append(out, cgroupWalls(s, snap)...)
	out = append(out, taskWalls(s, snap)...)
	out = append(out, queueWalls(s, snap)...)
	return nearestWalls(append(out, b.networkWalls(snap)...))
}

// sysctl is the command that sets a sysctl; in a container whose /proc/sys is read-only it
// has to be given outside.
func (h *Host) sysctl(format string, args ...any) string {
	command := "sysctl " + fmt.Sprintf(format, args...)
	if h.SysctlReadOnly {
		return command + ", outside of this container: its /proc/sys is read-only"
	}
	return command
}

// watchesWall is max_user_watches of a user.
func watchesWall(u *User, limit int64, host *Host) Wall {
	used, of := u.Charged()
	origin := Derived
	if u.Counted.Known {
		origin = Measured
	}
	return Wall{
		Name: WallUserWatches, Unit: UnitWatches, Used: used.Value, AtLeast: of.AtLeast, AtMost: of.AtMost, Limit: limit,
		ConnectionsLeft: max(0, limit-used.Value), Scope: "user " + u.User,
		RaiseWith: host.sysctl("fs.epoll.max_user_watches=%d", twice(limit)), Origin: origin,
	}
}

// mostMaxFiles is the largest fs.file-max that is a limit: systemd sets it to the largest
// number there is.
const mostMaxFiles = 1 << 62

// twice is 2n, or the most there can be.
func twice(n int64) int64 { return min(n, math.MaxInt64/2) * 2 }

// memoryWall is MemAvailable over what a watched TCP end takes. The kernel
// counts some of what sockets pin as available, so it is generous. A cost that leaves
// parts out would promise connections for which there is no memory.
func memoryWall(snap *Snapshot) (Wall, bool) {
	total, ok1 := snap.Host.MemTotalBytes.Get()
	available, ok2 := snap.Host.MemAvailableBytes.Get()
	end, ok3 := snap.ConnectionCost.TCP4.Get()
	watch, ok4 := snap.Epoll.Cost.Get()
	if !ok1 || !ok2 || !ok3 || !ok4 || end.AtLeast || watch.AtLeast {
		return Wall{}, false
	}
	origin := weakest(Derived, weakest(end.Origin, watch.Origin))
	return Wall{
		Name: WallMemory, Unit: UnitBytes, Used: total - available, Limit: total,
		ConnectionsLeft: available / (end.Bytes + watch.Bytes), Scope: "host",
		RaiseWith: "more memory", Origin: origin,
	}, true
}
