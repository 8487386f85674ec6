package nodes

import (
	"strconv"

	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/object"
	"github.com/eptop/eptop/internal/ui/draw"
	"github.com/eptop/eptop/internal/ui/view"
	"github.com/eptop/eptop/internal/units"
)

// nodeColumns are the widths of the columns of the table of nodes; 0 leaves a column out.
type nodeColumns struct {
	cpus, bar, slab, sockets int
}

// The widths of the columns that are always shown, with the blank before each.
const (
	nodeNumberW = 4
	nodeUsedW   = 7
	nodeOfW     = 8
	nodeFreeW   = 8
	nodeFixedW  = nodeNumberW + nodeUsedW + nodeOfW + nodeFreeW + 3
)

func (v *View) nodeColumns(w int) nodeColumns {
	c := nodeColumns{cpus: len("CPUs")}
	for _, n := range v.snap.Nodes {
		c.cpus = max(c.cpus, len(cpusOf(n)))
	}
	c.cpus = min(c.cpus, max(6, w/5))
	rest := w - nodeFixedW - c.cpus - 2
	const least = 10 // of the bar
	if rest >= least+9 {
		c.slab, rest = 8, rest-9
	}
	if inodes := cacheOf(v.snap, socketInodes); inodes != nil && inodes.Nodes != nil && rest >= least+18 {
		c.sockets, rest = 17, rest-18
	}
	c.bar = max(1, rest)
	return c
}

// nodeLines write a line with a bar for each node, and then in words what the bars do not
// show.
func (v *View) nodeLines(w int) []string {
	p := v.pens
	if len(v.snap.Nodes) == 0 {
		return draw.Wrap(view.Absence(v.snap, "nodes", "This kernel shows no NUMA nodes: all memory is one pool, equally far from every CPU."), w)
	}
	col := v.nodeColumns(w)
	head := []draw.Cell{
		{Text: "node", W: nodeNumberW, Right: true}, {Text: "CPUs", W: col.cpus}, {Text: "memory in use", W: col.bar}, {Text: "used", W: nodeUsedW, Right: true},
		{Text: "of", W: nodeOfW, Right: true}, {Text: "free", W: nodeFreeW, Right: true},
	}
	if col.slab > 0 {
		head = append(head, draw.Cell{Text: "slab", W: col.slab, Right: true})
	}
	if col.sockets > 0 {
		head = append(head, draw.Cell{Text: "sockets", W: col.sockets, Right: true})
	}
	for i := range head {
		head[i].Pen = p.Header
	}
	lines := []string{draw.Columns(w, head...)}
	for _, n := range v.snap.Nodes {
		lines = append(lines, v.nodeLine(w, col, n))
	}
	if legend := v.stackLegend(); legend != "" && w >= 40 {
		lines = append(lines, draw.Fit(draw.Spaces(nodeNumberW+1+col.cpus+1)+legend, w))
	}
	for _, s := range v.words() {
		lines = append(lines, draw.Wrap(s, w)...)
	}
	return lines
}

func (v *View) nodeLine(w int, col nodeColumns, n model.Node) string {
	p := v.pens
	cells := []draw.Cell{{Text: strconv.Itoa(n.ID), W: nodeNumberW, Right: true, Pen: p.Strong}, {Text: cpusOf(n), W: col.cpus}}
	total, okTotal := n.MemTotalBytes.Get()
	free, okFree := n.MemFreeBytes.Get()
	switch {
	case !okTotal || !okFree:
		return draw.Columns(w, append(cells, draw.Cell{Text: "its memory could not be read", Pen: p.Muted})...)
	case total == 0:
		return draw.Columns(w, append(cells, draw.Cell{Text: "no memory of its own", Pen: p.Warn})...)
	}
	share := 1 - float64(free)/float64(total)
	bar := p.Gauge(p.Bar, col.bar, share)
	if parts := v.stack(n); parts != nil {
		bar = p.Stack(col.bar, parts...)
	}
	cells = append(cells,
		draw.Cell{Text: bar, W: col.bar},
		draw.Cell{Text: units.Percent(share), W: nodeUsedW, Right: true},
		draw.Cell{Text: units.Bytes(total), W: nodeOfW, Right: true, Pen: p.Muted},
		draw.Cell{Text: units.Bytes(free), W: nodeFreeW, Right: true, Pen: p.Strong},
	)
	if col.slab > 0 {
		rec, unrec := n.SlabReclaimableBytes, n.SlabUnreclaimableBytes
		sum := maybe.Of[int64]{Value: rec.Value + unrec.Value, Known: rec.Known && unrec.Known}
		cells = append(cells, draw.Cell{Text: view.BytesOrDash(sum), W: col.slab, Right: true})
	}
	if col.sockets > 0 {
		cells = append(cells, draw.Cell{Text: v.socketsOn(n.ID), W: col.sockets, Right: true})
	}
	return draw.Columns(w, cells...)
}

// socketInodes is the cache that has one object for each open socket. It has a constructor,
// so SLUB merges no other cache with it.
var socketInodes = object.SocketInode.Cache

// atMost stands before a number of objects on a node: free objects of the slabs that CPUs
// have at hand count as in use (get_partial_node in mm/slub.c takes such a slab from the
// list by which the kernel subtracts).
const atMost = "≤ "

// socketsOn writes how many socket inodes are on a node at most, and their share of all:
// "≤ 1 234  12.0 %". On a machine with one node it writes the number alone.
func (v *View) socketsOn(node int) string {
	cache := cacheOf(v.snap, socketInodes)
	here, all := view.ObjectsOnNode(cache, node), int64(0)
	for _, n := range cache.Nodes {
		all += n.Objects
	}
	if all == 0 || len(v.snap.Nodes) == 1 {
		return atMost + units.Count(here)
	}
	return atMost + units.Count(here) + draw.FitRight(units.Percent(float64(here)/float64(all)), 8)
}

// fillings are the slices of a node's bar: what uses its memory, by the lines of its
// meminfo. The rest of the used memory is the kernel's own and everything else.
var fillings = []struct {
	name, glyph string
	lines       []string
}{
	{"programs", "█", []string{"AnonPages"}},
	{"files", "▓", []string{"FilePages"}},
	{"slab", "▒", []string{"SReclaimable", "SUnreclaim"}},
}

const otherGlyph = "▚"

// stack returns the slices of a node's bar, or nil where the kernel does not report all of
// them.
func (v *View) stack(n model.Node) []draw.Slice {
	total := float64(n.MemTotalBytes.Value)
	other := total - float64(n.MemFreeBytes.Value)
	pens := []draw.Pen{v.pens.Bar, v.pens.Good, v.pens.Warn}
	var out []draw.Slice
	for i, f := range fillings {
		sum := int64(0)
		for _, line := range f.lines {
			b, ok := n.Meminfo[line]
			if !ok {
				return nil
			}
			sum += b
		}
		other -= float64(sum)
		out = append(out, draw.Slice{Pen: pens[i], Glyph: f.glyph, Share: float64(sum) / total})
	}
	return append(out, draw.Slice{Pen: v.pens.Muted, Glyph: otherGlyph, Share: other / total})
}

// stackLegend names the slices. It is empty where no node has any.
func (v *View) stackLegend() string {
	for _, n := range v.snap.Nodes {
		parts := v.stack(n)
		if parts == nil || n.MemTotalBytes.Value <= 0 {
			continue
		}
		legend := ""
		for i, s := range parts {
			name := "other"
			if i < len(fillings) {
				name = fillings[i].name
			}
			legend += s.Pen.Ink(s.Glyph) + v.pens.Muted.Ink(" "+name+"  ")
		}
		return legend + v.pens.BarRest.Ink("░") + v.pens.Muted.Ink(" free")
	}
	return ""
}

func cpusOf(n model.Node) string {
	cpus, ok := n.CPUs.Get()
	switch {
	case !ok:
		return "?"
	case cpus == "":
		return "none"
	}
	return draw.Clean(cpus)
}
