// Package viewtest is for tests of views without a machine: it has made-up machines as
// Snapshots, a load generator that opens nothing, golden files, and the checks that every
// view must pass.
package viewtest

import (
	"slices"
	"time"

	"github.com/eptop/eptop/internal/epoll"
	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/model"
)

// The functions that return a Snapshot make up whole machines; a test of a view starts
// from one of them. Each call makes a new Snapshot, which the test may change.

// Time is when the made-up machines were looked at.
var Time = time.Date(2026, 11, 23, 7, 30, 0, 0, time.UTC)

// Rich is a busy machine on which eptop runs as root, so that every field has a value:
// Linux 6.18, one node, eight echo servers with 19 000 idle connections each.
func Rich() *model.Snapshot {
	procs := []model.Process{}
	for i := range 8 {
		procs = append(procs, Process(7424+i, 0, "root", "exp server", 19001, 19002))
	}
	procs = append(procs,
		Process(812, 33, "www-data", "nginx", 12, 9),
		Process(640, 0, "root", "dbus-daemon", 9, 7),
		Process(1, 0, "root", "systemd", 83, 31),
		KnownProcess(4242),
	)
	return &model.Snapshot{
		Schema: model.Schema,
		Time:   Time,
		Took:   400 * time.Microsecond,
		Host: model.Host{
			Hostname: "web-1", Kernel: "6.18.44", PageBytes: maybe.Some[int64](4096), CPUs: 2,
			MemTotalBytes:     maybe.Some[int64](25_276_510_208),
			MemAvailableBytes: maybe.Some[int64](22_761_193_472),
			SReclaimableBytes: maybe.Some[int64](318_418_944),
			SUnreclaimBytes:   maybe.Some[int64](556_347_392),
		},
		Guest: model.Guest{
			CPU: 410 * time.Microsecond, Stall: 92 * time.Microsecond, MaxStall: 0.01,
			FDsListed: 12, InstancesRead: 5, InstancesWaiting: 8, RSSBytes: maybe.Some[int64](21_400_000),
		},
		Sources: richSources(),
		Epoll: model.EpollTotals{
			MaxUserWatches: maybe.Some[int64](5_491_511),
			Instances:      maybe.Some[int64](13), Watches: maybe.Some[int64](152_135),
			Users: []model.User{
				{
					UID: 0, User: "root", Instances: 11, Watches: maybe.Some[int64](152_100),
					Limit: maybe.Some[int64](5_491_511), WatchBytes: maybe.Some[int64](152_100 * 208), Unsure: 2,
				},
				{
					UID: 1000, User: "mara", Instances: 1, Watches: maybe.Some[int64](23),
					Limit: maybe.Some[int64](5_491_511), WatchBytes: maybe.Some[int64](23 * 208),
				},
				{
					UID: 33, User: "www-data", Instances: 1, Watches: maybe.Some[int64](12),
					Limit: maybe.Some[int64](5_491_511), WatchBytes: maybe.Some[int64](12 * 208),
				},
			},
			Cost: maybe.Some(watchCost()),
		},
		ConnectionCost: connectionCosts(),
		InstanceCost: maybe.Some(model.InstanceCost{
			Bytes: 646, Origin: model.Measured,
			Parts: []model.Part{
				{Cache: "kmalloc-256", ShownAs: "kmalloc-256", ObjectBytes: maybe.Some[int64](208), Bytes: 256, Origin: model.Measured},
				{Cache: "filp", ShownAs: "filp", ObjectBytes: maybe.Some[int64](184), Bytes: 195, Origin: model.Measured},
				{Cache: "dentry", ShownAs: "dentry", ObjectBytes: maybe.Some[int64](192), Bytes: 195, Origin: model.Measured},
			},
		}),
		Processes: procs,
		Sockets:   richSockets(),
		Slab:      richCaches(), SlabTotals: model.SumSlab(richCaches(), true), SlabNetwork: model.SumSlab(richCaches(), false),
		Nodes: []model.Node{{
			ID: 0, CPUs: maybe.Some("0-1"),
			MemTotalBytes: maybe.Some[int64](25_276_510_208), MemFreeBytes: maybe.Some[int64](4_980_736_000),
			SlabReclaimableBytes: maybe.Some[int64](318_418_944), SlabUnreclaimableBytes: maybe.Some[int64](556_347_392),
			Distances: []int{10},
		}},
		Zones: []model.Zone{
			Zone(0, "DMA", 3840, 45, 56, 67, 78, 4095, 3998, 3840),
			Zone(0, "DMA32", 412_917, 9118, 11_397, 13_676, 15_955, 1_044_480, 782_336, 772_917),
			Zone(0, "Normal", 799_243, 60_731, 75_913, 91_095, 106_277, 5_505_024, 5_505_024, 5_394_201),
			Zone(0, "Movable", 0, 32, 32, 32, 32, 0, 0, 0),
			Zone(0, "Device", 0, 0, 0, 0, 0, 0, 0, 0),
		},
		Walls: []model.Wall{
			{
				Name: "nofile", Used: 19_009, Limit: 20_000, ConnectionsLeft: 991, Scope: "pid 7424",
				RaiseWith: "prlimit --pid 7424 --nofile=200000:200000", Origin: model.Measured,
			},
			{
				Name: "user_watches", Used: 152_100, Limit: 5_491_511, ConnectionsLeft: 5_339_411, Scope: "user root",
				RaiseWith: "sysctl fs.epoll.max_user_watches=11000000", Origin: model.Derived,
			},
			{
				Name: "memory", Used: 2_515_316_736, Limit: 25_276_510_208, ConnectionsLeft: 5_638_146, Scope: "host",
				RaiseWith: "more memory", Origin: model.Estimated,
			},
			{
				Name: "file_max", Used: 153_216, Limit: 2_454_108, ConnectionsLeft: 2_300_892, Scope: "host",
				RaiseWith: "sysctl fs.file-max=5000000", Origin: model.Measured,
			},
		},
	}
}

// Huge is a machine with a single process, which has a million watches. The watches are
// not listed: see ListedWatches.
func Huge() *model.Snapshot {
	s := Rich()
	p := Process(31337, 1000, "mara", "gateway-with-a-very-long-name", 1_000_000, 1_000_003)
	s.Processes = []model.Process{p}
	s.Epoll.Instances, s.Epoll.Watches = maybe.Some[int64](1), maybe.Some[int64](1_000_000)
	s.Epoll.Users = []model.User{{
		UID: 1000, User: "mara", Instances: 1, Watches: maybe.Some[int64](1_000_000),
		Limit: maybe.Some[int64](1_048_576), WatchBytes: maybe.Some[int64](208_000_000),
	}}
	s.Epoll.MaxUserWatches = maybe.Some[int64](1_048_576)
	s.Walls = []model.Wall{{
		Name: "user_watches", Used: 1_000_000, Limit: 1_048_576, ConnectionsLeft: 48_576, Scope: "user mara",
		RaiseWith: "sysctl fs.epoll.max_user_watches=2000000", Origin: model.Derived,
	}}
	return s
}

// Empty is a machine without epoll instances and sockets.
func Empty() *model.Snapshot {
	s := Rich()
	s.Processes, s.Sockets = nil, noSockets()
	s.Epoll.Instances, s.Epoll.Watches, s.Epoll.Users = maybe.Some[int64](0), maybe.Some[int64](0), nil
	s.Walls = nil
	return s
}

// LockedDown is what an ordinary user sees on a locked-down machine: no slabinfo, no BTF,
// no sizes, and no process of other users.
func LockedDown() *model.Snapshot {
	s := Rich()
	s.Sources = []model.Source{
		{
			Name: "fdinfo", State: model.Denied, Detail: "the fds of 41 processes belong to other users",
			Remedy: "sudo eptop", Took: 300 * time.Microsecond,
		},
		{Name: "slabinfo", State: model.Denied, Detail: "/proc/slabinfo is readable by root only", Remedy: "sudo eptop"},
		{Name: "slab_sysfs", State: model.Absent, Detail: "/sys/kernel/slab does not exist: the kernel was built without SLUB sysfs"},
		{Name: "btf", State: model.Absent, Detail: "/sys/kernel/btf/vmlinux does not exist"},
		{Name: "sock_diag", State: model.Absent, Detail: "this kernel has neither sock_diag nor /proc/net/tcp"},
		{Name: "zoneinfo", State: model.Denied, Detail: "/proc/zoneinfo: permission denied", Remedy: "sudo eptop"},
		{Name: "nodes", State: model.Absent, Detail: "/sys/devices/system/node does not exist: no NUMA"},
		{Name: "meminfo", State: model.OK, Took: 20 * time.Microsecond},
		{Name: "limits", State: model.OK, Took: 20 * time.Microsecond},
	}
	s.Processes = nil
	deny(s, 41)
	s.Epoll = model.EpollTotals{MaxUserWatches: maybe.Some[int64](5_491_511), Extent: s.Epoll.Extent}
	s.ConnectionCost = model.ConnectionCosts{FolkloreBytes: 3379}
	s.InstanceCost = maybe.Of[model.InstanceCost]{}
	s.SlabTotals, s.SlabNetwork = maybe.Of[model.SlabTotals]{}, maybe.Of[model.SlabTotals]{}
	s.Slab, s.Nodes, s.Zones, s.Walls, s.Sockets = nil, nil, nil, nil, nil
	return s
}

// Unprivileged is what an ordinary user sees on an ordinary machine: slabinfo and the fds
// of other users are denied, sizes come from BTF and /sys/kernel/slab.
func Unprivileged() *model.Snapshot {
	s := Rich()
	s.Sources[0] = model.Source{
		Name: "fdinfo", State: model.Denied, Detail: "the fds of 41 processes belong to other users", Remedy: "sudo eptop",
	}
	s.Sources[1] = model.Source{
		Name: "slabinfo", State: model.Denied, Detail: "/proc/slabinfo is readable by root only", Remedy: "sudo eptop",
	}
	s.Processes = s.Processes[8:9]
	deny(s, 41)
	s.Epoll.Users = s.Epoll.Users[2:]
	s.Epoll.Instances, s.Epoll.Watches = maybe.Some[int64](1), maybe.Some[int64](12)
	s.SlabTotals, s.SlabNetwork = maybe.Of[model.SlabTotals]{}, maybe.Of[model.SlabTotals]{}
	s.Slab, s.Walls, s.Sockets = nil, s.Walls[1:3], procNetSockets()
	return s
}

// deny makes so many processes ones whose fds the user may not list.
func deny(s *model.Snapshot, processes int) {
	s.Hidden = processes
	s.Coverage.Processes += processes
	s.Coverage.Denied = processes
	s.Epoll.Extent = model.ExtentOf(model.Gap{What: model.GapDenied, Count: maybe.Some(int64(processes))})
}

// Listing is Rich in its first second: eptop has listed the small processes, and of the
// large ones it knows how many files they have. Its sockets come with the next look.
func Listing() *model.Snapshot {
	s := Rich()
	waiting := []model.Gap{{What: model.GapNotListed, Count: maybe.Some[int64](8), Files: maybe.Some[int64](8 * 19_009)}}
	s.Coverage = model.Coverage{Processes: 366, Waiting: 8, Files: 4_103, FilesWaiting: waiting[0].Files}
	s.Epoll.Extent = model.ExtentOf(waiting...)
	s.Epoll.Instances, s.Epoll.Watches = maybe.Some[int64](5), maybe.Some[int64](127)
	s.Epoll.Users[0].Instances, s.Epoll.Users[0].Watches, s.Epoll.Users[0].WatchBytes = 3, maybe.Some[int64](92), maybe.Some[int64](92*208)
	for i := range s.Epoll.Users {
		s.Epoll.Users[i].Extent = s.Epoll.Extent
	}
	for i := range 8 {
		p := &s.Processes[i]
		*p = model.Process{PID: p.PID, Comm: p.Comm, User: p.User, Started: p.Started, FDs: p.FDs, Nofile: p.Nofile, State: model.Absent}
		p.Extent = model.ExtentOf(model.Gap{What: model.GapNotListed, Count: maybe.Some[int64](1), Files: p.FDs})
	}
	s.Sockets, s.Sockstat = nil, maybe.Some(s.Sockets.TCP)
	s.OpenFiles = maybe.Some[int64](156_200)
	s.Walls[1].Used, s.Walls[1].ConnectionsLeft, s.Walls[1].AtLeast = 92, 5_491_419, true
	return s
}

// NoNUMA is a machine whose kernel has no NUMA: it has zones, and no nodes.
func NoNUMA() *model.Snapshot {
	s := Rich()
	s.Nodes = nil
	for i := range s.Sources {
		if s.Sources[i].Name == "nodes" {
			s.Sources[i] = model.Source{
				Name: "nodes", State: model.Absent, Detail: "/sys/devices/system/node does not exist: this kernel has no NUMA",
			}
		}
	}
	return s
}

func richSources() []model.Source {
	ok := func(name string, took time.Duration) model.Source {
		return model.Source{Name: name, State: model.OK, Took: took}
	}
	return []model.Source{
		ok("fdinfo", 210*time.Microsecond), ok("slabinfo", 90*time.Microsecond), ok("slab_sysfs", 30*time.Microsecond),
		ok("btf", 0), ok("zoneinfo", 25*time.Microsecond), ok("nodes", 15*time.Microsecond), ok("sock_diag", 190*time.Millisecond), ok("sockstat", 20*time.Microsecond),
		ok("meminfo", 10*time.Microsecond), ok("limits", 20*time.Microsecond),
		{Name: "bpf", State: model.Absent, Detail: "this version of eptop looks through /proc alone"},
	}
}

func watchCost() model.WatchCost {
	return model.WatchCost{
		Bytes: 208, ChargedBytes: maybe.Some[int64](184), ManualBytes: 160, Origin: model.Measured,
		Parts: []model.Part{
			costPart("eventpoll_epi", "eventpoll_epi", 120, 128, false),
			costPart("eventpoll_pwq", "anon_vma_chain", 64, 64, false),
			costPart("ep_head", "ep_head", 16, 16, false),
		},
	}
}

func connectionCosts() model.ConnectionCosts {
	tail := []model.Part{
		costPart("sock_inode_cache", "sock_inode_cache", 768, 862, true),
		costPart("filp", "filp", 184, 195, false),
		costPart("dentry", "dentry", 192, 195, true),
		costPart("lsm_inode_cache", "lsm_inode_cache", 32, 32, false),
		costPart("lsm_file_cache", "lsm_file_cache", 24, 24, false),
	}
	with := func(first model.Part, origin model.Origin) maybe.Of[model.Cost] {
		c := model.Cost{Origin: origin, Parts: append([]model.Part{first}, tail...)}
		for _, p := range c.Parts {
			c.Bytes += p.Bytes
		}
		return maybe.Some(c)
	}
	return model.ConnectionCosts{
		TCP4:          with(costPart("TCP", "TCP", 2304, 2521, false), model.Measured),
		TCP6:          with(costPart("TCPv6", "TCPv6", 2432, 2521, false), model.Measured),
		Unix:          with(costPart("UNIX-STREAM", "signal_cache", 1152, 1170, false), model.Measured),
		FolkloreBytes: 3379,
	}
}

func costPart(cache, shownAs string, object, bytes int64, reclaimable bool) model.Part {
	return model.Part{
		Cache: cache, ShownAs: shownAs, ObjectBytes: maybe.Some(object), Bytes: bytes,
		Origin: model.Measured, Reclaimable: maybe.Some(reclaimable),
	}
}

// Process is a process with one epoll instance of n watches, edge-triggered on sockets.
// The watches are counted and not listed.
func Process(pid, uid int, user, comm string, n, sockets int64) model.Process {
	kb := model.KernelBytes{
		Sockets: maybe.Some(sockets * 3829), Buffers: maybe.Some(sockets * 10), Watches: maybe.Some(n * 208), Instances: maybe.Some[int64](646),
	}
	kb.Total = maybe.Some(kb.Sockets.Value + kb.Buffers.Value + kb.Watches.Value + kb.Instances.Value)
	return model.Process{
		PID: pid, Comm: comm, UID: maybe.Some(uid), User: user, Started: Time.Add(-3 * time.Hour),
		FDs: maybe.Some(sockets + 7), Sockets: maybe.Some(sockets), EndsHere: sockets - 2, Instances: maybe.Some[int64](1), Watches: maybe.Some(n), KernelBytes: kb, State: model.OK,
		Nofile: maybe.Some[int64](20_000), ListedAge: 4 * time.Second,
		Epolls: []model.Epoll{{
			FD: 4, State: model.OK, Counts: model.Counts{Watches: n, ET: n - 1, Exclusive: 1},
			Bytes: maybe.Some(n * 208), ReadTook: time.Duration(n) * 1600, Age: 2 * time.Second,
			NextRead: time.Second, ChargedUID: maybe.Some(uid), ChargedSure: true,
			ChargedWhy: "every holder runs as this user",
		}},
	}
}

// KnownProcess is a process whose only epoll instance has exactly 23 watches, all listed:
// 11 are ET, 5 ONESHOT (2 of these disarmed), 1 EXCLUSIVE, 1 stale, 1 of a nested epoll.
func KnownProcess(pid int) model.Process {
	p := Process(pid, 1000, "mara", "known23", 23, 22)
	const errHup = 0x18
	e := &p.Epolls[0]
	e.Counts = model.Counts{Watches: 23, ET: 11, OneShot: 5, Disarmed: 2, Exclusive: 1, Stale: 1, Nested: 1}
	for i := range 23 {
		w := epoll.Watch{
			TFD: int32(10 + i), Mask: 0x1 | errHup, Data: uint64(10 + i), Ino: uint64(90_000 + i), Sdev: 8,
			HasInode: true, Kind: epoll.KindSocket, Link: epoll.Current,
		}
		switch {
		case i < 11:
			w.Mask |= 1 << 31
		case i < 14:
			w.Mask |= 1 << 30
		case i < 16:
			w.Mask = 1 << 30
		case i == 16:
			w.Mask |= 1 << 28
		case i == 17:
			w.Link = epoll.Stale
		case i == 18:
			w.Kind, w.Ino, w.Sdev = epoll.KindEpoll, 1057, 15
		}
		e.List = append(e.List, w)
		if w.Kind == epoll.KindSocket {
			p.Held = append(p.Held, model.HeldSocket{FD: w.TFD, Ino: uint32(w.Ino)})
		}
	}
	p.Held = append(p.Held, model.HeldSocket{FD: 40, Ino: 91_010})
	p.States = []model.StateCount{{State: "tcp ESTABLISHED", Sockets: 8, Watched: 8}, {State: "tcp CLOSE_WAIT", Sockets: 3, Watched: 1}, {State: "tcp LISTEN", Sockets: 1, Watched: 1}}
	return p
}

// Shared is Rich with a process of five epoll instances: one is shared with a child, one
// has not been read yet, one may not be read. Their watches are of sockets, a pipe and
// anonymous inodes. The child's name is a control sequence for the terminal.
func Shared() *model.Snapshot {
	s := Rich()
	p := Process(900, 33, "www-data", "nginx", 23, 30)
	known := KnownProcess(900)
	first := known.Epolls[0]
	p.Held, p.States = known.Held, known.States
	first.SharedWith, first.SharedCount = []epoll.Holder{{PID: 901, FD: 4}}, 1
	first.ChargedUID, first.ChargedSure, first.ChargedWhy = maybe.Some(0), false, "its holders run as several users"
	second := model.Epoll{FD: 9, State: model.OK, Counts: model.Counts{Watches: 4, ET: 1, Unproven: 1}, ReadTook: 9000, Age: 12 * time.Second, SharingUnknown: true}
	for i, kind := range []epoll.Kind{epoll.KindEventfd, epoll.KindPipe, epoll.KindSocket, epoll.KindTimerfd} {
		w := epoll.Watch{TFD: int32(10 + i), Kind: kind, Mask: 0x19, Ino: uint64(90_000 + i), Sdev: 8, HasInode: true, Link: epoll.Current, Data: 0x55d0_1234_5678}
		if kind == epoll.KindPipe {
			w.Ino, w.Sdev = 5150, 13
		}
		if kind == epoll.KindTimerfd {
			w.Link = epoll.Unproven
		}
		second.List = append(second.List, w)
	}
	third := second
	third.FD, third.SharingUnknown = 10, false
	p.Epolls = []model.Epoll{
		first, second, third,
		{FD: 30, State: model.Absent, NextRead: 3 * time.Second},
		{FD: 31, State: model.Denied, Problem: "fdinfo of fd 31: permission denied"},
	}
	p.Instances, p.Watches, p.Unread, p.Waiting, p.Problem = maybe.Some[int64](5), maybe.Some[int64](31), 2, 1, ""
	unread := []model.Gap{{What: model.GapNotRead, Count: maybe.Some[int64](1)}, {What: model.GapUnread, Count: maybe.Some[int64](1)}}
	p.Extent = model.ExtentOf(unread...)
	p.KernelBytes.AtLeast, p.KernelBytes.LeavesOut = true, p.Extent.LeavesOut
	child := Process(901, 33, "www-data", "\x1b[2Jevil\x1b]0;x\a", 23, 30)
	child.Epolls[0] = first
	child.Held = []model.HeldSocket{{FD: 10, Ino: 90_000}}
	child.Epolls[0].SharedWith = []epoll.Holder{{PID: 900, FD: 4}}
	s.Processes = append([]model.Process{p, child}, s.Processes...)
	s.Epoll.Unread, s.Epoll.Waiting = 2, 1
	deny(s, 41)
	s.Epoll.Extent = model.ExtentOf(append(s.Epoll.Gaps, unread...)...)
	for i := range s.Epoll.Users {
		s.Epoll.Users[i].Extent = s.Epoll.Extent
	}
	return s
}

// FromKernel is Shared as it is read from the kernel's own structures: who waits, what is
// ready, whom each instance is charged to.
func FromKernel() *model.Snapshot {
	s := SharedWithSockets()
	for i := range s.Processes[0].Epolls {
		e := &s.Processes[0].Epolls[i]
		e.ChargedUID, e.ChargedSure, e.ChargedWhy = maybe.Some(0), true, "the kernel records who made it"
		e.SharingUnknown, e.Waiters, e.Unheld = false, maybe.Some(int64(i)), maybe.Some[int64](0)
		if i == 0 {
			e.Waiters, e.Ready, e.Unheld, e.Watches = maybe.Some[int64](64), maybe.Some[int64](2), maybe.Some[int64](3), e.Watches+3
			e.BusyPoll = maybe.Some(epoll.BusyPoll{Usecs: 50, Budget: 8, Prefer: true})
		}
		e.List, e.FileIndex = slices.Clone(e.List), make([]uint32, len(e.List))
		for j := range e.List {
			e.FileIndex[j] = uint32(1000*i + j)
			e.List[j].Facts = epoll.KnowsReady | epoll.KnowsFlags
			switch {
			case i == 0 && j < 2:
				e.List[j].Facts |= epoll.IsReady
			case j == 3:
				e.List[j].Facts |= epoll.IsBlocking
			}
		}
	}
	s.Processes[1].Epolls = slices.Clone(s.Processes[1].Epolls)
	shared := &s.Processes[1].Epolls[0]
	*shared = s.Processes[0].Epolls[0]
	shared.SharedWith = []epoll.Holder{{PID: 900, FD: 4}}
	// The listener is watched by another epoll of the process too, exclusively.
	second := &s.Processes[0].Epolls[1]
	second.List[2].Ino, second.List[2].Mask = 90_000, second.List[2].Mask|epoll.Exclusive
	s.Epoll.Users[0].Counted = maybe.Some(s.Epoll.Users[0].Watches.Value + 30)
	return s
}

// ListedWatches is Huge with n watches, all listed.
func ListedWatches(n int) *model.Snapshot {
	s := Huge()
	e := &s.Processes[0].Epolls[0]
	e.List = make([]epoll.Watch, n)
	for i := range e.List {
		e.List[i] = epoll.Watch{
			TFD: int32(i + 5), Kind: epoll.KindSocket, Mask: 0x80002019, Data: uint64(i) * 2654435761 % 1_000_003,
			Ino: uint64(100_000 + i), Sdev: 8, HasInode: true, Link: epoll.Current,
		}
	}
	e.Counts = model.Counts{Watches: int64(n), ET: int64(n)}
	return s
}
