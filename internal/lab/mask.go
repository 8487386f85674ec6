package lab

import (
	"golang.org/x/sys/unix"

	"github.com/eptop/eptop/internal/epoll"
)

func masks() []*Experiment {
	return []*Experiment{
		{
			Name: "oneshot", Title: "EPOLLONESHOT: told once, then disarmed",
			Promise: "A one-shot watch reports one event and is disarmed: it stays in the list, but nothing more is reported until EPOLL_CTL_MOD arms it again.",
			Section: "epoll_ctl(2), EPOLLONESHOT", Function: "ep_send_events()", Since: "2.6.2",
			Advice: "For several threads on one epoll: whoever gets the event owns the connection until MOD. A path that forgets MOD leaves a connection that is never served again.",
			Shows:  "the watch reads ONESHOT and \"disarmed\", with 200 bytes in its receive queue",
			Facts: []Claim{
				{What: "first wait", Promised: oneEvent},
				{What: "mask while disarmed", Promised: "ONESHOT"},
				{What: "more bytes while disarmed", Promised: noEvent},
				{What: "after MOD", Promised: oneEvent},
				{What: "mask while armed", Promised: "IN|ONESHOT"},
			},
			run: oneShot,
		},
		{
			Name: "hup-unasked", Title: "HUP and ERR come without asking, RDHUP does not",
			Promise: "EPOLLHUP and EPOLLERR are always reported. EPOLLRDHUP, the peer's half of a connection shut down, has to be asked for.",
			Section: "epoll_ctl(2), the list of events", Function: "do_epoll_ctl()", Since: "2.6.17",
			Advice: "Ask for EPOLLRDHUP, and handle HUP and ERR in every branch: a level-triggered watch that ignores them spins.",
			Facts: []Claim{
				{What: "peer shut down, asked for RDHUP", Promised: "RDHUP"},
				{What: "peer shut down, asked for nothing", Promised: noEvent},
				{What: "peer closed, asked for nothing", Promised: "HUP", meets: func(seen string) bool { return seen == "HUP" || seen == "ERR|HUP" }},
				{What: "reader of a pipe closed, asked for nothing", Promised: "ERR"},
			},
			run: unasked,
		},
	}
}

func oneShot(s *scene) {
	a, b := s.pair(unix.SOCK_STREAM)
	ep := s.epoll()
	s.add(ep, a, epoll.In|epoll.OneShot)
	s.step(server, "watches a socket IN|ONESHOT")
	s.put(b, 100)
	s.step(peer, "writes 100 bytes")
	got := s.ready(ep)
	s.woke(server, got)
	s.saw("first wait", events(len(got)))
	mask, words := s.watch(ep, a)
	s.step(kernel, "keeps the mask %08x, %s", uint32(mask), words)
	s.saw("mask while disarmed", words)
	s.put(b, 100)
	s.step(peer, "writes 100 bytes more")
	got = s.ready(ep)
	s.woke(server, got)
	s.saw("more bytes while disarmed", events(len(got)))
	left := s.unread(a)
	s.turn(HeldFD{ep, "the epoll"}, HeldFD{a, "the socket, its watch disarmed"})
	s.mod(ep, a, epoll.In|epoll.OneShot)
	s.step(server, "EPOLL_CTL_MOD arms it again")
	_, armed := s.watch(ep, a)
	s.saw("mask while armed", armed)
	got = s.ready(ep)
	s.woke(server, got)
	s.saw("after MOD", events(len(got)))
	s.evidence("mask %08x once it fired: %s with %d bytes waiting, after MOD %s", uint32(mask), s.fact("more bytes while disarmed"), left, events(len(got)))
}

func unasked(s *scene) {
	asked, silent := s.epoll(), s.epoll()
	a, b := s.tcp()
	s.add(asked, a, epoll.RdHup)
	s.add(silent, a, 0)
	s.step(server, "watches a socket for RDHUP in one epoll, for nothing in another")
	s.check(unix.Shutdown(b, unix.SHUT_WR), "shutdown")
	s.step(peer, "shuts its side down")
	s.await(a, unix.POLLRDHUP)
	got := s.ready(asked)
	s.woke(server+", RDHUP", got)
	s.saw("peer shut down, asked for RDHUP", firstMask(got))
	got = s.ready(silent)
	s.woke(server+", nothing", got)
	s.saw("peer shut down, asked for nothing", firstMask(got))

	c, d := s.pair(unix.SOCK_STREAM)
	s.add(silent, c, 0)
	s.close(d)
	s.step(peer, "closes a socket")
	got = s.ready(silent)
	s.woke(server+", nothing", got)
	hup := firstMask(got)
	s.saw("peer closed, asked for nothing", hup)
	s.close(c)

	r, w := s.pipe()
	s.add(silent, w, 0)
	s.close(r)
	s.step(peer, "closes the reading end of a pipe")
	got = s.ready(silent)
	s.woke(server+", nothing", got)
	s.saw("reader of a pipe closed, asked for nothing", firstMask(got))
	s.evidence("asked for nothing: %s from a closed socket, %s from a pipe, %s from a shutdown", hup, firstMask(got), s.fact("peer shut down, asked for nothing"))
}
