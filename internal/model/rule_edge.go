package model

import (
	"fmt"
	"time"

	"github.com/eptop/eptop/internal/epoll"
	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/units"
)

// edgeRules are about edge-triggered and one-shot watches, of which an event is reported
// once.
func edgeRules() []Rule {
	const after = 30 * time.Second
	return []Rule{
		{
			ID: "EP120", Name: "et-unread", Title: "unread, no event left", Severity: SeverityInfo, Looks: 3, warnAfter: after, judge: judgeUnread,
			What: "An edge-triggered watch of a socket with unread bytes whose number does not change for three looks, and which is not on the ready list, as far as that is known. Only processes that use less than a twentieth of a CPU are judged.",
			Why:  "The edge is gone: epoll reports nothing more until further bytes come. If the program has not read to EAGAIN, the connection hangs. epoll(7) warns of it.",
			FalseAlarm: "A program that does not want to read yet: a handler at work, a proxy whose other side is slow. A runtime that watches everything edge-triggered, as Go's, " +
				"shows each handler that does not read. Info at first, a warning after half a minute.",
			Cure: "Read until EAGAIN after each event, or keep a list of connections that are not read to their end.",
		},
		{
			ID: "EP121", Name: "et-not-drained", Title: "ready, nobody reads", Severity: SeverityInfo, Looks: 3, warnAfter: after, judge: judgeNotDrained,
			What:       "An edge-triggered watch that is on the ready list, with unread bytes whose number does not change for three looks, in a process that uses less than a twentieth of a CPU.",
			Why:        "The event waits in the epoll and no thread takes it: the loop is blocked, or nobody waits any more.",
			FalseAlarm: "A loop that is busy with one long piece of work.",
			Cure:       "Find what blocks the loop's thread: /proc/PID/task/*/stack, or its profile.",
		},
		{
			ID: "EP122", Name: "oneshot-not-rearmed", Title: "one-shot not rearmed", Severity: SeverityInfo, Looks: 3, warnAfter: after, judge: judgeOneShot,
			What:       "A one-shot watch that has fired and was not armed again, with unread bytes whose number does not change for three looks, in a process that uses less than a twentieth of a CPU.",
			Why:        "Nothing is reported of it until EPOLL_CTL_MOD: the connection hangs.",
			FalseAlarm: "A worker that is still at the request before. Info at first, a warning after half a minute.",
			Cure:       "EPOLL_CTL_MOD on every path on which a worker is done with a connection, errors included.",
		},
		{
			ID: "EP123", Name: "et-blocking", Title: "edge-triggered, blocking", Severity: SeverityWarn, Looks: 2, judge: judgeBlocking,
			What:       "An edge-triggered watch of a socket without O_NONBLOCK.",
			Why:        "Reading to EAGAIN, which edge-triggered watches need, blocks the whole loop at the end of the data.",
			FalseAlarm: "A program that passes MSG_DONTWAIT to each call.",
			Cure:       "SOCK_NONBLOCK in socket(2) and accept4(2), or O_NONBLOCK with fcntl(2).",
		},
	}
}

// edgeGroups joins the watches of one epoll that have a fault.
type edgeGroups struct {
	r     *ruling
	by    map[*InstanceSample]*sighting
	bytes map[*InstanceSample]int64
	order []*InstanceSample
}

func (r *ruling) edgeGroups() *edgeGroups {
	return &edgeGroups{r: r, by: map[*InstanceSample]*sighting{}, bytes: map[*InstanceSample]int64{}}
}

// add takes in a watch whose unread bytes have not changed for long enough, in a process
// that does nothing meanwhile. On a connection of a busy server as many bytes can wait at
// each look, because all requests are of one size. The first look, which knows no CPU time
// yet, counts.
func (g *edgeGroups) add(w *watched, certain bool) {
	idles, known := g.r.idles(w.in.Holders[0].PID)
	if known && !idles {
		return
	}
	s := g.r.look().unread[w.watch.Ino]
	looks, since := g.r.streak(g.r.in(w.in), w.watch.Ino, uint64(s.queue), g.r.sample.SocketsAt)
	if looks < g.r.rule.Looks || !known {
		return
	}
	at := g.by[w.in]
	if at == nil {
		at = &sighting{site: g.r.in(w.in), sure: true, since: since, certain: certain, detail: g.r.watchText(w.watch)}
		at.fd = maybe.Some(int(w.watch.TFD))
		g.by[w.in] = at
		g.order = append(g.order, w.in)
	}
	at.count++
	g.bytes[w.in] += int64(s.queue)
	at.certain = at.certain && certain
	if since.Before(at.since) {
		at.since = since
	}
}

func (g *edgeGroups) verdict(text string) verdict {
	v := verdict{at: g.r.sample.SocketsAt}
	for _, in := range g.order {
		s := g.by[in]
		s.text = fmt.Sprintf("%s with %s unread, %s", units.Many(s.count, "socket"), units.Bytes(g.bytes[in]), text)
		v.sightings = append(v.sightings, *s)
	}
	return v
}

// isFull reports whether the bytes of a socket fill much of its buffer: its program holds
// the other end back, on purpose as a rule.
func (r *ruling) isFull(ino uint64) bool {
	s := r.look().unread[ino]
	so := s.socket()
	return so.HasMem && so.Mem.RcvBuf > 0 && uint64(so.Mem.RmemAlloc)*4 >= uint64(so.Mem.RcvBuf)
}

func (r *ruling) noEdges() string {
	if why := r.noInstances(); why != "" {
		return why
	}
	return r.noSockets()
}

// wantsData reports whether an edge-triggered watch waits for bytes.
func wantsData(m epoll.Mask) bool {
	return m&epoll.ET != 0 && m&(epoll.In|epoll.RdNorm) != 0
}

func judgeUnread(r *ruling) verdict {
	if why := r.noCPU(); why != "" {
		return unjudged(why)
	}
	g := r.edgeGroups()
	seen := r.look()
	for i := range seen.pending {
		w := &seen.pending[i]
		ready := w.watch.Facts & (epoll.KnowsReady | epoll.IsReady)
		if !wantsData(w.watch.Mask) || ready == epoll.KnowsReady|epoll.IsReady || r.isFull(w.watch.Ino) {
			continue
		}
		if k, ok := w.in.Kernel.Get(); ok && !k.Waiting {
			continue // its loop is at work, and may come to it
		}
		g.add(w, false)
	}
	return g.verdict("no event left")
}

func judgeNotDrained(r *ruling) verdict {
	if why := r.noCPU(); why != "" {
		return unjudged(why)
	}
	g := r.edgeGroups()
	seen := r.look()
	if !r.knowsKernel() {
		return unjudged("the ready list is known through BPF alone")
	}
	for i := range seen.pending {
		w := &seen.pending[i]
		if wantsData(w.watch.Mask) && w.watch.Facts&(epoll.KnowsReady|epoll.IsReady) == epoll.KnowsReady|epoll.IsReady && !r.isFull(w.watch.Ino) {
			g.add(w, true)
		}
	}
	return g.verdict("their event waits for a thread")
}

// knowsKernel reports whether the kernel's own structures of some instance were read, or
// there is no instance.
func (r *ruling) knowsKernel() bool {
	for i := range r.sample.Instances {
		if r.sample.Instances[i].Kernel.Known {
			return true
		}
	}
	return len(r.sample.Instances) == 0
}

func judgeOneShot(r *ruling) verdict {
	if why := r.noCPU(); why != "" {
		return unjudged(why)
	}
	g := r.edgeGroups()
	seen := r.look()
	for i := range seen.pending {
		if w := &seen.pending[i]; w.watch.Mask.Disarmed() && !r.isFull(w.watch.Ino) {
			g.add(w, true)
		}
	}
	return g.verdict("disarmed")
}

func judgeBlocking(r *ruling) verdict {
	if why := r.noInstances(); why != "" {
		return unjudged(why)
	}
	seen := r.look()
	if !r.knowsKernel() {
		return unjudged("O_NONBLOCK is known through BPF alone")
	}
	return r.byInstance(seen.blocking, func(n int64) string {
		return units.Many(n, "socket") + " without O_NONBLOCK"
	})
}

// byInstance makes one sighting of the watches of each instance.
func (r *ruling) byInstance(list []watched, text func(n int64) string) verdict {
	by := map[*InstanceSample]*sighting{}
	var order []*sighting
	for i := range list {
		w := &list[i]
		s := by[w.in]
		if s == nil {
			s = &sighting{site: r.in(w.in), certain: true, at: w.in.ReadAt, detail: r.watchText(w.watch)}
			s.fd = maybe.Some(int(w.watch.TFD))
			by[w.in] = s
			order = append(order, s)
		}
		s.count++
		s.marks = marked(s.marks, watchMark(w.watch))
	}
	var v verdict
	for _, s := range order {
		s.text = text(s.count)
		v.sightings = append(v.sightings, *s)
	}
	return v
}
