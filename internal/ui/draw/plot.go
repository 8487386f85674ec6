package draw

import (
	"math"
	"slices"
	"strings"
)

// XY is a point of a Plot.
type XY struct{ X, Y float64 }

// Plot has points over two axes that both begin at 0, and optionally a straight line
// through them.
type Plot struct {
	Points []XY
	// Line: there is a line. Base is its height at 0, Slope how much it rises for each 1
	// of X.
	Line        bool
	Base, Slope float64
	// MaxX and MaxY are values that the axes include in any case.
	MaxX, MaxY float64
	// NameX and NameY write a value of an axis, with its unit.
	NameX, NameY func(float64) string
}

// plotLeast is the smallest ground worth drawing on, in cells.
const plotLeast = 4

// Plot draws a plot in exactly w times h cells, each of which is four dots high and two
// wide: points as blobs of four dots, and the line as single dots. Where the line crosses
// a point, the point keeps its colour.
func (p *Pens) Plot(w, h int, c Plot) []string {
	if w <= 0 || h <= 0 {
		return nil
	}
	maxX, maxY := c.reach()
	top, middle := c.NameY(maxY), c.NameY(maxY/2)
	left := max(Width(top), Width(middle), Width(c.NameY(0))) + 1
	ground := newGround(w-left-1, h-2)
	if ground.w < plotLeast || ground.h < 1 {
		return Exact(nil, w, h)
	}
	if c.Line {
		for x := range 2 * ground.w {
			if x%2 == 0 {
				at := float64(x) / float64(2*ground.w-1)
				ground.set(lineDot, at, (c.Base+c.Slope*at*maxX)/maxY)
			}
		}
	}
	for _, at := range c.Points {
		ground.blob(at.X/maxX, at.Y/maxY)
	}
	out := make([]string, 0, h)
	for y := range ground.h {
		label, tick := "", "│"
		switch {
		case y == 0:
			label, tick = top, "┤"
		case ground.h >= 5 && y == ground.h/2:
			label, tick = middle, "┤"
		}
		out = append(out, p.Muted.Ink(FitRight(label, left-1)+" "+tick)+ground.line(p, y))
	}
	out = append(out, p.Muted.Ink(FitRight(c.NameY(0), left-1)+" └"+strings.Repeat("─", ground.w)))
	return append(out, p.Muted.Ink(Spaces(left+1)+between(ground.w, "0", c.NameX(maxX/2), c.NameX(maxX))))
}

// reach returns where the axes end: the X axis at the last point or at MaxX, the Y axis at
// a round number above all points.
func (c Plot) reach() (maxX, maxY float64) {
	maxX, maxY = c.MaxX, c.MaxY
	for _, at := range c.Points {
		maxX, maxY = max(maxX, at.X), max(maxY, at.Y)
	}
	if !(maxX > 0) || math.IsInf(maxX, 0) {
		maxX = 1
	}
	if c.Line {
		maxY = max(maxY, c.Base+c.Slope*maxX)
	}
	return maxX, roundUp(maxY)
}

// roundUp returns the next larger number that is short to write and easy to halve.
func roundUp(v float64) float64 {
	if !(v > 0) || math.IsInf(v, 0) {
		return 1
	}
	unit := math.Pow(10, math.Floor(math.Log10(v)))
	for _, step := range []float64{1, 1.2, 1.6, 2, 2.4, 3, 4, 5, 6, 8} {
		if v <= step*unit {
			return step * unit
		}
	}
	return 10 * unit
}

// between places three words at the start, the middle and the end of w cells. The middle
// one is left out where room is short.
func between(w int, start, middle, end string) string {
	gap := w/2 - Width(middle)/2 - Width(start)
	if rest := w - Width(start) - gap - Width(middle) - Width(end); gap >= 1 && rest >= 1 {
		return start + Spaces(gap) + middle + Spaces(rest) + end
	}
	return Spread(start, end, w)
}

type dot uint8

const (
	lineDot dot = 1 << iota
	pointDot
)

// ground is the area that is drawn on: rows of braille cells, from the top down.
type ground struct {
	w, h int
	bits []byte // the dots of each cell in the order of Unicode
	has  []dot
}

func newGround(w, h int) *ground {
	w, h = max(0, w), max(0, h)
	return &ground{w: w, h: h, bits: make([]byte, w*h), has: make([]dot, w*h)}
}

// dots are the bits of a braille cell by column and by line from above (Unicode
// 2800–28FF).
var dots = [2][4]byte{{0x01, 0x02, 0x04, 0x40}, {0x08, 0x10, 0x20, 0x80}}

// at returns the dot at shares of the two axes, and false beyond an axis.
func (g *ground) at(x, y float64) (dx, dy int, ok bool) {
	if !(x >= 0 && x <= 1 && y >= 0 && y <= 1) || len(g.bits) == 0 {
		return 0, 0, false
	}
	return int(math.Round(x * float64(2*g.w-1))), int(math.Round((1 - y) * float64(4*g.h-1))), true
}

// blob draws four dots around a place, moved inwards at the edge of the ground.
func (g *ground) blob(x, y float64) {
	if dx, dy, ok := g.at(x, y); ok {
		dx, dy = min(dx, 2*g.w-2), max(dy, 1)
		for _, by := range [][2]int{{0, 0}, {1, 0}, {0, -1}, {1, -1}} {
			g.dot(pointDot, dx+by[0], dy+by[1])
		}
	}
}

// set draws one dot.
func (g *ground) set(kind dot, x, y float64) {
	if dx, dy, ok := g.at(x, y); ok {
		g.dot(kind, dx, dy)
	}
}

func (g *ground) dot(kind dot, dx, dy int) {
	cell := dy/4*g.w + dx/2
	g.bits[cell] |= dots[dx%2][dy%4]
	g.has[cell] |= kind
}

// line writes one line of cells. Neighbours of the same colour share their escape
// sequences.
func (g *ground) line(p *Pens, y int) string {
	var b strings.Builder
	bits, has := g.bits[y*g.w:(y+1)*g.w], g.has[y*g.w:(y+1)*g.w]
	for from := 0; from < g.w; {
		pen := p.ofDot(has[from])
		to := from + 1
		for to < g.w && p.ofDot(has[to]) == pen {
			to++
		}
		run := make([]rune, 0, to-from)
		for _, set := range bits[from:to] {
			if set == 0 {
				run = append(run, ' ')
			} else {
				run = append(run, 0x2800+rune(set))
			}
		}
		if slices.ContainsFunc(run, func(r rune) bool { return r != ' ' }) {
			b.WriteString(pen.Ink(string(run)))
		} else {
			b.WriteString(string(run))
		}
		from = to
	}
	return b.String()
}

func (p *Pens) ofDot(d dot) Pen {
	if d&pointDot != 0 {
		return p.Bar
	}
	return p.Muted
}
