package loadgen

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// server holds the server ends of a pair, and the epoll that watches them. That
// epoll watches nothing else: the listeners and the generator are polled.
type server struct {
	order order
	page  *page
	me    *serverSide
	control

	epoll  int // -1 without watches
	fds    []int32
	polled []unix.PollFd // control, the epoll, then the listeners
	events [256]unix.EpollEvent
	sweep  sweep
}

func newServer(o order, p *page) *server {
	return &server{order: o, page: p, me: &p.server, epoll: -1, fds: make([]int32, 0, o.Room)}
}

func (s *server) run() error {
	if err := s.open(); err != nil {
		return err
	}
	for {
		wait, err := s.work()
		if err == nil {
			err = s.wait(wait)
		}
		if errors.Is(err, errDismissed) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// open makes the epoll and the listeners, and publishes their addresses.
func (s *server) open() error {
	s.polled = []unix.PollFd{{Fd: controlFD, Events: unix.POLLIN}, {Fd: -1, Events: unix.POLLIN}}
	if s.order.Config.Watch != WatchNone {
		var err error
		if s.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
			s.me.stop(callEpollCreate, s.me.count(err))
			return fmt.Errorf("epoll_create1: %w", err)
		}
		if s.order.Config.ActivePercent > 0 || s.order.Config.seesEnds() {
			s.polled[1].Fd = int32(s.epoll)
		}
	}
	for n := range s.order.listeners() {
		fd, err := s.listen(n)
		if n > 0 && errors.Is(err, unix.EADDRINUSE) {
			break // the listeners it has are enough
		}
		if err != nil {
			s.me.stop(callBind, s.me.count(err))
			return err
		}
		s.polled = append(s.polled, unix.PollFd{Fd: int32(fd), Events: unix.POLLIN})
	}
	s.page.ready.Store(int64(len(s.polled) - 2))
	return nil
}

// listen opens listener n.
func (s *server) listen(n int64) (int, error) {
	fd, err := unix.Socket(s.order.domain(), unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, fmt.Errorf("socket: %w", err)
	}
	if s.order.Config.Family != UNIX {
		// Accepted ends inherit SO_LINGER: however this process ends they are reset, and
		// leave no TIME_WAIT behind.
		if err := unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}); err != nil {
			_ = unix.Close(fd)
			return 0, fmt.Errorf("set SO_LINGER: %w", err)
		}
	}
	if s.order.Ports.OneAddress && s.order.Ports.Own {
		if err := unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_LOCAL_PORT_RANGE, s.order.Ports.Listen.option()); err != nil {
			_ = unix.Close(fd)
			return 0, fmt.Errorf("set IP_LOCAL_PORT_RANGE: %w", err)
		}
	}
	if err := unix.Bind(fd, s.order.listenAddress(n)); err != nil {
		_ = unix.Close(fd)
		return 0, fmt.Errorf("bind: %w", err)
	}
	if err := unix.Listen(fd, int(s.order.Backlog)*4/3+8); err != nil {
		_ = unix.Close(fd)
		return 0, fmt.Errorf("listen: %w", err)
	}
	address := n
	name, err := unix.Getsockname(fd)
	if err != nil {
		return 0, fmt.Errorf("getsockname: %w", err)
	}
	switch a := name.(type) {
	case *unix.SockaddrInet4:
		address = int64(a.Port)
	case *unix.SockaddrInet6:
		address = int64(a.Port)
	}
	s.page.addresses[n].Store(address)
	return fd, nil
}

// wait waits for connections, for echoes to send, or for a change of what is wanted.
func (s *server) wait(micros int64) error {
	accepting := s.me.accepts.Load() < s.me.wantAccepts.Load() && !s.me.isStopped() || s.surplus()
	for i := 2; i < len(s.polled); i++ {
		s.polled[i].Events = 0
		if accepting {
			s.polled[i].Events = unix.POLLIN
		}
	}
	if micros == untilWoken && s.order.Config.needsSweep() {
		micros = sweepEach.Microseconds()
	}
	if _, err := poll(s.polled, micros); err != nil {
		return fmt.Errorf("wait for connections: %w", err)
	}
	if s.polled[0].Revents != 0 {
		return s.read()
	}
	return nil
}

// work does a batch of what is wanted and returns how long to wait before the next.
func (s *server) work() (wait int64, err error) {
	accepts, watches := s.me.wantAccepts.Load(), s.me.wantWatches.Load()
	if s.order.Config.Watch == WatchNone {
		watches = 0
	}
	for int64(len(s.fds)) > accepts {
		s.drop()
	}
	if s.polled[1].Fd >= 0 && s.polled[1].Revents != 0 {
		if err := s.echo(); err != nil {
			return 0, err
		}
	}
	if s.order.Config.needsSweep() {
		if err := s.sweepEnds(); err != nil {
			return 0, err
		}
	}
	if s.surplus() {
		return soonMicros, s.refuse()
	}
	if s.me.isStopped() {
		return untilWoken, nil
	}
	more := false
	for i := 2; i < len(s.polled); i++ {
		if s.polled[i].Revents != 0 {
			more = s.accept(int(s.polled[i].Fd), accepts, watches) || more
		}
	}
	for s.me.watches.Load() < min(watches, int64(len(s.fds))) && !s.me.isStopped() {
		s.watch(s.fds[s.me.watches.Load()])
	}
	if more {
		return 0, nil
	}
	return untilWoken, nil
}

// accept takes a batch of connections, and watches each at once where its watch is
// wanted already. It reports whether there may be more.
func (s *server) accept(listener int, accepts, watches int64) bool {
	for range checkEach {
		if int64(len(s.fds)) >= accepts {
			return false
		}
		// Nobody needs the peer's address, and x/sys would allocate it.
		fd, _, errno := unix.Syscall6(unix.SYS_ACCEPT4, uintptr(listener), 0, 0, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
		switch {
		case errno == 0:
		case errno == unix.EAGAIN:
			return false
		case errno == unix.EINTR, errno == unix.ECONNABORTED:
			continue
		default:
			s.me.stop(callAccept, s.me.count(errno))
			return false
		}
		s.fds = append(s.fds, int32(fd))
		s.me.accepts.Store(int64(len(s.fds)))
		if s.me.watches.Load() == int64(len(s.fds))-1 && int64(len(s.fds)) <= watches && !s.watch(int32(fd)) {
			return false
		}
	}
	return true
}

// surplus reports whether more connections wait to be accepted than are wanted: the
// server has all that are wanted, and the client has more.
func (s *server) surplus() bool {
	c, accepts := &s.page.client, s.me.wantAccepts.Load()
	return c.wantConnects.Load() == accepts && int64(len(s.fds)) == accepts && c.connects.Load() > accepts
}

// refuse resets connections that wait to be accepted; the client then closes its ends.
func (s *server) refuse() error {
	for i := 2; i < len(s.polled); i++ {
		for range checkEach {
			fd, _, errno := unix.Syscall6(unix.SYS_ACCEPT4, uintptr(s.polled[i].Fd), 0, 0, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
			if errno != 0 {
				break
			}
			if err := unix.Close(int(fd)); err != nil {
				return fmt.Errorf("close a connection: %w", err)
			}
		}
	}
	return nil
}

// watch adds the watch of an end. An end that can have none is closed: only whole
// connections count as open.
func (s *server) watch(fd int32) bool {
	event := unix.EpollEvent{Events: s.order.Config.Watch.mask(), Fd: fd}
	if err := unix.EpollCtl(s.epoll, unix.EPOLL_CTL_ADD, int(fd), &event); err != nil {
		s.me.stop(callEpollCtl, s.me.count(err))
		n := int64(0)
		for int64(len(s.fds)) > s.me.watches.Load() {
			s.drop()
			n++
		}
		s.me.dropped.Add(n)
		return false
	}
	s.me.watches.Add(1)
	return true
}

// drop closes the newest end with a reset.
func (s *server) drop() {
	last := len(s.fds) - 1
	_ = unix.Close(int(s.fds[last]))
	s.fds = s.fds[:last]
	s.me.accepts.Store(int64(last))
	if s.me.watches.Load() > int64(last) {
		s.me.watches.Store(int64(last))
	}
}

// mask returns the events of a watch; EPOLLEXCLUSIVE allows no EPOLLRDHUP.
func (w Watch) mask() uint32 {
	switch w {
	case WatchLT:
		return unix.EPOLLIN | unix.EPOLLRDHUP
	case WatchOneShot:
		return unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLONESHOT
	case WatchExclusive:
		return unix.EPOLLIN | unix.EPOLLEXCLUSIVE
	}
	return unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLET
}

// echo sends beats back, and buries the ends that others have ended. It leaves alone the
// bytes that are to stay unread.
func (s *server) echo() error {
	n, err := unix.EpollWait(s.epoll, s.events[:], 0)
	if err != nil && !errors.Is(err, unix.EINTR) {
		return fmt.Errorf("epoll_wait: %w", err)
	}
	var b [1]byte
	dead := map[int32]bool{}
	defer func() { s.bury(dead) }()
	for _, e := range s.events[:max(0, n)] {
		fd := int(e.Fd)
		if e.Events&(unix.EPOLLERR|unix.EPOLLHUP) != 0 {
			dead[e.Fd] = true
			continue
		}
		if n, _, err := unix.Recvfrom(fd, b[:], unix.MSG_PEEK|unix.MSG_DONTWAIT); err != nil || n == 0 || b[0] != beatByte {
			continue
		}
		for {
			n, err := unix.Read(fd, b[:])
			if err != nil || n == 0 {
				break
			}
			if _, err := unix.SendmsgN(fd, b[:], nil, nil, unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT); err != nil {
				break
			}
		}
		if s.order.Config.Watch == WatchOneShot {
			event := unix.EpollEvent{Events: s.order.Config.Watch.mask(), Fd: e.Fd}
			if err := unix.EpollCtl(s.epoll, unix.EPOLL_CTL_MOD, fd, &event); err != nil {
				s.me.count(err)
			}
		}
	}
	return nil
}

// isWall reports whether an error is one that does not go away by trying again.
func isWall(errno unix.Errno) bool {
	switch errno {
	case unix.EMFILE, unix.ENFILE, unix.ENOBUFS, unix.ENOMEM, unix.ENOSPC, unix.EADDRNOTAVAIL, unix.EACCES, unix.EPERM:
		return true
	}
	return false
}
