package nodes

import (
	"slices"
	"strconv"
	"strings"

	"github.com/eptop/eptop/internal/ui/draw"
)

const distanceCell = 4

// distancesWidth returns the width of a card that shows the whole heat map.
func (v *View) distancesWidth() int {
	return max(28, 4+5+distanceCell*len(v.snap.Nodes))
}

// distanceLines draw the heat map of distances, from each node (row) to each node (column).
func (v *View) distanceLines() []string {
	p := v.pens
	most := 10
	for _, n := range v.snap.Nodes {
		most = max(most, slices.Max(append(n.Distances, 10)))
	}
	var b strings.Builder
	b.WriteString(p.Header.Ink(" node"))
	for _, n := range v.snap.Nodes {
		b.WriteString(p.Header.Ink(draw.FitRight(strconv.Itoa(n.ID)+" ", distanceCell)))
	}
	lines := []string{b.String()}
	for _, from := range v.snap.Nodes {
		b.Reset()
		b.WriteString(p.Strong.Ink(draw.FitRight(strconv.Itoa(from.ID), 5)))
		for i := range v.snap.Nodes {
			if i >= len(from.Distances) {
				b.WriteString(draw.FitRight("?", distanceCell))
				continue
			}
			d := from.Distances[i]
			b.WriteString(p.Heat(strconv.Itoa(d)+" ", distanceCell, float64(d-10)/float64(max(1, most-10))))
		}
		lines = append(lines, b.String())
	}
	lines = append(lines, p.Muted.Ink("10 = own memory"))
	if most > 10 {
		lines = append(lines, p.Muted.Ink(strconv.Itoa(most)+" = "+strconv.FormatFloat(float64(most)/10, 'f', 1, 64)+" × as far"))
	}
	return lines
}
