package load

import (
	"slices"

	"github.com/eptop/eptop/internal/ui/draw"
	"github.com/eptop/eptop/internal/ui/view"
	"github.com/eptop/eptop/internal/units"
)

// chartLeast is the lowest chart worth drawing, in lines of text.
const chartLeast = 5

// chartTitle is the title of the chart, with the cost of a connection once it is known.
func (v *View) chartTitle(w int) string {
	m := v.measurement()
	if m != nil && m.BytesPerConnection.Known {
		slope := "slope " + units.Count(m.BytesPerConnection.Value) + " B"
		return view.Longest(w, "Kernel memory over connections · "+slope, "Memory over connections · "+slope, "Memory · "+slope)
	}
	return view.Longest(w, "Kernel memory over connections", "Memory over connections")
}

// chartLines plot kernel memory over connections: readings as blobs, and as dots the line
// whose slope is the cost of a connection.
func (v *View) chartLines(w, h int) []draw.Line {
	l, m := v.run.now, v.measurement()
	if l == nil || m == nil || h < chartLeast {
		return nil
	}
	c := draw.Plot{
		MaxX:  float64(max(v.run.target, l.Peak, m.Opened)),
		NameX: func(x float64) string { return units.Count(int64(x + 0.5)) },
		NameY: func(y float64) string { return units.Bytes(int64(y + 0.5)) },
	}
	// The axis has the expected height from the start, so that the dots climb instead of
	// the axis growing.
	c.MaxY = c.MaxX * float64(m.ExpectedBytes.Value)
	slope, ok := m.BytesPerConnection.Get()
	var bases []float64
	for _, at := range l.Points {
		x, y := float64(at.Connections), float64(at.Bytes)
		c.Points = append(c.Points, draw.XY{X: x, Y: y})
		bases = append(bases, y-float64(slope)*x)
	}
	if ok && len(bases) > 0 {
		// The median, because other programs' sockets lift some points.
		slices.Sort(bases)
		c.Line, c.Slope, c.Base = true, float64(slope), bases[len(bases)/2]
	}
	return view.MakeLines(v.pens.Plot(w, h, c))
}
