package model

import (
	"strings"
	"testing"

	"github.com/eptop/eptop/internal/loadgen"
	"github.com/eptop/eptop/internal/maybe"
)

// ready is a machine on which everything that Preflight needs is known.
func ready() *Snapshot {
	cost := func(n int64) maybe.Of[Cost] { return maybe.Some(Cost{Bytes: n, Origin: Derived}) }
	return &Snapshot{
		Host: Host{PageBytes: maybe.Some[int64](4096), MemTotalBytes: maybe.Some[int64](10e9), MemAvailableBytes: maybe.Some[int64](9e9)},
		Epoll: EpollTotals{
			MaxUserWatches: maybe.Some[int64](500_000), Cost: maybe.Some(WatchCost{Bytes: 208, Origin: Derived}),
			Users: []User{{UID: 33, User: "www", Watches: maybe.Some[int64](7)}, {UID: 0, User: "root", Watches: maybe.Some[int64](1000)}},
		},
		ConnectionCost: ConnectionCosts{TCP4: cost(3829), TCP6: cost(3829), Unix: cost(2478)},
		BindBuckets:    []Part{{Bytes: 128}, {Bytes: 128}},
		OpenFiles:      maybe.Some[int64](1000), MaxFiles: maybe.Some[int64](2_000_000),
		LoadLimits: maybe.Some(LoadLimits{
			Nofile: maybe.Some[int64](20_000), PortLow: maybe.Some[int64](32768), PortHigh: maybe.Some[int64](60999), Backlog: maybe.Some[int64](4096),
			Tasks: maybe.Some[int64](200), MostTasks: maybe.Some[int64](32768),
		}),
	}
}

// perPair is what a pair of workers holds of a machine that is ready.
const perPair = 20_000 - 13

func wallsOf(f Preflight) map[WallName]Wall {
	out := map[WallName]Wall{}
	for _, w := range f.Walls {
		out[w.Name] = w
	}
	return out
}

func TestPreflight(t *testing.T) {
	plan := DefaultLoadPlan()
	f := ready().Preflight(plan)
	if f.BytesPerConnection != maybe.Some[int64](2*3829+256+208) || f.Origin != Derived {
		t.Errorf("%+v %s", f.BytesPerConnection, f.Origin)
	}
	walls := wallsOf(f)
	for name, left := range map[WallName]int64{
		"user_watches": 499_000, "file_max": (2_000_000 - 1000) / 2, "tasks": (32768 - 200 - 20) / loadgen.PairTasks * perPair, "nofile": (20_000 - 32) / 4 * perPair,
		"ports": (28_232 - 1) * perPair,
	} {
		if got := walls[name].ConnectionsLeft; got != left {
			t.Errorf("%s: %d left, want %d", name, got, left)
		}
	}
	if w := walls["user_watches"]; w.Used != 1000 || w.Scope != "user root" || w.RaiseWith != "sysctl fs.epoll.max_user_watches=1000000" {
		t.Errorf("%+v", w)
	}
	// 8 GB down to the floor, some 8 400 bytes each with its share of a worker.
	if got := walls["memory"].ConnectionsLeft; got < 900_000 || got > 1_000_000 {
		t.Errorf("memory: %d left", got)
	}
	if f.Walls[0].Name != "user_watches" || f.Fits != maybe.Some[int64](499_000) || f.Pairs != 1 || f.PerPair != perPair {
		t.Errorf("%+v", f)
	}
	for _, name := range []WallName{"conntrack", "tcp_mem", "cgroup"} {
		if w, ok := walls[name]; ok {
			t.Errorf("%+v, of which nothing is known", w)
		}
	}
	if _, short := f.Short(plan); short {
		t.Error("10 000 do not fit")
	}
	plan.Connections = 1_000_000
	if w, short := ready().Preflight(plan).Short(plan); !short || w.Name != "user_watches" {
		t.Errorf("a million: %+v, %v", w, short)
	}
	if f := ready().Preflight(plan); f.Pairs != (499_000+perPair-1)/perPair {
		t.Errorf("%d pairs, for more than will be opened", f.Pairs)
	}
}

func TestPreflightByPlan(t *testing.T) {
	for name, c := range map[string]struct {
		plan   func(*LoadPlan)
		snap   func(*Snapshot)
		bytes  int64
		with   WallName // a wall that is there
		left   int64
		absent WallName // and one that is not
		note   string
	}{
		"unix":        {plan: func(p *LoadPlan) { p.Family = loadgen.UNIX }, bytes: 2*2478 + 208, absent: "ports"},
		"not watched": {plan: func(p *LoadPlan) { p.Watch = loadgen.WatchNone }, bytes: 2*3829 + 256, absent: "user_watches"},
		"unread": {
			plan: func(p *LoadPlan) { p.UnreadBytes = 1000 }, bytes: 2*3829 + 256 + 208 + 1832,
			snap: func(s *Snapshot) { s.Sockets = &Sockets{TCPMem: maybe.Some(TCPMem{High: 4096 * 100})} }, with: "tcp_mem", left: 100,
		},
		// One byte more than a page takes holds two pages.
		"unread in two pages": {
			plan: func(p *LoadPlan) { p.UnreadBytes = 4096 - 832 + 1 }, bytes: 2*3829 + 256 + 208 + 4097,
			snap: func(s *Snapshot) { s.Sockets = &Sockets{TCPMem: maybe.Some(TCPMem{High: 4096 * 100})} }, with: "tcp_mem", left: 50,
		},
		"cgroup": {
			snap: func(s *Snapshot) {
				s.LoadLimits.Value.CgroupUsed, s.LoadLimits.Value.CgroupLimit = maybe.Some[int64](0), maybe.Some[int64](100_000_000)
			}, bytes: 8122, with: "cgroup", left: (90_000_000 - 2*loadgen.WorkerBytes) / (8122 + loadgen.WorkerBytesEach),
		},
		// A tenth of 40 MB is less than eptop needs to look on.
		"small cgroup": {
			snap: func(s *Snapshot) {
				s.LoadLimits.Value.CgroupUsed, s.LoadLimits.Value.CgroupLimit = maybe.Some[int64](20_000_000), maybe.Some[int64](40_000_000)
			}, bytes: 8122, with: "cgroup", left: (20_000_000 - 8<<20 - 2*loadgen.WorkerBytes) / (8122 + loadgen.WorkerBytesEach),
		},
		"cgroup without room for workers": {
			snap: func(s *Snapshot) {
				s.LoadLimits.Value.CgroupUsed, s.LoadLimits.Value.CgroupLimit = maybe.Some[int64](20_000_000), maybe.Some[int64](32_000_000)
			}, bytes: 8122, with: "cgroup", left: 0,
		},
		"conntrack": {
			snap: func(s *Snapshot) {
				s.LoadLimits.Value.Conntrack, s.LoadLimits.Value.MostConntrack = maybe.Some[int64](62), maybe.Some[int64](262)
			},
			bytes: 8122, with: "conntrack", left: 200,
		},
		"conntrack that tracks nothing": {
			snap: func(s *Snapshot) {
				s.LoadLimits.Value.Conntrack, s.LoadLimits.Value.MostConntrack = maybe.Some[int64](0), maybe.Some[int64](262)
			},
			bytes: 8122, absent: "conntrack", note: "conntrack is loaded and tracks nothing",
		},
		// Of ten ports two are for listeners, and one pair needs both.
		"few ports": {
			plan: func(p *LoadPlan) { p.Family = loadgen.TCP6 },
			snap: func(s *Snapshot) { s.LoadLimits.Value.PortHigh = maybe.Some[int64](32768 + 9) }, bytes: 8122, with: "ports", left: 2 * 8,
		},
		"reserved ports": {
			plan: func(p *LoadPlan) { p.Family = loadgen.TCP6 },
			snap: func(s *Snapshot) {
				s.LoadLimits.Value.PortHigh, s.LoadLimits.Value.PortsReserved = maybe.Some[int64](32768+9), "80,32770-32773"
			}, bytes: 8122, with: "ports", left: 5,
		},
		"one port": {
			snap: func(s *Snapshot) { s.LoadLimits.Value.PortHigh = maybe.Some[int64](32768) }, bytes: 8122, with: "ports", left: 0,
		},
		"pids.max": {
			snap: func(s *Snapshot) {
				l := &s.LoadLimits.Value
				l.Threads, l.Pids, l.MostPids = maybe.Some[int64](9), maybe.Some[int64](11), maybe.Some[int64](300)
			}, bytes: 8122, with: "pids", left: (300 - 2 - 20) / loadgen.PairTasks * perPair,
		},
		"ulimit -u": {
			snap: func(s *Snapshot) {
				l := &s.LoadLimits.Value
				l.Threads, l.UserTasks, l.MostUserTasks = maybe.Some[int64](9), maybe.Some[int64](9), maybe.Some[int64](25)
			}, bytes: 8122, with: "nproc", left: 0,
		},
		"few files": {
			snap: func(s *Snapshot) { s.LoadLimits.Value.Nofile = maybe.Some[int64](10) }, bytes: 8122, with: "nofile", left: 0, absent: "ports",
		},
		"fs.file-max is not for root": {
			plan: func(p *LoadPlan) { p.Connections = 1_000_000 },
			snap: func(s *Snapshot) { s.LoadLimits.Value.Admin = true }, bytes: 8122, absent: "file_max", note: "beyond 999500 connections programs without it",
		},
		"lo is down": {
			snap: func(s *Snapshot) { s.LoadLimits.Value.NoLoopback4 = loadgen.Obstacle{What: "down", Cure: "up"} }, bytes: 8122, with: "loopback", left: 0,
		},
		"no IPv6": {
			snap: func(s *Snapshot) { s.LoadLimits.Value.NoLoopback6 = loadgen.Obstacle{What: "off", Cure: "on"} }, bytes: 8122, absent: "loopback",
		},
		"watches beyond the limit": {
			snap: func(s *Snapshot) { s.Epoll.MaxUserWatches = maybe.Some[int64](10) }, bytes: 8122, with: "user_watches", left: 0,
		},
	} {
		t.Run(name, func(t *testing.T) {
			plan, snap := DefaultLoadPlan(), ready()
			if c.plan != nil {
				c.plan(&plan)
			}
			if c.snap != nil {
				c.snap(snap)
			}
			f := snap.Preflight(plan)
			walls := wallsOf(f)
			if f.BytesPerConnection != maybe.Some(c.bytes) {
				t.Errorf("%+v bytes, want %d", f.BytesPerConnection, c.bytes)
			}
			if w, ok := walls[c.with]; c.with != "" && (!ok || w.ConnectionsLeft != c.left) {
				t.Errorf("%+v, want %d left", w, c.left)
			}
			if _, ok := walls[c.absent]; ok {
				t.Errorf("there is a wall %s", c.absent)
			}
			if c.note != "" && !strings.Contains(strings.Join(f.Notes, "\n"), c.note) {
				t.Errorf("notes %q", f.Notes)
			}
		})
	}
}

// TestWallsNameTheirCgroup: a limit is raised where it is, often above eptop's own cgroup.
func TestWallsNameTheirCgroup(t *testing.T) {
	s := ready()
	s.LoadLimits.Value.Cgroups = loadgen.Cgroups{
		CgroupUsed: maybe.Some[int64](0), CgroupLimit: maybe.Some[int64](1e9), CgroupDir: "/sys/fs/cgroup/memory/a",
		Pids: maybe.Some[int64](20), MostPids: maybe.Some[int64](150), PidsDir: "/sys/fs/cgroup/pids/b",
	}
	walls := wallsOf(s.Preflight(DefaultLoadPlan()))
	for name, dir := range map[WallName]string{WallCgroup: "cgroup /sys/fs/cgroup/memory/a", WallPids: "cgroup /sys/fs/cgroup/pids/b"} {
		if w := walls[name]; w.Scope != dir || !strings.Contains(w.RaiseWith, dir) {
			t.Errorf("%+v, want %s", w, dir)
		}
	}
}

func TestPreflightOfNothing(t *testing.T) {
	f := (&Snapshot{}).Preflight(DefaultLoadPlan())
	if f.Fits.Known || len(f.Walls) != 0 || f.BytesPerConnection.Known {
		t.Errorf("%+v", f)
	}
	if _, short := f.Short(DefaultLoadPlan()); short {
		t.Error("nothing known is short")
	}
}
