package sock

import (
	"fmt"
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

// workerMain opens pairs of TCP connections to itself, says so and waits.
func workerMain(role string) {
	pairs, err := strconv.Atoi(role)
	if err == nil {
		err = holdPairs(pairs)
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("ready")
	_, _ = os.Stdin.Read(make([]byte, 1))
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
