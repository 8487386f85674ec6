package model

import (
	"slices"
	"strings"

	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/object"
)

// explain adds to the caches whose their active objects are, as far as that was
// counted by other ways than the allocator's: watches, sockets, bind buckets, open
// files. For a merged cache nothing else distinguishes its names.
func (b *builder) explain(s *Snapshot) {
	if len(s.Slab) == 0 {
		return
	}
	at := map[string]int{}
	for i := range s.Slab {
		c := &s.Slab[i]
		for _, name := range c.Aliases {
			at[name] = i
		}
		at[c.Name] = i
	}
	b.watchUses(s, at)
	b.socketUses(s, at)
	b.fileUses(s, at)
	for i := range s.Slab {
		s.Slab[i].sumUses()
	}
}

// use adds a use to the cache that has a name, if the kernel has one. A socket or
// an instance pins what it needs.
func use(s *Snapshot, at map[string]int, u Use) {
	i, ok := at[u.Cache]
	if !ok {
		return
	}
	c := &s.Slab[i]
	u.Bytes = u.Objects * c.BytesPerObject
	u.Pins = u.Pins && c.Reclaimable.Value
	c.ExplainedBy = append(c.ExplainedBy, u)
}

// sumUses fills in what follows from the uses of a cache.
func (c *Cache) sumUses() {
	explained, ok := c.Explained()
	if !ok {
		return
	}
	if explained <= c.Active {
		c.Unexplained = maybe.Some(c.Active - explained)
	}
	counted := func(name string) bool {
		return slices.ContainsFunc(c.ExplainedBy, func(u Use) bool { return u.Cache == name })
	}
	for _, name := range append([]string{c.Name}, c.Aliases...) {
		if !counted(name) {
			c.UncountedNames = append(c.UncountedNames, name)
		}
	}
	pinned, pins := int64(0), false
	for i := range c.ExplainedBy {
		if u := &c.ExplainedBy[i]; u.Pins {
			pinned, pins = min(pinned+u.Bytes, c.Bytes), true
		}
	}
	if pins {
		c.PinnedBytes = maybe.Some(min(pinned, c.Bytes))
	}
}

// watchUses are the objects of watches and instances (ep_insert and ep_alloc in
// fs/eventpoll.c).
func (b *builder) watchUses(s *Snapshot, at map[string]int) {
	e := &s.Epoll
	gaps := e.LeavesOut
	// None of the watches is known: that is no 0.
	if watches, ok := e.Watches.Get(); ok {
		var nested, terminals, paths int64
		for i := range b.sample.Instances {
			c := b.countsOf(&b.sample.Instances[i])
			nested, terminals, paths = nested+c.Nested, terminals+c.Terminals, paths+c.Paths
		}
		use(s, at, Use{Cache: object.Epitem.Cache, For: object.Epitem.For, Objects: watches, Origin: Measured, AtLeast: e.AtLeast, AtMost: e.AtMost, LeavesOut: gaps})
		use(s, at, Use{Cache: object.EppollEntry.Cache, For: object.EppollEntry.For, Objects: watches + terminals, Origin: Derived, AtLeast: e.AtLeast || paths > 0, AtMost: e.AtMost,
			LeavesOut: slices.Concat(gaps, []string{"the second of FIFOs opened to read and write, and of some devices"})})
		use(s, at, Use{Cache: object.EpitemsHead.Cache, For: object.EpitemsHead.For, Objects: watches - nested, Origin: Derived, AtLeast: e.AtLeast, AtMost: e.AtMost,
			LeavesOut: slices.Concat(gaps, []string{"that a file which several epolls watch has one, not one for each watch"})})
	}
	if of := e.InstancesExtent(); e.Instances.Known {
		use(s, at, Use{Cache: b.cacheOf(s, object.Eventpoll), For: object.Eventpoll.For, Objects: e.Instances.Value, Origin: Derived, AtLeast: of.AtLeast, AtMost: of.AtMost, LeavesOut: of.LeavesOut})
	}
}

// cacheOf is the cache that objects of a kind come from; "" where nobody knows which.
func (b *builder) cacheOf(s *Snapshot, k object.Kind) string {
	if !k.Kmalloc {
		return b.kindHere(k).Cache
	}
	n, ok := b.objectBytes(k)
	// With random kmalloc caches (CONFIG_RANDOM_KMALLOC_CACHES) nobody knows which.
	random := slices.ContainsFunc(s.Slab, func(c Cache) bool { return strings.HasPrefix(c.Name, "kmalloc-rnd-") })
	if !ok || random {
		return ""
	}
	name, _ := object.KmallocCache(n)
	return name
}

// socketUses are the structures of sockets and their bind buckets.
func (b *builder) socketUses(s *Snapshot, at map[string]int) {
	if b.tally == nil {
		return
	}
	gaps := b.socketGaps()
	var found []Use
	for i, n := range b.tally.Objects {
		for j, k := range sockObjects(objectKinds[i]) {
			u := Use{Cache: b.cacheOf(s, k), For: k.For, Origin: Measured, LeavesOut: gaps}
			if j > 0 {
				u.Origin = Derived
			}
			at := slices.IndexFunc(found, func(f Use) bool { return f.Cache == u.Cache && f.For == u.For })
			if at < 0 {
				at = len(found)
				found = append(found, u)
			}
			found[at].Objects += n
			found[at].Origin = weakest(found[at].Origin, u.Origin)
		}
	}
	for _, u := range found {
		// What only some sockets have is a use where one does.
		if u.Objects > 0 || u.Origin == Measured {
			use(s, at, u)
		}
	}
	use(s, at, Use{Cache: object.BindPort.Cache, For: object.BindPort.For, Objects: b.tally.BindPorts, Origin: Derived, LeavesOut: gaps})
	use(s, at, Use{Cache: object.BindAddress.Cache, For: object.BindAddress.For, Objects: b.tally.BindAddresses, Origin: Derived, LeavesOut: gaps})
}

func (b *builder) socketGaps() []string {
	return append([]string{"sockets that neither listen nor are connected, which sock_diag does not report"}, b.unseen(b.absent())...)
}

// fileUses are the objects of everything that has a file: of sockets their inode
// and dentry too.
func (b *builder) fileUses(s *Snapshot, at map[string]int) {
	instances, of := s.Epoll.Instances.Value, s.Epoll.InstancesExtent()
	sockets := int64(0)
	if b.tally != nil {
		for i, n := range b.tally.Objects {
			if objectKinds[i].Hold == HoldFile {
				sockets += n
			}
		}
		gaps := append([]string{"sockets of other families (netlink, packet, …)"}, b.socketGaps()...)
		for _, k := range []object.Kind{object.SocketInode, object.LSMInode, object.Dentry, object.File, object.LSMFile} {
			use(s, at, Use{Cache: k.Cache, For: object.SocketInode.For, Objects: sockets, Origin: Derived, Pins: true, LeavesOut: gaps})
		}
	}
	for _, k := range []object.Kind{object.Dentry, object.File, object.LSMFile} {
		use(s, at, Use{Cache: k.Cache, For: object.Eventpoll.For, Objects: instances, Origin: Derived, Pins: true, AtLeast: of.AtLeast, AtMost: of.AtMost, LeavesOut: of.LeavesOut})
	}
	if files, ok := b.sample.OpenFiles.Get(); ok {
		what := "other open files"
		if b.tally == nil {
			what = "other open files, sockets among them"
		}
		for _, k := range []object.Kind{object.File, object.LSMFile} {
			use(s, at, Use{Cache: k.Cache, For: what, Objects: max(0, files-sockets-instances), Origin: Derived,
				LeavesOut: []string{"files that the kernel is about to free (fs.file-nr has the open ones)"}})
		}
	}
	if inodes, ok := b.sample.AllInodes.Get(); ok {
		what := "other inodes"
		if b.tally == nil {
			what = "other inodes, sockets' among them"
		}
		use(s, at, Use{Cache: object.LSMInode.Cache, For: what, Objects: max(0, inodes-sockets), Origin: Derived})
	}
	if unused, ok := b.sample.UnusedDentries.Get(); ok {
		use(s, at, Use{Cache: object.Dentry.Cache, For: "cached names nobody holds, which a shrinker can free", Objects: unused, Origin: Measured})
	}
	if n, ok := b.sample.AllProcesses.Get(); ok {
		use(s, at, Use{Cache: object.Signal.Cache, For: object.Signal.For, Objects: n, Origin: Derived, LeavesOut: []string{"processes outside eptop's PID namespace"}})
	}
}
