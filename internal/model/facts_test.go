package model

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/eptop/eptop/internal/epoll"
	"github.com/eptop/eptop/internal/maybe"
)

// kernelSample is sample as it is read from the kernel's own structures: the first
// instance was made by root, and two of its watches are on files that nobody holds.
func kernelSample() *Sample {
	s := sample()
	for i := range s.Instances {
		in := &s.Instances[i]
		in.Kernel = maybe.Some(InstanceKernel{UID: 33})
	}
	in := &s.Instances[0]
	in.Kernel = maybe.Some(InstanceKernel{
		UID: 0, Watches: maybe.Some(int64(len(in.List) + 2)), Unheld: maybe.Some[int64](2), Waiting: true, Waiters: 3,
		Ready: maybe.Some[int64](1), BusyPoll: maybe.Some(epoll.BusyPoll{Usecs: 50, Budget: 8}),
	})
	in.List = slices.Clone(in.List)
	in.List[0].Facts = epoll.KnowsReady | epoll.IsReady | epoll.KnowsFlags | epoll.IsBlocking
	in.List[0].Mask = epoll.In | epoll.ET
	in.List[1].Facts = epoll.KnowsReady | epoll.KnowsFlags
	in.FileIndex = make([]uint32, len(in.List))
	for i := range in.FileIndex {
		in.FileIndex[i] = uint32(i + 7)
	}
	s.Processes[0].Files = maybe.Some([]epoll.FD{{Num: 10, Kind: epoll.KindEventfd}, {Num: 11, Kind: epoll.KindSocket, Ino: 101}})
	s.Processes[0].FileIndex = []uint32{7, 8}
	s.Processes[2].Files = maybe.Some([]epoll.FD{{Num: 3, Kind: epoll.KindEpoll}, {Num: 5, Kind: epoll.KindEventfd}})
	s.Processes[2].FileIndex = []uint32{1, 7}
	return s
}

// TestWhomTheKernelCharges: an instance's own record beats any guess, and the kernel's
// counter is what the limit is held against.
func TestWhomTheKernelCharges(t *testing.T) {
	s := kernelSample()
	seen := int64(len(s.Instances[0].List) + 2)
	s.Coverage.Denied = 3
	s.MaxUserWatches = maybe.Some[int64](1000)
	s.UserWatches = map[int]int64{0: seen + 30, 33: 7, 4711: 5}
	snap := New(s)
	e := snap.Process(10).Epolls[0]
	if e.ChargedUID != maybe.Some(0) || !e.ChargedSure || e.ChargedWhy == "" {
		t.Errorf("charged to %v, sure %v: %s", e.ChargedUID, e.ChargedSure, e.ChargedWhy)
	}
	root := snap.Epoll.Users[slices.IndexFunc(snap.Epoll.Users, func(u User) bool { return u.UID == 0 })]
	if root.Watches != maybe.Some(seen) || root.Counted != maybe.Some(seen+30) {
		t.Errorf("root has %v watches seen, %v counted", root.Watches, root.Counted)
	}
	if want := []Gap{{What: GapUnseen, Count: maybe.Some[int64](30)}}; !cmp.Equal(root.Gaps, want) {
		t.Errorf("root's watches leave out %v", root.Gaps)
	}
	used, of := root.Charged()
	if used != maybe.Some(seen+30) || of.Mark() != "" {
		t.Errorf("%s%v count against root's limit", of.Mark(), used)
	}
	absent := snap.Epoll.Users[slices.IndexFunc(snap.Epoll.Users, func(u User) bool { return u.UID == 4711 })]
	if absent.Instances != 0 || absent.Watches.Known || absent.Counted != maybe.Some[int64](5) {
		t.Errorf("a user all of whose epolls are hidden: %+v", absent)
	}
	for _, w := range snap.Walls {
		if w.Name == WallUserWatches && w.Scope == "user "+root.User {
			if w.Used != seen+30 || w.AtLeast || w.ConnectionsLeft != 1000-seen-30 || w.Origin != Measured {
				t.Errorf("wall %+v", w)
			}
			return
		}
	}
	t.Error("root's watches are no wall")
}

// TestWhatOnlyTheKernelSays: it is in the snapshot and its JSON, and absent where /proc was
// read.
func TestWhatOnlyTheKernelSays(t *testing.T) {
	snap := New(kernelSample())
	e := &snap.Process(10).Epolls[0]
	if e.Watches != int64(len(e.List)+2) || e.Unheld != maybe.Some[int64](2) || e.Waiters != maybe.Some[int64](3) || e.Ready != maybe.Some[int64](1) || !e.BusyPoll.Known {
		t.Errorf("%+v", e)
	}
	b, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"watches_unheld":2`, `"waiters":3`, `"ready":1`, `"busy_poll":{"usecs":50,"budget":8,"prefer":false}`, `"charged_sure":true`} {
		if !strings.Contains(string(b), want) {
			t.Errorf("no %s in %s", want, b)
		}
	}
	first, second, third := snap.Target(e.List[0]), snap.Target(e.List[1]), snap.Target(e.List[2])
	if first.Ready != maybe.Some(true) || first.Nonblock != maybe.Some(false) || !slices.Contains(first.Notes, "blocking") {
		t.Errorf("%+v", first)
	}
	if second.Ready != maybe.Some(false) || second.Nonblock != maybe.Some(true) || slices.Contains(second.Notes, "blocking") {
		t.Errorf("%+v", second)
	}
	if third.Ready.Known || third.Nonblock.Known || slices.Contains(third.Notes, "blocking") {
		t.Errorf("%+v", third)
	}
	b, err = json.Marshal(New(sample()))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{`"watches_unheld"`, `"waiters"`, `"ready"`, `"busy_poll"`, `"nonblock"`, `"watches_counted"`, `"charged_sure":true`} {
		if strings.Contains(string(b), name) {
			t.Errorf("%s is known from /proc", name)
		}
	}
}
