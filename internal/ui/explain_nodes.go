package ui

// explainNodes says where the numbers of a card of the Nodes view are from and
// what they leave out.
func explainNodes(c nodesCard) (title, text string) {
	switch c {
	case cardDistances:
		return "Distances", "From /sys/devices/system/node/nodeN/distance (node_read_distance in drivers/base/node.c), " +
			"which repeats what the firmware claims in its SLIT table: 10 is a node's own memory, 20 is said to take twice as long. " +
			"Nobody measured it: many machines report round numbers, and a virtual machine what its owner typed.\n\n" +
			"Read a row as \"from this node's CPUs\", a column as \"to that node's memory\". The kernel falls back to other nodes in the order of these distances."
	case cardZones:
		return "Zones", "From /proc/zoneinfo (zoneinfo_show_print in mm/vmstat.c). The bar is the free part of the pages that the zone's allocator manages; " +
			"its first two fifths are stretched: they hold only 0 to the highest mark, because on an even scale all marks would fall together.\n\n" +
			"Below low, kswapd wakes and reclaims until high is reached. Below min, whoever allocates has to reclaim memory itself, and connections stall. " +
			"boost is what min, low and high were raised by for a while after fragmentation (it is in them already); promo (since Linux 5.18) is the mark up to which pages are moved to a faster node.\n\n" +
			"Not counted as free: page cache and reclaimable slab, which the kernel can give back, and the pages that wait in per-CPU lists. " +
			"A zone with managed 0 has no pages on that node."
	}
	if c == cardContents {
		return "What is where", "The first rows are the per-node statistics of /proc/zoneinfo, pages turned into bytes: programs is anonymous memory, file cache is what reclaim drops first. " +
			"They do not add up to what is in use: huge pages, the kernel's own allocations and network buffers are not among them.\n\n" +
			"The others are objects of slab caches (/sys/kernel/slab/NAME/objects, root only) on the node of their slab's pages. " +
			"≤ marks a cache into which others are merged: their objects are in the number. A socket made by a CPU of one node and used by another stays where it was made."
	}
	return "Nodes", "CPUs from /sys/devices/system/node/nodeN/cpulist, memory from nodeN/meminfo (node_read_meminfo in drivers/base/node.c). " +
		"\"In use\" is MemTotal less MemFree: it holds the page cache, which the kernel gives back on demand, so a full bar alone is no alarm; the zones' marks are.\n\n" +
		"Slab is SReclaimable and SUnreclaim of the node. The inodes and dentries of live sockets count as reclaimable, and no reclaim frees them while the sockets are open. " +
		"MemTotal leaves out what firmware and the kernel image took at boot: it is less than the modules' size."
}
