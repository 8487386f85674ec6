package ui

import (
	"fmt"
	"runtime/debug"
	"strings"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"github.com/eptop/eptop/internal/ui/cell"
	"github.com/eptop/eptop/internal/ui/view"
	"github.com/eptop/eptop/internal/units"
)

// fault is a mistake of eptop's own: a panic in Update, in View or in a command.
//
// It does not end eptop, because a load would end with it. No view is drawn any more
// either: what a panic left half done may be wrong, and a wrong number is worse than none.
// So the screen shows the fault alone, until the user starts the views anew or quits.
type fault struct {
	text  string
	stack []byte
}

// newFault describes a panic that was recovered from. It is called where that is
// deferred, so that the stack shows where the panic was.
func newFault(r any) *fault { return &fault{fmt.Sprint(r), debug.Stack()} }

// guard returns cmd with its panics, and those of all commands in it, as messages.
func guard(cmd tea.Cmd) tea.Cmd {
	if cmd == nil {
		return nil
	}
	return func() (msg tea.Msg) {
		defer func() {
			if r := recover(); r != nil {
				msg = newFault(r)
			}
		}()
		msg = cmd()
		if batch, ok := msg.(tea.BatchMsg); ok {
			guarded := make(tea.BatchMsg, len(batch))
			for i, c := range batch {
				guarded[i] = guard(c)
			}
			return guarded
		}
		return msg
	}
}

// fail shows a fault in place of everything else. Run reports the first ones at the end.
func (m *Model) fail(f *fault) {
	const most = 4
	m.fault, m.frame, m.modal = f, "", nil
	if len(m.faults) < most {
		m.faults = append(m.faults, f)
	}
}

// updateFault handles a message while a fault is shown.
func (m *Model) updateFault(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.w, m.h = msg.Width, msg.Height
	case lookedMsg:
		m.look.underway = false
		if msg.snap != nil {
			m.snap = msg.snap
		}
	case tea.KeyPressMsg:
		switch {
		case isInterrupt(msg):
			return m.interrupt()
		case key.Matches(msg, m.keys.Quit):
			return tea.Quit
		case key.Matches(msg, m.keys.Suspend):
			return tea.Suspend
		case key.Matches(msg, m.keys.Refresh):
			return m.restart()
		}
	}
	return nil
}

// restart makes the views anew, and looks.
func (m *Model) restart() tea.Cmd {
	m.opts.Load = 0 // it was started when the dashboard was
	m.before, m.status = nil, view.StatusMsg{}
	m.makeViews()
	m.handOutLoader()
	m.handOutBench()
	if m.snap != nil {
		m.apply(lookedMsg{snap: m.snap})
	}
	m.fault = nil
	return m.startLook(true)
}

// drawFault draws the fault alone.
func (m *Model) drawFault() string {
	lines := []string{
		"eptop went wrong: " + cell.Clean(m.fault.text),
		"",
		"It shows no numbers now, since they could be wrong. Please report this; eptop prints where it happened when it ends.",
		"",
	}
	way := "r starts the views anew, q quits."
	if m.snap != nil && m.snap.Load != nil && m.snap.Load.Open > 0 {
		lines = append(lines, "The load continues: "+units.Many(m.snap.Load.Open, "connection")+" when eptop last looked.", "")
		way = "r starts the views anew, q quits and closes the connections."
	}
	return m.drawText(strings.Join(append(lines, way), "\n"))
}

// report returns the faults as an error, nil if there were none.
func (m *Model) report() error {
	var b strings.Builder
	for _, f := range m.faults {
		fmt.Fprintf(&b, "%s\n%s\n", f.text, f.stack)
	}
	if b.Len() == 0 {
		return nil
	}
	return fmt.Errorf("the dashboard went wrong inside eptop: %s", b.String())
}
