package lab

import (
	"golang.org/x/sys/unix"

	"github.com/eptop/eptop/internal/epoll"
)

func identities() []*Experiment {
	return []*Experiment{
		{
			Name: "add-twice", Title: "The same fd twice in one epoll",
			Promise: "Adding an fd that is in the list already fails with EEXIST. A duplicate of it can be added, with another mask.",
			Section: "epoll(7), Q0 and Q1", Function: "ep_find()", Since: "2.5.44",
			Advice: "What the kernel keeps is the pair of number and open file. A duplicate with another mask filters events without MOD.",
			Facts: []Claim{
				{What: "the same fd again", Promised: "EEXIST"},
				{What: "a duplicate with another mask", Promised: "success"},
				{What: "both become ready", Promised: "2 events"},
			},
			run: addTwice,
		},
		{
			Name: "two-epolls", Title: "One file in two epolls",
			Promise: "Two epolls may watch the same file, and both are told.",
			Section: "epoll(7), Q2", Function: "ep_poll_callback()", Since: "2.5.44",
			Advice: "Each thread with an epoll of its own needs EPOLLEXCLUSIVE or SO_REUSEPORT on a shared listener, or all wake.",
			Facts: []Claim{
				{What: "first epoll", Promised: oneEvent},
				{What: "second epoll", Promised: oneEvent},
			},
			run: twoEpolls,
		},
		{
			Name: "regular-file", Title: "Files that cannot be watched",
			Promise: "Regular files and directories are always ready, so epoll refuses them with EPERM.",
			Section: "epoll_ctl(2), EPERM", Function: "file_can_poll()", Since: "2.5.44",
			Advice: "Give disk reads to threads or to io_uring; eventfd or a pipe reports their end.",
			Facts: []Claim{
				{What: "a regular file", Promised: "EPERM"},
				{What: "a directory", Promised: "EPERM"},
				{What: "an fd that is not open", Promised: "EBADF"},
			},
			run: regularFile,
		},
	}
}

func addTwice(s *scene) {
	a, b := s.pair(unix.SOCK_STREAM)
	ep := s.epoll()
	s.add(ep, a, epoll.In)
	again := errno(ctl(ep, unix.EPOLL_CTL_ADD, a, epoll.In))
	s.step(server, "EPOLL_CTL_ADD of fd %d again: %s", a, again)
	s.saw("the same fd again", again)
	d := s.dup(a)
	dup := errno(ctl(ep, unix.EPOLL_CTL_ADD, d, epoll.Out))
	s.step(server, "EPOLL_CTL_ADD of its duplicate %d with OUT: %s", d, dup)
	s.saw("a duplicate with another mask", dup)
	s.put(b, 1)
	got := s.ready(ep)
	s.woke(server, got)
	s.saw("both become ready", events(len(got)))
	s.evidence("again: %s; a duplicate: %s, and %s", again, dup, eventWords(got))
}

func twoEpolls(s *scene) {
	a, b := s.pair(unix.SOCK_STREAM)
	first, second := s.epoll(), s.epoll()
	s.add(first, a, epoll.In)
	s.add(second, a, epoll.In)
	s.put(b, 1)
	s.step(peer, "writes a byte")
	one := s.ready(first)
	s.woke("first epoll", one)
	two := s.ready(second)
	s.woke("second epoll", two)
	s.saw("first epoll", events(len(one)))
	s.saw("second epoll", events(len(two)))
	s.evidence("one byte: %s in the first, %s in the second", events(len(one)), events(len(two)))
}

func regularFile(s *scene) {
	ep := s.epoll()
	file, err := unix.Open("/proc/self/exe", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	s.check(err, "open the program")
	dir, err := unix.Open("/", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	s.check(err, "open /")
	for _, f := range []struct {
		what string
		fd   int
	}{{"a regular file", file}, {"a directory", dir}, {"an fd that is not open", 1 << 20}} {
		got := errno(ctl(ep, unix.EPOLL_CTL_ADD, f.fd, epoll.In))
		s.step(server, "EPOLL_CTL_ADD of %s: %s", f.what, got)
		s.saw(f.what, got)
	}
	s.evidence("a file: %s, a directory: %s, an fd that is not open: %s", s.fact("a regular file"), s.fact("a directory"), s.fact("an fd that is not open"))
}
