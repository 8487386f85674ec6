package ui

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall" //nolint:depguard // the names of signals, nothing of the kernel
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"
	"github.com/charmbracelet/x/ansi"
	"github.com/charmbracelet/x/term"
)

// ErrInterrupted is what Run returns when a signal or the key Ctrl-C ended it.
var ErrInterrupted = errors.New("interrupted")

// Run shows the dashboard until it is quit or interrupted, or ctx ends. The
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

	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	defer signal.Stop(signals)
	terminal := findTerminal()
	var interrupted atomic.Bool
	over, watched := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(watched)
		for {
			select {
			case <-signals:
				if interrupted.Swap(true) {
					terminal.restore() // the first signal was not enough
					os.Exit(exitInterrupted)
				}
				p.Quit()
			case <-over:
				return
			}
		}
	}()
	_, err := p.Run()
	cancel()
	m.awaitLook()
	close(over)
	<-watched
	switch {
	case interrupted.Load() || m.interrupted:
		return ErrInterrupted
	case errors.Is(err, tea.ErrProgramPanic):
		return fmt.Errorf("the dashboard went wrong inside eptop: %w", err)
	case outer.Err() != nil:
		return context.Cause(outer)
	case err != nil:
		return err
	}
	return m.report()
}

// exitInterrupted is the exit status of a program that a signal has ended.
const exitInterrupted = 130

// found is the terminal as the dashboard found it.
type found struct {
	fd    uintptr
	state *term.State
}

func findTerminal() found {
	t := found{fd: os.Stdin.Fd()}
	t.state, _ = term.GetState(t.fd) // without one there are no modes to restore
	return t
}

// restore does what Bubble Tea does at the end, for when it does not come to its end.
func (t found) restore() {
	const off = ansi.ResetModifyOtherKeys + "\x1b[<1u" + ansi.ResetModeAltScreenSaveCursor + ansi.ResetModeMouseButtonEvent + ansi.ResetModeMouseExtSgr +
		ansi.ResetModeBracketedPaste + ansi.SetModeTextCursorEnable + ansi.ResetStyle
	_, _ = os.Stdout.WriteString(off)
	if t.state != nil {
		_ = term.Restore(t.fd, t.state)
	}
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
