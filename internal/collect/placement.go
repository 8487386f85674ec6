package collect

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/eptop/eptop/internal/epoll"
	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/placement"
)

// Bounds of looking where a process is, which is done for those that were asked for
// alone, and only where there are nodes to choose from.
const (
	// placementShare is the share of wall time that it may take, or MaxStall where that
	// is less: a lock of the process is held for part of it.
	placementShare = 0.01
	// maxThreads is of how many threads the CPU is read, some 11 µs each.
	maxThreads = 256
	// maxResident is the most resident memory of a process whose page tables are
	// walked: the walk holds its mmap lock, 13 ms for a GiB.
	maxResident = 1 << 30
)

// placed is what is remembered of where a process was.
type placed struct {
	sample maybe.Of[model.PlacementSample]
	next   time.Time
	// distinct are its sockets without duplicates, as of that dump and listing.
	distinct model.Held
	turn     int
	at       time.Time
}

// placed tells where a process is, absent on a machine with one node.
func (l *look) placed(p *process) maybe.Of[model.PlacementSample] {
	if len(l.sample.Nodes.Nodes) < 2 {
		return maybe.Of[model.PlacementSample]{}
	}
	at := &p.placement
	if l.start.Before(at.next) {
		return at.sample
	}
	began := l.now()
	s, err := l.readPlacement(p)
	at.sample = maybe.Of[model.PlacementSample]{Value: s, Known: err == nil}
	now := l.now()
	at.next = now.Add(time.Duration(float64(now.Sub(began)) / min(placementShare, l.opts.MaxStall)))
	return at.sample
}

// readPlacement reads where a process is. What the kernel does not tell is left out.
func (l *look) readPlacement(p *process) (s model.PlacementSample, err error) {
	s.At = l.now()
	if s.Allowed, err = l.place.Allowed(p.pid); err != nil && placement.Gone(err) {
		return s, err
	}
	if s.Threads, err = l.place.Threads(p.pid, maxThreads, s.Allowed); err != nil {
		return s, err
	}
	memory, err := l.place.Memory(p.pid, maxResident)
	s.Memory = maybe.Of[[]placement.NodeBytes]{Value: memory, Known: err == nil}
	switch {
	case err == nil:
	case errors.Is(err, placement.ErrTooLarge):
		s.MemoryProblem = fmt.Sprintf("more than %d MiB are resident: the kernel would hold its mmap lock while it counts them", maxResident>>20)
	case stateOf(err) == model.Denied:
		s.MemoryProblem = "its numa_maps may not be read by this user"
	case stateOf(err) == model.Absent:
		s.MemoryProblem = "this kernel has no numa_maps"
	default:
		s.MemoryProblem = err.Error()
	}
	if len(l.sockets.networks) > 0 && p.listed && !p.denied {
		s.Held = maybe.Some(l.distinctSockets(p))
	}
	return s, nil
}

// distinctSockets counts a process's sockets once each: several of its fds may refer
// to one, and the slab has one object for them.
func (l *look) distinctSockets(p *process) model.Held {
	at := &p.placement
	if at.turn != l.sockets.turn || !at.at.Equal(p.listedAt) {
		fds := slices.DeleteFunc(slices.Clone(p.listing.FDs), func(fd epoll.FD) bool { return fd.Kind != epoll.KindSocket })
		slices.SortFunc(fds, func(a, b epoll.FD) int { return cmp.Compare(a.Ino, b.Ino) })
		fds = slices.CompactFunc(fds, func(a, b epoll.FD) bool { return a.Ino == b.Ino })
		at.distinct, at.turn, at.at = model.NewHeld(fds, l.sockets.networks), l.sockets.turn, p.listedAt
	}
	return at.distinct
}
