// Package processes is the view of all processes with epoll instances or sockets, and
// of one of them: its epoll instances, their watches, and all that is known of a watch.
package processes

import (
	"strings"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/ui/draw"
	"github.com/eptop/eptop/internal/ui/table"
	"github.com/eptop/eptop/internal/ui/theme"
	"github.com/eptop/eptop/internal/ui/view"
	"github.com/eptop/eptop/internal/units"
)

// View is the list of all processes with epoll instances, and inside it,
// after Enter, one of them.
type View struct {
	keys view.KeyMap
	pens *draw.Pens
	w, h int
	snap *model.Snapshot

	table *table.Model
	one   *process
	// passing: the process was opened from another view, and Esc goes there.
	passing bool
}

var (
	_ view.BackHandler      = (*View)(nil)
	_ view.BackgroundWorker = (*View)(nil)
	_ view.HomeHandler      = (*View)(nil)
	_ view.ProcessShower    = (*View)(nil)
	_ view.SocketShower     = (*View)(nil)
	_ view.StatusReporter   = (*View)(nil)
	_ view.TextInput        = (*View)(nil)
)

// New returns the Processes view before its first snapshot.
func New(keys view.KeyMap) view.View {
	v := &View{keys: keys, table: newTable(keys.Keys), one: newProcess(keys)}
	v.SetTheme(theme.New(true))
	return v
}

func (v *View) Title() string {
	if v.one.pid != 0 {
		return v.one.Title()
	}
	return "Processes"
}

func (v *View) SetTheme(t theme.Theme) {
	v.pens = draw.NewPens(t)
	v.table.SetTheme(t)
	v.one.SetTheme(t)
}

func (v *View) SetSize(w, h int) {
	v.w, v.h = w, h
	v.table.SetSize(w, h-1) // below one line of totals
	v.one.SetSize(w, h)
}

func (v *View) SetSnapshot(s *model.Snapshot) {
	v.snap = s
	v.table.SetEmpty(view.NoProcess(s))
	roomForProcesses(v.table, s)
	v.table.SetSource(view.ProcessRows(s, fields))
	v.one.SetSnapshot(s)
}

// ShowProcess steps into a process.
func (v *View) ShowProcess(pid int, passing bool) {
	v.passing = passing
	v.one.attach(pid, v.snap)
}

// ShowSockets turns to the sockets of the process stepped into.
func (v *View) ShowSockets(filter string) {
	v.one.turned, v.one.cameForSockets = true, true
	v.one.sockets.SetFilter(filter)
	v.one.turnTo(true)
}

// ShownPID is the PID of the process stepped into, or 0.
func (v *View) ShownPID() int { return v.one.pid }

// NoteLook notes that the next snapshot was taken with this PID asked for.
func (v *View) NoteLook(pid int) { v.one.asked = pid != 0 && pid == v.one.pid }

func (v *View) Update(msg tea.Msg) tea.Cmd {
	switch msg.(type) {
	case tea.KeyPressMsg, tea.MouseMsg, tea.PasteMsg:
		if v.one.pid != 0 {
			return v.one.Update(msg)
		}
	default:
		v.table.Update(msg)
		return v.one.Update(msg)
	}
	if click, ok := msg.(tea.MouseClickMsg); ok {
		click.Y-- // the line of totals
		msg = click
	}
	if v.table.Update(msg) == table.Opened {
		if row, ok := v.table.Row(); ok {
			return view.Send(view.OpenProcessMsg{PID: v.table.Source().(*table.List[*model.Process]).At(row).PID})
		}
	}
	return nil
}

func (v *View) View() string {
	if v.one.pid != 0 {
		return v.one.View()
	}
	if v.h < 2 {
		return strings.Join(draw.Exact([]string{v.totals()}, v.w, v.h), "\n")
	}
	return draw.Fit(v.totals(), v.w) + "\n" + v.table.View()
}

// totals is the line above the table: what all of it comes to, and what of it
// is missing, the missing first where there is little room.
func (v *View) totals() string {
	p, s := v.pens, v.snap
	line := p.Title.Ink(" " + units.Counted(view.HostWatches(s), "watch") + " in " + units.Counted(view.HostInstances(s), "epoll instance"))
	room := v.w - draw.Width(line)
	add := func(pen draw.Pen, texts ...string) {
		text := view.Longest(room-3, texts...)
		if text == "" || draw.Width(text)+3 > room {
			return
		}
		line += p.Muted.Ink(" · ") + pen.Ink(text)
		room -= draw.Width(text) + 3
	}
	if progress := view.Progress(&s.Coverage); progress != nil {
		add(p.Warn, progress...)
	}
	if src, ok := view.SourceOf(s, "fdinfo"); s.Hidden > 0 && ok && src.Remedy != "" {
		short := units.Many(int64(s.Hidden), "process") + " hidden"
		add(p.Warn, short+" from this user, to see them: "+src.Remedy, short+": "+src.Remedy, short)
	} else if texts := view.Without(&s.Epoll.Extent); texts != nil {
		add(p.Warn, texts...)
	}
	if cost, ok := s.Epoll.Cost.Get(); ok && s.Epoll.Watches.Known {
		of := s.Epoll.BytesExtent()
		bytes := view.Sum(s.Epoll.Watches, func(n int64) string { return units.Bytes(cost.Bytes * n) }, &of)
		add(p.Text, bytes+" of kernel memory", bytes)
	}
	if !s.Epoll.AtMost {
		add(p.Muted, "an instance that several processes share is counted once")
	}
	return line
}

func (v *View) Capturing() bool {
	if v.one.pid != 0 {
		return v.one.Capturing()
	}
	return v.table.Capturing()
}

// Back steps out of the process, or closes the table's filter.
func (v *View) Back() bool {
	if v.one.pid == 0 {
		return v.table.Back()
	}
	if v.one.Back() {
		return true
	}
	v.one.attach(0, v.snap)
	return !v.passing
}

// GoHome goes from a process to the list.
func (v *View) GoHome() {
	v.one.attach(0, v.snap)
	v.passing = false
}

func (v *View) Pending() tea.Cmd { return tea.Batch(v.table.Pending(), v.one.Pending()) }

func (v *View) Status() string {
	if v.one.pid != 0 {
		return v.one.Status()
	}
	return v.table.Status()
}

func (v *View) Keys() []key.Binding {
	if v.one.pid != 0 {
		return v.one.Keys()
	}
	return v.keys.Keys.Help()
}

func (v *View) Explain() (title, text string) {
	if v.one.pid != 0 {
		return v.one.Explain()
	}
	return view.ExplainColumn(v.table)
}
