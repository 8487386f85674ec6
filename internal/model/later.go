package model

import (
	"slices"
	"time"
)

// Later returns the Snapshot as it is to be shown a while after its look, where no newer
// one is there: the same numbers, each of them older by d.
func (s *Snapshot) Later(d time.Duration) *Snapshot {
	if d <= 0 {
		return s
	}
	out := *s
	out.Time, out.Stale = s.Time.Add(d), s.Stale+d
	grow(&out.Epoll.Age, d)
	grow(&out.Guest.Pass.Value.Age, d)
	shrink(&out.Guest.Pass.Value.Next, d)
	if s.Sockets != nil {
		sockets := *s.Sockets
		out.Sockets = &sockets
		grow(&sockets.Age, d)
		shrink(&sockets.NextRead, d)
	}
	out.Processes = slices.Clone(s.Processes)
	for i := range out.Processes {
		p := &out.Processes[i]
		grow(&p.ListedAge, d)
		if p.Placement != nil {
			at := *p.Placement
			p.Placement = &at
			grow(&at.Age, d)
		}
		p.Epolls = slices.Clone(p.Epolls)
		for j := range p.Epolls {
			e := &p.Epolls[j]
			grow(&e.Age, d)
			shrink(&e.NextRead, d)
		}
	}
	return &out
}

// grow adds to an age. That of what was never read stays 0, since it is none.
func grow(age *time.Duration, d time.Duration) {
	if *age > 0 {
		*age += d
	}
}

// shrink takes from the time that is left until the next read.
func shrink(left *time.Duration, d time.Duration) { *left = max(0, *left-d) }
