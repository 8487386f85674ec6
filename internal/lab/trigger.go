package lab

import (
	"golang.org/x/sys/unix"

	"github.com/eptop/eptop/internal/epoll"
)

// The names of who acts in most experiments.
const (
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
			Shows: "the Watches pane marks the edge-triggered watch \"ET, unread\": 1 024 bytes wait in the pipe and nobody is told",
			Facts: []Claim{
				{What: "first wait, level triggered", Promised: oneEvent},
				{What: "first wait, edge triggered", Promised: oneEvent},
				{What: "second wait, level triggered", Promised: oneEvent},
				{What: "second wait, edge triggered", Promised: noEvent},
				{What: "left in each pipe", Promised: "1024 bytes"},
			},
			run: halfReadPipes,
		},
	}
}

// halfReadPipes is the example of the manual: its five steps, with both kinds of watch.
func halfReadPipes(s *scene) {
	lr, lw := s.pipe()
	er, ew := s.pipe()
	s.halfRead("pipe", [2]int{lr, lw}, [2]int{er, ew})
}

// halfRead does the five steps of epoll(7) with two files, the first watched level, the
// second edge triggered. Each is an end to read from and one to write to.
func (s *scene) halfRead(what string, level, edge [2]int) {
	lep, eep := s.epoll(), s.epoll()
	s.add(lep, level[0], epoll.In)
	s.add(eep, edge[0], epoll.In|epoll.ET)
	s.step(server, "watches one %s level triggered (epoll fd %d), one edge triggered (epoll fd %d)", what, lep, eep)
	s.put(level[1], 2048)
	s.put(edge[1], 2048)
	s.step(peer, "writes 2048 bytes to each and waits for the answer")
	s.await(level[0], unix.POLLIN)
	s.await(edge[0], unix.POLLIN)
	s.both("first wait", lep, eep)
	for _, fd := range []int{level[0], edge[0]} {
		n, err := get(fd, 1024)
		s.check(err, "read")
		if n != 1024 {
			s.cannot("read: %d of 1024 bytes", n)
		}
	}
	s.step(server, "reads 1024 of the 2048 bytes from each, and waits again")
	second := s.both("second wait", lep, eep)
	if second[1] == noEvent {
		s.step(server+", edge", "would sleep for ever here: it waits for more, the peer for the answer to what lies unread")
	}
	left := s.unread(edge[0])
	s.saw("left in each "+what, "%d bytes", left)
	s.evidence("second wait: level %s, edge %s, with %d bytes unread in both", second[0], second[1], left)
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
