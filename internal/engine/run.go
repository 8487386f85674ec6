package engine

import (
	"context"
	"errors"
	"time"

	"github.com/eptop/eptop/internal/measure"
	"github.com/eptop/eptop/internal/model"
)

// Run is a load from its first connection to its last: opened, held, and closed again.
type Run struct {
	Plan model.LoadPlan
	// Hold is how long the connections are held; a negative time lasts until the context
	// ends.
	Hold     time.Duration
	Progress Progress
	// Every is how often Progress.Opening is called.
	Every time.Duration
}

// Progress hears from one goroutine how a run goes.
type Progress interface {
	// Planned is called before anything is opened. Its error ends the run.
	Planned(model.LoadPlan, model.Preflight) error
	// Opening is called repeatedly while connections are opened, Opened once they are
	// open or no more can be.
	Opening(model.LoadStatus)
	Opened(model.LoadStatus)
	// Lost is called when held connections have ended with their worker.
	Lost(model.LoadStatus)
	// Closing is called when the closing begins, after an interruption too.
	Closing()
}

// RunLoad opens, holds and closes connections, and measures nothing. A run that ctx
// has ended early returns a result as well as the context's error.
func (e *Engine) RunLoad(ctx context.Context, r Run) (*model.LoadResult, error) {
	p, err := e.run(ctx, r, func(*model.Snapshot) (opener, error) { return openUnmeasured(r.Plan) })
	if p == nil {
		return nil, err
	}
	return &model.LoadResult{
		Schema: model.LoadSchema, Opening: model.NewOpening(r.Plan, p.costs.Host.Kernel, p.opened, p.held), OpenAtEnd: p.held.Open,
		HeldSeconds: p.holding.Seconds(), DrainSeconds: p.draining.Seconds(),
		StoppedBy: p.opened.StoppedBy, Reason: p.opened.Reason, Workers: len(p.opened.Workers), WorkerRSSBytes: p.opened.WorkerBytes,
		Echoes: p.held.Echoes, UnreadBytes: p.held.UnreadBytes, Preflight: p.preflight,
	}, err
}

// Measure does the same in steps, and measures what a connection costs. It fails where
// the cost cannot be measured.
func (e *Engine) Measure(ctx context.Context, r Run) (*model.Measurement, error) {
	var x *measure.Experiment
	p, err := e.run(ctx, r, func(costs *model.Snapshot) (_ opener, err error) {
		if x, err = measure.Start(r.Plan, costs); err != nil {
			return nil, err
		}
		if err := problem(x); err != nil {
			return nil, errors.Join(err, x.Close())
		}
		return x, nil
	})
	if p == nil {
		return nil, err
	}
	if err := problem(x); err != nil {
		return nil, err
	}
	return x.Result(), err
}

func problem(x *measure.Experiment) error {
	if text := x.Load().Problem; text != "" {
		return errors.New(text)
	}
	return nil
}

// passage is how a run went.
type passage struct {
	costs     *model.Snapshot // from the look before the opening
	preflight model.Preflight
	opened    model.LoadStatus // when the opening had ended
	held      model.LoadStatus // when the closing began
	holding   time.Duration    // 0 where the opening was interrupted
	draining  time.Duration
}

// run looks what connections take and how many will fit, opens what is planned, holds
// it and closes it. It returns a nil passage where it could not complete that; where
// ctx has cut the run short it returns both the passage and the error.
func (e *Engine) run(ctx context.Context, r Run, open func(costs *model.Snapshot) (opener, error)) (*passage, error) {
	costs, err := e.Look(ctx, model.Focus{Limits: true})
	if err != nil {
		return nil, err
	}
	p := &passage{costs: costs, preflight: costs.Preflight(r.Plan)}
	if err := r.Progress.Planned(r.Plan, p.preflight); err != nil {
		return nil, err
	}
	o, err := e.begin(r.Plan, func() (opener, error) { return open(costs) })
	if err != nil {
		return nil, err
	}
	interrupted := r.follow(ctx, o)
	p.opened = o.Status()
	start := time.Now()
	if interrupted == nil {
		r.Progress.Opened(p.opened)
		interrupted = r.hold(ctx, o, p.opened)
	}
	p.held = o.Status()
	if p.opened.Phase == model.LoadHolding {
		p.holding = time.Since(start)
	}
	r.Progress.Closing()
	start = time.Now()
	o.Set(0)
	// What an interrupted run has opened is closed before the run has a result.
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainWithin)
	defer cancel()
	if err := o.Settled(drain); err != nil {
		return nil, err
	}
	p.draining = time.Since(start)
	return p, interrupted
}

// drainWithin is long enough to close millions of connections.
const drainWithin = 10 * time.Minute

// follow reports the progress of the opening until it has ended.
func (r Run) follow(ctx context.Context, o opener) error {
	settled := make(chan error, 1)
	go func() { settled <- o.Settled(ctx) }()
	ticker := time.NewTicker(r.Every)
	defer ticker.Stop()
	for {
		select {
		case err := <-settled:
			return err
		case <-ticker.C:
			r.Progress.Opening(o.Status())
		}
	}
}

// lossEach is how often a held load is checked for connections that ended.
const lossEach = time.Second

// hold waits as long as the connections are to be held, and reports losses after the
// those that are known.
func (r Run) hold(ctx context.Context, o opener, known model.LoadStatus) error {
	var end <-chan time.Time
	if r.Hold >= 0 {
		timer := time.NewTimer(r.Hold)
		defer timer.Stop()
		end = timer.C
	}
	look := time.NewTicker(lossEach)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-end:
			return nil
		case <-look.C:
			if s := o.Status(); s.Lost != known.Lost || s.LastLoss != known.LastLoss {
				known = s
				r.Progress.Lost(s)
			}
		}
	}
}
