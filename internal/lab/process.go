package lab

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// process is a worker, a child of the thread that started it. It is waited for through a
// pidfd in the runtime's epoll, which takes no thread.
type process struct {
	pid     int
	pidfd   int
	control int // this end of the socket

	mu     sync.Mutex
	reaped bool // its PID may belong to another process
}

// start starts a worker that the kernel kills when the calling thread ends: that thread has
// to stay. Files are the worker's fds from 4 on.
func start(o order, files ...int) (*process, error) {
	o.Parent = os.Getpid()
	text, err := json.Marshal(o)
	if err != nil {
		return nil, err
	}
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("socketpair: %w", err)
	}
	defer unix.Close(ends[1])
	p := &process{control: ends[0], pidfd: -1}
	name := "eptop: lab " + o.Name
	const closed = ^uintptr(0) // the Go runtime opens /dev/null there
	list := []uintptr{closed, closed, 2, uintptr(ends[1])}
	for _, fd := range files {
		list = append(list, uintptr(fd))
	}
	p.pid, _, err = syscall.StartProcess("/proc/self/exe", []string{name}, &syscall.ProcAttr{
		Env:   []string{workerEnv + "=" + string(text), "GOGC=off", "GORACE=atexit_sleep_ms=0"},
		Files: list,
		// Ctrl-C and Ctrl-Z of the terminal reach the parent alone.
		Sys: &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL, PidFD: &p.pidfd},
	})
	if err != nil {
		unix.Close(p.control)
		return nil, err
	}
	return p, nil
}

// wait waits for the end of the worker, and describes an end that is not a normal one.
func (p *process) wait() string {
	var status unix.WaitStatus
	ended := func(uintptr) bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		pid, err := unix.Wait4(p.pid, &status, unix.WNOHANG, nil)
		p.reaped = pid == p.pid || errors.Is(err, unix.ECHILD)
		return p.reaped
	}
	if p.pidfd >= 0 {
		_ = unix.SetNonblock(p.pidfd, true) // package os polls nothing else
		f := os.NewFile(uintptr(p.pidfd), "pidfd")
		defer f.Close()
		if c, err := f.SyscallConn(); err == nil {
			_ = c.Read(ended) // a pidfd that cannot be polled is waited for below
		}
	}
	for !p.reaped && !ended(0) {
		_ = unix.Waitid(unix.P_PID, p.pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
	}
	switch {
	case status.Signaled():
		return "its process was ended by " + status.Signal().String()
	case status.ExitStatus() != 0:
		return fmt.Sprintf("its process ended with status %d", status.ExitStatus())
	}
	return ""
}

// kill ends the worker, a stopped one too: the kernel closes what it held.
func (p *process) kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.reaped {
		_ = unix.Kill(p.pid, unix.SIGKILL)
	}
}
