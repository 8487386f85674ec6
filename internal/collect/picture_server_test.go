package collect

import (
	"bufio"
	"fmt"
	"net"
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

// servers are real ones: how they are started on a port and a directory of their own, and
// what a client asks that they answer.
var servers = []struct {
	program, ask string
	args         func(t *testing.T, port, dir string) []string
}{
	{"nginx", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", func(t *testing.T, port, dir string) []string {
		conf := fmt.Sprintf("daemon off; worker_processes 3; pid %s/pid; error_log %s/log; user root;\nevents { worker_connections 500; multi_accept on; }\n"+
			"http { access_log off; server { listen 127.0.0.1:%s reuseport; listen [::1]:%s; keepalive_timeout 600; location / { return 200 'x'; } } }\n", dir, dir, port, port)
		path := filepath.Join(dir, "nginx.conf")
		if err := os.WriteFile(path, []byte(conf), 0o600); err != nil {
			t.Fatal(err)
		}
		return []string{"-p", dir, "-c", path}
	}},
	{"redis-server", "PING\r\n", func(_ *testing.T, port, dir string) []string {
		return []string{"--port", port, "--bind", "127.0.0.1", "--dir", dir, "--save", "", "--daemonize", "no", "--unixsocket", filepath.Join(dir, "sock")}
	}},
	{"memcached", "version\r\n", func(_ *testing.T, port, _ string) []string {
		return []string{"-u", "root", "-l", "127.0.0.1", "-p", port, "-U", "0", "-t", "3"}
	}},
	{"node", "x\n", func(_ *testing.T, port, _ string) []string {
		return []string{"-e", "require('net').createServer(c => { c.on('error', () => {}); c.pipe(c) }).listen(" + port + ", '127.0.0.1')"}
	}},
}

// TestOnePictureOfServers compares both sources on real servers.
func TestOnePictureOfServers(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("a pass needs root: run the tests with sudo")
	}
	const clients = 29
	for _, server := range servers {
		t.Run(server.program, func(t *testing.T) {
			path, err := exec.LookPath(server.program)
			if err != nil {
				path, err = exec.LookPath("/usr/sbin/" + server.program)
			}
			if err != nil {
				t.Skipf("%s is missing: run tools/test-deps test", server.program)
			}
			port := freePort(t)
			cmd := exec.Command(path, server.args(t, port, t.TempDir())...)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				_ = cmd.Process.Signal(syscall.SIGTERM)
				_ = cmd.Wait()
			})
			for range clients {
				conn := dial(t, port)
				if _, err := conn.Write([]byte(server.ask)); err != nil {
					t.Fatal(err)
				}
				if _, err := bufio.NewReader(conn).ReadByte(); err != nil {
					t.Fatalf("no answer: %v", err)
				}
			}
			comparePictures(t, withChildren(t, cmd.Process.Pid))
		})
	}
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}

// dial connects once the server listens.
func dial(t *testing.T, port string) net.Conn {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; {
		conn, err := net.Dial("tcp4", "127.0.0.1:"+port)
		if err == nil {
			t.Cleanup(func() { conn.Close() })
			return conn
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		_ = unix.Nanosleep(&unix.Timespec{Nsec: 1e7}, nil)
	}
}

// withChildren returns a process and those it has started.
func withChildren(t *testing.T, pid int) map[int]bool {
	t.Helper()
	pids := map[int]bool{pid: true}
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, field := range strings.Fields(string(b)) {
		child, err := strconv.Atoi(field)
		if err != nil {
			t.Fatal(err)
		}
		pids[child] = true
	}
	return pids
}
