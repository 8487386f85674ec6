package model

import (
	"cmp"
	"math"

	"github.com/eptop/eptop/internal/dmi"
	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/zone"
)

func signed(n maybe.Of[uint64]) maybe.Of[int64] {
	return maybe.When(int64(n.Value), n.Known && n.Value <= math.MaxInt64)
}

func zones(in zone.Zoneinfo) []Zone {
	var out []Zone
	for i := range in.Zones {
		z := &in.Zones[i]
		out = append(out, Zone{
			Node: z.Node, Name: z.Name, Free: int64(z.FreePages), Boost: signed(z.BoostPages),
			Min: int64(z.MinPages), Low: int64(z.LowPages), High: int64(z.HighPages), Promo: signed(z.PromoPages),
			Spanned: int64(z.SpannedPages), Present: int64(z.PresentPages), Managed: int64(z.ManagedPages),
		})
	}
	return out
}

// nodes joins sysfs's nodes with zoneinfo's per-node statistics. Without sysfs
// (no CONFIG_NUMA), or with every node's directory gone, zoneinfo still names the
// nodes that have memory.
func nodes(in zone.Nodes, info zone.Zoneinfo, page maybe.Of[int64]) []Node {
	if len(in.Nodes) == 0 {
		return zoneinfoNodes(info, page)
	}
	out := make([]Node, 0, len(in.Nodes))
	for i := range in.Nodes {
		n := &in.Nodes[i]
		m := n.Meminfo.Value
		node := Node{
			ID: n.ID, CPUs: n.CPUList, Distances: n.Distances,
			MemTotalBytes: signed(m.Get("MemTotal")), MemFreeBytes: signed(m.Get("MemFree")),
			SlabReclaimableBytes:   signed(m.Get("SReclaimable")),
			SlabUnreclaimableBytes: signed(m.Get("SUnreclaim")),
			Meminfo:                meminfo(n.Meminfo), Numastat: numastat(n.Numastat),
		}
		out = append(out, withStats(node, info.Node(n.ID)))
	}
	return out
}

func meminfo(in maybe.Of[zone.Meminfo]) map[string]int64 {
	if !in.Known {
		return nil
	}
	out := make(map[string]int64, len(in.Value.Lines))
	for _, l := range in.Value.Lines {
		if l.Value <= math.MaxInt64 {
			out[l.Name] = int64(l.Value)
		}
	}
	return out
}

func numastat(read maybe.Of[zone.Numastat]) *Numastat {
	in, ok := read.Get()
	if !ok {
		return nil
	}
	n := func(v uint64) int64 { return int64(min(v, math.MaxInt64)) }
	return &Numastat{n(in.Hit), n(in.Miss), n(in.Foreign), n(in.InterleaveHit), n(in.LocalNode), n(in.OtherNode)}
}

// zoneinfoMeminfo are lines of nodeN/meminfo and the statistics that the kernel makes
// them of (node_read_meminfo in drivers/base/node.c), with the size of their unit where
// that is not a page.
var zoneinfoMeminfo = []struct {
	name, stat string
	unit       int64
}{
	{"Active(anon)", "nr_active_anon", 0},
	{"Inactive(anon)", "nr_inactive_anon", 0},
	{"Active(file)", "nr_active_file", 0},
	{"Inactive(file)", "nr_inactive_file", 0},
	{"Unevictable", "nr_unevictable", 0},
	{"Dirty", "nr_dirty", 0},
	{"Writeback", "nr_writeback", 0},
	{"FilePages", "nr_file_pages", 0},
	{"Mapped", "nr_mapped", 0},
	{"AnonPages", "nr_anon_pages", 0},
	{"Shmem", "nr_shmem", 0},
	{"KernelStack", "nr_kernel_stack", 1024},
	{"PageTables", "nr_page_table_pages", 0},
	{"SReclaimable", "nr_slab_reclaimable", 0},
	{"SUnreclaim", "nr_slab_unreclaimable", 0},
}

// zoneinfoNodes makes nodes of zoneinfo alone.
func zoneinfoNodes(info zone.Zoneinfo, size maybe.Of[int64]) []Node {
	page := size.Value
	var out []Node
	for _, z := range info.Zones {
		if len(out) > 0 && out[len(out)-1].ID == z.Node {
			continue
		}
		total, free := int64(info.ManagedPages(z.Node))*page, int64(0)
		for _, other := range info.Zones {
			if other.Node == z.Node {
				free = min(free+int64(other.FreePages)*page, math.MaxInt64/2)
			}
		}
		node := Node{
			ID: z.Node, MemTotalBytes: maybe.When(total, size.Known), MemFreeBytes: maybe.When(free, size.Known && free <= total), Meminfo: map[string]int64{},
		}
		if node.MemFreeBytes.Known {
			node.Meminfo["MemTotal"], node.Meminfo["MemFree"], node.Meminfo["MemUsed"] = total, free, total-free
		}
		stats := info.Node(z.Node)
		for _, l := range zoneinfoMeminfo {
			unit := cmp.Or(l.unit, page)
			if o := stats.Get(l.stat); o.Known && unit > 0 && o.Value <= math.MaxInt64/uint64(unit) {
				node.Meminfo[l.name] = int64(o.Value) * unit
			}
		}
		lookup := func(name string) maybe.Of[int64] {
			v, ok := node.Meminfo[name]
			return maybe.When(v, ok)
		}
		node.SlabReclaimableBytes, node.SlabUnreclaimableBytes = lookup("SReclaimable"), lookup("SUnreclaim")
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

func modules(in []dmi.Module) []MemoryModule {
	speed := func(mts maybe.Of[uint32]) maybe.Of[int64] { return maybe.When(int64(mts.Value), mts.Known) }
	var out []MemoryModule
	for i := range in {
		m := &in[i]
		out = append(out, MemoryModule{
			Locator: m.Locator, Bank: m.Bank, Empty: m.Empty, SizeBytes: signed(m.SizeBytes), Type: m.Type, FormFactor: m.FormFactor,
			SpeedMTs: speed(m.SpeedMTs), ConfiguredMTs: speed(m.ConfiguredMTs),
			Manufacturer: m.Manufacturer, PartNumber: m.PartNumber,
		})
	}
	return out
}
