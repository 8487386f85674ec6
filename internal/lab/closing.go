package lab

import (
	"golang.org/x/sys/unix"

	"github.com/eptop/eptop/internal/epoll"
)

func closings() []*Experiment {
	return []*Experiment{
		{
			Name: "close-removes", Title: "close() removes the watch",
			Promise: "Closing an fd removes it from all epolls, once no other fd refers to the same open file.",
			Section: "epoll(7), Q6", Function: "eventpoll_release_file()", Since: "2.5.44",
			Advice: "EPOLL_CTL_DEL before close is not needed, unless a duplicate may live on.",
			Facts: []Claim{
				{What: "watches before close", Promised: "1"},
				{What: "watches after close", Promised: "0"},
				{What: "wait after close", Promised: noEvent},
			},
			run: closeRemoves,
		},
		{
			Name: "close-with-dup", Title: "close() while a duplicate lives on",
			Promise: "While a duplicate keeps the open file, the watch stays, and events are reported for the fd that was closed. It cannot be removed through that number any more.",
			Section: "epoll(7), Q6", Function: "eventpoll_release_file()", Since: "2.5.44",
			Advice: "EPOLL_CTL_DEL before close wherever an fd may have been duplicated: dup, fork, SCM_RIGHTS.",
			Shows:  "the watch is marked \"stale\": its number is closed, and the duplicate keeps the file open",
			Facts: []Claim{
				{What: "watches after close", Promised: "1"},
				{What: "wait after close", Promised: oneEvent},
				{What: "it names", Promised: "the closed fd"},
				{What: "EPOLL_CTL_DEL by the closed number", Promised: "EBADF"},
				{What: "watches after closing the duplicate", Promised: "0"},
			},
			run: closeWithDup,
		},
		{
			Name: "close-after-fork", Title: "close() while a child holds the file",
			Promise: "A child that inherited the fd keeps the open file: the parent's epoll goes on reporting the connection that the parent has closed.",
			Section: "epoll(7), Q6", Function: "eventpoll_release_file()", Since: "2.5.44",
			Advice: "SOCK_CLOEXEC on every accept4(2), and EPOLL_CTL_DEL before close.",
			Shows:  "the watch is marked \"stale\", and its detail names the process that keeps the file open",
			Facts: []Claim{
				{What: "watches after close", Promised: "1"},
				{What: "wait after close", Promised: oneEvent},
				{What: "watches after the child has ended", Promised: "0"},
			},
			run: closeAfterFork,
		},
		{
			Name: "collected-then-closed", Title: "What was collected, then closed or modified",
			Promise: "Events that a wait has returned stay in the array whatever happens then: closing an fd takes nothing back. What was not collected yet is not reported for a closed fd, and MOD applies to the next wait.",
			Section: "epoll(7), Q8", Function: "ep_remove()", Since: "2.5.44",
			Advice: "Before using an event check that its connection still lives: close at the end of a round, or count generations in epoll_data.",
			Facts: []Claim{
				{What: "collected before close", Promised: "2 events"},
				{What: "wait after closing one of them", Promised: oneEvent},
				{What: "ready, not collected, closed", Promised: noEvent},
				{What: "ready, not collected, modified to OUT", Promised: "OUT"},
			},
			run: collectedThenClosed,
		},
		{
			Name: "stale-cache", Title: "Event 47 closes connection 13",
			Promise: "Whoever works through collected events and closes another connection on the way may meet its event later: the number then is a new connection's.",
			Section: "epoll(7), If using an event cache", Function: "alloc_fd()", Since: "2.5.44",
			Advice: "Close at the end of the round, or give each connection a generation in epoll_data and drop events of an older one.",
			Facts: []Claim{
				{What: "collected", Promised: "2 events"},
				{What: "number of the new connection", Promised: "that of the closed one"},
				{What: "reading for the old event", Promised: "EAGAIN"},
				{What: "the generation in epoll_data", Promised: "shows that the event is old"},
			},
			run: staleCache,
		},
	}
}

func closeRemoves(s *scene) {
	a, b := s.pair(unix.SOCK_STREAM)
	ep := s.epoll()
	s.add(ep, a, epoll.In)
	s.put(b, 1)
	s.saw("watches before close", "%d", len(s.watches(ep, a)))
	s.close(a)
	s.step(server, "closes fd %d, which has a byte to read", a)
	left := len(s.watches(ep, a))
	s.saw("watches after close", "%d", left)
	got := s.ready(ep)
	s.woke(server, got)
	s.saw("wait after close", events(len(got)))
	s.evidence("%d watches after close, %s", left, events(len(got)))
}

func closeWithDup(s *scene) {
	a, b := s.pair(unix.SOCK_STREAM)
	ep := s.epoll()
	s.add(ep, a, epoll.In)
	d := s.dup(a)
	s.close(a)
	s.step(server, "closes fd %d; its duplicate %d lives on", a, d)
	s.saw("watches after close", "%d", len(s.watches(ep, a)))
	s.put(b, 1)
	s.step(peer, "writes a byte")
	got := s.ready(ep)
	s.woke(server, got)
	s.saw("wait after close", events(len(got)))
	if len(got) > 0 && got[0].FD == a {
		s.saw("it names", "the closed fd")
	} else if len(got) > 0 {
		s.saw("it names", "fd %d", got[0].FD)
	}
	del := errno(ctl(ep, unix.EPOLL_CTL_DEL, a, 0))
	s.step(server, "EPOLL_CTL_DEL of fd %d: %s", a, del)
	s.saw("EPOLL_CTL_DEL by the closed number", del)
	s.turn(HeldFD{ep, "the epoll with the stale watch"}, HeldFD{d, "the duplicate that keeps the file"})
	s.close(d)
	s.step(server, "closes the duplicate")
	s.saw("watches after closing the duplicate", "%d", len(s.watches(ep, a)))
	s.evidence("closed, and still told: %s; EPOLL_CTL_DEL: %s", eventWords(got), del)
}

func closeAfterFork(s *scene) {
	a, b := s.pair(unix.SOCK_STREAM)
	ep := s.epoll()
	s.add(ep, a, epoll.In)
	child := s.helper(bystander, a)
	ended := false
	defer func() {
		if !ended {
			child.dismiss()
		}
	}()
	s.step(server, "starts process %d, which inherits fd %d", child.pid, a)
	s.close(a)
	s.step(server, "closes fd %d", a)
	s.put(b, 1)
	s.step(peer, "writes a byte")
	s.saw("watches after close", "%d", len(s.watches(ep, a)))
	got := s.ready(ep)
	s.woke(server, got)
	s.saw("wait after close", events(len(got)))
	s.turn(HeldFD{ep, "the epoll with the stale watch"}, HeldFD{b, "the other end of the connection"})
	child.dismiss()
	ended = true
	s.step("child", "ends")
	s.saw("watches after the child has ended", "%d", len(s.watches(ep, a)))
	s.evidence("closed here, open in process %d: %s", child.pid, eventWords(got))
}

func collectedThenClosed(s *scene) {
	ep := s.epoll()
	a, aw := s.pipe()
	b, bw := s.pipe()
	s.add(ep, a, epoll.In)
	s.add(ep, b, epoll.In)
	s.put(aw, 1)
	s.put(bw, 1)
	got := s.ready(ep)
	s.woke(server, got)
	s.saw("collected before close", events(len(got)))
	s.close(b)
	s.step(server, "closes fd %d, whose event it holds in its array", b)
	got = s.ready(ep)
	s.woke(server, got)
	s.saw("wait after closing one of them", events(len(got)))
	s.close(a)
	s.step(server, "closes fd %d, which is ready and was not collected again", a)
	got = s.ready(ep)
	s.woke(server, got)
	s.saw("ready, not collected, closed", events(len(got)))
	c, d := s.pair(unix.SOCK_STREAM)
	s.add(ep, c, epoll.In)
	s.put(d, 1)
	s.mod(ep, c, epoll.Out)
	s.step(server, "modifies a ready watch from IN to OUT before it is collected")
	got = s.ready(ep)
	s.woke(server, got)
	s.saw("ready, not collected, modified to OUT", firstMask(got))
	s.evidence("after closing one that was collected: %s; closed before the wait: %s; modified before it: %s",
		s.fact("wait after closing one of them"), s.fact("ready, not collected, closed"), firstMask(got))
}

func staleCache(s *scene) {
	ep := s.epoll()
	l, port := s.listen(0, false)
	// The generation stands in the upper half of epoll_data.
	generation := int32(0)
	current := map[int]int32{}
	accept := func() int {
		s.await(l, unix.POLLIN)
		fd, _, err := unix.Accept4(l, unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK)
		s.check(err, "accept4")
		generation++
		current[fd] = generation
		s.check(unix.EpollCtl(ep, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd), Pad: generation}), "epoll_ctl ADD")
		return fd
	}
	peers := []int{s.dial(port)}
	first := accept()
	peers = append(peers, s.dial(port))
	second := accept()
	s.put(peers[0], 1)
	s.put(peers[1], 1)
	s.await(first, unix.POLLIN)
	s.await(second, unix.POLLIN)
	list := make([]unix.EpollEvent, 8)
	n, err := unix.EpollWait(ep, list, 0)
	s.check(err, "epoll_wait")
	s.step(server, "collects %s: fd %d and fd %d", events(n), first, second)
	s.saw("collected", events(n))
	// The next connection waits to be accepted already, so that nothing else takes the number.
	s.dial(port)
	s.close(second)
	again := accept()
	s.step(server, "while it serves fd %d, it closes fd %d and accepts fd %d", first, second, again)
	if again == second {
		s.saw("number of the new connection", "that of the closed one")
	} else {
		s.saw("number of the new connection", "another: fd %d", again)
	}
	_, err = unix.Read(again, make([]byte, 1))
	s.step(server, "comes to the old event, and reads from fd %d: %s", second, errno(err))
	s.saw("reading for the old event", errno(err))
	for _, e := range list[:max(0, n)] {
		if int(e.Fd) != second {
			continue
		}
		if e.Pad != current[second] {
			s.saw("the generation in epoll_data", "shows that the event is old")
			s.step(server, "with the cure: the event is of generation %d, the connection of %d: dropped", e.Pad, current[second])
		} else {
			s.saw("the generation in epoll_data", "is that of the new connection")
		}
	}
	s.evidence("fd %d was closed and given to the next connection with its event still in the array; the generation shows it", second)
}
