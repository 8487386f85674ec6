package theme

import (
	"image/color"
	"math"
	"testing"

	"charm.land/lipgloss/v2"
)

// TestHeatCellIsReadable: text and ground of every cell differ by 4.5 : 1 at least, the
// contrast that WCAG 2.1 asks of text, and neither is left to the terminal.
func TestHeatCellIsReadable(t *testing.T) {
	for _, dark := range []bool{true, false} {
		for step := range 11 {
			cell := New(dark).HeatCell(float64(step) / 10)
			if got := contrast(cell.GetForeground(), cell.GetBackground()); got < 4.5 {
				t.Errorf("dark %v, step %d: contrast %.1f", dark, step, got)
			}
		}
	}
}

// TestRowsAreReadable: a row with a ground has a text of its own too, for the terminal's may
// be black where it does not report its colours.
func TestRowsAreReadable(t *testing.T) {
	for _, dark := range []bool{true, false} {
		for _, theme := range []Theme{New(dark), Sixteen(dark)} {
			for i, row := range []lipgloss.Style{theme.Selected, theme.Passive} {
				if got := contrast(row.GetForeground(), row.GetBackground()); got < 3 {
					t.Errorf("dark %v, row %d: contrast %.1f", dark, i, got)
				}
			}
		}
	}
}

// contrast is the ratio of the relative luminances as WCAG 2.1 defines them.
func contrast(a, b color.Color) float64 {
	x, y := luminance(a), luminance(b)
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

func luminance(c color.Color) float64 {
	r, g, b, _ := c.RGBA()
	linear := func(v uint32) float64 {
		s := float64(v) / 0xffff
		if s <= 0.04045 {
			return s / 12.92
		}
		return math.Pow((s+0.055)/1.055, 2.4)
	}
	return 0.2126*linear(r) + 0.7152*linear(g) + 0.0722*linear(b)
}
