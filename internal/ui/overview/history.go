package overview

import (
	"time"

	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/ui/view"
)

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
	h.times = view.Push(h.times, s.Time)
	if !view.HostUnread(s) {
		h.watches = view.Push(h.watches, float64(s.Epoll.Watches))
	}
	if b, ok := slabBytes(s).Get(); ok {
		h.slab = view.Push(h.slab, float64(b))
	}
}

// span is the time from the first look kept to the last.
func (h *history) span() time.Duration {
	if len(h.times) < 2 {
		return 0
	}
	return h.times[len(h.times)-1].Sub(h.times[0])
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
