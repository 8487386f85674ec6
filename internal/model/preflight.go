package model

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/eptop/eptop/internal/loadgen"
	"github.com/eptop/eptop/internal/maybe"
)

// LoadLimits are the limits of this host and of eptop itself that only the load
// generator runs into.
type LoadLimits = loadgen.Limits

// Preflight is how far this machine lets a load go.
type Preflight struct {
	// Fits is how many connections can be opened before the first wall; absent where
	// no limit is known.
	Fits maybe.Of[int64] `json:"fits,omitzero"`
	// Walls are the limits, the nearest first. ConnectionsLeft counts pairs with both
	// ends on this host.
	Walls []Wall `json:"walls"`
	// BytesPerConnection is what a pair is expected to take, absent where the costs
	// are not known.
	BytesPerConnection maybe.Of[int64] `json:"bytes_per_connection,omitzero"`
	Origin             Origin          `json:"origin,omitempty"`
	// Pairs of worker processes, each with a client and a server, hold PerPair
	// connections each.
	Pairs   int64 `json:"worker_pairs,omitempty"`
	PerPair int64 `json:"connections_per_pair,omitempty"`
	// Notes say what limits the speed, not the number.
	Notes []string `json:"notes,omitempty"`
}

const (
	// workerTasks is the threads of a worker: the Go runtime's, and one that works.
	workerTasks = 8
	// workerBytes is a worker's own memory, workerBytesEach what it keeps for each
	// connection: both on the safe side of what was measured.
	workerBytes, workerBytesEach = 10 << 20, 100
	// ownFiles are eptop's own before it has workers, filesOfPair those a pair adds: a
	// socket and a pidfd for each of two processes.
	ownFiles, filesOfPair = 32, 4
	// skbBytes is the smallest truesize of a buffer with a byte in it: sk_buff and a
	// linear part with its shared info.
	skbBytes = 768
)

// Preflight reckons how far this machine lets p go. Used and limits are from the
// Snapshot's time, and the expected costs are the Snapshot's.
func (s *Snapshot) Preflight(p LoadPlan) Preflight {
	f := preflight{snap: s, limits: s.LoadLimits.Value, plan: p, out: Preflight{Walls: []Wall{}}}
	f.pairs()
	f.cost()
	f.memory()
	f.files()
	f.watches()
	f.tcpMem()
	f.conntrack()
	slices.SortStableFunc(f.out.Walls, func(a, b Wall) int { return cmp.Compare(a.ConnectionsLeft, b.ConnectionsLeft) })
	if len(f.out.Walls) > 0 {
		f.out.Fits = maybe.Some(f.out.Walls[0].ConnectionsLeft)
	}
	return f.out
}

// Short says whether the plan's connections do not all fit, and before which wall
// they end.
func (f Preflight) Short(p LoadPlan) (Wall, bool) {
	if len(f.Walls) == 0 || f.Walls[0].ConnectionsLeft >= p.Connections {
		return Wall{}, false
	}
	return f.Walls[0], true
}

type preflight struct {
	snap   *Snapshot
	limits LoadLimits
	plan   LoadPlan
	out    Preflight
}

func (f *preflight) wall(w Wall) {
	w.ConnectionsLeft, w.Level = max(0, w.ConnectionsLeft), levelOf(w.Share())
	f.out.Walls = append(f.out.Walls, w)
}

// cost is what a pair takes: both ends, the client's bind buckets, the watch, and
// the bytes left unread.
func (f *preflight) cost() {
	end, ok := f.snap.ConnectionCost.Of(f.plan.Family)
	if !ok {
		return
	}
	n, origin := 2*end.Bytes, weakest(Derived, end.Origin)
	if f.plan.Family != loadgen.UNIX {
		for _, b := range f.snap.BindBuckets {
			n += b.Bytes
		}
	}
	if f.plan.Watch != loadgen.WatchNone {
		if w, ok := f.snap.Epoll.Cost.Get(); ok {
			n += w.Bytes
			origin = weakest(origin, w.Origin)
		}
	}
	if f.plan.UnreadBytes > 0 {
		n += f.buffer()
		origin = Estimated
	}
	f.out.BytesPerConnection, f.out.Origin = maybe.Some(n), origin
}

// buffer is what unread bytes take at least.
func (f *preflight) buffer() int64 {
	if f.plan.UnreadBytes == 0 {
		return 0
	}
	return f.plan.UnreadBytes + skbBytes
}

// memory is what may be taken of MemAvailable down to the floor, and of the cgroup.
func (f *preflight) memory() {
	each, ok := f.out.BytesPerConnection.Get()
	if !ok {
		return
	}
	each += workerBytesEach
	if f.out.PerPair > 0 {
		each += 2 * workerBytes / f.out.PerPair
	}
	total, ok1 := f.snap.Host.MemTotalBytes.Get()
	available, ok2 := f.snap.Host.MemAvailableBytes.Get()
	if ok1 && ok2 {
		floor := floorOf(f.plan, total)
		f.wall(Wall{
			Name: WallMemory, Unit: UnitBytes, Used: total - available, Limit: total - floor, ConnectionsLeft: (available - floor) / each,
			Scope: "host", RaiseWith: "more memory, or a smaller share that must stay available", Origin: weakest(Derived, f.out.Origin),
		})
	}
	l := &f.limits
	used, ok1 := l.CgroupUsed.Get()
	limit, ok2 := l.CgroupLimit.Get()
	if ok1 && ok2 {
		f.wall(Wall{
			Name: WallCgroup, Unit: UnitBytes, Used: used, Limit: limit - floorOf(f.plan, limit), ConnectionsLeft: (limit - floorOf(f.plan, limit) - used) / each,
			Scope: "eptop's cgroup", RaiseWith: "run eptop in a cgroup with a higher memory limit", Origin: Estimated,
		})
	}
}

// floorOf is what of an amount of memory must stay available.
func floorOf(p LoadPlan, bytes int64) int64 { return int64(p.Floor * float64(bytes)) }

// pairs is how many pairs of workers it takes.
func (f *preflight) pairs() {
	nofile, ok := f.limits.Nofile.Get()
	if !ok {
		return
	}
	f.out.PerPair = loadgen.PerPair(nofile)
	if f.plan.PerPair > 0 {
		f.out.PerPair = f.plan.PerPair
	}
	if f.out.PerPair > 0 {
		f.out.Pairs = (f.plan.Connections + f.out.PerPair - 1) / f.out.PerPair
	}
}

// files are the limits of open files: of the host, and of a process, which further
// workers get around until no more processes can be started. It also has the ports.
func (f *preflight) files() {
	l := &f.limits
	if open, ok := f.snap.OpenFiles.Get(); ok {
		if most, ok := f.snap.MaxFiles.Get(); ok && most <= 1<<62 {
			f.wall(Wall{
				Name: WallFileMax, Unit: UnitFiles, Used: open, Limit: most, ConnectionsLeft: (most - open) / 2, Scope: "host",
				RaiseWith: fmt.Sprintf("sysctl fs.file-max=%d", twice(most)), Origin: Derived,
			})
		}
	}
	nofile, ok := l.Nofile.Get()
	if !ok {
		return
	}
	// A pair takes some of eptop's own files.
	pairs := max(0, nofile-ownFiles) / filesOfPair
	f.wall(Wall{
		Name: WallNofile, Unit: UnitFiles, Used: ownFiles, Limit: nofile, ConnectionsLeft: saturated(pairs, f.out.PerPair),
		Scope:     fmt.Sprintf("eptop and each worker; as many workers as needed, %d files of eptop for two", filesOfPair),
		RaiseWith: fmt.Sprintf("ulimit -Hn %d", twice(nofile)), Origin: Derived,
	})
	tasks, ok1 := l.Tasks.Get()
	most, ok2 := l.MostTasks.Get()
	if ok1 && ok2 {
		n := max(0, most-tasks) / (2 * workerTasks)
		pairs = min(pairs, n)
		f.wall(Wall{
			Name: WallTasks, Unit: UnitTasks, Used: tasks, Limit: most, ConnectionsLeft: saturated(n, f.out.PerPair), Scope: "host",
			RaiseWith: "sysctl kernel.pid_max and kernel.threads-max", Origin: Estimated,
		})
	}
	low, ok1 := l.PortLow.Get()
	high, ok2 := l.PortHigh.Get()
	if ok1 && ok2 && f.plan.Family != loadgen.UNIX && f.out.PerPair > 0 {
		each := loadgen.PortsOfPair(high-low+1, f.out.PerPair, f.plan.Family)
		f.wall(Wall{
			Name: WallPorts, Unit: UnitPorts, Used: 0, Limit: each, ConnectionsLeft: saturated(pairs, min(each, f.out.PerPair)),
			Scope:     fmt.Sprintf("each pair of workers, from ports %d to %d", low, high),
			RaiseWith: `sysctl net.ipv4.ip_local_port_range="1024 65535"`, Origin: Derived,
		})
	}
	if n, ok := l.Backlog.Get(); ok {
		f.out.Notes = append(f.out.Notes, fmt.Sprintf(
			"backlog: %d connections may wait to be accepted (sysctl net.core.somaxconn); opening keeps to three quarters of that, at most 3 072", n))
	}
}

func saturated(a, b int64) int64 {
	if b > 0 && a > math.MaxInt64/b {
		return math.MaxInt64
	}
	return a * b
}

// watches is max_user_watches of the user that eptop runs as.
func (f *preflight) watches() {
	most, ok := f.snap.Epoll.MaxUserWatches.Get()
	if !ok || f.plan.Watch == loadgen.WatchNone {
		return
	}
	w := Wall{
		Name: WallUserWatches, Unit: UnitWatches, Limit: most, Scope: fmt.Sprintf("uid %d", f.limits.UID),
		RaiseWith: fmt.Sprintf("sysctl fs.epoll.max_user_watches=%d", twice(most)), Origin: Derived,
	}
	for _, u := range f.snap.Epoll.Users {
		if u.UID == f.limits.UID {
			w.Used, w.AtLeast, w.Scope = u.Watches.Value, u.AtLeast, "user "+u.User
		}
	}
	w.ConnectionsLeft = most - w.Used
	f.wall(w)
}

// tcpMem bounds buffers: idle connections have none.
func (f *preflight) tcpMem() {
	if f.plan.Family == loadgen.UNIX || f.plan.UnreadBytes == 0 || f.snap.Sockets == nil {
		return
	}
	marks, ok := f.snap.Sockets.TCPMem.Get()
	if !ok {
		return
	}
	used := int64(0)
	if n, ok := f.snap.Sockets.TCP.MemBytes.Get(); ok {
		used = n
	}
	f.wall(Wall{
		Name: WallTCPMem, Unit: UnitBytes, Used: used, Limit: marks.High, ConnectionsLeft: (marks.High - used) / f.buffer(), Scope: "host",
		RaiseWith: raiseTCPMem(marks.High / max(1, f.snap.Host.PageBytes.Value)), Origin: Estimated,
	})
}

// conntrack tracks connections over loopback too, one entry for both ends, where a
// rule asks for it. One that tracks nothing now is no wall.
func (f *preflight) conntrack() {
	used, ok1 := f.limits.Conntrack.Get()
	most, ok2 := f.limits.MostConntrack.Get()
	if !ok1 || !ok2 || most == 0 || f.plan.Family == loadgen.UNIX {
		return
	}
	if used == 0 {
		f.out.Notes = append(f.out.Notes, fmt.Sprintf("conntrack is loaded and tracks nothing; were it to track loopback, %d connections would fit", most))
		return
	}
	f.wall(Wall{
		Name: WallConntrack, Unit: UnitConnections, Used: used, Limit: most, ConnectionsLeft: most - used, Scope: "host, if loopback is tracked",
		RaiseWith: fmt.Sprintf("sysctl net.netfilter.nf_conntrack_max=%d", twice(most)), Origin: Estimated,
	})
}

// Of is the cost of one end of a family.
func (c ConnectionCosts) Of(family LoadFamily) (Cost, bool) {
	switch family {
	case loadgen.TCP6:
		return c.TCP6.Get()
	case loadgen.UNIX:
		return c.Unix.Get()
	}
	return c.TCP4.Get()
}
