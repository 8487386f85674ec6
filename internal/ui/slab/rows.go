package slab

import (
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

// row is a cache in the table.
type row struct {
	snap   *model.Snapshot
	cache  *model.Cache
	change count   // since the mark
	swing  float64 // how far it went up and down, as a share of the highest; -1 without a history
}

// newRows are the caches of a snapshot that are wanted, as rows.
func newRows(s *model.Snapshot, since *mark, wanted func(*model.Cache) bool) *table.List[*row] {
	var rows []*row
	for i := range s.Slab {
		c := &s.Slab[i]
		if !wanted(c) {
			continue
		}
		r := &row{snap: s, cache: c, change: since.change(c), swing: -1}
		if len(c.History) > 0 {
			lo, hi := slices.Min(c.History), slices.Max(c.History)
			r.swing = float64(hi-lo) / float64(max(1, hi))
		}
		rows = append(rows, r)
	}
	return &table.List[*row]{
		Fields: fields(len(s.Nodes)), Count: len(rows), At: func(i int) *row { return rows[i] },
		KeyOf:  func(r *row) table.Key { return table.Key{Text: r.cache.Name} },
		Search: appendNames,
	}
}

// appendNames appends all names of a cache.
func appendNames(dst []byte, r *row) []byte {
	dst = append(dst, r.cache.Name...)
	for _, a := range r.cache.Aliases {
		dst = append(append(dst, ' '), a...)
	}
	return dst
}

func historyCell(c *model.Cache) table.Cell {
	if len(c.History) == 0 {
		return table.Cell{Role: table.Accent}
	}
	points, lo, hi := view.ChartPoints(c.History)
	return table.Cell{Text: draw.Spark(draw.Pen{}, sparkCells, points, lo, hi), Role: table.Accent}
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

func rateCell(c *model.Cache) table.Cell {
	growth, ok := c.Growth.Get()
	switch rate := growth.ObjectsPerSecond; {
	case !ok:
		return table.Cell{Text: "–", Role: table.Muted}
	case rate > 0:
		return table.Cell{Text: perSecond(rate), Role: table.Warn}
	case rate < 0:
		return table.Cell{Text: perSecond(rate), Role: table.Good}
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
