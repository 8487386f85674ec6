package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"

	"github.com/eptop/eptop/internal/lab"
	"github.com/eptop/eptop/internal/loadgen"
	"github.com/eptop/eptop/internal/model"
)

func TestMain(m *testing.M) {
	loadgen.RunIfWorker()
	lab.RunIfWorker()
	testscript.Main(m, map[string]func(){
		"eptop":      main,
		"hold23":     hold23,
		"idle":       idle,
		"asnobody":   asNobody,
		"manyepolls": manyEpolls,
		"fill":       fill,
	})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			// The race detector would sleep a second at the end of each program.
			e.Setenv("GORACE", "atexit_sleep_ms=0")
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"start":  startCmd,
			"status": statusCmd,
			"expect": expectCmd,
		},
	})
}

// hold23 makes the workload that the snapshot must show exactly: one epoll with 23
// watches. 11 of them are edge triggered, 5 one-shot (2 of these have fired), 1
// exclusive, 1 stale and 1 of a nested epoll.
func hold23() {
	const in = unix.EPOLLIN
	ep := must(unix.EpollCreate1(unix.EPOLL_CLOEXEC))
	add := func(fd int, events uint32) {
		check(unix.EpollCtl(ep, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: events, Fd: int32(fd)}))
	}
	eventfd := func(n uint) int { return must(unix.Eventfd(n, unix.EFD_CLOEXEC)) }
	for range 11 {
		add(eventfd(0), in|unix.EPOLLET)
	}
	for range 3 {
		add(eventfd(0), in|unix.EPOLLONESHOT)
	}
	// A readable eventfd fires at once and disarms its watch.
	for range 2 {
		add(eventfd(1), in|unix.EPOLLONESHOT)
	}
	if n := must(unix.EpollWait(ep, make([]unix.EpollEvent, 8), 0)); n != 2 {
		panic(fmt.Sprintf("%d watches fired", n))
	}
	add(eventfd(0), in|unix.EPOLLEXCLUSIVE)
	// close does not remove a watch while a duplicate keeps the file open.
	stale := eventfd(0)
	add(stale, in)
	must(unix.FcntlInt(uintptr(stale), unix.F_DUPFD_CLOEXEC, 100))
	check(unix.Close(stale))
	add(must(unix.EpollCreate1(unix.EPOLL_CLOEXEC)), in)
	for range 4 {
		add(must(unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)), in)
	}
	idle()
}

// idle says that it is ready and stays until its stdin closes.
func idle() {
	fmt.Println("ready")
	_, _ = bufio.NewReader(os.Stdin).ReadString('\n')
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func must(n int, err error) int {
	check(err)
	return n
}

// asNobody runs a program as user nobody: asnobody PROGRAM ARG…
func asNobody() {
	// The programs lie in a directory that only root may enter, so it is run from
	// memory.
	path, err := exec.LookPath(os.Args[1])
	check(err)
	program, err := os.ReadFile(path)
	check(err)
	fd := must(unix.MemfdCreate(os.Args[1], 0))
	_, err = unix.Write(fd, program)
	check(err)
	check(syscall.Setgroups(nil))
	check(syscall.Setgid(65534))
	check(syscall.Setuid(65534))
	check(os.Chdir("/"))
	check(syscall.Exec(fmt.Sprintf("/proc/self/fd/%d", fd), os.Args[1:], os.Environ()))
}

// startCmd runs a program until the script ends: start NAME PROGRAM ARG… puts its
// PID into $NAME once the program has said that it is ready.
func startCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: start NAME PROGRAM ARG...")
	}
	cmd := exec.Command(lookPath(ts, args[1]), args[2:]...)
	cmd.Env = append(os.Environ(), "PATH="+ts.Getenv("PATH"), "GORACE=atexit_sleep_ms=0")
	stdin, err := cmd.StdinPipe()
	ts.Check(err)
	stdout, err := cmd.StdoutPipe()
	ts.Check(err)
	ts.Check(cmd.Start())
	ts.Defer(func() {
		_ = stdin.Close()
		_ = cmd.Wait()
	})
	if line, err := bufio.NewReader(stdout).ReadString('\n'); err != nil || line != "ready\n" {
		ts.Fatalf("%s said %q, %v", args[1], line, err)
	}
	ts.Setenv(args[0], strconv.Itoa(cmd.Process.Pid))
}

func lookPath(ts *testscript.TestScript, name string) string {
	for _, dir := range filepath.SplitList(ts.Getenv("PATH")) {
		if path := filepath.Join(dir, name); isExecutable(path) {
			return path
		}
	}
	ts.Fatalf("no %s in PATH", name)
	return ""
}

func isExecutable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode()&0o111 != 0
}

// statusCmd runs a program and checks its exit status: status 3 PROGRAM ARG…
func statusCmd(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	cmd := exec.Command(lookPath(ts, args[1]), args[2:]...)
	cmd.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0")
	cmd.Dir = ts.MkAbs(".")
	_ = cmd.Run()
	if got := cmd.ProcessState.ExitCode(); got != want {
		ts.Fatalf("%s exited with %d, want %d", strings.Join(args[1:], " "), got, want)
	}
}

// expectCmd checks a snapshot in a file: expect FILE PID WATCHES compares the
// epoll of that many watches with the fdinfo file it was read from.
func expectCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: expect FILE PID WATCHES")
	}
	var s model.Snapshot
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[0])), &s))
	pid, err := strconv.Atoi(args[1])
	ts.Check(err)
	want, err := strconv.ParseInt(args[2], 10, 64)
	ts.Check(err)
	p := s.Process(pid)
	if p == nil {
		ts.Fatalf("no process %d", pid)
	}
	for i := range p.Epolls {
		e := &p.Epolls[i]
		if e.Watches == want {
			if diff := compareWithFdinfo(pid, e); diff != "" {
				ts.Fatalf("fdinfo and targets differ:\n%s", diff)
			}
			return
		}
	}
	ts.Fatalf("no epoll of %d watches in %+v", want, p.Epolls)
}

// compareWithFdinfo compares targets with the kernel's own lines, one by one, and
// returns what differs.
func compareWithFdinfo(pid int, e *model.Epoll) string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/fdinfo/%d", pid, e.FD))
	if err != nil {
		return err.Error()
	}
	var lines, targets []string
	for _, line := range strings.Split(string(text), "\n") {
		var fd, pos int
		var events, ino, sdev uint64
		var data string
		if n, _ := fmt.Sscanf(line, "tfd: %d events: %x data: %s pos:%d ino:%x sdev:%x", &fd, &events, &data, &pos, &ino, &sdev); n == 6 {
			lines = append(lines, fmt.Sprintf("%d %x %s %x %x", fd, events, data, ino, sdev))
		}
	}
	for _, t := range e.Targets {
		targets = append(targets, fmt.Sprintf("%d %x %s %x %x", t.FD, t.Mask, strings.TrimPrefix(t.Data, "0x"), t.Ino.Value, t.Sdev.Value))
	}
	return cmp.Diff(lines, targets)
}
