package sock

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// workerEnv makes the test program a worker, which opens sockets and holds them
// until its standard input ends: one process may hold only so many descriptors.
const workerEnv = "EPTOP_SOCK_WORKER"

// workerMain opens what its role says, says so and waits: a number of TCP connections
// to itself, or a listener in a new namespace.
func workerMain(role string) {
	answer, err := workerRole(role)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println(answer)
	_, _ = os.Stdin.Read(make([]byte, 1))
}

func workerRole(role string) (answer string, err error) {
	if role == "cell" {
		l, err := cellMain()
		if err != nil {
			return "", err
		}
		f, err := l.File() // a second descriptor of the same socket, kept as well
		if err != nil {
			return "", err
		}
		var st unix.Stat_t
		err = unix.Fstat(int(f.Fd()), &st)
		return fmt.Sprintf("listening %d %d", l.Addr().(*net.TCPAddr).Port, st.Ino), err
	}
	pairs, err := strconv.Atoi(role)
	if err != nil {
		return "", err
	}
	return "ready", holdPairs(pairs)
}

// readCell reads what a cell says about its listener.
func readCell(t testing.TB, out io.Reader) (port uint16, ino uint64) {
	t.Helper()
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Sscanf(line, "listening %d %d", &port, &ino); err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	return port, ino
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
		startWorker(t, pairs)
		made += 2 * pairs
	}
	return made
}

func startWorker(t testing.TB, pairs int) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), workerEnv+"="+strconv.Itoa(pairs))
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		cmd.Wait()
	})
	var answer [256]byte
	n, err := out.Read(answer[:])
	if got := strings.TrimSpace(string(answer[:n])); got != "ready" {
		t.Fatalf("worker with %d pairs: %q, %v", pairs, got, err)
	}
}
