package lab

import (
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/eptop/eptop/internal/epoll"
)

// The names of who acts in most experiments.
const (
	kernel = "kernel"
	server = "server"
	peer   = "peer"
)

func triggers() []*Experiment {
	return []*Experiment{
		{
			Name: "et-half-read", Title: "Edge triggered, half of it read: the second wait",
			Promise: "A level-triggered watch reports a file for as long as there is something to read. An edge-triggered one " +
				"reports that something has arrived, once: whoever leaves a part of it unread is not reminded.",
			Section: "epoll(7), Level-triggered and edge-triggered", Function: "ep_send_events()", Since: "2.5.44",
			Advice: "With EPOLLET read until EAGAIN after every event, or keep a list of what you have not drained. A server that reads " +
				"once hangs: it waits for the peer, and the peer waits for the answer to what the server has not read.",
			Shows: "two epolls with one watch each, IN and IN|ET; nothing else distinguishes the one that hangs. How much waits in a pipe is known " +
				"to its holders alone: hold et-half-read-socket to see it",
			Facts: []Claim{
				{What: "first wait, level triggered", Promised: oneEvent},
				{What: "first wait, edge triggered", Promised: oneEvent},
				{What: "second wait, level triggered", Promised: oneEvent},
				{What: "second wait, edge triggered", Promised: noEvent},
				{What: "left in each pipe", Promised: "1024 bytes"},
			},
			run: halfReadPipes,
		},
		{
			Name: "et-drained", Title: "Edge triggered, drained until EAGAIN",
			Promise: "Reading until EAGAIN is the safe way with EPOLLET: after that the next bytes are an edge, and are reported.",
			Section: "epoll(7), suggested use of edge triggering", Function: "ep_poll_callback()", Since: "2.5.44",
			Advice: "Non-blocking files, and read or write until EAGAIN before the next wait.",
			Facts: []Claim{
				{What: "read once drained", Promised: "EAGAIN"},
				{What: "wait once drained", Promised: noEvent},
				{What: "wait after the next bytes", Promised: oneEvent},
			},
			run: drained,
		},
		{
			Name: "et-half-read-socket", Title: "The half-read file, with sockets",
			Promise: "What holds for a pipe holds for sockets: half-read data is reported again to a level-triggered watch alone.",
			Section: "epoll(7), Level-triggered and edge-triggered", Function: "ep_send_events()", Since: "2.5.44",
			Advice: "The same as for a pipe: read until EAGAIN.",
			Shows:  "a watch IN|ET of a socket with 1 024 bytes in its receive queue, look after look: nobody reads them",
			Facts:  slices.Concat(halfReadFacts("UNIX"), halfReadFacts("TCP")),
			run:    halfReadSockets,
		},
		{
			Name: "et-in-out", Title: "EPOLLIN|EPOLLOUT registered once, edge triggered",
			Promise: "An edge-triggered server may register for reading and writing once and never call EPOLL_CTL_MOD: each direction is " +
				"reported when it becomes ready anew.",
			Section: "epoll(7), suggested use; Q9", Function: "ep_poll_callback()", Since: "2.5.44",
			Advice: "Register EPOLLIN|EPOLLOUT|EPOLLET at accept and remember which direction met EAGAIN. It saves a system call for each change of mind.",
			Facts: []Claim{
				{What: "first wait", Promised: "OUT"},
				{What: "nothing new", Promised: noEvent},
				{What: "bytes arrived", Promised: "IN|OUT"},
				{What: "send buffer full", Promised: noEvent},
				{What: "the peer has read all", Promised: "OUT", meets: func(seen string) bool { return strings.Contains(seen, "OUT") }},
			},
			run: inAndOut,
		},
		{
			Name: "combined", Title: "Several events between two waits",
			Promise: "What happens on one file between two waits is combined into one event.",
			Section: "epoll(7), Q7", Function: "ep_item_poll()", Since: "2.5.44",
			Advice: "Count bytes and connections by reading, never by counting events.",
			Facts: []Claim{
				{What: "three writes, level triggered", Promised: oneEvent},
				{What: "three writes, edge triggered", Promised: oneEvent},
				{What: "bytes and the peer's shutdown", Promised: "IN|RDHUP"},
			},
			run: combined,
		},
		{
			Name: "mod-rereads", Title: "EPOLL_CTL_MOD looks again",
			Promise: "Modifying a watch makes the kernel look at the file again: what is ready then is reported, even to an edge-triggered watch.",
			Section: "epoll(7), Q8; EPOLLONESHOT in epoll_ctl(2)", Function: "ep_modify()", Since: "2.5.44",
			Advice: "MOD with the same mask is the way back to a file that was left half-read, at the price of a system call.",
			Facts: []Claim{
				{What: "edge triggered, half read", Promised: noEvent},
				{What: "after MOD with the same mask", Promised: oneEvent},
				{What: "after MOD from IN to OUT", Promised: "OUT"},
			},
			run: modRereads,
		},
	}
}

func halfReadFacts(family string) []Claim {
	return []Claim{
		{What: family + ", second wait, level triggered", Promised: oneEvent},
		{What: family + ", second wait, edge triggered", Promised: noEvent},
		{What: "left in each " + family + " socket", Promised: "1024 bytes"},
	}
}

func halfReadSockets(s *scene) {
	var level, edge [2]int
	level[0], level[1] = s.pair(unix.SOCK_STREAM)
	edge[0], edge[1] = s.pair(unix.SOCK_STREAM)
	s.halfRead("UNIX", "UNIX socket", level, edge)
	level[0], level[1] = s.tcp()
	edge[0], edge[1] = s.tcp()
	s.halfRead("TCP", "TCP socket", level, edge)
	s.evidence("second wait: UNIX level %s, edge %s; TCP level %s, edge %s", s.fact("UNIX, second wait, level triggered"),
		s.fact("UNIX, second wait, edge triggered"), s.fact("TCP, second wait, level triggered"), s.fact("TCP, second wait, edge triggered"))
}

func drained(s *scene) {
	r, w := s.pipe()
	ep := s.epoll()
	s.add(ep, r, epoll.In|epoll.ET)
	s.put(w, 2048)
	s.step(peer, "writes 2048 bytes")
	s.woke(server, s.ready(ep))
	sum := s.drain(r)
	_, err := get(r, 1)
	s.step(server, "reads %d bytes, until %s", sum, errno(err))
	s.saw("read once drained", errno(err))
	got := s.ready(ep)
	s.woke(server, got)
	s.saw("wait once drained", events(len(got)))
	s.put(w, 1)
	s.step(peer, "writes 1 byte")
	got = s.ready(ep)
	s.woke(server, got)
	s.saw("wait after the next bytes", events(len(got)))
	s.evidence("drained %d bytes: %s; one byte more: %s", sum, s.fact("wait once drained"), events(len(got)))
}

func inAndOut(s *scene) {
	a, b := s.pair(unix.SOCK_STREAM)
	ep := s.epoll()
	s.add(ep, a, epoll.In|epoll.Out|epoll.ET)
	s.step(server, "watches a socket once, IN|OUT|ET")
	see := func(what string) {
		got := s.ready(ep)
		s.woke(server, got)
		s.saw(what, firstMask(got))
	}
	see("first wait")
	see("nothing new")
	s.put(b, 100)
	s.step(peer, "writes 100 bytes")
	see("bytes arrived")
	s.drain(a)
	n := s.fill(a)
	s.step(server, "reads them, and writes %d bytes until EAGAIN", n)
	see("send buffer full")
	read := s.drain(b)
	s.step(peer, "reads %d bytes", read)
	see("the peer has read all")
	s.evidence("one EPOLL_CTL_ADD, no MOD: full at %d bytes, writable again once the peer had read", n)
}

// firstMask is what the first event says.
func firstMask(got []event) string {
	if len(got) == 0 {
		return noEvent
	}
	return maskWords(got[0].Mask)
}

func combined(s *scene) {
	r, w := s.pipe()
	level, edge := s.epoll(), s.epoll()
	s.add(level, r, epoll.In)
	s.add(edge, r, epoll.In|epoll.ET)
	for range 3 {
		s.put(w, 10)
	}
	s.step(peer, "writes 10 bytes three times")
	for _, e := range []struct {
		what string
		ep   int
	}{{"three writes, level triggered", level}, {"three writes, edge triggered", edge}} {
		got := s.ready(e.ep)
		s.woke(server, got)
		s.saw(e.what, events(len(got)))
	}
	a, b := s.pair(unix.SOCK_STREAM)
	ep := s.epoll()
	s.add(ep, a, epoll.In|epoll.RdHup|epoll.ET)
	s.put(b, 10)
	s.check(unix.Shutdown(b, unix.SHUT_WR), "shutdown")
	s.step(peer, "writes 10 bytes and shuts its side down")
	got := s.ready(ep)
	s.woke(server, got)
	s.saw("bytes and the peer's shutdown", firstMask(got))
	s.evidence("three writes: %s; bytes and shutdown: %s", s.fact("three writes, edge triggered"), firstMask(got))
}

func modRereads(s *scene) {
	a, b := s.pair(unix.SOCK_STREAM)
	ep := s.epoll()
	s.add(ep, a, epoll.In|epoll.ET)
	s.put(b, 2048)
	s.woke(server, s.ready(ep))
	_, err := get(a, 1024)
	s.check(err, "read")
	s.step(server, "reads 1024 of 2048 bytes")
	got := s.ready(ep)
	s.woke(server, got)
	s.saw("edge triggered, half read", events(len(got)))
	s.mod(ep, a, epoll.In|epoll.ET)
	s.step(server, "EPOLL_CTL_MOD with the same mask")
	got = s.ready(ep)
	s.woke(server, got)
	s.saw("after MOD with the same mask", events(len(got)))
	again := events(len(got))
	s.mod(ep, a, epoll.Out|epoll.ET)
	s.step(server, "EPOLL_CTL_MOD from IN to OUT")
	got = s.ready(ep)
	s.woke(server, got)
	s.saw("after MOD from IN to OUT", firstMask(got))
	s.evidence("half read: %s; MOD with the same mask: %s", s.fact("edge triggered, half read"), again)
}

// halfReadPipes is the example of the manual: its five steps, with both kinds of watch.
func halfReadPipes(s *scene) {
	lr, lw := s.pipe()
	er, ew := s.pipe()
	s.halfRead("", "pipe", [2]int{lr, lw}, [2]int{er, ew})
}

// halfRead does the five steps of epoll(7) with two files, the first watched level, the
// second edge triggered. Each is an end to read from and one to write to.
func (s *scene) halfRead(family, what string, level, edge [2]int) {
	prefix := ""
	if family != "" {
		prefix = family + ", "
	}
	lep, eep := s.epoll(), s.epoll()
	s.add(lep, level[0], epoll.In)
	s.add(eep, edge[0], epoll.In|epoll.ET)
	s.step(server, "watches a %s with each: level in epoll fd %d, edge in epoll fd %d", what, lep, eep)
	s.put(level[1], 2048)
	s.put(edge[1], 2048)
	s.step(peer, "writes 2048 bytes to each, awaits an answer")
	s.await(level[0], unix.POLLIN)
	s.await(edge[0], unix.POLLIN)
	s.both(prefix+"first wait", lep, eep)
	for _, fd := range []int{level[0], edge[0]} {
		n, err := get(fd, 1024)
		s.check(err, "read")
		if n != 1024 {
			s.cannot("read: %d of 1024 bytes", n)
		}
	}
	s.step(server, "reads 1024 of 2048 bytes of each, waits again")
	second := s.both(prefix+"second wait", lep, eep)
	if second[1] == noEvent {
		s.step(server+", edge", "would sleep for ever: it waits for more, the peer for the answer to what lies unread")
	}
	left := s.unread(edge[0])
	s.saw("left in each "+what, "%d bytes", left)
	s.evidence("second wait: level %s, edge %s, with %d bytes unread in both", second[0], second[1], left)
	if family == "UNIX" {
		return // the TCP sockets, which come next, are looked at
	}
	s.turn(HeldFD{eep, "the epoll of the edge-triggered watch"}, HeldFD{edge[0], "the half-read " + what + ", watched edge triggered"},
		HeldFD{lep, "the epoll of the level-triggered watch"}, HeldFD{level[0], "the half-read " + what + ", watched level triggered"})
}

// both waits in a level-triggered and an edge-triggered epoll and keeps what they return.
func (s *scene) both(what string, level, edge int) [2]string {
	var out [2]string
	for i, w := range []struct {
		ep        int
		kind, who string
	}{{level, "level triggered", "level"}, {edge, "edge triggered", "edge"}} {
		got := s.ready(w.ep)
		s.woke(server+", "+w.who, got)
		out[i] = events(len(got))
		s.saw(what+", "+w.kind, out[i])
	}
	return out
}
