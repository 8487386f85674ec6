package model

import (
	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/object"
	"github.com/eptop/eptop/internal/zone"
)

// FolkloreBytes is the often quoted 3.3 KB of one idle TCP socket on a
// 3.10-era kernel (Zhang Yanfei): socket_alloc 0.62 + tcp_sock 1.94 + dentry
// 0.19 + file 0.25 KB and fragmentation.
const FolkloreBytes = 3379

// ManualBytes is what epoll(7) says a watch costs on a 64-bit kernel.
const ManualBytes = 160

// sizes answers what an object of a cache takes on this kernel.
type sizes struct {
	layouts   map[string]Layout
	structs   map[string]int64
	protocols map[string]int64
	// nodes is how many numbers NUMA nodes can have (nr_node_ids); 0 where not known.
	nodes int64
}

// objectBytes is what a structure of k takes, or the array of them.
func (s sizes) objectBytes(k object.Kind) (int64, bool) {
	n, ok := s.structs[k.Struct]
	if k.PerNode {
		n *= max(1, s.nodes)
	}
	return n, ok
}

// part resolves k from the best source there is: the allocator's own layout,
// else the slot an object takes, else the bare size of the structure. The last
// two leave slab waste out and are therefore estimates.
func (s sizes) part(k object.Kind) (Part, bool) {
	out := Part{Cache: s.kindHere(k).Cache, Origin: Estimated}
	if n, ok := s.objectBytes(k); ok {
		out.ObjectBytes = maybe.Some(n)
	} else if n, ok := s.protocols[s.kindHere(k).Protocol]; ok {
		out.ObjectBytes = maybe.Some(n)
	}
	cache := out.Cache
	if k.Kmalloc {
		cache = ""
		if n, ok := out.ObjectBytes.Get(); ok {
			cache, _ = object.KmallocCache(n)
		}
	}
	l, ok := s.layouts[cache]
	if ok {
		out.ShownAs, out.Reclaimable = l.ShownAs, l.Reclaimable
		if !out.ObjectBytes.Known {
			out.ObjectBytes = l.RequestedBytes
		}
	}
	switch n, ok := l.bytes().Get(); {
	case ok && n > 0:
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

// nodeNumbers is how many numbers the nodes of a machine can have.
func nodeNumbers(n zone.Nodes) int64 {
	most := -1
	for _, id := range append(n.Possible, n.Online...) {
		most = max(most, id)
	}
	return int64(most + 1)
}

// kindHere is k as this kernel has it: one without k's cache takes the objects from an
// earlier one.
func (s sizes) kindHere(k object.Kind) object.Kind {
	if k.Earlier == "" || s.has(k) {
		return k
	}
	if earlier, ok := object.OfCache(k.Earlier); ok && s.has(earlier) {
		return earlier
	}
	return k
}

// has reports whether the kernel has the cache or the protocol of k.
func (s sizes) has(k object.Kind) bool {
	_, layout := s.layouts[k.Cache]
	_, protocol := s.protocols[k.Protocol]
	return layout || protocol
}

// sum resolves parts and adds them up. Its origin is derived at best: each
// part may be measured, that a socket is made of just these is knowledge. It
// is absent where the first part, the thing itself, is not known.
func (s sizes) sum(parts []object.Kind) (maybe.Of[Cost], map[string]int64) {
	cost := Cost{Origin: Derived}
	by := map[string]int64{}
	for i, k := range parts {
		got, ok := s.part(k)
		if !ok {
			if i == 0 {
				return maybe.Of[Cost]{}, nil
			}
			if !k.Optional {
				cost.LeavesOut = append(cost.LeavesOut, k.Cache)
				cost.Origin, cost.AtLeast = Estimated, true
			}
			continue
		}
		cost.Parts = append(cost.Parts, got)
		cost.Bytes += got.Bytes
		cost.Origin = weakest(cost.Origin, got.Origin)
		by[k.Cache] = got.Bytes
	}
	return maybe.Some(cost), by
}

func (s sizes) connections() ConnectionCosts {
	c := ConnectionCosts{FolkloreBytes: FolkloreBytes}
	c.TCP4, _ = s.sum(object.WithFile(object.TCP))
	c.TCP6, _ = s.sum(object.WithFile(object.TCPv6))
	c.Unix, _ = s.sum(object.WithFile(object.UNIXStream))
	return c
}

// watch is the cost of one watch, and what of it an epoll watched by another
// epoll does not need: the epitems_head of a plain file.
func (s sizes) watch() (cost maybe.Of[WatchCost], head int64) {
	sum, by := s.sum(object.Watch())
	if !sum.Known {
		return maybe.Of[WatchCost]{}, 0
	}
	w := WatchCost{
		Bytes: sum.Value.Bytes, ManualBytes: ManualBytes, Origin: sum.Value.Origin,
		Parts: sum.Value.Parts, LeavesOut: sum.Value.LeavesOut, AtLeast: sum.Value.AtLeast,
	}
	// EP_ITEM_COST in fs/eventpoll.c; only BTF has the exact sizes, for a
	// merged cache reports the largest of its objects.
	epi, ok1 := s.structs[object.Epitem.Struct]
	pwq, ok2 := s.structs[object.EppollEntry.Struct]
	if ok1 && ok2 {
		w.ChargedBytes = maybe.Some(epi + pwq)
	}
	return maybe.Some(w), by[object.EpitemsHead.Cache]
}

// instance is the cost of an epoll without watches.
func (s sizes) instance() maybe.Of[InstanceCost] {
	if _, ok := s.structs[object.Eventpoll.Struct]; !ok {
		return maybe.Of[InstanceCost]{}
	}
	cost, _ := s.sum(object.Instance())
	return maybe.Of[InstanceCost]{Value: InstanceCost(cost.Value), Known: cost.Known}
}

func roundUp(n, to int64) int64 { return (n + to - 1) / to * to }
