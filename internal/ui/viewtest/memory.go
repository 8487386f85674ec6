package viewtest

import (
	"fmt"
	"slices"

	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/object"
)

// Nodes4 is a virtual machine with Debian's Linux 6.12 and four nodes of 1 GB, with the
// numbers of a real one: DMA and DMA32 are on the first two nodes, Normal on the others.
func Nodes4() *model.Snapshot {
	s := Rich()
	s.Host.Hostname, s.Host.Kernel, s.Host.CPUs = "vm", "6.12.117+deb12-cloud-amd64", 4
	s.Host.MemTotalBytes = maybe.Some[int64](4_020_808 << 10)
	s.Host.MemAvailableBytes = maybe.Some[int64](3_731_316 << 10)
	s.Host.SReclaimableBytes = maybe.Some[int64](1740 << 10)
	s.Host.SUnreclaimBytes = maybe.Some[int64](13_768 << 10)
	s.Epoll.MaxUserWatches = maybe.Some[int64](890_590)
	node := func(id int, cpus string, total, free, rec, unrec int64, dist ...int) model.Node {
		return model.Node{
			ID: id, CPUs: maybe.Some(cpus), MemTotalBytes: maybe.Some(total << 10), MemFreeBytes: maybe.Some(free << 10),
			SlabReclaimableBytes: maybe.Some(rec << 10), SlabUnreclaimableBytes: maybe.Some(unrec << 10), Distances: dist,
		}
	}
	s.Nodes = []model.Node{
		node(0, "0", 993_060, 960_436, 420, 4220, 10, 21, 31, 31),
		node(1, "1", 966_084, 939_124, 368, 3728, 21, 10, 31, 31),
		node(2, "2", 1_031_756, 1_010_180, 480, 3036, 31, 31, 10, 21),
		node(3, "3", 1_029_908, 985_916, 472, 2784, 31, 31, 21, 10),
	}
	s.Zones = []model.Zone{
		Zone(0, "DMA", 3712, 108, 135, 162, 189, 4095, 3998, 3840),
		Zone(0, "DMA32", 236_397, 6829, 8536, 10_243, 11_950, 258_048, 258_048, 244_425),
		Zone(0, "Movable", 0, 32, 32, 32, 32, 0, 0, 0),
		Zone(1, "DMA32", 234_781, 6710, 8387, 10_064, 11_741, 262_111, 262_111, 241_521),
		Zone(1, "Movable", 0, 32, 32, 32, 32, 0, 0, 0),
		Zone(2, "Normal", 252_545, 7262, 9077, 10_892, 12_707, 262_144, 262_144, 257_939),
		Zone(3, "Normal", 248_344, 7249, 9061, 10_873, 12_685, 262_144, 262_144, 257_477),
	}
	for i := range s.Nodes {
		s.Nodes[i].Stats = nodeStats(int64(i))
		fillMeminfo(&s.Nodes[i])
		s.Nodes[i].Numastat = &model.Numastat{Hit: 2849 + 9000*int64(i), Interleave: 200, Local: 2352 + 8000*int64(i), Other: 497 + 1000*int64(i)}
	}
	s.MemoryModules = []model.MemoryModule{{Locator: "DIMM 0", SizeBytes: maybe.Some[int64](4 << 30), Type: "RAM", FormFactor: "DIMM", Manufacturer: "QEMU"}}
	s.Sources = append(s.Sources, model.Source{Name: "dmi", State: model.OK})
	for i := range s.Slab {
		n := s.Slab[i].Objects
		s.Slab[i].Nodes = []model.NodeObjects{
			{Node: 0, Objects: n / 2}, {Node: 1, Objects: n / 4}, {Node: 2, Objects: n / 8}, {Node: 3, Objects: n - n/2 - n/4 - n/8},
		}
	}
	return s
}

// fillMeminfo makes up a node's meminfo in which programs, files and slab add up to less
// than what is in use.
func fillMeminfo(n *model.Node) {
	used := n.MemTotalBytes.Value - n.MemFreeBytes.Value
	n.Meminfo = map[string]int64{
		"MemTotal": n.MemTotalBytes.Value, "MemFree": n.MemFreeBytes.Value, "MemUsed": used, "AnonPages": used / 2, "AnonHugePages": used / 4 >> 21 << 21,
		"FilePages": used / 5, "Mapped": used / 20, "Shmem": used / 40, "Dirty": 4096 * int64(n.ID), "Writeback": 0, "Mlocked": 0,
		"PageTables": used / 200, "KernelStack": used / 100, "SReclaimable": n.SlabReclaimableBytes.Value, "SUnreclaim": n.SlabUnreclaimableBytes.Value,
		"HugePages_Total": 0, "HugePages_Free": 0, "Bounce": 0, "Active(anon)": used / 2,
	}
}

// MisplacedProcess is Nodes4 with the placement of a process that runs on nodes 2 and 3
// and has most of its memory and its sockets on node 0.
func MisplacedProcess() *model.Snapshot {
	s := Nodes4()
	row := func(node, threads int, mib, least, most int64) model.NodePlacement {
		return model.NodePlacement{
			Node: node, MayRun: maybe.Some(node >= 2), Threads: threads, MemoryBytes: maybe.Some(mib << 20), SocketsAtLeast: maybe.Some(least), SocketsAtMost: maybe.Some(most),
		}
	}
	s.Processes[0].Placement = &model.Placement{
		Threads: 10, ThreadsMoved: 1, CPUsAllowed: "2-3", MemsAllowed: "0-3", Sockets: maybe.Some[int64](19_002),
		Nodes: []model.NodePlacement{row(0, 0, 310, 12_500, 19_002), row(1, 0, 2, 0, 6502), row(2, 2, 0, 0, 0), row(3, 7, 41, 120, 121)},
		Warnings: []model.PlacementWarning{
			{Proven: true, Text: "88 % of its memory is on nodes 0 and 1, where none of its threads last ran, up to 3.1 × as far from node 3 as its own memory."},
			{Text: "Only 9 % of such socket objects, of all processes, are where its threads last ran: its own may be elsewhere too."},
		},
	}
	return s
}

// MemoryModules is Nodes8 with 16 slots for memory modules, four of them empty, in a
// firmware table that ends too early; and with a process whose memory is not counted.
func MemoryModules() *model.Snapshot {
	s := Nodes8()
	for i := range 16 {
		m := model.MemoryModule{Bank: fmt.Sprintf("P%d CHANNEL %c", i/8, 'A'+rune(i%8)), Locator: fmt.Sprintf("DIMM %d", i), Empty: i%4 == 3, FormFactor: "DIMM"}
		if !m.Empty {
			m.SizeBytes, m.Type = maybe.Some[int64](64<<30), "DDR5"
			m.SpeedMTs, m.ConfiguredMTs = maybe.Some[int64](4800), maybe.Some[int64](4400)
		}
		s.MemoryModules = append(s.MemoryModules, m)
	}
	s.Sources = append(s.Sources, model.Source{Name: "dmi", State: model.Failed, Detail: "DMI: structure 40 at byte 4001 (115c): the table ends too early: malformed"})
	// A process that hides its memory, with threads all over.
	at := &model.Placement{Threads: 256, ThreadsMore: true, CPUsAllowed: "0-127", MemsAllowed: "0-7", MemoryProblem: "more than 1024 MiB are resident: the kernel would hold its mmap lock while it counts them"}
	for _, n := range s.Nodes {
		at.Nodes = append(at.Nodes, model.NodePlacement{Node: n.ID, Threads: 32, MayRun: maybe.Some(true)})
	}
	s.Processes[0].Placement = at
	return s
}

// nodeStats are some of zoneinfo's statistics of a node.
func nodeStats(node int64) map[string]int64 {
	return map[string]int64{
		"nr_active_anon": 31 + node, "nr_inactive_anon": 13, "nr_active_file": 401 * node, "nr_inactive_file": 2100,
		"nr_slab_reclaimable": 105 + 10*node, "nr_slab_unreclaimable": 1055 - 100*node, "nr_page_table_pages": 35, "nr_kernel_stack": 980,
	}
}

// Nodes8 is a server of two CPU sockets that is divided into eight nodes.
func Nodes8() *model.Snapshot {
	s := Rich()
	s.Nodes, s.Zones = nil, nil
	s.Host.MemTotalBytes, s.Host.MemAvailableBytes = maybe.Some[int64](512<<30), maybe.Some[int64](460<<30)
	cpus := []string{"0-7,64-71", "8-15,72-79", "16-23,80-87", "24-31,88-95", "32-39,96-103", "40-47,104-111", "48-55,112-119", "56-63,120-127"}
	for i := range 8 {
		dist := make([]int, 8)
		for j := range dist {
			switch {
			case i == j:
				dist[j] = 10
			case i/4 == j/4:
				dist[j] = 12
			default:
				dist[j] = 32
			}
		}
		s.Nodes = append(s.Nodes, model.Node{
			ID: i, CPUs: maybe.Some(cpus[i]), MemTotalBytes: maybe.Some[int64](64 << 30), MemFreeBytes: maybe.Some(int64(i*i) << 29),
			SlabReclaimableBytes: maybe.Some[int64](900 << 20), SlabUnreclaimableBytes: maybe.Some(int64(i+1) << 28), Distances: dist,
		})
		fillMeminfo(&s.Nodes[i])
		s.Nodes[i].Numastat = &model.Numastat{Hit: 1 << 40, Foreign: int64(7-i) << 36, Miss: int64(i) << 36, Local: 1 << 39, Other: 1 << 39}
		s.Zones = append(s.Zones, Zone(i, "Normal", int64(i*i)<<17+20_000, 22_000, 27_500, 33_000, 38_500, 1<<24, 1<<24, 1<<24-90_000))
	}
	return s
}

// OddNodes is a machine with a gap in the numbers of its nodes, a node without memory, a
// node without CPUs, and a zone whose free pages lie between its marks min and low.
func OddNodes() *model.Snapshot {
	s := Rich()
	s.Nodes = []model.Node{
		{
			ID: 0, CPUs: maybe.Some("0-3"), MemTotalBytes: maybe.Some[int64](8 << 30), MemFreeBytes: maybe.Some[int64](131 << 20),
			SlabReclaimableBytes: maybe.Some[int64](200 << 20), SlabUnreclaimableBytes: maybe.Some[int64](900 << 20),
			Distances: []int{10, 20, 17},
		},
		{ID: 2, CPUs: maybe.Some("4-7"), MemTotalBytes: maybe.Some[int64](0), MemFreeBytes: maybe.Some[int64](0), Distances: []int{20, 10, 28}},
		{
			ID: 3, CPUs: maybe.Some(""), MemTotalBytes: maybe.Some[int64](16 << 30), MemFreeBytes: maybe.Some[int64](15 << 30),
			SlabReclaimableBytes: maybe.Some[int64](0), SlabUnreclaimableBytes: maybe.Some[int64](40 << 10),
			Distances: []int{17, 28, 10},
		},
	}
	low := Zone(0, "Normal", 33_500, 30_000, 37_500, 45_000, 52_500, 2<<20, 2<<20, 2<<20-40_000)
	low.Boost = maybe.Some[int64](9000)
	old := Zone(3, "Movable", 3_932_160, 0, 0, 0, 0, 4<<20, 4<<20, 4<<20)
	old.Boost, old.Promo = maybe.Of[int64]{}, maybe.Of[int64]{}
	s.Zones = []model.Zone{low, old}
	return s
}

// Zone makes a zone; its numbers are pages.
func Zone(node int, name string, free, low0, low, high, promo, spanned, present, managed int64) model.Zone {
	return model.Zone{
		Node: node, Name: name, Free: free, Boost: maybe.Some[int64](0), Min: low0, Low: low, High: high,
		Promo: maybe.Some(promo), Spanned: spanned, Present: present, Managed: managed,
	}
}

// richCaches is 6.18's slabinfo under 152 000 connections, in slabinfo's order.
func richCaches() []model.Cache {
	cache := func(name string, active, objects, slot, perSlab, pages int64, reclaimable bool, aliases ...string) model.Cache {
		slabs := (objects + perSlab - 1) / perSlab
		// Of the sockets' own caches the structure is smaller than its place.
		asked := map[string]int64{"TCP": 2304, "TCPv6": 2432, "UDP": 1280, "sock_inode_cache": 768, "filp": 184}[name]
		if asked == 0 {
			asked = slot
		}
		bytes := slabs * pages * 4096
		return model.Cache{
			ObjectBytes: maybe.Some(asked), UnusedBytes: bytes - active*slot, FreeBytes: (objects - active) * slot,
			PaddingBytes: bytes - objects*slot + active*(slot-asked),
			Network:      object.IsNetwork(name) || slices.ContainsFunc(aliases, object.IsNetwork),
			Name:         name, Aliases: aliases, Objects: objects, Active: active, SlotBytes: slot,
			BytesPerObject: pages * 4096 / perSlab, ObjsPerSlab: perSlab, PagesPerSlab: pages, Slabs: slabs, ActiveSlabs: slabs,
			Bytes: bytes, Reclaimable: maybe.Some(reclaimable), Nodes: []model.NodeObjects{{Node: 0, Objects: objects}},
		}
	}
	caches := []model.Cache{
		cache("btrfs_inode", 0, 0, 1016, 16, 4, true),
		cache("ext4_inode_cache", 82_209, 83_006, 1128, 14, 4, true),
		cache("UDP", 24, 24, 1344, 12, 4, false),
		cache("tw_sock_TCP", 32, 32, 256, 16, 1, false),
		cache("TCPv6", 13, 13, 2496, 13, 8, false),
		cache("TCP", 152_031, 152_035, 2368, 13, 8, false),
		cache("ep_head", 152_064, 152_064, 16, 256, 1, false),
		cache("eventpoll_epi", 152_480, 152_480, 128, 32, 1, false, "tcp_bind_bucket", "tcp_bind2_bucket", "fib6_node", "pte_list_desc"),
		cache("sock_inode_cache", 152_095, 152_095, 832, 19, 4, true),
		cache("skbuff_head_cache", 368, 368, 256, 16, 1, false),
		cache("buffer_head", 48_435, 53_274, 104, 39, 1, true),
		cache("proc_inode_cache", 3716, 3818, 696, 23, 4, true),
		cache("filp", 152_859, 152_880, 192, 21, 1, false),
		cache("dentry", 251_212, 252_107, 192, 21, 1, true),
		cache("lsm_inode_cache", 240_102, 241_088, 32, 128, 1, false),
		cache("lsm_file_cache", 152_940, 153_530, 24, 170, 1, false),
		cache("radix_tree_node", 25_929, 27_706, 584, 14, 2, true),
		cache("signal_cache", 125, 182, 1152, 14, 4, false, "UNIX", "UNIX-STREAM"),
		cache("anon_vma_chain", 152_688, 152_832, 64, 64, 1, false, "eventpoll_pwq", "avtab_extended_perms"),
		cache("kmalloc-256", 876, 880, 256, 16, 1, false),
		cache("kmalloc-192", 50_565, 55_565, 192, 21, 1, false),
		cache("kmalloc-64", 2085, 2240, 64, 64, 1, false),
	}
	explainObjects(caches)
	return caches
}

// explainObjects fills in what the objects of the caches are used for: 152 002 sockets of
// the echo servers and their clients, and as many watches.
func explainObjects(caches []model.Cache) {
	bound := []string{"sockets that are only open or bound, which no dump has"}
	open := append([]string{"sockets of other families (netlink, packet, …)"}, bound...)
	for cache, uses := range map[string][]model.Use{
		"TCP":              {{Cache: "TCP", For: "TCP sockets over IPv4", Objects: 152_002, Origin: model.Measured, LeavesOut: bound}},
		"TCPv6":            {{Cache: "TCPv6", For: "TCP sockets over IPv6", Objects: 3, Origin: model.Measured, LeavesOut: bound}},
		"tw_sock_TCP":      {{Cache: "tw_sock_TCP", For: "TIME_WAIT", Origin: model.Measured, LeavesOut: bound}},
		"UDP":              {{Cache: "UDP", For: "UDP sockets over IPv4", Objects: 2, Origin: model.Measured, LeavesOut: bound}},
		"sock_inode_cache": {{Cache: "sock_inode_cache", For: "open sockets", Objects: 152_034, Origin: model.Derived, Pins: true, LeavesOut: open}},
		"lsm_inode_cache":  {{Cache: "lsm_inode_cache", For: "open sockets", Objects: 152_034, Origin: model.Derived, LeavesOut: open}},
		"dentry": {
			{Cache: "dentry", For: "open sockets", Objects: 152_034, Origin: model.Derived, Pins: true, LeavesOut: open},
			{Cache: "dentry", For: "epoll instances", Objects: 13, Origin: model.Derived, Pins: true},
			{Cache: "dentry", For: "cached names nobody holds, which a shrinker can free", Objects: 81_340, Origin: model.Measured},
		},
		"filp": {
			{Cache: "filp", For: "open sockets", Objects: 152_034, Origin: model.Derived, LeavesOut: open},
			{Cache: "filp", For: "epoll instances", Objects: 13, Origin: model.Derived},
			{Cache: "filp", For: "other open files", Objects: 611, Origin: model.Derived},
		},
		"eventpoll_epi": {
			{Cache: "eventpoll_epi", For: "watches", Objects: 152_135, Origin: model.Measured},
			{Cache: "tcp_bind_bucket", For: "local TCP ports in use", Objects: 9, Origin: model.Derived, LeavesOut: bound},
			{Cache: "tcp_bind2_bucket", For: "local TCP addresses in use", Objects: 13, Origin: model.Derived, LeavesOut: bound},
		},
		"anon_vma_chain": {{Cache: "eventpoll_pwq", For: "watches", Objects: 152_135, Origin: model.Derived, LeavesOut: []string{"the second of files with two wait queues (some terminals)"}}},
		// Watched again in the moment between the two readings.
		"ep_head": {{Cache: "ep_head", For: "watched files", Objects: 152_135, Origin: model.Derived}},
		"signal_cache": {
			{Cache: "UNIX", For: "UNIX datagram and seqpacket sockets", Objects: 4, Origin: model.Measured, LeavesOut: bound},
			{Cache: "UNIX-STREAM", For: "UNIX stream sockets", Objects: 25, Origin: model.Measured, LeavesOut: bound},
			{Cache: "signal_cache", For: "processes", Objects: 71, Origin: model.Derived},
		},
	} {
		c := &caches[slices.IndexFunc(caches, func(c model.Cache) bool { return c.Name == cache })]
		c.ExplainedBy = uses
		for i := range uses {
			uses[i].Bytes = uses[i].Objects * c.BytesPerObject
			if uses[i].Pins {
				c.PinnedBytes = maybe.Some(c.PinnedBytes.Value + uses[i].Bytes)
			}
		}
		if n, _ := c.Explained(); n <= c.Active {
			c.Unexplained = maybe.Some(c.Active - n)
		}
		for _, name := range append([]string{c.Name}, c.Aliases...) {
			if !slices.ContainsFunc(uses, func(u model.Use) bool { return u.Cache == name }) {
				c.UncountedNames = append(c.UncountedNames, name)
			}
		}
	}
}
