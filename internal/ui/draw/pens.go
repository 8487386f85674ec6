package draw

import (
	"strings"

	"charm.land/lipgloss/v2"

	"github.com/eptop/eptop/internal/ui/theme"
)

// Pen is a style boiled down to what stands before and after the text: lines
// are drawn many times a second, and a style's Render does far more than that.
// The zero Pen writes plain text.
type Pen struct{ open, end string }

// NewPen makes a pen of the colours and attributes of a style; its padding,
// border and size are left out.
func NewPen(s lipgloss.Style) Pen {
	const probe = "x"
	open, end, ok := strings.Cut(s.UnsetPadding().UnsetMargins().UnsetWidth().UnsetHeight().Render(probe), probe)
	if !ok {
		return Pen{}
	}
	return Pen{open: open, end: end}
}

// Ink writes s with the pen.
func (p Pen) Ink(s string) string {
	if s == "" || p.open == "" {
		return s
	}
	return p.open + s + p.end
}

func (p Pen) write(b *strings.Builder, s string) {
	if s == "" {
		return
	}
	b.WriteString(p.open)
	b.WriteString(s)
	b.WriteString(p.end)
}

// Pens are the theme's styles as pens.
type Pens struct {
	Text, Muted, Strong, Title, Border, Header Pen
	Selected, Passive, Key                     Pen
	Good, Warn, Crit                           Pen
	Bar, BarRest, Mark                         Pen
	heat                                       [heatSteps]Pen
}

const heatSteps = 11

// NewPens makes the pens of a theme.
func NewPens(t theme.Theme) *Pens {
	p := &Pens{
		Text: NewPen(t.Text), Muted: NewPen(t.Muted), Strong: NewPen(t.Strong), Title: NewPen(t.Title),
		Border: NewPen(t.Border), Header: NewPen(t.Header), Selected: NewPen(t.Selected), Passive: NewPen(t.Passive),
		Key: NewPen(t.Key), Good: NewPen(t.Good), Warn: NewPen(t.Warn), Crit: NewPen(t.Crit),
		Bar: NewPen(t.Bar), BarRest: NewPen(t.BarRest), Mark: NewPen(t.Mark),
	}
	for i := range p.heat {
		p.heat[i] = NewPen(t.HeatCell(float64(i) / (heatSteps - 1)))
	}
	return p
}

// Heat is one cell of a heat map: text in w cells on a ground from cold (0) to
// hot (1). The text is what is read without colour.
func (p *Pens) Heat(text string, w int, share float64) string {
	i := int(clamp(share)*(heatSteps-1) + 0.5)
	return p.heat[i].Ink(FitRight(text, w))
}
