package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"sync"
	"time"

	"golang.org/x/sys/unix"

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
	l := &looker{settings: s, collector: c}
	defer l.close()
	opts := ui.Options{
		Look: l.look, Delay: time.Duration(s.delay * float64(time.Second)),
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
type looker struct {
	*settings
	collector *collect.Collector
	looked    bool
	mu        sync.Mutex // held while a look is under way
}

func (l *looker) look(_ context.Context, focus ui.Focus) (*model.Snapshot, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f := collect.Focus{Fresh: focus.Sweep, Caches: focus.Caches}
	if focus.PID != 0 {
		f.PIDs = []int{focus.PID}
	}
	sample, err := l.collector.Look(f)
	if err != nil {
		return nil, err
	}
	snap := model.New(sample)
	if !l.looked {
		// The type information of a whole kernel is large and not needed again.
		l.looked = true
		debug.FreeOSMemory()
	}
	if focus.PID != 0 && snap.Process(focus.PID) == nil {
		err = l.collector.Attach(focus.PID)
	}
	return l.restrictTo(snap, focus.PID), err
}

// close gives the collector's files back, unless a look that nobody waits for any
// more still uses them: the end of the program does then.
func (l *looker) close() {
	if l.mu.TryLock() {
		defer l.mu.Unlock()
		l.collector.Close()
	}
}

// save writes everything that is on screen, and every watch, to a new file in the
// working directory. It appears there once it is whole: quitting meanwhile leaves
// nothing behind.
func save(snap *model.Snapshot) (path string, err error) {
	path = fmt.Sprintf("eptop-%s.json", snap.Time.Format("20060102-150405.000"))
	fd, err := unix.Open(".", unix.O_TMPFILE|unix.O_WRONLY|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return "", fmt.Errorf("write a snapshot here: %w", err)
	}
	f := os.NewFile(uintptr(fd), path)
	defer f.Close()
	if err := report.JSON(f, snap, true); err != nil {
		return "", err
	}
	if err := unix.Linkat(unix.AT_FDCWD, fmt.Sprintf("/proc/self/fd/%d", fd), unix.AT_FDCWD, path, unix.AT_SYMLINK_FOLLOW); err != nil {
		return "", fmt.Errorf("name %s: %w", path, err)
	}
	return path, nil
}
