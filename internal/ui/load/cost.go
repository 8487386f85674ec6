package load

import (
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/ui/draw"
	"github.com/eptop/eptop/internal/ui/view"
	"github.com/eptop/eptop/internal/units"
)

// measurement returns what was measured of the load so far, or nil.
func (v *View) measurement() *model.Measurement {
	if v.run.now == nil || v.run.starting {
		return nil
	}
	return v.run.now.Found
}

// costLines write what a connection costs, with what was expected and what folklore says.
func (v *View) costLines(w int) []draw.Line {
	p, m, l, origin := v.pens, v.measurement(), v.run.now, v.preflight().Origin
	if m == nil {
		return view.WrapLines(p.Muted, w, 0, "The cost is measured when the first connections are open.")
	}
	c := costTable{pens: p, w: w, nameW: 12}
	if w >= 40 {
		c.nameW = 14
	}
	if each, ok := m.BytesPerConnection.Get(); ok {
		c.row(p.Strong, "a connection", units.Count(each), plusMinus(m.CI95Bytes), "measured", 0)
	} else {
		c.say(p.Muted, v.explainNoAnswer(m, l), 0)
	}
	if n, ok := m.ExpectedBytes.Get(); ok {
		c.row(p.Muted, "  expected", units.Count(n), "", expectedWords(m, origin), 4, string(origin), shortOrigin(origin))
	}
	if n, ok := m.BytesPerEnd.Get(); ok {
		c.row(p.Strong, "one end", units.Count(n), plusMinus(m.EndCI95Bytes), "the client's", 2, "client's")
	}
	folklore := []string{"for one end", "one end"}
	if n, ok := m.BytesPerEnd.Get(); ok && m.FolkloreBytes > 0 {
		share := "at " + units.Count((n*100+m.FolkloreBytes/2)/m.FolkloreBytes) + " %"
		folklore = []string{"we are " + share, share}
	}
	c.row(p.Muted, "  folklore", units.Count(m.FolkloreBytes), "", folklore[0], 2, folklore[1])
	if n, ok := m.BytesPerWatch.Get(); ok {
		whole := ""
		if m.FittedWatch != m.BytesPerWatch {
			whole = "in whole objects"
		}
		c.row(p.Strong, "a watch", units.Count(n), plusMinus(m.WatchCI95Bytes), whole, 2, "")
		if cost, ok := v.snap.Epoll.Cost.Get(); ok && v.roomy() {
			c.row(p.Muted, "  manual", units.Count(cost.ManualBytes), "", "epoll(7)", 5)
		}
	} else if n, ok := m.ExpectedWatch.Get(); ok {
		c.row(p.Muted, "a watch", units.Count(n), "", "expected, not measured", 3, "expected")
	}
	if n, ok := m.UnexplainedBytes.Get(); ok && m.BytesPerConnection.Known {
		c.row(p.Text, "unexplained", units.Count(n), "", "not included", 3)
	}
	if n, ok := m.MemcgBytes.Get(); ok && n > 0 && v.roomy() {
		c.row(p.Text, "cgroup records", units.Count(n), "", "not included, estimated", 6, "estimated")
	}
	if n, ok := m.CgroupBytes.Get(); ok && v.roomy() {
		c.row(p.Text, "cgroup says", units.Count(n), plusMinus(m.CgroupCI95Bytes), "cross-check", 7)
	}
	for _, difference := range m.Differences {
		c.say(p.Muted, draw.Clean(difference), 3)
	}
	if i := slices.IndexFunc(m.Projection, func(x model.Projection) bool { return x.Connections == 1_000_000 }); i >= 0 {
		c.lines = append(c.lines, draw.Line{Text: draw.Fit("a million of them "+p.Strong.Ink(units.Bytes(m.Projection[i].Bytes)), w), Drop: 8})
	}
	return c.lines
}

// shortOrigin is an origin for a narrow card.
func shortOrigin(o model.Origin) string {
	if o == model.Estimated {
		return "estim."
	}
	return string(o)
}

// explainNoAnswer says why there is no measured cost yet.
func (v *View) explainNoAnswer(m *model.Measurement, l *model.Load) string {
	switch {
	case l.Problem != "":
		return "Not measured: " + draw.Clean(l.Problem)
	case l.Phase == model.LoadOpening:
		return "settling: " + units.Many(int64(m.Readings), "reading") + " so far"
	}
	if m.Doubt != "" {
		return "Not known: " + draw.Clean(m.Doubt) + "."
	}
	return "Too few connections to say what one costs."
}

// costTable collects lines of a name, a number of bytes, its interval and a word.
type costTable struct {
	pens  *draw.Pens
	w     int
	nameW int
	lines []draw.Line
}

// row adds a line. It ends with the first of the words that fits.
func (c *costTable) row(pen draw.Pen, name, number, interval, word string, drop int, shorter ...string) {
	const numberW, intervalW = 8, 7
	text := pen.Ink(draw.Fit(name, c.nameW) + draw.FitRight(number+" B", numberW))
	rest := c.w - c.nameW - numberW
	if rest >= intervalW {
		text += c.pens.Muted.Ink(draw.Fit(" "+interval, intervalW))
		rest -= intervalW
	}
	if word = view.Longest(rest-1, append(append([]string{word}, shorter...), "")...); word != "" {
		text += c.pens.Muted.Ink(" " + word)
	}
	c.lines = append(c.lines, draw.Line{Text: draw.Fit(text, c.w), Drop: drop})
}

func (c *costTable) say(pen draw.Pen, text string, drop int) {
	c.lines = append(c.lines, view.WrapLines(pen, c.w, drop, text)...)
}

func plusMinus(ci maybe.Of[int64]) string {
	n, ok := ci.Get()
	if !ok {
		return ""
	}
	return "± " + units.Count(n)
}

// expectedWords say how far the measured cost is from the expected one, and where the
// expected one comes from.
func expectedWords(m *model.Measurement, origin model.Origin) string {
	have, ok := m.BytesPerConnection.Get()
	if !ok || m.ExpectedBytes.Value == 0 {
		return string(origin)
	}
	off := float64(have)/float64(m.ExpectedBytes.Value) - 1
	if math.Abs(off) < 0.0005 {
		off = 0
	}
	return fmt.Sprintf("%s, off %+.1f %%", origin, 100*off)
}

// partLines list the caches that a connection is made of, in at most h lines. Those that
// do not fit are added up in one line, so that the lines come to the total.
func (v *View) partLines(w, h int) []draw.Line {
	m := v.measurement()
	if m == nil || h < 3 {
		return nil
	}
	var known []model.MeasuredPart
	for _, part := range m.Parts {
		if part.Kind == model.PartKnown {
			known = append(known, part)
		}
	}
	slices.SortStableFunc(known, func(a, b model.MeasuredPart) int { return int(b.Bytes - a.Bytes) })
	if len(known) > h-1 {
		others := model.MeasuredPart{Cache: view.OthersCache, Objects: math.NaN()}
		for _, part := range known[h-2:] {
			others.Bytes += part.Bytes
		}
		known = append(slices.Clone(known[:h-2]), others)
	}
	if len(known) == 0 {
		if m.BytesPerConnection.Known || v.run.now.Problem != "" || !v.roomy() {
			return nil
		}
		return view.WrapLines(v.pens.Muted, w, 0, "The slab caches and their objects are listed once the cost is known.")
	}
	p := v.pens
	t := partTable{p, w, max(6, w-23)}
	lines := []draw.Line{{Text: t.line("cache", "objects", "each", "bytes", p.Muted)}}
	for _, part := range known {
		objects, each := "", ""
		if !math.IsNaN(part.Objects) {
			objects = strconv.FormatFloat(part.Objects, 'f', 2, 64)
			each = units.Count(int64(math.Round(part.BytesPerObject)))
		}
		lines = append(lines, draw.Line{Text: t.line(draw.Clean(part.Cache), objects, each, units.Count(int64(math.Round(part.Bytes))), p.Text)})
	}
	return lines
}

// partTable writes lines of a cache, its objects, the bytes of each and of all.
type partTable struct {
	pens  *draw.Pens
	w     int
	nameW int
}

func (t partTable) line(name, objects, each, bytes string, pen draw.Pen) string {
	muted := t.pens.Muted.Ink(draw.FitRight(objects, 8) + draw.FitRight(each, 7))
	return draw.Fit(pen.Ink(draw.Fit(name, t.nameW))+muted+pen.Ink(draw.FitRight(bytes, 8)), t.w)
}

// stageLines list what each of the four system calls allocates.
func (v *View) stageLines(w int) []draw.Line {
	p, m := v.pens, v.measurement()
	if m == nil || len(m.Stages) == 0 {
		return nil
	}
	most := int64(1)
	for _, s := range m.Stages {
		most = max(most, s.Bytes)
	}
	lines := make([]draw.Line, 0, len(m.Stages))
	for i, s := range m.Stages {
		cells := []draw.Cell{{Text: draw.Clean(s.Stage) + "()", W: 12}, {Text: units.Count(s.Bytes) + " B", W: 8, Right: true, Pen: p.Strong}, {Text: plusMinus(maybe.Some(s.CI95Bytes)), W: 6, Pen: p.Muted}}
		if bar := w - 12 - 8 - 6 - 3; bar >= 4 {
			cells = append(cells, draw.Cell{Text: draw.Bar(p.Bar, bar, float64(s.Bytes)/float64(most)), W: bar})
		}
		lines = append(lines, draw.Line{Text: draw.Columns(w, cells...), Drop: 1 + i})
	}
	return lines
}
