package draw

import (
	"math"
	"testing"

	"github.com/charmbracelet/x/ansi"

	"github.com/eptop/eptop/internal/ui/theme"
)

// TestAnySize: no function here fails at any width or height, none at all and less than
// none among them, and none draws more than it was given.
func TestAnySize(t *testing.T) {
	p := NewPens(theme.New(true))
	plots := []Plot{
		{NameX: plain, NameY: plain},
		{Points: []XY{{0, 0}, {5, 40}, {math.NaN(), math.Inf(1)}}, Line: true, Slope: 8, Base: -3, MaxX: 20, NameX: plain, NameY: plain},
	}
	for w := -3; w <= 26; w++ {
		line := func(name, got string) {
			if n := ansi.StringWidth(got); n > max(0, w) {
				t.Errorf("%s of %d is %d cells wide: %q", name, w, n, got)
			}
		}
		block := func(name string, got []string, h int) {
			if len(got) > max(0, h) {
				t.Errorf("%s of %dx%d has %d lines", name, w, h, len(got))
			}
			for _, l := range got {
				line(name, l)
			}
		}
		for _, share := range []float64{-1, 0, 0.5, 1, 2, math.NaN(), math.Inf(1), math.Inf(-1)} {
			line("Bar", Bar(p.Bar, w, share))
			line("Gauge", p.Gauge(p.Bar, w, share, share, 0, 1))
			line("Marked", p.Marked(p.Bar, w, share, Mark{At: share, Glyph: "┃"}))
			line("Stack", p.Stack(w, Slice{p.Bar, "█", share}, Slice{p.Bar, "▒", 0.7}))
			line("Stack of none", p.Stack(w))
			line("Heat", p.Heat("31", w, share))
			line("Spark", Spark(p.Bar, w, []float64{1, share}, 0, share))
			line("Spark of none", Spark(p.Bar, w, nil, 0, share))
		}
		for _, s := range awkward {
			line("Fit", Fit(s, w))
			line("FitRight", FitRight(s, w))
			line("Spread", Spread(s, "9 B", w))
			line("Spread", Spread("left", s, w))
			line("Columns", Columns(w, Cell{Text: s}, Cell{Text: s, W: 7, Right: true}, Cell{Text: s, W: -2}, Cell{}))
			line("Columns of none", Columns(w))
			if len(Wrap(s, w)) == 0 {
				t.Errorf("Wrap(%q, %d) has no line", s, w)
			}
			for h := -3; h <= 12; h++ {
				block("Card", p.Card(s, w, h, h%2 == 0, []string{s, s}), h)
				block("Exact", Exact([]string{s, s}, w, h), h)
			}
		}
		CardInner(w)
		for h := -3; h <= 12; h++ {
			for _, c := range plots {
				block("Plot", p.Plot(w, h, c), h)
			}
			block("Chart", Chart(p.Bar, w, h, []float64{1, 2, math.NaN(), -4}, 0, 3), h)
			for _, columns := range [][]int{ColumnWidths(w, 30, 3), ColumnWidths(w, -1, 2), ColumnWidths(w, 5, 0), {w}} {
				boxes := sampleBoxes()
				places, texts, tall := Flow(columns, h, boxes)
				p.Render(w, tall, 0, boxes, places, texts)
				for i := -1; i <= len(places); i++ {
					for _, d := range [][2]int{{-1, 0}, {1, 0}, {0, -1}, {0, 1}} {
						Step(places, i, d[0], d[1])
					}
				}
				At(places, w, h)
			}
		}
	}
}
