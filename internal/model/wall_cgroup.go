package model

import (
	"fmt"
	"math"
	"slices"

	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/object"
)

// CgroupLimits are the limits that the processes of one cgroup come to first: those of
// their own cgroup, or of one above it.
type CgroupLimits struct {
	PIDs         []int
	Memory, Pids maybe.Of[CgroupLimit]
}

// CgroupLimit is a limit of bytes or of threads.
type CgroupLimit struct {
	Used, Most int64
	Version    int    // of the cgroup, 1 or 2
	Dir        string // of the cgroup that has the limit
	// ReadOnly: the limit cannot be set from here, as in a container.
	ReadOnly bool
}

// cgroupWalls are the limits of memory and of threads of the cgroups that the processes of
// interest are in. An idle connection needs no thread: that limit is a wall once more than
// half of it is used.
func cgroupWalls(s *Sample, snap *Snapshot) []Wall {
	list, _ := s.ofInterest()
	of := map[int]*ProcessSample{}
	for _, p := range list {
		of[p.PID] = p
	}
	var out []Wall
	add := func(l maybe.Of[CgroupLimit], pids []int, wallOf func(CgroupLimit) (Wall, bool)) {
		limit, ok := l.Get()
		if !ok {
			return
		}
		w, ok := wallOf(limit)
		same := func(o Wall) bool { return o.Name == w.Name && o.Scope == w.Scope }
		if !ok || slices.ContainsFunc(out, same) {
			return
		}
		if len(pids) == 1 {
			w.PID, w.Comm = pids[0], of[pids[0]].Comm
		}
		out = append(out, w)
	}
	for i := range s.CgroupLimits {
		c := &s.CgroupLimits[i]
		pids := slices.DeleteFunc(slices.Clone(c.PIDs), func(pid int) bool { return of[pid] == nil })
		if len(pids) > 0 {
			add(c.Memory, pids, func(l CgroupLimit) (Wall, bool) { return cgroupMemoryWall(l, snap) })
			add(c.Pids, pids, cgroupTaskWall)
		}
	}
	return out
}

// cgroupMemoryWall is the room of a memory cgroup over what it is charged for a watched end
// that a server accepts. A cost that leaves parts out would promise too many.
func cgroupMemoryWall(l CgroupLimit, snap *Snapshot) (Wall, bool) {
	end, ok1 := snap.ConnectionCost.TCP4.Get()
	watch, ok2 := snap.Epoll.Cost.Get()
	if !ok1 || !ok2 || end.AtLeast || watch.AtLeast {
		return Wall{}, false
	}
	parts := end.Parts
	if l.Version == 1 && len(parts) > 0 && parts[0].Cache == object.TCP.Cache {
		parts = parts[1:] // a softirq makes the server's socket, and is charged for nothing
	}
	each, ok := chargeOf(slices.Concat(parts, watch.Parts))
	if !ok || each <= 0 {
		each = end.Bytes + watch.Bytes
	}
	return Wall{
		Name: WallCgroup, Unit: UnitBytes, Used: l.Used, Limit: l.Most, ConnectionsLeft: (l.Most - l.Used) / each, Scope: cgroupScope(l.Dir),
		RaiseWith: l.raise(map[int]string{1: "memory.limit_in_bytes", 2: "memory.max"}[l.Version]), Origin: Estimated,
	}, true
}

// chargeOf is what a memory cgroup is charged for objects: their sizes without the waste of
// their slabs, with a pointer for each (obj_full_size in mm/memcontrol.c). It reports false
// where a size is not known.
func chargeOf(parts []Part) (n int64, ok bool) {
	const pointer = 8
	for _, p := range parts {
		object, ok := p.ObjectBytes.Get()
		if !ok {
			return 0, false
		}
		n += object + pointer
	}
	return n, true
}

func cgroupTaskWall(l CgroupLimit) (Wall, bool) {
	return Wall{
		Name: WallPids, Unit: UnitTasks, Used: l.Used, Limit: l.Most, ConnectionsLeft: l.Most - l.Used, Scope: cgroupScope(l.Dir),
		RaiseWith: l.raise("pids.max"), Origin: Estimated,
	}, isInUse(l.Used, l.Most)
}

// raise is the command that doubles a limit.
func (l *CgroupLimit) raise(file string) string {
	if l.ReadOnly {
		return fmt.Sprintf("a higher %s of %s, outside of this container: its cgroups are read-only", file, cgroupScope(l.Dir))
	}
	return fmt.Sprintf("echo %d > %s/%s", twice(l.Most), l.Dir, file)
}

// isInUse reports whether more than half of a limit is used: from then on it is a wall for
// connections that need it only now and then.
func isInUse(used, limit int64) bool { return limit > 0 && used > limit/2 }

// taskWalls are the threads of the whole machine, which a server with one for each
// connection runs into.
func taskWalls(s *Sample, snap *Snapshot) []Wall {
	used, ok1 := s.Tasks.Get()
	most, ok2 := s.MostTasks.Get()
	if !ok1 || !ok2 || !isInUse(used, most) {
		return nil
	}
	return []Wall{{
		Name: WallTasks, Unit: UnitTasks, Used: used, Limit: most, ConnectionsLeft: most - used, Scope: "host",
		RaiseWith: snap.Host.sysctl("kernel.threads-max=%d kernel.pid_max=%d", twice(most), min(twice(most), mostPIDs)), Origin: Estimated,
	}}
}

// mostPIDs is the largest kernel.pid_max (PID_MAX_LIMIT in include/linux/threads.h).
const mostPIDs = 4 << 20

// queueWalls are the accept queues that more than half of is used: a listener whose program
// does not accept takes so many more.
func queueWalls(s *Sample, snap *Snapshot) []Wall {
	if snap.Sockets == nil {
		return nil
	}
	list, asked := s.ofInterest()
	of := map[int]*ProcessSample{}
	for _, p := range list {
		of[p.PID] = p
	}
	var out []Wall
	for i := range snap.Sockets.ByPort {
		g := &snap.Sockets.ByPort[i]
		pids := slices.DeleteFunc(slices.Clone(g.PIDs), func(pid int) bool { return of[pid] == nil })
		// The kernel lets one more wait than the backlog (sk_acceptq_is_full).
		waiting, backlog, ok := g.fullest()
		if !ok || !isInUse(waiting, backlog+1) || len(pids) == 0 && (asked || len(g.PIDs) > 0) {
			continue
		}
		w := Wall{
			Name: WallAcceptQueue, Unit: UnitConnections, Used: waiting, Limit: backlog, ConnectionsLeft: backlog + 1 - waiting, Scope: g.Name,
			RaiseWith: raiseBacklog(backlog, s.NetworkLimits.MostBacklog, &s.Host), Origin: Measured,
		}
		if len(pids) > 0 {
			w.PID, w.Comm = pids[0], of[pids[0]].Comm
		}
		out = append(out, w)
	}
	return out
}

// fullest is the accept queue with the least room of a listener.
func (g *SocketGroup) fullest() (waiting, backlog int64, ok bool) {
	queues := g.Queues
	if len(queues) == 0 {
		queues = []AcceptQueue{{Waiting: g.Waiting, Backlog: g.Backlog}}
	}
	least := int64(math.MaxInt64)
	for i := range queues {
		q := &queues[i]
		if room := q.Backlog.Value - q.Waiting.Value; q.Waiting.Known && q.Backlog.Known && room < least {
			waiting, backlog, ok, least = q.Waiting.Value, q.Backlog.Value, true, room
		}
	}
	return waiting, backlog, ok
}

// raiseBacklog says which of the two limits of an accept queue it is: what the program asks
// for in listen(2), or net.core.somaxconn, to which the kernel cuts that.
func raiseBacklog(backlog int64, most maybe.Of[int64], host *Host) string {
	const listen = "a larger backlog in listen(2) of the program, or a program that accepts sooner"
	n, ok := most.Get()
	if !ok || backlog < n {
		return listen
	}
	return host.sysctl("net.core.somaxconn=%d", twice(n)) + ", and the program listens again with as large a backlog"
}
