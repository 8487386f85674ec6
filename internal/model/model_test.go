package model

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/eptop/eptop/internal/epoll"
	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/slab"
	"github.com/eptop/eptop/internal/sock"
	"github.com/eptop/eptop/internal/zone"
)

// layouts618 is Linux 6.18 on x86-64 as its /sys/kernel/slab has it.
func layouts618() map[string]Layout {
	l := func(shown string, slot, slab, objs int64, reclaimable bool) Layout {
		return Layout{ShownAs: shown, RequestedBytes: maybe.Some(slot), SlotBytes: slot, SlabBytes: maybe.Some(slab), ObjsPerSlab: maybe.Some(objs), Reclaimable: maybe.Some(reclaimable)}
	}
	return map[string]Layout{
		"TCP":              l("TCP", 2368, 32768, 13, false),
		"TCPv6":            l("TCPv6", 2496, 32768, 13, false),
		"UNIX-STREAM":      l("signal_cache", 1152, 32768, 28, false),
		"sock_inode_cache": l("sock_inode_cache", 832, 16384, 19, true),
		"filp":             l("filp", 192, 4096, 21, false),
		"dentry":           l("dentry", 192, 4096, 21, true),
		"lsm_inode_cache":  l("lsm_inode_cache", 32, 4096, 128, false),
		"lsm_file_cache":   l("lsm_file_cache", 24, 4096, 170, false),
		"eventpoll_epi":    l("eventpoll_epi", 128, 4096, 32, false),
		"eventpoll_pwq":    l("anon_vma_chain", 64, 4096, 64, false),
		"ep_head":          l("ep_head", 16, 4096, 256, false),
		"kmalloc-256":      l("kmalloc-256", 256, 4096, 16, false),
	}
}

func structs618() map[string]int64 {
	return map[string]int64{
		"epitem": 120, "eppoll_entry": 64, "epitems_head": 16, "eventpoll": 208, "tcp_sock": 2304,
		"tcp6_sock": 2432, "unix_sock": 1152, "socket_alloc": 768, "file": 184, "dentry": 192,
	}
}

func TestCostsOfLinux618(t *testing.T) {
	s := sizes{layouts: layouts618(), structs: structs618()}
	c := s.connections()
	tcp := c.TCP4.Value
	if !c.TCP4.Known || tcp.Bytes != 3829 || tcp.Origin != Derived || len(tcp.Parts) != 6 || tcp.LeavesOut != nil || tcp.AtLeast {
		t.Errorf("TCP end = %+v", tcp)
	}
	want := Part{Cache: "TCP", ShownAs: "TCP", ObjectBytes: maybe.Some[int64](2304), Bytes: 2521, Origin: Measured, Reclaimable: maybe.Some(false)}
	if diff := cmp.Diff(want, tcp.Parts[0]); diff != "" {
		t.Error(diff)
	}
	if got := c.Unix.Value; got.Bytes != 2478 || got.Parts[0].ShownAs != "signal_cache" {
		t.Errorf("UNIX end = %+v", got)
	}
	w, head := s.watch()
	if w.Value.Bytes != 208 || w.Value.ChargedBytes != maybe.Some[int64](184) || w.Value.ManualBytes != 160 || head != 16 {
		t.Errorf("watch = %+v, head %d", w.Value, head)
	}
	if got := w.Value.Parts[1].ShownAs; got != "anon_vma_chain" {
		t.Errorf("eventpoll_pwq is shown as %s", got)
	}
	if in := s.instance(); in.Value.Bytes != 256+195+195+24 || in.Value.Parts[0].ShownAs != "kmalloc-256" {
		t.Errorf("instance = %+v", in.Value)
	}
}

// TestCostOfUDP: a UDP socket has an array of queues beside its file, of which the kernel
// makes one for each number that a node can have.
func TestCostOfUDP(t *testing.T) {
	for nodes, want := range map[int64]string{0: "kmalloc-64", 1: "kmalloc-64", 2: "kmalloc-128", 4: "kmalloc-256"} {
		s := sizes{layouts: layouts618(), structs: structs618(), nodes: nodes}
		s.structs["udp_sock"], s.structs["udp_prod_queue"] = 1152, 64
		for _, name := range []string{"kmalloc-64", "kmalloc-128"} {
			s.layouts[name] = Layout{ShownAs: name}
		}
		c := socketCosts{sizes: s, known: map[SocketObject]maybe.Of[Cost]{}}
		plain := c.cost(SocketObject{Kind: sock.UnixDgram, Hold: HoldFile}).Value
		got := c.cost(SocketObject{Kind: sock.UDP4, Hold: HoldFile}).Value
		i := slices.IndexFunc(got.Parts, func(p Part) bool { return p.Cache == "udp_prod_queue" })
		if i < 0 || got.Parts[i].ShownAs != want || got.Parts[i].Bytes != 64*max(1, nodes) || len(got.Parts) != len(plain.Parts)+1 {
			t.Errorf("%d nodes: %+v", nodes, got.Parts)
		}
		delete(s.structs, "udp_prod_queue")
		c.known = map[SocketObject]maybe.Of[Cost]{}
		if got := c.cost(SocketObject{Kind: sock.UDP4, Hold: HoldFile}).Value; got.AtLeast || len(got.Parts) != len(plain.Parts) {
			t.Errorf("before Linux 6.18: %+v", got)
		}
	}
	if n := nodeNumbers(zone.Nodes{Possible: []int{0, 1, 2, 3}, Online: []int{0, 2}}); n != 4 {
		t.Errorf("%d numbers of nodes, want 4", n)
	}
	if n := nodeNumbers(zone.Nodes{Online: []int{0, 2}}); n != 3 {
		t.Errorf("%d numbers of nodes, want 3", n)
	}
}

func TestCostsWithoutRoot(t *testing.T) {
	// Everyone may read BTF and the names of merged caches, which tell a slot.
	s := sizes{
		layouts: map[string]Layout{"eventpoll_epi": {ShownAs: "eventpoll_epi", SlotBytes: 128}},
		structs: structs618(),
	}
	w, _ := s.watch()
	if w.Value.Bytes != 128+64+16 || w.Value.Origin != Estimated {
		t.Errorf("watch = %+v", w.Value)
	}
	tcp := s.connections().TCP4.Value
	if tcp.Bytes != 2304+768+184+192 || tcp.Origin != Estimated {
		t.Errorf("TCP end = %+v", tcp)
	}
}

func TestCostsOfAnUnknownKernel(t *testing.T) {
	s := sizes{}
	if c := s.connections(); c.TCP4.Known || c.TCP6.Known || c.Unix.Known {
		t.Errorf("costs out of nothing: %+v", c)
	}
	if w, _ := s.watch(); w.Known {
		t.Errorf("watch out of nothing: %+v", w)
	}
	if in := s.instance(); in.Known {
		t.Errorf("instance out of nothing: %+v", in)
	}
	// /proc/net/protocols alone gives the socket and names what is missing: a lower bound.
	s.protocols = map[string]int64{"TCP": 2304}
	tcp := s.connections().TCP4.Value
	if tcp.Bytes != 2304 || tcp.Origin != Estimated || !tcp.AtLeast || !cmp.Equal(tcp.LeavesOut, []string{"sock_inode_cache", "filp", "dentry"}) {
		t.Errorf("TCP end = %+v", tcp)
	}
}

// TestAPartOfACostIsALowerBound: where parts of a watch or a connection are of unknown size,
// no sum of them looks exact, and nothing is projected from them.
func TestAPartOfACostIsALowerBound(t *testing.T) {
	s := sample()
	s.Instances = s.Instances[:2]
	s.Processes[0].Files = maybe.Some([]epoll.FD{{Num: 3, Kind: epoll.KindSocket, Ino: 101}})
	s.Networks = []NetworkSample{{ID: "net:[1]", Own: true, Table: mixed(t), State: OK}}
	plan := DefaultLoadPlan()
	for cache, structure := range map[string]string{"dentry": "dentry", "eventpoll_pwq": "eppoll_entry", "": ""} {
		t.Run("without "+cache, func(t *testing.T) {
			s.Layouts, s.StructBytes = layouts618(), structs618()
			for _, small := range []string{"tw_sock_TCP", "request_sock_TCP"} {
				s.Layouts[small] = s.Layouts["filp"]
			}
			delete(s.Layouts, cache)
			delete(s.StructBytes, structure)
			snap := New(s)
			if f := snap.Preflight(plan); f.BytesPerConnection.Known != (cache == "") || hasWall(snap, WallMemory) != (cache == "") {
				t.Errorf("a connection is expected to take %v, the walls are %+v", f.BytesPerConnection, snap.Walls)
			}
			if cache == "" {
				return
			}
			end, watch := snap.ConnectionCost.TCP4.Value, snap.Epoll.Cost.Value
			k, user := snap.Process(10).KernelBytes, snap.Epoll.Users[0]
			ofEnd := cache == "dentry"
			if end.AtLeast != ofEnd || watch.AtLeast == ofEnd || snap.Epoll.AtLeast {
				t.Errorf("end %+v, watch %+v, %+v", end, watch, snap.Epoll.Extent)
			}
			if of := snap.Epoll.BytesExtent(); of.AtLeast == ofEnd || user.WatchBytesAtLeast == ofEnd || user.AtLeast {
				t.Errorf("watches take %+v, the user's %+v", of, user)
			}
			if k.WatchesAtLeast == ofEnd || k.SocketsAtLeast != ofEnd || !k.AtLeast || snap.Sockets.StructBytesAtLeast != ofEnd || snap.Sockets.AtLeast {
				t.Errorf("of the process %+v, sockets %+v", k, snap.Sockets.Extent)
			}
		})
	}
}

func hasWall(s *Snapshot, name WallName) bool {
	return slices.ContainsFunc(s.Walls, func(w Wall) bool { return w.Name == name })
}

// watches makes n watches of sockets that are armed for IN.
func watches(n int) []epoll.Watch {
	w := make([]epoll.Watch, n)
	for i := range w {
		w[i] = epoll.Watch{TFD: int32(i), Mask: epoll.In | epoll.Err | epoll.Hup, Link: epoll.Current, Kind: epoll.KindSocket}
	}
	return w
}

func TestCount(t *testing.T) {
	w := watches(8)
	w[0].Mask |= epoll.ET
	w[1].Mask = epoll.OneShot | epoll.ET // fired
	w[2].Mask |= epoll.OneShot
	w[3].Mask |= epoll.Exclusive
	w[4].Mask |= epoll.Wakeup
	w[5].Link = epoll.Stale
	w[6].Link = epoll.Unproven
	w[7].Kind = epoll.KindEpoll
	want := Counts{Watches: 8, ET: 2, OneShot: 2, Disarmed: 1, Exclusive: 1, Wakeup: 1, Stale: 1, Unproven: 1, Nested: 1}
	if diff := cmp.Diff(want, countWatches(w)); diff != "" {
		t.Error(diff)
	}
}

// sample is a server of two processes that share an instance, and a client of
// another user.
func sample() *Sample {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	read := func(holders []epoll.Holder, n int) InstanceSample {
		w := watches(n)
		return InstanceSample{Holders: holders, SharingKnown: true, State: OK, List: w, ReadAt: now.Add(-time.Second)}
	}
	return &Sample{
		Time: now, Host: Host{PageBytes: maybe.Some[int64](4096), MemTotalBytes: maybe.Some[int64](1 << 30), MemAvailableBytes: maybe.Some[int64](1 << 29)},
		MaxUserWatches: maybe.Some[int64](1000), OpenFiles: maybe.Some[int64](100), MaxFiles: maybe.Some[int64](100_000),
		Processes: []ProcessSample{
			{PID: 10, Comm: "server", User: "www", UID: maybe.Some(33), RealUID: maybe.Some(33), FDs: maybe.Some[int64](120), Nofile: maybe.Some[int64](1024), State: OK, ListedAt: now},
			{PID: 11, Comm: "server", User: "www", UID: maybe.Some(33), RealUID: maybe.Some(33), FDs: maybe.Some[int64](5), Nofile: maybe.Some[int64](1024), State: OK, ListedAt: now},
			{PID: 20, Comm: "client", User: "me", UID: maybe.Some(1000), RealUID: maybe.Some(1000), FDs: maybe.Some[int64](9), Nofile: maybe.Some[int64](10), State: OK, ListedAt: now},
		},
		Instances: []InstanceSample{
			read([]epoll.Holder{{PID: 10, FD: 4}, {PID: 11, FD: 4}, {PID: 11, FD: 9}}, 100),
			read([]epoll.Holder{{PID: 20, FD: 3}}, 7),
			{Holders: []epoll.Holder{{PID: 20, FD: 5}}, SharingKnown: true, State: Absent, Problem: "waits for its first read"},
		},
		Layouts: layouts618(), StructBytes: structs618(), UserNames: map[int]string{33: "www", 1000: "me"},
	}
}

func TestSharedInstancesCountOnce(t *testing.T) {
	s := New(sample())
	if s.Epoll.Instances != maybe.Some[int64](3) || s.Epoll.Watches != maybe.Some[int64](107) || !s.Epoll.AtLeast || s.Epoll.Unread != 1 {
		t.Errorf("totals = %+v", s.Epoll)
	}
	want := []User{
		{UID: 33, User: "www", Instances: 1, Watches: maybe.Some[int64](100), Limit: maybe.Some[int64](1000), WatchBytes: maybe.Some[int64](20800), Level: LevelOK},
		{UID: 1000, User: "me", Instances: 2, Watches: maybe.Some[int64](7), Unread: 1, Waiting: 1, Extent: ExtentOf(gap(GapNotRead, 1)), Limit: maybe.Some[int64](1000), WatchBytes: maybe.Some[int64](1456), WatchBytesAtLeast: true, Level: LevelOK},
	}
	if diff := cmp.Diff(want, s.Epoll.Users); diff != "" {
		t.Error(diff)
	}
	// Each holder shows the instance, the one with two fds of it counts it once.
	for _, pid := range []int{10, 11} {
		p := s.Process(pid)
		if p.Watches != maybe.Some[int64](100) || p.Instances != maybe.Some[int64](1) {
			t.Errorf("pid %d: %v watches in %v instances", pid, p.Watches, p.Instances)
		}
	}
	if got := s.Process(11).Epolls[0].SharedWith; !cmp.Equal(got, []epoll.Holder{{PID: 10, FD: 4}, {PID: 11, FD: 9}}) {
		t.Errorf("shared with %v", got)
	}
}

func TestASumSaysWhatItLeavesOut(t *testing.T) {
	k := New(sample()).Process(20).KernelBytes
	if k.Total != maybe.Some[int64](7*208+2*670) || k.Sockets.Known || k.Buffers.Known {
		t.Errorf("kernel bytes = %+v", k)
	}
	if want := []string{"sockets", "buffers", "1 instance not read yet"}; !cmp.Equal(k.LeavesOut, want) {
		t.Errorf("leaves out %q", k.LeavesOut)
	}
}

func TestChargedUser(t *testing.T) {
	s := sample()
	s.Processes[1].RealUID = maybe.Some(0)
	snap := New(s)
	e := snap.Process(10).Epolls[0]
	if e.ChargedSure || e.ChargedUID != maybe.Some(33) {
		t.Errorf("charged to %+v, sure %v", e.ChargedUID, e.ChargedSure)
	}
	if snap.Epoll.Users[0].Unsure != 1 {
		t.Errorf("users = %+v", snap.Epoll.Users)
	}
	// A holder that has ended since leaves nobody to charge, and no row.
	s.Processes = s.Processes[:2]
	if users := New(s).Epoll.Users; len(users) != 1 {
		t.Errorf("users = %+v", users)
	}
}

func TestNestedWatchesNeedNoHead(t *testing.T) {
	s := sample()
	s.Instances[1].List[0].Kind, s.Instances[1].List[1].Kind = epoll.KindEpoll, epoll.KindEpoll
	if got := New(s).Process(20).Epolls[0].Bytes; got != maybe.Some[int64](7*208-2*16) {
		t.Errorf("bytes = %+v", got)
	}
}

// TestWatchesOfTwoQueues: a terminal takes a second eppoll_entry, and so may what has a
// path, a FIFO.
func TestWatchesOfTwoQueues(t *testing.T) {
	s := explained(t)
	plain := New(s).Processes[0]
	s.Instances[0].List = append(slices.Clone(s.Instances[0].List), epoll.Watch{TFD: 90, Kind: epoll.KindTty})
	tty := New(s)
	p := tty.Processes[0]
	if n := p.KernelBytes.Watches.Value - plain.KernelBytes.Watches.Value; n != 208+64 || p.KernelBytes.WatchesAtLeast {
		t.Errorf("a terminal's watch takes %d B, at least %v", n, p.KernelBytes.WatchesAtLeast)
	}
	if of := tty.Epoll.BytesExtent(); !of.AtLeast || !slices.Contains(of.LeavesOut, secondQueues) || slices.Contains(tty.Epoll.LeavesOut, secondQueues) {
		t.Errorf("so many watches of 208 B: %+v", of)
	}
	s.Instances[0].List[len(s.Instances[0].List)-1].Kind = epoll.KindFile
	fifo := New(s)
	p = fifo.Processes[0]
	if n := p.KernelBytes.Watches.Value - plain.KernelBytes.Watches.Value; n != 208 || !p.KernelBytes.WatchesAtLeast {
		t.Errorf("a FIFO's watch takes %d B, at least %v", n, p.KernelBytes.WatchesAtLeast)
	}
	if u := fifo.Epoll.Users[0]; !u.BytesExtent().AtLeast || u.AtLeast {
		t.Errorf("its user: %+v", u)
	}
}

func TestWalls(t *testing.T) {
	walls := New(sample()).Walls
	var names []string
	for _, w := range walls {
		if (w.Unit == UnitBytes) != (w.Name == WallMemory) || w.Unit == "" {
			t.Errorf("%s counts %q", w.Name, w.Unit)
		}
		names = append(names, string(w.Name)+" of "+w.Scope)
	}
	want := []string{"nofile of pid 20", "user_watches of user www", "file_max of host", "memory of host"}
	if !cmp.Equal(names, want) {
		t.Errorf("walls = %q", names)
	}
	if w := walls[0]; w.ConnectionsLeft != 1 || w.RaiseWith != "prlimit --pid 20 --nofile=20" {
		t.Errorf("nearest wall = %+v", w)
	}
	if walls[0].Others != 2 || walls[1].Others != 1 {
		t.Errorf("two processes and a user more are folded: %+v", walls[:2])
	}
	if w := walls[3]; w.ConnectionsLeft != (1<<29)/(3829+208) {
		t.Errorf("memory = %+v", w)
	}
}

func TestNodesWithoutSysfs(t *testing.T) {
	info := zone.Zoneinfo{
		Zones: []zone.Zone{{Node: 0, Name: "DMA", FreePages: 1, ManagedPages: 3}, {Node: 0, Name: "Normal", FreePages: 2, ManagedPages: 4}},
		Nodes: []zone.NodeStats{{Node: 0, Stats: []zone.Stat{{Name: "nr_slab_reclaimable", Value: 5}, {Name: "nr_kernel_stack", Value: 3}}}},
	}
	got := nodes(zone.Nodes{}, info, maybe.Some[int64](4096))
	want := []Node{{
		ID: 0, MemTotalBytes: maybe.Some[int64](7 * 4096), MemFreeBytes: maybe.Some[int64](3 * 4096), SlabReclaimableBytes: maybe.Some[int64](5 * 4096),
		Stats:   map[string]int64{"nr_slab_reclaimable": 5, "nr_kernel_stack": 3},
		Meminfo: map[string]int64{"MemTotal": 7 * 4096, "MemFree": 3 * 4096, "MemUsed": 4 * 4096, "SReclaimable": 5 * 4096, "KernelStack": 3 << 10},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestCaches(t *testing.T) {
	got := caches([]slab.Cache{{Name: "TCP", ActiveObjs: 20, Objs: 26, ObjectBytes: 2368, RequestedBytes: maybe.Some[uint32](2304), ObjsPerSlab: 13, PagesPerSlab: 8, Slabs: 2, Reclaimable: maybe.Some(false)}}, 4096)
	want := []Cache{{
		Name: "TCP", Aliases: []string{}, Objects: 26, Active: 20, SlotBytes: 2368, ObjectBytes: maybe.Some[int64](2304), BytesPerObject: 2521, ObjsPerSlab: 13,
		PagesPerSlab: 8, Slabs: 2, Bytes: 65536, UnusedBytes: 65536 - 20*2368, Reclaimable: maybe.Some(false),
		Network: true, FreeBytes: 6 * 2368, PaddingBytes: 65536 - 26*2368 + 20*64,
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if caches(nil, 4096) != nil {
		t.Error("a slabinfo that was denied became an empty one")
	}
}

func TestAbsentIsNotZeroInJSON(t *testing.T) {
	s := sample()
	s.MaxUserWatches = maybe.Of[int64]{}
	s.Processes[2].FDs = maybe.Of[int64]{}
	b, err := json.Marshal(New(s))
	if err != nil {
		t.Fatal(err)
	}
	for _, absent := range []string{`"max_user_watches"`, `"limit":0`, `"fds":0`, `"slab"`, `null`} {
		if strings.Contains(string(b), absent) {
			t.Errorf("JSON has %s", absent)
		}
	}
	var back Snapshot
	if err := json.Unmarshal(b, &back); err != nil {
		t.Fatal(err)
	}
	if back.Process(20).FDs.Known || back.Process(10).FDs != maybe.Some[int64](120) {
		t.Errorf("read back: %+v", back.Processes)
	}
}

func TestRestrictKeepsTheHostWhole(t *testing.T) {
	all := New(sample())
	some := all.Restrict(func(p *Process) bool { return p.PID == 20 })
	if len(some.Processes) != 1 || some.Epoll.Watches.Value != 107 || len(all.Processes) != 3 {
		t.Errorf("restricted to %d processes, %v watches; %d before", len(some.Processes), some.Epoll.Watches, len(all.Processes))
	}
}

func TestTarget(t *testing.T) {
	w := epoll.Watch{TFD: 10, Mask: epoll.In | epoll.RdHup | epoll.Err | epoll.Hup | epoll.ET, Data: 0x7fab, Ino: 7, Sdev: 9, HasInode: true, Kind: epoll.KindSocket, Link: epoll.Stale}
	b, err := json.Marshal((&Snapshot{}).Target(w))
	if err != nil {
		t.Fatal(err)
	}
	want := `{"fd":10,"events":["IN","RDHUP","ET"],"mask":2147491865,"data":"0x7fab","ino":7,"sdev":9,"kind":"socket","notes":["stale"]}`
	if string(b) != want {
		t.Errorf("target = %s\nwant     %s", b, want)
	}
	// Before Linux 4.13 there is no inode, and nothing is known of the file.
	b, _ = json.Marshal((&Snapshot{}).Target(epoll.Watch{TFD: 1, Mask: epoll.OneShot}))
	if want := `{"fd":1,"events":["ONESHOT"],"mask":1073741824,"data":"0x0","notes":["disarmed","unproven"]}`; string(b) != want {
		t.Errorf("target = %s\nwant     %s", b, want)
	}
}

func TestUnreadWatchesAreNotZero(t *testing.T) {
	s := sample()
	s.Instances[1].State, s.Instances[1].List = Failed, nil
	snap := New(s)
	if k := snap.Process(20).KernelBytes; k.Watches.Known {
		t.Errorf("watches that could not be read take %d bytes", k.Watches.Value)
	}
	b, err := json.Marshal(snap.Process(20).Epolls[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, field := range []string{`"watches"`, `"et"`, `"stale"`, `"bytes"`} {
		if strings.Contains(string(b), field) {
			t.Errorf("%s is in %s", field, b)
		}
	}
	if b, _ = json.Marshal(snap.Process(10).Epolls[0]); !strings.Contains(string(b), `"watches":100,"et":0`) {
		t.Errorf("counts that are known are not in %s", b)
	}
}

func TestManyHoldersAreBounded(t *testing.T) {
	s := sample()
	in := &s.Instances[0]
	for pid := range 1000 {
		s.Processes = append(s.Processes, ProcessSample{PID: 1000 + pid, RealUID: maybe.Some(33)})
		in.Holders = append(in.Holders, epoll.Holder{PID: 1000 + pid, FD: 4})
	}
	e := New(s).Process(1500).Epolls[0]
	if len(e.SharedWith) != maxShared || e.SharedCount != 1002 {
		t.Errorf("%d of %d holders are named", len(e.SharedWith), e.SharedCount)
	}
}

// TestNodesAllGone: where every node's directory is gone zoneinfo has what is left.
func TestNodesAllGone(t *testing.T) {
	info := zone.Zoneinfo{Zones: []zone.Zone{{Node: 0, Name: "Normal", FreePages: 1, ManagedPages: 3}, {Node: 1, Name: "Normal", FreePages: 2, ManagedPages: 4}}}
	snap := New(&Sample{Host: Host{PageBytes: maybe.Some[int64](4096)}, Nodes: zone.Nodes{Online: []int{0, 1}, Nodes: []zone.Node{}, Gone: []int{0, 1}}, Zones: info})
	if len(snap.Nodes) != 2 || snap.Nodes[1].MemTotalBytes != maybe.Some[int64](4*4096) || len(snap.NodesGone) != 2 {
		t.Errorf("%+v", snap.Nodes)
	}
}

// TestObjectsOfNoNode: a cache that was read and has no object is not one that was not
// read.
func TestObjectsOfNoNode(t *testing.T) {
	for want, perNode := range map[string][]slab.NodeObjects{
		`"nodes":[]`: {}, `"nodes":[{"node":1,"objects":0}]`: {{Node: 1, Slabs: 2}}, "": nil,
	} {
		got, err := json.Marshal(cache(&slab.Cache{Name: "TCP", PerNode: perNode}, 4096))
		if err != nil || strings.Contains(string(got), `"nodes"`) != (want != "") || !strings.Contains(string(got), want) {
			t.Errorf("%s, error %v; want %q", got, err, want)
		}
	}
}

// TestWaitingInstancesCountOnce: an instance that several processes share and two fds of
// one of them waits once for its first read.
func TestWaitingInstancesCountOnce(t *testing.T) {
	s := sample()
	s.Instances = []InstanceSample{
		{Holders: []epoll.Holder{{PID: 10, FD: 4}, {PID: 11, FD: 4}, {PID: 11, FD: 9}}, State: Absent},
		{Holders: []epoll.Holder{{PID: 20, FD: 3}}, State: Denied},
	}
	snap := New(s)
	if snap.Epoll.Unread != 2 || snap.Epoll.Waiting != 1 || snap.Process(11).Waiting != 1 || snap.Process(20).Waiting != 0 {
		t.Errorf("%+v, of pid 11 %d, of pid 20 %d wait", snap.Epoll, snap.Process(11).Waiting, snap.Process(20).Waiting)
	}
}
