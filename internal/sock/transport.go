package sock

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// transport is a netlink socket, or a test's stand-in for one.
type transport interface {
	send(request []byte) error
	// recv returns the size of the next datagram, which is more than len(buf) when
	// it did not fit.
	recv(buf []byte) (int, error)
	// grow doubles the receive buffer, and reports whether it could.
	grow() bool
	close()
}

const (
	// recvBytes is the size of the buffer for answers. The kernel makes them as
	// large as the buffer of the reader, up to 32 KiB (netlink_dump() in
	// net/netlink/af_netlink.c); the rest is for one message that is larger.
	recvBytes = 64 << 10

	maxRcvBuf = 16 << 20

	// answerTimeout ends the wait for an answer that got lost. The kernel fills a
	// dump's next part while the last one is read, so that there is nothing to
	// wait for as a rule.
	answerTimeoutSeconds = 5
)

// diagSocket is a NETLINK_SOCK_DIAG socket.
type diagSocket struct {
	fd     int
	rcvBuf int
}

// openDiag opens a socket in the network namespace of the calling thread.
func openDiag() (*diagSocket, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return nil, os.NewSyscallError("socket(NETLINK_SOCK_DIAG)", kindOf(err))
	}
	s := &diagSocket{fd: fd}
	// Connected to the kernel it takes messages of nobody else.
	err = ignoringEINTR(func() error { return unix.Connect(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}) })
	if err == nil {
		err = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: answerTimeoutSeconds})
	}
	if err == nil {
		s.rcvBuf, err = unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF)
	}
	if err != nil {
		unix.Close(fd)
		return nil, os.NewSyscallError("netlink socket", err)
	}
	return s, nil
}

func (s *diagSocket) send(request []byte) error {
	return ignoringEINTR(func() error { return unix.Send(s.fd, request, 0) })
}

func (s *diagSocket) recv(buf []byte) (n int, err error) {
	err = ignoringEINTR(func() (err error) {
		n, _, err = unix.Recvfrom(s.fd, buf, unix.MSG_TRUNC)
		return err
	})
	return n, err
}

func (s *diagSocket) grow() bool {
	want := s.rcvBuf * 2
	if want > maxRcvBuf {
		return false
	}
	// The kernel doubles the number it is given. Beyond net.core.rmem_max it takes
	// CAP_NET_ADMIN.
	if unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, want/2) != nil &&
		unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_RCVBUF, want/2) != nil {
		return false
	}
	got, err := unix.GetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_RCVBUF)
	if err != nil || got <= s.rcvBuf {
		return false
	}
	s.rcvBuf = got
	return true
}

func (s *diagSocket) close() { unix.Close(s.fd) }

func ignoringEINTR(call func() error) error {
	for {
		if err := call(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
