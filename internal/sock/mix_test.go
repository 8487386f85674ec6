package sock

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// mixer makes sockets in every state that can be held still, and keeps them. The
// first error stays.
type mixer struct {
	err error
	dir string // for UNIX sockets with a path
}

func (m *mixer) fail(what string, err error) {
	if err != nil && m.err == nil {
		m.err = fmt.Errorf("%s: %w", what, err)
	}
}

// mixOwner is the owner of one of the sockets, where root may give it away.
const mixOwner = 12345

// makeMix makes all of them.
func makeMix(dir string) error {
	m := &mixer{dir: dir}
	for _, family := range [...]int{unix.AF_INET, unix.AF_INET6} {
		m.tcp(family)
		m.udp(family)
	}
	m.dualStack()
	m.unix()
	return m.err
}

func loopback(family int) unix.Sockaddr {
	if family == unix.AF_INET {
		return &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}
	}
	return &unix.SockaddrInet6{Addr: [16]byte{15: 1}}
}

func (m *mixer) socket(family, sort int) int {
	fd, err := unix.Socket(family, sort|unix.SOCK_CLOEXEC, 0)
	m.fail("socket", err)
	return fd
}

// listen returns a listener and its address.
func (m *mixer) listen(family int, at unix.Sockaddr, backlog int) (int, unix.Sockaddr) {
	fd := m.socket(family, unix.SOCK_STREAM)
	m.fail("bind", unix.Bind(fd, at))
	m.fail("listen", unix.Listen(fd, backlog))
	to, err := unix.Getsockname(fd)
	m.fail("getsockname", err)
	return fd, to
}

// connect starts a connection that may never be finished.
func (m *mixer) connect(family int, to unix.Sockaddr) int {
	fd := m.socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK)
	if err := unix.Connect(fd, to); !errors.Is(err, unix.EINPROGRESS) && !errors.Is(err, unix.EAGAIN) {
		m.fail("connect", err)
	}
	return fd
}

// pair returns both ends of a connection.
func (m *mixer) pair(family, ls int, to unix.Sockaddr) (client, server int) {
	client = m.socket(family, unix.SOCK_STREAM)
	m.fail("connect", unix.Connect(client, to))
	server, _, err := unix.Accept4(ls, unix.SOCK_CLOEXEC)
	m.fail("accept", err)
	return client, server
}

func (m *mixer) tcp(family int) {
	ls, to := m.listen(family, loopback(family), 16)
	m.pair(family, ls, to) // idle
	unread, _ := m.pair(family, ls, to)
	_, err := unix.Write(unread, make([]byte, 10_007))
	m.fail("write", err)
	m.unsent(m.pair(family, ls, to))

	halfClosed, _ := m.pair(family, ls, to) // FIN_WAIT2 and CLOSE_WAIT
	m.shutdown(halfClosed)
	orphan, _ := m.pair(family, ls, to) // FIN_WAIT2 without a socket
	m.shutdown(orphan)
	m.fail("close", unix.Close(orphan))
	client, server := m.pair(family, ls, to) // TIME_WAIT
	m.fail("close", unix.Close(client))
	m.fail("close", unix.Close(server))
	owned, _ := m.pair(family, ls, to)
	m.giveAway(owned)

	_, to = m.listen(family, loopback(family), 1) // full: limit + 1 wait, one more tries
	for range 3 {
		m.connect(family, to)
	}
	ls, to = m.listen(family, loopback(family), 16) // SYN_RECV
	m.fail("TCP_DEFER_ACCEPT", unix.SetsockoptInt(ls, unix.IPPROTO_TCP, unix.TCP_DEFER_ACCEPT, 60))
	m.connect(family, to)
}

func (m *mixer) giveAway(fd int) {
	if unix.Geteuid() == 0 {
		m.fail("fchown", unix.Fchown(fd, mixOwner, -1))
	}
}

// shutdown ends one direction, and waits for the other end to acknowledge it, which
// it may put off.
func (m *mixer) shutdown(fd int) {
	m.fail("shutdown", unix.Shutdown(fd, unix.SHUT_WR))
	m.await("acknowledged shutdown", fd, func(info *unix.TCPInfo) bool { return State(info.State) == StateFinWait2 })
}

// unsent writes until nothing more is taken.
func (m *mixer) unsent(client, _ int) {
	m.fail("nonblock", unix.SetNonblock(client, true))
	for {
		if _, err := unix.Write(client, make([]byte, 1<<16)); err != nil {
			if !errors.Is(err, unix.EAGAIN) {
				m.fail("write", err)
			}
			break
		}
	}
	// What is on its way still moves from this queue to the other end's.
	m.await("all that was sent to be acknowledged", client, func(info *unix.TCPInfo) bool { return info.Unacked == 0 })
}

// await waits for a condition of a TCP socket.
func (m *mixer) await(what string, fd int, condition func(*unix.TCPInfo) bool) {
	for range 10_000 {
		info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
		if err != nil || condition(info) {
			m.fail("TCP_INFO", err)
			return
		}
		_, _ = unix.Poll(nil, 1)
	}
	m.fail(what, errors.New("not within 10 s"))
}

func (m *mixer) udp(family int) {
	to := m.socket(family, unix.SOCK_DGRAM)
	m.fail("bind", unix.Bind(to, loopback(family)))
	addr, err := unix.Getsockname(to)
	m.fail("getsockname", err)
	from := m.socket(family, unix.SOCK_DGRAM)
	m.fail("connect", unix.Connect(from, addr))
	for range 7 {
		_, err := unix.Write(from, make([]byte, 1009))
		m.fail("write", err)
	}
	back, err := unix.Getsockname(from)
	m.fail("getsockname", err)
	m.fail("connect", unix.Connect(to, back))
	m.fail("bind", unix.Bind(m.socket(family, unix.SOCK_DGRAM), loopback(family)))
}

// dualStack makes listeners on :: with and without IPv4, and a connection over
// IPv4-mapped addresses.
func (m *mixer) dualStack() {
	ls, to := m.listen(unix.AF_INET6, &unix.SockaddrInet6{}, 16)
	m.pair(unix.AF_INET, ls, &unix.SockaddrInet4{Port: to.(*unix.SockaddrInet6).Port, Addr: [4]byte{127, 0, 0, 1}})
	only := m.socket(unix.AF_INET6, unix.SOCK_STREAM)
	m.fail("IPV6_V6ONLY", unix.SetsockoptInt(only, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1))
	m.fail("bind", unix.Bind(only, &unix.SockaddrInet6{}))
	m.fail("listen", unix.Listen(only, 16))
	m.fail("bind", unix.Bind(m.socket(unix.AF_INET6, unix.SOCK_DGRAM), &unix.SockaddrInet6{}))
}

func (m *mixer) unix() {
	named := &unix.SockaddrUnix{Name: m.dir + "/named"}
	ls, _ := m.listen(unix.AF_UNIX, named, 16)
	m.pair(unix.AF_UNIX, ls, named)
	full := &unix.SockaddrUnix{Name: m.dir + "/full"}
	m.listen(unix.AF_UNIX, full, 1)
	for range 2 {
		m.connect(unix.AF_UNIX, full)
	}
	abstract := &unix.SockaddrUnix{Name: "@eptop-test" + m.dir}
	ls, _ = m.listen(unix.AF_UNIX, abstract, 16)
	m.pair(unix.AF_UNIX, ls, abstract)
	for _, sort := range [...]int{unix.SOCK_STREAM, unix.SOCK_DGRAM, unix.SOCK_SEQPACKET} {
		ends, err := unix.Socketpair(unix.AF_UNIX, sort|unix.SOCK_CLOEXEC, 0)
		m.fail("socketpair", err)
		for range 3 {
			_, err = unix.Write(ends[0], make([]byte, 503))
			m.fail("write", err)
		}
	}
	dgram := &unix.SockaddrUnix{Name: m.dir + "/dgram"}
	to := m.socket(unix.AF_UNIX, unix.SOCK_DGRAM)
	m.fail("bind", unix.Bind(to, dgram))
	m.giveAway(to)
	from := m.socket(unix.AF_UNIX, unix.SOCK_DGRAM)
	m.fail("connect", unix.Connect(from, dgram))
	_, err := unix.Write(from, make([]byte, 211))
	m.fail("write", err)
}
