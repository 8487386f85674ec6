package ui

import (
	"slices"
	"strconv"
	"time"

	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/model"
)

// historyLen is how many looks a history keeps: five minutes at one a second.
const historyLen = 300

// history keeps what the last looks saw, oldest first.
type history struct {
	times   []time.Time
	watches []float64 // shorter than times while no instance was read
	slab    []float64 // bytes; shorter than times while slab memory is unknown
}

// add takes in a look, unless it is the one added last.
func (h *history) add(s *model.Snapshot) {
	if n := len(h.times); n > 0 && !s.Time.After(h.times[n-1]) {
		return
	}
	h.times = push(h.times, s.Time)
	if !hostUnread(s) {
		h.watches = push(h.watches, float64(s.Epoll.Watches))
	}
	if b, ok := slabBytes(s).Get(); ok {
		h.slab = push(h.slab, float64(b))
	}
}

// span is the time from the first look kept to the last.
func (h *history) span() time.Duration {
	if len(h.times) < 2 {
		return 0
	}
	return h.times[len(h.times)-1].Sub(h.times[0])
}

func push[T any](s []T, v T) []T {
	if len(s) < historyLen {
		return append(s, v)
	}
	copy(s, s[1:])
	s[len(s)-1] = v
	return s
}

// slabBytes is all slab memory of the host.
func slabBytes(s *model.Snapshot) maybe.Of[int64] {
	rec, ok1 := s.Host.SReclaimableBytes.Get()
	unrec, ok2 := s.Host.SUnreclaimBytes.Get()
	if !ok1 || !ok2 {
		return maybe.Of[int64]{}
	}
	return maybe.Some(rec + unrec)
}

// chartRange is the range on which values are drawn: from the lowest to the
// highest, but never less than a hundredth of the lowest, so that noise stays
// small and what does not change lies flat.
func chartRange(values []float64) (lo, hi float64) {
	if len(values) == 0 {
		return 0, 1
	}
	lo, hi = slices.Min(values), slices.Max(values)
	return lo, max(hi, lo*1.01)
}

// roundDuration writes a stretch of time as a person would say it.
func roundDuration(d time.Duration) string {
	if d < time.Minute {
		return strconv.Itoa(int(d.Seconds()+0.5)) + " s"
	}
	return strconv.Itoa(int(d.Minutes()+0.5)) + " min"
}
