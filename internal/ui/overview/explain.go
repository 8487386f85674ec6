package overview

import (
	"github.com/eptop/eptop/internal/ui/draw"
	"github.com/eptop/eptop/internal/ui/view"
)

// explainOverview says where the numbers of a card of the Overview are from
// and what they leave out.
func explainOverview(c overviewCard) (title, text string) {
	switch c {
	case cardWatches:
		return "Epoll watches per user", "Watches are the tfd: lines of /proc/PID/fdinfo/FD (ep_show_fdinfo in fs/eventpoll.c), an instance that several processes share counted once. " +
			"The limit is fs.epoll.max_user_watches. It holds for the user who created the instance, over all processes and namespaces of that user; the kernel does not export its own counter, " +
			"so a ? marks users of whom it is not certain that they pay.\n\n" +
			"A watch is three objects: eventpoll_epi, eventpoll_pwq and, for each watched file, ep_head. The kernel reckons the limit with two of them by sizeof (charged); " +
			"epoll(7) still says 160 bytes. The first number is what the slab allocator takes, its waste included.\n\n" +
			"Not counted: the instance itself. What eptop has not seen, or not yet, is in no sum: then the sum has ≥ before it, and ? or – stands where nothing of it is known."
	case cardWalls:
		return "Which limit comes next", "The five nearest limits of any kind: first those that are nearly used up (from 80 % on), then those that leave the fewest connections; of each kind the nearest stands for the others. Each limit, less what is used of it, over what one more watched connection needs: one fd (RLIMIT_NOFILE from /proc/PID/limits; fs.file-max), one watch (max_user_watches), " +
			"or the kernel memory of one TCP end and its watch (MemAvailable; what the cgroup of a server is charged). tcp_mem, orphans, conntrack, local ports, threads and accept queues are among them once they are in use. eptop and its own load are left out.\n\n" +
			"≈ marks an estimate. Memory is optimistic: no buffers are counted, none of the program's own memory, and MemAvailable holds inodes and dentries that live sockets pin. " +
			"A connection with both ends on this host counts twice."
	case cardMemory:
		return "Memory", "MemTotal, MemAvailable, SReclaimable and SUnreclaim of /proc/meminfo (meminfo_proc_show in fs/proc/meminfo.c); the bar is what is not available.\n\n" +
			"Pinned: sock_inode_cache and dentry are marked reclaimable, and the kernel counts them into MemAvailable, but a live socket holds one of each, and no pressure frees them. " +
			"It is the sum over all sockets that were listed; where they were not, the active objects of sock_inode_cache times what an inode and a dentry take (derived), a little high on a small machine, because objects on per-CPU slabs count as active. " +
			"Sockets: their structures and, beside them, what their buffers take; view 3 has all of it."
	case cardSockets:
		return view.ExplainSocketMemory()
	case cardTrend:
		return "The last minutes", "The watches of all instances, and SReclaimable + SUnreclaim, one value for each look since eptop started (up to 300). " +
			"Each chart runs from its lowest to its highest value, but over at least a hundredth of the lowest, so that noise stays small; a column is the highest of the looks it stands for.\n\n" +
			"Watches are as old as the last read of their instance: a costly instance is read rarely, and then its line moves in steps."
	case cardMissing:
		return "What eptop cannot see", "Each source that was denied, that this kernel does not have, or that could not be understood, and the command that would unlock it. " +
			"Nothing that rests on it is shown as 0: it is left out, or said to be unknown."
	}
	return "An idle connection on this kernel", "What one end of an established TCP connection takes in kernel memory while nothing is sent: one object of each cache. " +
		"Bytes are the pages of a slab over the objects in it (/proc/slabinfo, /sys/kernel/slab), so the slab's own waste is in them.\n\n" +
		"measured: the allocator reports this very number. derived: computed from numbers that this kernel reports, such as objects in a slab and struct sizes in BTF. estimated: a part is an assumption.\n\n" +
		"Not counted: buffers (none while idle), the client's bind buckets, the program's own memory, conntrack, and what no one has explained yet: on Linux 6.18 some 0.4 objects of kmalloc-192 for each pair of ends. " +
		"On a low screen others is the rest of the parts. A loopback connection has both ends on this host. Folklore is the 3.3 KB often quoted from a 3.10-era kernel: socket_alloc, tcp_sock, dentry and file."
}

// explain describes what is under the cursor on top.
func (v *View) explain(s spot) (title, text string) {
	card := s.card
	switch {
	case s.part == partLook && s.row > 0 && s.row <= len(v.snap.Findings):
		f := &v.snap.Findings[s.row-1]
		return f.Title(), draw.Clean(f.Evidence) + "\n\n" + draw.Clean(f.Why) + "\n\nWhat helps: " + draw.Clean(f.Cure) + "\n\nA false alarm? " + draw.Clean(f.FalseAlarm)
	case s.part == partLook:
		return "Look here", v.lookText()
	case s.card == cardNone:
		card = map[part]overviewCard{partCost: cardConnection, partLimits: cardWalls, partMemory: cardSockets, partMissing: cardMissing}[s.part]
	case s.card == cardWalls && s.row > 0 && s.row <= len(v.snap.Walls):
		return wallName(v.snap.Walls[s.row-1]), wallText(&v.snap.Walls[s.row-1])
	}
	title, text = explainOverview(card)
	if raise := raiseWith(v.snap); card == cardWalls && raise != "" {
		text += "\n\nWhat moves them:" + raise
	}
	if card == cardWatches {
		for _, gap := range v.snap.Epoll.LeavesOut {
			text += "\n\n✗ without " + draw.Clean(gap)
		}
	}
	return title, text
}

// overviewCard says what a card of the Overview shows.
type overviewCard int

const (
	cardNone overviewCard = iota
	cardConnection
	cardWatches
	cardWalls
	cardSockets
	cardMemory
	cardTrend
	cardMissing
)
