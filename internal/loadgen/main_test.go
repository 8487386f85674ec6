package loadgen

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// programEnv turns the test binary into another program: see programs.
const programEnv = "LOADGEN_TEST_PROGRAM"

func TestMain(m *testing.M) {
	RunIfWorker()
	if name, ok := os.LookupEnv(programEnv); ok {
		if err := programs[name](); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	before := openFDs()
	code := m.Run()
	if left := children(os.Getpid()); len(left) > 0 {
		fmt.Fprintln(os.Stderr, "worker processes left behind:", left)
		code = 1
	}
	if after := openFDs(); after > before+2 {
		fmt.Fprintf(os.Stderr, "%d fds at the start, %d at the end\n", before, after)
		code = 1
	}
	os.Exit(code)
}

// programs are what the test binary can be instead of a test.
var programs = map[string]func() error{
	"hold":       hold,
	"few-ports":  fewPorts,
	"taken-port": takenPorts,
}

// start runs a program and returns its standard output.
func start(t *testing.T, name string, flags uintptr) (*exec.Cmd, *bufio.Reader) {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), programEnv+"="+name, "GORACE=atexit_sleep_ms=0")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: flags}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Log(stderr.String())
		}
	})
	return cmd, bufio.NewReader(out)
}

// config returns the simplest configuration, changed by f.
func config(change ...func(*Config)) Config {
	c := Config{Family: TCP4, Watch: WatchET, BeatsPerSecond: 1, Floor: 0.01}
	for _, f := range change {
		f(&c)
	}
	return c
}

func newGenerator(t *testing.T, c Config) *Generator {
	t.Helper()
	g, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := g.Close(); err != nil {
			t.Error(err)
		}
	})
	return g
}

// open wants n connections and waits for them.
func open(t *testing.T, g *Generator, n int64) Status {
	t.Helper()
	g.Set(n)
	return settled(t, g)
}

func settled(t *testing.T, g *Generator) Status {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := g.Settled(ctx); err != nil {
		t.Fatalf("%v: %+v", err, g.Status())
	}
	return g.Status()
}

// eventually waits for a condition.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	late := time.After(20 * time.Second)
	for !ok() {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("not within 20 s: %s", what)
		}
	}
}

func openFDs() int {
	list, _ := os.ReadDir("/proc/self/fd")
	return len(list)
}

// children returns the processes whose parent is pid.
func children(pid int) []int {
	var out []int
	for _, dir := range processes() {
		stat, err := os.ReadFile(dir + "/stat")
		if err != nil {
			continue
		}
		// pid (comm) state ppid
		_, after, _ := bytes.Cut(stat, []byte(") "))
		fields := bytes.Fields(after)
		if len(fields) > 1 && string(fields[1]) == strconv.Itoa(pid) && string(fields[0]) != "Z" {
			n, _ := strconv.Atoi(filepath.Base(dir))
			out = append(out, n)
		}
	}
	return out
}

func processes() []string {
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	return dirs
}

// alive reports whether pid is a process that has not ended.
func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !bytes.Contains(stat, []byte(") Z "))
}

func comm(pid int) string {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	return strings.TrimSpace(string(b))
}

// worker returns the PIDs of the workers of a role.
func workersOf(s Status, role string) []int {
	var out []int
	for _, pid := range s.Workers {
		if comm(pid) == "eptop-"+role {
			out = append(out, pid)
		}
	}
	return out
}

// watched returns the masks of all watches of a process, by its fdinfo.
func watched(t *testing.T, pid int) []uint32 {
	t.Helper()
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/fdinfo/*", pid))
	if err != nil {
		t.Fatal(err)
	}
	var out []uint32
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(text)) {
			var tfd int
			var mask uint32
			if n, _ := fmt.Sscanf(line, "tfd: %d events: %x", &tfd, &mask); n == 2 {
				out = append(out, mask)
			}
		}
	}
	return out
}

// sockets counts the sockets of a process.
func sockets(pid int) int {
	n := 0
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	for _, f := range files {
		to, _ := os.Readlink(f)
		if strings.HasPrefix(to, "socket:") {
			n++
		}
	}
	return n
}

// hold opens 500 connections, prints its workers, and holds them until it is killed.
func hold() error {
	g, err := New(config(func(c *Config) { c.PerPair = 200 }))
	if err != nil {
		return err
	}
	g.Set(500)
	if err := g.Settled(context.Background()); err != nil {
		return err
	}
	if err := json.NewEncoder(os.Stdout).Encode(g.Status()); err != nil {
		return err
	}
	select {}
}

// fortyPorts narrows the ports of a network namespace that is this process's own, and
// sets its loopback up.
func fortyPorts() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	lo.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, lo); err != nil {
		return err
	}
	return os.WriteFile("/proc/sys/net/ipv4/ip_local_port_range", []byte("40000 40039"), 0)
}
