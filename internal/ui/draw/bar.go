package draw

import (
	"slices"
	"strings"
)

// eighths are blocks that are filled from the left by 0 to 8 eighths.
var eighths = [...]string{"", "▏", "▎", "▍", "▌", "▋", "▊", "▉", "█"}

// levels are blocks that are filled from below by 0 to 8 eighths.
var levels = [...]string{" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"}

func clamp(share float64) float64 {
	if !(share > 0) { // NaN counts as 0
		return 0
	}
	return min(share, 1)
}

// fill returns how many eighths of a cell a share of w cells fills. A share above 0 fills
// at least one eighth, and a share below 1 never fills everything.
func fill(w int, share float64) int {
	share = clamp(share)
	n := int(share*float64(8*w) + 0.5)
	switch {
	case share > 0 && n == 0:
		n = 1
	case share < 1 && n == 8*w:
		n = 8*w - 1
	}
	return n
}

// Bar draws a bar of exactly w cells on a blank ground.
func Bar(pen Pen, w int, share float64) string {
	if w <= 0 {
		return ""
	}
	n := fill(w, share)
	var b strings.Builder
	b.WriteString(pen.Ink(strings.Repeat("█", n/8) + eighths[n%8]))
	b.WriteString(Spaces(w - (n+7)/8))
	return b.String()
}

// Gauge draws a bar of exactly w cells on a visible ground, with a mark at each given
// share, such as a watermark or a limit.
func (p *Pens) Gauge(pen Pen, w int, share float64, marks ...float64) string {
	all := make([]Mark, len(marks))
	for i, m := range marks {
		all[i] = Mark{At: m, Glyph: "┃"}
	}
	return p.Marked(pen, w, share, all...)
}

// Mark is a mark of one cell on a gauge, at a share of its width.
type Mark struct {
	At    float64
	Glyph string
}

// Marked draws a Gauge whose marks have glyphs and pens of their own.
func (p *Pens) Marked(pen Pen, w int, share float64, marks ...Mark) string {
	if w <= 0 {
		return ""
	}
	cellOf := func(m Mark) int { return min(w-1, int(clamp(m.At)*float64(w))) }
	at := slices.Clone(marks)
	slices.SortStableFunc(at, func(a, b Mark) int { return cellOf(a) - cellOf(b) })
	n := fill(w, share)
	full, part := n/8, n%8
	var b strings.Builder
	run := func(from, to int) {
		if m := min(to, full); m > from {
			b.WriteString(pen.Ink(strings.Repeat("█", m-from)))
			from = m
		}
		if from < to && from == full && part > 0 {
			b.WriteString(pen.Ink(eighths[part]))
			from++
		}
		if to > from {
			b.WriteString(p.BarRest.Ink(strings.Repeat("░", to-from)))
		}
	}
	done := 0
	for _, m := range at {
		x := cellOf(m)
		if x < done {
			continue // two marks in one cell
		}
		run(done, x)
		b.WriteString(p.Mark.Ink(m.Glyph))
		done = x + 1
	}
	run(done, w)
	return b.String()
}

// Slice is a part of a Stack: its share of the whole, and a glyph of its own, which
// distinguishes it without colour.
type Slice struct {
	Pen   Pen
	Glyph string
	Share float64
}

// Stack draws a bar of exactly w cells that is made of slices, on a visible ground. If the
// shares add up to more than 0, it shows at least one cell; if they add up to less than 1,
// it never looks full. The cells are divided among the slices by their shares.
func (p *Pens) Stack(w int, parts ...Slice) string {
	if w <= 0 {
		return ""
	}
	sum := 0.0
	for _, s := range parts {
		sum += clamp(s.Share)
	}
	filled := (fill(w, sum) + 4) / 8
	switch {
	case sum > 0 && filled == 0:
		filled = 1
	case sum < 1 && filled == w && w > 1:
		filled = w - 1
	}
	var b strings.Builder
	for i, n := range apportion(filled, sum, parts) {
		b.WriteString(parts[i].Pen.Ink(strings.Repeat(parts[i].Glyph, n)))
	}
	b.WriteString(p.BarRest.Ink(strings.Repeat("░", w-filled)))
	return b.String()
}

// apportion divides cells among slices by their shares, rounded down. The slices that lose
// most by the rounding get one cell more.
func apportion(cells int, sum float64, parts []Slice) []int {
	counts, left := make([]int, len(parts)), cells
	if sum <= 0 {
		return counts
	}
	due := func(i int) float64 { return clamp(parts[i].Share)/sum*float64(cells) - float64(counts[i]) }
	for i := range parts {
		counts[i] = min(int(due(i)), left)
		left -= counts[i]
	}
	for ; left > 0; left-- {
		worst := 0
		for i := range parts {
			if due(i) > due(worst) {
				worst = i
			}
		}
		counts[worst]++
	}
	return counts
}

// Chart draws values, oldest first, as columns in exactly w times h cells: from
// lo (only a line) to hi (full). With fewer values than columns the newest is at the right
// edge; with more, a column shows the highest of the values that share it.
func Chart(pen Pen, w, h int, values []float64, lo, hi float64) []string {
	if w <= 0 || h <= 0 {
		return nil
	}
	heights := make([]int, w)
	n := len(values)
	for x := range w {
		from, to := n-w+x, n-w+x+1
		if n > w {
			from, to = x*n/w, (x+1)*n/w
		}
		if from < 0 {
			continue
		}
		share := 0.0
		if hi > lo {
			share = clamp((slices.Max(values[from:to]) - lo) / (hi - lo))
		}
		heights[x] = max(1, int(share*float64(8*h)+0.5))
	}
	lines := make([]string, h)
	var b strings.Builder
	for y := range h {
		b.Reset()
		below := 8 * (h - 1 - y)
		for _, v := range heights {
			b.WriteString(levels[max(0, min(8, v-below))])
		}
		lines[y] = pen.Ink(b.String())
	}
	return lines
}

// Spark draws a chart that is one line high.
func Spark(pen Pen, w int, values []float64, lo, hi float64) string {
	if w <= 0 {
		return ""
	}
	return Chart(pen, w, 1, values, lo, hi)[0]
}
