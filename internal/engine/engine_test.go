package engine

import (
	"context"
	"errors"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/eptop/eptop/internal/collect"
	"github.com/eptop/eptop/internal/loadgen"
	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/model"
)

func TestMain(m *testing.M) {
	runIfFault()
	loadgen.RunIfWorker()
	os.Exit(m.Run())
}

// newEngine looks at this machine until the test ends.
func newEngine(t *testing.T, change func(*Options)) *Engine {
	t.Helper()
	opts := Options{Options: collect.Options{ProcRoot: "/proc", SysRoot: "/sys", MaxStall: 1, MaxFDs: collect.DefaultMaxFDs}}
	if change != nil {
		change(&opts)
	}
	e, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

func look(t *testing.T, e *Engine, focus model.Focus) *model.Snapshot {
	t.Helper()
	snap, err := e.Look(t.Context(), focus)
	if err != nil {
		t.Fatal(err)
	}
	return snap
}

func plan(connections int64) model.LoadPlan {
	p := model.DefaultLoadPlan()
	p.Connections = connections
	return p
}

// waitFor waits for a condition.
func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	late := time.After(30 * time.Second)
	for !ok() {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// until waits for a load in a certain state. It asks for the state alone: each
// [Engine.Load] fits lines through all readings, which would slow down what is waited for.
func (e *Engine) until(t *testing.T, what string, ok func(model.LoadStatus) bool) *model.Load {
	t.Helper()
	waitFor(t, what, func() bool {
		load := e.load.Load()
		return load != nil && ok(load.Status())
	})
	return e.Load()
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

// TestLoad drives the load as the dashboard does: start, more, drain, start again,
// quit.
func TestLoad(t *testing.T) {
	e := newEngine(t, nil)
	limits := model.Focus{Limits: true}
	if look(t, e, limits).Load != nil {
		t.Error("there is a load before the first start")
	}
	plan := plan(300)
	for range 2 {
		if err := e.Start(plan); err != nil {
			t.Fatal(err)
		}
		if err := e.Start(plan); !errors.Is(err, ErrLoading) {
			t.Errorf("a second start: %v", err)
		}
		e.until(t, "300 connections", func(l model.LoadStatus) bool { return l.Phase == model.LoadHolding && l.Open == 300 })
		e.Set(500)
		held := e.until(t, "500 connections", func(l model.LoadStatus) bool { return l.Phase == model.LoadHolding && l.Open == 500 })
		snap := look(t, e, limits)
		if snap.Load == nil || snap.Load.Open != 500 || workers(snap, held) != len(held.Workers) || len(held.Workers) == 0 {
			t.Errorf("a look sees %+v, and %d of its workers %v", snap.Load, workers(snap, held), held.Workers)
		}
		if f := snap.Preflight(plan); f.PerPair == 0 {
			t.Error("a look reads no limits")
		}
		e.Set(0)
		// What is left is known at once; that the memory came back is not waited for.
		waitFor(t, "the drain", func() bool {
			l := e.Load()
			return l.Phase == model.LoadDrained && (l.Found.MayParkBytes.Known || l.Problem != "")
		})
	}
	if err := e.Start(plan); err != nil {
		t.Fatal(err)
	}
	held := e.until(t, "workers", func(l model.LoadStatus) bool { return len(l.Workers) > 0 })
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	for _, pid := range held.Workers {
		if _, err := os.Stat("/proc/" + strconv.Itoa(pid)); err == nil {
			t.Errorf("worker %d is there after the end", pid)
		}
	}
	if err := e.Start(plan); !errors.Is(err, ErrClosed) {
		t.Errorf("a start after the end: %v", err)
	}
}

// TestQuietWhileOpening: looking does not disturb what is measured.
func TestQuietWhileOpening(t *testing.T) {
	for phase, quiet := range map[model.LoadPhase]bool{
		model.LoadOpening: true, model.LoadDraining: true, model.LoadHolding: false, model.LoadDrained: false,
	} {
		if isChanging(model.LoadStatus{Phase: phase}) != quiet {
			t.Errorf("while a load is %s looks are quiet: %v", phase, isChanging(model.LoadStatus{Phase: phase}))
		}
	}
	// A load that will open, and one that does: the first look is never quiet.
	e := newEngine(t, nil)
	look(t, e, model.Focus{})
	slow := plan(1000)
	slow.Rate = 50
	if err := e.Start(slow); err != nil {
		t.Fatal(err)
	}
	e.until(t, "an opening", func(l model.LoadStatus) bool { return l.Phase == model.LoadOpening && l.Open > 0 })
	if snap := look(t, e, model.Focus{Fresh: true}); snap.Guest.FDsListed != 0 {
		t.Errorf("a look while connections are opened lists %d fds", snap.Guest.FDsListed)
	}
}

// TestTogether: looks, starts and questions about a load do not deadlock, and closing
// ends them all.
func TestTogether(t *testing.T) {
	e := newEngine(t, nil)
	var all sync.WaitGroup
	started := make(chan error, 8)
	for range cap(started) {
		all.Go(func() { started <- e.Start(plan(200)) })
		all.Go(func() {
			for {
				if _, err := e.Look(t.Context(), model.Focus{Limits: true}); err != nil {
					if !errors.Is(err, context.Canceled) {
						t.Error(err)
					}
					return
				}
				e.Set(100)
				e.Load()
			}
		})
	}
	ok := 0
	for range cap(started) {
		if err := <-started; err == nil {
			ok++
		} else if !errors.Is(err, ErrLoading) {
			t.Error(err)
		}
	}
	if ok != 1 {
		t.Errorf("%d starts at once opened a load", ok)
	}
	e.until(t, "100 connections", func(l model.LoadStatus) bool { return l.Phase == model.LoadHolding && l.Open == 100 })
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	all.Wait()
	if l := e.Load(); l.Open != 0 || len(l.Workers) != 0 {
		t.Errorf("after the end there are %d connections and workers %v", l.Open, l.Workers)
	}
}

// TestLookEnds: a look that nobody waits for any more returns the context's error.
func TestLookEnds(t *testing.T) {
	e := newEngine(t, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 0)
	defer cancel()
	if snap, err := e.Look(ctx, model.Focus{}); snap != nil || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a snapshot: %v, %v", snap != nil, err)
	}
	look(t, e, model.Focus{})
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	if snap, err := e.Look(t.Context(), model.Focus{}); snap != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("after the end a snapshot: %v, %v", snap != nil, err)
	}
}

// TestLookWaitsNoLonger: a look whose turn does not come ends with its context, and a
// start with the engine.
func TestLookWaitsNoLonger(t *testing.T) {
	e := newEngine(t, nil)
	if err := e.turn.take(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended, started := make(chan error), make(chan error)
	go func() { _, err := e.Look(ctx, model.Focus{}); ended <- err }()
	go func() { started <- e.Start(plan(1)) }()
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	if err := <-started; err == nil {
		t.Error("a load was started in a closed engine")
	}
	e.turn.pass()
}

// TestRestrict checks which processes are kept, and that one of the focus stays
// whoever runs it.
func TestRestrict(t *testing.T) {
	self, parent := os.Getpid(), os.Getppid()
	both := model.Focus{PIDs: []int{self, parent}}
	nobody := func(o *Options) { o.User = maybe.Some(1 << 30) }
	pids := func(s *model.Snapshot) (out []int) {
		for _, p := range s.Processes {
			out = append(out, p.PID)
		}
		slices.Sort(out)
		return out
	}
	want := []int{self, parent}
	slices.Sort(want)
	if got := pids(look(t, newEngine(t, nil), both)); !slices.Contains(got, self) || !slices.Contains(got, parent) {
		t.Errorf("of all processes: %v", got)
	}
	if got := pids(look(t, newEngine(t, nobody), both)); !slices.Equal(got, want) {
		t.Errorf("of a user who runs nothing: %v, want the focus %v", got, want)
	}
	one := newEngine(t, func(o *Options) { nobody(o); o.PIDs = []int{self} })
	if got := pids(look(t, one, model.Focus{PIDs: []int{parent}})); !slices.Equal(got, []int{self}) {
		t.Errorf("of one process: %v, want %d", got, self)
	}
}

// TestGone: a process that does not exist is an error returned with the Snapshot, and
// an error of New where only that process was wanted.
func TestGone(t *testing.T) {
	const gone = 1 << 30 // beyond any pid_max
	e := newEngine(t, nil)
	if snap, err := e.Look(t.Context(), model.Focus{PIDs: []int{gone}}); snap == nil || !errors.Is(err, collect.ErrGone) {
		t.Errorf("a snapshot: %v, %v", snap != nil, err)
	}
	if err := e.Attach(gone); !errors.Is(err, collect.ErrGone) {
		t.Error(err)
	}
	if _, err := New(Options{Options: e.opts.Options, PIDs: []int{gone}}); !errors.Is(err, collect.ErrGone) {
		t.Error(err)
	}
}
