package ui

import (
	"context"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
)

// TestPaceFindsTheTicker fails when a new Bubble Tea keeps its ticker elsewhere:
// the dashboard would still work, and cost more at rest.
func TestPaceFindsTheTicker(t *testing.T) {
	m := New(Options{})
	p := tea.NewProgram(m, tea.WithInput(nil), tea.WithOutput(discard{}), tea.WithoutSignalHandler())
	m.program = p
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
	p := pace{ticker: time.NewTicker(time.Hour)}
	defer p.ticker.Stop()
	start := time.Now()
	for i, step := range []struct {
		msg  tea.Msg
		at   time.Duration
		slow bool
		in   time.Duration
	}{
		{lookedMsg{}, 0, false, 0}, // nobody has touched anything yet
		{tea.WindowSizeMsg{}, time.Second, false, settle},
		{tea.KeyPressMsg{Code: 'j'}, 2 * time.Second, false, 0}, // one is on its way
		{lookedMsg{}, 2*time.Second + time.Millisecond, false, 0},
		{settledMsg{}, time.Second + settle, false, time.Second},
		{settledMsg{}, 2*time.Second + settle, true, 0},
		{lookedMsg{}, time.Hour, true, 0},
		{tea.MouseWheelMsg{}, 2 * time.Hour, false, settle},
		{settledMsg{}, 2*time.Hour + settle, true, 0}, // without any look
		{tea.ResumeMsg{}, 3 * time.Hour, false, settle},
	} {
		in := p.saw(step.msg, start.Add(step.at))
		if p.slow != step.slow || in != step.in {
			t.Errorf("step %d: slow is %v, the next in %v", i, p.slow, in)
		}
	}
	if in := (&pace{}).saw(tea.KeyPressMsg{}, start); in != 0 {
		t.Errorf("without a ticker there is a next in %v", in)
	}
}
