package measure

import (
	"slices"
	"strings"

	"github.com/eptop/eptop/internal/loadgen"
	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/object"
)

// stage is a system call that makes a connection.
type stage int

const (
	stageSocket stage = iota
	stageConnect
	stageAccept
	stageWatch
	stages
)

var stageNames = [stages]string{"socket", "connect", "accept", "epoll_ctl"}

// stageSet says which stages make an object of a cache.
type stageSet [stages]bool

func (s stageSet) overlaps(t stageSet) bool {
	for i := range s {
		if s[i] && t[i] {
			return true
		}
	}
	return false
}

// each returns the connections of each stage, by its index.
func each(s loadgen.Stages) [stages]int64 {
	return [stages]int64{s.Sockets, s.Connects, s.Accepts, s.Watches}
}

func setOf(list ...stage) (s stageSet) {
	for _, i := range list {
		s[i] = true
	}
	return s
}

// known is a cache, or several that SLUB merged, that a connection is known to be made
// of, with the stages that make its objects.
type known struct {
	names   []string
	shownAs string
	stages  stageSet
	// charged: the memory cgroup keeps a pointer for each object (SLAB_ACCOUNT).
	charged bool
	// shared: several connections may share an object, so there may be less than one for each.
	shared bool
}

func (k known) name() string { return strings.Join(k.names, " + ") }

// objects returns how many a connection has: one of each name at each of its stages.
func (k known) objects() float64 {
	n := 0.0
	for _, made := range k.stages {
		if made {
			n += float64(len(k.names))
		}
	}
	return n
}

// knownParts returns the parts of the plan's connections, by the costs of this kernel.
func knownParts(plan model.LoadPlan, snap *model.Snapshot) []known {
	if snap == nil {
		return nil
	}
	var out []known
	add := func(p model.Part, at stageSet, shared bool) {
		if p.ShownAs == "" {
			p.ShownAs = p.Cache
		}
		for i := range out {
			// Objects of one cache that the same call makes cannot be distinguished.
			if out[i].shownAs == p.ShownAs && out[i].stages.overlaps(at) {
				out[i].names = append(out[i].names, p.Cache)
				out[i].shared = out[i].shared || shared
				for j := range at {
					out[i].stages[j] = out[i].stages[j] || at[j]
				}
				return
			}
		}
		out = append(out, known{names: []string{p.Cache}, shownAs: p.ShownAs, stages: at, charged: isCharged(p.Cache), shared: shared})
	}
	if end, ok := snap.ConnectionCost.Of(plan.Family); ok {
		for i, p := range end.Parts {
			if i == 0 {
				// The server's socket is made when the client connects, its file when it
				// is accepted.
				add(p, setOf(stageSocket, stageConnect), false)
				continue
			}
			add(p, setOf(stageSocket, stageAccept), false)
		}
	}
	if plan.Family != loadgen.UNIX {
		for _, p := range snap.BindBuckets {
			add(p, setOf(stageConnect), true)
		}
	}
	if w, ok := snap.Epoll.Cost.Get(); ok && plan.Watch != loadgen.WatchNone {
		for _, p := range w.Parts {
			add(p, setOf(stageWatch), false)
		}
	}
	return out
}

// isCharged reports whether the memory cgroup keeps a note for each object of a cache.
func isCharged(cache string) bool {
	k, _ := object.OfCache(cache)
	return !k.Uncharged
}

// sharesCache tells whether another known part is in the same cache.
func sharesCache(parts []known, k known) bool {
	return slices.ContainsFunc(parts, func(o known) bool { return o.shownAs == k.shownAs && o.stages != k.stages })
}

// bufferCaches returns the caches that hold bytes on their way, by slabinfo's names;
// nil where the plan leaves no bytes unread.
func bufferCaches(plan model.LoadPlan, snap *model.Snapshot) map[string]bool {
	if plan.UnreadBytes == 0 || snap == nil {
		return nil
	}
	out := map[string]bool{}
	for i := range snap.Slab {
		c := &snap.Slab[i]
		for _, name := range append([]string{c.Name}, c.Aliases...) {
			if object.IsBuffer(name) {
				out[c.Name] = true
			}
		}
	}
	return out
}
