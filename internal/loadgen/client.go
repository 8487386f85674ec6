package loadgen

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// client holds the client ends of a pair.
type client struct {
	order order
	page  *page
	me    *clientSide
	control

	fds      []int32 // sockets, the first me.connects of them connected
	pending  []unix.PollFd
	path     int // which source address or listener is in use
	onPath   int64
	barren   int   // paths in a row that had no port
	port     int64 // the next one to connect from, where ports are chosen
	refused  int   // failures in a row
	dropped  int64
	reaped   int64 // the lost ends that were looked for
	opened   int64 // connections ever, to spread the active ones
	beats    []beat
	nextBeat int
	beatDue  time.Time
}

// beat is an active connection.
type beat struct {
	fd      int32
	waiting bool // for its echo
}

const (
	// checkEach connects are checked together: on loopback each is established by
	// the time connect(2) returns, but that is not promised.
	checkEach = 64
	// maxRefused failures in a row end the opening.
	maxRefused = 200
	// beatTick is how often active connections are visited.
	beatTick = 10 * time.Millisecond
)

func newClient(o order, p *page) *client {
	return &client{
		order: o, page: p, me: &p.client,
		fds: make([]int32, 0, o.Room), pending: make([]unix.PollFd, 0, checkEach),
	}
}

func (c *client) run() error {
	fds := []unix.PollFd{{Fd: controlFD, Events: unix.POLLIN}}
	for {
		wait, err := c.work()
		if err == nil && len(c.beats) > 0 {
			err = c.beat()
			wait = beatTick.Microseconds()
		}
		if err == nil {
			_, err = poll(fds, wait)
		}
		if err == nil {
			err = c.read()
		}
		if errors.Is(err, errDismissed) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// A worker that has nothing to do sleeps until it is woken.
const (
	untilWoken = -1
	soonMicros = 100
)

// work does a batch of what is wanted and returns how long to wait, in microseconds,
// before the next.
func (c *client) work() (wait int64, err error) {
	if c.page.ready.Load() == 0 {
		return 10 * soonMicros, nil
	}
	if n := c.page.server.dropped.Load(); n != c.dropped {
		c.dropped = n
		return 0, c.reap()
	}
	if n := c.me.reap.Load(); n != c.reaped {
		c.reaped = n
		return 0, c.reap()
	}
	sockets, connects := c.me.wantSockets.Load(), c.me.wantConnects.Load()
	if c.me.connects.Load() > connects {
		// The server closes surplus ends with a reset, so their client ends are dead.
		return 10 * soonMicros, c.reap()
	}
	c.trim(sockets)
	if c.me.isStopped() {
		return untilWoken, nil
	}
	// A batch is small enough to notice soon that the generator is gone.
	for range checkEach {
		switch {
		case c.me.connects.Load()+int64(len(c.pending)) < connects:
			if c.waiting() >= c.order.Backlog {
				return soonMicros, c.settle()
			}
			if !c.connect() {
				return soonMicros, c.settle()
			}
		case c.me.sockets.Load() < sockets:
			if _, ok := c.socket(); !ok {
				return 0, c.settle()
			}
		default:
			err := c.settle()
			if c.me.connects.Load() == connects || c.me.isStopped() {
				return untilWoken, err
			}
			return 0, err
		}
	}
	return 0, c.settle()
}

// trim closes surplus sockets that are not connected.
func (c *client) trim(sockets int64) {
	for int64(len(c.fds)) > max(sockets, c.me.connects.Load()) {
		c.replace(int64(len(c.fds)) - 1)
	}
}

// waiting returns how many connections the server has not accepted yet.
func (c *client) waiting() int64 {
	return c.me.connects.Load() + int64(len(c.pending)) - c.page.server.accepts.Load()
}

// socket makes one more unconnected socket.
func (c *client) socket() (fd int, ok bool) {
	fd, err := unix.Socket(c.order.domain(), unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		c.me.stop(callSocket, c.me.count(err))
		return 0, false
	}
	c.fds = append(c.fds, int32(fd))
	c.me.sockets.Store(int64(len(c.fds)))
	return fd, true
}

// connect takes the next socket and connects it. It returns false where it has to wait
// or cannot connect.
func (c *client) connect() bool {
	at := c.me.connects.Load() + int64(len(c.pending))
	if at == int64(len(c.fds)) {
		if _, ok := c.socket(); !ok {
			return false
		}
	}
	fd := int(c.fds[at])
	if c.order.Config.Family != UNIX && c.onPath >= c.order.Ports.each() {
		c.nextPath()
	}
	from, to := c.order.path(c.page, c.path)
	if from != nil {
		// Without a port of its own the source may share one with other connections; the
		// kernel chooses it in connect(2), when the destination is known.
		if err := unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1); err != nil {
			c.me.stop(callBind, c.me.count(err))
			return false
		}
		if err := unix.Bind(fd, from); err != nil {
			c.me.stop(callBind, c.me.count(err))
			return false
		}
	}
	if c.order.Ports.Own && c.order.Config.Family != UNIX {
		if err := unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_LOCAL_PORT_RANGE, c.choose().option()); err != nil {
			c.me.stop(callBind, c.me.count(err))
			return false
		}
	}
	err := unix.Connect(fd, to)
	switch {
	case err == nil, errors.Is(err, unix.EINPROGRESS):
		c.onPath++
		c.barren = 0
		c.passPort()
		c.pending = append(c.pending, unix.PollFd{Fd: int32(fd), Events: unix.POLLOUT})
		return true
	case errors.Is(err, unix.EAGAIN) && c.order.Config.Family == UNIX:
		return false // the backlog is full until the server accepts
	case errors.Is(err, unix.EADDRNOTAVAIL) && c.passPort():
		c.replace(at) // somebody has bound the port meanwhile
		return false
	case errors.Is(err, unix.EADDRNOTAVAIL) && c.nextPath():
		// All ports of this path are taken, which is no failure.
		c.replace(at)
		return false
	}
	errno := c.me.count(err)
	c.replace(at)
	c.refused++
	if c.refused >= maxRefused || isWall(errno) {
		c.me.stop(callConnect, errno)
	}
	return false
}

// nextPath goes on to the next path, the last one to the first: some of its ports may be
// free again. It returns false where none has had a port.
func (c *client) nextPath() bool {
	all, most := c.order.paths(c.page)
	if c.onPath == 0 {
		c.barren++
	}
	c.path, c.onPath = (c.path+1)%max(1, all), 0
	return c.barren < most
}

// replace closes a socket: one that failed to connect cannot be used again.
func (c *client) replace(at int64) {
	_ = unix.Close(int(c.fds[at]))
	last := len(c.fds) - 1
	c.fds[at] = c.fds[last]
	c.fds = c.fds[:last]
	c.me.sockets.Store(int64(last))
}

// settle waits until the pending connections are established or have failed.
func (c *client) settle() error {
	for deadline := time.Now().Add(5 * time.Second); len(c.pending) > 0; {
		n, err := poll(c.pending, 50_000)
		if err != nil {
			return fmt.Errorf("wait for connections: %w", err)
		}
		if n < len(c.pending) {
			if err := c.read(); err != nil {
				return err
			}
			if time.Now().Before(deadline) {
				continue
			}
		}
		c.book()
	}
	return nil
}

// book counts the pending connections as established or failed.
func (c *client) book() {
	first := c.me.connects.Load()
	done := first
	for i := range c.pending {
		p := &c.pending[i]
		err := errConnected(p)
		if err == nil {
			// The established ones come first.
			c.fds[done], c.fds[first+int64(i)] = c.fds[first+int64(i)], c.fds[done]
			done++
			c.refused = 0
			c.fill(p.Fd)
			continue
		}
		if errors.Is(err, unix.ECONNRESET) && c.page.server.isStopped() {
			continue // the server could not keep this connection, and has counted that
		}
		errno := c.me.count(err)
		c.refused++
		if c.refused >= maxRefused || isWall(errno) {
			c.me.stop(callConnect, errno)
		}
	}
	tried := first + int64(len(c.pending))
	c.pending = c.pending[:0]
	for at := tried - 1; at >= done; at-- {
		c.replace(at)
	}
	c.me.connects.Store(done)
}

func errConnected(p *unix.PollFd) error {
	if p.Revents == 0 {
		return unix.ETIMEDOUT
	}
	if p.Revents&(unix.POLLERR|unix.POLLHUP) == 0 {
		return nil
	}
	n, err := unix.GetsockoptInt(int(p.Fd), unix.SOL_SOCKET, unix.SO_ERROR)
	if err != nil {
		return err
	}
	if n == 0 {
		return unix.ECONNRESET
	}
	return unix.Errno(n)
}

// fill makes a new connection an active one, or sends the bytes that stay unread.
func (c *client) fill(fd int32) {
	i := c.opened
	c.opened++
	if c.order.Config.isActive(i) {
		c.beats = append(c.beats, beat{fd: fd})
		return
	}
	for left := c.order.Config.UnreadBytes; left > 0; {
		n, err := unix.SendmsgN(int(fd), idleBytes[:min(left, int64(len(idleBytes)))], nil, nil, unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT)
		if n > 0 {
			c.me.unread.Add(int64(n))
			left -= int64(n)
		}
		if err != nil {
			// A full buffer takes no more: count what it took.
			if !errors.Is(err, unix.EAGAIN) {
				c.me.count(err)
			}
			return
		}
	}
}

// The first byte of a message says what the server is to do with it.
const (
	beatByte = '.'
	idleByte = 0
)

var idleBytes [64 << 10]byte

// beat sends the beats that are due.
func (c *client) beat() error {
	now := time.Now()
	if c.beatDue.IsZero() {
		c.beatDue = now
	}
	each := time.Duration(float64(time.Second) / max(1e-3, c.order.Config.BeatsPerSecond*float64(len(c.beats))))
	var b [1]byte
	for n := 0; n < len(c.beats) && c.beatDue.Before(now); n++ {
		c.beatDue = c.beatDue.Add(each)
		c.nextBeat = (c.nextBeat + 1) % len(c.beats)
		at := &c.beats[c.nextBeat]
		if at.waiting {
			if n, err := unix.Read(int(at.fd), b[:]); err != nil || n == 0 {
				continue // not back yet; a dead connection is reaped when the server counts it as dropped
			}
			at.waiting = false
			c.me.echoes.Add(1)
		}
		if _, err := unix.SendmsgN(int(at.fd), []byte{beatByte}, nil, nil, unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT); err == nil {
			at.waiting = true
		}
	}
	// Beats that were missed are not made up for.
	if c.beatDue.Before(now) {
		c.beatDue = now
	}
	return nil
}

// reap closes the client ends whose server end is gone.
func (c *client) reap() error {
	connected := c.me.connects.Load()
	kept := c.fds[:0]
	dead := map[int32]bool{}
	var polled [checkEach]unix.PollFd
	for from := int64(0); from < int64(len(c.fds)); from += checkEach {
		part := c.fds[from:min(from+checkEach, int64(len(c.fds)))]
		for i, fd := range part {
			polled[i] = unix.PollFd{Fd: fd}
			if from+int64(i) >= connected {
				polled[i].Fd = -1 // not connected yet
			}
		}
		if _, err := poll(polled[:len(part)], 0); err != nil {
			return fmt.Errorf("look for ends that are gone: %w", err)
		}
		for i, fd := range part {
			if polled[i].Fd < 0 || polled[i].Revents&(unix.POLLERR|unix.POLLHUP) == 0 {
				kept = append(kept, fd)
				continue
			}
			dead[fd] = true
			_ = unix.Close(int(fd))
		}
	}
	c.fds = kept
	if len(c.beats) > 0 {
		alive := c.beats[:0]
		for _, b := range c.beats {
			if !dead[b.fd] {
				alive = append(alive, b)
			}
		}
		c.beats = alive
	}
	c.me.connects.Store(connected - int64(len(dead)))
	c.me.sockets.Store(int64(len(c.fds)))
	return nil
}
