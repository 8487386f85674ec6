package slab

import "github.com/eptop/eptop/internal/maybe"

// Cache is one line of /proc/slabinfo: a slab cache, which may serve several
// names (Aliases). Reading it needs root.
type Cache struct {
	// Name is the name slabinfo prints. When SLUB merged caches it is the name
	// of the one created first. A name may contain spaces, and two caches can
	// have the same name.
	Name string
	// Aliases are all other names that are served by this cache, sorted. Empty
	// when the cache is alone and when the names could not be read
	// (FS.Names says which). A name stays here after the module that made it
	// was unloaded: the kernel keeps the link.
	Aliases []string

	// ActiveObjs is <active_objs>: objects of all slabs less the free ones of
	// the slabs on the nodes' partial lists. Free objects on per-CPU slabs (and
	// in per-CPU sheaves, since Linux 6.18) count as active. Since Linux 6.10
	// the free ones are estimated where a node has more than 10,000 partial
	// slabs (commit 046f4c69090c). It is computed without a common lock, and is 0 where
	// that took it below.
	ActiveObjs uint64
	// Objs is <num_objs>: objects that all slabs together have room for.
	Objs uint64
	// ObjectBytes is <objsize>: bytes from one object to the next in a slab,
	// with alignment and, on debug kernels, red zones and tracking
	// (kmem_cache.size, the attribute slab_size).
	ObjectBytes uint32
	// ObjsPerSlab is <objperslab>: objects in a slab of the usual order. The
	// kernel falls back to smaller slabs when memory is fragmented.
	ObjsPerSlab uint32
	// PagesPerSlab is <pagesperslab>: pages of a slab of the usual order.
	PagesPerSlab uint32
	// ActiveSlabs is <active_slabs>: SLUB prints the number of all slabs here.
	ActiveSlabs uint64
	// Slabs is <num_slabs>: all slabs of the cache, those without an object in
	// use included.
	Slabs uint64

	// RequestedBytes is what the creator of the cache asked for
	// (kmem_cache.object_size, the attribute object_size): the struct's size.
	// For a merged cache it is the largest of all creators' since boot, so it
	// is not the size of each alias. Absent where sysfs does not say.
	RequestedBytes maybe.Of[uint32]
	// Reclaimable says whether the cache's pages count as SReclaimable
	// (SLAB_RECLAIM_ACCOUNT), which promises that a shrinker can free them: it
	// cannot while a live object pins them. Absent most often for lack of root.
	Reclaimable maybe.Of[bool]

	// AttrErr is why the two above are not known although sysfs has the cache: an
	// attribute that is denied or malformed. nil where they are, and where the
	// kernel has none.
	AttrErr error

	// PerNode holds the objects for each NUMA node, ascending by node, without
	// nodes that have none. nil: not read; FS.ReadNodes reads them.
	PerNode []NodeObjects
}

// SlabBytes is the size of one slab of the usual order.
func (c Cache) SlabBytes(pageBytes int) uint64 {
	return uint64(c.PagesPerSlab) * uint64(pageBytes)
}

// Bytes is the memory that all slabs of the cache take. It is too high by the
// difference where the kernel fell back to smaller slabs. The sum over all
// caches is less than Slab in /proc/meminfo, whose SUnreclaim also has the
// pages of kmalloc() calls too large for any cache (commit 6a486c0ad4dc, Linux
// 5.4).
func (c Cache) Bytes(pageBytes int) uint64 { return c.Slabs * c.SlabBytes(pageBytes) }

// BytesPerObject is what an object really costs: the bytes of a slab divided
// by its objects, rounded to the nearest, so that the tail of the slab that
// fits no object is shared out. 0 when the cache has no objects in a slab.
func (c Cache) BytesPerObject(pageBytes int) uint64 {
	if c.ObjsPerSlab == 0 {
		return 0
	}
	n := uint64(c.ObjsPerSlab)
	return (c.SlabBytes(pageBytes) + n/2) / n
}

// UnusedBytes is the part of Bytes in which no active object lies: free
// objects and the tails of slabs.
func (c Cache) UnusedBytes(pageBytes int) uint64 {
	all := c.Bytes(pageBytes)
	used := min(c.ActiveObjs, c.Objs) * uint64(c.ObjectBytes)
	return all - min(used, all)
}
