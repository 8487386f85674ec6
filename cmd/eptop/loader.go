package main

import (
	"errors"
	"sync"

	"github.com/eptop/eptop/internal/measure"
	"github.com/eptop/eptop/internal/model"
)

// loader is the load generator in the hands of the dashboard.
type loader struct {
	// costs looks at the machine, for what connections take on this kernel.
	costs func() (*model.Snapshot, error)

	starts sync.Mutex // held while one is under way
	mu     sync.Mutex
	run    *measure.Experiment // the latest; nil before the first start
	closed bool
}

var (
	errLoading = errors.New("a load is open already: drain it first")
	errClosed  = errors.New("eptop is about to end")
)

// Start opens what plan says. The load before must be drained.
func (l *loader) Start(plan model.LoadPlan) error {
	l.starts.Lock()
	defer l.starts.Unlock()
	if err := plan.Check(); err != nil {
		return err
	}
	if loaded(l.Load()) {
		return errLoading
	}
	costs, err := l.costs()
	if err != nil {
		return err
	}
	if err := l.end(); err != nil {
		return err
	}
	run, err := measure.Start(plan, costs)
	if err != nil {
		return err
	}
	l.mu.Lock()
	l.run = run
	closed := l.closed
	l.mu.Unlock()
	if closed {
		return errors.Join(errClosed, l.end())
	}
	return nil
}

// Set makes n the number of connections that are to be open.
func (l *loader) Set(n int64) {
	if run := l.latest(); run != nil {
		run.Set(n)
	}
}

// Load is how far it is; nil before the first start.
func (l *loader) Load() *model.Load {
	if run := l.latest(); run != nil {
		return run.Load()
	}
	return nil
}

// Close closes all connections and waits for it. Nothing starts any more.
func (l *loader) Close() error {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	return l.end()
}

// end closes the latest.
func (l *loader) end() error {
	l.mu.Lock()
	run := l.run
	l.run = nil
	l.mu.Unlock()
	if run == nil {
		return nil
	}
	return run.Close()
}

func (l *loader) latest() *measure.Experiment {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.run
}

// loaded tells whether there are connections, or there are to be.
func loaded(l *model.Load) bool {
	return l != nil && (l.Phase != model.LoadDrained || l.Wanted > 0)
}

// changing tells whether connections are being opened or closed.
func changing(l *model.Load) bool { return loaded(l) && l.Phase != model.LoadHolding }
