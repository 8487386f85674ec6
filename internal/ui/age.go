package ui

import (
	"context"
	"time"

	tea "charm.land/bubbletea/v2"
)

// A snapshot on screen that no newer one replaces, because looks fail, or do not end, or
// are far apart, is shown with its ages growing.
const (
	ageAfter = 2 * time.Second // for the first time
	ageEvery = time.Second     // from then on
)

// progressEvery is how often the progress of the first look is drawn.
const progressEvery = 200 * time.Millisecond

// ageMsg says that the ages on screen are to be drawn anew.
type ageMsg struct{ turn int }

// ageClock is when the ages on screen are drawn anew.
type ageClock struct {
	now    func() time.Time
	after  func(time.Duration) (end <-chan time.Time, stop func() bool) // starts a timer
	looked time.Time                                                    // when the snapshot came
	turn   int                                                          // of the timers; only the latest one counts
	cancel context.CancelFunc
}

// armAges starts the timer for the next ages.
func (m *Model) armAges(wait time.Duration) tea.Cmd {
	a := &m.ages
	a.turn++
	if a.cancel != nil {
		a.cancel()
		a.cancel = nil
	}
	if m.look.frozen || m.snap == nil && (m.opts.Progress == nil || m.opts.Look == nil) {
		return nil
	}
	ctx, cancel := context.WithCancel(m.ctx)
	a.cancel = cancel
	turn, after := a.turn, a.after
	return func() tea.Msg {
		end, stop := after(wait)
		defer stop()
		select {
		case <-ctx.Done():
			return nil
		case <-end:
			return ageMsg{turn}
		}
	}
}

// drawAges shows the snapshot as it is now.
func (m *Model) drawAges(msg ageMsg) tea.Cmd {
	if msg.turn != m.ages.turn || m.look.frozen {
		return nil
	}
	if m.snap == nil {
		m.looking = m.opts.Progress().String()
		return m.armAges(progressEvery)
	}
	later := m.snap.Later(m.age())
	for _, v := range m.views {
		v.SetSnapshot(later)
	}
	return m.armAges(ageEvery)
}

// age returns how long ago the snapshot on screen came.
func (m *Model) age() time.Duration { return m.ages.now().Sub(m.ages.looked) }
