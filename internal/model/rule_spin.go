package model

import (
	"fmt"

	"github.com/eptop/eptop/internal/epoll"
	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/sock"
	"github.com/eptop/eptop/internal/units"
)

// spinRules are about level-triggered watches that stay ready while a thread of their
// process burns CPU: epoll_wait returns at once, over and over.
func spinRules() []Rule {
	const (
		why   = "epoll_wait returns at once each time: the loop takes a whole CPU and does nothing."
		alarm = "A process that is busy with something else, while the watch waits for its turn."
	)
	return []Rule{
		{
			ID: "EP117", Name: "spin-hup", Title: "spins on a hang-up", Severity: SeverityWarn, Looks: 3, judge: judgeSpinHup,
			What: "A level-triggered watch of a TCP socket whose other end has closed, look after look, while its process uses at least a fifth of a CPU.",
			Why:  why, FalseAlarm: alarm, Cure: "Close the socket, or EPOLL_CTL_DEL it, when read returns 0 or RDHUP is reported.",
		},
		{
			ID: "EP118", Name: "spin-out", Title: "spins on EPOLLOUT", Severity: SeverityWarn, Looks: 3, judge: judgeSpinOut,
			What: "A level-triggered watch armed for EPOLLOUT on a connection whose send queue is empty, look after look, while its process uses at least a fifth of a CPU. Info at first, a warning when one watch was so for 30 looks.",
			Why:  why, FalseAlarm: alarm + " A client that always has requests to write and too little CPU for them.",
			Cure: "Ask for EPOLLOUT only while a write has returned EAGAIN, and not longer; or watch edge-triggered.",
		},
		{
			ID: "EP119", Name: "spin-accept-emfile", Title: "spins on accept", Severity: SeverityCritical, Looks: 3, judge: judgeSpinAccept,
			What: "A level-triggered watch of a listener with connections waiting, in a process that has used all its open files, while it uses at least a fifth of a CPU.",
			Why:  "accept(2) fails with EMFILE and takes nothing out of the queue. " + why, FalseAlarm: alarm,
			Cure: "Raise RLIMIT_NOFILE. In the program: keep one descriptor in reserve, or stop watching the listener until a connection is closed.",
		},
	}
}

// isLevel reports whether a watch is level-triggered and reports more than once.
func isLevel(m epoll.Mask) bool { return m&(epoll.ET|epoll.OneShot) == 0 }

// spins returns for how many looks a watch has stayed ready in a process that burns CPU, 0
// where they are too few.
// The first look, which knows no CPU time yet, counts.
func (r *ruling) spins(w *watched) (looks int, certain bool) {
	ready := w.watch.Facts & (epoll.KnowsReady | epoll.IsReady)
	burns, known := r.burns(w.in.Holders[0].PID)
	if ready == epoll.KnowsReady || known && !burns {
		return 0, false
	}
	looks, _ = r.streak(r.in(w.in), w.watch.Ino, uint64(uint32(w.watch.TFD)), r.sample.SocketsAt)
	if !known || looks < r.rule.Looks {
		return 0, false
	}
	return looks, ready == epoll.KnowsReady|epoll.IsReady
}

// spinGroups joins the watches of one epoll that spin.
type spinGroups struct {
	r  *ruling
	by map[*InstanceSample]*sighting
	v  verdict
	// sureLooks is how many looks at one watch make more than an info of it.
	sureLooks int
}

func (g *spinGroups) add(w *watched, text string) {
	looks, certain := g.r.spins(w)
	if looks == 0 {
		return
	}
	s := g.by[w.in]
	if s == nil {
		s = &sighting{site: g.r.in(w.in), sure: true, certain: certain, detail: g.r.watchText(w.watch), severity: SeverityInfo}
		s.fd = maybe.Some(int(w.watch.TFD))
		g.by[w.in] = s
	}
	if looks >= g.sureLooks {
		s.severity = "" // the rule's own
	}
	s.count++
	s.certain = s.certain && certain
	burned := g.r.memory.cpu[s.pid].burned.Value
	s.text = fmt.Sprintf("%s %s; the process uses %s of a CPU", watchCount(s.count), text, units.Percent(burned))
}

func (g *spinGroups) verdict() verdict {
	for _, s := range g.by {
		g.v.sightings = append(g.v.sightings, *s)
	}
	return g.v
}

// noCPU says why rules about CPU use cannot be judged; empty where they can.
func (r *ruling) noCPU() string {
	if why := r.noInstances(); why != "" {
		return why
	}
	if why := r.noSockets(); why != "" {
		return why
	}
	if len(r.sample.Instances) > 0 && len(r.memory.cpu) == 0 {
		return "the CPU time of no process is known"
	}
	return ""
}

func (r *ruling) spinVerdict(find func(*spinGroups, *sights)) verdict {
	if why := r.noCPU(); why != "" {
		return unjudged(why)
	}
	g := &spinGroups{r: r, by: map[*InstanceSample]*sighting{}, v: verdict{at: r.sample.SocketsAt}}
	find(g, r.look())
	return g.verdict()
}

func judgeSpinHup(r *ruling) verdict {
	return r.spinVerdict(func(g *spinGroups, s *sights) {
		for ino := range s.closed {
			w := s.closed[ino]
			// Of an end of data IN and RDHUP tell (tcp_poll in net/ipv4/tcp.c).
			if isLevel(w.watch.Mask) && w.watch.Mask&(epoll.In|epoll.RdNorm|epoll.RdHup) != 0 {
				g.add(&w, "of a connection that the other end has closed")
			}
		}
	})
}

func judgeSpinOut(r *ruling) verdict {
	// A client that has many requests to write, and waits for a CPU, looks alike for a while.
	const surely = 30
	return r.spinVerdict(func(g *spinGroups, s *sights) {
		g.sureLooks = surely
		for i := range s.writable {
			w := &s.writable[i]
			if burns, known := r.burns(w.in.Holders[0].PID); known && !burns {
				continue
			}
			so, ok := r.socketOf(w.watch.Ino)
			if ok && so.HasQueues && so.SendQueue == 0 && so.State == sock.StateEstablished {
				g.add(w, "armed for EPOLLOUT with nothing to send")
			}
		}
	})
}

func judgeSpinAccept(r *ruling) verdict {
	return r.spinVerdict(func(g *spinGroups, s *sights) {
		r.eachQueue(func(where site, _ *listener, q *listenQueue) {
			if q.Waiting.Value == 0 {
				return
			}
			for _, w := range s.listeners[uint64(q.Ino)] {
				p := r.processes[w.in.Holders[0].PID]
				if p == nil || !isLevel(w.watch.Mask) || w.watch.Mask&epoll.In == 0 {
					continue
				}
				if used, limit, ok := p.files(r.sample); ok && used >= limit {
					g.add(&w, fmt.Sprintf("of a listener, %s waiting, all %s files open", units.Count(q.Waiting.Value), units.Count(limit)))
				}
			}
		})
	})
}
