package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/eptop/eptop/internal/engine"
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
	e, err := engine.New(engine.Options{Options: s.collect(lookTime), User: s.uid})
	if err != nil {
		return err
	}
	defer closeEngine(e)
	opts := ui.Options{
		Look: e.Look, Progress: e.Progress, Delay: time.Duration(s.delay * float64(time.Second)),
		NoColor: s.noColor || os.Getenv("NO_COLOR") != "", NoMouse: s.noMouse, Save: report.Save, Version: version,
	}
	if len(s.pids) == 1 {
		opts.PID = s.pids[0]
		if err := e.Attach(opts.PID); err != nil {
			return err
		}
	}
	if e.Live() {
		opts.Loader, opts.Load, opts.Bench = e, s.loadNow, e.Bench()
	} else if s.loadNow > 0 {
		return usagef("--load %d: connections are opened on this machine, and %s is not its procfs", s.loadNow, s.procRoot)
	}
	err = ui.Run(ctx, opts)
	if errors.Is(err, ui.ErrInterrupted) {
		return context.Canceled
	}
	return err
}

// closeEngine closes the engine of a dashboard. The screen is gone by then, and a
// million connections take a while: a signal ends eptop on the spot, and its workers with
// it.
func closeEngine(e *engine.Engine) {
	signal.Reset(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	if load := e.Load(); load != nil && load.Open >= manyConnections {
		fmt.Fprintf(os.Stderr, "eptop: closing %s\n", units.Many(load.Open, "connection"))
	}
	if err := e.Close(); err != nil {
		fmt.Fprintf(os.Stderr, "eptop: %v\n", err)
	}
}

// manyConnections take longer to close than a person waits without asking why.
const manyConnections = 100_000
