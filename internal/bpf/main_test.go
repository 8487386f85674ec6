package bpf

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// roleEnv names what this binary does when a test starts it again: a word of roles and its
// arguments.
const roleEnv = "BPF_TEST_ROLE"

var roles = map[string]func(args []string) error{
	"mix":         mix,
	"sockets":     holdSockets,
	"watches":     holdWatches,
	"threads":     holdThreads,
	"stale":       holdStale,
	"herd":        holdHerd,
	"share":       func([]string) error { return nil },
	"churn":       churn,
	"ready":       holdReady,
	"load":        loadAndScan,
	"connections": holdConnections,
	"main-table":  ownTablesOnMain,
}

func TestMain(m *testing.M) {
	words := strings.Fields(os.Getenv(roleEnv))
	if len(words) == 0 {
		code := m.Run()
		if loaded.scanner != nil {
			loaded.scanner.Close()
		}
		os.Exit(code)
	}
	if err := play(words); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// play plays a role until standard input ends.
func play(words []string) error {
	role, ok := roles[words[0]]
	if !ok {
		return fmt.Errorf("no role %q", words[0])
	}
	if err := role(words[1:]); err != nil {
		return fmt.Errorf("%s: %w", words[0], err)
	}
	fmt.Println("ready")
	_, err := io.Copy(io.Discard, os.Stdin)
	return err
}

// child is this binary in a role.
type child struct {
	pid int
	out []string // what it printed before it was ready
}

// start starts a role and waits until it is ready.
func start(t testing.TB, role string, attr *syscall.SysProcAttr) child {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), roleEnv+"="+role)
	cmd.SysProcAttr = attr
	var complaints strings.Builder
	cmd.Stderr = &complaints
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stdin.Close()
		_ = cmd.Process.Kill() // threads whose leader has ended do not see the end of input
		_ = cmd.Wait()
	})
	c := child{pid: cmd.Process.Pid}
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		if lines.Text() == "ready" {
			return c
		}
		c.out = append(c.out, lines.Text())
	}
	err = cmd.Wait()
	t.Fatalf("%s: %v\n%s", role, err, complaints.String())
	return c
}

// loaded is what the tests share, for the verifier takes seconds on an emulated machine.
var loaded struct {
	once    sync.Once
	scanner *Scanner
	err     error
}

// scanner returns the loaded program. It skips where the kernel or the user cannot have
// it, and fails where they should.
func scanner(t testing.TB) *Scanner {
	t.Helper()
	loaded.once.Do(func() { loaded.scanner, loaded.err = Load(nil) })
	if loaded.err != nil {
		skipOrFail(t, loaded.err)
	}
	return loaded.scanner
}

func skipOrFail(t testing.TB, err error) {
	t.Helper()
	var le *LoadError
	if !errors.As(err, &le) {
		t.Fatalf("not a LoadError: %v", err)
	}
	switch {
	case le.Reason == NoRight && os.Getuid() != 0:
		t.Skipf("run it as root: %v", err)
	case le.Reason == NoRight && len(le.Lacks) > 0:
		t.Skipf("root without capabilities: %v", err)
	case le.Reason == NoBTF, le.Reason == Lockdown, le.Reason == TooOld && !isRecent():
		t.Skipf("run it on another kernel: %v", err)
	}
	var refused *ebpf.VerifierError
	if errors.As(err, &refused) {
		t.Logf("%s", strings.Join(refused.Log[max(0, len(refused.Log)-50):], "\n"))
	}
	t.Fatal(err)
}

// files makes a pass and copies what it shows.
func files(t testing.TB, s *Scanner, o Options) []File {
	t.Helper()
	var all []File
	if _, err := s.Scan(context.Background(), o, func(f *File) error {
		all = append(all, clone(f))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return all
}

func clone(f *File) File {
	c := *f
	c.Watches = append([]Watch(nil), f.Watches...)
	if f.Socket != nil {
		s := *f.Socket
		s.Name = append([]byte(nil), f.Socket.Name...)
		c.Socket = &s
	}
	if f.Epoll != nil {
		e := *f.Epoll
		c.Epoll = &e
	}
	return c
}

// placed is a watch and the file it is on.
type placed struct {
	Watch
	file *File
}

// watchesOf returns all watches, each once, by their epoll.
func watchesOf(all []File) map[ID][]placed {
	seen := map[ID]bool{}
	by := map[ID][]placed{}
	for i := range all {
		f := &all[i]
		if f.Listed || seen[f.File] {
			continue
		}
		seen[f.File] = true
		for _, w := range f.Watches {
			by[w.Epoll] = append(by[w.Epoll], placed{w, f})
		}
	}
	return by
}

// epolls returns the epoll files of a process by descriptor.
func epolls(all []File, pid int) map[int32]*File {
	by := map[int32]*File{}
	for i := range all {
		if f := &all[i]; f.Epoll != nil && int(f.PID) == pid {
			by[f.Num] = f
		}
	}
	return by
}

// must ends a role that cannot be played.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func newEpoll() int { return must(unix.EpollCreate1(unix.EPOLL_CLOEXEC)) }

func newEventfd(value uint) int { return must(unix.Eventfd(value, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)) }

func newTimerfd() int { return must(unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_CLOEXEC)) }

func watch(ep, fd int, events uint32) {
	e := unix.EpollEvent{Events: events, Fd: int32(fd), Pad: 7}
	must(0, unix.EpollCtl(ep, unix.EPOLL_CTL_ADD, fd, &e))
}

// keep hands descriptors to processes started later: they must not close on exec.
func keep(fd int) { must(unix.FcntlInt(uintptr(fd), unix.F_SETFD, 0)) }

// inputs keep what was spawned alive.
var inputs []io.Closer

// spawn starts another process in a role, which inherits what was kept and ends with
// this one.
func spawn(role string) {
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), roleEnv+"="+role)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Stderr = os.Stderr
	inputs = append(inputs, must(cmd.StdinPipe()))
	stdout := must(cmd.StdoutPipe())
	must(0, cmd.Start())
	if line := must(bufio.NewReader(stdout).ReadString('\n')); line != "ready\n" {
		panic(line)
	}
}
