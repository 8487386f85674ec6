package model

import (
	"fmt"
	"time"

	"github.com/eptop/eptop/internal/units"
)

// growthRules are about what a process collects, look after look.
func growthRules() []Rule {
	return []Rule{
		{
			ID: "EP105", Name: "epoll-leak", Title: "epoll instances leak", Severity: SeverityWarn, Looks: 3, linger: growthEnd, judge: judgeEpollLeak,
			What: "A process with at least eight epoll instances whose number grows from look to look, by four or more and without falling; or by 32 over any time.",
			Why:  "Each holds a descriptor and kernel memory, and the process runs into its limit of open files.",
			FalseAlarm: "A program that is starting its threads, each with an event loop of its own. Processes younger than three seconds are left alone, " +
				"and the finding ends when nothing was added for half a minute.",
			Cure: "Close the epoll with what it was made for: the request, the connection, the thread.",
		},
		{
			ID: "EP106", Name: "fd-leak", Title: "open files leak", Severity: SeverityWarn, Looks: 3, Holds: leakFor, linger: growthEnd, judge: judgeFDLeak,
			What: "A process whose open files grow by 32 or more over half a minute without ever falling. Files that its epolls watch do not count, nor do the sockets of a process without epolls: " +
				"more connections are no leak.",
			Why:        "At its limit of open files a process can accept no connection and open no file.",
			FalseAlarm: "A cache of open files that fills, and connections that are not watched, as upstream ones in a pool.",
			Cure:       "Close what is opened, on the error paths too. What the descriptors are is in /proc/PID/fd.",
		},
	}
}

const (
	// leakFor is how long files must grow to be a leak, growthEnd after how long without
	// growth a leak is none.
	leakFor   = 30 * time.Second
	growthEnd = 30 * time.Second
)

// growthKey is what grows, of which process.
type growthKey struct {
	rule string
	site site
}

// growing is a number that has not fallen since start.
type growing struct {
	start, at, grewAt time.Time
	first, now        int64
	rises             int       // looks in a row in which it rose
	seen              time.Time // the look
}

// grown takes in a number, and returns how it has grown since it fell last.
func (r *ruling) grown(where site, n int64, at time.Time) growing {
	key := growthKey{r.rule.Name, where.key()}
	g, known := r.memory.growth[key]
	switch {
	case !known || n < g.now || at.Sub(g.grewAt) > growthEnd && n == g.now:
		g = growing{start: at, at: at, grewAt: at, first: n, now: n}
	case at.After(g.at):
		if n > g.now {
			g.rises++
			g.grewAt = at
		} else {
			g.rises = 0
		}
		g.at, g.now = at, n
	}
	g.seen = r.sample.Time
	r.memory.growth[key] = g
	return g
}

// forgetGrowth forgets what this look did not ask for.
func (r *ruling) forgetGrowth() {
	for key, g := range r.memory.growth {
		if key.rule == r.rule.Name && !g.seen.Equal(r.sample.Time) {
			delete(r.memory.growth, key)
		}
	}
}

// young is until when a process is starting.
const young = 3 * time.Second

func judgeEpollLeak(r *ruling) verdict {
	if why := r.noInstances(); why != "" {
		return unjudged(why)
	}
	const least, step, slow = 8, 4, 32
	defer r.forgetGrowth()
	var v verdict
	for i := range r.snap.Processes {
		p := &r.snap.Processes[i]
		n, ok := p.Instances.Get()
		if !ok || n == 0 || r.isOwn(p.PID) || p.Waiting > 0 && p.AtLeast && p.State != OK {
			continue
		}
		where := r.at(p.PID)
		g := r.grown(where, n, r.sample.Time)
		by := g.now - g.first
		started := !p.Started.IsZero() && g.start.Sub(p.Started) < young
		fast := g.rises >= 2 && by >= step && !started
		if n < least || !fast && by < slow {
			continue
		}
		over := g.at.Sub(g.start)
		v.sightings = append(v.sightings, sighting{
			site: where, sure: true, since: g.start, count: n,
			text: fmt.Sprintf("%s, %s more in %s%s", units.Many(n, "epoll instance"), units.Count(by), seconds(over), r.untilLimit(p.PID, by, over)),
		})
	}
	return v
}

func judgeFDLeak(r *ruling) verdict {
	if why := r.noInstances(); why != "" {
		return unjudged(why)
	}
	const least = 32
	defer r.forgetGrowth()
	var v verdict
	for i := range r.snap.Processes {
		p := &r.snap.Processes[i]
		s := r.processes[p.PID]
		if s == nil || p.State != OK || s.Truncated || r.isOwn(p.PID) || p.Unread > 0 {
			continue
		}
		n := int64(len(s.Files.Value))
		if p.Instances.Value > 0 {
			n -= p.Watches.Value
		} else {
			n -= p.Sockets.Value
		}
		where := r.at(p.PID)
		g := r.grown(where, n, s.ListedAt)
		by, over := g.now-g.first, g.at.Sub(g.start)
		if by < least || over < leakFor || s.ListedAt.Sub(g.grewAt) > over/4 {
			continue
		}
		v.sightings = append(v.sightings, sighting{
			site: where, sure: true, since: g.start, count: n,
			text: fmt.Sprintf("%s more in %s%s", units.Many(by, "file"), seconds(over), r.untilLimit(p.PID, by, over)),
		})
	}
	return v
}

// untilLimit says when a process is at its limit of open files if it goes on like this.
func (r *ruling) untilLimit(pid int, by int64, over time.Duration) string {
	p := r.processes[pid]
	if p == nil || by <= 0 || over <= 0 {
		return ""
	}
	used, limit, ok := p.files(r.sample)
	if !ok || limit <= used {
		return ""
	}
	left := float64(limit-used) * over.Seconds() / float64(by)
	const year = 365 * 24 * 3600
	if left > year {
		return ""
	}
	return fmt.Sprintf("; at this rate the limit of %s files in %s", units.Count(limit), units.Duration(time.Duration(left*float64(time.Second))))
}
