package engine

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/eptop/eptop/internal/collect"
	"github.com/eptop/eptop/internal/model"
)

// faultEnv makes the test binary a program with a fault, "RULE sick", or its healthy twin,
// "RULE well". It says that it is ready, and stays until its standard input ends.
const faultEnv = "EPTOP_TEST_FAULT"

// fault is what one program of the test does, and where the fault is.
type fault struct {
	run func(sick bool) (epfd, fd int)
	bpf bool // only that source sees it
}

var faults = map[string]fault{
	"stale-watch":         {run: staleWatch},
	"close-wait":          {run: neverCloses},
	"accept-queue-full":   {run: fullQueue},
	"epoll-leak":          {run: epollLeak},
	"nofile":              {run: fewFiles},
	"spin-hup":            {run: spinHup},
	"spin-out":            {run: spinOut},
	"spin-accept-emfile":  {run: spinAccept},
	"et-unread":           {run: unread},
	"oneshot-not-rearmed": {run: oneShot},
	"et-blocking":         {run: blocking, bpf: true},
	"herd":                {run: herd},
	"mask-0":              {run: emptyMask},
	"duplicate":           {run: duplicate},
	"nested-depth":        {run: nested},
	"shared-after-fork":   {run: shared},
}

func runIfFault() {
	name, how, ok := strings.Cut(os.Getenv(faultEnv), " ")
	if !ok {
		return
	}
	if name == "hold" { // a child that only holds what it was given
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}
	epfd, fd := faults[name].run(how == "sick")
	fmt.Println(epfd, fd)
	_, _ = io.Copy(io.Discard, os.Stdin)
	os.Exit(0)
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func do(err error) {
	if err != nil {
		panic(err)
	}
}

func newEpoll() int { return must(unix.EpollCreate1(unix.EPOLL_CLOEXEC)) }

func add(epfd, fd int, events uint32) {
	do(unix.EpollCtl(epfd, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: events, Fd: int32(fd)}))
}

func pair() (a, b int) {
	p := must(unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0))
	return p[0], p[1]
}

// listen listens on loopback. connect connects to it, accepted is the server's end.
func listen(backlog int) (fd int, at unix.Sockaddr) {
	fd = must(unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0))
	do(unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	do(unix.Listen(fd, backlog))
	return fd, must(unix.Getsockname(fd))
}

func connect(to unix.Sockaddr) int {
	fd := must(unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0))
	do(unix.Connect(fd, to))
	return fd
}

func connected(flags int) (server, client int) {
	l, at := listen(16)
	client = connect(at)
	waitReadable(l)
	server, _, err := unix.Accept4(l, unix.SOCK_CLOEXEC|flags)
	do(err)
	unix.Close(l)
	return server, client
}

func waitReadable(fd int) {
	_ = must(unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 5000))
}

// loop waits in epoll_wait for ever, and does nothing with what it gets.
func loop(epfd int) {
	go func() {
		runtime.LockOSThread()
		events := make([]unix.EpollEvent, 16)
		for {
			_, _ = unix.EpollWait(epfd, events, -1)
		}
	}()
}

func staleWatch(sick bool) (int, int) {
	ep := newEpoll()
	a, _ := pair()
	add(ep, a, unix.EPOLLIN)
	_ = must(unix.Dup(a))
	if !sick {
		do(unix.EpollCtl(ep, unix.EPOLL_CTL_DEL, a, nil))
	}
	unix.Close(a)
	return ep, a
}

func neverCloses(sick bool) (int, int) {
	for range 20 {
		server, client := connected(unix.SOCK_NONBLOCK)
		unix.Close(client)
		waitReadable(server)
		if !sick {
			unix.Close(server)
		}
	}
	return -1, -1
}

func fullQueue(sick bool) (int, int) {
	backlog := 4
	if !sick {
		backlog = 64
	}
	l, at := listen(backlog)
	for range 5 {
		connect(at)
	}
	return -1, l
}

func epollLeak(sick bool) (int, int) {
	for range 8 {
		newEpoll()
	}
	go func() {
		for {
			// A server that makes an epoll for each request, and one that closes it.
			fd := newEpoll()
			if !sick {
				unix.Close(fd)
			}
			time.Sleep(100 * time.Millisecond)
		}
	}()
	return -1, -1
}

func fewFiles(sick bool) (int, int) {
	limit := uint64(100)
	if !sick {
		limit = 400
	}
	do(unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: limit, Max: 1000}))
	for must(unix.Dup(1)) < 94 {
	}
	return -1, -1
}

func spinHup(sick bool) (int, int) {
	ep := newEpoll()
	server, client := connected(unix.SOCK_NONBLOCK)
	add(ep, server, unix.EPOLLIN|unix.EPOLLRDHUP)
	loop(ep)
	if sick {
		unix.Close(client)
		waitReadable(server)
	}
	return ep, server
}

func spinOut(sick bool) (int, int) {
	ep := newEpoll()
	server, _ := connected(unix.SOCK_NONBLOCK)
	events := uint32(unix.EPOLLIN)
	if sick {
		events |= unix.EPOLLOUT
	}
	add(ep, server, events)
	loop(ep)
	return ep, server
}

func spinAccept(sick bool) (int, int) {
	ep := newEpoll()
	l, at := listen(64)
	add(ep, l, unix.EPOLLIN)
	client := exec.Command("/proc/self/exe")
	client.Env = append(os.Environ(), faultEnv+"=hold here")
	_ = must(client.StdinPipe())
	fds := []*os.File{}
	for range 3 {
		fds = append(fds, os.NewFile(uintptr(connect(at)), "client"))
	}
	client.ExtraFiles = fds
	do(client.Start())
	for _, f := range fds {
		f.Close()
	}
	if sick {
		do(unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 60, Max: 1000}))
		for {
			if _, err := unix.Dup(1); err != nil {
				break
			}
		}
	}
	go func() {
		runtime.LockOSThread()
		events := make([]unix.EpollEvent, 16)
		for {
			_, _ = unix.EpollWait(ep, events, -1)
			_, _, _ = unix.Accept(l)
		}
	}()
	return ep, l
}

func unread(sick bool) (int, int) {
	ep := newEpoll()
	server, client := connected(unix.SOCK_NONBLOCK)
	add(ep, server, unix.EPOLLIN|unix.EPOLLET)
	go func() {
		runtime.LockOSThread()
		events := make([]unix.EpollEvent, 16)
		buf := make([]byte, 1000)
		for {
			if n, err := unix.EpollWait(ep, events, -1); err != nil || n == 0 {
				continue
			}
			for {
				if n, err := unix.Read(server, buf); n <= 0 || err != nil || sick {
					break
				}
			}
		}
	}()
	_ = must(unix.Write(client, make([]byte, 5000)))
	return ep, server
}

func oneShot(sick bool) (int, int) {
	ep := newEpoll()
	server, client := connected(unix.SOCK_NONBLOCK)
	add(ep, server, unix.EPOLLIN|unix.EPOLLONESHOT)
	go func() {
		events := make([]unix.EpollEvent, 16)
		buf := make([]byte, 10_000)
		for {
			if n, err := unix.EpollWait(ep, events, -1); err != nil || n == 0 || sick {
				continue
			}
			_, _ = unix.Read(server, buf)
			do(unix.EpollCtl(ep, unix.EPOLL_CTL_MOD, server, &unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLONESHOT}))
		}
	}()
	_ = must(unix.Write(client, make([]byte, 5000)))
	return ep, server
}

func blocking(sick bool) (int, int) {
	ep := newEpoll()
	flags := unix.SOCK_NONBLOCK
	if sick {
		flags = 0
	}
	server, _ := connected(flags)
	add(ep, server, unix.EPOLLIN|unix.EPOLLET)
	return ep, server
}

func herd(sick bool) (int, int) {
	l, _ := listen(64)
	events := uint32(unix.EPOLLIN)
	if !sick {
		events |= unix.EPOLLEXCLUSIVE
	}
	for range 4 {
		add(newEpoll(), l, events)
	}
	return -1, -1
}

func emptyMask(sick bool) (int, int) {
	ep := newEpoll()
	a, _ := pair()
	events := uint32(unix.EPOLLIN)
	if sick {
		events = 0
	}
	add(ep, a, events)
	return ep, a
}

func duplicate(sick bool) (int, int) {
	ep := newEpoll()
	a, _ := pair()
	add(ep, a, unix.EPOLLIN)
	if sick {
		add(ep, must(unix.Dup(a)), unix.EPOLLOUT|unix.EPOLLET)
	}
	return ep, -1
}

func nested(sick bool) (int, int) {
	inner, middle, outer := newEpoll(), newEpoll(), newEpoll()
	if sick {
		add(middle, inner, unix.EPOLLIN)
	}
	add(outer, middle, unix.EPOLLIN)
	return outer, -1
}

func shared(sick bool) (int, int) {
	ep := newEpoll()
	child := exec.Command("/proc/self/exe")
	child.Env = append(os.Environ(), faultEnv+"=hold here")
	_ = must(child.StdinPipe())
	if sick {
		child.ExtraFiles = []*os.File{os.NewFile(uintptr(must(unix.Dup(ep))), "epoll")}
	}
	do(child.Start())
	return -1, -1
}

// patient is one program under test.
type patient struct {
	rule, how string
	pid       int
	epfd, fd  int
}

func startFault(t *testing.T, rule, how string) patient {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), faultEnv+"="+rule+" "+how, "GORACE=atexit_sleep_ms=0", "GOMAXPROCS=2")
	cmd.Stderr = os.Stderr
	in := must(cmd.StdinPipe())
	out := must(cmd.StdoutPipe())
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		_ = cmd.Wait()
	})
	p := patient{rule: rule, how: how, pid: cmd.Process.Pid}
	line, err := bufio.NewReader(out).ReadString('\n')
	if _, errScan := fmt.Sscan(line, &p.epfd, &p.fd); err != nil || errScan != nil {
		t.Fatalf("%s %s says %q: %v", rule, how, line, err)
	}
	return p
}

// TestFaultsAreFoundAndTheirTwinsAreNot plants every fault in a process of its own, and
// looks until each is found at the right place; processes that do the same without the
// fault have no finding.
func TestFaultsAreFoundAndTheirTwinsAreNot(t *testing.T) {
	if testing.Short() {
		t.Skip("takes up to three minutes on a busy machine; run without -short")
	}
	for _, source := range []string{collect.SourceProc, collect.SourceBPF} {
		t.Run(source, func(t *testing.T) { findFaults(t, source) })
	}
}

func findFaults(t *testing.T, source string) {
	e, err := New(Options{Options: collect.Options{ProcRoot: "/proc", SysRoot: "/sys", MaxStall: 1, MaxFDs: collect.DefaultMaxFDs, Source: source}})
	if err != nil {
		t.Skipf("%v; run as root on a kernel with BTF", err)
	}
	t.Cleanup(func() { _ = e.Close() })
	first := look(t, e, model.Focus{})
	if source == collect.SourceBPF && !usesBPF(first) {
		t.Skip("the BPF source does not work here; run as root on a kernel with BTF")
	}
	var sick, well []patient
	for rule, f := range faults {
		if !f.bpf || source == collect.SourceBPF {
			sick, well = append(sick, startFault(t, rule, "sick")), append(well, startFault(t, rule, "well"))
		}
	}
	missing := map[int]patient{}
	for _, p := range sick {
		missing[p.pid] = p
	}
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	deadline := time.Now().Add(90 * time.Second)
	for len(missing) > 0 && time.Now().Before(deadline) {
		<-tick.C
		s := look(t, e, model.Focus{})
		for _, f := range s.Findings {
			if p, is := missing[f.PID]; is && p.rule == f.Rule {
				p.check(t, &f)
				delete(missing, f.PID)
			}
			for _, p := range well {
				if f.PID == p.pid {
					t.Errorf("the healthy twin of %s has a finding: %s", p.rule, f.Evidence)
				}
			}
		}
		if t.Failed() {
			return
		}
	}
	for _, p := range missing {
		t.Errorf("%s of pid %d was not found", p.rule, p.pid)
	}
}

// check compares the place of a finding with where the fault is.
func (p *patient) check(t *testing.T, f *model.Finding) {
	t.Helper()
	if p.epfd >= 0 && (!f.EpollFD.Known || f.EpollFD.Value != p.epfd) {
		t.Errorf("%s is at epoll fd %+v, want %d: %s", p.rule, f.EpollFD, p.epfd, f.Evidence)
	}
	if p.epfd >= 0 && p.fd >= 0 && (!f.FD.Known || f.FD.Value != p.fd) {
		t.Errorf("%s is at fd %+v, want %d: %s", p.rule, f.FD, p.fd, f.Evidence)
	}
	if f.Evidence == "" || strings.Contains(f.Evidence, "\n") || f.Why == "" || f.Cure == "" || f.FalseAlarm == "" {
		t.Errorf("%s says too little: %+v", p.rule, f)
	}
	t.Log(f.Severity, f.Evidence)
}

func usesBPF(s *model.Snapshot) bool {
	for i := range s.Sources {
		if s.Sources[i].Name == "bpf" && s.Sources[i].State == model.OK {
			return true
		}
	}
	return false
}
