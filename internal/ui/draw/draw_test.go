package draw

import (
	"math"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"
	"github.com/google/go-cmp/cmp"

	"github.com/eptop/eptop/internal/ui/theme"
)

var awkward = []string{
	"", "x", "plain", "5 491 511", "ein Käse", "漢字の名前", "a漢b字c", "👩‍👩‍👧 family", "e\u0301te\u0301", "\x1b[31mred\x1b[0m and plain",
	strings.Repeat("long ", 60),
}

func TestWidths(t *testing.T) {
	for _, s := range awkward {
		for w := range 70 {
			for name, got := range map[string]string{
				"Fit": Fit(s, w), "FitRight": FitRight(s, w), "Spread": Spread(s, "9 B", w), "Spread2": Spread("left", s, w),
				"Columns": Columns(w, Cell{Text: s}, Cell{Text: "12", W: 5, Right: true}, Cell{Text: s, W: 9}),
			} {
				if n := ansi.StringWidth(got); n != w {
					t.Fatalf("%s(%q, %d) is %d cells wide: %q", name, s, w, n, got)
				}
			}
			for _, line := range Wrap(s, w) {
				if n := ansi.StringWidth(line); n > w && w > 1 {
					t.Fatalf("Wrap(%q, %d) has a line of %d", s, w, n)
				}
			}
		}
	}
}

// TestNoNumberIsCut: the first digits of a number are another number.
func TestNoNumberIsCut(t *testing.T) {
	for _, c := range []struct {
		whole string
		w     int
		want  string
	}{
		{"time wait 7 012", 13, "time wait …  "},
		{"time wait 7 012", 12, "time wait … "},
		{"time wait 7 012", 14, "time wait …   "},
		{"time wait 7 012", 11, "time wait …"},
		{"7012", 3, "…  "},
		{"≥ 16.4 MB", 5, "≥ …  "},
		{"in 2 of them", 6, "in 2 …"},
		{"worker12345", 9, "worker12…"},
		{"127.0.0.1:80", 9, "127.0.0.…"},
		{"on 127.0.0.1:8000", 15, "on 127.0.0.1:… "},
		{"\x1b[1mtime\x1b[m wait 7 012", 13, "time wait …  "},
	} {
		if got := ansi.Strip(Fit(c.whole, c.w)); got != c.want {
			t.Errorf("%q in %d cells is %q, want %q", c.whole, c.w, got, c.want)
		}
	}
}

// TestASentenceSaysThatItGoesOn: where its next line has no room, and by whole words.
func TestASentenceSaysThatItGoesOn(t *testing.T) {
	for w, want := range map[int]string{20: "without network …   ", 17: "without network …", 16: "without …       ", 3: "wi…"} {
		if got := FitWords("without network", w); got != want {
			t.Errorf("%d: %q, want %q", w, got, want)
		}
	}
	box := Box{Lines: []Line{{Text: "without", Cut: "without …"}, {Text: "network", Drop: 4, Cut: "network …"}, {Text: "namespaces", Drop: 4}}}
	for most, want := range map[int][]string{5: {"without", "network", "namespaces"}, 4: {"without", "network …"}, 3: {"without …"}} {
		if _, texts, _ := Flow([]int{40}, most, []Box{box}); !cmp.Equal(texts[0], want) {
			t.Errorf("%d lines: %q, want %q", most, texts[0], want)
		}
	}
}

func TestShapes(t *testing.T) {
	p := NewPens(theme.New(true))
	for _, w := range []int{0, 1, 2, 3, 4, 7, 8, 9, 40, 200} {
		for _, share := range []float64{-1, 0, 0.0001, 0.3, 0.5, 0.9999, 1, 2, math.NaN(), math.Inf(1)} {
			for name, got := range map[string]string{
				"Bar":   Bar(p.Bar, w, share),
				"Gauge": p.Gauge(p.Good, w, share, 0, 0.1, 0.1, share, 1),
				"Heat":  p.Heat("31", w, share),
				"Stack": p.Stack(w, Slice{p.Bar, "█", share}, Slice{p.Warn, "▓", 0.5}, Slice{p.Bar, "▒", share}),
				"Spark": Spark(p.Bar, w, []float64{1, share, 3}, 0, 3),
			} {
				if n := ansi.StringWidth(got); n != w {
					t.Errorf("%s(%d, %g) is %d cells wide: %q", name, w, share, n, got)
				}
			}
		}
		for h := range 6 {
			for _, text := range awkward {
				lines := p.Card(text, w, h, h%2 == 0, []string{text, text, text})
				if w == 0 || h == 0 {
					continue
				}
				exact(t, lines, w, h)
			}
		}
	}
}

func TestBarFill(t *testing.T) {
	for share, want := range map[float64]string{
		0: "    ", 0.0001: "▏   ", 0.25: "█   ", 0.5: "██  ", 0.53: "██▏ ", 0.9999: "███▉", 1: "████",
	} {
		if got := Bar(Pen{}, 4, share); got != want {
			t.Errorf("Bar(4, %g) = %q, want %q", share, got, want)
		}
	}
	if got := ansi.Strip(NewPens(theme.New(true)).Gauge(Pen{}, 10, 0.55, 0.2, 0.8, 0.81)); got != "██┃██▌░░┃░" {
		t.Errorf("Gauge = %q", got)
	}
	if got := ansi.Strip(NewPens(theme.New(true)).Marked(Pen{}, 6, 0.5, Mark{0.7, "┃"}, Mark{0.1, "┆"}, Mark{0.1, "┃"})); got != "┆██░┃░" {
		t.Errorf("Marked = %q", got)
	}
}

func TestStack(t *testing.T) {
	for want, shares := range map[string][2]float64{
		"███▒▒░░░░░": {0.3, 0.2}, "░░░░░░░░░░": {0, 0}, "█░░░░░░░░░": {0.001, 0.001}, "▒░░░░░░░░░": {0.001, 0.002}, "█▒▒▒▒▒▒▒▒▒": {0.1, 7}, "█████▒▒▒▒░": {0.5, 0.499},
	} {
		got := ansi.Strip(NewPens(theme.New(true)).Stack(10, Slice{Pen{}, "█", shares[0]}, Slice{Pen{}, "▒", shares[1]}))
		if got != want {
			t.Errorf("Stack(%v) = %q, want %q", shares, got, want)
		}
	}
}

func TestChart(t *testing.T) {
	got := Chart(Pen{}, 6, 2, []float64{0, 1, 2, 4}, 0, 4)
	if diff := cmp.Diff([]string{"     █", "  ▁▄██"}, got); diff != "" {
		t.Error(diff)
	}
	// More values than columns: the highest of each bucket shows.
	if got := Spark(Pen{}, 2, []float64{0, 8, 0, 4}, 0, 8); got != "█▄" {
		t.Errorf("Spark = %q", got)
	}
	if got := Spark(Pen{}, 3, []float64{5, 5}, 5, 5); got != " ▁▁" {
		t.Errorf("a flat line = %q", got)
	}
}

func exact(t *testing.T, lines []string, w, h int) {
	t.Helper()
	if len(lines) != h {
		t.Errorf("%d lines, want %d", len(lines), h)
	}
	for _, line := range lines {
		if n := ansi.StringWidth(line); n != w {
			t.Errorf("a line of %d cells, want %d: %q", n, w, ansi.Strip(line))
		}
	}
}

func sampleBoxes() []Box {
	lines := func(n int) []Line {
		l := []Line{{Text: "keep"}}
		for i := 1; i < n; i++ {
			l = append(l, Line{Text: "droppable", Drop: i})
		}
		return l
	}
	return []Box{{Title: "first", Lines: lines(8)}, {Title: "second", Lines: lines(4), Drop: 1}, {Title: "none"}, {Title: "third", Lines: lines(3), Drop: 2}, {Title: "fourth", Lines: lines(2), Drop: 3}}
}

func TestFlowFits(t *testing.T) {
	p := NewPens(theme.New(true))
	for w := 1; w < 200; w += 3 {
		widths := ColumnWidths(w, 30, 3)
		sum := 0
		for _, c := range widths {
			sum += c
		}
		if sum != w {
			t.Fatalf("columns of %d add up to %d", w, sum)
		}
		for most := range 30 {
			boxes := sampleBoxes()
			places, texts, h := Flow(widths, most, boxes)
			if h > most {
				t.Fatalf("Flow(%v, %d) is %d tall", widths, most, h)
			}
			exact(t, p.Render(w, h, 0, boxes, places, texts), w, h)
		}
	}
}

func TestFlowDropsLeastImportant(t *testing.T) {
	boxes := sampleBoxes()
	places, texts, h := Flow([]int{40}, 10, boxes)
	if diff := cmp.Diff([]Place{{W: 40, H: 7}, {}, {}, {}, {}}, places); diff != "" && h > 10 {
		t.Error(diff)
	}
	if len(texts[0]) == 0 || texts[0][0] != "keep" {
		t.Errorf("the first card lost what it must keep: %q", texts)
	}
	if texts[4] != nil {
		t.Errorf("the least important card is still there: %q", texts)
	}
}

func BenchmarkFrame(b *testing.B) {
	p := NewPens(theme.New(true))
	widths := ColumnWidths(160, 50, 3)
	b.ReportAllocs()
	for b.Loop() {
		boxes := sampleBoxes()
		for i := range boxes {
			for j := range boxes[i].Lines {
				boxes[i].Lines[j].Text = Columns(46, Cell{Text: "sock_inode_cache"}, Cell{Text: "862 B", W: 9, Right: true}, Cell{Text: Bar(p.Bar, 14, 0.3), W: 14})
			}
		}
		places, texts, h := Flow(widths, 30, boxes)
		p.Render(160, h, 0, boxes, places, texts)
	}
}
