package lab

import (
	"context"
	"slices"
	"sync"
)

// Bench runs one experiment after another for somebody who watches. An experiment with a
// turning point is held there. Its methods may be called from any goroutine, and none of
// them waits for an experiment but Close.
type Bench struct {
	mu      sync.Mutex
	state   State
	closed  bool
	release chan struct{} // closed lets the experiment go on; nil once it was
	cancel  context.CancelFunc
	over    chan struct{} // closed when the experiment has ended
}

// State is what the latest experiment of a Bench has come to.
type State struct {
	Name   string // "" before the first
	PID    int    // of its process; 0 before it was started
	Steps  []Step
	Held   *Held   // not nil while it is held at its turning point
	Result *Result // nil while it runs
	// Results has the latest result of every experiment that was tried, by its name.
	Results map[string]Result
}

// Running reports whether an experiment has not ended.
func (s *State) Running() bool { return s.Name != "" && s.Result == nil }

// Try ends the experiment that runs, and starts another one.
func (b *Bench) Try(e *Experiment) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return
	}
	before := b.over
	if b.cancel != nil {
		b.cancel()
	}
	ctx, cancel := context.WithCancel(context.Background())
	release, over := make(chan struct{}), make(chan struct{})
	b.cancel, b.release, b.over = cancel, release, over
	results := b.state.Results
	b.state = State{Name: e.Name, Results: results}
	mine := func(change func(*State)) {
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.over == over {
			change(&b.state)
		}
	}
	go func() {
		defer close(over)
		defer cancel()
		if before != nil {
			<-before // one at a time, as those that measure time want it
		}
		r := e.Run(ctx, Options{
			Hold: e.Shows != "", Release: release,
			Started: func(_ *Experiment, pid int) { mine(func(s *State) { s.PID = pid }) },
			Step:    func(_ *Experiment, st Step) { mine(func(s *State) { s.Steps = append(s.Steps, st) }) },
			Held:    func(_ *Experiment, h Held) { mine(func(s *State) { s.Held = &h }) },
		})
		mine(func(s *State) {
			s.Result, s.Held = &r, nil
			if s.Results == nil {
				s.Results = map[string]Result{}
			}
			s.Results[r.Name] = r
		})
	}()
}

// Release lets a held experiment go on.
func (b *Bench) Release() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.release != nil {
		close(b.release)
		b.release, b.state.Held = nil, nil
	}
}

// State returns a copy that does not change.
func (b *Bench) State() State {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.state
	s.Steps = slices.Clone(s.Steps)
	s.Results = make(map[string]Result, len(b.state.Results))
	for name, r := range b.state.Results {
		s.Results[name] = r
	}
	return s
}

// Close ends the experiment that runs and waits for its end. Nothing can be tried afterwards.
func (b *Bench) Close() {
	b.mu.Lock()
	b.closed = true
	over := b.over
	if b.cancel != nil {
		b.cancel()
	}
	b.mu.Unlock()
	if over != nil {
		<-over
	}
}
