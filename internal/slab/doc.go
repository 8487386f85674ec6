// Package slab reads what the kernel's slab allocator says about itself: the
// caches of /proc/slabinfo, the true names that SLUB merged into them
// (/sys/kernel/slab), and objects for each NUMA node. It was checked on Linux 6.1, 6.12
// and 6.18.
//
// One cache in /proc/slabinfo, printed by cache_show() in mm/slab_common.c:
//
//	# name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab> : tunables <limit> <batchcount> <sharedfactor> : slabdata <active_slabs> <num_slabs> <sharedavail>
//	TCP                   26     26   2368   13    8 : tunables    0    0    0 : slabdata      2      2      0
//
// # Merged caches
//
// SLUB gives a new cache the memory of an older one of about the same size
// and the same flags (find_mergeable() in mm/slab_common.c). /proc/slabinfo
// then prints one line, under the name of the cache that was created first
// (kmem_cache.name); all others are symbolic links in /sys/kernel/slab:
//
//	eventpoll_pwq  -> :A-0000064
//	anon_vma_chain -> :A-0000064
//
// So eventpoll_pwq is no line of slabinfo, and the objects of anon_vma_chain
// are those of both. The kernel keeps no count for each name. With
// slab_nomerge on the kernel's command line nothing is merged.
//
// # Who may read what
//
// /proc/slabinfo and every attribute in /sys/kernel/slab/NAME are mode 0400
// (SLABINFO_RIGHTS in mm/slab_common.c, SLAB_ATTR_RO in mm/slub.c). Listing
// /sys/kernel/slab and reading its links is open to all, and the target of a
// link holds the object's size and flags.
//
// Errors are of three kinds, told apart by errors.Is: [io/fs.ErrNotExist] (the
// kernel has no such file), [io/fs.ErrPermission] (root only) and
// [ErrMalformed] (the file is not in the format known here).
package slab
