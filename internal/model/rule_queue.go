package model

import (
	"fmt"
	"time"

	"github.com/eptop/eptop/internal/units"
)

// queueRules are about listeners and those who wait on them.
func queueRules() []Rule {
	return []Rule{
		{
			ID: "EP103", Name: "accept-queue-full", Title: "accept queue full", Severity: SeverityCritical, Looks: 2, judge: judgeQueueFull,
			What:       "A listener on which more connections wait than its backlog. It ends when fewer than four fifths wait.",
			Why:        "The kernel drops further connections: clients time out or are refused, while the server looks idle.",
			FalseAlarm: "A burst that a busy server is about to accept; two looks in a row must see it.",
			Cure:       "Accept faster: in a loop until EAGAIN, from more threads. A larger backlog in listen(2) and net.core.somaxconn, of which the smaller holds, helps against bursts alone.",
		},
		{
			ID: "EP104", Name: "accept-overflow", Title: "accept queue overflows", Severity: SeverityWarn, Looks: 2, linger: time.Minute, judge: judgeOverflow,
			What:       "A TCP listener that has dropped at least three connections within the last minute.",
			Why:        "Its accept queue was full between the looks, and clients lost a connection or a second in a retry.",
			FalseAlarm: "A listener's drops count packets that it refused for other reasons too, such as a SYN without memory for it.",
			Cure:       "As for accept-queue-full. See also TcpExtListenOverflows in nstat(8).",
		},
	}
}

// listeningPIDs are the processes that hold listening sockets, by inode.
func (r *ruling) listeningPIDs() map[uint32][]int {
	out := map[uint32][]int{}
	for i := range r.sample.Processes {
		pid := r.sample.Processes[i].PID
		if h := r.holdings[pid]; h != nil {
			for _, ino := range h.Listening {
				out[ino] = append(out[ino], pid)
			}
		}
	}
	return out
}

// eachQueue calls judge for each listening socket that is not eptop's own.
func (r *ruling) eachQueue(judge func(where site, l *listener, q *listenQueue)) {
	pids := r.listeningPIDs()
	for i := range r.sample.Networks {
		n := &r.sample.Networks[i]
		v := r.surveys[n.Table]
		if v == nil {
			continue
		}
		for j := range v.Listeners {
			l := &v.Listeners[j]
			for k := range l.Queues {
				q := &l.Queues[k]
				where := site{}
				if by := pids[q.Ino]; len(by) > 0 {
					where = r.at(by[0])
				}
				if r.isOwn(where.pid) {
					continue
				}
				where.socket = l.title(n.Interfaces)
				if !n.Own {
					where.socket += " in " + n.ID
				}
				judge(where, l, q)
			}
		}
	}
}

func judgeQueueFull(r *ruling) verdict {
	if why := r.noSockets(); why != "" {
		return unjudged(why)
	}
	v := verdict{at: r.sample.SocketsAt}
	known := false
	r.eachQueue(func(where site, l *listener, q *listenQueue) {
		known = known || q.Backlog.Known
		state := QueueStateOf(q.Waiting, q.Backlog)
		if state != QueueFull && state != QueueNear {
			return
		}
		s := sighting{site: where, certain: true, count: q.Waiting.Value, held: state == QueueNear}
		s.text = fmt.Sprintf("%s of %s wait", units.Count(q.Waiting.Value), units.Count(q.Backlog.Value))
		if n, ok := q.Drops.Get(); ok && n > 0 {
			s.text += fmt.Sprintf(", %s dropped so far", units.Count(n))
		}
		s.detail = raiseBacklog(q.Backlog.Value, r.sample.NetworkLimits.MostBacklog, &r.sample.Host)
		if most, ok := r.sample.NetworkLimits.MostBacklog.Get(); ok {
			s.detail = fmt.Sprintf("backlog %d, net.core.somaxconn %d: helped by %s", q.Backlog.Value, most, s.detail)
		}
		if l.kind.IsUnix() {
			s.severity = SeverityWarn // connect(2) waits, and nothing is lost
		}
		if s.pid == 0 {
			s.text += ", of a process that was not looked into"
		}
		v.sightings = append(v.sightings, s)
	})
	if !known && r.anyListener() {
		return unjudged("the backlog of no listener is known: sock_diag reports it")
	}
	return v
}

func (r *ruling) anyListener() bool {
	for _, t := range r.tables {
		if v := r.surveys[t]; v != nil && len(v.Listeners) > 0 {
			return true
		}
	}
	return false
}

// dropCount is a listener's drops over the last minute or so.
type dropCount struct {
	first, before, now dropsAt
	seen               time.Time // the look
}

type dropsAt struct {
	at time.Time
	n  int64
}

// overflowWindow is over how long drops are counted.
const overflowWindow = time.Minute

func judgeOverflow(r *ruling) verdict {
	if why := r.noSockets(); why != "" {
		return unjudged(why)
	}
	const least = 3
	v := verdict{at: r.sample.SocketsAt}
	known := false
	r.eachQueue(func(where site, l *listener, q *listenQueue) {
		n, ok := q.Drops.Get()
		if !ok || l.kind.IsUnix() {
			return
		}
		known = true
		rose, d := r.memory.dropped(q.Ino, dropsAt{r.sample.SocketsAt, n}, r.sample.Time)
		lost, over := d.now.n-d.first.n, d.now.at.Sub(d.first.at)
		if !rose || lost < least || over <= 0 {
			return
		}
		v.sightings = append(v.sightings, sighting{
			site: where, sure: true, certain: false, count: lost,
			text: fmt.Sprintf("%s dropped in %s, %.0f a minute", units.Many(lost, "connection"), seconds(over), float64(lost)/over.Minutes()),
		})
	})
	for ino, d := range r.memory.drops {
		if !d.seen.Equal(r.sample.Time) {
			delete(r.memory.drops, ino)
		}
	}
	if !known && r.anyListener() {
		return unjudged("the drops of no listener are known: sock_diag reports them")
	}
	return v
}

// dropped takes in a listener's drops, and reports whether they rose since the dump before.
func (m *ruleMemory) dropped(ino uint32, now dropsAt, look time.Time) (rose bool, d dropCount) {
	d, known := m.drops[ino]
	switch {
	case !known || now.n < d.now.n:
		d = dropCount{first: now, before: now, now: now}
	case now.at.After(d.now.at):
		rose = now.n > d.now.n
		d.before, d.now = d.now, now
		if now.at.Sub(d.first.at) > overflowWindow {
			d.first = d.before
		}
	}
	d.seen = look
	m.drops[ino] = d
	return rose, d
}
