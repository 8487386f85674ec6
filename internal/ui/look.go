package ui

import (
	"context"
	"fmt"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/ui/view"
)

// intervals are the intervals between looks that + and - step through.
var intervals = [...]time.Duration{
	100 * time.Millisecond, 200 * time.Millisecond, 500 * time.Millisecond, time.Second, 2 * time.Second,
	5 * time.Second, 10 * time.Second, 20 * time.Second, 30 * time.Second, 60 * time.Second,
}

// lookCycle is the state of the cycle of looks. Only the end of a look starts the timer
// for the next one, so that reads never pile up on a slow kernel.
type lookCycle struct {
	delay    time.Duration
	underway bool
	// done is closed when the look under way, or the last one, has ended.
	done   chan struct{}
	frozen bool
	// showOnce: the result of the look under way is shown although the screen is frozen.
	showOnce bool
	// repeat: another look was asked for while one was under way.
	repeat bool
	// turn counts the timers. Only the end of the latest one starts a look.
	turn   int
	cancel context.CancelFunc // of the timer
	// after starts a timer; tests have one that never ends.
	after func(time.Duration) (end <-chan time.Time, stop func() bool)
	err   error // of the last look
	// failing: the last look had no snapshot.
	failing bool
}

// lookingText is shown before the first snapshot, and in the status line after the key r
// until the look has ended.
const lookingText = "looking…"

// lookedMsg carries the result of a look. dueMsg reports the end of the wait for the
// next one.
type (
	lookedMsg struct {
		pid  int // the process that was looked at, or 0
		snap *model.Snapshot
		err  error
	}
	dueMsg struct{ turn int }
)

// startLook starts a look. While one is under way it only notes that a fresh one is
// wanted.
func (m *Model) startLook(fresh bool) tea.Cmd {
	if m.opts.Look == nil {
		return nil
	}
	if m.look.underway {
		m.look.repeat = m.look.repeat || fresh
		return nil
	}
	m.disarm()
	m.look.underway = true
	done := make(chan struct{})
	m.look.done = done
	focus := Focus{Fresh: fresh, Limits: m.needsLimits()}
	pid := m.shownPID()
	if pid != 0 {
		focus.PIDs = []int{pid}
	}
	if c, ok := m.current().(view.CacheRequester); ok {
		focus.Caches = c.Caches()
	}
	ctx, look := m.ctx, m.opts.Look
	return func() (msg tea.Msg) {
		defer close(done)
		defer func() {
			if r := recover(); r != nil {
				msg = lookedMsg{pid: pid, err: fmt.Errorf("looking went wrong inside eptop: %v", r)}
			}
		}()
		snap, err := look(ctx, focus)
		return lookedMsg{pid: pid, snap: snap, err: err}
	}
}

// shownPID returns the PID of the process that is open, or 0.
func (m *Model) shownPID() int {
	for _, v := range m.views {
		if a, ok := v.(view.ProcessShower); ok {
			return a.ShownPID()
		}
	}
	return 0
}

// finishLook shows the result of a look and starts the timer for the next one.
func (m *Model) finishLook(msg lookedMsg) tea.Cmd {
	return tea.Batch(m.endLook(msg), m.armAges(m.untilAges()))
}

// untilAges returns how long the ages on screen may stay as they are.
func (m *Model) untilAges() time.Duration {
	switch {
	case m.snap == nil:
		return progressEvery
	case m.age() < ageAfter:
		return ageAfter
	}
	return ageEvery
}

func (m *Model) endLook(msg lookedMsg) tea.Cmd {
	l := &m.look
	l.underway = false
	if !l.frozen || l.showOnce {
		l.err, l.failing = msg.err, msg.snap == nil && msg.err != nil
		if msg.snap != nil {
			m.apply(msg)
		}
	}
	l.showOnce = false
	if l.repeat {
		l.repeat = false
		l.showOnce = l.frozen
		return m.startLook(true)
	}
	if m.status.Text == lookingText {
		m.status = view.StatusMsg{}
	}
	return m.arm()
}

// apply gives a snapshot to every view.
func (m *Model) apply(msg lookedMsg) {
	m.snap = msg.snap
	m.ages.looked = m.ages.now()
	for _, v := range m.views {
		if a, ok := v.(view.ProcessShower); ok {
			a.NoteLook(msg.pid)
		}
		v.SetSnapshot(msg.snap)
	}
}

// arm starts the timer for the next look.
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

// takeDueLook starts the next look, if the timer that ended is the latest one.
func (m *Model) takeDueLook(msg dueMsg) tea.Cmd {
	if msg.turn != m.look.turn || m.look.frozen {
		return nil
	}
	return m.startLook(false)
}

// refresh handles the key r: it reads everything again at once. On a frozen screen it
// shows the result of this one look.
func (m *Model) refresh() tea.Cmd {
	m.look.showOnce = m.look.frozen
	m.status = view.StatusMsg{Text: lookingText}
	return m.startLook(true)
}

// freeze stops looking at the machine, or continues at once.
func (m *Model) freeze() tea.Cmd {
	m.look.frozen = !m.look.frozen
	if m.look.frozen {
		m.disarm()
		m.armAges(0)
		m.status = view.StatusMsg{Text: "frozen: nothing is read until Space; r takes one look"}
		return nil
	}
	return m.startLook(false)
}

// stepInterval changes the interval by one step, which takes effect at once.
func (m *Model) stepInterval(step int) tea.Cmd {
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

// openProcess shows one process and starts a look at it at once.
func (m *Model) openProcess(pid int) tea.Cmd {
	m.showProcess(pid)
	if m.look.frozen {
		if m.isListed(pid) {
			return nil
		}
		m.look.showOnce = true
	}
	// A look under way was not asked for this process.
	m.look.repeat = m.look.underway
	return m.startLook(false)
}

// showProcess opens one process in the view that shows processes.
func (m *Model) showProcess(pid int) {
	for i, v := range m.views {
		if a, ok := v.(view.ProcessShower); ok {
			a.ShowProcess(pid, m.active != i)
			m.show(i)
		}
	}
}

// showSockets turns to the sockets of the process that is open.
func (m *Model) showSockets(filter string) {
	for _, v := range m.views {
		if a, ok := v.(view.SocketShower); ok {
			a.ShowSockets(filter)
		}
	}
}

// showTitled shows the view with a title, if this version has it.
func (m *Model) showTitled(title string) {
	for i, v := range m.views {
		if v.Title() == title {
			m.show(i)
		}
	}
}

// isListed reports whether the snapshot on screen has a process with this PID.
func (m *Model) isListed(pid int) bool { return m.snap != nil && m.snap.Process(pid) != nil }

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
