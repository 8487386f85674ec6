package slab

import (
	"strconv"
	"time"

	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/units"
)

// mark is the moment from which changes count, and what the caches held then.
type mark struct {
	at     time.Time
	byHand bool // set by m, and not the first look
	counts map[cacheKey]count
}

// cacheKey distinguishes caches of one name: a module that was loaded again can make a
// second one, with larger objects as a rule.
type cacheKey struct {
	name string
	slot int64
}

func keyOf(c *model.Cache) cacheKey { return cacheKey{c.Name, c.SlotBytes} }

type count struct{ bytes, active int64 }

// newMark is a mark at a look.
func newMark(s *model.Snapshot, byHand bool) mark {
	m := mark{at: s.Time, byHand: byHand, counts: make(map[cacheKey]count, len(s.Slab))}
	for i := range s.Slab {
		c := &s.Slab[i]
		m.counts[keyOf(c)] = count{c.Bytes, c.Active}
	}
	return m
}

// change is how much more a cache has than at the mark; one that was not there then is
// new as a whole.
func (m *mark) change(c *model.Cache) count {
	was := m.counts[keyOf(c)]
	return count{c.Bytes - was.bytes, c.Active - was.active}
}

// since says from when changes count.
func (m *mark) since() string {
	if m.byHand {
		return "since " + m.at.Format("15:04:05")
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
