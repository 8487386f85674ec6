package nodes

import (
	"strconv"

	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/ui/draw"
	"github.com/eptop/eptop/internal/units"
)

// A matrix has a row for each kind of memory or object and a column for each node.
const (
	matrixNameW = 18
	matrixCellW = 10
)

// matrixWidth returns the width of a matrix of all nodes with their total.
func (v *View) matrixWidth() int { return matrixNameW + matrixCellW*(len(v.snap.Nodes)+1) }

// matrix collects the lines of one.
type matrix struct {
	v     *View
	w     int
	fits  int // how many nodes have a column
	total bool
	lines []string
}

// newMatrix begins a matrix for w cells, with a last column for the sum of all nodes
// where that is wanted and there are several.
func (v *View) newMatrix(w int, total bool) *matrix {
	m := &matrix{v: v, w: w, total: total && len(v.snap.Nodes) > 1 && w >= v.matrixWidth()}
	m.fits = min(len(v.snap.Nodes), max(1, (w-matrixNameW)/matrixCellW))
	return m
}

// row adds a row of texts, and sum as their total.
func (m *matrix) row(name string, pen draw.Pen, cell func(n model.Node) string, sum string) {
	m.line(m.v.pens.Text, name, pen, cell, m.v.pens.Muted, sum)
}

// head adds a row with the names of the columns. The first column names what follows.
func (m *matrix) head(name string) {
	p := m.v.pens.Header
	m.line(p, name, p, func(n model.Node) string { return "node " + strconv.Itoa(n.ID) }, p, "all")
}

func (m *matrix) line(namePen draw.Pen, name string, pen draw.Pen, cell func(n model.Node) string, sumPen draw.Pen, sum string) {
	line := namePen.Ink(draw.Fit(name, min(m.w, matrixNameW)))
	for _, n := range m.v.snap.Nodes[:m.fits] {
		line += pen.Ink(draw.FitRight(cell(n), matrixCellW))
	}
	if m.total {
		line += sumPen.Ink(draw.FitRight(sum, matrixCellW))
	}
	m.lines = append(m.lines, line)
}

// numbers adds a row of numbers and their sum, unless no node has a number or, with
// hideZero, all are 0. It reports whether it added the row.
func (m *matrix) numbers(name string, pen draw.Pen, hideZero bool, write func(int64) string, value func(n model.Node) (int64, bool)) bool {
	sum, any, zero := int64(0), false, true
	for _, n := range m.v.snap.Nodes {
		if x, ok := value(n); ok {
			sum, any, zero = sum+x, true, zero && x == 0
		}
	}
	if !any || hideZero && zero {
		return false
	}
	m.row(name, pen, func(n model.Node) string {
		if x, ok := value(n); ok {
			return write(x)
		}
		return "–"
	}, write(sum))
	return true
}

// done returns the lines, and says how many nodes do not fit.
func (m *matrix) done() []string {
	if more := len(m.v.snap.Nodes) - m.fits; more > 0 && len(m.lines) > 0 {
		m.lines = append(m.lines, m.v.pens.Muted.Ink(draw.Fit(units.Many(int64(more), "node")+" more: on a wider screen", m.w)))
	}
	return m.lines
}
