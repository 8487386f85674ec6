package slab

import (
	"math/bits"
	"slices"
	"strconv"
	"strings"

	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/ui/draw"
	"github.com/eptop/eptop/internal/ui/view"
	"github.com/eptop/eptop/internal/units"
)

// detail opens a box with all of one cache. It is drawn from the latest look, so that
// it lives on while it is open.
func (v *View) detail(name string) view.OverlayMsg {
	return view.OverlayMsg{Title: draw.Clean(name), Lines: func(p *draw.Pens, w int) []string {
		for i := range v.snap.Slab {
			if c := &v.snap.Slab[i]; c.Name == name {
				d := cacheDetail{p: p, w: w, c: c, snap: v.snap, mark: &v.mark}
				return d.lines()
			}
		}
		return draw.Wrap("The kernel has no cache of this name any more, or slabinfo could not be read.", w)
	}}
}

// cacheDetail writes what is known of one cache.
type cacheDetail struct {
	p    *draw.Pens
	w    int
	c    *model.Cache
	snap *model.Snapshot
	mark *mark
	out  []string
}

func (d *cacheDetail) lines() []string {
	d.names()
	d.uses()
	d.history()
	d.layout()
	d.reclaim()
	d.nodes()
	return d.out
}

func (d *cacheDetail) say(pen draw.Pen, text string) {
	for _, l := range draw.Wrap(text, d.w) {
		d.out = append(d.out, pen.Ink(l))
	}
}

func (d *cacheDetail) title(text string) {
	if len(d.out) > 0 {
		d.out = append(d.out, "")
	}
	d.say(d.p.Title, text)
}

func (d *cacheDetail) names() {
	if len(d.c.Aliases) == 0 {
		return
	}
	d.say(d.p.Strong, draw.Clean(d.c.Name+" = "+strings.Join(d.c.Aliases, ", ")))
	d.say(d.p.Muted, "SLUB serves these "+units.Count(int64(len(d.c.Aliases)+1))+" names from one cache. slabinfo has them in one line and does not say whose an object is.")
}

// share is a line of a breakdown: what, how many, which part of all, how much memory.
type share struct {
	mark    string // before objects, see model.Extent
	what    string
	objects int64
	bytes   int64
	origin  string
	pen     draw.Pen
}

// shares writes a breakdown of so many objects; what does not fit beside the numbers
// goes on below.
func (d *cacheDetail) shares(of int64, list []share) {
	bar := 0
	if d.w >= 78 {
		bar = 10
	}
	name := max(12, d.w-11-8-10-10-bar-min(bar, 1))
	for _, s := range list {
		part := 0.0
		if of > 0 {
			part = float64(s.objects) / float64(of)
		}
		for i, l := range draw.Wrap(draw.Clean(s.what), name-1) {
			if i > 0 {
				d.out = append(d.out, draw.Fit(s.pen.Ink(l), d.w))
				continue
			}
			cells := []draw.Cell{
				{Text: l, Pen: s.pen}, {Text: s.mark + units.Count(s.objects), W: 10, Right: true, Pen: d.p.Strong}, {Text: units.Percent(part), W: 7, Right: true},
			}
			if bar > 0 {
				cells = append(cells, draw.Cell{Text: draw.Bar(d.p.Bar, bar, part), W: bar})
			}
			d.out = append(d.out, draw.Columns(d.w, append(cells,
				draw.Cell{Text: units.Bytes(s.bytes), W: 9, Right: true}, draw.Cell{Text: s.origin, W: 9, Pen: d.p.Muted})...))
		}
	}
}

// uses says whose the active objects are.
func (d *cacheDetail) uses() {
	c := d.c
	explained, ok := c.Explained()
	if !ok {
		d.title("Whose the " + units.Many(c.Active, "active object") + " are")
		d.say(d.p.Text, "Not known: eptop counts nothing that needs objects of this cache.")
		return
	}
	d.title("Whose the " + units.Many(c.Active, "active object") + " are")
	var list []share
	var gaps []string
	for i := range c.ExplainedBy {
		u := &c.ExplainedBy[i]
		what := u.For
		if len(c.Aliases) > 0 {
			what = u.Cache + ": " + what
		}
		of := model.Extent{AtLeast: u.AtLeast, AtMost: u.AtMost}
		list = append(list, share{strings.TrimSpace(of.Mark()), what, u.Objects, u.Bytes, string(u.Origin), d.p.Text})
		for _, gap := range u.LeavesOut {
			if !slices.Contains(gaps, gap) {
				gaps = append(gaps, gap)
			}
		}
	}
	if n, ok := c.Unexplained.Get(); ok {
		what := "others: free ones on per-CPU slabs, or not seen"
		if len(c.UncountedNames) > 0 {
			what = "others: " + strings.Join(c.UncountedNames, ", ") + ", free ones on per-CPU slabs, or not seen"
		}
		list = append(list, share{"", what, n, n * c.BytesPerObject, "", d.p.Muted})
	}
	d.shares(c.Active, list)
	if explained > c.Active {
		d.say(d.p.Warn, units.Count(explained-c.Active)+" more than there are: they were counted at another moment than slabinfo.")
	}
	for i, gap := range gaps {
		if i == 0 {
			d.say(d.p.Muted, "Not counted in these:")
		}
		d.say(d.p.Muted, "· "+gap)
	}
}

// history draws the active objects at the last looks.
func (d *cacheDetail) history() {
	const high = 4
	if len(d.c.History) < 2 {
		d.title("History")
		d.say(d.p.Muted, "It begins with this look.")
		return
	}
	d.title("Active objects over the last " + view.RoundDuration(d.snap.History.Span(len(d.c.History))))
	active, lo, hi := view.ChartPoints(d.c.History)
	label := max(draw.Width(units.Count(int64(hi))), 6)
	for i, row := range draw.Chart(d.p.Bar, max(4, d.w-label-1), high, active, lo, hi) {
		text := ""
		switch {
		case i == 0 && slices.Max(active) == hi: // else it lies flat below
			text = units.Count(int64(hi))
		case i == high-1:
			text = units.Count(int64(lo))
		}
		d.out = append(d.out, row+" "+d.p.Muted.Ink(draw.FitRight(text, label)))
	}
	change := d.mark.change(d.c)
	text := signed(change.active, units.Count) + " objects and " + signed(change.bytes, units.Bytes) + " " + d.mark.since()
	if growth, ok := d.c.Growth.Get(); ok {
		text += ", lately " + perSecond(growth.ObjectsPerSecond)
	}
	d.say(d.p.Text, text+".")
}

// layout says how a slab is cut up, and what of all of them is used.
func (d *cacheDetail) layout() {
	c, p := d.c, d.p
	slab := c.PagesPerSlab * d.snap.Host.PageBytes.Value
	end := max(0, slab-c.ObjsPerSlab*c.SlotBytes)
	d.title("Layout")
	text := units.Many(c.ObjsPerSlab, "object") + " in a slab of " + units.Many(c.PagesPerSlab, "page") + " (order " + strconv.Itoa(order(c.PagesPerSlab)) + ", " + units.Count(slab) + " B), "
	if object, ok := c.ObjectBytes.Get(); ok {
		text += "each " + units.Count(object) + " B "
		if len(c.Aliases) > 0 {
			text += "at most "
		}
		text += "in a place of " + units.Count(c.SlotBytes) + " B"
		if pad := c.SlotBytes - object; pad > 0 {
			text += ", of which " + units.Count(pad) + " B are alignment and the allocator's own"
		}
	} else {
		text += "each in a place of " + units.Count(c.SlotBytes) + " B"
	}
	text += "; " + units.Count(end) + " B are left at its end. With its share of that an object takes " + units.Count(c.BytesPerObject) + " B."
	d.say(p.Text, text)
	used := max(0, c.Bytes-c.FreeBytes-c.PaddingBytes)
	d.say(p.Text, units.Many(c.Slabs, "slab")+" take "+units.Bytes(c.Bytes)+":")
	for _, part := range []struct {
		name  string
		bytes int64
		pen   draw.Pen
	}{{"active objects", used, p.Bar}, {"free places", c.FreeBytes, p.Warn}, {"padding", c.PaddingBytes, p.Muted}} {
		of := 0.0
		if c.Bytes > 0 {
			of = float64(part.bytes) / float64(c.Bytes)
		}
		d.out = append(d.out, draw.Columns(d.w,
			draw.Cell{Text: "  " + part.name, W: 17}, draw.Cell{Text: units.Bytes(part.bytes), W: 9, Right: true, Pen: p.Strong},
			draw.Cell{Text: units.Percent(of), W: 8, Right: true}, draw.Cell{Text: draw.Bar(part.pen, max(4, d.w-40), of)}))
	}
}

// order is the power of two of a slab's pages.
func order(pages int64) int {
	return bits.Len64(uint64(max(1, pages) - 1))
}

// reclaim says whether memory pressure can free it, and what stands against it.
func (d *cacheDetail) reclaim() {
	c := d.c
	reclaimable, ok := c.Reclaimable.Get()
	d.title("Reclaim")
	switch {
	case !ok:
		d.say(d.p.Text, "Whether it counts as reclaimable is not known.")
		return
	case !reclaimable:
		d.say(d.p.Text, "Not reclaimable: it counts into SUnreclaim, and its memory comes back when the objects are freed.")
		return
	}
	d.say(d.p.Text, "It counts into SReclaimable and so into MemAvailable, whether or not its objects can be freed.")
	for i := range c.ExplainedBy {
		if u := &c.ExplainedBy[i]; u.Pins && u.Objects > 0 {
			d.say(d.p.Warn, units.Count(u.Objects)+" objects are pinned by "+u.For+": "+units.Bytes(u.Bytes)+" ("+string(u.Origin)+").")
		}
	}
	if n, ok := c.PinnedBytes.Get(); ok && n > 0 {
		d.say(d.p.Text, "Of "+units.Bytes(c.Bytes)+", "+units.Bytes(n)+" stay as long as they live. What else pins objects is not known.")
	}
}

func (d *cacheDetail) nodes() {
	d.title("Active objects for each NUMA node")
	if d.c.Slabs == 0 {
		d.say(d.p.Muted, "It has no slabs.")
		return
	}
	if d.c.Nodes == nil {
		d.say(d.p.Muted, "Not read yet, or not to be read: with the next look they are, as long as the cache is on screen.")
		return
	}
	if len(d.c.Nodes) == 0 {
		d.say(d.p.Muted, "No node had any when they were counted.")
		return
	}
	total := int64(0)
	for _, n := range d.c.Nodes {
		total += n.Objects
	}
	for _, n := range d.c.Nodes {
		of := 0.0
		if total > 0 {
			of = float64(n.Objects) / float64(total)
		}
		d.out = append(d.out, draw.Columns(d.w,
			draw.Cell{Text: "  node " + strconv.Itoa(n.Node), W: 12}, draw.Cell{Text: units.Count(n.Objects), W: 14, Right: true, Pen: d.p.Strong},
			draw.Cell{Text: units.Percent(of), W: 8, Right: true}, draw.Cell{Text: draw.Bar(d.p.Bar, max(4, d.w-40), of)}))
	}
}
