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
	// connections each: as many pairs as what fits of the plan takes.
	Pairs   int64 `json:"worker_pairs,omitempty"`
	PerPair int64 `json:"connections_per_pair,omitempty"`
	// Notes say what limits the speed, not the number.
	Notes []string `json:"notes,omitempty"`
}

// Preflight reckons how far this machine lets p go. Used and limits are from the
// Snapshot's time, and the expected costs are the Snapshot's.
func (s *Snapshot) Preflight(p LoadPlan) Preflight {
	f := preflight{snap: s, limits: s.LoadLimits.Value, plan: p, out: Preflight{Walls: []Wall{}}}
	f.perPair()
	f.loopback() // first among those that leave none
	f.cost()
	f.memory()
	f.files()
	f.workers()
	f.watches()
	f.tcpMem()
	f.conntrack()
	slices.SortStableFunc(f.out.Walls, func(a, b Wall) int { return cmp.Compare(a.ConnectionsLeft, b.ConnectionsLeft) })
	if len(f.out.Walls) > 0 {
		f.out.Fits = maybe.Some(f.out.Walls[0].ConnectionsLeft)
	}
	if each := f.out.PerPair; each > 0 {
		n := p.Connections
		if fits, ok := f.out.Fits.Get(); ok {
			n = min(n, fits)
		}
		f.out.Pairs = (n + each - 1) / each
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
	watch := f.snap.Epoll.Cost.Value
	if !ok || end.AtLeast || f.plan.Watch != loadgen.WatchNone && watch.AtLeast {
		return // nothing can be expected from a part
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

const (
	// skbBytes is what a segment takes beside its bytes: the truesize of sk_buff and its
	// head. skbMost is the most bytes in one: what a 64 KiB write over loopback, whose
	// segments are a little shorter, becomes two of.
	skbBytes, skbMost = 832, 65_483
)

// buffer is what unread bytes take.
func (f *preflight) buffer() int64 {
	n := f.plan.UnreadBytes
	if n == 0 {
		return 0
	}
	segments := int64(1)
	if n > skbMost {
		segments = 2 * (n + skbMost - 1) / skbMost
	}
	return n + segments*skbBytes
}

// bufferPages is the same in whole pages, as the kernel accounts for buffers.
func (f *preflight) bufferPages() int64 {
	page := max(1, f.snap.Host.PageBytes.Value)
	return (f.buffer() + page - 1) / page * page
}

// memory is what may be taken of MemAvailable down to the floor, and of the cgroup.
func (f *preflight) memory() {
	each, ok := f.out.BytesPerConnection.Get()
	if !ok {
		return
	}
	total, ok1 := f.snap.Host.MemTotalBytes.Get()
	available, ok2 := f.snap.Host.MemAvailableBytes.Get()
	if ok1 && ok2 {
		floor := f.plan.FloorOf(total)
		f.wall(Wall{
			Name: WallMemory, Unit: UnitBytes, Used: total - available, Limit: total - floor, ConnectionsLeft: loadgen.Fit(available-floor, each, f.out.PerPair),
			Scope: "host", RaiseWith: "more memory, or a smaller share that must stay available", Origin: weakest(Derived, f.out.Origin),
		})
	}
	l := &f.limits
	if room, ok := l.CgroupRoom(f.plan.Config); ok {
		f.wall(Wall{
			Name: WallCgroup, Unit: UnitBytes, Used: l.CgroupUsed.Value, Limit: max(0, l.CgroupUsed.Value+room),
			ConnectionsLeft: loadgen.Fit(room, f.charge(each), f.out.PerPair),
			Scope:           cgroupScope(l.CgroupDir), RaiseWith: "a higher memory limit of " + cgroupScope(l.CgroupDir), Origin: Estimated,
		})
	}
}

// charge is what a memory cgroup is charged for a connection that takes so many bytes;
// where a size is not known it is the bytes.
func (f *preflight) charge(bytes int64) int64 {
	end, _ := f.snap.ConnectionCost.Of(f.plan.Family)
	parts := slices.Concat(end.Parts, end.Parts)
	if len(end.Parts) > 0 && f.plan.Family != loadgen.UNIX && f.limits.CgroupVersion == 1 {
		// A softirq makes the server's socket, the first part of its end.
		parts = parts[:len(parts)-len(end.Parts)]
		parts = append(parts, end.Parts[1:]...)
	}
	if f.plan.Family != loadgen.UNIX {
		parts = append(parts, f.snap.BindBuckets...)
	}
	if f.plan.Watch != loadgen.WatchNone {
		parts = append(parts, f.snap.Epoll.Cost.Value.Parts...)
	}
	n, ok := chargeOf(parts)
	if !ok || n == 0 {
		return bytes
	}
	if f.limits.CgroupVersion != 1 {
		n += f.bufferPages()
	}
	return n
}

// cgroupScope names the cgroup that has a limit: often an ancestor of eptop's own.
func cgroupScope(dir string) string {
	if dir == "" {
		return "eptop's cgroup"
	}
	return "cgroup " + dir
}

// perPair is how many connections a pair of workers holds.
func (f *preflight) perPair() {
	if f.limits.Nofile.Known {
		f.out.PerPair = f.limits.PerPair(f.plan.Config)
	}
}

// files is the host's limit of open files. It does not hold for CAP_SYS_ADMIN, but for
// all others, for whom such a load leaves no files.
func (f *preflight) files() {
	open, ok1 := f.snap.OpenFiles.Get()
	most, ok2 := f.snap.MaxFiles.Get()
	if !ok1 || !ok2 || most > mostMaxFiles {
		return
	}
	left := max(0, most-open) / 2
	if f.limits.Admin {
		if f.plan.Connections > left {
			f.out.Notes = append(f.out.Notes, fmt.Sprintf(
				"fs.file-max does not stop eptop, which has CAP_SYS_ADMIN: beyond %d connections programs without it can open no file", left))
		}
		return
	}
	f.wall(Wall{
		Name: WallFileMax, Unit: UnitFiles, Used: open, Limit: most, ConnectionsLeft: left, Scope: "host",
		RaiseWith: f.snap.Host.sysctl("fs.file-max=%d", twice(most)), Origin: Derived,
	})
}

// workers are the limits of how many workers there can be. A process that may open few
// files is no limit while there can be more processes.
func (f *preflight) workers() {
	l := &f.limits
	for _, limit := range l.PairLimits(f.plan.Config) {
		w := Wall{
			Name: limit.Wall, Unit: UnitTasks, Used: limit.Used, Limit: limit.Most, Scope: "host", Origin: Derived,
			ConnectionsLeft: saturated(limit.Pairs, max(1, f.out.PerPair)),
		}
		switch limit.Wall {
		case WallNofile:
			w.Unit, w.Scope = UnitFiles, "eptop and each of its workers"
			command := "ulimit -Hn %d"
			if l.UID != 0 {
				command += " as root"
			}
			w.RaiseWith = raiseNofile(command, limit.Most, l.NrOpen, l.UID == 0 && !l.Resource, &f.snap.Host)
		case WallPorts:
			w.Unit, w.Scope = UnitPorts, fmt.Sprintf("ports %d to %d", l.PortLow.Value, l.PortHigh.Value)
			if l.PortsReserved != "" {
				w.Scope += " without " + l.PortsReserved
			}
			w.RaiseWith = f.snap.Host.sysctl(`net.ipv4.ip_local_port_range="1024 65535"`)
		case WallPids:
			w.Scope = cgroupScope(limit.Dir)
			w.RaiseWith = "a higher pids.max of " + w.Scope + " (systemd TasksMax=, docker --pids-limit)"
		case WallUserTasks:
			w.Scope, w.RaiseWith = fmt.Sprintf("uid %d", l.UID), fmt.Sprintf("ulimit -u %d, or run eptop as root", twice(limit.Most))
		case WallTasks:
			w.RaiseWith = "sysctl kernel.pid_max and kernel.threads-max"
		}
		f.wall(w)
	}
	if n, ok := l.Backlog.Get(); ok {
		f.out.Notes = append(f.out.Notes, fmt.Sprintf(
			"backlog: %d connections may wait to be accepted (sysctl net.core.somaxconn); opening keeps to three quarters of that, at most 3 072", n))
	}
}

// loopback is there where no connection at all can be made.
func (f *preflight) loopback() {
	if o := f.limits.Obstacle(f.plan.Family); o != (loadgen.Obstacle{}) {
		f.wall(Wall{Name: WallLoopback, Unit: UnitConnections, Scope: o.What, RaiseWith: o.Cure, Origin: Measured})
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
	user := User{User: fmt.Sprint(f.limits.UID), Extent: f.snap.Epoll.Extent}
	for _, u := range f.snap.Epoll.Users {
		if u.UID == f.limits.UID {
			user = u
		}
	}
	f.wall(watchesWall(&user, most, &f.snap.Host))
}

// tcpMem bounds buffers: idle connections have none. The kernel counts whole pages for
// each socket (sk_rmem_schedule and __sk_mem_schedule in net/core/sock.c); only since
// Linux 6.0 does the sender give its own back.
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
	page := f.snap.Host.PageBytes.Value
	if page <= 0 {
		return
	}
	each := f.bufferPages()
	f.wall(Wall{
		Name: WallTCPMem, Unit: UnitBytes, Used: used, Limit: marks.High, ConnectionsLeft: (marks.High - used) / each, Scope: "host",
		RaiseWith: raiseTCPMem(marks.High/page, &f.snap.Host), Origin: Estimated,
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
		RaiseWith: f.snap.Host.sysctl("net.netfilter.nf_conntrack_max=%d", twice(most)), Origin: Estimated,
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
