package collect

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

// The test binary plays the processes that are looked at: with this variable in its
// environment it makes a known workload, says that it is ready, and stays until its
// stdin closes.
const workloadEnv = "EPTOP_TEST_WORKLOAD"

func TestMain(m *testing.M) {
	if w := os.Getenv(workloadEnv); w != "" {
		playWorkload(w)
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// init keeps the main goroutine on the main thread, where that is to end, or to be no
// other's.
func init() {
	if w := os.Getenv(workloadEnv); strings.HasPrefix(w, "zombie") || strings.HasPrefix(w, "tables") {
		runtime.LockOSThread()
	}
}

func isEnded(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/stat", pid, pid))
	check(err)
	return strings.Contains(string(stat), ") Z ")
}

func ignoreEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

func playWorkload(name string) {
	kind, arg, _ := strings.Cut(name, ":")
	n, _ := strconv.Atoi(arg)
	ep := -1
	switch kind {
	case "watches": // one epoll with n watches
		ep = must(unix.EpollCreate1(unix.EPOLL_CLOEXEC))
		addEventfds(ep, n)
	case "none":
	case "looks":
		playLooks(n)
		return
	case "covers":
		playCovers(arg)
		return
	case "zombie": // n watches in an epoll; the main thread has ended
		ep = must(unix.EpollCreate1(unix.EPOLL_CLOEXEC))
		addEventfds(ep, n)
		go func() {
			for !isEnded(os.Getpid()) {
				runtime.Gosched()
			}
			fmt.Println(os.Getpid())
			_, err := os.Stdin.Read(make([]byte, 1))
			check(ignoreEOF(err))
			os.Exit(0)
		}()
		syscall.Syscall(syscall.SYS_EXIT, 0, 0, 0) // of this thread alone, see init
	case "tables": // n threads, the i-th with a table of its own and an epoll of i watches where i is odd
		addEventfds(must(unix.EpollCreate1(unix.EPOLL_CLOEXEC)), 2) // in all tables
		var ready sync.WaitGroup
		var tids sync.Map
		for i := range n {
			ready.Add(1)
			go func() {
				runtime.LockOSThread() // and never unlocked: the thread ends with its goroutine
				tids.Store(i, unix.Gettid())
				if i%2 == 1 {
					check(unix.Unshare(unix.CLONE_FILES))
					addEventfds(must(unix.EpollCreate1(unix.EPOLL_CLOEXEC)), i)
				}
				ready.Done()
				select {}
			}()
		}
		ready.Wait()
		fmt.Print(os.Getpid())
		for i := range n {
			tid, _ := tids.Load(i)
			fmt.Print(" ", tid)
		}
		fmt.Println()
		_, err := os.Stdin.Read(make([]byte, 1))
		check(ignoreEOF(err))
		return
	case "closes": // a socket, until a byte comes; then nothing is open, until SIGTERM
		end := make(chan os.Signal, 1)
		signal.Notify(end, syscall.SIGTERM)
		must(unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM, 0))
		fmt.Println(os.Getpid())
		_, err := syscall.Read(0, make([]byte, 1))
		check(err)
		check(unix.CloseRange(0, math.MaxUint32, 0))
		<-end
		os.Exit(0)
	case "unreaped": // a child that ends at a line, and stays a zombie
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), workloadEnv+"=none")
		in, err := child.StdinPipe()
		check(err)
		out, err := child.StdoutPipe()
		check(err)
		check(child.Start())
		line, err := bufio.NewReader(out).ReadString('\n')
		check(err)
		fmt.Printf("%d %s", os.Getpid(), line)
		bufio.NewReader(os.Stdin).ReadString('\n')
		check(in.Close())
		for !isEnded(child.Process.Pid) {
			runtime.Gosched()
		}
		fmt.Println("done")
		_, err = io.Copy(io.Discard, os.Stdin)
		check(err)
		check(child.Wait())
		return
	case "stale": // n watches of closed fds, whose files duplicates keep open
		ep = must(unix.EpollCreate1(unix.EPOLL_CLOEXEC))
		keepFiles(add(ep, n, unusual, newEventfd))
	case "passed-sockets", "passed-eventfds": // n watches in an epoll that only a child holds now
		passed := must(unix.EpollCreate1(unix.EPOLL_CLOEXEC))
		file := newSocket
		if kind == "passed-eventfds" {
			file = newEventfd
		}
		fds := add(passed, n, unusual, file)
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), workloadEnv+"=none")
		child.ExtraFiles = []*os.File{os.NewFile(uintptr(passed), "epoll")}
		in, err := child.StdinPipe()
		check(err)
		out, err := child.StdoutPipe()
		check(err)
		check(child.Start())
		check(child.ExtraFiles[0].Close())
		line, err := bufio.NewReader(out).ReadString('\n')
		check(err)
		fmt.Printf("%d %s", os.Getpid(), line)
		bufio.NewReader(os.Stdin).ReadString('\n')
		keepFiles(fds)
		fmt.Println("done")
		_, err = io.Copy(io.Discard, os.Stdin)
		check(err)
		check(in.Close())
		check(child.Wait())
		return
	case "files": // two fds, none of them an epoll or a socket
		bare()
	case "pairs": // n TCP connections over loopback, both ends here
		ls := must(unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0))
		check(unix.Bind(ls, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
		check(unix.Listen(ls, 128))
		to, err := unix.Getsockname(ls)
		check(err)
		for i := range n {
			client := must(unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0))
			check(unix.SetsockoptLinger(client, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}))
			check(unix.SetsockoptInt(client, unix.SOL_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1))
			check(unix.Bind(client, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, byte(2 + i/4000)}}))
			check(unix.Connect(client, to))
			_, _, err := unix.Accept(ls)
			check(err)
		}
	case "namespace": // n bound UDP sockets in a network namespace of its own
		runtime.LockOSThread()
		check(unix.Unshare(unix.CLONE_NEWNET))
		for range n {
			fd := must(unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0))
			check(unix.Bind(fd, &unix.SockaddrInet4{}))
		}
	case "shared": // one epoll that a child holds too
		ep = must(unix.EpollCreate1(unix.EPOLL_CLOEXEC))
		addEventfds(ep, n)
		second := must(unix.FcntlInt(uintptr(ep), unix.F_DUPFD_CLOEXEC, 0))
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), workloadEnv+"=none")
		child.ExtraFiles = []*os.File{os.NewFile(uintptr(second), "epoll")}
		child.Stdin = os.Stdin
		out, err := child.StdoutPipe()
		check(err)
		check(child.Start())
		line, err := bufio.NewReader(out).ReadString('\n')
		check(err)
		fmt.Printf("%d %s", os.Getpid(), line)
		check(child.Wait())
		return
	case "mix":
		upLoopback()
		pids := playMix()
		fmt.Println(pids[0], pids[1])
		_, err := io.Copy(io.Discard, os.Stdin)
		check(err)
		return
	default:
		panic("unknown workload " + name)
	}
	fmt.Println(os.Getpid())
	// Further lines from the test change the workload.
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		if lines.Text() == "replace" {
			null := must(unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0))
			check(unix.Dup3(null, ep, unix.O_CLOEXEC))
			check(unix.Close(null))
			fmt.Println("done")
			continue
		}
		var what string
		var count int
		_, err := fmt.Sscanf(lines.Text(), "%s %d", &what, &count)
		check(err)
		switch what {
		case "epoll": // one with so many watches
			addEventfds(must(unix.EpollCreate1(unix.EPOLL_CLOEXEC)), count)
		case "epolls": // so many with one watch
			for range count {
				addEventfds(must(unix.EpollCreate1(unix.EPOLL_CLOEXEC)), 1)
			}
		default:
			panic("unknown command " + what)
		}
		fmt.Println("done")
	}
}

// bare closes all fds but stdin and stdout, those of the Go runtime too, and waits
// without the runtime for the end of stdin.
func bare() {
	check(unix.CloseRange(2, math.MaxUint32, 0))
	_, err := syscall.Write(1, []byte(itoa(os.Getpid())+"\n"))
	check(err)
	for {
		if n, err := syscall.Read(0, make([]byte, 1)); n == 0 || err != nil {
			os.Exit(0)
		}
	}
}

func addEventfds(ep, n int) { add(ep, n, 0, newEventfd) }

func newEventfd() (int, error) { return unix.Eventfd(0, unix.EFD_CLOEXEC) }

func newSocket() (int, error) { return unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0) }

// unusual is from which number on other processes have no fds.
const unusual = 300

// add watches n new files under numbers from least on.
func add(ep, n, least int, open func() (int, error)) (fds []int) {
	for range n {
		low := must(open())
		fd := must(unix.FcntlInt(uintptr(low), unix.F_DUPFD_CLOEXEC, least))
		check(unix.Close(low))
		check(unix.EpollCtl(ep, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN}))
		fds = append(fds, fd)
	}
	return fds
}

// keepFiles closes fds whose files a duplicate keeps open.
func keepFiles(fds []int) {
	for _, fd := range fds {
		must(unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 1000))
		check(unix.Close(fd))
	}
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func must(fd int, err error) int {
	check(err)
	return fd
}

func itoa(n int) string { return strconv.Itoa(n) }

func number(line string) (int, error) { return strconv.Atoi(strings.TrimSpace(line)) }

// workload is a running process with a known workload.
type workload struct {
	pid   int   // as the test numbers it
	pids  []int // as the workload does
	stdin *os.File
	out   *bufio.Reader
}

func start(t testing.TB, name string, uid uint32) *workload {
	t.Helper()
	if uid == 0 {
		return startAs(t, name, nil)
	}
	return startAs(t, name, &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}})
}

func startAs(t testing.TB, name string, as *syscall.SysProcAttr) *workload {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	// The race detector would sleep a second at the end of each workload.
	cmd.Env = append(os.Environ(), workloadEnv+"="+name, "GORACE=atexit_sleep_ms=0")
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = as
	in, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdin = in
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	in.Close()
	t.Cleanup(func() {
		w.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("workload %s: %v", name, err)
		}
	})
	p := &workload{pid: cmd.Process.Pid, stdin: w, out: bufio.NewReader(stdout)}
	line, err := p.out.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	for _, field := range strings.Fields(line) {
		pid, err := strconv.Atoi(field)
		if err != nil {
			t.Fatal(err)
		}
		p.pids = append(p.pids, pid)
	}
	return p
}

// do sends a line to the workload and waits until it was carried out.
func (p *workload) do(t *testing.T, line string) {
	t.Helper()
	if _, err := fmt.Fprintln(p.stdin, line); err != nil {
		t.Fatal(err)
	}
	if got, err := p.out.ReadString('\n'); err != nil || got != "done\n" {
		t.Fatalf("workload answered %q, %v", got, err)
	}
}
