package model

import (
	"slices"
	"strings"

	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/sock"
)

// explain adds to the caches whose their active objects are, as far as that was
// counted by other ways than the allocator's: watches, sockets, bind buckets, open
// files. For a merged cache nothing else tells its names apart.
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
			pinned, pins = pinned+u.Bytes, true
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
	var gaps []string
	if e.Unread > 0 {
		gaps = append(gaps, "the watches of "+many(int64(e.Unread), "instance")+" that could not be read or wait for it")
	}
	if s.Hidden > 0 {
		gaps = append(gaps, "epolls of "+processes(s.Hidden)+" whose fds may not be listed")
	}
	// None of the watches is known: that is no 0.
	if e.Unread == 0 || e.Watches > 0 {
		nested := int64(0)
		for i := range b.sample.Instances {
			nested += b.countsOf(&b.sample.Instances[i]).Nested
		}
		use(s, at, Use{Cache: "eventpoll_epi", For: "watches", Objects: e.Watches, Origin: Measured, LeavesOut: gaps})
		use(s, at, Use{Cache: "eventpoll_pwq", For: "watches", Objects: e.Watches, Origin: Derived,
			LeavesOut: slices.Concat(gaps, []string{"the second of files with two wait queues (some terminals)"})})
		use(s, at, Use{Cache: headCache, For: "watched files", Objects: e.Watches - nested, Origin: Derived,
			LeavesOut: slices.Concat(gaps, []string{"that a file which several epolls watch has one, not one for each watch"})})
	}
	if n, ok := b.sample.StructBytes["eventpoll"]; ok {
		// With random kmalloc caches (CONFIG_RANDOM_KMALLOC_CACHES) nobody knows which.
		random := slices.ContainsFunc(s.Slab, func(c Cache) bool { return strings.HasPrefix(c.Name, "kmalloc-rnd-") })
		if name, _, ok := kmallocLayout(n, b.sizes.layouts); ok && !random {
			use(s, at, Use{Cache: name, For: "epoll instances", Objects: int64(e.Instances), Origin: Derived, LeavesOut: b.instanceGaps(s)})
		}
	}
}

func (b *builder) instanceGaps(s *Snapshot) []string {
	if s.Hidden == 0 {
		return nil
	}
	return []string{"epolls of " + processes(s.Hidden) + " whose fds may not be listed"}
}

// socketCache is where a socket's own structure lies.
func socketCache(o SocketObject) (cache, what string) {
	cache = objectParts(o)[0].cache
	switch o.Body {
	case sock.BodyTimeWait:
		return cache, "TIME_WAIT"
	case sock.BodyRequest:
		return cache, "half-open connections"
	}
	switch o.Kind {
	case sock.TCP4:
		return cache, "TCP sockets over IPv4"
	case sock.TCP6:
		return cache, "TCP sockets over IPv6"
	case sock.UDP4:
		return cache, "UDP sockets over IPv4"
	case sock.UDP6:
		return cache, "UDP sockets over IPv6"
	case sock.UnixStream:
		return cache, "UNIX stream sockets"
	}
	return cache, "UNIX datagram and seqpacket sockets"
}

// socketUses are the structures of sockets and their bind buckets.
func (b *builder) socketUses(s *Snapshot, at map[string]int) {
	if b.tally == nil {
		return
	}
	gaps := b.socketGaps()
	var found []Use
	for i, n := range b.tally.Objects {
		cache, what := socketCache(objectKinds[i])
		if _, ok := at[cache]; !ok && cache == "UNIX-STREAM" {
			cache = "UNIX" // one cache for both until Linux 5.14
		}
		at := slices.IndexFunc(found, func(u Use) bool { return u.Cache == cache && u.For == what })
		if at < 0 {
			at = len(found)
			found = append(found, Use{Cache: cache, For: what, Origin: Measured, LeavesOut: gaps})
		}
		found[at].Objects += n
	}
	for _, u := range found {
		use(s, at, u)
	}
	use(s, at, Use{Cache: bindPort[0].cache, For: "local TCP ports in use", Objects: b.tally.BindPorts, Origin: Derived, LeavesOut: gaps})
	use(s, at, Use{Cache: bindAddress[0].cache, For: "local TCP addresses in use", Objects: b.tally.BindAddresses, Origin: Derived, LeavesOut: gaps})
}

func (b *builder) socketGaps() []string {
	gaps := []string{"sockets that are only open or bound, which no dump has"}
	for i := range b.sample.Networks {
		if n := &b.sample.Networks[i]; n.Detail != "" {
			gaps = append(gaps, "namespace "+n.ID+": "+n.Detail)
		}
	}
	return append(gaps, b.unseen()...)
}

// fileUses are the objects of everything that has a file: of sockets their inode
// and dentry too.
func (b *builder) fileUses(s *Snapshot, at map[string]int) {
	instances := int64(s.Epoll.Instances)
	sockets := int64(0)
	if b.tally != nil {
		for i, n := range b.tally.Objects {
			if objectKinds[i].Open {
				sockets += n
			}
		}
		gaps := append([]string{"sockets of other families (netlink, packet, …)"}, b.socketGaps()...)
		for _, cache := range []string{partInode.cache, partLSMInode.cache, partDentry.cache, partFile.cache, partLSMFile.cache} {
			use(s, at, Use{Cache: cache, For: "open sockets", Objects: sockets, Origin: Derived, Pins: true, LeavesOut: gaps})
		}
	}
	for _, cache := range []string{partDentry.cache, partFile.cache, partLSMFile.cache} {
		use(s, at, Use{Cache: cache, For: "epoll instances", Objects: instances, Origin: Derived, Pins: true, LeavesOut: b.instanceGaps(s)})
	}
	if files, ok := b.sample.OpenFiles.Get(); ok {
		what := "other open files"
		if b.tally == nil {
			what = "other open files, sockets among them"
		}
		for _, cache := range []string{partFile.cache, partLSMFile.cache} {
			use(s, at, Use{Cache: cache, For: what, Objects: max(0, files-sockets-instances), Origin: Derived,
				LeavesOut: []string{"files that the kernel is about to free (fs.file-nr has the open ones)"}})
		}
	}
	if inodes, ok := b.sample.AllInodes.Get(); ok {
		what := "other inodes"
		if b.tally == nil {
			what = "other inodes, sockets' among them"
		}
		use(s, at, Use{Cache: partLSMInode.cache, For: what, Objects: max(0, inodes-sockets), Origin: Derived})
	}
	if unused, ok := b.sample.UnusedDentries.Get(); ok {
		use(s, at, Use{Cache: partDentry.cache, For: "cached names nobody holds, which a shrinker can free", Objects: unused, Origin: Measured})
	}
	if n, ok := b.sample.AllProcesses.Get(); ok {
		use(s, at, Use{Cache: "signal_cache", For: "processes", Objects: n, Origin: Derived, LeavesOut: []string{"processes outside eptop's PID namespace"}})
	}
}
