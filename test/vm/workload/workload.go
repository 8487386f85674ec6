// Package workload opens the epoll instances and sockets that eptop must find exactly,
// and says how many there are. The guests of test/vm use it.
package workload

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"

	"golang.org/x/sys/unix"
)

// The numbers of each kind that Hold opens are odd and differ from each other, so that
// no number can be mistaken for another one.
const (
	// TCP4Pairs are connections over 127.0.0.1 with both ends here; the server's
	// ends are watched, edge triggered, by one epoll.
	TCP4Pairs = 211
	// TCP6Pairs are connections over ::1; nobody watches them.
	TCP6Pairs = 57
	// HalfClosed are IPv4 connections whose client has shut down its direction.
	HalfClosed = 3
	// Waiting are IPv4 connections that nobody has accepted.
	Waiting = 5
	// UnixPairs are pairs of UNIX stream sockets.
	UnixPairs = 31
	// UDP4 and UDP6 are bound UDP sockets.
	UDP4 = 7
	UDP6 = 9
	// Mixed are the watches of a second epoll, of all sorts: see MixedET and the
	// following.
	Mixed = 23
	// Shared are the watches of a third epoll, which a child process holds too.
	Shared = 13
)

// What eptop opens itself: the connections it measures, and the watches that the
// sysctl leaves to the load that reaches its limit.
const (
	Measured   = 3000
	MaxWatches = 500
)

// The watches of the second epoll by kind. MixedDisarmed counts some of the one-shot
// ones, and the rest watch UNIX sockets, level triggered.
const (
	MixedET        = 11
	MixedOneShot   = 5
	MixedDisarmed  = 2
	MixedExclusive = 1
	MixedStale     = 1
	MixedNested    = 1

	mixedSockets = Mixed - MixedET - MixedOneShot - MixedExclusive - MixedStale - MixedNested
)

// Sockets returns how many sockets there are of each kind and state, in the words of
// eptop's by_state.
func Sockets() map[string]int64 {
	return map[string]int64{
		"tcp LISTEN":      1,
		"tcp ESTABLISHED": 2 * (TCP4Pairs + Waiting),
		"tcp FIN_WAIT2":   HalfClosed,
		"tcp CLOSE_WAIT":  HalfClosed,

		"tcp6 LISTEN":      1,
		"tcp6 ESTABLISHED": 2 * TCP6Pairs,

		"unix ESTABLISHED": 2 * (UnixPairs + mixedSockets),

		"udp CLOSE":  UDP4,
		"udp6 CLOSE": UDP6,
	}
}

// Hold opens everything, says on stdout that it is ready, and stays until its
// standard input ends. The child that shares an epoll is this program again with
// childArgs, which has to call HoldShared.
func Hold(childArgs ...string) error {
	o := &opener{}
	o.connections()
	o.mixed()
	child := o.shared(childArgs)
	if o.err != nil {
		return o.err
	}
	fmt.Println("ready")
	_, err := io.Copy(io.Discard, os.Stdin)
	return errors.Join(err, child())
}

// HoldShared is the child's part: it returns when its standard input ends.
func HoldShared() error {
	fmt.Println("ready")
	_, err := io.Copy(io.Discard, os.Stdin)
	return err
}

// opener keeps the first error.
type opener struct{ err error }

func (o *opener) fail(what string, err error) {
	if err != nil && o.err == nil {
		o.err = fmt.Errorf("%s: %w", what, err)
	}
}

func (o *opener) socket(family, kind int) int {
	fd, err := unix.Socket(family, kind|unix.SOCK_CLOEXEC, 0)
	o.fail("socket", err)
	return fd
}

func (o *opener) epoll() int {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	o.fail("epoll_create1", err)
	return fd
}

func (o *opener) eventfd(n uint) int {
	fd, err := unix.Eventfd(n, unix.EFD_CLOEXEC)
	o.fail("eventfd", err)
	return fd
}

func (o *opener) watch(epoll, fd int, events uint32) {
	o.fail("epoll_ctl", unix.EpollCtl(epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: events, Fd: int32(fd)}))
}

func (o *opener) listen(family int, at unix.Sockaddr) (int, unix.Sockaddr) {
	fd := o.socket(family, unix.SOCK_STREAM)
	o.fail("bind", unix.Bind(fd, at))
	o.fail("listen", unix.Listen(fd, 64))
	addr, err := unix.Getsockname(fd)
	o.fail("getsockname", err)
	return fd, addr
}

// pair returns the two ends of a connection to a listener.
func (o *opener) pair(family, listener int, to unix.Sockaddr) (client, server int) {
	client = o.socket(family, unix.SOCK_STREAM)
	o.fail("connect", unix.Connect(client, to))
	if o.err != nil {
		return client, -1 // accept would wait for ever
	}
	server, _, err := unix.Accept4(listener, unix.SOCK_CLOEXEC)
	o.fail("accept", err)
	return client, server
}

func (o *opener) connections() {
	localhost4 := &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}
	localhost6 := &unix.SockaddrInet6{Addr: [16]byte{15: 1}}
	epoll := o.epoll()
	listener, to := o.listen(unix.AF_INET, localhost4)
	for range TCP4Pairs {
		_, server := o.pair(unix.AF_INET, listener, to)
		o.watch(epoll, server, unix.EPOLLIN|unix.EPOLLRDHUP|unix.EPOLLET)
	}
	for range HalfClosed {
		client, _ := o.pair(unix.AF_INET, listener, to)
		o.fail("shutdown", unix.Shutdown(client, unix.SHUT_WR))
		o.awaitFinWait2(client)
	}
	for range Waiting {
		o.fail("connect", unix.Connect(o.socket(unix.AF_INET, unix.SOCK_STREAM), to))
	}
	listener, to = o.listen(unix.AF_INET6, localhost6)
	for range TCP6Pairs {
		o.pair(unix.AF_INET6, listener, to)
	}
	for range UDP4 {
		o.fail("bind", unix.Bind(o.socket(unix.AF_INET, unix.SOCK_DGRAM), localhost4))
	}
	for range UDP6 {
		o.fail("bind", unix.Bind(o.socket(unix.AF_INET6, unix.SOCK_DGRAM), localhost6))
	}
	for range UnixPairs {
		_, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		o.fail("socketpair", err)
	}
}

// awaitFinWait2 waits until the other end has acknowledged the shutdown, which may be
// delayed.
func (o *opener) awaitFinWait2(fd int) {
	const finWait2 = 5 // TCP_FIN_WAIT2 in include/net/tcp_states.h
	for range 10_000 {
		info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
		if err != nil || info.State == finWait2 {
			o.fail("TCP_INFO", err)
			return
		}
		_, _ = unix.Poll(nil, 1)
	}
	o.fail("shutdown", errors.New("not acknowledged within 10 s"))
}

func (o *opener) mixed() {
	const in = unix.EPOLLIN
	epoll := o.epoll()
	for range MixedET {
		o.watch(epoll, o.eventfd(0), in|unix.EPOLLET)
	}
	for range MixedOneShot - MixedDisarmed {
		o.watch(epoll, o.eventfd(0), in|unix.EPOLLONESHOT)
	}
	// A readable eventfd fires at once and disarms its watch.
	for range MixedDisarmed {
		o.watch(epoll, o.eventfd(1), in|unix.EPOLLONESHOT)
	}
	if n, err := unix.EpollWait(epoll, make([]unix.EpollEvent, 8), 0); err != nil || n != MixedDisarmed {
		o.fail("epoll_wait", fmt.Errorf("%d watches fired, want %d: %w", n, MixedDisarmed, err))
	}
	for range MixedExclusive {
		o.watch(epoll, o.eventfd(0), in|unix.EPOLLEXCLUSIVE)
	}
	// close does not remove a watch while a duplicate keeps the file open.
	for range MixedStale {
		fd := o.eventfd(0)
		o.watch(epoll, fd, in)
		_, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 900)
		o.fail("dup", err)
		o.fail("close", unix.Close(fd))
	}
	for range MixedNested {
		o.watch(epoll, o.epoll(), in)
	}
	for range mixedSockets {
		fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		o.fail("socketpair", err)
		o.watch(epoll, fds[0], in)
	}
}

// shared makes an epoll that a child inherits; the function it returns ends the
// child.
func (o *opener) shared(childArgs []string) (end func() error) {
	epoll := o.epoll()
	for range Shared {
		o.watch(epoll, o.eventfd(0), unix.EPOLLIN)
	}
	// The child has the epoll as its fd 3. What os.File holds is a duplicate, so
	// that this process has the epoll twice.
	second, err := unix.FcntlInt(uintptr(epoll), unix.F_DUPFD_CLOEXEC, 0)
	o.fail("dup", err)
	if o.err != nil {
		return nil
	}
	child := exec.Command("/proc/self/exe", childArgs...)
	child.ExtraFiles = []*os.File{os.NewFile(uintptr(second), "epoll")}
	child.Stderr = os.Stderr
	stdin, err := child.StdinPipe()
	o.fail("pipe", err)
	stdout, err := child.StdoutPipe()
	o.fail("pipe", err)
	o.fail("child", child.Start())
	if o.err != nil {
		return nil
	}
	if line, err := bufio.NewReader(stdout).ReadString('\n'); line != "ready\n" {
		o.fail("child", fmt.Errorf("said %q: %w", line, err))
	}
	return func() error { return errors.Join(stdin.Close(), child.Wait()) }
}
