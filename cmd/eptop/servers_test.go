package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/eptop/eptop/internal/model"
)

// TestRealServers looks at servers of others with known clients: every watch
// must be there, and be what the kernel's own fdinfo lines say.
func TestRealServers(t *testing.T) {
	for _, server := range []struct {
		name    string
		clients int
		start   func(t *testing.T, addr, dir string) *exec.Cmd
	}{
		{"redis-server", 5000, redis},
		{"nginx", 400, nginx},
	} {
		t.Run(server.name, func(t *testing.T) {
			if _, err := exec.LookPath(server.name); err != nil {
				t.Skipf("%s is not installed: make test-deps installs it", server.name)
			}
			addr := freeAddr(t)
			cmd := server.start(t, addr, t.TempDir())
			connect(t, addr, server.clients)
			var snap *model.Snapshot
			var p *model.Process
			waitFor(t, "all clients to be watched", func() bool {
				snap = lookAt(t)
				p = serving(snap, cmd.Process.Pid, server.clients)
				return p != nil
			})
			for i := range p.Epolls {
				if diff := compareWithFdinfo(p.PID, &p.Epolls[i]); diff != "" {
					t.Error(diff)
				}
				if p.Epolls[i].Stale != 0 || p.Epolls[i].Unproven != 0 {
					t.Errorf("%d stale, %d unproven watches", p.Epolls[i].Stale, p.Epolls[i].Unproven)
				}
			}
			if got := p.Sockets.Value; got < int64(server.clients) {
				t.Errorf("%d sockets for %d clients", got, server.clients)
			}
			checkSockets(t, snap, p, addr, int64(server.clients))
		})
	}
}

// checkSockets checks that the clients are found on the server's port, with both ends
// here, and that their memory is attributed to the server.
func checkSockets(t *testing.T, s *model.Snapshot, p *model.Process, addr string, clients int64) {
	t.Helper()
	if p.EndsHere < clients {
		t.Errorf("%d of %d clients are known to be on this host", p.EndsHere, clients)
	}
	if p.KernelBytes.Sockets.Value < clients*2000 || !p.KernelBytes.Buffers.Known {
		t.Errorf("kernel bytes = %+v", p.KernelBytes)
	}
	at := slices.IndexFunc(s.Sockets.ByPort, func(g model.SocketGroup) bool { return g.Name == addr })
	if at < 0 {
		t.Fatalf("nothing listens on %s", addr)
	}
	// The listener itself is one more.
	if g := s.Sockets.ByPort[at]; g.Sockets != clients+1 || !slices.Contains(g.PIDs, p.PID) {
		t.Errorf("on %s: %+v, want %d sockets and pid %d", addr, g, clients+1, p.PID)
	}
	joined := 0
	for i := range p.Epolls {
		for _, target := range p.Epolls[i].Targets {
			if target.State == "ESTABLISHED" && target.Local == addr && target.Peer != "" {
				joined++
			}
		}
	}
	if int64(joined) != clients {
		t.Errorf("%d watches are joined with a connection, want %d", joined, clients)
	}
}

// TestServerUnderLoad looks at nginx while wrk drives it: connections move between
// states all the time, and the right processes hold them.
func TestServerUnderLoad(t *testing.T) {
	for _, program := range []string{"nginx", "wrk"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is not installed: make test-deps installs it", program)
		}
	}
	addr := freeAddr(t)
	server := nginx(t, addr, t.TempDir())
	connect(t, addr, 1)
	launch(t, exec.Command("wrk", "-t1", "-c64", "-d60s", "http://"+addr+"/"))
	waitFor(t, "wrk's connections to be joined with nginx's watches", func() bool {
		s := lookAt(t)
		p := serving(s, server.Process.Pid, 64)
		return p != nil && p.EndsHere >= 64 && s.Sockets.Total > 0 && s.Sockets.BufferBytes.Known &&
			slices.ContainsFunc(s.Processes, func(q model.Process) bool { return q.Comm == "wrk" && q.Sockets.Value >= 64 })
	})
}

// serving returns the process of a server, itself or its one worker, that
// watches at least n sockets.
func serving(s *model.Snapshot, pid, n int) *model.Process {
	for i := range s.Processes {
		p := &s.Processes[i]
		if (p.PID == pid || parent(p.PID) == pid) && p.Watches.Value >= int64(n) {
			return p
		}
	}
	return nil
}

func parent(pid int) int {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	ppid := 0
	for _, line := range strings.Split(string(status), "\n") {
		if _, err := fmt.Sscanf(line, "PPid: %d", &ppid); err == nil {
			break
		}
	}
	return ppid
}

// lookAt runs the real command and parses what it prints.
func lookAt(t *testing.T) *model.Snapshot {
	t.Helper()
	var out bytes.Buffer
	root := newRoot()
	root.SetArgs([]string{"snapshot", "--json", "--watches"})
	root.SetOut(&out)
	if err := root.ExecuteContext(context.Background()); err != nil {
		t.Fatal(err)
	}
	var s model.Snapshot
	if err := json.Unmarshal(out.Bytes(), &s); err != nil {
		t.Fatal(err)
	}
	return &s
}

func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func launch(t *testing.T, cmd *exec.Cmd) *exec.Cmd {
	t.Helper()
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// nginx's master takes its workers along on SIGTERM, as SIGKILL does not.
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("%s said:\n%s", cmd.Path, out.Bytes())
		}
	})
	return cmd
}

func redis(t *testing.T, addr, dir string) *exec.Cmd {
	host, port, _ := net.SplitHostPort(addr)
	return launch(t, exec.Command("redis-server", "--bind", host, "--port", port, "--dir", dir,
		"--save", "", "--appendonly", "no", "--maxclients", "8000"))
}

func nginx(t *testing.T, addr, dir string) *exec.Cmd {
	conf := fmt.Sprintf(`daemon off; worker_processes 1; pid %[1]s/pid; error_log stderr;
events { worker_connections 4096; }
http {
	access_log off; client_body_temp_path %[1]s/a; proxy_temp_path %[1]s/b; fastcgi_temp_path %[1]s/c;
	uwsgi_temp_path %[1]s/d; scgi_temp_path %[1]s/e; client_header_timeout 1h;
	server { listen %[2]s; }
}
`, dir, addr)
	path := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(path, []byte(conf), 0o644); err != nil {
		t.Fatal(err)
	}
	return launch(t, exec.Command("nginx", "-p", dir, "-c", path))
}

// connect opens n idle connections and keeps them until the test ends.
func connect(t *testing.T, addr string, n int) {
	t.Helper()
	var first net.Conn
	waitFor(t, "the server to listen", func() bool {
		var err error
		first, err = net.DialTimeout("tcp4", addr, time.Second)
		return err == nil
	})
	conns := []net.Conn{first}
	for len(conns) < n {
		c, err := net.DialTimeout("tcp4", addr, 10*time.Second)
		if err != nil {
			t.Fatalf("connection %d: %v", len(conns)+1, err)
		}
		conns = append(conns, c)
	}
	t.Cleanup(func() {
		for _, c := range conns {
			_ = c.Close()
		}
	})
}

// waitFor polls a condition until it holds or a generous time is up.
func waitFor(t *testing.T, what string, condition func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(time.Minute)
	for !condition() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited a minute for %s", what)
		}
	}
}
