package lab

import (
	"errors"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/eptop/eptop/internal/epoll"
)

func loops() []*Experiment {
	return []*Experiment{
		{
			Name: "starvation", Title: "A busy connection starves the quiet ones",
			Promise: "Reading one fast file until EAGAIN may never end, and the others starve. A list of what is ready, served in turns, is the cure.",
			Section: "epoll(7), Starvation", Function: "ep_send_events()", Since: "2.5.44",
			Advice: "Bound the bytes per connection and round; keep those that are not drained in a list, and wait with timeout 0 while it is not empty.",
			Facts: []Claim{
				{What: "quiet ones served while the busy one is read until EAGAIN", Promised: "0 of 10"},
				{What: "quiet ones served in the first round of a ready list", Promised: "10 of 10"},
			},
			run: starvation,
		},
		{
			Name: "maxevents", Title: "More is ready than maxevents",
			Promise: "Where more is ready than a wait may return, the next waits go round: nothing is left out for ever.",
			Section: "epoll_wait(2), NOTES", Function: "ep_send_events()", Since: "2.5.44",
			Advice: "A small maxevents costs system calls, not fairness. 64 to 512 is usual.",
			Facts: []Claim{
				{What: "10 ready, level triggered, 4 waits for 3: different fds", Promised: "10"},
				{What: "10 ready, edge triggered, 4 waits for 3: events", Promised: "10"},
			},
			run: maxEvents,
		},
	}
}

func starvation(s *scene) {
	const quiet, most = 10, 1000
	ep := s.epoll()
	busy, feed := s.pair(unix.SOCK_STREAM)
	s.add(ep, busy, epoll.In|epoll.ET)
	for range quiet {
		r, w := s.pipe()
		s.add(ep, r, epoll.In|epoll.ET)
		s.put(w, 1)
	}
	s.put(feed, 1000)
	got := s.wait(ep, quiet+1, 0)
	s.woke(server, got[:min(3, len(got))])
	s.step(server, "has %s: the busy connection and %d quiet ones", events(len(got)), len(got)-1)
	// Whoever feeds the busy one is as fast as the server: each time it was read, it writes.
	reads := 0
	for reads < most {
		_, err := get(busy, 1000)
		if errors.Is(err, unix.EAGAIN) {
			break
		}
		s.check(err, "read")
		reads++
		s.put(feed, 1000)
	}
	starved := quiet
	if reads == most {
		starved = 0
	}
	s.step(server, "has read the busy one %d times, and it is not drained", reads)
	s.saw("quiet ones served while the busy one is read until EAGAIN", "%d of %d", starved, quiet)
	served := 0
	ready := slices.Clone(got)
	for i := range ready {
		n, err := get(ready[i].FD, 1000)
		s.check(err, "read")
		if ready[i].FD != busy && n > 0 {
			served++
		}
	}
	s.step(server, "with a ready list: one read each, %d quiet ones served in the first round", served)
	s.saw("quiet ones served in the first round of a ready list", "%d of %d", served, quiet)
	s.evidence("%d reads of the busy one, %d of the others served; with a ready list %d of %d in one round", reads, starved, served, quiet)
}

func maxEvents(s *scene) {
	const files, waits, most = 10, 4, 3
	for _, kind := range []struct {
		what string
		mask epoll.Mask
	}{
		{"10 ready, level triggered, 4 waits for 3: different fds", epoll.In},
		{"10 ready, edge triggered, 4 waits for 3: events", epoll.In | epoll.ET},
	} {
		ep := s.epoll()
		for range files {
			s.add(ep, s.eventfd(1), kind.mask)
		}
		fds, sum := map[int]bool{}, 0
		for range waits {
			got := s.wait(ep, most, 0)
			s.woke(server, got)
			for _, e := range got {
				fds[e.FD] = true
			}
			sum += len(got)
		}
		if kind.mask&epoll.ET == 0 {
			s.saw(kind.what, "%d", len(fds))
		} else {
			s.saw(kind.what, "%d", sum)
		}
	}
	s.evidence("10 ready, maxevents 3, 4 waits: %s seen level triggered, %s edge triggered", s.fact("10 ready, level triggered, 4 waits for 3: different fds"),
		s.fact("10 ready, edge triggered, 4 waits for 3: events"))
}
