package table

import "github.com/eptop/eptop/internal/ui/cell"

// Column is how one value of every row is shown.
type Column struct {
	Title string
	// Min is the width below which the column is hidden rather than shown, Max
	// the width beyond which it does not grow (0: no limit). Left-over width is
	// divided by Weight; a column without weight stays at Min.
	Min, Max, Weight int
	Align            cell.Align
	// Rank says which columns are hidden first where room is short: the highest. A
	// column of rank 0 is always shown, cut if necessary.
	Rank int
	// Falling: the first sort by the column puts the largest value on top.
	Falling bool
	// Hidden leaves the column out for now, whatever the room.
	Hidden bool
	// Explain says where the value comes from and what it does not count.
	Explain string
}

// slot is a column on screen: its number, its first cell and its width.
type slot struct{ column, x, w int }

const gutter = 1 // the cell before the first column, for the cursor's mark

// layout chooses the columns for a width: skip of the columns after the first are scrolled
// away on the left, then those of the highest ranks are hidden until the rest fits, then
// the width that is left is divided by weight.
func layout(columns []Column, w, skip int) (shown []slot, hidden int) {
	w -= gutter
	use := make([]bool, len(columns))
	need, count := 0, 0
	for i, c := range columns {
		if i > 0 && i <= skip || c.Hidden {
			continue
		}
		use[i] = true
		need += c.Min
		count++
	}
	for need+count-1 > w && count > 1 {
		worst := -1
		for i, c := range columns {
			if use[i] && c.Rank > 0 && (worst < 0 || c.Rank >= columns[worst].Rank) {
				worst = i
			}
		}
		if worst < 0 {
			break
		}
		use[worst] = false
		need -= columns[worst].Min
		count--
	}
	widths := deal(columns, use, w-need-(count-1))
	x := gutter
	for i := range columns {
		if !use[i] || x-gutter >= w {
			continue
		}
		width := min(widths[i], w-(x-gutter))
		shown = append(shown, slot{column: i, x: x, w: width})
		x += width + 1
	}
	hidden = len(columns) - len(shown)
	for i, c := range columns {
		if c.Hidden && i > skip {
			hidden--
		}
	}
	return shown, hidden
}

// deal gives each visible column its Min and its share of the width that is left.
func deal(columns []Column, use []bool, left int) []int {
	widths := make([]int, len(columns))
	for i, c := range columns {
		widths[i] = c.Min
	}
	for left > 0 {
		total := 0
		for i, c := range columns {
			if use[i] && (c.Max == 0 || widths[i] < c.Max) {
				total += c.Weight
			}
		}
		if total == 0 {
			break
		}
		given := 0
		for i, c := range columns {
			if !use[i] || c.Weight == 0 || (c.Max > 0 && widths[i] >= c.Max) {
				continue
			}
			share := max(1, left*c.Weight/total)
			if c.Max > 0 {
				share = min(share, c.Max-widths[i])
			}
			share = min(share, left-given)
			widths[i] += share
			given += share
		}
		left -= given
	}
	return widths
}
