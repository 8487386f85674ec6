package loadgen

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// pair is a client worker and a server worker that hold a part of the connections.
type pair struct {
	number int64
	page   *page
	server *worker
	client *worker
	// want is what the pair was last asked for.
	want Stages
	// retiring pairs are ending, and their connections with them.
	retiring bool
	// frozen: the pair was asked to open no more. again: what stopped it is forgotten
	// once the workers know what is wanted now.
	frozen, again bool
	// refusedAt is when the server was first seen refusing the client.
	refusedAt time.Time
	// lost is what of the server's lost ends was booked; givenUp of them are not wanted
	// again.
	lost, givenUp int64
	// seen is what the pair had at seenAt.
	seen   Stages
	seenAt time.Time
	// moved is what it had when it last did something that was wanted, still how long
	// ago that is.
	moved Stages
	still time.Duration
}

// newPair starts both workers of a pair. Their ends arrive at exits.
func newPair(o order, log *os.File, exits chan<- exit) (*pair, error) {
	p, file, err := newPage()
	if err != nil {
		return nil, err
	}
	defer file.Close()
	pr := &pair{number: o.Pair, page: p}
	for _, role := range []string{"server", "client"} {
		o.Role = role
		w, err := startWorker(o, pr, file, log, exits)
		switch {
		case err == nil:
		case pr.server == nil:
			p.unmap()
			return nil, fmt.Errorf("start a server: %w", err)
		default:
			pr.retire()
			return pr, fmt.Errorf("start a client: %w", err)
		}
		if role == "server" {
			pr.server = w
		} else {
			pr.client = w
		}
	}
	return pr, nil
}

// ask sets how many connections are wanted of the pair.
func (p *pair) ask(s Stages) {
	if p.retiring || s == p.want && !p.again {
		return
	}
	p.want = s
	p.page.want(s)
	if p.again {
		p.again = false
		p.page.client.stopErrno.Store(0)
		p.page.server.stopErrno.Store(0)
	}
	p.server.wake()
	p.client.wake()
}

// freeze leaves the pair at what is connected, which the server may still accept and
// watch. A pair whose stages differ completes the stage it is in: that is a backlog of
// connections at most.
func (p *pair) freeze() {
	if p.frozen {
		return
	}
	p.frozen = true
	if have := p.page.stages(); p.want == All(p.want.Sockets) {
		p.ask(p.want.least(All(max(have.Connects, have.Accepts))))
	}
}

// calm is how long a frozen pair must stay unchanged to count as settled.
const calm = 100 * time.Millisecond

// isQuiet reports whether nothing more will happen in a frozen pair: all that it was
// asked for is there, or it has stopped changing.
func (p *pair) isQuiet(now time.Time, watched bool) bool {
	if have := p.page.stages(); have != p.seen {
		p.seen, p.seenAt = have, now
	}
	return p.frozen && (p.hasReached(watched) || now.Sub(p.seenAt) >= calm)
}

// retry lets a stopped pair try again with what it is asked for next.
func (p *pair) retry() { p.frozen, p.again, p.refusedAt, p.givenUp = false, true, time.Time{}, 0 }

// retire ends the pair. The server goes first: it resets its ends, so that no end of
// the client lingers.
func (p *pair) retire() {
	p.retiring = true
	switch {
	case !p.server.gone:
		p.server.kill()
	case p.client != nil && !p.client.gone:
		p.client.kill()
	}
}

// isOver reports whether both workers have ended.
func (p *pair) isOver() bool { return p.server.gone && (p.client == nil || p.client.gone) }

// isStuck reports whether the pair has changed nothing of what is wanted of it for so
// long. Elapsed is the time since it was last asked.
func (p *pair) isStuck(elapsed, patience time.Duration, watched bool) bool {
	have := p.page.stages()
	if p.retiring || p.frozen || p.hasReached(watched) || have != p.moved {
		p.moved, p.still = have, 0
		return false
	}
	p.still += elapsed
	return p.still >= patience
}

// workers returns those that were started.
func (p *pair) workers() []*worker {
	if p.client == nil {
		return []*worker{p.server}
	}
	return []*worker{p.server, p.client}
}

// hasReached reports whether the pair holds all that is wanted of it.
func (p *pair) hasReached(watched bool) bool {
	have := p.page.stages()
	if !watched {
		have.Watches = p.want.Watches
	}
	return have == p.want
}

// stopCause returns the call and the error because of which the pair opens no more.
func (p *pair) stopCause() (call, unix.Errno, bool) {
	for _, t := range []*trouble{&p.page.server.trouble, &p.page.client.trouble} {
		if e := t.stopErrno.Load(); e != 0 {
			return call(t.stopCall.Load()), unix.Errno(e), true
		}
	}
	return 0, 0, false
}
