// Package findings is the view of the faults that eptop's rules found: what is wrong,
// where, for how long, why it matters and what helps.
package findings

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

// View is the list of findings, the worst first, those that ended a moment ago, and the
// rules that could not be judged; below it what is known of the one under the cursor.
type View struct {
	keys  view.KeyMap
	copy  key.Binding
	pens  *draw.Pens
	w, h  int
	snap  *model.Snapshot
	table *table.Model
}

var (
	_ view.BackHandler      = (*View)(nil)
	_ view.BackgroundWorker = (*View)(nil)
	_ view.StatusReporter   = (*View)(nil)
	_ view.TextInput        = (*View)(nil)
	_ view.Badger           = (*View)(nil)
	_ view.ColumnLister     = (*View)(nil)
)

// New returns the Findings view before its first snapshot.
func New(keys view.KeyMap) view.View {
	v := &View{
		keys: keys, table: table.New(table.Heads(fields), keys.Keys),
		copy: key.NewBinding(key.WithKeys("y"), key.WithHelp("y", "copy the evidence")),
	}
	v.table.SetEmpty("Nothing found.")
	v.SetTheme(theme.New(true))
	return v
}

func (v *View) Title() string { return "Findings" }

func (v *View) SetTheme(t theme.Theme) {
	v.pens = draw.NewPens(t)
	v.table.SetTheme(t)
}

func (v *View) SetSize(w, h int) {
	v.w, v.h = w, h
	v.layOut()
}

// headLines is the line of sums above the table.
const headLines = 1

// layOut gives the table what the details leave: they get at most two fifths.
func (v *View) layOut() {
	v.table.SetSize(v.w, max(0, v.h-headLines-v.detailLines()))
}

func (v *View) detailLines() int {
	const least = 12 // below it the table alone has room
	if v.h < least || v.row() == nil {
		return 0
	}
	return min(len(v.details()), v.h*2/5)
}

func (v *View) SetSnapshot(s *model.Snapshot) {
	v.snap = s
	v.table.SetSource(rowsOf(s))
	v.layOut()
}

// row is what is under the cursor; nil where there is none.
func (v *View) row() *row {
	i, ok := v.table.Row()
	rows, is := v.table.Source().(*table.List[*row])
	if !ok || !is || i >= rows.Count {
		return nil
	}
	return rows.At(i)
}

func (v *View) Update(msg tea.Msg) tea.Cmd {
	switch m := msg.(type) {
	case tea.KeyPressMsg:
		if key.Matches(m, v.copy) && !v.table.Capturing() {
			return v.copyEvidence()
		}
	case tea.MouseClickMsg:
		m.Y -= headLines
		msg = m
	}
	opened := v.table.Update(msg) == table.Opened
	v.layOut()
	if r := v.row(); opened && r != nil {
		return r.open()
	}
	return nil
}

// copyEvidence puts the line for a bug report into the clipboard, by OSC 52.
func (v *View) copyEvidence() tea.Cmd {
	r := v.row()
	if r == nil || r.finding == nil {
		return view.Send(view.StatusMsg{Text: "nothing to copy: no finding is under the cursor", Bad: true})
	}
	return tea.Batch(tea.SetClipboard(r.finding.Evidence), view.Send(view.StatusMsg{Text: "copied the evidence of " + r.finding.ID + ", where the terminal allows it"}))
}

func (v *View) View() string {
	lines := []string{v.head()}
	if n := v.h - headLines - v.detailLines(); n > 0 {
		lines = append(lines, strings.Split(v.table.View(), "\n")...)
	}
	if n := v.detailLines(); n > 0 {
		lines = append(lines, v.details()[:n]...)
	}
	return strings.Join(draw.Exact(lines, v.w, v.h), "\n")
}

// head says how much was found, of how many rules.
func (v *View) head() string {
	p, s := v.pens, v.snap
	if s == nil {
		return ""
	}
	rules := len(model.Rules())
	judged := units.Count(int64(rules-len(s.FindingsUnjudged))) + " of " + units.Many(int64(rules), "rule") + " judged"
	looked := units.Count(int64(len(s.Processes))) + " processes, " + view.CountOrDash(s.Epoll.Instances) + " epolls, " + view.CountOrDash(s.Epoll.Watches) + " watches"
	if s.Sockets != nil {
		looked += ", " + units.Many(s.Sockets.Total, "socket")
	}
	if len(s.Findings) == 0 {
		return draw.Fit(p.Good.Ink("nothing found")+p.Muted.Ink("  in "+looked+" · "+judged), v.w)
	}
	text := p.Strong.Ink(units.Many(int64(len(s.Findings)), "finding"))
	if s.FindingsCut > 0 {
		text += p.Warn.Ink(" and " + units.Count(s.FindingsCut) + " more places of the same")
	}
	return draw.Fit(text+p.Muted.Ink("  "+judged+" · in "+looked), v.w)
}

// details are what is known of the row under the cursor.
func (v *View) details() []string {
	r := v.row()
	if r == nil {
		return nil
	}
	p := v.pens
	out := []string{p.Border.Ink(strings.Repeat("─", max(0, v.w)))}
	add := func(label, text string) {
		const indent = 10
		for i, line := range draw.Wrap(text, max(1, v.w-indent)) {
			if i > 0 {
				label = ""
			}
			out = append(out, draw.Fit(p.Muted.Ink(draw.Fit(label, indent))+line, v.w))
		}
	}
	if f := r.finding; f != nil {
		add("evidence", f.Evidence)
		add("cure", f.Cure)
		add("why", f.Why)
		return out
	}
	add("unknown", r.unjudged.Rule+" could not be judged: "+r.unjudged.Why)
	if rule, ok := model.RuleNamed(r.unjudged.Rule); ok {
		add("would find", rule.What)
	}
	return out
}

// Badge is how many findings are warnings or worse, for the tab.
func (v *View) Badge() int {
	n := 0
	if v.snap != nil {
		for i := range v.snap.Findings {
			if v.snap.Findings[i].Severity.Rank() >= model.SeverityWarn.Rank() {
				n++
			}
		}
	}
	return n
}

func (v *View) Capturing() bool  { return v.table.Capturing() }
func (v *View) Back() bool       { return v.table.Back() }
func (v *View) Pending() tea.Cmd { return v.table.Pending() }
func (v *View) Status() string   { return v.table.Status() }

func (v *View) Keys() []key.Binding {
	return append([]key.Binding{v.copy}, v.keys.Keys.Help()...)
}

// Columns lists those of the table, for the man page.
func (v *View) Columns() []view.ColumnList {
	return []view.ColumnList{{Title: "Findings", Columns: table.Heads(fields)}}
}

func (v *View) Explain() (title, text string) {
	r := v.row()
	if r == nil {
		return "Findings", "Rules look at each Snapshot and at the looks before it. A finding needs two or three looks in a row, and ends when two have not seen it. " +
			"A rule whose source is denied or absent is not judged: its fault may be there."
	}
	return r.explain()
}
