package model

import (
	"slices"

	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/object"
	"github.com/eptop/eptop/internal/slab"
)

func caches(in []slab.Cache, pageBytes int) []Cache {
	if in == nil {
		return nil
	}
	out := make([]Cache, 0, len(in))
	for i := range in {
		out = append(out, cache(&in[i], pageBytes))
	}
	return out
}

func cache(c *slab.Cache, pageBytes int) Cache {
	row := Cache{
		Name: c.Name, Aliases: c.Aliases, Objects: int64(c.Objs), Active: int64(min(c.ActiveObjs, c.Objs)),
		SlotBytes: int64(c.ObjectBytes), BytesPerObject: int64(c.BytesPerObject(pageBytes)),
		ObjsPerSlab: int64(c.ObjsPerSlab), PagesPerSlab: int64(c.PagesPerSlab),
		Slabs: int64(c.Slabs), ActiveSlabs: int64(c.ActiveSlabs),
		Bytes: int64(c.Bytes(pageBytes)), UnusedBytes: int64(c.UnusedBytes(pageBytes)), Reclaimable: c.Reclaimable,
	}
	// Where the kernel fell back to smaller slabs, Bytes is too high, and so are the ends.
	row.FreeBytes = min((row.Objects-row.Active)*row.SlotBytes, row.UnusedBytes)
	row.PaddingBytes = row.UnusedBytes - row.FreeBytes
	if requested, ok := c.RequestedBytes.Get(); ok {
		row.ObjectBytes = maybe.Some(int64(requested))
		row.PaddingBytes += row.Active * max(0, row.SlotBytes-row.ObjectBytes.Value)
	}
	if row.Aliases == nil {
		row.Aliases = []string{}
	}
	row.Network = object.IsNetwork(c.Name) || slices.ContainsFunc(c.Aliases, object.IsNetwork)
	if c.PerNode != nil {
		row.Nodes = make([]NodeObjects, 0, len(c.PerNode)) // read, perhaps of none
	}
	for _, n := range c.PerNode {
		row.Nodes = append(row.Nodes, NodeObjects{Node: n.Node, Objects: int64(n.Objs)})
	}
	return row
}

// SumSlab sums up the caches, all or those behind sockets and epoll; absent where
// there is no list of them.
func SumSlab(caches []Cache, all bool) maybe.Of[SlabTotals] {
	if caches == nil {
		return maybe.Of[SlabTotals]{}
	}
	var t SlabTotals
	for i := range caches {
		if c := &caches[i]; all || c.Network {
			t.add(c)
		}
	}
	if t.Objects > 0 {
		t.AverageObjectBytes = maybe.Some(t.ObjectsBytes / t.Objects)
	}
	return maybe.Some(t)
}

func (t *SlabTotals) add(c *Cache) {
	t.Caches++
	if c.Active > 0 {
		t.ActiveCaches++
	}
	t.Objects += c.Objects
	t.Active += c.Active
	t.Slabs += c.Slabs
	t.ActiveSlabs += c.ActiveSlabs
	t.ObjectsBytes += c.Objects * c.SlotBytes
	t.ActiveBytes += c.Active * c.SlotBytes
	t.Bytes += c.Bytes
	t.FreeBytes += c.FreeBytes
	t.PaddingBytes += c.PaddingBytes
	switch reclaimable, ok := c.Reclaimable.Get(); {
	case !ok:
		t.ReclaimUnknown++
	case reclaimable:
		t.ReclaimableBytes += c.Bytes
	}
	if n, ok := c.PinnedBytes.Get(); ok {
		t.PinnedBytes = maybe.Some(t.PinnedBytes.Value + n)
	}
	if !t.MinObjectBytes.Known || c.SlotBytes < t.MinObjectBytes.Value {
		t.MinObjectBytes = maybe.Some(c.SlotBytes)
	}
	t.MaxObjectBytes = maybe.Some(max(t.MaxObjectBytes.Value, c.SlotBytes))
}
