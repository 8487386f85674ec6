package loadgen

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// page is the memory that the generator and a pair of workers share. Each field has
// one writer; the reader on the other side needs no wake-up and no copy.
type page struct {
	client clientSide
	server serverSide
	// addresses are those of the server's listeners: their ports, or numbers in the
	// abstract UNIX namespace. ready is how many there are, and is written after them.
	ready     atomic.Int64
	addresses [maxListeners]atomic.Int64
	// taken are ports that the client avoids, while choosing is not 0.
	choosing atomic.Int64
	taken    portSet
}

// maxListeners is enough for 50 000 connections to ::1 with 4 000 ports to connect
// from.
const maxListeners = 32

type clientSide struct {
	// Wanted by the generator.
	wantSockets, wantConnects atomic.Int64
	// Held now.
	sockets, connects atomic.Int64
	echoes, unread    atomic.Int64
	// reap is how many of the ends that the server has lost the generator knows of; it
	// writes that. When it changes the client looks which of its own ends are dead.
	reap atomic.Int64
	trouble
	_ [64]byte
}

type serverSide struct {
	wantAccepts, wantWatches atomic.Int64
	accepts, watches         atomic.Int64
	// dropped counts ends that were accepted and closed again, because they could get no
	// watch. When it changes the client looks which of its own ends are dead.
	dropped atomic.Int64
	// lost counts ends that others have ended. They are not opened again.
	lost atomic.Int64
	trouble
	_ [64]byte
}

// trouble is what went wrong in a worker.
type trouble struct {
	failed [len(failures) + 1]atomic.Int64
	// stopErrno is why the worker opens no more, stopCall in which call. The generator
	// sets stopErrno back to 0 when the worker is to try again.
	stopErrno, stopCall atomic.Int64
}

// failures are the errors that are counted one by one; all others are counted
// together.
var failures = [...]unix.Errno{
	unix.EMFILE, unix.ENFILE, unix.ENOBUFS, unix.ENOMEM, unix.ENOSPC, unix.EADDRNOTAVAIL,
	unix.EADDRINUSE, unix.ECONNREFUSED, unix.ECONNRESET, unix.ECONNABORTED, unix.ETIMEDOUT, unix.EAGAIN,
	unix.EACCES, unix.EPERM,
}

// call is a system call that can fail.
type call int64

const (
	callSocket call = iota + 1
	callBind
	callConnect
	callSend
	callAccept
	callEpollCreate
	callEpollCtl
	callPoll
)

var callNames = map[call]string{
	callSocket: "socket", callBind: "bind", callConnect: "connect", callSend: "send",
	callAccept: "accept4", callEpollCreate: "epoll_create1", callEpollCtl: "epoll_ctl", callPoll: "ppoll",
}

// count counts one failure.
func (t *trouble) count(err error) unix.Errno {
	var errno unix.Errno
	if !errors.As(err, &errno) {
		errno = unix.EIO
	}
	for i, f := range failures {
		if f == errno {
			t.failed[i].Add(1)
			return errno
		}
	}
	t.failed[len(failures)].Add(1)
	return errno
}

// stop makes the worker open no more.
func (t *trouble) stop(c call, errno unix.Errno) {
	t.stopCall.Store(int64(c))
	t.stopErrno.Store(int64(errno))
}

func (t *trouble) isStopped() bool { return t.stopErrno.Load() != 0 }

// newPage makes a page and the file that a worker maps it from.
func newPage() (*page, *os.File, error) {
	fd, err := unix.MemfdCreate("eptop-load", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, nil, fmt.Errorf("memfd_create: %w", err)
	}
	f := os.NewFile(uintptr(fd), "eptop-load")
	if err := unix.Ftruncate(fd, int64(pageBytes)); err != nil {
		f.Close()
		return nil, nil, fmt.Errorf("grow the shared page: %w", err)
	}
	p, err := mapPage(fd)
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return p, f, nil
}

const pageBytes = int(unsafe.Sizeof(page{}))

func mapPage(fd int) (*page, error) {
	b, err := unix.Mmap(fd, 0, pageBytes, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map the shared page: %w", err)
	}
	// Go does not manage memory that two processes share: the mapping is page-aligned,
	// and all of it is read and written atomically.
	return (*page)(unsafe.Pointer(unsafe.SliceData(b))), nil
}

func (p *page) unmap() {
	_ = unix.Munmap(unsafe.Slice((*byte)(unsafe.Pointer(p)), pageBytes))
}

// stages returns how far the pair's connections have come.
func (p *page) stages() Stages {
	return Stages{
		Sockets: p.client.sockets.Load(), Connects: p.client.connects.Load(),
		Accepts: p.server.accepts.Load(), Watches: p.server.watches.Load(),
	}
}

func (p *page) want(s Stages) {
	p.server.wantAccepts.Store(s.Accepts)
	p.server.wantWatches.Store(s.Watches)
	p.client.wantSockets.Store(s.Sockets)
	p.client.wantConnects.Store(s.Connects)
}
