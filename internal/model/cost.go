package model

import (
	"maps"

	"github.com/eptop/eptop/internal/maybe"
)

// FolkloreBytes is the often quoted 3.3 KB of one idle TCP socket on a
// 3.10-era kernel (Zhang Yanfei): socket_alloc 0.62 + tcp_sock 1.94 + dentry
// 0.19 + file 0.25 KB and fragmentation.
const FolkloreBytes = 3379

// ManualBytes is what epoll(7) says a watch costs on a 64-bit kernel.
const ManualBytes = 160

// part names one slab object of a cost.
type part struct {
	cache  string // the cache's true name
	object string // the structure's name in BTF
	proto  string // the protocol in /proc/net/protocols, "" where none
	// optional parts do not exist on every kernel; their absence is no gap.
	optional bool
}

var (
	partInode    = part{cache: "sock_inode_cache", object: "socket_alloc"}
	partFile     = part{cache: "filp", object: "file"}
	partDentry   = part{cache: "dentry", object: "dentry"}
	partLSMInode = part{cache: "lsm_inode_cache", optional: true}
	partLSMFile  = part{cache: "lsm_file_cache", optional: true}

	watchParts = []part{
		{cache: "eventpoll_epi", object: "epitem"},
		{cache: "eventpoll_pwq", object: "eppoll_entry"},
		// Since Linux 5.11 (commit 319c15174757): one for each watched file.
		{cache: headCache, object: "epitems_head", optional: true},
	}
)

const headCache = "ep_head"

func socketParts(cache, object, proto string) []part {
	return []part{{cache: cache, object: object, proto: proto}, partInode, partFile, partDentry, partLSMInode, partLSMFile}
}

// sizes answers what an object of a cache takes on this kernel.
type sizes struct {
	layouts   map[string]Layout
	structs   map[string]int64
	protocols map[string]int64
}

// part resolves p from the best source there is: the allocator's own layout,
// else the slot an object takes, else the bare size of the structure. The last
// two leave slab waste out and are therefore estimates.
func (s sizes) part(p part) (Part, bool) {
	out := Part{Cache: p.cache, Origin: Estimated}
	if n, ok := s.structs[p.object]; ok {
		out.ObjectBytes = maybe.Some(n)
	} else if n, ok := s.protocols[p.proto]; ok {
		out.ObjectBytes = maybe.Some(n)
	}
	l, ok := s.layouts[p.cache]
	if ok {
		out.ShownAs, out.Reclaimable = l.ShownAs, l.Reclaimable
		if !out.ObjectBytes.Known {
			out.ObjectBytes = l.RequestedBytes
		}
	}
	switch n, ok := l.bytes().Get(); {
	case ok:
		out.Bytes, out.Origin = n, Measured
	case l.SlotBytes > 0:
		out.Bytes = l.SlotBytes
	case out.ObjectBytes.Known:
		out.Bytes = roundUp(out.ObjectBytes.Value, 8)
	default:
		return Part{}, false
	}
	return out, true
}

// sum resolves parts and adds them up. Its origin is derived at best: each
// part may be measured, that a socket is made of just these is knowledge. It
// is absent where the first part, the thing itself, is not known.
func (s sizes) sum(parts []part) (maybe.Of[Cost], map[string]int64) {
	cost := Cost{Origin: Derived}
	by := map[string]int64{}
	for i, p := range parts {
		got, ok := s.part(p)
		if !ok {
			if i == 0 {
				return maybe.Of[Cost]{}, nil
			}
			if !p.optional {
				cost.LeavesOut = append(cost.LeavesOut, p.cache)
				cost.Origin = Estimated
			}
			continue
		}
		cost.Parts = append(cost.Parts, got)
		cost.Bytes += got.Bytes
		cost.Origin = weakest(cost.Origin, got.Origin)
		by[p.cache] = got.Bytes
	}
	return maybe.Some(cost), by
}

func (s sizes) connections() ConnectionCosts {
	c := ConnectionCosts{FolkloreBytes: FolkloreBytes}
	c.TCP4, _ = s.sum(socketParts("TCP", "tcp_sock", "TCP"))
	c.TCP6, _ = s.sum(socketParts("TCPv6", "tcp6_sock", "TCPv6"))
	// The cache is called after the protocol's name: UNIX until Linux 5.14,
	// UNIX-STREAM for stream sockets since (commit 94531cfcbe79).
	for _, name := range []string{"UNIX-STREAM", "UNIX"} {
		if c.Unix, _ = s.sum(socketParts(name, "unix_sock", name)); c.Unix.Known {
			break
		}
	}
	return c
}

// watch is the cost of one watch, and what of it an epoll watched by another
// epoll does not need: the epitems_head of a plain file.
func (s sizes) watch() (cost maybe.Of[WatchCost], head int64) {
	sum, by := s.sum(watchParts)
	if !sum.Known {
		return maybe.Of[WatchCost]{}, 0
	}
	w := WatchCost{
		Bytes: sum.Value.Bytes, ManualBytes: ManualBytes, Origin: sum.Value.Origin,
		Parts: sum.Value.Parts, LeavesOut: sum.Value.LeavesOut,
	}
	// EP_ITEM_COST in fs/eventpoll.c; only BTF tells the exact sizes, for a
	// merged cache reports the largest of its objects.
	epi, ok1 := s.structs["epitem"]
	pwq, ok2 := s.structs["eppoll_entry"]
	if ok1 && ok2 {
		w.ChargedBytes = maybe.Some(epi + pwq)
	}
	return maybe.Some(w), by[headCache]
}

// instance is the cost of an epoll without watches. struct eventpoll has no
// cache of its own: kmalloc serves it from the smallest cache that fits.
func (s sizes) instance() maybe.Of[InstanceCost] {
	n, ok := s.structs["eventpoll"]
	if !ok {
		return maybe.Of[InstanceCost]{}
	}
	layouts := maps.Clone(s.layouts)
	if layouts == nil {
		layouts = map[string]Layout{}
	}
	if _, l, ok := kmallocLayout(n, s.layouts); ok {
		layouts["eventpoll"] = l
	}
	s.layouts = layouts
	cost, _ := s.sum([]part{{cache: "eventpoll", object: "eventpoll"}, partFile, partDentry, partLSMFile})
	return maybe.Of[InstanceCost]{Value: InstanceCost(cost.Value), Known: cost.Known}
}

// kmallocCaches are the caches that kmalloc takes a structure of some hundred
// bytes from, smallest first (kmalloc_info in mm/slab_common.c).
var kmallocCaches = []struct {
	name  string
	bytes int64
}{
	{"kmalloc-128", 128}, {"kmalloc-192", 192}, {"kmalloc-256", 256}, {"kmalloc-512", 512}, {"kmalloc-1k", 1024},
}

// kmallocLayout is the cache that serves n bytes.
func kmallocLayout(n int64, layouts map[string]Layout) (name string, l Layout, ok bool) {
	for _, k := range kmallocCaches {
		if k.bytes >= n {
			l, ok = layouts[k.name]
			return k.name, l, ok
		}
	}
	return "", Layout{}, false
}

// CostCaches are the true names of all caches that costs are made of: whoever
// fills Sample.Layouts needs to look up no other.
func CostCaches() []string {
	seen := map[string]bool{}
	var names []string
	add := func(name string) {
		if !seen[name] {
			seen[name] = true
			names = append(names, name)
		}
	}
	for _, p := range watchParts {
		add(p.cache)
	}
	for _, cache := range []string{"TCP", "TCPv6", "UNIX", "UNIX-STREAM"} {
		for _, p := range socketParts(cache, "", "") {
			add(p.cache)
		}
	}
	for _, k := range kmallocCaches {
		add(k.name)
	}
	for _, name := range []string{
		"UDP", "UDPv6", "tw_sock_TCP", "tw_sock_TCPv6", "request_sock_TCP", "request_sock_TCPv6",
		bindPort[0].cache, bindAddress[0].cache,
	} {
		add(name)
	}
	return names
}

func roundUp(n, to int64) int64 { return (n + to - 1) / to * to }
