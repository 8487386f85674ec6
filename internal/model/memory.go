package model

import (
	"math"

	"github.com/eptop/eptop/internal/slab"
	"github.com/eptop/eptop/internal/zone"
)

func caches(in []slab.Cache, pageBytes int) []Cache {
	if in == nil {
		return nil
	}
	out := make([]Cache, 0, len(in))
	for i := range in {
		c := &in[i]
		row := Cache{
			Name: c.Name, Aliases: c.Aliases, Objects: int64(c.Objs), Active: int64(min(c.ActiveObjs, c.Objs)),
			SlotBytes: int64(c.ObjectBytes), BytesPerObject: int64(c.BytesPerObject(pageBytes)),
			ObjsPerSlab: int64(c.ObjsPerSlab), PagesPerSlab: int64(c.PagesPerSlab),
			Slabs: int64(c.Slabs), ActiveSlabs: int64(c.ActiveSlabs),
			Bytes: int64(c.Bytes(pageBytes)), UnusedBytes: int64(c.UnusedBytes(pageBytes)),
		}
		if c.RequestedBytes > 0 {
			row.ObjectBytes = Some(int64(c.RequestedBytes))
		}
		if row.Aliases == nil {
			row.Aliases = []string{}
		}
		if c.Reclaimable != slab.Unknown {
			row.Reclaimable = Some(c.Reclaimable == slab.Yes)
		}
		for _, n := range c.PerNode {
			row.Nodes = append(row.Nodes, NodeObjects{Node: n.Node, Objects: int64(n.Objs)})
		}
		out = append(out, row)
	}
	return out
}

func maybe(o zone.Optional) Maybe[int64] {
	if !o.Known || o.Value > math.MaxInt64 {
		return Maybe[int64]{}
	}
	return Some(int64(o.Value))
}

func zones(in zone.Zoneinfo) []Zone {
	out := make([]Zone, 0, len(in.Zones))
	for i := range in.Zones {
		z := &in.Zones[i]
		out = append(out, Zone{
			Node: z.Node, Name: z.Name, Free: int64(z.FreePages), Boost: maybe(z.BoostPages),
			Min: int64(z.MinPages), Low: int64(z.LowPages), High: int64(z.HighPages), Promo: maybe(z.PromoPages),
			Spanned: int64(z.SpannedPages), Present: int64(z.PresentPages), Managed: int64(z.ManagedPages),
		})
	}
	return out
}

// nodes joins sysfs's nodes with zoneinfo's per-node statistics. Without sysfs
// (no CONFIG_NUMA) zoneinfo still names the nodes that have memory.
func nodes(in zone.Nodes, info zone.Zoneinfo, pageBytes int) []Node {
	var out []Node
	for i := range in.Nodes {
		n := &in.Nodes[i]
		node := Node{
			ID: n.ID, CPUs: Maybe[string]{Value: n.CPUList, Known: n.CPUsKnown}, Distances: n.Distances,
			MemTotalBytes: maybe(n.Meminfo.Get("MemTotal")), MemFreeBytes: maybe(n.Meminfo.Get("MemFree")),
			SlabReclaimableBytes:   maybe(n.Meminfo.Get("SReclaimable")),
			SlabUnreclaimableBytes: maybe(n.Meminfo.Get("SUnreclaim")),
		}
		out = append(out, withStats(node, info.Node(n.ID)))
	}
	if in.Nodes != nil {
		return out
	}
	for _, z := range info.Zones {
		if len(out) > 0 && out[len(out)-1].ID == z.Node {
			continue
		}
		stats := info.Node(z.Node)
		page := int64(pageBytes)
		node := Node{ID: z.Node, MemTotalBytes: Some(int64(info.ManagedPages(z.Node)) * page)}
		free := int64(0)
		for _, other := range info.Zones {
			if other.Node == z.Node {
				free += int64(other.FreePages)
			}
		}
		node.MemFreeBytes = Some(free * page)
		for _, half := range []struct {
			name string
			to   *Maybe[int64]
		}{
			{"nr_slab_reclaimable", &node.SlabReclaimableBytes},
			{"nr_slab_unreclaimable", &node.SlabUnreclaimableBytes},
		} {
			if o := stats.Get(half.name); o.Known {
				*half.to = Some(int64(o.Value) * page)
			}
		}
		out = append(out, withStats(node, stats))
	}
	return out
}

func withStats(n Node, stats zone.NodeStats) Node {
	if len(stats.Stats) > 0 {
		n.Stats = make(map[string]int64, len(stats.Stats))
		for _, s := range stats.Stats {
			// A counter that a kernel let run below 0 says nothing.
			if s.Value <= math.MaxInt64 {
				n.Stats[s.Name] = int64(s.Value)
			}
		}
	}
	return n
}
