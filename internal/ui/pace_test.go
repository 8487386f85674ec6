package ui

import (
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
	now := time.Now()
	p := pace{ticker: time.NewTicker(time.Hour), input: now}
	defer p.ticker.Stop()
	for i, step := range []struct {
		msg   tea.Msg
		after time.Duration
		slow  bool
	}{
		{lookedMsg{}, time.Second, false},
		{lookedMsg{}, settle + time.Second, true},
		{lookedMsg{}, time.Hour, true},
		{tea.KeyPressMsg{Code: 'j'}, time.Hour, false},
		{lookedMsg{}, time.Hour + time.Second, false},
		{lookedMsg{}, time.Hour + settle + time.Second, true},
		{tea.MouseWheelMsg{}, 2 * time.Hour, false},
	} {
		if p.saw(step.msg, now.Add(step.after)); p.slow != step.slow {
			t.Errorf("step %d: slow is %v", i, p.slow)
		}
	}
	(&pace{}).saw(tea.KeyPressMsg{}, now) // without a ticker nothing happens
}
