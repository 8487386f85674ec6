package nodes

import (
	"slices"
	"strings"

	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/object"
	"github.com/eptop/eptop/internal/ui/draw"
	"github.com/eptop/eptop/internal/ui/view"
	"github.com/eptop/eptop/internal/units"
)

// contents are the lines of a node's meminfo that say what fills it: our name for each, and
// the kernel's. All are bytes.
var contents = []struct{ name, line string }{
	{"in use", "MemUsed"},
	{"programs", "AnonPages"},
	{"  in huge pages", "AnonHugePages"},
	{"files", "FilePages"},
	{"  of it mapped", "Mapped"},
	{"  of it shared", "Shmem"},
	{"  of it unwritten", "Dirty"},
	{"  being written", "Writeback"},
	{"locked", "Mlocked"},
	{"page tables", "PageTables"},
	{"kernel stacks", "KernelStack"},
	{"slab, reclaimable", "SReclaimable"},
	{"slab, unreclaim.", "SUnreclaim"},
}

// elsewhere are lines of meminfo that the card of nodes shows, or that are sums of two rows.
var elsewhere = []string{"MemTotal", "MemFree", "Slab", "Active", "Inactive"}

// networkObjects are the caches whose objects are counted for each node: our name for the
// objects, and the true name of the cache.
var networkObjects = []struct{ name, cache string }{
	{"TCP sockets", object.TCP.Cache},
	{"TCP over IPv6", object.TCPv6.Cache},
	{"UNIX sockets", object.UNIX.Cache},
	{"UNIX streams", object.UNIXStream.Cache},
	{"UDP sockets", object.UDP.Cache},
	{"socket inodes", socketInodes},
	{"open files", object.File.Cache},
	{"epoll watches", object.Epitem.Cache},
}

// contentLines write a column for each node: what fills it, how many objects of sockets and
// epoll it holds, and which share of its allocations other nodes gave or took.
func (v *View) contentLines(w int) []string {
	if len(v.snap.Nodes) == 0 {
		return nil
	}
	m := v.newMatrix(w, true)
	v.memoryRows(m)
	v.objectRows(m)
	v.numastatRows(m)
	return m.done()
}

// memoryRows add the lines of meminfo: those of contents first, then the others that are
// not 0, under the kernel's names.
func (v *View) memoryRows(m *matrix) {
	line := func(name string) func(n model.Node) (int64, bool) {
		return func(n model.Node) (int64, bool) { x, ok := n.Meminfo[name]; return x, ok }
	}
	m.head("memory")
	before := len(m.lines)
	known := slices.Clone(elsewhere)
	for _, c := range contents {
		known = append(known, c.line)
		m.numbers(c.name, v.pens.Text, strings.HasPrefix(c.name, " ") || c.name == "locked", units.Bytes, line(c.line))
	}
	var others []string
	for _, n := range v.snap.Nodes {
		for name := range n.Meminfo {
			if !slices.Contains(known, name) && !slices.Contains(others, name) {
				others = append(others, name)
			}
		}
	}
	slices.Sort(others)
	for _, name := range others {
		write := units.Bytes
		if strings.HasPrefix(name, "HugePages_") { // the only counts
			write = units.Count
		}
		m.numbers(draw.Clean(name), v.pens.Text, true, write, line(name))
	}
	if len(m.lines) == before {
		m.lines = nil
	}
}

func (v *View) objectRows(m *matrix) {
	var shown []*model.Cache
	for _, c := range networkObjects {
		cache := cacheOf(v.snap, c.cache)
		if cache == nil || cache.Nodes == nil || slices.Contains(shown, cache) {
			continue // two names of one cache are one row
		}
		if shown == nil {
			m.head("slab objects")
		}
		shown = append(shown, cache)
		m.numbers(c.name+" "+strings.TrimSpace(atMost), v.pens.Strong, false, units.Count, func(n model.Node) (int64, bool) { return view.ObjectsOnNode(cache, n.ID), true })
	}
}

// numastatRows add the counts of numastat as shares, because the counts since boot are too
// long for a column.
func (v *View) numastatRows(m *matrix) {
	if len(v.snap.Nodes) < 2 || !slices.ContainsFunc(v.snap.Nodes, func(n model.Node) bool { return n.Numastat != nil }) {
		return
	}
	m.head("pages since boot")
	share := func(name string, part, of func(a *model.Numastat) int64) {
		var parts, all int64
		for _, n := range v.snap.Nodes {
			if n.Numastat != nil {
				parts, all = parts+part(n.Numastat), all+of(n.Numastat)
			}
		}
		m.row(name, v.pens.Text, func(n model.Node) string {
			if n.Numastat == nil {
				return "–"
			}
			return percentOf(part(n.Numastat), of(n.Numastat))
		}, percentOf(parts, all))
	}
	here := func(a *model.Numastat) int64 { return a.Hit + a.Miss }
	share("given to far CPUs", func(a *model.Numastat) int64 { return a.Other }, here)
	share("wanted elsewhere", func(a *model.Numastat) int64 { return a.Miss }, here)
	share("refused, too full", func(a *model.Numastat) int64 { return a.Foreign }, func(a *model.Numastat) int64 { return a.Hit + a.Foreign })
}

func percentOf(part, of int64) string {
	if of <= 0 {
		return "–"
	}
	return units.Percent(float64(part) / float64(of))
}

// cacheOf returns the cache that holds the objects of a true name, nil where there is none.
func cacheOf(s *model.Snapshot, name string) *model.Cache {
	for i := range s.Slab {
		c := &s.Slab[i]
		if c.Name == name || slices.Contains(c.Aliases, name) {
			return c
		}
	}
	return nil
}
