// Package sockets is the view of all sockets: what they take, how full TCP's memory
// is, and tables by state, process, port, remote end and user.
package sockets

import (
	"strconv"
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

// View is who holds the kernel's socket memory, and whether it is buffers or
// structures: cards above, and below them one table of all sockets, grouped by
// what the person chooses.
type View struct {
	keys  view.KeyMap
	group key.Binding
	theme theme.Theme
	pens  *draw.Pens
	w, h  int
	snap  *model.Snapshot

	by     grouping
	tables [groupings]*table.Model // each keeps its own order, filter and cursor
	deck   view.Deck[socketCard]
	behind *behindPage // what stands behind a row, nil where none is open
}

var (
	_ view.BackHandler      = (*View)(nil)
	_ view.BackgroundWorker = (*View)(nil)
	_ view.HomeHandler      = (*View)(nil)
	_ view.StatusReporter   = (*View)(nil)
	_ view.TextInput        = (*View)(nil)
)

// socketCard says what a card of the Sockets view shows.
type socketCard int

const (
	cardStructs socketCard = iota
	cardTCP
	cardCovered
	cardStates
)

// New returns the Sockets view before its first snapshot.
func New(keys view.KeyMap) view.View {
	v := &View{
		keys:  keys,
		group: key.NewBinding(key.WithKeys("v"), key.WithHelp("v", "next grouping (port, user…)")),
		deck:  view.Deck[socketCard]{Keys: keys, Gap: 1},
	}
	for by := range v.tables {
		v.tables[by] = newTable(grouping(by), keys.Keys)
	}
	v.deck.Table = v.tables[v.by]
	v.SetTheme(theme.New(true))
	return v
}

func (v *View) Title() string { return "Sockets" }

func (v *View) SetTheme(t theme.Theme) {
	v.theme, v.pens = t, draw.NewPens(t)
	for _, m := range v.tables {
		m.SetTheme(t)
	}
	if v.behind != nil {
		v.behind.table.SetTheme(t)
	}
	v.layout()
}

func (v *View) SetSize(w, h int) {
	v.w, v.h = w, h
	v.layout()
}

func (v *View) SetSnapshot(s *model.Snapshot) {
	v.snap = s
	v.show()
	v.fillBehind()
	v.layout()
}

// known reports whether there is anything to show.
func (v *View) known() bool { return v.snap != nil && v.snap.Sockets != nil }

// show gives the table of the grouping the latest data.
func (v *View) show() {
	t := v.tables[v.by]
	v.deck.Table = t
	if !v.known() {
		return
	}
	t.SetEmpty(v.by.empty(v.snap))
	t.SetSource(newRows(v.by, v.snap))
}

// choose groups by something else.
func (v *View) choose(by grouping) {
	v.by = by
	v.show()
	v.layout()
}

// tableLines is how many lines the table is promised, its title not counted.
func (v *View) tableLines() int { return max(3, min(8, v.h/3), v.h*2/5) }

// layout places the cards and gives the table the lines below them.
func (v *View) layout() {
	if v.behind != nil {
		v.behind.table.SetSize(v.w, v.h-v.headLines())
	}
	if !v.known() || v.w <= 0 || v.h <= 0 {
		return
	}
	most := 2
	if v.w >= 132 {
		most = 3
	}
	widths := draw.ColumnWidths(v.w, 30, most)
	inner := draw.CardInner(widths[0])
	p, s, d := v.pens, v.snap.Sockets, &v.deck
	roomy := v.h >= 30
	d.Clear()
	d.Add(cardStructs, draw.Box{Title: "Socket memory", Lines: view.SocketMemory(p, s, inner)})
	d.Add(cardTCP, draw.Box{Title: view.Longest(inner-1, "TCP buffers against tcp_mem", "TCP buffers"), Lines: tcpLines(p, s, inner, !roomy), Drop: 1})
	if roomy {
		d.Add(cardStates, draw.Box{Title: "States of TCP sockets", Lines: stateLines(p, s, inner), Drop: 3})
	}
	d.Add(cardCovered, draw.Box{Title: "What is counted", Lines: coveredLines(p, v.snap, inner), Drop: 2})
	d.Lay(widths, v.h-d.Gap-v.tableLines())
	d.Table.SetSize(v.w, v.h-d.Height-d.Gap)
	d.Focus()
}

func (v *View) Update(msg tea.Msg) tea.Cmd {
	if m, ok := msg.(behindMsg); ok {
		v.foundBehind(m)
		return nil
	}
	if !v.known() {
		return nil
	}
	switch msg.(type) {
	case tea.KeyPressMsg, tea.MouseMsg, tea.PasteMsg:
		if v.behind != nil {
			return v.updateBehind(msg)
		}
	}
	switch m := msg.(type) {
	case tea.KeyPressMsg:
		if key.Matches(m, v.group) && !v.deck.Table.Capturing() {
			v.choose((v.by + 1) % groupings)
			return nil
		}
	case tea.MouseClickMsg:
		if m.Y == v.deck.Height && m.Button == tea.MouseLeft {
			for by, span := range v.spans() {
				if span.Holds(m.X, 0) {
					v.choose(grouping(by))
				}
			}
			return nil
		}
	case tea.MouseMsg, tea.PasteMsg:
	default:
		// The answer to a table's own command: the table knows it.
		for _, t := range v.tables {
			t.Update(msg)
		}
		if v.behind != nil {
			v.behind.table.Update(msg)
		}
		return nil
	}
	if v.deck.Update(msg) == table.Opened {
		return v.open()
	}
	return nil
}

// open goes to the process of the row under the cursor, or shows all of it.
func (v *View) open() tea.Cmd {
	rows, ok := v.deck.Table.Source().(*table.List[*row])
	i, has := v.deck.Table.Row()
	if !ok || !has {
		return nil
	}
	r := rows.At(i)
	switch {
	case v.by == byProcess:
		return view.Send(view.OpenProcessMsg{PID: r.pids[0], Sockets: true})
	case len(v.snap.Sockets.Tables) > 0:
		v.openBehind(r)
		return nil
	case v.by == byPort:
		if len(r.pids) > 0 {
			return view.Send(view.OpenProcessMsg{PID: r.pids[0]})
		}
	}
	return view.Send(view.OverlayMsg{Title: draw.Clean(r.title()), Text: describeSockets(v.snap, v.by, r)})
}

func (v *View) View() string {
	if !v.known() {
		return strings.Join(draw.Exact(v.without(), v.w, v.h), "\n")
	}
	if v.behind != nil {
		return strings.Join(draw.Exact(v.drawBehind(), v.w, v.h), "\n")
	}
	lines := v.deck.Draw(v.pens, v.w)
	if v.h > v.deck.Height {
		lines = append(lines, v.choice())
	}
	if v.h > v.deck.Height+v.deck.Gap {
		lines = append(lines, v.deck.Table.View())
	}
	return strings.Join(lines, "\n")
}

// without says why there is nothing.
func (v *View) without() []string {
	lines := []string{""}
	for _, l := range draw.Wrap(view.Absence(v.snap, "sock_diag", "The sockets have not been listed yet."), max(1, v.w-4)) {
		lines = append(lines, "  "+v.pens.Warn.Ink(l))
	}
	return lines
}

const choiceHead = " Sockets by "

// spans is where on the line of choices each grouping stands.
func (v *View) spans() []view.Area {
	x := draw.Width(choiceHead)
	spans := make([]view.Area, groupings)
	for by := range groupings {
		w := draw.Width(by.String()) + 2
		spans[by] = view.Area{X: x, Y: 0, W: w, H: 1}
		x += w
	}
	return spans
}

// choice is the line above the table: all groupings, and which it is.
func (v *View) choice() string {
	p := v.pens
	var b strings.Builder
	b.WriteString(p.Title.Ink(choiceHead))
	w := draw.Width(choiceHead)
	for by := range groupings {
		text := by.String()
		w += draw.Width(text) + 2
		if by == v.by {
			b.WriteString(v.theme.TabHere.Render("[" + text + "]"))
		} else {
			b.WriteString(p.Muted.Ink(" " + text + " "))
		}
	}
	b.WriteString(p.Key.Ink("  v") + p.Muted.Ink(" next"))
	w += 8
	if note := v.by.note(); w+3+draw.Width(note) <= v.w {
		b.WriteString(p.Muted.Ink(" · " + note))
	}
	return draw.Fit(b.String(), v.w)
}

// table is the table with the keys.
func (v *View) table() *table.Model {
	if v.behind != nil {
		return v.behind.table
	}
	return v.deck.Table
}

func (v *View) Capturing() bool { return v.table().Capturing() }
func (v *View) Back() bool      { return v.closeBehind() || v.deck.Back() }

// GoHome goes back from what stands behind a row.
func (v *View) GoHome() {
	v.behind = nil
	v.layout()
}

func (v *View) Pending() tea.Cmd {
	var cmds []tea.Cmd
	for _, t := range v.tables {
		cmds = append(cmds, t.Pending())
	}
	if v.behind != nil {
		cmds = append(cmds, v.behind.table.Pending(), v.lookBehind())
	}
	return tea.Batch(cmds...)
}

func (v *View) Status() string {
	if !v.known() {
		return ""
	}
	return v.table().Status()
}

func (v *View) Keys() []key.Binding {
	keys := append([]key.Binding{v.group}, v.keys.Keys.Help()...)
	if v.behind != nil {
		keys = keys[1:]
		keys[0].SetHelp("Enter", "the sockets of a process")
		return keys
	}
	for i := range keys {
		if keys[i].Help() == v.keys.Enter.Help() {
			keys[i].SetHelp("Enter", "who holds these sockets")
		}
	}
	return keys
}

func (v *View) Explain() (title, text string) {
	switch {
	case !v.known():
		return explainSocketCard(cardCovered)
	case v.behind != nil:
		return view.ExplainColumn(v.behind.table)
	case v.deck.OnCard:
		title, text = explainSocketCard(v.deck.Here)
		if v.deck.Here == cardCovered {
			text += coverage(v.snap.Sockets)
		}
		return title, text
	}
	title, text = view.ExplainColumn(v.deck.Table)
	return title, v.by.explain() + "\n\n" + title + ": " + text
}

// describeSockets describes all of one row.
func describeSockets(s *model.Snapshot, by grouping, r *row) string {
	var b strings.Builder
	line := func(name, text string) { b.WriteString(draw.Fit(name, 11) + " " + text + "\n") }
	line("sockets", view.CountOrDash(r.sockets)+", of which "+view.CountOrDash(r.here)+" have their other end on this host too")
	structs := view.BytesOrDash(r.structs)
	if n, ok := r.structs.Get(); ok && r.sockets.Value > 0 {
		structs += ", " + units.Count(n) + " B" + ", " + units.Count(n/r.sockets.Value) + " B" + " each on average"
	}
	line("structures", structs)
	buffers := view.BytesOrDash(r.buffers)
	if n, ok := r.buffers.Get(); ok {
		buffers += ", " + units.Count(n) + " B"
	}
	line("buffers", buffers)
	line("unread", view.BytesOrDash(r.recv))
	line("unsent", view.BytesOrDash(r.send))
	line("drops", view.CountOrDash(r.drops))
	if r.waiting.Known {
		text := view.WaitingText(r.waiting, r.backlog)
		if r.queues > 1 {
			text += "; so " + strconv.Itoa(r.alike) + " of its " + strconv.Itoa(r.queues) + " queues"
		}
		line("accept", text)
	}
	if by == byPort {
		b.WriteString("\nWhich process listens is not known: none whose fds may be listed.")
		if s.Hidden > 0 {
			b.WriteString(" " + view.Absence(s, "fdinfo", ""))
		}
	}
	b.WriteString("\n" + by.explain())
	return b.String()
}
