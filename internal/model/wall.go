package model

import (
	"cmp"
	"fmt"
	"math"
	"slices"

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
	WallTCPMem      WallName = "tcp_mem"   // net.ipv4.tcp_mem
	WallConntrack   WallName = "conntrack" // net.netfilter.nf_conntrack_max
)

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
	if w, ok := nofileWall(snap.Processes, s.Self); ok {
		out = append(out, w)
	}
	for _, u := range snap.Epoll.Users {
		if limit, ok := u.Limit.Get(); ok {
			out = append(out, Wall{
				Name: WallUserWatches, Unit: UnitWatches, Used: u.Watches.Value, AtLeast: u.AtLeast, AtMost: u.AtMost, Limit: limit, ConnectionsLeft: max(0, limit-u.Watches.Value),
				Scope: "user " + u.User, RaiseWith: fmt.Sprintf("sysctl fs.epoll.max_user_watches=%d", twice(limit)),
				Origin: Derived,
			})
		}
	}
	open, ok1 := s.OpenFiles.Get()
	files, ok2 := s.MaxFiles.Get()
	if ok1 && ok2 {
		w := Wall{
			Name: WallFileMax, Unit: UnitFiles, Used: open, Limit: files, ConnectionsLeft: max(0, files-open), Scope: "host",
			Origin: Measured,
		}
		// Since Linux 5.x systemd sets it to the largest number there is.
		if files <= 1<<62 {
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

// twice is 2n, or the most there can be.
func twice(n int64) int64 { return min(n, math.MaxInt64/2) * 2 }

// nofileWall is that of the process, other than eptop itself, which has used most of
// its limit.
func nofileWall(processes []Process, self int) (Wall, bool) {
	var best Wall
	share := -1.0
	for i := range processes {
		p := &processes[i]
		fds, ok1 := p.FDs.Get()
		limit, ok2 := p.Nofile.Get()
		if !ok1 || !ok2 || limit <= 0 || p.Instances.Value == 0 || p.PID == self {
			continue
		}
		if used := float64(fds) / float64(limit); used > share {
			share = used
			best = Wall{
				Name: WallNofile, Unit: UnitFiles, Used: fds, Limit: limit, ConnectionsLeft: max(0, limit-fds),
				Scope:     fmt.Sprintf("pid %d", p.PID),
				RaiseWith: fmt.Sprintf("prlimit --pid %d --nofile=%d", p.PID, twice(limit)),
				Origin:    Measured,
			}
		}
	}
	return best, share >= 0
}

// memoryWall is MemAvailable over what a watched TCP end takes. The kernel
// counts some of what sockets pin as available, so it is generous.
func memoryWall(snap *Snapshot) (Wall, bool) {
	total, ok1 := snap.Host.MemTotalBytes.Get()
	available, ok2 := snap.Host.MemAvailableBytes.Get()
	end, ok3 := snap.ConnectionCost.TCP4.Get()
	watch, ok4 := snap.Epoll.Cost.Get()
	if !ok1 || !ok2 || !ok3 || !ok4 {
		return Wall{}, false
	}
	origin := weakest(Derived, weakest(end.Origin, watch.Origin))
	return Wall{
		Name: WallMemory, Unit: UnitBytes, Used: total - available, Limit: total,
		ConnectionsLeft: available / (end.Bytes + watch.Bytes), Scope: "host",
		RaiseWith: "more memory", Origin: origin,
	}, true
}
