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
	if s.Sockets != nil {
		sockets := *s.Sockets
		out.Sockets = &sockets
		older(&sockets.Age, &sockets.NextRead, d)
	}
	out.Processes = slices.Clone(s.Processes)
	for i := range out.Processes {
		p := &out.Processes[i]
		older(&p.ListedAge, new(time.Duration), d)
		if p.Placement != nil {
			at := *p.Placement
			p.Placement = &at
			older(&at.Age, new(time.Duration), d)
		}
		p.Epolls = slices.Clone(p.Epolls)
		for j := range p.Epolls {
			e := &p.Epolls[j]
			older(&e.Age, &e.NextRead, d)
		}
	}
	return &out
}

// older moves an age and the time left until the next read by d. An age of 0 of what was
// never read stays 0, since it is none.
func older(age, left *time.Duration, d time.Duration) {
	if *age > 0 {
		*age += d
	}
	*left = max(0, *left-d)
}
