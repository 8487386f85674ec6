package loadgen

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// worker is one process, a child of the thread that started it. It is waited for
// through a pidfd in the runtime's epoll: os/exec would block a thread for each
// worker, and those threads count against the limits that a load runs into.
type worker struct {
	role    string
	pid     int
	control int // the generator's end of the socket
	// why says for what it was killed unasked; "" where it was not.
	why string
	// gone: its exit was booked.
	gone bool

	mu     sync.Mutex
	reaped bool // its PID may belong to another process
}

// exit is the end of a worker.
type exit struct {
	pair   *pair
	worker *worker
	status unix.WaitStatus
}

// startWorker starts a worker that the kernel kills when the calling thread ends: that
// thread has to stay. Its end arrives at exits.
func startWorker(o order, pair *pair, page, log *os.File, exits chan<- exit) (*worker, error) {
	text, err := json.Marshal(o)
	if err != nil {
		return nil, err
	}
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("socketpair: %w", err)
	}
	defer unix.Close(ends[1])
	w := &worker{role: o.Role, control: ends[0]}
	pidfd := -1
	const closed = ^uintptr(0) // the Go runtime opens /dev/null there
	w.pid, _, err = syscall.StartProcess("/proc/self/exe", []string{fmt.Sprintf("eptop: load %s %d", o.Role, o.Pair+1)}, &syscall.ProcAttr{
		// One thread does the work, and the little garbage it makes is not collected.
		Env:   []string{workerEnv + "=" + string(text), "GOMAXPROCS=1", "GOGC=off", "GORACE=atexit_sleep_ms=0"},
		Files: []uintptr{closed, closed, log.Fd(), uintptr(ends[1]), page.Fd()}, // 3 is controlFD, 4 pageFD
		// Ctrl-C and Ctrl-Z of the terminal reach the generator alone. A stopped worker
		// does not see its control socket close, but the signal ends it.
		Sys: &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL, PidFD: &pidfd},
	})
	if err != nil {
		unix.Close(w.control)
		return nil, err
	}
	go func() { exits <- exit{pair, w, w.wait(pidfd)} }()
	return w, nil
}

// wait waits for the end of a worker. It takes a thread for that only where a pidfd
// cannot be polled (before Linux 5.3, commit b53b0b9d9a61).
func (w *worker) wait(pidfd int) (status unix.WaitStatus) {
	ended := func(uintptr) bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		pid, err := unix.Wait4(w.pid, &status, unix.WNOHANG, nil)
		w.reaped = pid == w.pid || errors.Is(err, unix.ECHILD)
		return w.reaped
	}
	if pidfd >= 0 {
		// Package os polls only what is non-blocking.
		_ = unix.SetNonblock(pidfd, true)
		f := os.NewFile(uintptr(pidfd), "pidfd")
		defer f.Close()
		if c, err := f.SyscallConn(); err == nil && c.Read(ended) == nil {
			return status
		}
	}
	for !ended(0) {
		_ = unix.Waitid(unix.P_PID, w.pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
	}
	return status
}

// kill ends a worker, a stopped one too: the kernel closes what it held.
func (w *worker) kill() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.reaped {
		_ = unix.Kill(w.pid, unix.SIGKILL)
	}
}

// wake makes a worker read what is wanted.
func (w *worker) wake() {
	if !w.gone {
		// A full socket holds enough bytes to wake the worker, and if the worker is gone
		// its exit reports that.
		_, _ = unix.Write(w.control, []byte{1})
	}
}

// book books the end of the worker.
func (w *worker) book() {
	w.gone = true
	unix.Close(w.control)
}

// describe returns how a worker ended.
func (e exit) describe() string {
	how := "ended by itself"
	switch {
	case e.worker.why != "":
		how = e.worker.why
	case e.status.Signaled():
		how = "signal: " + e.status.Signal().String()
	case e.status.ExitStatus() != 0:
		how = fmt.Sprintf("exit status %d", e.status.ExitStatus())
	}
	return fmt.Sprintf("the %s worker %d: %s", e.worker.role, e.worker.pid, how)
}

// state returns the state of a process by /proc/PID/stat, such as 'R' or 'T'; 0 where
// it is gone.
func state(pid int) byte {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	// The name before it may contain anything.
	for i := len(text) - 3; i >= 0; i-- {
		if text[i] == ')' {
			return text[i+2]
		}
	}
	return 0
}
