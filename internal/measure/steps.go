package measure

import (
	"time"

	"github.com/eptop/eptop/internal/loadgen"
)

// step is one thing to do before a reading.
type step struct {
	stages loadgen.Stages
	// rest waits instead: time passes and connections stay, which separates what grows
	// with time from what grows with connections.
	rest time.Duration
	// every is how often a reading is taken during a step that lasts.
	every time.Duration
	// warmUp steps get no reading: they fill what the caches had free.
	warmUp bool
}

const (
	// cycles is how often each stage moves alone.
	cycles = 20
	// restEach is after how many cycles there is a rest of restTime.
	restEach = 4
	restTime = 120 * time.Millisecond
	// bulkSteps open the rest, where more is wanted than the cycles may open.
	bulkSteps = 30
	// slowReading is how often a reading is taken of a load that is opened at a rate.
	slowReading = 250 * time.Millisecond
)

// steps plans the way from a number of connections to a larger one. The cycles open
// everything, or as many at a time as the backlog lets wait between two stages. A slow
// rate would keep connections waiting for long, and gets no cycles.
func steps(from, to, backlog, rate int64) []step {
	var out []step
	at := from
	if from == 0 {
		at = min(max((to+9)/10, 1), 20_000)
		out = append(out, step{stages: loadgen.All(at), warmUp: true, every: longest(at, rate)}, step{rest: restTime})
	}
	cycle := min((to-at)/cycles, backlog)
	if rate > 0 && cycle > rate/4 {
		cycle = 0
	}
	if cycle > 0 {
		s := loadgen.All(at)
		for c := range cycles {
			for _, n := range []*int64{&s.Sockets, &s.Connects, &s.Accepts, &s.Watches} {
				*n += cycle
				out = append(out, step{stages: s})
			}
			if c%restEach == 0 {
				out = append(out, step{rest: restTime})
			}
		}
		at = s.Sockets
	}
	for bulk := max(1, (to-at+bulkSteps-1)/bulkSteps); at < to; {
		at = min(to, at+bulk)
		out = append(out, step{stages: loadgen.All(at), every: longest(bulk, rate)})
	}
	return out
}

// longest returns how often a reading is taken during a step of n connections; 0 means
// at its end only.
func longest(n, rate int64) time.Duration {
	if rate > 0 && n > rate/4 {
		return slowReading
	}
	return 0
}
