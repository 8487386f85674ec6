package slab

import (
	"strconv"
	"time"

	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/ui/view"
	"github.com/eptop/eptop/internal/units"
)

const (
	// rateWindow is over how long a rate is taken.
	rateWindow = 10 * time.Second
	// maxHistories bounds the caches of which a history is kept: with historyLen
	// numbers each, 0.3 MB.
	maxHistories = 128
)

// slabKey tells caches apart between looks: a module that was loaded again can make a
// second cache of the same name, with larger objects as a rule.
type slabKey struct {
	name string
	slot int64
}

func keyOf(c *model.Cache) slabKey { return slabKey{c.Name, c.SlotBytes} }

// slabMoment is what the caches held at one look.
type slabMoment struct {
	at     time.Time
	caches map[slabKey]slabCount
}

type slabCount struct{ bytes, active int64 }

func momentOf(s *model.Snapshot) slabMoment {
	m := slabMoment{at: s.Time, caches: make(map[slabKey]slabCount, len(s.Slab))}
	for i := range s.Slab {
		c := &s.Slab[i]
		m.caches[keyOf(c)] = slabCount{c.Bytes, c.Active}
	}
	return m
}

// slabPast is what the caches held before, in bounded memory: at the mark, over the
// last seconds (for rates), and at each of the last looks (for histories). Histories
// are kept of the caches behind sockets and epoll, and of others from when they come
// on screen; when there are maxHistories, the one that is off screen longest makes
// room.
type slabPast struct {
	mark   slabMoment
	byHand bool         // the mark was set by hand, and is not the first look
	recent []slabMoment // oldest first, no two within a second
	latest time.Time
	looks  []time.Time // of the histories, oldest first
	kept   map[slabKey]*cacheHistory
}

// cacheHistory is the active objects of a cache at the last of the looks.
type cacheHistory struct {
	active []float64
	added  time.Time // the look of the last number
	seen   time.Time // when it was last on screen, or looked at where it always counts
}

// add takes in a look, unless it is the one added last. visible are the caches on
// screen.
func (p *slabPast) add(s *model.Snapshot, visible []*model.Cache) {
	if len(s.Slab) == 0 || !s.Time.After(p.latest) {
		return
	}
	p.latest = s.Time
	if p.mark.caches == nil {
		p.mark = momentOf(s)
	}
	if n := len(p.recent); n == 0 || s.Time.Sub(p.recent[n-1].at) >= time.Second-time.Second/10 {
		p.recent = append(p.recent, momentOf(s))
	}
	for len(p.recent) > 1 && s.Time.Sub(p.recent[1].at) >= rateWindow {
		p.recent = p.recent[1:]
	}
	p.looks = view.Push(p.looks, s.Time)
	p.keep(s, visible)
	for i := range s.Slab {
		c := &s.Slab[i]
		if h := p.kept[keyOf(c)]; h != nil && !h.added.Equal(s.Time) {
			h.active, h.added = view.Push(h.active, float64(c.Active)), s.Time
		}
	}
}

// keep chooses the caches that have a history. One that is gone loses it, for a
// history has a number for each look.
func (p *slabPast) keep(s *model.Snapshot, visible []*model.Cache) {
	if p.kept == nil {
		p.kept = map[slabKey]*cacheHistory{}
	}
	there := make(map[slabKey]bool, len(s.Slab))
	for i := range s.Slab {
		c := &s.Slab[i]
		there[keyOf(c)] = true
		if c.Network {
			p.see(keyOf(c), s.Time)
		}
	}
	for key := range p.kept {
		if !there[key] {
			delete(p.kept, key)
		}
	}
	for _, c := range visible {
		if there[keyOf(c)] {
			p.see(keyOf(c), s.Time)
		}
	}
}

func (p *slabPast) see(key slabKey, at time.Time) {
	if h := p.kept[key]; h != nil {
		h.seen = at
		return
	}
	if len(p.kept) >= maxHistories {
		var oldest slabKey
		for other, h := range p.kept {
			if h.seen.Before(at) && (oldest.name == "" || h.seen.Before(p.kept[oldest].seen)) {
				oldest = other
			}
		}
		if oldest.name == "" {
			return // all of them are on screen
		}
		delete(p.kept, oldest)
	}
	p.kept[key] = &cacheHistory{seen: at}
}

// history is the active objects of a cache at the last looks, oldest first, and the
// time from the first to the last. Empty where none is kept.
func (p *slabPast) history(c *model.Cache) (active []float64, span time.Duration) {
	h := p.kept[keyOf(c)]
	if h == nil || len(h.active) == 0 {
		return nil, 0
	}
	n := len(p.looks)
	return h.active, p.looks[n-1].Sub(p.looks[n-len(h.active)])
}

// change is how many bytes and active objects a cache has more than at the mark; a
// cache that was not there then is new as a whole.
func (p *slabPast) change(c *model.Cache) (bytes, objects int64) {
	was := p.mark.caches[keyOf(c)]
	return c.Bytes - was.bytes, c.Active - was.active
}

// rate is by how many active objects and bytes a cache grows in a second, over the
// last rateWindow or as much of it as there is.
func (p *slabPast) rate(c *model.Cache) (objects, bytes float64, ok bool) {
	if len(p.recent) == 0 {
		return 0, 0, false
	}
	was := p.recent[0]
	seconds := p.latest.Sub(was.at).Seconds()
	if seconds <= 0 {
		return 0, 0, false
	}
	then := was.caches[keyOf(c)]
	return float64(c.Active-then.active) / seconds, float64(c.Bytes-then.bytes) / seconds, true
}

// since says from when changes count.
func (p *slabPast) since() string {
	if p.byHand {
		return "since " + p.mark.at.Format("15:04:05")
	}
	return "since the first look"
}

// perSecond writes a rate of objects: +12/s, -0.3/s.
func perSecond(rate float64) string {
	sign := ""
	if rate > 0 {
		sign = "+"
	}
	if rate > -9.95 && rate < 9.95 {
		return sign + strconv.FormatFloat(rate, 'f', 1, 64) + "/s"
	}
	return sign + units.Count(int64(rate)) + "/s"
}

// signed writes a change of bytes: +2.5 MB.
func signed(n int64, write func(int64) string) string {
	if n > 0 {
		return "+" + write(n)
	}
	return write(n)
}
