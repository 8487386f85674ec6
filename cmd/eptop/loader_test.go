package main

import (
	"context"
	"errors"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/eptop/eptop/internal/collect"
	"github.com/eptop/eptop/internal/model"
)

// until waits for a load in a certain state.
func (l *loader) until(t *testing.T, what string, ok func(*model.Load) bool) *model.Load {
	t.Helper()
	for late := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		load := l.Load()
		if load != nil && ok(load) {
			return load
		}
		if time.Now().After(late) {
			t.Fatalf("waited in vain for %s: %+v", what, load)
		}
	}
}

func workers(s *model.Snapshot, of *model.Load) int {
	n := 0
	for _, p := range s.Processes {
		if slices.Contains(of.Workers, p.PID) {
			n++
		}
	}
	return n
}

// TestLoader drives the load generator as the dashboard does: start, more, drain, start
// again, quit.
func TestLoader(t *testing.T) {
	s := &settings{procRoot: "/proc", sysRoot: "/sys", maxStall: 1, maxFDs: collect.DefaultMaxFDs, uid: -1}
	c, err := s.collector(0)
	if err != nil {
		t.Fatal(err)
	}
	l := &looker{settings: s, collector: c}
	l.loads = &loader{costs: l.costs}
	defer l.close()
	defer l.drain()
	look := func() *model.Snapshot {
		t.Helper()
		snap, err := l.look(context.Background(), model.Focus{Limits: true})
		if err != nil {
			t.Fatal(err)
		}
		return snap
	}
	if look().Load != nil {
		t.Error("there is a load before the first start")
	}
	plan := model.DefaultLoadPlan()
	plan.Connections = 300
	for range 2 {
		if err := l.loads.Start(plan); err != nil {
			t.Fatal(err)
		}
		if err := l.loads.Start(plan); !errors.Is(err, errLoading) {
			t.Errorf("a second start: %v", err)
		}
		l.loads.until(t, "300 connections", func(l *model.Load) bool { return l.Phase == model.LoadHolding && l.Open == 300 })
		l.loads.Set(500)
		held := l.loads.until(t, "500 connections", func(l *model.Load) bool { return l.Phase == model.LoadHolding && l.Open == 500 })
		snap := look()
		if snap.Load == nil || snap.Load.Open != 500 || workers(snap, held) != len(held.Workers) || len(held.Workers) == 0 {
			t.Errorf("a look sees %+v, and %d of its workers %v", snap.Load, workers(snap, held), held.Workers)
		}
		if f := snap.Preflight(plan); f.PerPair == 0 {
			t.Error("a look reads no limits")
		}
		l.loads.Set(0)
		l.loads.until(t, "the drain", func(l *model.Load) bool {
			return l.Phase == model.LoadDrained && (l.Found.DrainedToBaseline.Known || l.Problem != "")
		})
	}
	if err := l.loads.Start(plan); err != nil {
		t.Fatal(err)
	}
	held := l.loads.until(t, "workers", func(l *model.Load) bool { return len(l.Workers) > 0 })
	if err := l.loads.Close(); err != nil {
		t.Error(err)
	}
	for _, pid := range held.Workers {
		if _, err := os.Stat("/proc/" + strconv.Itoa(pid)); err == nil {
			t.Errorf("worker %d is there after the end", pid)
		}
	}
	if err := l.loads.Start(plan); !errors.Is(err, errClosed) {
		t.Errorf("a start after the end: %v", err)
	}
}

// TestQuietWhileOpening: what is measured is not disturbed by looking.
func TestQuietWhileOpening(t *testing.T) {
	for phase, quiet := range map[model.LoadPhase]bool{
		model.LoadOpening: true, model.LoadDraining: true, model.LoadHolding: false, model.LoadDrained: false,
	} {
		l := &model.Load{Status: model.LoadStatus{Phase: phase}}
		if changing(l) != quiet {
			t.Errorf("while a load is %s looks are quiet: %v", phase, changing(l))
		}
	}
	if changing(nil) {
		t.Error("looks are quiet without a load")
	}
}
