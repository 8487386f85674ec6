package loadgen

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// Others can end connections of a load: ss -K, a firewall that resets, an administrator's
// script. Both ends are dead then, and neither is held any more. The server notices it,
// closes its end and counts it as lost; the generator wants that many fewer, so that they
// are not opened again, and has the client close the other ends.

// seesEnds reports whether the server's epoll becomes ready when an end dies, and for
// nothing else that stays: unread bytes keep a watch ready for ever, or use up its one shot.
// Nobody can end a UNIX connection from outside.
func (c Config) seesEnds() bool {
	return c.Family != UNIX && c.Watch != WatchNone && (c.UnreadBytes == 0 || c.Watch == WatchET)
}

// needsSweep reports whether the server has to look for ends that have died.
func (c Config) needsSweep() bool { return c.Family != UNIX && !c.seesEnds() }

// sweep is where the server looks next for ends that have died.
type sweep struct {
	at     int
	due    time.Time
	polled []unix.PollFd
}

const (
	// sweepEach is how often sweepPart of the ends are looked at: some 0.03 % of a CPU,
	// and 50 000 ends in 13 s.
	sweepEach = time.Second
	sweepPart = 4096
)

// sweepEnds looks at the next part of the ends, if that is due.
func (s *server) sweepEnds() error {
	w := &s.sweep
	now := time.Now()
	if now.Before(w.due) || len(s.fds) == 0 {
		return nil
	}
	w.due = now.Add(sweepEach)
	if w.at >= len(s.fds) {
		w.at = 0
	}
	w.polled = w.polled[:0]
	for _, fd := range s.fds[w.at:min(w.at+sweepPart, len(s.fds))] {
		w.polled = append(w.polled, unix.PollFd{Fd: fd})
	}
	w.at += sweepPart
	if _, err := poll(w.polled, 0); err != nil {
		return fmt.Errorf("look for ends that are gone: %w", err)
	}
	dead := map[int32]bool{}
	for _, p := range w.polled {
		if p.Revents&(unix.POLLERR|unix.POLLHUP) != 0 {
			dead[p.Fd] = true
		}
	}
	s.bury(dead)
	return nil
}

// bury closes ends that are dead, and counts them as lost.
func (s *server) bury(dead map[int32]bool) {
	if len(dead) == 0 {
		return
	}
	watches := s.me.watches.Load()
	kept, watched := s.fds[:0], int64(0)
	for i, fd := range s.fds {
		if dead[fd] {
			_ = unix.Close(int(fd))
			continue
		}
		kept = append(kept, fd)
		if int64(i) < watches {
			watched++
		}
	}
	n := len(s.fds) - len(kept)
	s.fds = kept
	s.me.lost.Add(int64(n))
	s.me.accepts.Store(int64(len(kept)))
	s.me.watches.Store(watched)
}

// endedByOthers is what happened to the ends that servers count as lost.
const endedByOthers = "ended by somebody else, as ss -K does"

// bookLost gives up what servers have lost.
func (g *Generator) bookLost() {
	for _, p := range g.pairs {
		lost := p.page.server.lost.Load()
		n := lost - p.lost
		p.lost = lost
		if n == 0 || p.retiring {
			continue
		}
		p.givenUp += n
		g.giveUp(n)
		p.ask(p.want.less(n))
		p.page.client.reap.Store(lost)
		p.client.wake()
	}
}

// giveUp wants n connections fewer: whoever ended them had a reason.
func (g *Generator) giveUp(n int64) {
	g.wanted = g.wanted.less(n)
	g.status.GivenUp += n
	g.status.Wanted = g.wanted.Sockets
}

// room is how many connections a pair has to hold at most.
func (g *Generator) room(p *pair) int64 { return max(0, g.bounds.perPair-p.givenUp) }
