package model

import (
	"maps"
	"time"

	"github.com/eptop/eptop/internal/maybe"
)

const (
	// momentEvery is how often the fds of processes are written down, trendLen how many
	// times that is kept: ten minutes. Looks at one a second are never exactly that.
	momentEvery = 15 * time.Second
	momentSlack = time.Second / 2
	trendLen    = 41
	// mostTrends bounds the processes that have a history, to 1.3 MB of memory: those with
	// most watches and files.
	mostTrends = 4096
	// growthOver is over how long the growth of a process is taken. Where less is known, from
	// leastGrowth on, it is what was added since then: a program that has just started does
	// not go on like that.
	growthOver, leastGrowth = time.Minute, 10 * time.Second
)

// processPast is the fds of a process at the last of the moments. The kernel counts them, so
// that they are right however far eptop has come with listing them.
type processPast struct {
	started time.Time
	fds     []int64
	added   time.Time
}

// addProcesses takes in the processes of a look. One that is gone, or of which the kernel
// does not say how many fds it has, loses its history.
func (p *past) addProcesses(s *Snapshot) {
	h := &p.history
	n := len(h.Moments)
	isMoment := n == 0 || s.Time.Sub(h.Moments[n-1]) >= momentEvery-momentSlack
	if isMoment {
		h.Moments = pushMost(h.Moments, s.Time, trendLen)
	}
	if p.processes == nil {
		p.processes = map[int]*processPast{}
	}
	for i := range s.Processes[:min(len(s.Processes), mostTrends)] {
		row := &s.Processes[i]
		fds, ok := row.FDs.Get()
		if !ok {
			continue
		}
		past := p.processes[row.PID]
		if past == nil || !past.started.Equal(row.Started) {
			past = &processPast{started: row.Started}
			p.processes[row.PID] = past
		}
		if past.added = s.Time; isMoment {
			past.fds = pushMost(past.fds, fds, trendLen)
		}
	}
	maps.DeleteFunc(p.processes, func(_ int, past *processPast) bool { return !past.added.Equal(s.Time) })
}

// fillProcesses gives the processes of a Snapshot their histories and how they grow.
func (p *past) fillProcesses(s *Snapshot) {
	times := p.history.Moments
	for i := range s.Processes {
		row := &s.Processes[i]
		past := p.processes[row.PID]
		fds, ok := row.FDs.Get()
		if past == nil || !ok || !past.started.Equal(row.Started) || len(past.fds) > len(times) {
			continue
		}
		row.Trend = past.fds
		of := times[len(times)-len(past.fds):]
		for k := len(of) - 1; k >= 0; k-- {
			took := s.Time.Sub(of[k])
			if took >= leastGrowth {
				row.FDsPerMinute = maybe.Some(float64(fds-past.fds[k]) / max(1, took.Minutes()))
			}
			if took >= growthOver {
				break
			}
		}
	}
}
