package draw

import (
	"github.com/eptop/eptop/internal/ui/theme"
)

// Pen is the style of a piece of text.
type Pen = theme.Pen

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
		Text: theme.NewPen(t.Text), Muted: theme.NewPen(t.Muted), Strong: theme.NewPen(t.Strong), Title: theme.NewPen(t.Title),
		Border: theme.NewPen(t.Border), Header: theme.NewPen(t.Header), Selected: theme.NewPen(t.Selected), Passive: theme.NewPen(t.Passive),
		Key: theme.NewPen(t.Key), Good: theme.NewPen(t.Good), Warn: theme.NewPen(t.Warn), Crit: theme.NewPen(t.Crit),
		Bar: theme.NewPen(t.Bar), BarRest: theme.NewPen(t.BarRest), Mark: theme.NewPen(t.Mark),
	}
	for i := range p.heat {
		p.heat[i] = theme.NewPen(t.HeatCell(float64(i) / (heatSteps - 1)))
	}
	return p
}

// Heat draws one cell of a heat map: text in w cells on a ground from cold (0) to hot (1).
// Without colour the text says the same.
func (p *Pens) Heat(text string, w int, share float64) string {
	i := int(clamp(share)*(heatSteps-1) + 0.5)
	return p.heat[i].Ink(FitRight(text, w))
}
