package overview

import (
	"math"
	"strings"

	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/ui/draw"
	"github.com/eptop/eptop/internal/ui/view"
	"github.com/eptop/eptop/internal/units"
)

// Each function here writes a part that is closed in one line of at most w cells.

func (v *View) headLine(p part, w int) string {
	text := ""
	switch p {
	case partCost:
		text = v.costHead(w - 2)
	case partLimits:
		text = v.limitsHead(w - 2)
	case partMemory:
		text = v.memoryHead(w - 2)
	case partMissing:
		text = v.missingHead(w - 2)
	}
	return v.pens.Key.Ink("+") + " " + text
}

// joinFitting joins texts as long as they fit into w cells.
func joinFitting(w int, between string, texts ...string) string {
	line := ""
	for _, text := range texts {
		switch {
		case text == "":
		case line == "":
			line = text
		case draw.Width(line)+draw.Width(between)+draw.Width(text) <= w:
			line += between + text
		}
	}
	return line
}

// costHead: what a connection and a watch cost.
func (v *View) costHead(w int) string {
	p, costs := v.pens, v.snap.ConnectionCost
	cost, ok := costs.TCP4.Get()
	if !ok {
		return p.Warn.Ink(view.Longest(w, "what a connection takes on this kernel is not known: neither slabinfo, /sys/kernel/slab nor BTF could be read", "what a connection takes is not known here"))
	}
	mark := func(atLeast bool, origin model.Origin) string {
		if m := model.Mark(atLeast, false); m != "" || origin != model.Estimated {
			return m
		}
		return "≈ "
	}
	end := p.Strong.Ink(mark(cost.AtLeast, cost.Origin) + units.Count(cost.Bytes) + " B")
	texts := []string{view.Longest(w/3, "a TCP connection's end ", "a TCP end ") + end}
	watch, watched := v.snap.Epoll.Cost.Get()
	if watched {
		texts = append(texts, "watched "+p.Strong.Ink("+"+strings.TrimSpace(mark(watch.AtLeast, watch.Origin))+units.Count(watch.Bytes)+" B"))
	}
	if watched && !cost.AtLeast && !watch.AtLeast {
		texts = append(texts, "a million "+p.Strong.Ink(units.Bytes((cost.Bytes+watch.Bytes)*1_000_000)))
	}
	if costs.FolkloreBytes > 0 {
		texts = append(texts, p.Muted.Ink("folklore says "+units.Count(costs.FolkloreBytes)+" B"))
	}
	return joinFitting(w, p.Muted.Ink(" · "), texts...)
}

// limitsHead: the nearest limits, the first with how much of it is used.
func (v *View) limitsHead(w int) string {
	p := v.pens
	head := "next limit  "
	if len(v.snap.Walls) > 1 {
		head = "next limits  "
	}
	if len(v.snap.Walls) == 0 {
		return p.Muted.Ink(view.Longest(w, "no limit is in sight: no process with sockets may be looked at, or its limits are not known", "no limit is known"))
	}
	var texts []string
	for i := range v.snap.Walls[:min(len(v.snap.Walls), mostWalls)] {
		wall := &v.snap.Walls[i]
		share, ok := wall.Share().Get()
		pen := wallPen(p, wall)
		text := shortWall(wall) + " " + pen.Ink(view.ConnectionsLeft(*wall)+" left")
		if ok && (i == 0 && w > 90 || wall.Level != model.LevelOK) {
			text += " " + p.Gauge(view.LimitPen(p, share), 6, share) + " " + pen.Ink(units.Percent(share))
		}
		texts = append(texts, text)
	}
	return p.Muted.Ink(head) + joinFitting(w-len(head), "   ", texts...)
}

// wallPen is the colour of a limit's numbers.
func wallPen(p *draw.Pens, w *model.Wall) draw.Pen {
	switch w.Level {
	case model.LevelCritical:
		return p.Crit
	case model.LevelNear:
		return p.Warn
	}
	return p.Strong
}

// shortWall names a limit in few words, the process first.
func shortWall(w *model.Wall) string {
	if holder := w.Holder(); holder != "" {
		return draw.Clean(holder + " " + model.WallTitle(w.Name))
	}
	return wallName(*w)
}

// memoryHead: what sockets hold, and how that went.
func (v *View) memoryHead(w int) string {
	p, s := v.pens, v.snap.Sockets
	var texts []string
	strong := func(name, text string) string { return name + p.Strong.Ink(text) }
	if s != nil {
		ofStructs, ofBuffers := s.StructsExtent(), s.BuffersExtent()
		texts = []string{
			p.Strong.Ink(s.Mark()+units.Count(s.Total)) + " sockets", strong("structures ", view.Sum(s.StructBytes, units.Bytes, &ofStructs)),
			strong("buffers ", view.Sum(s.BufferBytes, units.Bytes, &ofBuffers)),
		}
	} else if n, ok := v.snap.Sockstat.Value.Alloc.Get(); ok {
		texts = []string{strong("TCP sockets ", units.Count(n)), p.Muted.Ink("not listed")}
	}
	if available, ok := v.snap.Host.MemAvailableBytes.Get(); ok {
		text := strong("memory available ", units.Bytes(available))
		if pinned, ok := v.pinned(); ok {
			text += p.Muted.Ink(", of it " + pinned + " pinned")
		}
		texts = append(texts, text)
	}
	trend := v.trendHead(min(44, w/3))
	line := joinFitting(w-draw.Width(trend)-2, "  ", texts...)
	if trend == "" || draw.Width(line) == 0 {
		return line
	}
	return draw.Spread(line, trend, w)
}

// trendHead draws the watches of the last minutes with their scale.
func (v *View) trendHead(w int) string {
	h := &v.snap.History
	n := len(h.Watches)
	if n < 2 || w < 30 {
		return ""
	}
	points, lo, hi := view.ChartPoints(h.Watches)
	scale := units.Count(int64(lo)) + "–" + units.Count(int64(math.Ceil(hi)))
	words := " watches " + scale + ", " + view.RoundDuration(h.Span(n))
	return draw.Spark(v.pens.Bar, max(4, min(12, w-draw.Width(words))), points, lo, hi) + v.pens.Muted.Ink(words)
}

// fitWords cuts a sentence after a whole word where it does not fit.
func fitWords(s string, w int) string {
	if draw.Width(s) <= w {
		return s
	}
	return draw.FitWords(s, w)
}

// missingHead: what eptop could not look at, or how far it has come.
func (v *View) missingHead(w int) string {
	if texts := view.Progress(&v.snap.Coverage); texts != nil {
		return v.pens.Warn.Ink(view.Longest(w, texts...))
	}
	texts := v.unseen()
	for _, s := range v.unread() {
		texts = append(texts, s.Name+": "+draw.Clean(sourceDetail(&s)))
	}
	if len(texts) == 0 {
		return ""
	}
	line := "not seen: " + draw.Clean(texts[0])
	if more := len(texts) - 1; more > 0 {
		line = "not seen (" + units.Count(int64(len(texts))) + "): " + draw.Clean(texts[0])
	}
	return v.pens.Warn.Ink(fitWords(line, w))
}
