package model

import (
	"maps"
	"time"

	"github.com/eptop/eptop/internal/maybe"
)

// historyLen is how many looks a history keeps: five minutes at one a second.
const historyLen = 300

// History is what the last looks saw, the oldest first. Later Snapshots go on with it
// in the same memory and leave alone what is here.
type History struct {
	// Times are when the looks were, the Snapshot's own the last.
	Times []time.Time `json:"times,omitempty"`
	// Watches are those of the whole host at the last looks, back to the last one that
	// read no instance: then fewer than Times.
	Watches []int64 `json:"watches,omitempty"`
	// SlabBytes is all slab memory, from meminfo, back to the last look that did not
	// know it.
	SlabBytes []int64 `json:"slab_bytes,omitempty"`
	// Moments are when the fds of processes were written down, see Process.Trend: one look
	// in 15 seconds, over ten minutes.
	Moments []time.Time `json:"moments,omitempty"`
}

// Span is the time from the first of the last n looks to the last one.
func (h *History) Span(n int) time.Duration {
	all := len(h.Times)
	if n = min(n, all); n < 2 {
		return 0
	}
	return h.Times[all-1].Sub(h.Times[all-n])
}

// rateWindow is over how long a rate is taken.
const rateWindow = 10 * time.Second

// past is what a Deriver remembers of the looks before.
type past struct {
	seen    bool // a look had nothing left to list, compare or read
	history History
	caches  map[cacheKey]*cachePast
	recent  []moment // oldest first, no two within a second
	// processes are the histories of processes by PID.
	processes map[int]*processPast
}

// cachePast is the active objects of a cache, the oldest first, and when it was added to.
type cachePast struct {
	active []int64
	added  time.Time
}

// cacheKey distinguishes caches between looks: a module that was loaded again can
// make a second cache of the same name, with larger objects as a rule.
type cacheKey struct {
	name string
	slot int64
}

func (c *Cache) key() cacheKey { return cacheKey{c.Name, c.SlotBytes} }

// moment is what the caches held at one look.
type moment struct {
	at     time.Time
	caches map[cacheKey]cacheCount
}

type cacheCount struct{ bytes, active int64 }

func momentOf(s *Snapshot) moment {
	m := moment{at: s.Time, caches: make(map[cacheKey]cacheCount, len(s.Slab))}
	for i := range s.Slab {
		c := &s.Slab[i]
		m.caches[c.key()] = cacheCount{c.Bytes, c.Active}
	}
	return m
}

// add takes in a look, unless it is not later than the last one, and gives the
// Snapshot its history.
func (p *past) add(s *Snapshot) {
	h := &p.history
	if n := len(h.Times); n > 0 && !s.Time.After(h.Times[n-1]) {
		s.History = *h
		p.fill(s)
		return
	}
	h.Times = push(h.Times, s.Time)
	// What is not known at a look begins anew: a history without it would be drawn too short.
	// The watches' begins at the first look that nothing was left to, so that it does not
	// show how eptop gets to know the machine.
	p.seen = p.seen || !s.Epoll.Pending()
	if n, ok := s.Epoll.Watches.Get(); ok && p.seen {
		h.Watches = push(h.Watches, n)
	} else {
		h.Watches = nil
	}
	if bytes, ok := s.Host.SlabBytes().Get(); ok {
		h.SlabBytes = push(h.SlabBytes, bytes)
	} else {
		h.SlabBytes = nil
	}
	p.addProcesses(s)
	s.History = *h
	p.addCaches(s)
	p.fill(s)
}

// addCaches takes in the caches of a look. One that is gone loses its history, for a
// history has a number for each look.
func (p *past) addCaches(s *Snapshot) {
	if len(s.Slab) == 0 {
		p.caches = nil
		return
	}
	if p.caches == nil {
		p.caches = make(map[cacheKey]*cachePast, len(s.Slab))
	}
	for i := range s.Slab {
		c := &s.Slab[i]
		h := p.caches[c.key()]
		if h == nil {
			h = &cachePast{}
			p.caches[c.key()] = h
		}
		if !h.added.Equal(s.Time) { // the first of two lines of one key
			h.active, h.added = push(h.active, c.Active), s.Time
		}
	}
	maps.DeleteFunc(p.caches, func(_ cacheKey, h *cachePast) bool { return !h.added.Equal(s.Time) })
	// A tenth of tolerance: looks at one a second are never exactly that.
	if n := len(p.recent); n == 0 || s.Time.Sub(p.recent[n-1].at) >= time.Second-time.Second/10 {
		p.recent = append(p.recent, momentOf(s))
	}
	for len(p.recent) > 1 && s.Time.Sub(p.recent[1].at) >= rateWindow {
		p.recent = p.recent[1:]
	}
}

// fill gives the caches of a Snapshot their history and rates.
func (p *past) fill(s *Snapshot) {
	p.fillProcesses(s)
	if len(p.recent) == 0 {
		return
	}
	was := p.recent[0]
	seconds := s.Time.Sub(was.at).Seconds()
	for i := range s.Slab {
		c := &s.Slab[i]
		if h := p.caches[c.key()]; h != nil {
			c.History = h.active
		}
		if seconds > 0 {
			then := was.caches[c.key()]
			c.Growth = maybe.Some(Growth{
				ObjectsPerSecond: float64(c.Active-then.active) / seconds,
				BytesPerSecond:   float64(c.Bytes-then.bytes) / seconds,
			})
		}
	}
}

// push appends to a history and forgets the oldest beyond historyLen. What it was
// called with stays as it is.
func push[T any](s []T, v T) []T { return pushMost(s, v, historyLen) }

func pushMost[T any](s []T, v T, most int) []T {
	if len(s) == most {
		s = s[1:]
	}
	return append(s, v)
}
