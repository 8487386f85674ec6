package engine

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/eptop/eptop/internal/model"
)

// closeWait makes n connections to this process and closes their other ends. It returns the
// ends that are left.
func closeWait(t *testing.T, n int) []int {
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	listener, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	check(err)
	defer unix.Close(listener)
	check(unix.Bind(listener, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	check(unix.Listen(listener, n))
	address, err := unix.Getsockname(listener)
	check(err)
	var ends []int
	for range n {
		client, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		check(err)
		check(unix.Connect(client, address))
		end, _, err := unix.Accept4(listener, unix.SOCK_CLOEXEC)
		check(err)
		check(unix.Close(client))
		// The FIN has come once a read finds the end of the stream.
		if got, err := unix.Read(end, make([]byte, 1)); got != 0 || err != nil {
			t.Fatalf("%d bytes, %v", got, err)
		}
		ends = append(ends, end)
		t.Cleanup(func() { unix.Close(end) })
	}
	return ends
}

// TestForgottenSockets: 28 connections whose other end has closed, of which an epoll watches
// five: the other 23 are found among the sockets of the process, in no epoll.
func TestForgottenSockets(t *testing.T) {
	ends := closeWait(t, 28)
	ep, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(ep) })
	for _, end := range ends[:5] {
		if err := unix.EpollCtl(ep, unix.EPOLL_CTL_ADD, end, &unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLET}); err != nil {
			t.Fatal(err)
		}
	}
	e := newEngine(t, func(o *Options) { o.PIDs, o.Once = []int{os.Getpid()}, true })
	s := look(t, e, model.Focus{})
	p := s.Process(os.Getpid())
	if n, unwatched := p.StateSockets("CLOSE_WAIT"); n != 28 || unwatched != 23 {
		t.Errorf("%d sockets in CLOSE_WAIT, %d in no epoll: %+v", n, unwatched, p.States)
	}
	links := model.NewLinks(s)
	watched := map[int]bool{}
	for _, h := range p.Held {
		if so := links.Listed(p, h); so.State == "CLOSE_WAIT" {
			watched[so.FD] = len(so.WatchedBy) == 1 && so.WatchedBy[0].EpollFD == ep && so.WatchedBy[0].FD == so.FD
		}
	}
	for i, end := range ends {
		if is, held := watched[end]; !held || is != (i < 5) {
			t.Errorf("fd %d: held %v, watched %v", end, held, is)
		}
	}
}
