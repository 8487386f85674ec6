package view

import (
	"strings"

	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/ui/draw"
	"github.com/eptop/eptop/internal/ui/table"
	"github.com/eptop/eptop/internal/units"
)

// ExplainColumn explains the columns of a table, the one under the cursor first.
func ExplainColumn(t *table.Model) (title, text string) {
	here := t.Column()
	var b strings.Builder
	b.WriteString(here.Explain)
	b.WriteString("\n")
	for _, c := range t.Columns() {
		if c.Title != here.Title && c.Explain != "" {
			b.WriteString("\n" + c.Title + ": " + c.Explain)
		}
	}
	return here.Title, b.String()
}

// Longest returns the first of the texts that fits into w cells, or the last if none does.
func Longest(w int, texts ...string) string {
	for _, t := range texts {
		if draw.Width(t) <= w {
			return t
		}
	}
	return texts[len(texts)-1]
}

// WrapLines wraps a sentence into lines of a card, all with the same Drop.
func WrapLines(pen draw.Pen, w, drop int, text string) []draw.Line {
	lines := MakeLines(draw.Wrap(text, w))
	for i, l := range lines {
		lines[i].Text, lines[i].Drop = pen.Ink(l.Text), drop
		if i < len(lines)-1 {
			lines[i].Cut = pen.Ink(draw.FitWords(l.Text, w))
		}
	}
	return lines
}

// MakeLines makes lines of a card from texts. None of them is dropped.
func MakeLines(texts []string) []draw.Line {
	lines := make([]draw.Line, len(texts))
	for i, t := range texts {
		lines[i].Text = t
	}
	return lines
}

// LimitPen returns the colour for a share of a limit. The percentage next to it says the
// same without colour.
func LimitPen(p *draw.Pens, share float64) draw.Pen {
	switch model.LevelOf(share) {
	case model.LevelCritical:
		return p.Crit
	case model.LevelNear:
		return p.Warn
	}
	return p.Bar
}

// ConnectionsLeft writes how many more connections a limit allows, with ≈ for an estimate
// and ≤ where not all that is used is known.
func ConnectionsLeft(wall model.Wall) string {
	mark := wall.LeftMark()
	if mark == "" && wall.Origin == model.Estimated {
		mark = "≈ "
	}
	return mark + units.Count(wall.ConnectionsLeft)
}

// OthersCache is the name of the line that adds up parts which have no line of their own.
const OthersCache = "others"
