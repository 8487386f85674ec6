package slab

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/object"
	"github.com/eptop/eptop/internal/ui/cell"
	"github.com/eptop/eptop/internal/ui/draw"
	"github.com/eptop/eptop/internal/ui/table"
	"github.com/eptop/eptop/internal/ui/view"
	"github.com/eptop/eptop/internal/units"
)

// slabRows are the caches of a snapshot, all or some, as rows. They are sorted in the
// background where there are many, so what Compare reads does not change.
type slabRows struct {
	snap    *model.Snapshot
	use     []int        // which of snap.Slab
	changes []slabChange // beside use
	past    *slabPast
}

// slabChange is how a cache changed.
type slabChange struct {
	bytes, objects int64   // since the mark
	rate           float64 // active objects a second
	rated          bool
	swing          float64 // how far it went up and down, by its share of the highest; -1 without a history
}

func newSlabRows(s *model.Snapshot, past *slabPast, wanted func(*model.Cache) bool) *slabRows {
	r := &slabRows{snap: s, past: past}
	for i := range s.Slab {
		c := &s.Slab[i]
		if !wanted(c) {
			continue
		}
		change := slabChange{swing: -1}
		change.bytes, change.objects = past.change(c)
		change.rate, _, change.rated = past.rate(c)
		if active, _ := past.history(c); len(active) > 0 {
			lo, hi := slices.Min(active), slices.Max(active)
			change.swing = (hi - lo) / max(1, hi)
		}
		r.use, r.changes = append(r.use, i), append(r.changes, change)
	}
	return r
}

func (r slabRows) cache(i int) *model.Cache { return &r.snap.Slab[r.use[i]] }

func (r slabRows) Len() int { return len(r.use) }

func (r slabRows) Key(i int) table.Key { return table.Key{Text: r.cache(i).Name} }

func (r slabRows) Row(i int, dst []table.Cell) {
	c := r.cache(i)
	dst[slabName] = table.Cell{Text: cacheName(c), Role: table.Strong}
	dst[slabObjects] = table.Cell{Text: units.Count(c.Objects)}
	dst[slabActive] = table.Cell{Text: units.Count(c.Active)}
	dst[slabUse] = useCell(c)
	dst[slabKnown] = knownCell(c)
	dst[slabSize] = table.Cell{Text: units.Count(c.SlotBytes), Role: table.Muted}
	dst[slabEach] = table.Cell{Text: units.Count(c.BytesPerObject)}
	dst[slabPerSlab] = table.Cell{Text: units.Count(c.ObjsPerSlab), Role: table.Muted}
	dst[slabPages] = table.Cell{Text: units.Count(c.PagesPerSlab), Role: table.Muted}
	dst[slabSlabs] = table.Cell{Text: units.Count(c.Slabs)}
	dst[slabActiveSlabs] = table.Cell{Text: units.Count(c.ActiveSlabs), Role: table.Muted}
	dst[slabFree] = table.Cell{Text: units.Bytes(c.FreeBytes)}
	dst[slabPadding] = table.Cell{Text: units.Bytes(c.PaddingBytes)}
	dst[slabTotal] = table.Cell{Text: units.Bytes(c.Bytes), Role: table.Strong}
	dst[slabChanged] = changeCell(r.changes[i].bytes, units.Bytes)
	dst[slabNewObjects] = changeCell(r.changes[i].objects, units.Count)
	dst[slabRate] = rateCell(&r.changes[i])
	active, _ := r.past.history(c)
	lo, hi := view.ChartRange(active)
	dst[slabHistory] = table.Cell{Role: table.Accent}
	if len(active) > 0 {
		dst[slabHistory].Text = draw.Spark(draw.Pen{}, sparkCells, active, lo, hi)
	}
	dst[slabReclaim] = reclaimCell(c)
	if len(dst) > slabByNode {
		dst[slabByNode] = table.Cell{Text: byNode(r.snap, c)}
	}
}

func changeCell(n int64, write func(int64) string) table.Cell {
	switch {
	case n == 0:
		return table.Cell{Text: "·", Role: table.Muted}
	case n > 0:
		return table.Cell{Text: signed(n, write), Role: table.Warn}
	}
	return table.Cell{Text: write(n), Role: table.Good}
}

func rateCell(c *slabChange) table.Cell {
	switch {
	case !c.rated:
		return table.Cell{Text: "–", Role: table.Muted}
	case c.rate > 0:
		return table.Cell{Text: perSecond(c.rate), Role: table.Warn}
	case c.rate < 0:
		return table.Cell{Text: perSecond(c.rate), Role: table.Good}
	}
	return table.Cell{Text: "·", Role: table.Muted}
}

func useCell(c *model.Cache) table.Cell {
	if c.Objects <= 0 {
		return table.Cell{Text: "–", Role: table.Muted}
	}
	share := int(c.Active * 100 / c.Objects)
	text := strconv.Itoa(share) + " %"
	// A few free places in a small cache are nothing to look at.
	if share < 50 && c.FreeBytes > 1_000_000 {
		return table.Cell{Text: text, Role: table.Warn}
	}
	return table.Cell{Text: text}
}

func knownCell(c *model.Cache) table.Cell {
	explained, ok := c.Explained()
	switch {
	case !ok:
		return table.Cell{Text: "–", Role: table.Muted}
	case explained > c.Active:
		return table.Cell{Text: ">100 %"}
	case c.Active == 0:
		return table.Cell{Text: "·", Role: table.Muted}
	case explained == 0:
		return table.Cell{Text: "0 %", Role: table.Muted}
	}
	return table.Cell{Text: strconv.FormatInt(max(1, explained*100/c.Active), 10) + " %"}
}

// pinnedPercent is the share of a cache's bytes that is known to be pinned.
func pinnedPercent(c *model.Cache) int64 {
	if c.Bytes <= 0 {
		return 0
	}
	return int64(100 * float64(c.PinnedBytes.Value) / float64(c.Bytes))
}

func reclaimCell(c *model.Cache) table.Cell {
	reclaimable, ok := c.Reclaimable.Get()
	pinned := pinnedPercent(c)
	switch {
	case !ok:
		return table.Cell{Text: "–", Role: table.Muted}
	case !reclaimable:
		return table.Cell{Text: "no", Role: table.Muted}
	case pinned == 0:
		return table.Cell{Text: "yes"}
	}
	text := "≥ " + strconv.FormatInt(pinned, 10) + " % pinned" // by what eptop counts
	if pinned >= 50 {
		return table.Cell{Text: text, Role: table.Warn}
	}
	return table.Cell{Text: text}
}

// byNode is a cache's objects on each node, in columns of their own.
func byNode(s *model.Snapshot, c *model.Cache) string {
	if c.Nodes == nil {
		return "–"
	}
	var b strings.Builder
	for i, n := range s.Nodes {
		text := units.Count(view.ObjectsOnNode(c, n.ID))
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(cell.Fit(text, 8, cell.Right))
	}
	return b.String()
}

// cacheName is a cache's name, then the merged ones that concern sockets and
// epoll, then how many others there are.
func cacheName(c *model.Cache) string {
	if len(c.Aliases) == 0 {
		return c.Name
	}
	text, others := c.Name, 0
	sep := " = "
	for _, a := range c.Aliases {
		if !object.IsNetwork(a) {
			others++
			continue
		}
		text += sep + a
		sep = " "
	}
	if others > 0 {
		text += " +" + strconv.Itoa(others)
	}
	return text
}

func (r slabRows) Compare(column, i, j int) int {
	a, b := r.cache(i), r.cache(j)
	by := func(value func(*model.Cache) int64) int { return cmp.Compare(value(a), value(b)) }
	byShare := func(value func(*model.Cache) float64) int { return cmp.Compare(value(a), value(b)) }
	switch column {
	case slabName:
		return cmp.Compare(a.Name, b.Name)
	case slabObjects:
		return by(func(c *model.Cache) int64 { return c.Objects })
	case slabActive, slabByNode:
		return by(func(c *model.Cache) int64 { return c.Active })
	case slabUse:
		return byShare(func(c *model.Cache) float64 { return float64(c.Active) / float64(max(1, c.Objects)) })
	case slabKnown:
		return byShare(knownRank)
	case slabSize:
		return by(func(c *model.Cache) int64 { return c.SlotBytes })
	case slabEach:
		return by(func(c *model.Cache) int64 { return c.BytesPerObject })
	case slabPerSlab:
		return by(func(c *model.Cache) int64 { return c.ObjsPerSlab })
	case slabPages:
		return by(func(c *model.Cache) int64 { return c.PagesPerSlab })
	case slabSlabs:
		return by(func(c *model.Cache) int64 { return c.Slabs })
	case slabActiveSlabs:
		return by(func(c *model.Cache) int64 { return c.ActiveSlabs })
	case slabFree:
		return by(func(c *model.Cache) int64 { return c.FreeBytes })
	case slabPadding:
		return by(func(c *model.Cache) int64 { return c.PaddingBytes })
	case slabChanged:
		return cmp.Compare(r.changes[i].bytes, r.changes[j].bytes)
	case slabNewObjects:
		return cmp.Compare(r.changes[i].objects, r.changes[j].objects)
	case slabRate:
		return cmp.Compare(r.changes[i].rate, r.changes[j].rate)
	case slabHistory:
		return cmp.Compare(r.changes[i].swing, r.changes[j].swing)
	case slabReclaim:
		return by(reclaimRank)
	}
	return by(func(c *model.Cache) int64 { return c.Bytes })
}

func knownRank(c *model.Cache) float64 {
	explained, ok := c.Explained()
	if !ok {
		return -1
	}
	return float64(explained) / float64(max(1, c.Active))
}

func reclaimRank(c *model.Cache) int64 {
	rec, ok := c.Reclaimable.Get()
	switch {
	case !ok:
		return 0
	case rec:
		return 2 + pinnedPercent(c)
	}
	return 1
}

func (r slabRows) AppendText(dst []byte, i int) []byte {
	c := r.cache(i)
	dst = append(dst, c.Name...)
	for _, a := range c.Aliases {
		dst = append(append(dst, ' '), a...)
	}
	return dst
}
