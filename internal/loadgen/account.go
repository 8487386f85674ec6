package loadgen

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// tally is what workers have counted over their lives.
type tally struct {
	failures       map[string]int64
	failed         int64
	echoes, unread int64
}

func newTally() tally { return tally{failures: map[string]int64{}} }

func (t *tally) add(u tally) {
	t.failed += u.failed
	t.echoes += u.echoes
	t.unread += u.unread
	for name, n := range u.failures {
		t.failures[name] += n
	}
}

// open returns how many whole connections the pair holds.
func (p *pair) open(c Config) int64 {
	if p.retiring {
		return 0
	}
	if c.Watch == WatchNone {
		return p.page.server.accepts.Load()
	}
	return p.page.server.watches.Load()
}

// count sums up what the pairs hold and have done.
func (g *Generator) count() {
	st := &g.status
	st.Open, st.Have = 0, Stages{}
	sum := newTally()
	sum.add(g.gone)
	st.Lost = g.lost
	for _, p := range g.pairs {
		lost := p.page.server.lost.Load()
		if st.Lost += lost; lost != p.lost {
			st.LastLoss = endedByOthers
		}
		st.Have.add(p.page.stages())
		st.Open += p.open(g.config)
		sum.add(countOf(p.page))
	}
	st.Failed, st.Failures, st.Echoes, st.UnreadBytes = sum.failed, sum.failures, sum.echoes, sum.unread
	st.Peak = max(st.Peak, st.Open)
}

func countOf(p *page) tally {
	t := newTally()
	t.echoes, t.unread = p.client.echoes.Load(), p.client.unread.Load()
	for _, side := range []*trouble{&p.client.trouble, &p.server.trouble} {
		for i := range side.failed {
			n := side.failed[i].Load()
			if n == 0 {
				continue
			}
			name := "other"
			if i < len(failures) {
				name = unix.ErrnoName(failures[i])
			}
			t.failures[name] += n
			t.failed += n
		}
	}
	return t
}

// setPhase updates the phase and reports whether something is still changing.
func (g *Generator) setPhase(now time.Time) (busy bool) {
	was, phase := g.status.Phase, g.phase(now)
	// The phase was read after the last count: what happened in between belongs to it.
	g.count()
	g.pace(now, was == Opening)
	if was == Drained && phase == Opening {
		g.status.OpenTook, g.opened, g.status.PerSecond = 0, 0, 0
	}
	g.status.Phase = phase
	return phase == Opening || phase == Draining
}

func (g *Generator) phase(now time.Time) Phase {
	retiring, reached, quiet := false, true, true
	room := int64(0)
	watched := g.config.Watch != WatchNone
	for _, p := range g.pairs {
		if p.retiring {
			retiring = true
			continue
		}
		want := g.wanted.clamp(room, g.room(p))
		room += g.room(p)
		reached = reached && !p.again && p.want == want && p.hasReached(watched)
		quiet = quiet && p.isQuiet(now, watched)
	}
	switch {
	case g.wanted == (Stages{}) && len(g.pairs) == 0:
		return Drained
	case retiring:
		return Draining
	case g.status.StoppedBy != "" && quiet:
		return Holding
	case g.status.StoppedBy != "":
		return Opening
	case reached && room >= g.wanted.Sockets:
		return Holding
	case g.status.Have.Sockets > g.wanted.Sockets:
		return Draining
	}
	return Opening
}

// pace measures how fast connections are opened, over all the time spent opening.
func (g *Generator) pace(now time.Time, opening bool) {
	st := &g.status
	if opening {
		st.OpenTook += now.Sub(g.phaseAt)
		g.opened += max(0, st.Open-g.wasOpen)
		if st.OpenTook > 0 {
			st.PerSecond = float64(g.opened) / st.OpenTook.Seconds()
		}
	}
	g.phaseAt, g.wasOpen = now, st.Open
	st.Left = 0
	if rest := g.wanted.Sockets - st.Open; rest > 0 && st.PerSecond > 0 && st.StoppedBy == "" {
		st.Left = time.Duration(min(float64(rest)/st.PerSecond, 1e9) * float64(time.Second))
	}
}

// resident returns the bytes that processes have in memory, by /proc/PID/statm.
func resident(pids []int) int64 {
	sum := int64(0)
	for _, pid := range pids {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
		var size, rss int64
		if err == nil {
			if _, err := fmt.Sscan(string(text), &size, &rss); err == nil {
				sum += rss * int64(os.Getpagesize())
			}
		}
	}
	return sum
}
