package lab

import (
	"encoding/binary"

	"golang.org/x/sys/unix"

	"github.com/eptop/eptop/internal/epoll"
)

func nests() []*Experiment {
	return []*Experiment{
		{
			Name: "epoll-in-epoll", Title: "An epoll in an epoll",
			Promise: "An epoll fd can be polled itself: it is readable while it has events.",
			Section: "epoll(7), Q3", Function: "ep_eventpoll_poll()", Since: "2.5.44",
			Advice: "Good for priorities: an outer epoll of a few inner ones. Each level costs a walk.",
			Facts: []Claim{
				{What: "outer epoll, inner idle", Promised: noEvent},
				{What: "outer epoll, inner ready", Promised: "IN"},
				{What: "poll(2) of the inner one", Promised: "IN"},
			},
			run: epollInEpoll,
		},
		{
			Name: "epoll-in-itself", Title: "An epoll in itself, and in a loop",
			Promise: "An epoll cannot be added to itself (EINVAL), nor so that epolls watch each other in a circle (ELOOP), nor nested too deeply (ELOOP beyond 5).",
			Section: "epoll(7), Q4; epoll_ctl(2), ELOOP", Function: "ep_loop_check()", Since: "2.6.38",
			Advice: "Nest one level, no more.",
			Facts: []Claim{
				{What: "in itself", Promised: "EINVAL"},
				{What: "in a loop of two", Promised: "ELOOP"},
				{What: "in a loop of three", Promised: "ELOOP"},
				{What: "epolls in one chain", Promised: "5"},
				{What: "one more", Promised: "ELOOP"},
			},
			run: epollInItself,
		},
		{
			Name: "epoll-over-unix", Title: "An epoll fd sent over a UNIX socket",
			Promise: "An epoll fd can be sent to another process, but that process does not have the watched fds: it is told of numbers that are not its own.",
			Section: "epoll(7), Q5", Function: "ep_send_events()", Since: "2.5.44",
			Advice: "Send the connections, not the epoll.",
			Facts: []Claim{
				{What: "the receiver's wait", Promised: oneEvent},
				{What: "the fd it is told of", Promised: "not open there"},
			},
			run: epollOverUnix,
		},
	}
}

func epollInEpoll(s *scene) {
	r, w := s.pipe()
	inner, outer := s.epoll(), s.epoll()
	s.add(inner, r, epoll.In)
	s.add(outer, inner, epoll.In)
	got := s.ready(outer)
	s.woke("outer epoll", got)
	s.saw("outer epoll, inner idle", firstMask(got))
	s.put(w, 1)
	s.step(peer, "writes a byte for the inner one")
	got = s.ready(outer)
	s.woke("outer epoll", got)
	s.saw("outer epoll, inner ready", firstMask(got))
	polled := maskWords(epoll.Mask(s.await(inner, unix.POLLIN)))
	s.saw("poll(2) of the inner one", polled)
	s.evidence("inner idle: %s; inner ready: %s, and %s by poll(2)", s.fact("outer epoll, inner idle"), firstMask(got), polled)
}

func epollInItself(s *scene) {
	const add = unix.EPOLL_CTL_ADD
	see := func(what string, err error) string {
		s.step(server, "EPOLL_CTL_ADD %s: %s", what, errno(err))
		s.saw(what, errno(err))
		return errno(err)
	}
	a, b, c := s.epoll(), s.epoll(), s.epoll()
	itself := see("in itself", ctl(a, add, a, epoll.In))
	s.add(a, b, epoll.In)
	see("in a loop of two", ctl(b, add, a, epoll.In))
	s.add(b, c, epoll.In)
	loop := see("in a loop of three", ctl(c, add, a, epoll.In))
	// A chain is built from the inside: each new epoll watches the last one.
	const most = 64
	inner, n := s.epoll(), 1
	for n < most {
		outer := s.epoll()
		if err := ctl(outer, add, inner, epoll.In); err != nil {
			see("one more", err)
			break
		}
		inner = outer
		n++
	}
	s.step(server, "built a chain of %d epolls", n)
	s.saw("epolls in one chain", "%d", n)
	s.evidence("in itself %s, in a loop %s, %d epolls in one chain", itself, loop, n)
}

func epollOverUnix(s *scene) {
	r, w := s.pipe()
	high, err := unix.FcntlInt(uintptr(r), unix.F_DUPFD_CLOEXEC, 700) // a number that the receiver does not use
	s.check(err, "dup")
	ep := s.epoll()
	s.add(ep, high, epoll.In)
	s.put(w, 1)
	mine, other := s.pair(unix.SOCK_STREAM)
	s.check(unix.SetNonblock(mine, false), "fcntl")
	p := s.helper(receiver, other)
	defer p.dismiss()
	s.check(unix.Sendmsg(mine, []byte{0}, unix.UnixRights(ep), nil, 0), "sendmsg SCM_RIGHTS")
	s.step(server, "sends epoll fd %d, which watches fd %d, to process %d", ep, high, p.pid)
	s.await(mine, unix.POLLIN)
	var b [12]byte
	n, err := unix.Read(mine, b[:])
	s.check(err, "read the answer")
	if n != len(b) {
		s.cannot("the receiver answered %d bytes", n)
	}
	told, fd, isOpen := int(binary.LittleEndian.Uint32(b[:])), binary.LittleEndian.Uint32(b[4:]), binary.LittleEndian.Uint32(b[8:])
	s.step("receiver", "epoll_wait(): %s, fd %d", events(told), fd)
	s.saw("the receiver's wait", events(told))
	state := "not open there"
	if isOpen != 0 {
		state = "open there"
	}
	s.saw("the fd it is told of", state)
	s.evidence("the receiver is told of fd %d, which is %s", fd, state)
}
