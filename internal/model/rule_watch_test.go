package model

import (
	"strings"
	"testing"
	"time"

	"github.com/eptop/eptop/internal/epoll"
	"github.com/eptop/eptop/internal/maybe"
)

// ruleLook is one look of a test of a rule: a second after the last one.
func ruleLook(n int, fill func(*Sample)) *Sample {
	at := time.Date(2026, 12, 1, 0, 0, n, 0, time.UTC)
	s := &Sample{Time: at, Self: 1, SocketsAt: at}
	fill(s)
	for i := range s.Processes {
		p := &s.Processes[i]
		if p.State == "" {
			p.State = OK
		}
		p.ListedAt = at
	}
	for i := range s.Instances {
		if s.Instances[i].State == "" {
			s.Instances[i].State = OK
		}
		if s.Instances[i].ReadAt.IsZero() {
			s.Instances[i].ReadAt = at
		}
	}
	return s
}

// found are the findings of one rule.
func found(s *Snapshot, rule string) []Finding {
	var out []Finding
	for _, f := range s.Findings {
		if f.Rule == rule {
			out = append(out, f)
		}
	}
	return out
}

func isUnjudged(s *Snapshot, rule string) bool {
	for _, u := range s.FindingsUnjudged {
		if u.Rule == rule {
			return true
		}
	}
	return false
}

func sockets(inodes ...uint64) maybe.Of[[]epoll.FD] {
	var files []epoll.FD
	for i, ino := range inodes {
		files = append(files, epoll.FD{Num: int32(5 + i), Kind: epoll.KindSocket, Ino: ino})
	}
	return maybe.Some(files)
}

func socketWatch(tfd int32, ino uint64, link epoll.Link) epoll.Watch {
	return epoll.Watch{TFD: tfd, Ino: ino, HasInode: true, Kind: epoll.KindSocket, Mask: epoll.In | epoll.Err | epoll.Hup, Link: link}
}

func TestStaleWatchBeginsHoldsAndEnds(t *testing.T) {
	var d Deriver
	look := func(n int, link epoll.Link) *Snapshot {
		return d.Derive(ruleLook(n, func(s *Sample) {
			s.Processes = []ProcessSample{{PID: 70, Comm: "server"}, {PID: 73, Comm: "child", Files: sockets(1001)}}
			s.Instances = []InstanceSample{{Holders: []epoll.Holder{{PID: 70, FD: 4}}, List: []epoll.Watch{socketWatch(9, 1001, link), socketWatch(10, 1002, epoll.Current)}}}
		}))
	}
	first := look(1, epoll.Stale)
	if len(found(first, "stale-watch")) != 0 || !isUnjudged(first, "stale-watch") {
		t.Fatalf("one look found %+v; unjudged %+v", first.Findings, first.FindingsUnjudged)
	}
	second := look(2, epoll.Stale)
	got := found(second, "stale-watch")
	if len(got) != 1 {
		t.Fatalf("two looks found %+v", second.Findings)
	}
	f := got[0]
	if f.PID != 70 || f.EpollFD != maybe.Some(4) || f.FD != maybe.Some(9) || f.Count != 1 || !f.Certain || f.Looks != 2 || !f.Since.Equal(first.Time) {
		t.Errorf("the finding is %+v", f)
	}
	if want := "kept open by child[73] fd 5"; !strings.Contains(f.Evidence, want) {
		t.Errorf("the evidence %q does not say %q", f.Evidence, want)
	}
	if isUnjudged(second, "stale-watch") {
		t.Error("two looks are too few still")
	}
	if s := look(3, epoll.Current); len(found(s, "stale-watch")) != 1 {
		t.Error("it ended after a single look")
	}
	s := look(4, epoll.Current)
	if len(found(s, "stale-watch")) != 0 || len(s.FindingsEnded) != 1 || s.FindingsEnded[0].Ended != maybe.Some(s.Time) {
		t.Errorf("two looks later: %+v, ended %+v", s.Findings, s.FindingsEnded)
	}
	if s := look(30, epoll.Current); len(s.FindingsEnded) != 0 {
		t.Errorf("half a minute later still ended: %+v", s.FindingsEnded)
	}
}

func TestStaleWatchesThatChangeEachLookAreNone(t *testing.T) {
	var d Deriver
	for n := range 6 {
		s := d.Derive(ruleLook(n, func(s *Sample) {
			s.Processes = []ProcessSample{{PID: 70, Comm: "server"}}
			s.Instances = []InstanceSample{{Holders: []epoll.Holder{{PID: 70, FD: 4}}, List: []epoll.Watch{socketWatch(9, 1000+uint64(n), epoll.Stale)}}}
		}))
		if len(s.Findings) != 0 {
			t.Fatalf("look %d found %+v", n, s.Findings)
		}
	}
}

func TestStaleWatchOfAnOldListCountsOnce(t *testing.T) {
	var d Deriver
	readAt := ruleLook(0, func(*Sample) {}).Time
	for n := range 5 {
		s := d.Derive(ruleLook(n, func(s *Sample) {
			s.Processes = []ProcessSample{{PID: 70, Comm: "server"}}
			s.Instances = []InstanceSample{{Holders: []epoll.Holder{{PID: 70, FD: 4}}, ReadAt: readAt, List: []epoll.Watch{socketWatch(9, 1000, epoll.Stale)}}}
		}))
		if len(s.Findings) != 0 {
			t.Fatalf("a single read of the watches was a finding at look %d: %+v", n, s.Findings)
		}
	}
}

func TestStaleWatchClosedByTheMakerAlone(t *testing.T) {
	for _, test := range []struct {
		name   string
		parent maybe.Of[[]epoll.FD]
		want   int
	}{
		{"closed", sockets(), 1},
		{"open", sockets(1001), 0},
	} {
		var d Deriver
		var s *Snapshot
		for n := range 2 {
			s = d.Derive(ruleLook(n, func(s *Sample) {
				s.Processes = []ProcessSample{{PID: 70, Comm: "server", Files: test.parent}, {PID: 73, Comm: "server", Files: sockets(1001)}}
				s.Instances = []InstanceSample{{Holders: []epoll.Holder{{PID: 70, FD: 4}, {PID: 73, FD: 4}}, List: []epoll.Watch{socketWatch(5, 1001, epoll.Current)}}}
			}))
		}
		got := found(s, "stale-watch")
		if len(got) != test.want {
			t.Fatalf("%s: %+v", test.name, s.Findings)
		}
		if len(got) == 1 && (got[0].Certain || !strings.Contains(got[0].Text, "server[73]")) {
			t.Errorf("%s: %+v", test.name, got[0])
		}
	}
}

func TestStaleWatchUnjudgedWhereNothingCouldBeRead(t *testing.T) {
	var d Deriver
	s := d.Derive(ruleLook(0, func(s *Sample) {
		s.Processes = []ProcessSample{{PID: 70, State: Denied}}
		s.Coverage = Coverage{Processes: 1, Denied: 1}
	}))
	if !isUnjudged(s, "stale-watch") {
		t.Errorf("unjudged are %+v", s.FindingsUnjudged)
	}
}

func TestNoFindingIsAboutEptopItself(t *testing.T) {
	var d Deriver
	for n := range 3 {
		s := d.Derive(ruleLook(n, func(s *Sample) {
			s.Self = 70
			s.Processes = []ProcessSample{{PID: 70, Comm: "eptop"}}
			s.Instances = []InstanceSample{{Holders: []epoll.Holder{{PID: 70, FD: 4}}, List: []epoll.Watch{socketWatch(9, 1000, epoll.Stale)}}}
		}))
		if len(s.Findings) != 0 {
			t.Fatalf("look %d found %+v", n, s.Findings)
		}
	}
}

// TestUnprovenIsNotPassed: a look in which nobody can say whether descriptors are open
// neither passes the rule nor ends what looks before have seen.
func TestUnprovenIsNotPassed(t *testing.T) {
	d := &Deriver{}
	var snap *Snapshot
	look := func(n int, link epoll.Link, asked ...int) {
		snap = d.Derive(ruleLook(n, func(s *Sample) {
			s.Asked = asked
			s.Processes = []ProcessSample{{PID: 10, Comm: "worker", Files: sockets(100)}, {PID: 20, Comm: "other", Files: sockets(200)}}
			s.Instances = []InstanceSample{{
				Holders: []epoll.Holder{{PID: 10, FD: 3}}, SharingKnown: true,
				List: []epoll.Watch{{TFD: 9, Ino: 7, HasInode: true, Kind: epoll.KindSocket, Link: link}},
			}}
		}))
	}
	look(1, epoll.Stale)
	look(2, epoll.Unproven)
	if !isUnjudged(snap, "stale-watch") {
		t.Error("a look without proof passes the rule")
	}
	look(3, epoll.Stale)
	if got := found(snap, "stale-watch"); len(got) != 1 {
		t.Errorf("two looks with proof, one without between them: %d findings", len(got))
	}
	look(4, epoll.Unproven)
	if got := found(snap, "stale-watch"); len(got) != 1 {
		t.Errorf("a look without proof ends the finding")
	}
	d = &Deriver{}
	look(1, epoll.Unproven, 20)
	look(2, epoll.Unproven, 20)
	if isUnjudged(snap, "stale-watch") {
		t.Error("the epoll of another process than that asked for leaves the rule unjudged")
	}
}
