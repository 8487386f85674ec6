package ui

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	tea "charm.land/bubbletea/v2"
)

// TestPaceFindsTheTicker fails when a new Bubble Tea keeps its ticker elsewhere:
// the dashboard would still work, and cost more at rest.
func TestPaceFindsTheTicker(t *testing.T) {
	m := New(Options{})
	p := tea.NewProgram(m, tea.WithInput(nil), tea.WithOutput(discard{}), tea.WithoutSignalHandler())
	m.pace = &pace{program: p}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	m.ctx = ctx
	go func() { p.Send(tea.KeyPressMsg{Code: 'q', Text: "q"}) }()
	if _, err := p.Run(); err != nil {
		t.Fatal(err)
	}
	if m.pace.ticker == nil {
		t.Error("the renderer's ticker was not found")
	}
}

type discard struct{}

func (discard) Write(b []byte) (int, error) { return len(b), nil }

func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pace{ticker: time.NewTicker(fastFrame)}
		defer p.ticker.Stop()
		start := time.Now()
		for i, step := range []struct {
			at   time.Duration
			msg  tea.Msg // nil: none, only look at the pace
			next time.Duration
		}{
			{settle, nil, fastFrame}, // nobody has touched anything yet
			{settle, lookedMsg{}, fastFrame},
			{4 * settle, nil, fastFrame},
			{10 * time.Second, tea.WindowSizeMsg{}, fastFrame},
			{11 * time.Second, tea.KeyPressMsg{Code: 'j'}, fastFrame},
			{11*time.Second + settle - 3*fastFrame, nil, fastFrame},
			{11*time.Second + settle, nil, slowFrame}, // without any look
			{time.Hour, lookedMsg{}, slowFrame},
			{2 * time.Hour, tea.MouseWheelMsg{}, fastFrame},
			{2*time.Hour + settle, nil, slowFrame},
			{3 * time.Hour, tea.ResumeMsg{}, fastFrame},
			{4 * time.Hour, tea.PasteMsg{}, fastFrame},
		} {
			time.Sleep(time.Until(start.Add(step.at)))
			synctest.Wait()
			if step.msg != nil {
				p.follow(step.msg)
			}
			if next := p.frame(); next != step.next {
				t.Errorf("step %d: a frame takes %v, want %v", i, next, step.next)
			}
		}
	})
}

// frame is the time between two ticks, rounded: the ticks may lie anywhere.
func (p *pace) frame() time.Duration {
	select { // one that was due
	case <-p.ticker.C:
	default:
	}
	first := <-p.ticker.C
	return (<-p.ticker.C).Sub(first)
}

// TestPaceHasNoTicker follows messages before the program runs, and outside Run.
func TestPaceHasNoTicker(t *testing.T) {
	p := &pace{program: tea.NewProgram(New(Options{}))}
	p.follow(tea.KeyPressMsg{})
	if p.ticker != nil || p.rest != nil {
		t.Error("there is a pace without a ticker")
	}
	p = nil
	p.follow(tea.KeyPressMsg{})
}
