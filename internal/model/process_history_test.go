package model

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/eptop/eptop/internal/maybe"
)

// TestProcessHistory: growth is of the last minute, the trend of ten; what came before a
// Snapshot stays in it, and what ended or started anew has none of it.
func TestProcessHistory(t *testing.T) {
	begin := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	var d Deriver
	var early []int64
	look := func(second int, fds int64, started time.Time) *Process {
		s := &Snapshot{Time: begin.Add(time.Duration(second) * time.Second), Processes: []Process{
			{PID: 7, FDs: maybe.Some(fds), Started: started}, {PID: 8}, // of which nobody knows
		}}
		d.Remember(s)
		if s.Processes[1].FDsPerMinute.Known || s.Processes[1].Trend != nil {
			t.Fatalf("a process whose fds are not counted: %+v", s.Processes[1])
		}
		return &s.Processes[0]
	}
	for second := range 900 {
		p := look(second, 100+int64(second), begin)
		if growth, ok := p.FDsPerMinute.Get(); ok != (second >= 10) || ok && math.Abs(growth-min(60, float64(second))) > 0.01 {
			t.Fatalf("after %d s it grows by %v a minute, %v", second, growth, ok)
		}
		if second == 100 {
			early = p.Trend
		}
		if second == 899 && (len(p.Trend) != trendLen || p.Trend[trendLen-1] < 980 || p.Trend[0] > 400) {
			t.Errorf("the trend of ten minutes: %v", p.Trend)
		}
	}
	if !slices.IsSorted(early) || len(early) < 6 || early[0] != 100 {
		t.Errorf("the trend of an early look became %v", early)
	}
	if p := look(901, 100, begin.Add(time.Hour)); p.FDsPerMinute.Known || len(p.Trend) > 1 {
		t.Errorf("another process of that PID: %+v", p)
	}
}
