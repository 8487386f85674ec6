package model

import (
	"time"

	"github.com/eptop/eptop/internal/maybe"
)

// ruleMemory is what rules remember between looks beyond the findings themselves.
type ruleMemory struct {
	streaks map[streakKey]streak
	cpu     map[int]cpuTime
	drops   map[uint32]dropCount
	growth  map[growthKey]growing
}

// cpuTime is that of a process, and what it burned up to then since the look before.
type cpuTime struct {
	started time.Time
	at      time.Time
	total   time.Duration
	burned  maybe.Of[float64] // cores
}

// begin takes in a look before the rules judge it.
func (m *ruleMemory) begin(r *ruling) {
	if m.streaks == nil {
		*m = ruleMemory{streaks: map[streakKey]streak{}, cpu: map[int]cpuTime{}, drops: map[uint32]dropCount{}, growth: map[growthKey]growing{}}
	}
	m.burn(r)
}

// end forgets what the rules did not ask about in this look.
func (m *ruleMemory) end(*ruling) {
	for key, s := range m.streaks {
		if !s.kept {
			delete(m.streaks, key)
			continue
		}
		s.kept = false
		m.streaks[key] = s
	}
}

// leastInterval is the time over which CPU use says something.
const leastInterval = 90 * time.Millisecond

// burn finds what each process has burned since the look before.
func (m *ruleMemory) burn(r *ruling) {
	now := make(map[int]cpuTime, len(m.cpu))
	for i := range r.sample.Processes {
		p := &r.sample.Processes[i]
		total, ok := p.CPU.Get()
		if !ok {
			continue
		}
		t := cpuTime{started: p.Started, at: r.sample.Time, total: total}
		if was, known := m.cpu[p.PID]; known && was.started.Equal(p.Started) && total >= was.total {
			d := t.at.Sub(was.at)
			if d < leastInterval {
				t = was
			} else {
				t.burned = maybe.Some(float64(total-was.total) / float64(d))
			}
		}
		now[p.PID] = t
	}
	m.cpu = now
}

// burns reports whether a process uses at least a fifth of a core, as one that spins does
// even where others want the same core; known
// is false where its CPU time is not known of two looks.
func (r *ruling) burns(pid int) (burns, known bool) {
	b, known := r.memory.cpu[pid].burned.Get()
	return b >= 0.2, known
}

// idles reports whether a process does next to nothing; known is false where its CPU time
// is not known of two looks.
func (r *ruling) idles(pid int) (idles, known bool) {
	b, known := r.memory.cpu[pid].burned.Get()
	return b < 0.05, known
}
