package model

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/eptop/eptop/internal/loadgen"
	"github.com/eptop/eptop/internal/maybe"
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
)

// wallTitles are the words for limits, on screen and in text.
var wallTitles = map[WallName]string{
	WallNofile: "open files", WallNrOpen: "fs.nr_open", WallFileMax: "fs.file-max", WallUserWatches: "watches",
	WallPorts: "local ports", WallMemory: "available memory", WallCgroup: "cgroup memory",
	WallTasks: "threads", WallUserTasks: "threads (ulimit -u)", WallPids: "threads (pids.max)", WallLoopback: "loopback interface",
	WallTCPMem: "tcp_mem", WallConntrack: "conntrack entries", WallOrphans: "orphaned sockets", "accept_queue": "accept queue",
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
	if user, ok := strings.CutPrefix(w.Scope, "user "); ok {
		return title + " of " + user
	}
	if w.Name == WallPorts && !strings.HasPrefix(w.Scope, "ports ") {
		return title + " from " + w.Scope
	}
	if strings.HasPrefix(w.Scope, "pid ") || strings.HasPrefix(w.Scope, "uid ") {
		return title + " of " + w.Scope
	}
	return title
}

// LeftMark stands before ConnectionsLeft: what is used up is not left.
func (w *Wall) LeftMark() string { return Mark(w.AtMost, w.AtLeast || w.LeftAtMost) }

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
func walls(s *Sample, snap *Snapshot) []Wall {
	var out []Wall
	if w, ok := nofileWall(s); ok {
		out = append(out, w)
	}
	for i := range snap.Epoll.Users {
		if u := &snap.Epoll.Users[i]; u.Limit.Known {
			out = append(out, watchesWall(u, u.Limit.Value))
		}
	}
	open, ok1 := s.OpenFiles.Get()
	files, ok2 := s.MaxFiles.Get()
	if ok1 && ok2 {
		w := Wall{
			Name: WallFileMax, Unit: UnitFiles, Used: open, Limit: files, ConnectionsLeft: max(0, files-open), Scope: "host",
			Origin: Measured,
		}
		if files <= mostMaxFiles {
			w.RaiseWith = fmt.Sprintf("sysctl fs.file-max=%d", twice(files))
			out = append(out, w)
		}
	}
	if w, ok := memoryWall(snap); ok {
		out = append(out, w)
	}
	slices.SortStableFunc(out, func(a, b Wall) int { return cmp.Compare(a.ConnectionsLeft, b.ConnectionsLeft) })
	return out
}

// watchesWall is max_user_watches of a user.
func watchesWall(u *User, limit int64) Wall {
	used, of := u.Charged()
	origin := Derived
	if u.Counted.Known {
		origin = Measured
	}
	return Wall{
		Name: WallUserWatches, Unit: UnitWatches, Used: used.Value, AtLeast: of.AtLeast, AtMost: of.AtMost, Limit: limit,
		ConnectionsLeft: max(0, limit-used.Value), Scope: "user " + u.User, RaiseWith: fmt.Sprintf("sysctl fs.epoll.max_user_watches=%d", twice(limit)), Origin: origin,
	}
}

// mostMaxFiles is the largest fs.file-max that is a limit: systemd sets it to the largest
// number there is.
const mostMaxFiles = 1 << 62

// twice is 2n, or the most there can be.
func twice(n int64) int64 { return min(n, math.MaxInt64/2) * 2 }

// nofileWall is that of the process with the fewest files left: of those that were asked
// for, or of all but eptop and its workers, which go to their limit on purpose.
func nofileWall(s *Sample) (nearest Wall, ok bool) {
	own := []int{s.Self}
	if s.Load != nil {
		own = append(own, s.Load.Workers...)
	}
	for _, asked := range []bool{true, false} {
		for i := range s.Processes {
			p := &s.Processes[i]
			if asked && !slices.Contains(s.Asked, p.PID) || !asked && slices.Contains(own, p.PID) {
				continue
			}
			if w, known := filesOf(p, s); known && (!ok || w.ConnectionsLeft < nearest.ConnectionsLeft) {
				nearest, ok = w, true
			}
		}
		if ok {
			// One that was not looked into may have fewer left.
			nearest.LeftAtMost = !asked && ExtentOf(s.Coverage.processGaps()...).AtLeast
			break
		}
	}
	return nearest, ok
}

// filesOf is the limit of a process's open files. Where the kernel does not count them
// (before Linux 6.2) they are those that were listed.
func filesOf(p *ProcessSample, s *Sample) (Wall, bool) {
	limit, ok := p.Nofile.Get()
	used, counted := p.FDs.Get()
	list, listed := p.Files.Get()
	if !ok || p.Kernel || !counted && !listed {
		return Wall{}, false
	}
	if !counted {
		used = int64(len(list))
	}
	w := Wall{
		Name: WallNofile, Unit: UnitFiles, Used: used, AtLeast: !counted && p.Truncated, Limit: limit, Scope: fmt.Sprintf("pid %d", p.PID),
		RaiseWith: raiseNofile(fmt.Sprintf("prlimit --pid %d --nofile=%%d", p.PID), limit, s.NrOpen, s.NoRaise), Origin: Measured,
	}
	if most, ok := s.NrOpen.Get(); ok && most < limit { // expand_files in fs/file.c
		w.Name, w.Limit, w.RaiseWith = WallNrOpen, most, raiseNrOpen(most)
	}
	w.ConnectionsLeft = max(0, w.Limit-used)
	return w, true
}

// mostNrOpen is the largest fs.nr_open there can be (sysctl_nr_open_max in fs/file.c).
const mostNrOpen = math.MaxInt32 &^ 63

func raiseNrOpen(now int64) string {
	if now >= mostNrOpen {
		return ""
	}
	return fmt.Sprintf("sysctl fs.nr_open=%d", min(twice(now), mostNrOpen))
}

// raiseNofile says how to double an RLIMIT_NOFILE with a command that takes the number.
// The kernel refuses more than fs.nr_open, and any more without CAP_SYS_RESOURCE
// (do_prlimit in kernel/sys.c).
func raiseNofile(command string, limit int64, nrOpen maybe.Of[int64], noRaise bool) string {
	next := min(twice(limit), mostNrOpen)
	switch {
	case next <= limit:
		return ""
	case noRaise:
		return "a higher RLIMIT_NOFILE from outside: without CAP_SYS_RESOURCE even root cannot raise it here"
	}
	command = fmt.Sprintf(command, next)
	if nrOpen.Known && next > nrOpen.Value {
		return fmt.Sprintf("sysctl fs.nr_open=%d, then %s", next, command)
	}
	return command
}

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
