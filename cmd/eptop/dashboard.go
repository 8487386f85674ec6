package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"sync"
	"time"

	"github.com/eptop/eptop/internal/collect"
	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/report"
	"github.com/eptop/eptop/internal/ui"
	"github.com/eptop/eptop/internal/units"
)

// lookTime bounds what one look of the dashboard may spend on processes and
// epolls; the rest waits for the next looks.
const lookTime = 200 * time.Millisecond

func (s *settings) dashboard(ctx context.Context) error {
	if len(s.pids) > 1 {
		return usagef("the dashboard attaches to one --pid at a time; eptop snapshot takes several")
	}
	c, err := s.collector(lookTime)
	if err != nil {
		return err
	}
	l := &looker{settings: s, collector: c}
	defer l.close()
	l.loads = &loader{costs: l.costs}
	defer l.drain()
	opts := ui.Options{
		Look: l.look, Delay: time.Duration(s.delay * float64(time.Second)),
		NoColor: s.noColor || os.Getenv("NO_COLOR") != "", NoMouse: s.noMouse, Save: report.Save, Version: version,
	}
	if len(s.pids) == 1 {
		opts.PID = s.pids[0]
	}
	if c.Live() {
		opts.Loader, opts.Load = l.loads, s.loadNow
	} else if s.loadNow > 0 {
		return usagef("--load %d: connections are opened on this machine, and %s is not its procfs", s.loadNow, s.procRoot)
	}
	err = ui.Run(ctx, opts)
	if errors.Is(err, ui.ErrInterrupted) {
		return context.Canceled
	}
	return err
}

// looker is how the dashboard looks at the machine.
type looker struct {
	*settings
	collector *collect.Collector
	loads     *loader
	looked    bool
	mu        sync.Mutex // held while a look is under way
}

func (l *looker) look(ctx context.Context, focus ui.Focus) (*model.Snapshot, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	// What is being measured is not to be disturbed by looking.
	focus.Quiet = changing(l.loads.Load())
	sample, err := l.collector.Look(ctx, focus)
	if err != nil {
		return nil, err
	}
	sample.Load = l.loads.Load()
	snap := model.New(sample)
	if !l.looked {
		// The type information of a whole kernel is large and not needed again.
		l.looked = true
		debug.FreeOSMemory()
	}
	for _, pid := range focus.PIDs {
		if snap.Process(pid) == nil {
			err = l.collector.Attach(pid)
		}
	}
	return l.restrictTo(snap, focus.PIDs), err
}

// costs looks once at what connections take on this kernel, and how far it goes.
func (l *looker) costs() (*model.Snapshot, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	sample, err := l.collector.Look(context.Background(), model.Focus{Limits: true})
	if err != nil {
		return nil, err
	}
	return model.New(sample), nil
}

// drain closes what the load generator holds. The screen is gone by then, and a
// million connections take a while.
func (l *looker) drain() {
	if load := l.loads.Load(); loaded(load) && load.Open >= manyConnections {
		fmt.Fprintf(os.Stderr, "eptop: closing %s\n", units.Many(load.Open, "connection"))
	}
	if err := l.loads.Close(); err != nil {
		fmt.Fprintf(os.Stderr, "eptop: close connections: %v\n", err)
	}
}

// manyConnections take longer to close than a person waits without asking why.
const manyConnections = 100_000

// close gives the collector's files back, unless a look that nobody waits for any
// more still uses them: the end of the program does then.
func (l *looker) close() {
	if l.mu.TryLock() {
		defer l.mu.Unlock()
		l.collector.Close()
	}
}
