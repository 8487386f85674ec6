package lab

import (
	"golang.org/x/sys/unix"
)

func readings() []*Experiment {
	return []*Experiment{{
		Name: "how-far-to-read", Title: "How far to read: streams and datagrams",
		Promise: "A read or a write of a stream that moves fewer bytes than asked for has drained or filled it: the next one meets EAGAIN. With datagrams only EAGAIN says so.",
		Section: "epoll(7), Q9", Function: "unix_stream_read_generic()", Since: "2.5.44",
		Advice: "With streams a short read saves the last system call, except at the end of the stream (RDHUP); with datagrams and listeners go on until EAGAIN.",
		Facts: []Claim{
			{What: "UNIX stream, 1500 bytes, read of 4096", Promised: "1500, then EAGAIN"},
			{What: "TCP, 1500 bytes, read of 4096", Promised: "1500, then EAGAIN"},
			{What: "pipe, 1500 bytes, read of 4096", Promised: "1500, then EAGAIN"},
			{What: "two datagrams of 100, read of 4096", Promised: "100, then 100"},
			{What: "and then", Promised: "EAGAIN"},
		},
		run: howFar,
	}}
}

func howFar(s *scene) {
	see := func(what string, fd int) {
		n, err := get(fd, 4096)
		s.check(err, "read")
		_, err = get(fd, 4096)
		s.step(server, "%s: %d, then %s", what, n, errno(err))
		s.saw(what, "%d, then %s", n, errno(err))
	}
	a, b := s.pair(unix.SOCK_STREAM)
	s.put(b, 1500)
	see("UNIX stream, 1500 bytes, read of 4096", a)
	a, b = s.tcp()
	s.put(b, 1500)
	s.await(a, unix.POLLIN)
	see("TCP, 1500 bytes, read of 4096", a)
	r, w := s.pipe()
	s.put(w, 1500)
	see("pipe, 1500 bytes, read of 4096", r)
	a, b = s.pair(unix.SOCK_DGRAM)
	s.put(b, 100)
	s.put(b, 100)
	first, err := get(a, 4096)
	s.check(err, "read")
	second, err := get(a, 4096)
	s.check(err, "read")
	_, err = get(a, 4096)
	s.step(server, "datagrams: %d, then %d, then %s", first, second, errno(err))
	s.saw("two datagrams of 100, read of 4096", "%d, then %d", first, second)
	s.saw("and then", errno(err))
	s.evidence("TCP: %s; datagrams: %d, then %d", s.fact("TCP, 1500 bytes, read of 4096"), first, second)
}
