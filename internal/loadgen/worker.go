package loadgen

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// workerEnv makes a process a worker; its value is the worker's order.
const workerEnv = "EPTOP_LOAD_WORKER"

// The files a worker is started with.
const (
	controlFD = 3 // a socket whose other end the generator holds
	pageFD    = 4
)

// order is what a worker needs to know.
type order struct {
	Role    string // "client" or "server"
	Config  Config
	Pair    int64 // counts from 0, never reused within a generator
	Parent  int   // PID of the generator
	Room    int64 // connections of this pair at most
	Backlog int64 // connections that may wait to be accepted
	Ports   ports
}

// RunIfWorker turns this process into a worker of a load generator where it was
// started as one, and does not return then. Whoever uses the package calls it first
// in main, and first in TestMain.
func RunIfWorker() {
	text := os.Getenv(workerEnv)
	if text == "" {
		return
	}
	if err := runWorker(text); err != nil {
		fmt.Fprintf(os.Stderr, "load worker: %v\n", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func runWorker(text string) error {
	var o order
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		return fmt.Errorf("read its order: %w", err)
	}
	runtime.LockOSThread()
	// The generator has asked for this signal already, but the kernel forgets that where
	// the binary has capabilities (begin_new_exec in fs/exec.c).
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0); err != nil {
		return fmt.Errorf("ask to end with the generator: %w", err)
	}
	if os.Getppid() != o.Parent {
		return nil // the generator ended first
	}
	// Ctrl-C is for the generator, which then ends its workers by itself.
	signal.Ignore(syscall.SIGINT, syscall.SIGQUIT, syscall.SIGPIPE)
	if err := nameProcess("eptop-" + o.Role); err != nil {
		return fmt.Errorf("name the process: %w", err)
	}
	// Where memory runs out, the kernel is to take the load and nobody else: whoever has
	// no /proc to write keeps its place in the order.
	_ = write("/proc/self/oom_score_adj", "1000")
	p, err := mapPage(pageFD)
	if err != nil {
		return err
	}
	if err := unix.Close(pageFD); err != nil {
		return err
	}
	unix.CloseOnExec(controlFD)
	switch o.Role {
	case "client":
		return newClient(o, p).run()
	case "server":
		return newServer(o, p).run()
	}
	return fmt.Errorf("no role %q", o.Role)
}

// nameProcess sets the name that ps and eptop show.
func nameProcess(name string) error { return write("/proc/self/comm", name) }

// write writes a file of procfs. It avoids package os, whose poller would add an epoll to
// the one that is looked at.
func write(path, text string) error {
	fd, err := unix.Open(path, unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	_, err = unix.Write(fd, []byte(text))
	return err
}

// errDismissed: the generator is gone or needs this worker no more.
var errDismissed = errors.New("dismissed")

// control is the worker's end of the socket to its generator. A byte means that
// something else is wanted; the end of the stream means that the worker must end.
type control struct{ buf [64]byte }

func (c *control) read() error {
	for {
		n, err := unix.Read(controlFD, c.buf[:])
		switch {
		case n > 0:
			continue
		case n == 0 && err == nil:
			return errDismissed
		case errors.Is(err, unix.EAGAIN):
			return nil
		case errors.Is(err, unix.EINTR):
			continue
		default:
			return fmt.Errorf("read what is wanted: %w", err)
		}
	}
}

// poll is ppoll(2) without its EINTR; a negative number of microseconds waits for ever.
func poll(fds []unix.PollFd, micros int64) (int, error) {
	for {
		var timeout *unix.Timespec
		if micros >= 0 {
			t := unix.NsecToTimespec(micros * 1000)
			timeout = &t
		}
		n, err := unix.Ppoll(fds, timeout, nil)
		if !errors.Is(err, unix.EINTR) {
			return n, err
		}
		if micros >= 0 {
			return 0, nil
		}
	}
}
