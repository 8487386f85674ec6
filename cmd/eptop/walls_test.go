package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/eptop/eptop/internal/model"
)

// fill takes sockets ("files") or connections to itself ("ports"): as many as it was told
// at once, and the rest until there are no more when it is asked to. It says how many that
// were.
func fill() {
	listener := must(unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0))
	check(unix.Bind(listener, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	check(unix.Listen(listener, 8))
	to, err := unix.Getsockname(listener)
	check(err)
	take := func() error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil || os.Args[1] == "files" {
			return err
		}
		if err := unix.Connect(fd, to); err != nil {
			return err
		}
		_, _, err = unix.Accept4(listener, unix.SOCK_CLOEXEC)
		return err
	}
	for range must(strconv.Atoi(os.Args[2])) {
		check(take())
	}
	fmt.Println("ready")
	in := bufio.NewReader(os.Stdin)
	_, _ = in.ReadString('\n')
	n := 0
	for take() == nil {
		n++
	}
	fmt.Println("filled", n)
	_, _ = in.ReadString('\n')
}

// TestWallsAreWhatHappens: a process goes on until it is stopped by a limit, and gets as
// much more as the limit said was left, within a hundredth.
func TestWallsAreWhatHappens(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root to make network namespaces and cgroups")
	}
	eptop := buildEptop(t)
	for name, c := range map[string]struct {
		command string // after which "ready" is said, and once a line was read "filled N"
		pids    string // the limit of a cgroup for it, "" for none
		wall    model.WallName
	}{
		"files": {command: "exec prlimit --nofile=3000:4000 fill files 1777", wall: model.WallNofile},
		"ports": {
			command: `exec unshare -n sh -c 'ip link set lo up; echo "40000 40399" > /proc/sys/net/ipv4/ip_local_port_range; exec fill ports 250'`, wall: model.WallPorts,
		},
		// A shell that goes on after a fork that failed needs a subshell beside each sleep: it
		// gets one less.
		"threads": {
			command: "i=0; while [ $i -lt 230 ]; do sleep 1000 & i=$((i+1)); done; echo ready; read line; i=0; " +
				`while (sleep 1000 &) 2>/dev/null; do i=$((i+1)); done; exec 2>/dev/null; echo filled $i; read line`,
			pids: "400", wall: model.WallPids,
		},
	} {
		t.Run(name, func(t *testing.T) {
			before := ""
			if c.pids != "" {
				before = enterCgroup(t, "pids", c.pids)
			}
			cmd := exec.Command("sh", "-c", before+c.command)
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
			pid := cmd.Process.Pid
			t.Cleanup(func() { endGroup(t, cmd, stdin, before) })
			lines := bufio.NewReader(stdout)
			expectLine(t, lines, "ready")
			w := wallSeenFrom(t, eptop, pid, c.wall)
			if _, err := io.WriteString(stdin, "\n"); err != nil {
				t.Fatal(err)
			}
			got, err := strconv.ParseInt(strings.TrimPrefix(expectLine(t, lines, "filled "), "filled "), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%d left, %d came: %+v", w.ConnectionsLeft, got, w)
			if off := max(got-w.ConnectionsLeft, w.ConnectionsLeft-got); off*100 > w.ConnectionsLeft || w.ConnectionsLeft == 0 || w.RaiseWith == "" {
				t.Errorf("%d left, and %d came: %+v", w.ConnectionsLeft, got, w)
			}
			if full := wallSeenFrom(t, eptop, pid, c.wall); full.ConnectionsLeft*100 > w.ConnectionsLeft || full.Level != model.LevelCritical {
				t.Errorf("after that: %+v", full)
			}
		})
	}
}

// endGroup ends a command and everything in its cgroup.
func endGroup(t *testing.T, cmd *exec.Cmd, stdin io.Closer, before string) {
	_ = stdin.Close()
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	if before == "" {
		return
	}
	procs := strings.TrimSuffix(strings.TrimPrefix(before, "echo $$ > "), "; ")
	for range 1000 { // until the last one has left it
		text, err := os.ReadFile(procs)
		if err != nil {
			t.Error(err)
			return
		}
		pids := strings.Fields(string(text))
		if len(pids) == 0 {
			return
		}
		for _, pid := range pids {
			n, _ := strconv.Atoi(pid)
			_ = unix.Kill(n, unix.SIGKILL)
			if dir, err := unix.PidfdOpen(n, 0); err == nil {
				_, _ = unix.Poll([]unix.PollFd{{Fd: int32(dir), Events: unix.POLLIN}}, 1000)
				_ = unix.Close(dir)
			}
		}
	}
	t.Errorf("%s does not become empty", filepath.Dir(procs))
}

func expectLine(t *testing.T, r *bufio.Reader, prefix string) string {
	t.Helper()
	for {
		line, err := r.ReadString('\n')
		if strings.HasPrefix(line, prefix) {
			return strings.TrimSpace(line)
		}
		if err != nil {
			t.Fatalf("no line %q: %v", prefix, err)
		}
	}
}

// wallSeenFrom is a limit as eptop shows it in the network namespace of a process.
func wallSeenFrom(t *testing.T, eptop string, pid int, name model.WallName) model.Wall {
	t.Helper()
	out, err := exec.Command("nsenter", "-t", strconv.Itoa(pid), "-n", eptop, "snapshot", "--json", "--pid", strconv.Itoa(pid)).Output()
	if err != nil {
		t.Fatal(err)
	}
	var s model.Snapshot
	if err := json.Unmarshal(out, &s); err != nil {
		t.Fatal(err)
	}
	for _, w := range s.Walls {
		if w.Name == name {
			return w
		}
	}
	t.Fatalf("no limit %s in %+v", name, s.Walls)
	return model.Wall{}
}
