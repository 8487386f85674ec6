package ui

import (
	"reflect"
	"time"
	"unsafe"

	tea "charm.land/bubbletea/v2"
)

// pace is how often Bubble Tea's renderer wakes up to see whether there is a frame
// to draw. Its ticker runs as fast for a screen that nobody touches as for one that
// is being scrolled: at 60 frames a second that took 1 % of a core on a virtual
// machine, more than all of eptop's looking. So it is fast while there is input, and
// slow enough for the next look otherwise.
type pace struct {
	ticker *time.Ticker // nil: it could not be had, the pace stays what it was
	input  time.Time    // the last one
	slow   bool
	armed  bool // a settledMsg is to come
}

// settledMsg comes when there may have been no input for a while.
type settledMsg struct{}

const (
	fastFrame = time.Second / framesPerSecond
	slowFrame = time.Second / 4
	// settle is how long after the last input the pace stays fast.
	settle = 2 * time.Second
)

// newPace finds the program's ticker, which is not exported, and nil before the
// program runs.
func newPace(p *tea.Program) pace {
	field := reflect.ValueOf(p).Elem().FieldByName("ticker")
	if !field.IsValid() || field.Type() != reflect.TypeFor[*time.Ticker]() {
		return pace{}
	}
	return pace{ticker: (*time.Ticker)(unsafe.Pointer(field.Pointer()))}
}

// saw sets the pace for one message. It returns when a settledMsg should come, or 0
// for no other: there is one on its way at most.
func (p *pace) saw(msg tea.Msg, now time.Time) (in time.Duration) {
	if p.ticker == nil {
		return 0
	}
	switch msg.(type) {
	case tea.KeyMsg, tea.MouseMsg, tea.PasteMsg, tea.WindowSizeMsg, tea.ResumeMsg:
		p.input = now
		if p.slow {
			p.slow = false
			p.ticker.Reset(fastFrame)
		}
	case settledMsg:
		p.armed = false
		if now.Sub(p.input) >= settle {
			// Coming back from Ctrl-Z, Bubble Tea sets its own pace, and the
			// ResumeMsg after it counts as input: slow is never left wrong.
			p.slow = true
			p.ticker.Reset(slowFrame)
		}
	}
	if p.slow || p.armed || p.input.IsZero() {
		return 0
	}
	p.armed = true
	return settle - now.Sub(p.input)
}

// keepPace tells the renderer's pace of a message.
func (m *Model) keepPace(msg tea.Msg) tea.Cmd {
	if m.program == nil {
		return nil
	}
	if m.pace.ticker == nil {
		m.pace = newPace(m.program)
	}
	in := m.pace.saw(msg, time.Now())
	if in <= 0 {
		return nil
	}
	ctx := m.ctx
	return func() tea.Msg {
		end, stop := timer(in)
		defer stop()
		select {
		case <-ctx.Done():
			return nil
		case <-end:
			return settledMsg{}
		}
	}
}
