package slab

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/eptop/eptop/internal/kernfile"
)

// NodeObjects is the part of a cache that lies in the memory of one NUMA node.
type NodeObjects struct {
	// Node is the node's number.
	Node int
	// Objs are the objects in use there (the attribute objects): those of all
	// slabs less the free ones of partial slabs, counted exactly. Free objects
	// on per-CPU slabs count, as in Cache.ActiveObjs.
	Objs uint64
	// Slabs are the slabs that lie there (the attribute slabs). A node that has
	// slabs but no object in use is listed with Objs 0.
	Slabs uint64
}

// ReadNodes reads the objects for each NUMA node of the named caches, which
// may be aliases; names served by one cache share its numbers. It needs root
// and a kernel with CONFIG_SLUB_DEBUG. A kernel without CONFIG_NUMA has all on
// node 0. A name that the kernel does not have is not in the map. Caches that
// cannot be read are not in the map either, and the error says why, joined
// (fs.ErrNotExist where the kernel has no such attribute).
//
// The kernel walks the list of partial slabs under its lock with interrupts
// off (count_partial() in mm/slub.c): read it for the few caches that are
// looked at, and not often.
func (f *FS) ReadNodes(names []string) (map[string][]NodeObjects, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	known, err := f.freshNames(nil)
	if err != nil {
		return nil, err
	}
	out := make(map[string][]NodeObjects, len(names))
	read := make(map[string][]NodeObjects, len(names))
	var errs []error
	for _, name := range names {
		id, ok := known.ids[name]
		if !ok {
			continue
		}
		nodes, done := read[id]
		if !done {
			nodes, err = f.readNodes(id)
			if errors.Is(err, fs.ErrPermission) {
				return nil, err
			}
			if err != nil {
				errs = append(errs, err)
			}
			read[id] = nodes
		}
		if nodes != nil {
			out[name] = nodes
		}
	}
	return out, errors.Join(errs...)
}

// readNodes returns a slice that is not nil when err is nil.
func (f *FS) readNodes(id string) ([]NodeObjects, error) {
	nodes := []NodeObjects{}
	for _, w := range []struct {
		file string
		to   func(*NodeObjects) *uint64
	}{
		{"slabs", func(n *NodeObjects) *uint64 { return &n.Slabs }},
		{"objects", func(n *NodeObjects) *uint64 { return &n.Objs }},
	} {
		path := filepath.Join(f.slab, id, w.file)
		var err error
		f.small, err = kernfile.Read(path, f.small)
		if err != nil {
			return nil, err
		}
		counts, err := parseNodeCounts(f.small)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		for _, c := range counts {
			*w.to(nodeOf(&nodes, c.node)) = c.count
		}
	}
	return nodes, nil
}

// nodeOf returns the entry of a node, which it adds in the order of nodes.
func nodeOf(nodes *[]NodeObjects, node int) *NodeObjects {
	i := 0
	for i < len(*nodes) && (*nodes)[i].Node < node {
		i++
	}
	if i == len(*nodes) || (*nodes)[i].Node != node {
		*nodes = append(*nodes, NodeObjects{})
		copy((*nodes)[i+1:], (*nodes)[i:])
		(*nodes)[i] = NodeObjects{Node: node}
	}
	return &(*nodes)[i]
}

// maxNode is the highest number of a node: no kernel has more than 1024
// (CONFIG_NODES_SHIFT is 10 at most).
const maxNode = 1<<10 - 1

type nodeCount struct {
	node  int
	count uint64
}

// parseNodeCounts parses what show_slab_objects() in mm/slub.c prints: the sum
// and, where it is not 0, the part of each node ("152022 N0=152000 N3=22\n").
func parseNodeCounts(b []byte) ([]nodeCount, error) {
	bad := func(why string) error {
		return fmt.Errorf("%w: %s: %q", ErrMalformed, why, b[:min(len(b), maxQuote)])
	}
	line, whole := kernfile.Line(b)
	if !whole {
		return nil, bad("cut before its newline")
	}
	first, rest := cutField(line)
	total, why := parseUint(first, maxCount)
	if why != "" {
		return nil, bad(why)
	}
	var counts []nodeCount
	left := total
	for {
		var field []byte
		field, rest = cutField(rest)
		if len(field) == 0 {
			break
		}
		node, count, ok := bytes.Cut(field, []byte{'='})
		if !ok || len(node) < 2 || node[0] != 'N' {
			continue // A field of another kind.
		}
		n, why := parseUint(node[1:], maxNode)
		if why != "" {
			return nil, bad(why)
		}
		c, why := parseUint(count, left)
		if why != "" {
			return nil, bad("nodes are more than the sum, or " + why)
		}
		if len(counts) > 0 && counts[len(counts)-1].node >= int(n) {
			return nil, bad("nodes not ascending")
		}
		left -= c
		counts = append(counts, nodeCount{node: int(n), count: c})
	}
	switch {
	case len(counts) == 0 && total > 0:
		return []nodeCount{{node: 0, count: total}}, nil // No CONFIG_NUMA.
	case left != 0:
		return nil, bad("nodes are less than the sum")
	}
	return counts, nil
}
