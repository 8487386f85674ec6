// Package overview is the first view: what is wrong here, what a connection costs on this
// machine, which limit comes next, and the processes that hold most watches.
package overview

import (
	"strings"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/ui/draw"
	"github.com/eptop/eptop/internal/ui/table"
	"github.com/eptop/eptop/internal/ui/theme"
	"github.com/eptop/eptop/internal/ui/view"
)

// View answers what is wrong on this machine, what idle connections cost it, which limit
// comes next and who holds the connections: what to look at on top, a line for each of the
// other questions, which opens into cards, and the processes below.
type View struct {
	keys  view.KeyMap
	pens  *draw.Pens
	w, h  int
	snap  *model.Snapshot
	table *table.Model

	// opened is what the user has opened or closed; the others open where there is room.
	opened map[part]bool
	top    arrangement
	made   map[part]cards // of this layout

	// here is the cursor, where onTop is true; otherwise it is in the table.
	onTop bool
	here  spot
}

var (
	_ view.BackHandler      = (*View)(nil)
	_ view.BackgroundWorker = (*View)(nil)
	_ view.StatusReporter   = (*View)(nil)
	_ view.TextInput        = (*View)(nil)
)

// New returns the Overview view before its first snapshot.
func New(keys view.KeyMap) view.View {
	return &View{keys: keys, pens: draw.NewPens(theme.New(true)), table: newTable(table.NewKeys()), opened: map[part]bool{}}
}

func (v *View) Title() string { return "Overview" }

func (v *View) SetTheme(t theme.Theme) {
	v.pens = draw.NewPens(t)
	v.table.SetTheme(t)
	v.layout()
}

func (v *View) SetSize(w, h int) {
	v.w, v.h = w, h
	v.layout()
}

func (v *View) SetSnapshot(s *model.Snapshot) {
	v.snap = s
	v.table.SetSource(view.ProcessRows(s, fields))
	v.table.SetEmpty(view.NoProcess(s))
	v.layout()
}

func (v *View) Update(msg tea.Msg) tea.Cmd {
	if v.snap == nil {
		return nil
	}
	switch msg := msg.(type) {
	case tea.KeyPressMsg:
		if !v.table.Capturing() {
			if cmd, ok := v.handleKey(msg); ok {
				return cmd
			}
		}
	case tea.MouseClickMsg:
		if msg.Y < v.top.height {
			return v.click(msg)
		}
		// Focus goes to the table after it has seen the click: the first click on a row must
		// not open it.
		msg.Y -= v.top.height
		return v.toTable(msg)
	}
	return v.toTable(msg)
}

func (v *View) toTable(msg tea.Msg) tea.Cmd {
	event := v.table.Update(msg)
	if event == table.Handled {
		switch msg.(type) {
		case tea.KeyPressMsg, tea.MouseClickMsg, tea.MouseWheelMsg:
			v.focus(false)
		}
	}
	if event == table.Opened {
		if row, ok := v.table.Row(); ok {
			if src, ok := v.table.Source().(*table.List[*model.Process]); ok {
				return view.Send(view.OpenProcessMsg{PID: src.At(row).PID})
			}
		}
	}
	return nil
}

func (v *View) View() string {
	lines := v.draw()
	if v.h > v.top.height {
		lines = append(lines, v.table.View())
	}
	return strings.Join(lines, "\n")
}

func (v *View) Capturing() bool  { return v.table.Capturing() }
func (v *View) Pending() tea.Cmd { return v.table.Pending() }
func (v *View) Status() string   { return v.table.Status() }

// Back steps from the top into the table, or closes what the table has open.
func (v *View) Back() bool {
	if v.onTop {
		v.focus(false)
		return true
	}
	return v.table.Back()
}

func (v *View) Keys() []key.Binding {
	hint := func(help, desc string, k key.Binding) key.Binding {
		return key.NewBinding(key.WithKeys(k.Keys()...), key.WithHelp(help, desc))
	}
	keys := table.NewKeys().Help()
	if s, ok := v.stop(); ok {
		keys[0] = hint("Enter", s.does, v.keys.Enter)
		return append([]key.Binding{keys[0], hint("↑↓←→", "what is on top"+" and the processes", v.keys.Up)}, append(keys[1:], v.keys.Explain)...)
	}
	return append(append([]key.Binding{keys[0], hint("↑", "what is on top", v.keys.Up)}, keys[1:]...), v.keys.Explain)
}

func (v *View) Explain() (title, text string) {
	if s, ok := v.stop(); ok {
		return v.explain(s.spot)
	}
	c := v.table.Column()
	return c.Title, c.Explain
}
