package ui

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall" //nolint:depguard // the names of signals, nothing of the kernel
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"
)

// ErrInterrupted is what Run returns when a signal ended it.
var ErrInterrupted = errors.New("interrupted")

// Run shows the dashboard until it is quit, ctx ends or a signal comes. The
// terminal is left as it was found, after a panic too.
func Run(ctx context.Context, opts Options) error {
	outer := ctx
	ctx, cancel := context.WithCancel(outer)
	defer cancel()
	m := New(opts)
	m.ctx = ctx
	// Bubble Tea's own handler knows neither SIGHUP nor SIGQUIT.
	settings := []tea.ProgramOption{tea.WithContext(ctx), tea.WithoutSignalHandler(), tea.WithFPS(framesPerSecond)}
	if opts.NoColor {
		settings = append(settings, tea.WithColorProfile(colorprofile.ASCII))
	}
	p := tea.NewProgram(m, settings...)
	m.pace = &pace{program: p}

	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	defer signal.Stop(signals)
	done, watched := make(chan struct{}), make(chan struct{})
	interrupted := false
	go func() {
		defer close(watched)
		select {
		case <-signals:
			interrupted = true
			p.Quit()
		case <-done:
		}
	}()
	_, err := p.Run()
	close(done)
	<-watched
	cancel()
	m.awaitLook()
	switch {
	case interrupted:
		return ErrInterrupted
	case errors.Is(err, tea.ErrProgramPanic):
		return fmt.Errorf("the dashboard went wrong inside eptop: %w", err)
	case outer.Err() != nil:
		return context.Cause(outer)
	}
	return err
}

// awaitLook waits for the look under way, so that the caller of Run can close what the
// look reads from. It waits a second at most, in case the kernel does not answer.
func (m *Model) awaitLook() {
	if m.look.done == nil {
		return
	}
	select {
	case <-m.look.done:
	case <-time.After(time.Second):
	}
}
