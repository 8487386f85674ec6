package slab

import (
	"cmp"

	"github.com/eptop/eptop/internal/ui/cell"
	"github.com/eptop/eptop/internal/ui/table"
	"github.com/eptop/eptop/internal/units"
)

// sparkCells is the width of a sparkline.
const sparkCells = 12

// by orders rows by a value.
func by[T cmp.Ordered](value func(*row) T) func(a, b *row) int {
	return func(a, b *row) int { return cmp.Compare(value(a), value(b)) }
}

// Titles of columns that the view asks for by name.
const (
	nameTitle   = "CACHE"
	bytesTitle  = "BYTES"
	byNodeTitle = "OBJECTS BY NODE"
)

// fields are slabtop's columns and those it has not.
func fields(nodes int) []table.Field[*row] {
	byActive := by(func(r *row) int64 { return r.cache.Active })
	fields := []table.Field[*row]{
		{
			Column: table.Column{Title: nameTitle, Min: 30, Max: 60, Weight: 4,
				Explain: "The cache as /proc/slabinfo names it, and behind = the caches that SLUB merged into it (the links in /sys/kernel/slab): they share its objects, and slabinfo does not say whose an object is. Those that concern sockets and epoll come first; +n counts the others. Enter tells all names. slab_nomerge on the kernel command line turns merging off."},
			Show: func(r *row) table.Cell { return table.Cell{Text: cacheName(r.cache), Role: table.Strong} }, Compare: by(func(r *row) string { return r.cache.Name }),
		},
		{
			Column: table.Column{Title: "OBJECTS", Min: 10, Align: cell.Right, Rank: 8, Falling: true,
				Explain: "<num_objs> of /proc/slabinfo (slabinfo_show in mm/slab_common.c): places for objects in all slabs of the cache, free ones too. slabtop's OBJS."},
			Show: func(r *row) table.Cell { return table.Cell{Text: units.Count(r.cache.Objects)} }, Compare: by(func(r *row) int64 { return r.cache.Objects }),
		},
		{
			Column: table.Column{Title: "ACTIVE", Min: 9, Align: cell.Right, Rank: 2, Falling: true,
				Explain: "<active_objs>: objects in use. SLUB counts every object on a per-CPU slab as active, so this is too high by up to some slabs for each CPU, and 100 % in use is normal."},
			Show: func(r *row) table.Cell { return table.Cell{Text: units.Count(r.cache.Active)} }, Compare: byActive,
		},
		{
			Column: table.Column{Title: "USE", Min: 5, Align: cell.Right, Rank: 9, Falling: true,
				Explain: "Active over all objects. Low use of a large cache is fragmentation: slabs that a few objects keep alive."},
			Show: func(r *row) table.Cell { return useCell(r.cache) }, Compare: by(func(r *row) float64 { return float64(r.cache.Active) / float64(max(1, r.cache.Objects)) }),
		},
		{
			Column: table.Column{Title: "KNOWN", Min: 6, Align: cell.Right, Rank: 4, Falling: true,
				Explain: "The share of ACTIVE of which eptop knows whose it is, because it counted the things that need it: watches, sockets, bind buckets, open files. The rest are caches that share the line, free objects on per-CPU slabs (most of a small cache), and what was not seen. The counts are of another moment than slabinfo, so this can pass 100 %. Enter tells which, whether each is measured or derived, and what it leaves out."},
			Show: func(r *row) table.Cell { return knownCell(r.cache) }, Compare: by(func(r *row) float64 { return knownRank(r.cache) }),
		},
		{
			Column: table.Column{Title: "SIZE", Min: 6, Align: cell.Right, Rank: 12, Falling: true,
				Explain: "<objsize>: bytes from one object to the next in a slab, alignment and debug fields included. sizeof the structure may be less. slabtop's OBJ SIZE."},
			Show: func(r *row) table.Cell { return table.Cell{Text: units.Count(r.cache.SlotBytes), Role: table.Muted} }, Compare: by(func(r *row) int64 { return r.cache.SlotBytes }),
		},
		{
			Column: table.Column{Title: "EACH", Min: 6, Align: cell.Right, Rank: 5, Falling: true,
				Explain: "Bytes an object takes with its share of the slab's unused end: pages of a slab over objects in it. This is what one more object costs once slabs are full."},
			Show: func(r *row) table.Cell { return table.Cell{Text: units.Count(r.cache.BytesPerObject)} }, Compare: by(func(r *row) int64 { return r.cache.BytesPerObject }),
		},
		{
			Column: table.Column{Title: "O/SLAB", Min: 6, Align: cell.Right, Rank: 15, Falling: true,
				Explain: "<objperslab>: objects that fit into one slab."},
			Show: func(r *row) table.Cell { return table.Cell{Text: units.Count(r.cache.ObjsPerSlab), Role: table.Muted} }, Compare: by(func(r *row) int64 { return r.cache.ObjsPerSlab }),
		},
		{
			Column: table.Column{Title: "P/SLAB", Min: 6, Align: cell.Right, Rank: 16, Falling: true,
				Explain: "<pagesperslab>: pages of one slab, 2 to the power of its order. Where memory is fragmented the kernel falls back to smaller slabs."},
			Show: func(r *row) table.Cell { return table.Cell{Text: units.Count(r.cache.PagesPerSlab), Role: table.Muted} }, Compare: by(func(r *row) int64 { return r.cache.PagesPerSlab }),
		},
		{
			Column: table.Column{Title: "SLABS", Min: 7, Align: cell.Right, Rank: 14, Falling: true,
				Explain: "<num_slabs>: slabs of this cache, each of <pagesperslab> pages. A slab is freed only when its last object is."},
			Show: func(r *row) table.Cell { return table.Cell{Text: units.Count(r.cache.Slabs)} }, Compare: by(func(r *row) int64 { return r.cache.Slabs }),
		},
		{
			Column: table.Column{Title: "ACT SLABS", Min: 9, Align: cell.Right, Rank: 17, Falling: true,
				Explain: "<active_slabs>: slabs with an object in use. SLUB prints the number of all slabs here."},
			Show: func(r *row) table.Cell { return table.Cell{Text: units.Count(r.cache.ActiveSlabs), Role: table.Muted} }, Compare: by(func(r *row) int64 { return r.cache.ActiveSlabs }),
		},
		{
			Column: table.Column{Title: "FREE", Min: 8, Align: cell.Right, Rank: 6, Falling: true,
				Explain: "Bytes in places for objects that hold no active one: new objects go there before the cache grows. Free objects on per-CPU slabs count as active, so there is more."},
			Show: func(r *row) table.Cell { return table.Cell{Text: units.Bytes(r.cache.FreeBytes)} }, Compare: by(func(r *row) int64 { return r.cache.FreeBytes }),
		},
		{
			Column: table.Column{Title: "PADDING", Min: 8, Align: cell.Right, Rank: 7, Falling: true,
				Explain: "Bytes that can hold no object: the ends of slabs too short for one more, and in the places of active objects what is beyond the size that the cache's creator asked for (object_size in /sys/kernel/slab; alignment and the allocator's own fields). Of a merged cache that is the largest of all sizes, so there is more. FREE and PADDING together are the slab bytes that no object uses."},
			Show: func(r *row) table.Cell { return table.Cell{Text: units.Bytes(r.cache.PaddingBytes)} }, Compare: by(func(r *row) int64 { return r.cache.PaddingBytes }),
		},
		{
			Column: table.Column{Title: bytesTitle, Min: 8, Align: cell.Right, Falling: true,
				Explain: "Slabs times their pages: what the cache takes of memory, used or not. slabtop's CACHE SIZE."},
			Show: func(r *row) table.Cell { return table.Cell{Text: units.Bytes(r.cache.Bytes), Role: table.Strong} }, Compare: by(func(r *row) int64 { return r.cache.Bytes }),
		},
		{
			Column: table.Column{Title: "CHANGE", Min: 9, Align: cell.Right, Rank: 1, Falling: true,
				Explain: "BYTES now less BYTES at the mark: m sets it, at first it is eptop's first look. Memory comes and goes in whole slabs."},
			Show: func(r *row) table.Cell { return changeCell(r.change.bytes, units.Bytes) }, Compare: by(func(r *row) int64 { return r.change.bytes }),
		},
		{
			Column: table.Column{Title: "RATE", Min: 8, Align: cell.Right, Rank: 10, Falling: true,
				Explain: "By how many ACTIVE objects the cache grew in a second, over the last 10 s or, with a longer interval, since the look before. Of a merged cache it counts everybody's objects."},
			Show: func(r *row) table.Cell { return rateCell(r.cache) }, Compare: by(func(r *row) float64 { return r.cache.Growth.Value.ObjectsPerSecond }),
		},
		{
			Column: table.Column{Title: "NEW OBJ", Min: 9, Align: cell.Right, Rank: 13, Falling: true,
				Explain: "ACTIVE now less ACTIVE at the mark: what was made and not freed since. Of a merged cache it counts everybody's objects."},
			Show: func(r *row) table.Cell { return changeCell(r.change.active, units.Count) }, Compare: by(func(r *row) int64 { return r.change.active }),
		},
		{
			Column: table.Column{Title: "HISTORY", Min: sparkCells, Rank: 3, Falling: true,
				Explain: "ACTIVE at the last 300 looks, the newest on the right; a column is the highest of the looks it stands for. It is drawn from the lowest to the highest, but a change of less than a hundredth lies flat. It begins with eptop's first look. Sorting by it sorts by how far it went up and down."},
			Show: func(r *row) table.Cell { return historyCell(r.cache) }, Compare: by(func(r *row) float64 { return r.swing }),
		},
		{
			Column: table.Column{Title: "RECLAIM", Min: 14, Rank: 11, Falling: true,
				Explain: "yes: the cache was made with SLAB_RECLAIM_ACCOUNT (reclaim_account in /sys/kernel/slab), counts into SReclaimable and so into MemAvailable. Of sock_inode_cache and dentry that is a promise the kernel cannot keep while the sockets are open: % pinned is the share of BYTES whose objects belong to open sockets and epoll instances that eptop counted; ≥, for other things pin objects too."},
			Show: func(r *row) table.Cell { return reclaimCell(r.cache) }, Compare: by(func(r *row) int64 { return reclaimRank(r.cache) }),
		},
	}
	if nodes > 1 {
		fields = append(fields, table.Field[*row]{
			Column: table.Column{Title: byNodeTitle, Min: 9 * min(nodes, 8), Rank: 5,
				Explain: "Objects on each NUMA node, node 0 first (/sys/kernel/slab/NAME/objects, root only), read every 5 s of the caches on screen. It is the node of the slab's pages, not of whoever uses the object."},
			Show: func(r *row) table.Cell { return table.Cell{Text: byNode(r.snap, r.cache)} }, Compare: byActive,
		})
	}
	return fields
}
