package nodes

// explainNodes says where the numbers of a card come from and what they leave out.
func explainNodes(c nodesCard) (title, text string) {
	switch c {
	case cardDistances:
		return "Distances", "From /sys/devices/system/node/nodeN/distance (node_read_distance in drivers/base/node.c), " +
			"which repeats what the firmware says in its SLIT table: 10 is a node's own memory, 20 is said to take twice as long. " +
			"It is not measured: many machines report round numbers, and a virtual machine reports what its owner configured.\n\n" +
			"Read a row as \"from this node's CPUs\", a column as \"to that node's memory\". The kernel falls back to other nodes in the order of these distances."
	case cardZones:
		return "Zones", "From /proc/zoneinfo (zoneinfo_show_print in mm/vmstat.c). The bar is the free part of the pages that the zone's allocator manages; " +
			"its first two fifths are stretched: they hold only 0 to the highest mark, because on an even scale all marks would fall into one place.\n\n" +
			"Below low, kswapd wakes and reclaims until high is reached. Below min, a process that allocates has to reclaim memory itself, and connections stall. " +
			"boost is how much min, low and high are raised for a while after fragmentation (they include it already; ┆ marks min without it); promo (since Linux 5.18) is the mark up to which pages are moved to a faster node.\n\n" +
			"Not counted as free: page cache and reclaimable slab, which the kernel can give back, and the pages that wait in per-CPU lists. " +
			"A zone with managed 0 has no pages on that node."
	case cardContents:
		return "What fills each node", "The first rows are nodeN/meminfo, which numastat -m shows too, without the sums Slab, Active and Inactive: programs is AnonPages, files is FilePages with shared memory in it, which reclaim drops first where it can, " +
			"unwritten is Dirty, locked Mlocked; the rest is under the kernel's names. A line that is 0 on every node is left out. Huge pages of hugetlbfs are counted, not sized. " +
			"They do not add up to what is in use: no line counts network buffers, page structures and other allocations of the kernel.\n\n" +
			"Slab objects are counted on the node where the pages of their slab lie, for all processes together (/sys/kernel/slab/NAME/objects, root only). " +
			"≤: free objects of the slabs that CPUs have at hand count as in use, and where a cache is merged with others their objects are in the number. A socket that is made by a CPU of one node and used by another node stays where it was made.\n\n" +
			"Pages since boot are nodeN/numastat. Given to far CPUs is other_node: what was allocated here for a process that ran on another node. " +
			"Wanted elsewhere is numa_miss, of the pages given out here; refused is numa_foreign, of the pages wanted here: another node had to give them."
	case cardPlacement:
		return "Where a process is", "Threads are counted on the node of the CPU that each is on or last was (field 39 of /proc/PID/task/TID/stat), the 256 oldest at most: " +
			"a momentary picture, because the scheduler moves threads unless they are pinned. A thread that sleeps on a CPU where it may no longer run is not counted. \"May not\" marks nodes without a CPU that its affinity allows.\n\n" +
			"Its memory is numa_maps: pages that it has mapped, shared ones included. The kernel counts them under the process's mmap lock, so eptop does not ask for a process with more than 1 GiB resident, and holds the lock for at most 1 % of the time.\n\n" +
			"The kernel does not say where a process's sockets lie, only how many objects of each cache a node has, of all processes. " +
			"The bounds follow from that and from how many sockets the process holds: the lower one is how many are here even if this node has the objects of all other processes; the upper one is all of its sockets, or all objects on the node if these are fewer. " +
			"Where others hold most sockets, that says little, and the card says so.\n\n" +
			"! marks a warning that these numbers prove, from a quarter of its memory or sockets on; ? marks one that they do not prove. " +
			"numactl --cpunodebind and --membind start a process on one node; taskset moves a running one."
	case cardModules:
		return "Memory modules", "From the firmware's SMBIOS table (/sys/firmware/dmi/tables, root only), as dmidecode -t 17 shows it: each slot with its label, its size in powers of two, its type and the speed it runs at. " +
			"The firmware wrote it at boot; virtual machines have none, or invented ones.\n\n" +
			"It does not say which node a slot belongs to: on most servers the label does (\"CPU1\", \"P0\"), and a node is a processor or a part of one. " +
			"Slots filled unevenly make nodes of different size and channels that run at different speed."
	}
	return "Nodes", "CPUs from /sys/devices/system/node/nodeN/cpulist, memory from nodeN/meminfo (node_read_meminfo in drivers/base/node.c). " +
		"\"In use\" is MemTotal less MemFree: it includes the page cache, which the kernel gives back on demand, so a full bar alone is no cause for alarm; free memory below a zone's marks is.\n\n" +
		"Programs are AnonPages, files FilePages with shared memory in it, other is memory in use that no line of meminfo counts. Sockets are the objects of sock_inode_cache on the node, one for each open socket, and their share of all; ≤ because free ones of the slabs that CPUs have at hand are among them. " +
		"Slab is SReclaimable and SUnreclaim of the node. The inodes and dentries of live sockets count as reclaimable, but cannot be freed while the sockets are open. " +
		"MemTotal leaves out what firmware and the kernel image took at boot: it is less than the modules' size."
}
