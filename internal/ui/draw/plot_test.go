package draw

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"
	"github.com/google/go-cmp/cmp"

	"github.com/eptop/eptop/internal/ui/theme"
)

func plain(v float64) string { return fmt.Sprintf("%g", v) }

func TestPlot(t *testing.T) {
	c := Plot{
		Points: []XY{{0, 0}, {5, 40}, {10, 80}},
		Line:   true, Slope: 8, MaxX: 20, NameX: plain, NameY: plain,
	}
	var got []string
	for _, line := range NewPens(theme.New(true)).Plot(18, 7, c) {
		got = append(got, ansi.Strip(line))
	}
	want := []string{
		"160 ┤           ⠄⠂",
		"    │        ⡀⠂⠁  ",
		" 80 ┤     ⡀⠴⠇     ",
		"    │   ⠶⠂        ",
		"    │⣤⠂⠁          ",
		"  0 └─────────────",
		"     0    10    20",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestPlotDots: a single point is a single dot, in its place.
func TestPlotDots(t *testing.T) {
	for _, c := range []struct {
		at   XY
		want string
	}{
		{XY{0, 0}, "⡀   "}, {XY{8, 0}, "   ⢀"}, {XY{0, 1}, "⠁   "}, {XY{8, 1}, "   ⠈"},
		{XY{2, 0.3}, " ⠄  "}, {XY{0, 2}, "    "}, {XY{math.NaN(), 0}, "    "}, {XY{3, -1}, "    "},
	} {
		g := newGround(4, 1)
		g.set(pointDot, c.at.X/8, c.at.Y)
		if got := ansi.Strip(g.line(NewPens(theme.New(true)), 0)); got != c.want {
			t.Errorf("%v is %q, want %q", c.at, got, c.want)
		}
	}
}

// TestPlotPens: readings and the line through them differ in colour.
func TestPlotPens(t *testing.T) {
	p := NewPens(theme.New(true))
	c := Plot{Points: []XY{{1, 1}}, Line: true, Base: 1, MaxX: 8, NameX: plain, NameY: plain}
	first := p.Plot(20, 4, c)[0]
	if !strings.Contains(first, p.Bar.On()) || !strings.Contains(first, p.Muted.On()+"⠁") && !strings.Contains(first, p.Muted.On()+"⠈") {
		t.Errorf("%q has not both colours", first)
	}
}

func TestPlotSizes(t *testing.T) {
	p := NewPens(theme.New(true))
	plots := []Plot{
		{}, {MaxX: math.Inf(1)}, {Points: []XY{{0, 0}}}, {Points: []XY{{1e6, 8e9}, {math.NaN(), math.NaN()}, {5, math.Inf(1)}}, Line: true, Base: -5, Slope: 8122, MaxX: 2e6},
		{Points: []XY{{3, -1}}, Line: true, Slope: math.NaN()},
	}
	for i := range plots {
		plots[i].NameX, plots[i].NameY = plain, plain
		for w := 1; w < 60; w += 3 {
			for h := 1; h < 16; h++ {
				exact(t, p.Plot(w, h, plots[i]), w, h)
			}
		}
	}
}

func TestRoundUp(t *testing.T) {
	for v, want := range map[float64]float64{0: 1, -3: 1, 1: 1, 1.1: 1.2, 81.2e6: 1e8, 79e6: 8e7, 162: 200, 2.1: 2.4} {
		if got := roundUp(v); math.Abs(got-want) > want*1e-9 {
			t.Errorf("roundUp(%g) = %g, want %g", v, got, want)
		}
	}
}

func BenchmarkPlot(b *testing.B) {
	p := NewPens(theme.New(true))
	c := Plot{Line: true, Slope: 8122, NameX: plain, NameY: plain}
	for i := range 240 {
		c.Points = append(c.Points, XY{float64(i) * 42, float64(i) * 42 * 8122})
	}
	b.ReportAllocs()
	for b.Loop() {
		if lines := p.Plot(60, 20, c); len(lines) != 20 || !strings.Contains(lines[10], "⠁") && Width(lines[10]) != 60 {
			b.Fatal(lines)
		}
	}
}
