package lab

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/eptop/eptop/internal/epoll"
)

// event is what a wait returned for one watch; FD is the number it was added with.
type event struct {
	FD   int
	Mask epoll.Mask
}

// eventWords lists events as "fd 5 IN, fd 7 OUT".
func eventWords(got []event) string {
	var words []string
	for _, e := range got {
		words = append(words, fmt.Sprintf("fd %d %s", e.FD, maskWords(e.Mask)))
	}
	return strings.Join(words, ", ")
}

// errno is the name of an error number, "success" where there is none.
func errno(err error) string {
	var n unix.Errno
	switch {
	case err == nil:
		return "success"
	case errors.As(err, &n):
		return unix.ErrnoName(n)
	}
	return err.Error()
}

func (s *scene) epoll() int {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	s.check(err, "epoll_create1")
	return fd
}

// pipe returns both ends of a non-blocking pipe.
func (s *scene) pipe() (r, w int) {
	var p [2]int
	s.check(unix.Pipe2(p[:], unix.O_CLOEXEC|unix.O_NONBLOCK), "pipe2")
	return p[0], p[1]
}

// pair returns both ends of a non-blocking pair of UNIX sockets.
func (s *scene) pair(kind int) (a, b int) {
	p, err := unix.Socketpair(unix.AF_UNIX, kind|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	s.check(err, "socketpair")
	return p[0], p[1]
}

func ctl(ep, op, fd int, mask epoll.Mask) error {
	return unix.EpollCtl(ep, op, fd, &unix.EpollEvent{Events: uint32(mask), Fd: int32(fd)})
}

func (s *scene) add(ep, fd int, mask epoll.Mask) {
	s.check(ctl(ep, unix.EPOLL_CTL_ADD, fd, mask), "epoll_ctl ADD")
}

func (s *scene) mod(ep, fd int, mask epoll.Mask) {
	s.check(ctl(ep, unix.EPOLL_CTL_MOD, fd, mask), "epoll_ctl MOD")
}

// wait is epoll_wait(2), for at most ms milliseconds and most events.
func (s *scene) wait(ep, most, ms int) []event {
	got, err := wait(ep, most, ms)
	s.check(err, "epoll_wait")
	return got
}

// ready is a wait that does not wait: what is ready now.
func (s *scene) ready(ep int) []event { return s.wait(ep, 16, 0) }

func wait(ep, most, ms int) ([]event, error) {
	list := make([]unix.EpollEvent, most)
	for {
		n, err := unix.EpollWait(ep, list, ms)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return nil, err
		}
		got := make([]event, n)
		for i, e := range list[:n] {
			got[i] = event{int(e.Fd), epoll.Mask(e.Events)}
		}
		return got, nil
	}
}

// put writes n bytes and wants all of them written.
func (s *scene) put(fd, n int) {
	written, err := unix.Write(fd, make([]byte, n))
	s.check(err, "write")
	if written != n {
		s.cannot("write: %d of %d bytes", written, n)
	}
}

// get reads at most n bytes and returns how many there were, and the error's name.
func get(fd, n int) (int, error) {
	got, err := unix.Read(fd, make([]byte, n))
	return max(0, got), err
}

// drain reads until EAGAIN or the end, and returns how many bytes there were.
func (s *scene) drain(fd int) int {
	sum := 0
	for {
		n, err := get(fd, 1<<16)
		if errors.Is(err, unix.EAGAIN) || err == nil && n == 0 {
			return sum
		}
		s.check(err, "read")
		sum += n
	}
}

// fill writes until EAGAIN and returns how many bytes there were.
func (s *scene) fill(fd int) int {
	sum, chunk := 0, make([]byte, 1<<16)
	for {
		n, err := unix.Write(fd, chunk)
		if errors.Is(err, unix.EAGAIN) {
			return sum
		}
		s.check(err, "write")
		sum += n
	}
}

// unread returns how many bytes wait in fd.
func (s *scene) unread(fd int) int {
	n, err := unix.IoctlGetInt(fd, unix.TIOCINQ)
	s.check(err, "ioctl FIONREAD")
	return n
}

// watches returns the masks that the kernel keeps for fd in an epoll, from fdinfo.
func (s *scene) watches(ep, fd int) []epoll.Mask {
	text, err := readFile(fmt.Sprintf("/proc/self/fdinfo/%d", ep))
	s.check(err, "read fdinfo")
	var masks []epoll.Mask
	for line := range strings.Lines(text) {
		var tfd int
		var mask uint32
		if n, _ := fmt.Sscanf(line, "tfd: %d events: %x", &tfd, &mask); n == 2 && tfd == fd {
			masks = append(masks, epoll.Mask(mask))
		}
	}
	slices.Sort(masks)
	return masks
}

// watch returns the mask of the one watch of fd, and its words.
func (s *scene) watch(ep, fd int) (epoll.Mask, string) {
	masks := s.watches(ep, fd)
	if len(masks) != 1 {
		s.cannot("fdinfo shows %d watches of fd %d", len(masks), fd)
	}
	return masks[0], masks[0].String()
}

// await waits until poll(2) reports something for fd. TCP over loopback may deliver a moment
// after the write.
func (s *scene) await(fd int, mask int16) int16 {
	list := []unix.PollFd{{Fd: int32(fd), Events: mask}}
	for {
		n, err := unix.Poll(list, 5000)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		s.check(err, "poll")
		if n == 0 {
			s.cannot("fd %d was not ready within 5 s", fd)
		}
		return list[0].Revents
	}
}

// backlog is how many connections may wait to be accepted.
const backlog = 128

// listen returns a non-blocking TCP listener on a port of 127.0.0.1 that the kernel
// chooses where port is 0.
func (s *scene) listen(port int, reuse bool) (fd, on int) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	s.check(err, "socket")
	if reuse {
		s.check(unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1), "setsockopt SO_REUSEPORT")
	}
	s.check(unix.Bind(fd, &unix.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}}), "bind")
	s.check(unix.Listen(fd, backlog), "listen")
	name, err := unix.Getsockname(fd)
	s.check(err, "getsockname")
	return fd, name.(*unix.SockaddrInet4).Port
}

// dial connects to a port of 127.0.0.1. Closing the connection is a reset, which leaves no
// TIME_WAIT.
func (s *scene) dial(port int) int {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	s.check(err, "socket")
	s.check(unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}), "setsockopt SO_LINGER")
	s.check(unix.Connect(fd, &unix.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}}), "connect")
	return fd
}

// tcp returns both ends of a TCP connection over loopback, non-blocking.
func (s *scene) tcp() (accepted, connected int) {
	l, port := s.listen(0, false)
	defer unix.Close(l)
	connected = s.dial(port)
	s.check(unix.SetNonblock(connected, true), "fcntl O_NONBLOCK")
	s.await(l, unix.POLLIN)
	accepted, _, err := unix.Accept4(l, unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK)
	s.check(err, "accept4")
	return accepted, connected
}

func (s *scene) eventfd(n uint) int {
	fd, err := unix.Eventfd(n, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	s.check(err, "eventfd")
	return fd
}

func (s *scene) close(fd int) { s.check(unix.Close(fd), "close") }

// dup returns another fd of the same open file.
func (s *scene) dup(fd int) int {
	d, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	s.check(err, "dup")
	return d
}
