package sock

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// workerEnv makes the test program a worker, which opens sockets and holds them
// until its standard input ends: one process may hold only so many descriptors.
const (
	workerEnv          = "EPTOP_SOCK_WORKER"
	workerNamespaceEnv = "EPTOP_SOCK_WORKER_NAMESPACE"
)

// workerMain opens what its role says, says so and waits.
func workerMain(role string) {
	answer, err := workerRole(role)
	if err != nil {
		answer = err.Error()
	}
	fmt.Println(answer)
	_, _ = os.Stdin.Read(make([]byte, 1))
}

// workerRole is a number of TCP connections to itself, a listener ("cell"), or the
// mix ("mix:DIR").
func workerRole(role string) (answer string, err error) {
	if os.Getenv(workerNamespaceEnv) != "" {
		if err := raiseLoopback(); err != nil {
			return "", err
		}
	}
	if dir, ok := strings.CutPrefix(role, "mix:"); ok {
		return "ready", makeMix(dir)
	}
	if role == "cell" {
		m := mixer{}
		fd, addr := m.listen(unix.AF_INET, loopback(unix.AF_INET), 16)
		if m.err != nil {
			return "", m.err
		}
		var st unix.Stat_t
		err = unix.Fstat(fd, &st)
		return fmt.Sprintf("listening %d %d", addr.(*unix.SockaddrInet4).Port, st.Ino), err
	}
	pairs, err := strconv.Atoi(role)
	if err != nil {
		return "", err
	}
	return "ready", holdPairs(pairs)
}

// holdPairs opens connections over loopback and keeps both ends. They are closed
// with a reset, so that none stays behind in TIME_WAIT.
func holdPairs(pairs int) error {
	const perAddress = 4000
	for n := 0; n < pairs; n += perAddress {
		source := net.IPv4(127, 1, byte(n/perAddress), 1)
		if err := holdFrom(source, min(perAddress, pairs-n)); err != nil {
			return err
		}
	}
	return nil
}

func holdFrom(source net.IP, pairs int) error {
	ls, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	addr := &unix.SockaddrInet4{Addr: [4]byte(source.To4())}
	if err := unix.Bind(ls, addr); err != nil {
		return err
	}
	if err := unix.Listen(ls, 128); err != nil {
		return err
	}
	to, err := unix.Getsockname(ls)
	if err != nil {
		return err
	}
	for range pairs {
		c, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		if err := unix.Connect(c, to); err != nil {
			return err
		}
		s, _, err := unix.Accept4(ls, unix.SOCK_CLOEXEC)
		if err != nil {
			return err
		}
		for _, fd := range [...]int{c, s} {
			if err := unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}); err != nil {
				return err
			}
		}
	}
	return nil
}

// startWorkers holds at least the wanted number of sockets in other processes until
// the test ends, and returns how many.
func startWorkers(t testing.TB, sockets int) int {
	t.Helper()
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	const others = 100 // listeners, standard streams, the runtime's own
	perWorker := (min(int(limit.Max), 20_000) - others) / 2
	made := 0
	for left := (sockets + 1) / 2; left > 0; left -= perWorker {
		pairs := min(left, perWorker)
		if w := startWorker(t, strconv.Itoa(pairs), false); w.answer != "ready" {
			t.Fatal(w.answer)
		}
		made += 2 * pairs
	}
	return made
}

// worker is a worker that has done what its role says.
type worker struct {
	pid    int
	answer string
	end    func()
}

// startWorker starts a worker, in a network namespace of its own if so wanted, and
// ends it with the test.
func startWorker(t testing.TB, role string, ownNamespace bool) worker {
	t.Helper()
	if ownNamespace && os.Geteuid() != 0 {
		t.Skip("needs a network namespace of its own: run the test as root")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	// The race detector would let the worker sleep a second before it ends.
	cmd.Env = append(os.Environ(), workerEnv+"="+role, "GORACE=atexit_sleep_ms=0")
	if ownNamespace {
		cmd.Env = append(cmd.Env, workerNamespaceEnv+"=1")
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET}
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		if ownNamespace && errors.Is(err, fs.ErrPermission) {
			t.Skipf("%v: run the test with CAP_SYS_ADMIN", err)
		}
		t.Fatal(err)
	}
	w := worker{pid: cmd.Process.Pid, end: sync.OnceFunc(func() {
		in.Close()
		cmd.Wait()
	})}
	t.Cleanup(w.end)
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("worker %s: %v", role, err)
	}
	w.answer = strings.TrimSuffix(line, "\n")
	return w
}
