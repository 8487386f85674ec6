package overview

import (
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/ui/draw"
	"github.com/eptop/eptop/internal/ui/view"
	"github.com/eptop/eptop/internal/units"
)

// lookRow is a finding in one line, and where Enter goes.
type lookRow struct {
	text  string
	does  string
	enter func() tea.Cmd
}

// mostLooks is how many findings are shown: the worst three, and five on a high screen.
func (v *View) mostLooks() int {
	if v.h >= 35 {
		return 5
	}
	return 3
}

// lookHeight is how many lines the findings take.
func (v *View) lookHeight() int {
	if n := min(len(v.snap.Findings), v.mostLooks()); n > 0 {
		return n + 2
	}
	return 1
}

// lookRows are the worst findings, in so many lines at most, the frame included.
func (v *View) lookRows(w, most int) []lookRow {
	n := min(len(v.snap.Findings), v.mostLooks(), most-2)
	var rows []lookRow
	for i := range max(0, n) {
		f := &v.snap.Findings[i]
		row := lookRow{text: v.findingLine(f, draw.CardInner(w)), does: "go there", enter: goTo("Findings")}
		switch {
		case f.PID != 0 && f.Rule == "close-wait":
			row.enter = func() tea.Cmd {
				return view.Send(view.OpenProcessMsg{PID: f.PID, Sockets: true, Filter: "CLOSE"})
			}
		case f.PID != 0:
			row.enter = goToProcess(f.PID)
		case f.Socket != "":
			row.enter = goTo("Sockets")
		}
		rows = append(rows, row)
	}
	return rows
}

// lookTitle says how many there are.
func (v *View) lookTitle() string {
	n := int64(len(v.snap.Findings)) + v.snap.FindingsCut
	title := "Look here · " + units.Many(n, "finding")
	if shown := int64(len(v.top.look)); n > shown {
		title += ", the worst " + units.Count(shown) + " · 7 shows all"
	}
	return title
}

// findingLine is one finding: how bad, what, where, how much, and for how long.
func (v *View) findingLine(f *model.Finding, w int) string {
	p := v.pens
	mark, pen := severityMark(p, f.Severity)
	title := f.Title()
	if !f.Certain {
		title = "likely " + title
	}
	held := "just now"
	if d := f.Held(v.snap.Time); d >= time.Second {
		held = "for " + view.RoundDuration(d)
	}
	place := f.Place()
	if w < 90 && f.Owner() != "" {
		place = f.Owner()
	}
	place = draw.Clean(place)
	titleW := min(max(20, w/5), 28)
	placeW := min(draw.Width(place), max(12, w/3))
	cells := []draw.Cell{{Text: mark, W: 1, Pen: pen}, {Text: title, W: titleW, Pen: pen}, {Text: place, W: max(placeW, min(24, w/4)), Pen: p.Strong}}
	if w-titleW-placeW > 40 {
		cells = append(cells, draw.Cell{Text: draw.Clean(f.Text)}, draw.Cell{Text: held, W: max(9, len(held)), Right: true, Pen: p.Muted})
	} else {
		cells = append(cells, draw.Cell{Text: draw.Clean(f.Text)})
	}
	return "  " + draw.Columns(w-2, cells...)
}

func severityMark(p *draw.Pens, s model.Severity) (string, draw.Pen) {
	switch s {
	case model.SeverityCritical:
		return "✗", p.Crit
	case model.SeverityWarn:
		return "!", p.Warn
	}
	return "·", p.Muted
}

// lookLine says that nothing was found, and what was looked at for that.
func (v *View) lookLine(w int) string {
	p := v.pens
	judged, unjudged := v.rules()
	head := "Look here  "
	if judged == 0 {
		return p.Muted.Ink(head) + draw.Fit(view.Longest(w-len(head), "nothing could be judged yet: rules need several looks", "not judged yet"), w-len(head))
	}
	found := "nothing found"
	looked := " in " + view.HostWatches(v.snap) + " watches"
	if s := v.snap.Sockets; s != nil {
		looked += ", " + s.Mark() + units.Many(s.Total, "socket")
	}
	if n := len(v.snap.Walls); n > 0 {
		looked += ", " + units.Many(int64(n), "limit")
	}
	rules := ", by " + units.Many(int64(judged), "rule")
	not := ""
	pen := p.Good
	if unjudged > 0 {
		not = "; " + units.Many(int64(unjudged), "rule") + " could not be judged"
	}
	if unjudged > 0 || v.snap.Epoll.AtLeast || !v.snap.Epoll.Watches.Known {
		pen = p.Strong // what was not seen is not fine
	}
	room := w - len(head) - len(found)
	return p.Title.Ink(head) + pen.Ink(found) + p.Muted.Ink(view.Longest(room, looked+rules+not, rules+not, not, ""))
}

// rules counts the rules that were judged, and those that could not be.
func (v *View) rules() (judged, unjudged int) {
	unjudged = len(v.snap.FindingsUnjudged)
	return max(0, len(model.Rules())-unjudged), unjudged
}

// explainLook opens what was looked at.
func (v *View) explainLook() tea.Cmd {
	title, text := v.explain(spot{part: partLook})
	return view.Send(view.OverlayMsg{Title: title, Text: text})
}

// lookText explains what is looked for, and what could not be judged.
func (v *View) lookText() string {
	var b strings.Builder
	b.WriteString("Rules judge every look, and those before it: stale watches, full accept queues, connections that the peer has closed and nobody reads, leaks, limits that are nearly used up. " +
		"What several looks in a row agree on is listed here, the worst first; Enter goes to the process or the socket, and 7 lists all with why it matters and what helps.")
	if len(v.snap.FindingsUnjudged) > 0 {
		b.WriteString("\n\nNot judged, so that it may be there:")
		for _, u := range v.snap.FindingsUnjudged {
			b.WriteString("\n" + u.Rule + ": " + draw.Clean(u.Why))
		}
	}
	return b.String()
}
