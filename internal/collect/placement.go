package collect

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/placement"
)

// The bounds of finding out where a process is. That is done only for processes in the
// Focus, and only where there are nodes to choose from.
const (
	// placementShare is the share of wall time that placements may take, or MaxStall
	// where that is less: a lock of the process is held for part of that time.
	placementShare = 0.01
	// maxThreads is the most threads whose CPU is read, some 11 µs each.
	maxThreads = 256
	// maxResident is the most resident memory of a process whose page tables are
	// walked: the walk holds its mmap lock, 13 ms for a GiB.
	maxResident = 1 << 30
)

// location is what is remembered of where a process was.
type location struct {
	started time.Time // of the process: its PID may be used again
	sample  maybe.Of[model.PlacementSample]
	next    time.Time
}

// fillPlacements adds where the processes of the Focus are. It adds nothing on a
// machine with one node.
func (l *look) fillPlacements() {
	before := l.placements
	l.placements = map[int]location{}
	if len(l.sample.Nodes.Nodes) < 2 {
		return
	}
	for i := range l.sample.Processes {
		p := &l.sample.Processes[i]
		if p.Kernel || !l.isFocused(p.PID) || l.ctx.Err() != nil {
			continue
		}
		at := before[p.PID]
		if !at.started.Equal(p.Started) || !l.start.Before(at.next) {
			at = l.locate(p)
		}
		l.placements[p.PID] = at
		p.Placement = at.sample
	}
}

// locate finds out where a process is, unless that is known and recent.
func (l *look) locate(p *model.ProcessSample) location {
	began := l.now()
	s, err := l.readPlacement(p.PID)
	now := l.now()
	return location{
		started: p.Started, sample: maybe.When(s, err == nil),
		next: now.Add(time.Duration(float64(now.Sub(began)) / min(placementShare, l.opts.MaxStall))),
	}
}

// readPlacement reads where a process is. It leaves out what the kernel does not say.
func (l *look) readPlacement(pid int) (s model.PlacementSample, err error) {
	s.At = l.now()
	if s.Allowed, err = l.place.Allowed(pid); err != nil && placement.Gone(err) {
		return s, err
	}
	if s.Threads, err = l.place.Threads(pid, maxThreads, s.Allowed); err != nil {
		return s, err
	}
	most := uint64(maxResident)
	if !l.live { // nobody waits for a file
		most = math.MaxUint64
	}
	memory, err := l.place.Memory(pid, most)
	s.Memory = maybe.When(memory, err == nil)
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
	return s, nil
}
