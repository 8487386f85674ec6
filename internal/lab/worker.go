package lab

import (
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// workerEnv makes a process a worker; its value is the worker's order.
const workerEnv = "EPTOP_LAB_WORKER"

// controlFD is a worker's end of the socket to whoever started it.
const controlFD = 3

// order is what a worker needs to know.
type order struct {
	Name   string // of the experiment, or of a helper
	Parent int    // PID of whoever started it
	Hold   bool
	Heavy  bool
}

// RunIfWorker performs an experiment where this process was started for one, and does not
// return then. Whoever uses the package calls it first in main, and first in TestMain.
func RunIfWorker() {
	text := os.Getenv(workerEnv)
	if text == "" {
		return
	}
	if err := runWorker(text); err != nil {
		fmt.Fprintf(os.Stderr, "lab worker: %v\n", err)
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
	// The kernel forgets this wish where the binary has capabilities.
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0); err != nil {
		return fmt.Errorf("ask to end with its parent: %w", err)
	}
	if os.Getppid() != o.Parent {
		return nil // the parent ended first
	}
	signal.Ignore(syscall.SIGINT, syscall.SIGQUIT, syscall.SIGPIPE)
	unix.CloseOnExec(controlFD)
	if help, ok := helpers[o.Name]; ok {
		return help()
	}
	if err := writeFile("/proc/self/comm", "eptop-lab"); err != nil {
		return fmt.Errorf("name the process: %w", err)
	}
	// Where memory runs out, the kernel is to take the experiment and nobody else; without a
	// /proc to write it keeps its place in the order.
	_ = writeFile("/proc/self/oom_score_adj", "1000")
	e := Find(o.Name)
	if e == nil {
		return fmt.Errorf("no experiment %q", o.Name)
	}
	s := &scene{order: o, begun: time.Now(), seen: observation{Seen: map[string]string{}}}
	done := s.perform(e.run)
	s.send(message{Done: &done})
	return nil
}

// writeFile and readFile avoid package os, whose poller would add an epoll to the one that
// is looked at.
func writeFile(path, text string) error {
	fd, err := unix.Open(path, unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	_, err = unix.Write(fd, []byte(text))
	return err
}

func readFile(path string) (string, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", err
	}
	defer unix.Close(fd)
	var b strings.Builder
	buf := make([]byte, 1<<16)
	for {
		n, err := unix.Read(fd, buf)
		if err != nil {
			return "", err
		}
		if n == 0 {
			return b.String(), nil
		}
		b.Write(buf[:n])
	}
}
