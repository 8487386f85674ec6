package engine

import (
	"context"
	"errors"
	"os"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/eptop/eptop/internal/model"
)

// recorder notes what a run reports, and does something when the run holds.
type recorder struct {
	calls []string
	held  func(model.LoadStatus)
	lost  model.LoadStatus
	first error // of Planned
}

func (r *recorder) record(what string) {
	if what != "opening" || !slices.Contains(r.calls, what) {
		r.calls = append(r.calls, what)
	}
}

func (r *recorder) Planned(model.LoadPlan, model.Preflight) error {
	r.record("planned")
	return r.first
}
func (r *recorder) Opening(model.LoadStatus) { r.record("opening") }
func (r *recorder) Closing()                 { r.record("closing") }

func (r *recorder) Opened(s model.LoadStatus) {
	r.record("opened")
	if r.held != nil {
		r.held(s)
	}
}

func (r *recorder) Lost(s model.LoadStatus) {
	r.record("lost")
	r.lost = s
}

func TestRunLoad(t *testing.T) {
	slow := plan(60)
	slow.Rate = 300
	r := &recorder{}
	e := newEngine(t, nil)
	got, err := e.RunLoad(t.Context(), Run{Plan: slow, Hold: time.Millisecond, Progress: r, Every: 5 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if got.Opened != 60 || got.OpenAtEnd != 60 || got.Workers != 2 || got.Kernel == "" || got.Family != "tcp4" || got.StoppedBy != "" ||
		got.OpenSeconds < 0.1 || got.HeldSeconds <= 0 || got.DrainSeconds <= 0 || got.Preflight.PerPair == 0 {
		t.Errorf("%+v", got)
	}
	if want := []string{"planned", "opening", "opened", "closing"}; !slices.Equal(r.calls, want) {
		t.Errorf("the run reported %q, want %q", r.calls, want)
	}
	if l := e.Load(); isLoaded(l.Status) {
		t.Errorf("after it: %+v", l)
	}
	// The next run finds the engine free.
	if _, err := e.RunLoad(t.Context(), Run{Plan: plan(1), Progress: r, Every: time.Second}); err != nil {
		t.Error(err)
	}
}

// TestRunLoadInterrupted: what was opened before the interruption is a result, and all
// is closed.
func TestRunLoadInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	r := &recorder{held: func(model.LoadStatus) { cancel() }}
	e := newEngine(t, nil)
	got, err := e.RunLoad(ctx, Run{Plan: plan(40), Hold: -1, Progress: r, Every: time.Hour})
	if !errors.Is(err, context.Canceled) || got == nil || got.Opened != 40 {
		t.Errorf("%+v, %v", got, err)
	}
	if l := e.Load(); isLoaded(l.Status) {
		t.Errorf("after it: %+v", l)
	}
}

// TestRunLoadReportsLosses: a worker that was killed is reported while the rest is
// held.
func TestRunLoadReportsLosses(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r := &recorder{held: func(s model.LoadStatus) {
		if err := syscall.Kill(s.Workers[0], syscall.SIGKILL); err != nil {
			t.Error(err)
		}
	}}
	e := newEngine(t, nil)
	many := plan(30)
	many.PerPair = 15
	got, err := e.RunLoad(ctx, Run{Plan: many, Hold: 1500 * time.Millisecond, Progress: r, Every: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	if r.lost.Lost != 15 || got.Lost != 15 || got.OpenAtEnd != 15 || got.LastLoss == "" {
		t.Errorf("lost %d as reported; %+v", r.lost.Lost, got)
	}
}

// TestRunFails: what ends a run before its first connection leaves the engine free.
func TestRunFails(t *testing.T) {
	e := newEngine(t, nil)
	refused := errors.New("refused")
	if got, err := e.RunLoad(t.Context(), Run{Plan: plan(9), Progress: &recorder{first: refused}}); got != nil || !errors.Is(err, refused) {
		t.Errorf("%v, %v", got, err)
	}
	if e.Load() != nil {
		t.Error("connections were opened after a refusal")
	}
	if err := e.Start(plan(50)); err != nil {
		t.Fatal(err)
	}
	if got, err := e.Measure(t.Context(), Run{Plan: plan(9), Progress: &recorder{}}); got != nil || !errors.Is(err, ErrLoading) {
		t.Errorf("during another load: %v, %v", got, err)
	}
}

func TestMeasure(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root, for /proc/slabinfo")
	}
	r := &recorder{}
	e := newEngine(t, nil)
	got, err := e.Measure(t.Context(), Run{Plan: plan(2000), Progress: r, Every: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	if got.Schema != model.MeasureSchema || got.Opened != 2000 || got.Readings == 0 || !got.MayParkBytes.Known || got.Kernel == "" {
		t.Errorf("%+v", got)
	}
	if want := []string{"planned", "opened", "closing"}; !slices.Equal(r.calls, want) {
		t.Errorf("the run reported %q, want %q", r.calls, want)
	}
}
