package model

import (
	"fmt"
	"slices"
	"time"

	"github.com/eptop/eptop/internal/epoll"
	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/units"
)

// socketRules are about sockets, whoever watches them.
func socketRules() []Rule {
	return []Rule{
		{
			ID: "EP102", Name: "close-wait", Title: "CLOSE_WAIT", Severity: SeverityWarn, Looks: 3, judge: judgeCloseWait,
			Threshold: maybe.Some(Threshold{Default: 16, Unit: "sockets", Least: 1, Most: 1_000_000, End: 0.5}),
			What:      "TCP sockets whose other end has closed, and which their process has not closed for at least three looks.",
			Why:       "The kernel keeps such a socket until the process closes it: it holds a descriptor and some 4 KB of kernel memory for ever. A process that collects them runs into its limit of open files.",
			FalseAlarm: "A pool of idle connections may find out only when it uses one again. A client that has closed its sending half and still reads the answer looks the same. " +
				"Fewer than the threshold are reported as info for that.",
			Cure: "Close the socket when read returns 0 or epoll reports RDHUP. For a pool: drop connections that the other end has closed, and let none be idle longer than the other end allows.",
		},
		{
			ID: "EP130", Name: "sndq-stuck", Title: "send queue stuck", Severity: SeverityInfo, Looks: 3, Holds: stuckFor, judge: judgeStuck,
			What:       "TCP sockets with bytes that the other end has not acknowledged, and whose number has not changed for half a minute.",
			Why:        "The other end does not read, or is gone. The bytes stay in kernel memory, counted against tcp_mem, until it reads or the connection times out, which takes up to a quarter of an hour.",
			FalseAlarm: "A slow reader that waits on purpose.",
			Cure:       "A write timeout in the program, or TCP_USER_TIMEOUT on the socket.",
		},
	}
}

const stuckFor = 30 * time.Second

// socketGroup is the sockets at fault of one process.
type socketGroup struct {
	site
	n         int64
	bytes     int64
	first     suspect
	since     time.Time
	listeners map[string]int64
}

// groupByOwner sorts sockets that have been at fault for long enough by the process that
// holds them.
func (r *ruling) groupByOwner(rows map[uint64]suspect, enough func(looks int, since time.Time) bool) []*socketGroup {
	holders := map[uint64][]epoll.Holder{}
	since := map[uint64]time.Time{}
	for ino, s := range rows {
		looks, first := r.streak(site{}, ino, uint64(s.queue), r.sample.SocketsAt)
		if enough(looks, first) {
			holders[ino], since[ino] = nil, first
		}
	}
	r.findHolders(holders)
	groups := map[int]*socketGroup{}
	var out []*socketGroup
	for ino, by := range holders {
		pid := 0
		if len(by) > 0 {
			pid = by[0].PID
		}
		if r.isOwn(pid) {
			continue
		}
		g := groups[pid]
		s := rows[ino]
		if g == nil {
			g = &socketGroup{site: r.at(pid), since: since[ino], first: s, listeners: map[string]int64{}}
			groups[pid] = g
			out = append(out, g)
		}
		g.n++
		g.bytes += int64(s.queue)
		if since[ino].Before(g.since) {
			g.since = since[ino]
		}
		if s.ino < g.first.ino {
			g.first = s
		}
		if len(by) > 0 && s.ino == g.first.ino {
			g.fd = maybe.Some(by[0].FD)
		}
		if s.listener >= 0 {
			g.listeners[s.survey.Listeners[s.listener].title(nil)]++
		}
	}
	slices.SortFunc(out, func(a, b *socketGroup) int { return a.pid - b.pid })
	return out
}

func judgeCloseWait(r *ruling) verdict {
	if why := r.noSockets(); why != "" {
		return unjudged(why)
	}
	onset, _ := r.threshold()
	rows := r.suspects(closingRows)
	seen := r.look()
	v := verdict{at: r.sample.SocketsAt}
	// How many bytes wait does not matter here.
	for ino, s := range rows {
		s.queue = 0
		rows[ino] = s
	}
	watched := map[int]int64{}
	for ino := range seen.closed {
		w := seen.closed[ino]
		watched[w.in.Holders[0].PID]++
	}
	for _, g := range r.groupByOwner(rows, func(looks int, _ time.Time) bool { return looks >= r.rule.Looks }) {
		s := sighting{site: g.site, sure: true, since: g.since, certain: true, count: g.n, severity: SeverityInfo}
		if g.n >= onset {
			s.severity = SeverityWarn
		}
		s.text = fmt.Sprintf("%s that the other end has closed, %s", units.Many(g.n, "socket"), closedWords(min(g.n, watched[g.pid]), g.n))
		if g.pid == 0 {
			s.text += ", of a process that was not looked into"
		}
		if name, n := largest(g.listeners); n > 0 {
			s.text += fmt.Sprintf(", %s of them accepted on %s", units.Count(n), name)
		}
		so := g.first.socket()
		s.detail = ends(&so)
		v.sightings = append(v.sightings, s)
	}
	return v
}

func closedWords(watched, n int64) string {
	switch watched {
	case 0:
		return "watched by no epoll: forgotten"
	case n:
		return "watched by an epoll: its event is ignored"
	}
	return fmt.Sprintf("%s watched by an epoll", units.Count(watched))
}

// largest is the name that stands for the most.
func largest(names map[string]int64) (name string, most int64) {
	for k, n := range names {
		if n > most || n == most && k < name {
			name, most = k, n
		}
	}
	return name, most
}

func judgeStuck(r *ruling) verdict {
	if why := r.noSockets(); why != "" {
		return unjudged(why)
	}
	v := verdict{at: r.sample.SocketsAt}
	rows := r.suspects(unsentRows)
	for _, g := range r.groupByOwner(rows, func(looks int, since time.Time) bool {
		return looks >= r.rule.Looks && r.sample.SocketsAt.Sub(since) >= stuckFor
	}) {
		const many = 16
		s := sighting{site: g.site, sure: true, since: g.since, certain: true, count: g.n}
		if g.n >= many {
			s.severity = SeverityWarn
		}
		so := g.first.socket()
		s.text = fmt.Sprintf("%s with %s that the other end does not take", units.Many(g.n, "socket"), units.Bytes(g.bytes))
		s.detail = so.State.String() + " " + ends(&so)
		v.sightings = append(v.sightings, s)
	}
	return v
}
