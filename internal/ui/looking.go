package ui

import (
	"context"
	"fmt"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/ui/view"
)

// intervals are the steps of + and -.
var intervals = [...]time.Duration{
	100 * time.Millisecond, 200 * time.Millisecond, 500 * time.Millisecond, time.Second, 2 * time.Second,
	5 * time.Second, 10 * time.Second, 20 * time.Second, 30 * time.Second, 60 * time.Second,
}

// looking is where the cycle of looks stands. Only the answer to a look arms
// the next one, so that a slow kernel never piles up reads.
type looking struct {
	delay    time.Duration
	underway bool
	// flight is closed when the look under way, or the last one, has ended.
	flight chan struct{}
	frozen bool
	// once: the answer under way is shown although the screen is frozen.
	once bool
	// again: another look was asked for while one was under way.
	again bool
	// turn counts the timers; one that is not the latest means nothing.
	turn   int
	cancel context.CancelFunc // of the timer
	// after starts a timer; tests have one that never ends.
	after func(time.Duration) (end <-chan time.Time, stop func() bool)
	err   error // of the last look
}

// lookingText stands in the status line from the key r to its answer.
const lookingText = "looking…"

// lookedMsg is the answer to a look, dueMsg the end of a wait.
type (
	lookedMsg struct {
		attached int // the process that was looked at, or 0
		snap     *model.Snapshot
		err      error
	}
	dueMsg struct{ turn int }
)

// start takes a look, unless one is under way.
func (m *Model) start(fresh bool) tea.Cmd {
	if m.opts.Look == nil {
		return nil
	}
	if m.look.underway {
		m.look.again = m.look.again || fresh
		return nil
	}
	m.disarm()
	m.look.underway = true
	flight := make(chan struct{})
	m.look.flight = flight
	focus := Focus{Fresh: fresh, Limits: m.planning()}
	attached := m.attached()
	if attached != 0 {
		focus.PIDs = []int{attached}
	}
	if c, ok := m.here().(view.CacheRequester); ok {
		focus.Caches = c.Caches()
	}
	ctx, look := m.ctx, m.opts.Look
	return func() (msg tea.Msg) {
		defer close(flight)
		defer func() {
			if r := recover(); r != nil {
				msg = lookedMsg{attached: attached, err: fmt.Errorf("looking went wrong inside eptop: %v", r)}
			}
		}()
		snap, err := look(ctx, focus)
		return lookedMsg{attached: attached, snap: snap, err: err}
	}
}

// attached is the PID of the process on screen.
func (m *Model) attached() int {
	for _, v := range m.views {
		if a, ok := v.(view.ProcessShower); ok {
			return a.ShownPID()
		}
	}
	return 0
}

// looked takes the answer to a look and arms the next one.
func (m *Model) looked(msg lookedMsg) tea.Cmd {
	l := &m.look
	l.underway = false
	if !l.frozen || l.once {
		l.err = msg.err
		if msg.snap != nil {
			m.apply(msg)
		}
	}
	l.once = false
	if l.again {
		l.again = false
		l.once = l.frozen
		return m.start(true)
	}
	if m.status.Text == lookingText {
		m.status = view.StatusMsg{}
	}
	return m.arm()
}

// apply shows a snapshot in every view.
func (m *Model) apply(msg lookedMsg) {
	m.snap = msg.snap
	for _, v := range m.views {
		if a, ok := v.(view.ProcessShower); ok {
			a.NoteLook(msg.attached)
		}
		v.SetSnapshot(msg.snap)
	}
}

// arm starts the wait for the next look.
func (m *Model) arm() tea.Cmd {
	m.disarm()
	if m.look.frozen {
		return nil
	}
	ctx, cancel := context.WithCancel(m.ctx)
	m.look.cancel = cancel
	turn, delay, after := m.look.turn, m.look.delay, m.look.after
	return func() tea.Msg {
		end, stop := after(delay)
		defer stop()
		select {
		case <-ctx.Done():
			return nil
		case <-end:
			return dueMsg{turn}
		}
	}
}

func timer(d time.Duration) (end <-chan time.Time, stop func() bool) {
	t := time.NewTimer(d)
	return t.C, t.Stop
}

func (m *Model) disarm() {
	m.look.turn++
	if m.look.cancel != nil {
		m.look.cancel()
		m.look.cancel = nil
	}
}

// due takes the next look, if the timer is the latest.
func (m *Model) due(msg dueMsg) tea.Cmd {
	if msg.turn != m.look.turn || m.look.frozen {
		return nil
	}
	return m.start(false)
}

// again is the key r: everything afresh, now. Frozen, it shows this one look.
func (m *Model) again() tea.Cmd {
	m.look.once = m.look.frozen
	m.status = view.StatusMsg{Text: lookingText}
	return m.start(true)
}

// freeze stops the looking, or lets it go on at once.
func (m *Model) freeze() tea.Cmd {
	m.look.frozen = !m.look.frozen
	if m.look.frozen {
		m.disarm()
		m.status = view.StatusMsg{Text: "frozen: nothing is read until Space; r takes one look"}
		return nil
	}
	return m.start(false)
}

// interval goes one step through intervals and takes effect at once.
func (m *Model) interval(step int) tea.Cmd {
	next := m.look.delay
	if step > 0 {
		for _, d := range intervals {
			if d > m.look.delay {
				next = d
				break
			}
		}
	} else {
		for _, d := range intervals {
			if d < m.look.delay {
				next = d
			}
		}
	}
	text := "looking every " + seconds(next)
	if next == m.look.delay {
		text += ": no step beyond that"
	}
	m.look.delay = next
	m.status = view.StatusMsg{Text: text}
	if m.look.underway {
		return nil
	}
	return m.arm()
}

// openProcess shows one process and looks at it at once.
func (m *Model) openProcess(pid int) tea.Cmd {
	m.attach(pid)
	if m.look.frozen {
		if m.knows(pid) {
			return nil
		}
		m.look.once = true
	}
	// A look under way does not know of the process.
	m.look.again = m.look.underway
	return m.start(false)
}

// attach brings the view of one process on screen.
func (m *Model) attach(pid int) {
	for i, v := range m.views {
		if a, ok := v.(view.ProcessShower); ok {
			a.ShowProcess(pid, m.active != i)
			m.show(i)
		}
	}
}

// knows reports whether the snapshot on screen has a process.
func (m *Model) knows(pid int) bool { return m.snap != nil && m.snap.Process(pid) != nil }

// write saves the snapshot on screen.
func (m *Model) write() tea.Cmd {
	snap, save := m.snap, m.opts.Save
	switch {
	case save == nil:
		m.status = view.StatusMsg{Text: "this eptop cannot write files", Bad: true}
		return nil
	case snap == nil:
		m.status = view.StatusMsg{Text: "nothing to write yet", Bad: true}
		return nil
	}
	return func() (msg tea.Msg) {
		defer func() {
			if r := recover(); r != nil {
				msg = view.StatusMsg{Text: fmt.Sprintf("writing went wrong inside eptop: %v", r), Bad: true}
			}
		}()
		path, err := save(snap)
		if err != nil {
			return view.StatusMsg{Text: "not written: " + err.Error(), Bad: true}
		}
		return view.StatusMsg{Text: "written to " + path}
	}
}
