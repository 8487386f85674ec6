// Package engine holds what a program needs to look at the machine again and again: a
// collector, the Deriver that gives its Samples a meaning, and a load of eptop's own.
// The three belong together: a look must not disturb what is measured while
// connections are opened, and a load is planned from what a look has found.
package engine

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync/atomic"

	"github.com/eptop/eptop/internal/collect"
	"github.com/eptop/eptop/internal/lab"
	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/measure"
	"github.com/eptop/eptop/internal/model"
)

// Options say where to look, how gently, and what to keep of it.
type Options struct {
	collect.Options
	// PIDs, where there are any, are the only processes of every Snapshot. New fails
	// where one of them cannot be looked at.
	PIDs []int
	// User is the UID whose processes alone are kept, besides those of a look's Focus.
	// It has no effect where there are PIDs.
	User maybe.Of[int]
	// Once says that there will be one look only: the memory it took is not returned
	// before the end.
	Once bool
	// Thresholds are those of rules that are not to have their own.
	Thresholds model.Thresholds
}

// Engine looks at the machine and drives one load. Its methods may be called from any
// goroutine.
type Engine struct {
	opts Options
	// life ends with Close and ends every look then.
	life context.Context
	end  context.CancelFunc
	// load is the latest one, nil before the first. It is read without a turn, so that its
	// progress can be asked for while a slow look is under way.
	load atomic.Pointer[load]
	// bench has a lock of its own: an experiment and a look go on beside each other.
	bench lab.Bench

	turn      turn // of one look, or of one start of a load
	collector *collect.Collector
	deriver   model.Deriver
	looked    bool
}

// turn is a mutex that is waited for no longer than a context lasts.
type turn chan struct{}

// take waits for the turn. A context that has ended gets none.
func (t turn) take(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case t <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	if err := ctx.Err(); err != nil {
		t.pass()
		return err
	}
	return nil
}

func (t turn) pass() { <-t }

// The reasons why no load is started.
var (
	ErrLoading = errors.New("a load is open already: drain it first")
	ErrClosed  = errors.New("eptop is about to end")
)

// New checks that the options can be met, opts.PIDs included.
func New(opts Options) (*Engine, error) {
	c, err := collect.New(opts.Options)
	if err != nil {
		return nil, err
	}
	e := &Engine{opts: opts, collector: c, turn: make(turn, 1)}
	e.deriver.Thresholds = opts.Thresholds
	e.life, e.end = context.WithCancel(context.Background())
	for _, pid := range opts.PIDs {
		if err := e.Attach(pid); err != nil {
			return nil, errors.Join(err, e.Close())
		}
	}
	return e, nil
}

// Attach checks that a process can be looked at, before anybody waits for it. Its
// errors are those of collect.Collector.Attach.
func (e *Engine) Attach(pid int) error {
	if err := e.turn.take(e.life); err != nil {
		return err
	}
	defer e.turn.pass()
	return e.collector.Attach(pid)
}

// Live reports whether the engine looks at this machine, and not at a captured tree:
// only there can a load be opened.
func (e *Engine) Live() bool { return e.collector.Live() }

// Look looks at the machine once. It may return both a Snapshot and an error: then a
// process of the focus is not in the Snapshot, and the error says why. Once ctx ends,
// or the engine is closed, Look returns the context's error at the next step of the
// look. While connections are opened or closed all looks are quiet, whatever the focus
// says, so as not to disturb what is being measured.
func (e *Engine) Look(ctx context.Context, focus model.Focus) (*model.Snapshot, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(e.life, cancel)()
	if e.life.Err() != nil {
		cancel() // the collector may be closed: at once, and not from another goroutine
	}
	if err := e.turn.take(ctx); err != nil {
		return nil, err
	}
	defer e.turn.pass()
	focus.PIDs = slices.Concat(e.opts.PIDs, focus.PIDs)
	load := e.load.Load()
	focus.Quiet = focus.Quiet || load != nil && isChanging(load.Status())
	sample, err := e.collector.Look(ctx, focus)
	if err != nil {
		return nil, err
	}
	sample.Load = e.Load()
	snap := e.deriver.Derive(sample)
	if !e.looked && !e.opts.Once {
		// The type information of a whole kernel is large and not needed again.
		debug.FreeOSMemory()
	}
	e.looked = true
	for _, pid := range focus.PIDs {
		if err == nil && snap.Process(pid) == nil {
			err = e.collector.Attach(pid)
		}
	}
	return e.restrict(snap, focus), err
}

// Progress returns how far the look under way is. It does not wait for it.
func (e *Engine) Progress() model.Progress { return e.collector.Progress() }

// restrict removes the processes that are not wanted.
func (e *Engine) restrict(snap *model.Snapshot, focus model.Focus) *model.Snapshot {
	user, one := e.opts.User.Get()
	switch {
	case len(e.opts.PIDs) > 0:
		return snap.Restrict(func(p *model.Process) bool {
			return slices.Contains(e.opts.PIDs, p.PID) || slices.Contains(e.opts.PIDs, p.ThreadOf)
		})
	case one:
		return snap.Restrict(func(p *model.Process) bool { return p.UID == maybe.Some(user) || slices.Contains(focus.PIDs, p.PID) })
	}
	return snap
}

// Start begins to open what plan says, and to measure it. An earlier load must be
// drained. Start looks at the machine to learn what connections take on this kernel;
// it does not wait for connections.
func (e *Engine) Start(plan model.LoadPlan) error {
	if err := e.checkStart(plan); err != nil {
		return err
	}
	costs, err := e.Look(e.life, model.Focus{Limits: true})
	if err != nil {
		return err
	}
	_, err = e.begin(plan, func() (opener, error) { return measure.Start(plan, costs) })
	return err
}

// checkStart returns why plan cannot be started now.
func (e *Engine) checkStart(plan model.LoadPlan) error {
	if err := plan.Check(); err != nil {
		return err
	}
	if e.life.Err() != nil {
		return ErrClosed
	}
	if load := e.load.Load(); load != nil && isLoaded(load.Status()) {
		return ErrLoading
	}
	return nil
}

// begin calls open and makes the result the engine's load, in place of a drained one.
func (e *Engine) begin(plan model.LoadPlan, open func() (opener, error)) (opener, error) {
	if e.turn.take(e.life) != nil {
		return nil, ErrClosed
	}
	defer e.turn.pass()
	if err := e.checkStart(plan); err != nil {
		return nil, err
	}
	if err := e.closeLoad(); err != nil {
		return nil, err
	}
	o, err := open()
	if err != nil {
		return nil, err
	}
	e.load.Store(&load{o})
	// Close may have looked for a load just before this one was stored.
	if e.life.Err() != nil {
		return nil, errors.Join(ErrClosed, o.Close())
	}
	return o, nil
}

// Set makes n the number of connections to hold.
func (e *Engine) Set(n int64) {
	if l := e.load.Load(); l != nil {
		l.Set(n)
	}
}

// Load returns the state of the load; nil before the first start.
func (e *Engine) Load() *model.Load {
	if l := e.load.Load(); l != nil {
		return l.Load()
	}
	return nil
}

// Bench tries epoll's rules on this machine, one experiment after another. It ends with the
// engine.
func (e *Engine) Bench() *lab.Bench { return &e.bench }

// Close ends the look under way and the experiment that runs, closes all connections, and waits for the
// connections. Nothing can be started afterwards. Close does not wait for a kernel
// that does not answer a look: the files that the look reads are closed with the
// program.
func (e *Engine) Close() error {
	e.end()
	e.bench.Close()
	err := e.closeLoad()
	select {
	case e.turn <- struct{}{}:
		defer e.turn.pass()
		e.collector.Close()
	default:
	}
	if err != nil {
		return fmt.Errorf("close connections: %w", err)
	}
	return nil
}

func (e *Engine) closeLoad() error {
	if l := e.load.Load(); l != nil {
		return l.Close()
	}
	return nil
}
