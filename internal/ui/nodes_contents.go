package ui

import (
	"slices"
	"strconv"

	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/ui/draw"
	"github.com/eptop/eptop/internal/units"
)

// contents are zoneinfo's per-node statistics that say what fills a node, in
// pages; each row is the sum of its counters.
var contents = []struct {
	name     string
	counters []string
}{
	{"programs", []string{"nr_active_anon", "nr_inactive_anon"}},
	{"file cache", []string{"nr_active_file", "nr_inactive_file"}},
	{"page tables", []string{"nr_page_table_pages"}},
	{"slab, reclaimable", []string{"nr_slab_reclaimable"}},
	{"slab, not", []string{"nr_slab_unreclaimable"}},
}

// placed are the caches whose objects are counted for each node: what they are
// to a person, and the true name of the cache.
var placed = []struct{ name, cache string }{
	{"TCP sockets", "TCP"},
	{"TCP sockets, IPv6", "TCPv6"},
	{"socket inodes", "sock_inode_cache"},
	{"open files", "filp"},
	{"epoll watches", "eventpoll_epi"},
}

// contentLines is a column for each node: what fills it, and how many objects
// of sockets and epoll it holds.
func (v *nodes) contentLines(w int) []string {
	const cellW = 10
	p, ns := v.pens, v.snap.Nodes
	fits := max(1, (w-18)/cellW)
	row := func(name string, pen draw.Pen, cell func(n model.Node) (string, bool)) (string, bool) {
		line, any := p.Text.Ink(draw.Fit(name, min(w, 18))), false
		for i, n := range ns {
			text, ok := cell(n)
			if any = any || ok; i < fits {
				line += pen.Ink(draw.FitRight(text, cellW))
			}
		}
		return line, any
	}
	var lines []string
	add := func(line string, any bool) {
		if any {
			lines = append(lines, line)
		}
	}
	for _, c := range contents {
		add(row(c.name, p.Text, func(n model.Node) (string, bool) { return v.statBytes(n, c.counters) }))
	}
	for _, c := range placed {
		cache, merged := cacheOf(v.snap, c.cache)
		name := c.name
		if merged {
			name += " ≤" // others' objects are in the count
		}
		add(row(name, p.Strong, func(n model.Node) (string, bool) { return objectsOn(cache, n.ID) }))
	}
	if len(lines) == 0 {
		return nil
	}
	head, _ := row("", p.Header, func(n model.Node) (string, bool) { return "node " + strconv.Itoa(n.ID), true })
	lines = append([]string{head}, lines...)
	if len(ns) > fits {
		lines = append(lines, p.Muted.Ink(draw.Fit(units.Many(int64(len(ns)-fits), "node")+" more: on a wider screen", w)))
	}
	return lines
}

func (v *nodes) statBytes(n model.Node, counters []string) (string, bool) {
	sum := int64(0)
	for _, name := range counters {
		pages, ok := n.Stats[name]
		if !ok {
			return "–", false
		}
		sum += pages
	}
	return v.pages(sum), true
}

// cacheOf finds the cache that counts the objects of a true name, and whether
// others are counted with them.
func cacheOf(s *model.Snapshot, name string) (c *model.Cache, merged bool) {
	for i := range s.Slab {
		c := &s.Slab[i]
		if c.Name == name || slices.Contains(c.Aliases, name) {
			return c, len(c.Aliases) > 0
		}
	}
	return nil, false
}

func objectsOn(c *model.Cache, node int) (string, bool) {
	if c == nil || len(c.Nodes) == 0 {
		return "–", false
	}
	for _, n := range c.Nodes {
		if n.Node == node {
			return units.Count(n.Objects), true
		}
	}
	return "0", true
}
