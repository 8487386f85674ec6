package measure

import (
	"time"

	"github.com/eptop/eptop/internal/loadgen"
)

// step is one thing to do before a reading.
type step struct {
	stages loadgen.Stages
	// rest waits instead: what grows in that time is not of connections.
	rest time.Duration
	// every is how often a reading is taken during a step that lasts.
	every time.Duration
	// warmUp steps get no reading: they fill what the caches had free.
	warmUp bool
}

const (
	// cycles is how often each stage moves alone.
	cycles = 8
	// restTime is how long the rest after each cycle lasts.
	restTime = 80 * time.Millisecond
	// fullSlabs is a whole number of slabs of each of the small caches of a watch, 16 to 128
	// bytes an object. A stage of that many, or a multiple, moves their counts by just as
	// many objects wherever in a slab it begins.
	fullSlabs = 256
	// bulkSteps open the rest, where more is wanted than the cycles may open.
	bulkSteps = 30
	// slowReading is how often a reading is taken of a load that is opened at a rate.
	slowReading = 250 * time.Millisecond
)

// steps plans the way from a number of connections to a larger one. The cycles open
// everything, or as many at a time as the backlog lets wait between two stages; what they
// leave of a small load warms the caches up. A slow rate would keep connections waiting for
// long, and gets no cycles.
func steps(from, to, backlog, rate int64) []step {
	warm := max((to-from+9)/10, 1)
	if from == 0 {
		warm = min(warm, 20_000)
	}
	cycle := min((to-from-warm)/cycles, backlog)
	if cycle > fullSlabs {
		cycle -= cycle % fullSlabs
	}
	if rate > 0 && cycle > rate/4 {
		cycle = 0
	}
	at := from + warm
	if cycle > 0 && cycle < backlog && to-cycles*cycle < 2*cycles*cycle {
		at = to - cycles*cycle
	}
	out := []step{{stages: loadgen.All(at), warmUp: true, every: longest(at-from, rate)}, {rest: restTime}}
	if cycle > 0 {
		s := loadgen.All(at)
		for range cycles {
			for _, n := range []*int64{&s.Sockets, &s.Connects, &s.Accepts, &s.Watches} {
				*n += cycle
				out = append(out, step{stages: s})
			}
			out = append(out, step{rest: restTime})
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
