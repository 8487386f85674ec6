package model

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/slab"
)

// TestHistory: a history grows with the looks up to its bound, and a Snapshot's own
// stays what it was.
func TestHistory(t *testing.T) {
	var d Deriver
	s := &Sample{Host: Host{PageBytes: maybe.Some[int64](4096), SReclaimableBytes: maybe.Some[int64](1), SUnreclaimBytes: maybe.Some[int64](2)}}
	begin := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	var first *Snapshot
	var kept History
	const looks = 2*historyLen + 7
	for i := range looks {
		next := *s
		next.Time = begin.Add(time.Duration(i) * time.Second)
		next.Instances = []InstanceSample{{State: OK, List: watches(i % 50)}}
		next.Caches = []slab.Cache{{Name: "TCP", ActiveObjs: uint64(10 * i), Objs: uint64(10 * i), ObjectBytes: 2368, ObjsPerSlab: 10, Slabs: uint64(i), PagesPerSlab: 8}}
		if i == 50 {
			next.Caches = append(next.Caches, slab.Cache{Name: "late", ObjectBytes: 8, ActiveObjs: 7, Objs: 7, ObjsPerSlab: 1})
		}
		snap := d.Derive(&next)
		if again := d.Derive(&next); len(again.History.Times) != len(snap.History.Times) {
			t.Fatal("a look was taken in twice")
		}
		if i == historyLen {
			first, kept = snap, History{slices.Clone(snap.History.Times), slices.Clone(snap.History.Watches), slices.Clone(snap.History.SlabBytes), slices.Clone(snap.History.Moments)}
		}
		if i < looks-1 {
			continue
		}
		h := snap.History
		if len(h.Times) != historyLen || !h.Times[historyLen-1].Equal(snap.Time) || h.Watches[historyLen-1] != int64(i%50) || h.SlabBytes[0] != 3 {
			t.Errorf("after %d looks: %d times, watches end with %d", looks, len(h.Times), h.Watches[len(h.Watches)-1])
		}
		if h.Span(historyLen) != (historyLen-1)*time.Second || h.Span(2) != time.Second || h.Span(1) != 0 {
			t.Errorf("spans %v, %v, %v", h.Span(historyLen), h.Span(2), h.Span(1))
		}
		tcp := snap.Cache("TCP")
		if len(tcp.History) != historyLen || tcp.History[historyLen-1] != tcp.Active || tcp.Growth.Value != (Growth{ObjectsPerSecond: 10, BytesPerSecond: 8 * 4096}) {
			t.Errorf("TCP: %d numbers, growth %+v", len(tcp.History), tcp.Growth)
		}
		if len(d.past.caches) != 1 || len(d.past.recent) > 12 {
			t.Errorf("%d caches and %d moments are remembered", len(d.past.caches), len(d.past.recent))
		}
	}
	if !slices.Equal(first.History.Watches, kept.Watches) || !slices.EqualFunc(first.History.Times, kept.Times, time.Time.Equal) {
		t.Error("the history of an older Snapshot changed")
	}
}

// TestHistoryUnread: what is not known yet is no 0 in the history.
func TestHistoryUnread(t *testing.T) {
	var d Deriver
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	snap := d.Derive(&Sample{Time: at, Instances: []InstanceSample{{State: Absent}}})
	if h := snap.History; len(h.Times) != 1 || len(h.Watches) != 0 || len(h.SlabBytes) != 0 {
		t.Errorf("history %+v of a look that read nothing", h)
	}
}

// TestHistoryGap: a history has a number for each of the last looks, so that it begins
// anew after one without.
func TestHistoryGap(t *testing.T) {
	var d Deriver
	begin := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	var snap *Snapshot
	for i := range 6 {
		s := &Sample{Time: begin.Add(time.Duration(i) * time.Minute), Instances: []InstanceSample{{State: Absent}}}
		if i != 3 {
			s.Instances = []InstanceSample{{State: OK, List: watches(i)}}
			s.Host = Host{SReclaimableBytes: maybe.Some(int64(i)), SUnreclaimBytes: maybe.Some[int64](0)}
			s.Caches = []slab.Cache{{Name: "TCP", ActiveObjs: uint64(i), Objs: 9, ObjectBytes: 2368, ObjsPerSlab: 10, Slabs: 1, PagesPerSlab: 8}}
		}
		snap = d.Derive(s)
	}
	want := []int64{4, 5}
	h := snap.History
	if tcp := snap.Cache("TCP"); !slices.Equal(h.Watches, want) || !slices.Equal(h.SlabBytes, want) || !slices.Equal(tcp.History, want) {
		t.Errorf("watches %v, slab %v, TCP %v, want %v", h.Watches, h.SlabBytes, tcp.History, want)
	}
	if span := h.Span(len(want)); len(h.Times) != 6 || span != time.Minute {
		t.Errorf("%d times, span %v", len(h.Times), span)
	}
}

// TestGrowthAtEveryPace: a rate is the same however often somebody looks.
func TestGrowthAtEveryPace(t *testing.T) {
	begin := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for _, every := range []time.Duration{100 * time.Millisecond, time.Second, 7 * time.Second, time.Minute} {
		var d Deriver
		var s *Snapshot
		for i := range 200 {
			passed := time.Duration(i) * every
			s = &Snapshot{Time: begin.Add(passed), Slab: []Cache{{Name: "TCP", Active: 1000 + int64(3*passed/time.Second), Bytes: 30 * int64(passed/time.Second)}}}
			d.Remember(s)
			d.Remember(s) // the same look again is no look
		}
		g, ok := s.Slab[0].Growth.Get()
		if !ok || math.Abs(g.ObjectsPerSecond-3) > 0.2 || math.Abs(g.BytesPerSecond-30) > 4 {
			t.Errorf("every %v: %+v (%t)", every, g, ok)
		}
	}
}
