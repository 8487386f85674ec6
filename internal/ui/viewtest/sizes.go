package viewtest

import (
	"strings"

	"github.com/charmbracelet/x/ansi"
)

// The sizes that the tests draw at.
const (
	leastWidth, mostWidth   = 20, 200
	leastHeight, mostHeight = 8, 60
)

// Sizes returns the sizes to draw at: without the race detector every step-th, and with
// it, which makes drawing ten times slower, those on both sides of each change of a
// layout. `make test` runs both.
func Sizes(step int, draw func(w, h int) string) [][2]int {
	if RaceEnabled {
		return layoutChanges(draw)
	}
	var out [][2]int
	for w := leastWidth; w <= mostWidth; w += step {
		// Every width starts at another height, so that all pairs are met.
		for h := leastHeight - w%step%leastHeight; h <= mostHeight; h += 1 + step/2 {
			out = append(out, [2]int{w, h})
		}
	}
	return out
}

// layoutChanges finds the sizes around which the frame of a drawing gets another shape:
// it walks along a few widths and heights in large steps, and halves each step whose
// ends differ.
func layoutChanges(draw func(w, h int) string) [][2]int {
	seen := map[[2]int]bool{{leastWidth, leastHeight}: true, {mostWidth, mostHeight}: true}
	for _, h := range []int{21, 47} {
		walk(leastWidth, mostWidth, 45, func(w int) string { return shape(draw(w, h)) }, func(w int) { seen[[2]int{w, h}] = true })
	}
	for _, w := range []int{80, 160} {
		walk(leastHeight, mostHeight, 13, func(h int) string { return shape(draw(w, h)) }, func(h int) { seen[[2]int{w, h}] = true })
	}
	out := make([][2]int, 0, len(seen))
	for size := range seen {
		out = append(out, size)
	}
	return out
}

// walk calls found for both ends, and for the neighbours between which a shape changes.
func walk(from, to, step int, shape func(at int) string, found func(at int)) {
	var halve func(low, high int, lowShape, highShape string)
	halve = func(low, high int, lowShape, highShape string) {
		if lowShape == highShape {
			return
		}
		if high-low == 1 {
			found(low)
			found(high)
			return
		}
		mid := (low + high) / 2
		midShape := shape(mid)
		halve(low, mid, lowShape, midShape)
		halve(mid, high, midShape, highShape)
	}
	found(from)
	found(to)
	for low := from; low < to; low += step {
		high := min(low+step, to)
		halve(low, high, shape(low), shape(high))
	}
}

// shape is what a frame keeps while only its size changes: the corners of its boxes in
// their order.
func shape(frame string) string {
	var out strings.Builder
	last := ""
	for line := range strings.Lines(ansi.Strip(frame)) {
		corners := strings.Map(func(r rune) rune {
			if strings.ContainsRune("╭╮╰╯┌┐└┘├┤", r) {
				return r
			}
			return -1
		}, line)
		if corners != "" && corners != last {
			out.WriteString(corners)
			out.WriteByte('\n')
			last = corners
		}
	}
	return out.String()
}
