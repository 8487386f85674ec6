package model

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/eptop/eptop/internal/epoll"
	"github.com/eptop/eptop/internal/maybe"
)

// TestEverySumOfAPartSaysSo: whatever of the machine a look did not cover, no sum over
// watches looks exact, on no level.
func TestEverySumOfAPartSaysSo(t *testing.T) {
	for what, c := range map[GapKind]Coverage{
		GapNotListed:    {Processes: 5, Waiting: 2, FilesWaiting: maybe.Some[int64](40)},
		GapDenied:       {Processes: 5, Denied: 2},
		GapFailed:       {Processes: 5, Failed: 1},
		GapHidePID:      {HidePID: true},
		GapPIDNamespace: {PIDNamespace: true},
		GapNoProcess:    {NoProcess: true},
		GapThreads:      {ThreadsUnchecked: 3},
		GapBeyondMax:    {Cut: 1},
		GapNotCompared:  {EpollsWaiting: 7},
	} {
		s := sample()
		s.Instances = s.Instances[:2] // all read
		s.Coverage = c
		snap := New(s)
		of := snap.Epoll.InstancesExtent()
		extents := map[string]*Extent{"watches": &snap.Epoll.Extent, "instances": &of}
		for i := range snap.Epoll.Users {
			extents["user "+snap.Epoll.Users[i].User] = &snap.Epoll.Users[i].Extent
		}
		for name, e := range extents {
			if !e.AtLeast || e.AtMost || e.Mark() != "≥ " || !e.Has(what) || len(e.LeavesOut) != 1 || len(e.Gaps) != 1 {
				t.Errorf("%s, %s: %+v", what, name, e)
			}
		}
		for _, w := range snap.Walls {
			if w.Name == WallUserWatches && !w.AtLeast {
				t.Errorf("%s: the limit of watches looks exact: %+v", what, w)
			}
		}
	}
}

// TestEveryGapOfTheSocketsHasASentence: whatever makes a sum over sockets a lower bound is
// said in words once, and for programs.
func TestEveryGapOfTheSocketsHasASentence(t *testing.T) {
	of := "network namespaces of "
	for _, c := range []struct {
		what     GapKind
		coverage Coverage
		networks []NetworkSample
		want     string
	}{
		{GapNotListed, Coverage{Waiting: 2}, nil, of + "2 processes not listed yet"},
		{GapDenied, Coverage{Denied: 2}, nil, of + "2 processes whose fds this user may not list"},
		{GapFailed, Coverage{Failed: 1}, nil, of + "1 process whose fds could not be listed"},
		{GapHidePID, Coverage{HidePID: true}, nil, of + "other users' processes, which hidepid= hides"},
		{GapPIDNamespace, Coverage{PIDNamespace: true}, nil, of + "processes outside this PID namespace"},
		{GapNoProcess, Coverage{NoProcess: true}, nil, of + "processes, of which none could be listed"},
		{GapNamespaces, Coverage{}, []NetworkSample{{ID: "net:[2]", State: Denied, Detail: "may not be entered"}}, "namespace net:[2]: may not be entered"},
		{GapNamespaces, Coverage{}, []NetworkSample{{ID: "net:[2]", State: Failed}}, "namespace net:[2]: failed"},
	} {
		s := sample()
		s.Coverage = c.coverage
		s.Networks = append([]NetworkSample{{ID: "net:[1]", Own: true, Table: tcpTable(t), State: OK}}, c.networks...)
		k := New(s).Sockets
		if !k.AtLeast || !k.Has(c.what) || len(k.LeavesOut) != 1 || !strings.HasPrefix(k.LeavesOut[0], c.want) {
			t.Errorf("%s: %+v, want %q", c.what, k.Extent, c.want)
		}
	}
}

func TestOneInstanceForEachHolder(t *testing.T) {
	s := sample()
	s.Instances = s.Instances[:2]
	s.Instances[0].SharingKnown, s.Instances[1].SharingKnown = false, false
	e := &New(s).Epoll
	if e.AtLeast || !e.AtMost || e.Mark() != "≤ " || !e.Has(GapSharing) {
		t.Errorf("instances that cannot be compared: %+v", e.Extent)
	}
	s.Coverage.Denied = 1
	if e = &New(s).Epoll; e.Mark() != "≈ " {
		t.Errorf("and some that are not seen: %q", e.Mark())
	}
	s.Coverage.Denied, s.Instances = 0, s.Instances[:1]
	if e = &New(s).Epoll; e.AtMost {
		t.Error("a single instance cannot be counted twice")
	}
}

// TestASumOfNothingIsNotZero: 0 is a number too.
func TestASumOfNothingIsNotZero(t *testing.T) {
	s := sample()
	s.Instances = nil
	if e := New(s).Epoll; e.Watches != maybe.Some[int64](0) || e.Instances != maybe.Some[int64](0) {
		t.Errorf("a machine without epolls: %v watches, %v instances", e.Watches, e.Instances)
	}
	s.Coverage.Waiting = 3
	s.Processes[0].State, s.Processes[1].EpollsWaiting, s.Processes[2].Asked = Absent, 2, true
	snap := New(s)
	if snap.Epoll.Watches.Known || snap.Epoll.Instances.Known {
		t.Errorf("nothing was listed: %v watches, %v instances", snap.Epoll.Watches, snap.Epoll.Instances)
	}
	for _, pid := range []int{10, 11} {
		if p := snap.Process(pid); p.Watches.Known || p.Instances.Known || !p.Pending() {
			t.Errorf("pid %d: %v watches, %v instances, %+v", pid, p.Watches, p.Instances, p.Extent)
		}
	}
	if p := snap.Process(20); p.Watches != maybe.Some[int64](0) || p.AtLeast {
		t.Errorf("pid 20 has no epoll: %v watches, %+v", p.Watches, p.Extent)
	}
}

// TestTrendBeginsWhenAllWasSeen: getting to know a machine is no growth of its watches.
func TestTrendBeginsWhenAllWasSeen(t *testing.T) {
	var d Deriver
	look := func(waiting int) History {
		s := sample()
		s.Instances = s.Instances[:2]
		s.Coverage.Waiting = waiting
		s.Time = s.Time.Add(time.Duration(10-waiting) * time.Second)
		return d.Derive(s).History
	}
	for waiting := 3; waiting > 0; waiting-- {
		if h := look(waiting); h.Watches != nil {
			t.Errorf("%d processes wait, and the history is %v", waiting, h.Watches)
		}
	}
	if h := look(0); !cmp.Equal(h.Watches, []int64{107}) {
		t.Errorf("history %v", h.Watches)
	}
	if h := look(-1); len(h.Watches) != 2 {
		t.Errorf("history %v after a second look", h.Watches)
	}
}

func TestGapText(t *testing.T) {
	for want, g := range map[string]Gap{
		"309 processes not listed yet (1 200 000 fds)": {GapNotListed, maybe.Some[int64](309), maybe.Some[int64](1_200_000)},
		"1 process not listed yet":                     gap(GapNotListed, 1),
		"fds beyond --max-fds":                         {What: GapBeyondMax},
		"2 instances that could not be read":           gap(GapUnread, 2),
		"other users' processes, which hidepid= hides": {What: GapHidePID},
	} {
		if got := g.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	for _, kind := range []GapKind{GapNotListed, GapDenied, GapFailed, GapHidePID, GapPIDNamespace, GapNoProcess, GapThreads, GapBeyondMax, GapNotCompared, GapNotRead, GapUnread, GapNoUser, GapSharing, GapNamespaces, GapBuffers} {
		if text := gap(kind, 2).String(); text == "2 "+string(kind) {
			t.Errorf("%s has no words: %s", kind, text)
		}
	}
}

// TestFDsChangedSinceTheyWereListed: what is known of a process's sockets is of then.
func TestFDsChangedSinceTheyWereListed(t *testing.T) {
	for now, want := range map[int64]string{9: "", 7: "2 fds opened or closed since they were listed", 10: "1 fd opened or closed since they were listed"} {
		s := sample()
		p := &s.Processes[2]
		p.FDs, p.FDsThen = maybe.Some(now), maybe.Some[int64](9)
		row := New(s).Process(p.PID)
		files := row.FilesExtent()
		if row.FDsChanged != now-9 || files.Has(GapChanged) != (want != "") || want != "" && (files.Mark() != "≈ " || files.LeavesOut[0] != want) {
			t.Errorf("%d fds: %d changed, %+v", now, row.FDsChanged, files)
		}
		if row.Mark() != "≥ " || row.Has(GapChanged) { // an instance of it waits to be read
			t.Errorf("%d fds: the watches are %+v", now, row.Extent)
		}
	}
	s := sample()
	p := &s.Processes[2]
	p.FDs, p.FDsThen = maybe.Some[int64](30), maybe.Of[int64]{} // before Linux 6.2 at the listing
	if row := New(s).Process(p.PID); row.FDsChanged != 0 {
		t.Errorf("%d changed since nobody knows how many", row.FDsChanged)
	}
}

// TestManyFDsChanged: sums of fds that were listed before thousands of them changed are
// neither least nor most.
func TestManyFDsChanged(t *testing.T) {
	for changed, want := range map[int64]string{0: "", 1: "", 10: "", 11: "≈ "} {
		s := sample()
		s.Instances = s.Instances[:2]
		s.Coverage = Coverage{Processes: 3, Files: 1000, FilesChanged: changed}
		snap := New(s)
		if got := snap.Epoll.Mark(); got != want || snap.Epoll.Has(GapChanged) != (want != "") || snap.Epoll.Pending() {
			t.Errorf("%d of 1 000 fds changed: %q, want %q", changed, got, want)
		}
	}
}

// TestARowWithoutKcmp: two fds of one instance look like two.
func TestARowWithoutKcmp(t *testing.T) {
	s := sample()
	s.Instances = []InstanceSample{s.Instances[1], s.Instances[1]}
	for i := range s.Instances {
		s.Instances[i].SharingKnown = false
		s.Instances[i].Holders = []epoll.Holder{{PID: 20, FD: 3 + i}}
	}
	p := New(s).Process(20)
	instances := p.InstancesExtent()
	if p.Mark() != "≤ " || instances.Mark() != "≤ " || p.Watches != maybe.Some[int64](14) {
		t.Errorf("%v watches, %+v", p.Watches, p.Extent)
	}
	s.Instances = s.Instances[:1]
	if p = New(s).Process(20); p.AtMost {
		t.Errorf("a single fd cannot be counted twice: %+v", p.Extent)
	}
}
