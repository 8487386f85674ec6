package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"time"

	"github.com/eptop/eptop/internal/collect"
	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/report"
	"github.com/eptop/eptop/internal/ui"
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
	defer c.Close()
	opts := ui.Options{
		Look: s.looker(c), Delay: time.Duration(s.delay * float64(time.Second)),
		NoColor: s.noColor || os.Getenv("NO_COLOR") != "", NoMouse: s.noMouse, Save: save, Version: version,
	}
	if len(s.pids) == 1 {
		opts.PID = s.pids[0]
	}
	err = ui.Run(ctx, opts)
	if errors.Is(err, ui.ErrInterrupted) {
		return context.Canceled
	}
	return err
}

// looker is how the dashboard looks at the machine.
func (s *settings) looker(c *collect.Collector) func(context.Context, ui.Focus) (*model.Snapshot, error) {
	first := true
	return func(_ context.Context, focus ui.Focus) (*model.Snapshot, error) {
		f := collect.Focus{Fresh: focus.Sweep}
		if focus.PID != 0 {
			f.PIDs = []int{focus.PID}
		}
		sample, err := c.Look(f)
		if err != nil {
			return nil, err
		}
		snap := model.New(sample)
		if first {
			// The type information of a whole kernel is large and not needed again.
			first = false
			debug.FreeOSMemory()
		}
		if focus.PID != 0 && snap.Process(focus.PID) == nil {
			err = c.Attach(focus.PID)
		}
		return s.restrictTo(snap, focus.PID), err
	}
}

// save writes everything that is on screen, and every watch, to a new file in
// the working directory.
func save(snap *model.Snapshot) (path string, err error) {
	path = fmt.Sprintf("eptop-%s.json", snap.Time.Format("20060102-150405.000"))
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", err
	}
	if err := errors.Join(report.JSON(f, snap, true), f.Close()); err != nil {
		return "", errors.Join(err, os.Remove(path))
	}
	return path, nil
}
