package bpf

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/eptop/eptop/internal/epoll"
)

// init keeps the main goroutine on the main thread, which holdThreads ends.
func init() { runtime.LockOSThread() }

// holdThreads holds 1,009 timerfds in 40 threads that share a table. Mode own: three more
// have tables of their own with 11 files more; mode ended: the first thread ends.
func holdThreads(args []string) error {
	for range 1009 {
		newTimerfd()
	}
	ready := make(chan error)
	thread := func(f func() error) {
		go func() {
			runtime.LockOSThread()
			ready <- f()
			select {}
		}()
	}
	for range 40 {
		thread(func() error { return nil })
	}
	if args[0] == "own" {
		for range 3 {
			thread(func() error {
				err := unix.Unshare(unix.CLONE_FILES)
				for range 11 {
					newTimerfd()
				}
				return err
			})
		}
	}
	threads := 40
	if args[0] == "own" {
		threads += 3
	}
	for range threads {
		if err := <-ready; err != nil {
			return err
		}
	}
	if args[0] == "ended" {
		go func() {
			// The main thread is gone when only others are left to run this.
			for {
				b, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/stat", os.Getpid(), os.Getpid()))
				if err != nil || len(b) > 0 && isZombie(b) {
					fmt.Println("ready")
					return
				}
				runtime.Gosched()
			}
		}()
		_, _, _ = unix.Syscall(unix.SYS_EXIT, 0, 0, 0)
	}
	return nil
}

// isZombie reads the state of /proc/PID/stat, behind the name in brackets.
func isZombie(stat []byte) bool {
	for i := len(stat) - 1; i > 0; i-- {
		if stat[i] == ')' {
			return i+2 < len(stat) && stat[i+2] == 'Z'
		}
	}
	return false
}

func timerfds(all []File) (n int, tables map[ID]int) {
	tables = map[ID]int{}
	for i := range all {
		if all[i].Kind == epoll.KindTimerfd {
			n++
			tables[all[i].Table]++
		}
	}
	return n, tables
}

func TestThreads(t *testing.T) {
	s := scanner(t)
	for _, tt := range []struct {
		mode           string
		tables, number int
	}{
		{"shared", 1, 1009},
		{"own", 4, 4*1009 + 3*11},
		{"ended", 1, 1009},
	} {
		t.Run(tt.mode, func(t *testing.T) {
			c := start(t, "threads "+tt.mode, nil)
			for _, o := range []Options{{PID: c.pid}, {}} {
				var mine []File
				for _, f := range files(t, s, o) {
					if int(f.PID) == c.pid {
						mine = append(mine, f)
					}
				}
				n, tables := timerfds(mine)
				if n != tt.number || len(tables) != tt.tables {
					t.Errorf("%+v: %d timerfds in %d tables, want %d in %d", o, n, len(tables), tt.number, tt.tables)
				}
				for _, f := range mine {
					if f.LeaderEnded != (tt.mode == "ended") {
						t.Fatalf("leader ended: %v", f.LeaderEnded)
					}
					if tt.mode == "shared" && f.TID != f.PID || tt.mode == "ended" && f.TID == f.PID {
						t.Fatalf("shown by thread %d of %d", f.TID, f.PID)
					}
				}
			}
		})
	}
}

// churn deletes and adds watches of an epoll without end, from two threads. The epoll has
// 4,001 watches but for the two that are on their way.
const churnWatches = 4001

func churn([]string) error {
	ep := newEpoll()
	fds := make([]int, churnWatches)
	for i := range fds {
		fds[i] = newEventfd(0)
		watch(ep, fds[i], unix.EPOLLIN)
	}
	half := len(fds) / 2
	for _, mine := range [][]int{fds[:half], fds[half:]} {
		go func() {
			for {
				fd := mine[rand.IntN(len(mine))]
				must(0, unix.EpollCtl(ep, unix.EPOLL_CTL_DEL, fd, nil))
				watch(ep, fd, unix.EPOLLIN)
			}
		}()
	}
	return nil
}

// TestChurn: under change a pass is never above the truth, nor far below it.
func TestChurn(t *testing.T) {
	s := scanner(t)
	c := start(t, "churn", nil)
	const passes, below = 20, 40
	for range passes {
		all := files(t, s, Options{PID: c.pid})
		most := 0
		for _, list := range watchesOf(all) {
			most = max(most, len(list))
		}
		if most > churnWatches || most < churnWatches-below {
			t.Fatalf("%d watches, want %d or a few less", most, churnWatches)
		}
		for _, f := range epolls(all, c.pid) {
			if n, known := f.Epoll.Watches.Get(); known && n > 1000 && (n > churnWatches || n < churnWatches-2) {
				t.Fatalf("the epoll counts %d watches, want %d less two at most", n, churnWatches)
			}
		}
	}
}

// loadAndScan is Load and a pass in a process of its own: it prints what came of it. In a
// PID namespace of its own it is process 1 there.
func loadAndScan(args []string) error {
	if len(args) > 0 {
		spawn("watches " + args[0])
	}
	s, err := Load(nil)
	var le *LoadError
	if errors.As(err, &le) {
		fmt.Println("reason", uint8(le.Reason), errors.Is(err, fs.ErrPermission), le.Remedy())
		return nil
	}
	if err != nil {
		return err
	}
	defer s.Close()
	var all []File
	if _, err := s.Scan(context.Background(), Options{}, func(f *File) error {
		all = append(all, clone(f))
		return nil
	}); err != nil {
		return err
	}
	most, holder := 0, int32(0)
	by := watchesOf(all)
	pids := map[int32]bool{}
	own := 0
	for _, f := range all {
		pids[f.PID] = true
		if int(f.PID) == os.Getpid() {
			own++
		}
		if f.Epoll != nil && len(by[f.Epoll.ID]) > most {
			most, holder = len(by[f.Epoll.ID]), f.PID
		}
	}
	fmt.Println("processes", len(pids), "own", own > 0, "most", most, "holder", holder)
	return nil
}

// TestPIDNamespace: in a PID namespace, processes have that namespace's numbers.
func TestPIDNamespace(t *testing.T) {
	scanner(t)
	c := start(t, "load 227", &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID})
	var processes, most, holder int
	var own bool
	if _, err := fmt.Sscanf(c.out[0], "processes %d own %v most %d holder %d", &processes, &own, &most, &holder); err != nil {
		t.Fatalf("%q: %v", c.out, err)
	}
	// The child is among the first of its namespace; threads take numbers too.
	if processes != 2 || !own || most != 227 || holder < 2 || holder > 100 {
		t.Errorf("%q: want two processes, with 227 watches of the second", c.out)
	}
}

// TestRights: CAP_BPF and CAP_PERFMON are enough to see every process; without them there
// is an error that says so.
func TestRights(t *testing.T) {
	scanner(t)
	start(t, "watches 331", nil)
	const nobody = 65534
	as := func(caps ...uintptr) *syscall.SysProcAttr {
		return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}, AmbientCaps: caps}
	}
	c := start(t, "load", as(unix.CAP_BPF, unix.CAP_PERFMON))
	var processes, most, holder int
	var own bool
	if _, err := fmt.Sscanf(c.out[0], "processes %d own %v most %d holder %d", &processes, &own, &most, &holder); err != nil || most < 331 {
		t.Errorf("with both capabilities: %q", c.out)
	}
	want := "reason " + strconv.Itoa(int(NoRight)) + " true sudo setcap cap_bpf,cap_perfmon+ep eptop"
	for name, attr := range map[string]*syscall.SysProcAttr{"none": as(), "CAP_BPF alone": as(unix.CAP_BPF), "CAP_PERFMON alone": as(unix.CAP_PERFMON)} {
		if c := start(t, "load", attr); c.out[0] != want {
			t.Errorf("%s: %q, want %q", name, c.out, want)
		}
	}
}

// ownTablesOnMain runs on the main thread, see init, what must not give it a table of its own.
func ownTablesOnMain([]string) error {
	o := &ownTables{begun: make(chan error), end: make(chan struct{})}
	begun := make(chan error)
	go func() {
		err := <-o.begun
		o.close()
		begun <- err
	}()
	o.run()
	if err := <-begun; err != nil {
		return err
	}
	fd := newTimerfd()
	seen := make(chan error)
	go func() {
		_, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		seen <- err
	}()
	return os.NewSyscallError("another thread does not see the descriptor", <-seen)
}

// TestTheMainThreadKeepsItsTable: with a copy it would keep open what is closed.
func TestTheMainThreadKeepsItsTable(t *testing.T) { start(t, "main-table", nil) }
