package draw

import (
	"slices"
	"strings"
)

// Line is a line of a Box. Where room is short, the lines with the highest Drop are left
// out first. A line with Drop 0 stays as long as its card does.
type Line struct {
	Text string
	Drop int
	// Cut stands for Text once the line after it, where a sentence goes on, was left out.
	Cut string
}

// Box is a card for Flow to place.
type Box struct {
	Title string
	Lines []Line
	// Drop says which whole cards are left out once no line of their column can be: the
	// highest first, 0 last.
	Drop int
}

// Place is the place of a box on the screen. H is 0 if the box was left out.
type Place struct{ X, Y, W, H int }

// ColumnWidths divides w cells into as many columns as possible, up to most, that are at
// least least cells wide. Their widths differ by one cell at most.
func ColumnWidths(w, least, most int) []int {
	n := max(1, min(most, w/max(1, least)))
	widths := make([]int, n)
	for i := range widths {
		widths[i] = w*(i+1)/n - w*i/n
	}
	return widths
}

// Flow places boxes in columns of the given widths: each box in turn goes into the column
// that is shortest so far. Columns taller than most lines lose lines and then cards until
// they fit. The last card of each column extends to where the tallest column ends. Flow
// returns a place for each box, the lines that each box keeps, and the height of all.
func Flow(widths []int, most int, boxes []Box) ([]Place, [][]string, int) {
	f := flow{boxes: boxes, column: make([]int, len(boxes)), keep: make([][]Line, len(boxes)), tall: make([]int, len(widths))}
	for i, b := range boxes {
		if len(b.Lines) == 0 {
			continue // nothing to show: no card
		}
		f.keep[i] = b.Lines
		c := 0
		for j, t := range f.tall {
			if t < f.tall[c] {
				c = j
			}
		}
		f.column[i] = c
		f.tall[c] += len(b.Lines) + 2
	}
	for c := range widths {
		for f.tall[c] > most && f.shrink(c) {
		}
	}
	height := 0
	for _, t := range f.tall {
		height = max(height, t)
	}
	return f.place(widths, height), f.texts(), height
}

type flow struct {
	boxes  []Box
	column []int
	keep   [][]Line // nil if the box was left out
	tall   []int
}

// shrink removes one line or one card from column c, and reports whether there was one to
// remove.
func (f *flow) shrink(c int) bool {
	box, line, worst := -1, -1, 0
	for i, lines := range f.keep {
		if f.column[i] != c {
			continue
		}
		for j, l := range lines {
			// Of lines with the same Drop the last one is removed first.
			if l.Drop >= worst && l.Drop > 0 && len(lines) > 1 {
				box, line, worst = i, j, l.Drop
			}
		}
	}
	if box >= 0 {
		kept := append(append([]Line(nil), f.keep[box][:line]...), f.keep[box][line+1:]...)
		if line > 0 && kept[line-1].Cut != "" {
			kept[line-1].Text = kept[line-1].Cut
		}
		f.keep[box] = kept
		f.tall[c]--
		return true
	}
	for i, lines := range f.keep {
		if f.column[i] == c && lines != nil && (box < 0 || f.boxes[i].Drop >= f.boxes[box].Drop) {
			box = i
		}
	}
	if box < 0 {
		return false
	}
	f.tall[c] -= len(f.keep[box]) + 2
	f.keep[box] = nil
	return true
}

func (f *flow) place(widths []int, height int) []Place {
	places := make([]Place, len(f.boxes))
	x := 0
	for c, w := range widths {
		y, last := 0, -1
		for i := range f.boxes {
			if f.column[i] != c || f.keep[i] == nil {
				continue
			}
			places[i] = Place{X: x, Y: y, W: w, H: len(f.keep[i]) + 2}
			y += places[i].H
			last = i
		}
		if last >= 0 {
			places[last].H += height - y
		}
		x += w
	}
	return places
}

func (f *flow) texts() [][]string {
	texts := make([][]string, len(f.keep))
	for i, lines := range f.keep {
		for _, l := range lines {
			texts[i] = append(texts[i], l.Text)
		}
	}
	return texts
}

// Render draws placed boxes as a block of exactly w times h cells. here is the index of
// the box under the cursor, or -1.
func (p *Pens) Render(w, h, here int, boxes []Box, places []Place, texts [][]string) []string {
	rows := make([]strings.Builder, max(0, h))
	ends := make([]int, len(rows))
	// The boxes are sorted by X, so that every row can be written from left to right.
	for _, x := range startsOf(places) {
		for i, at := range places {
			if at.H == 0 || at.X != x {
				continue
			}
			for j, line := range p.Card(boxes[i].Title, at.W, at.H, i == here, texts[i]) {
				if y := at.Y + j; y < len(rows) {
					rows[y].WriteString(Spaces(at.X - ends[y]))
					rows[y].WriteString(line)
					ends[y] = at.X + at.W
				}
			}
		}
	}
	out := make([]string, len(rows))
	for y := range rows {
		rows[y].WriteString(Spaces(w - ends[y]))
		out[y] = rows[y].String()
	}
	return out
}

func startsOf(places []Place) []int {
	var xs []int
	for _, at := range places {
		if at.H > 0 {
			xs = append(xs, at.X)
		}
	}
	slices.Sort(xs)
	return slices.Compact(xs)
}

// Step returns the index of the nearest place in a direction from here: dx or dy is -1 or
// 1. Where there is none it returns here.
func Step(places []Place, here, dx, dy int) int {
	if here < 0 || here >= len(places) {
		return here
	}
	from, best, least := places[here], here, 1<<30
	for i, to := range places {
		if i == here || to.H == 0 {
			continue
		}
		along, beside := (to.X-from.X)*dx, overlap(from.Y, from.H, to.Y, to.H)
		if dy != 0 {
			along, beside = (to.Y-from.Y)*dy, overlap(from.X, from.W, to.X, to.W)
		}
		if beside && along > 0 && along < least {
			best, least = i, along
		}
	}
	return best
}

// overlap reports whether two ranges have a cell in common.
func overlap(a, aLen, b, bLen int) bool { return a < b+bLen && b < a+aLen }

// At returns the index of the place that a cell belongs to, or -1.
func At(places []Place, x, y int) int {
	for i, p := range places {
		if p.H > 0 && x >= p.X && x < p.X+p.W && y >= p.Y && y < p.Y+p.H {
			return i
		}
	}
	return -1
}
