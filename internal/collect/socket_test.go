package collect

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/slab"
)

// pairs connects n TCP sockets over loopback and returns both ends of each.
func pairs(t *testing.T, n int) []int {
	t.Helper()
	ls := mustFD(t)(unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0))
	defer unix.Close(ls)
	any4 := &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}
	mustDo(t, unix.Bind(ls, any4))
	mustDo(t, unix.Listen(ls, 128))
	to, err := unix.Getsockname(ls)
	mustDo(t, err)
	var fds []int
	for range n {
		c := mustFD(t)(unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0))
		mustDo(t, unix.Connect(c, to))
		s, _, err := unix.Accept4(ls, unix.SOCK_CLOEXEC)
		mustDo(t, err)
		fds = append(fds, c, s)
	}
	t.Cleanup(func() {
		for _, fd := range fds {
			// A reset leaves no TIME_WAIT behind.
			_ = unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
			_ = unix.Close(fd)
		}
	})
	return fds
}

func mustDo(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func mustFD(t *testing.T) func(int, error) int {
	return func(fd int, err error) int {
		t.Helper()
		mustDo(t, err)
		return fd
	}
}

// TestStructuresAgreeWithSlab compares what the sockets are said to take with what the
// kernel's slab caches grew by when they were made. Other programs make and free
// objects at the same time, so a comparison that fails is repeated.
func TestStructuresAgreeWithSlab(t *testing.T) {
	const most = 0.02
	slabs := slab.NewFS("/proc", "/sys")
	active(t, slabs) // or skip
	off, tries := 1.0, 0
	for deadline := time.Now().Add(time.Minute); (off < -most || off > most) && time.Now().Before(deadline); tries++ {
		t.Run("try", func(t *testing.T) { off = compareWithSlab(t, slabs) })
	}
	if off < -most || off > most {
		t.Errorf("%d times in a row what the sockets are said to take was not what the slab grew by, the last time %.1f %% off", tries, 100*off)
	}
}

// compareWithSlab makes sockets and returns by which share the memory they are said to
// take exceeds the growth of the slab.
func compareWithSlab(t *testing.T, slabs *slab.FS) float64 {
	const n = 4000
	first := snapshotOf(t, newCollector(t, nil))
	before := active(t, slabs) // after the look, whose own dentries are not the sockets'
	pairs(t, n)
	for range n {
		fd := mustFD(t)(unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0))
		t.Cleanup(func() { _ = unix.Close(fd) })
		mustDo(t, unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	}
	after := active(t, slabs)
	second := snapshotOf(t, newCollector(t, nil))
	var grown int64
	for name, bytes := range after {
		grown += bytes - before[name]
	}
	said := second.Sockets.StructBytes.Value - first.Sockets.StructBytes.Value
	t.Logf("%d sockets are said to take %d bytes, the slab grew by %d", 3*n, said, grown)
	if got := second.Process(os.Getpid()).EndsHere; got < 2*n || got > 2*n+100 {
		t.Errorf("%d sockets of this process have both ends here, want %d", got, 2*n)
	}
	if second.Sockets.PinnedReclaimableBytes.Value < 3*n*(768+192) {
		t.Errorf("only %d bytes are said to be pinned", second.Sockets.PinnedReclaimableBytes.Value)
	}
	return float64(said-grown) / float64(grown)
}

// active returns the bytes of active objects in the caches that sockets are made of.
func active(t *testing.T, f *slab.FS) map[string]int64 {
	t.Helper()
	caches, err := f.Caches()
	if errors.Is(err, fs.ErrPermission) {
		t.Skip("/proc/slabinfo may not be read: run this test as root")
	}
	mustDo(t, err)
	names, err := f.Names()
	mustDo(t, err)
	out := map[string]int64{}
	for _, name := range []string{
		"TCP", "UDP", "sock_inode_cache", "filp", "dentry", "lsm_inode_cache", "lsm_file_cache", "tcp_bind_bucket", "tcp_bind2_bucket",
	} {
		shown, _ := names.ShownAs(name)
		for i := range caches {
			if caches[i].Name == shown {
				out[shown] = int64(caches[i].ActiveObjs * caches[i].BytesPerObject(os.Getpagesize()))
			}
		}
	}
	return out
}

// TestCachesAreExplained: with 3,000 connections here most objects of the caches
// behind them are explained, also in the merged cache of watches and bind buckets.
func TestCachesAreExplained(t *testing.T) {
	const n = 3000
	fds := pairs(t, n)
	ep := mustFD(t)(unix.EpollCreate1(unix.EPOLL_CLOEXEC))
	t.Cleanup(func() { _ = unix.Close(ep) })
	for i := 1; i < len(fds); i += 2 {
		mustDo(t, unix.EpollCtl(ep, unix.EPOLL_CTL_ADD, fds[i], &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fds[i])}))
	}
	s := snapshotOf(t, newCollector(t, nil))
	if s.Slab == nil {
		t.Skip("/proc/slabinfo is denied: run the test as root")
	}
	atLeast := map[string]int64{
		"TCP": 2 * n, "sock_inode_cache": 2 * n, "dentry": 2 * n, "filp": 2 * n,
		"eventpoll_epi": n, "eventpoll_pwq": n, "ep_head": n, "tcp_bind_bucket": n, "tcp_bind2_bucket": n,
	}
	for i := range s.Slab {
		c := &s.Slab[i]
		for _, u := range c.ExplainedBy {
			if u.Objects >= atLeast[u.Cache] {
				delete(atLeast, u.Cache)
			}
		}
		explained, ok := c.Explained()
		if !ok {
			continue
		}
		t.Logf("%-20s %7d active, %7d explained, %7d not", c.Name, c.Active, explained, c.Unexplained.Value)
		switch c.Name {
		case "TCP", "sock_inode_cache", "filp":
			// Free objects on per-CPU slabs count as active; other tests ran before.
			if explained*100 < c.Active*75 || explained*100 > c.Active*105 {
				t.Errorf("%s: %d of %d active objects are explained", c.Name, explained, c.Active)
			}
		}
	}
	if len(atLeast) > 0 {
		t.Errorf("not explained at all: %v", atLeast)
	}
}

func TestSocketsOfAProcess(t *testing.T) {
	fds := pairs(t, 23)
	mustFD(t)(unix.Write(fds[0], make([]byte, 100_000))) // stays unread
	s := snapshotOf(t, newCollector(t, nil))
	p := s.Process(os.Getpid())
	if p == nil {
		t.Fatal("this process is not in the snapshot")
	}
	if p.EndsHere != 46 || p.Sockets.Value < 46 || p.KernelBytes.Sockets.Value < 46*2304 || p.KernelBytes.Buffers.Value < 100_000 {
		t.Errorf("process = %+v", p)
	}
	if s.Sockets.TCP.States["ESTABLISHED"] < 46 || s.Sockets.TCPMem.Value.High <= s.Sockets.TCPMem.Value.Low {
		t.Errorf("sockets = %+v", s.Sockets)
	}
}

func TestAWatchIsJoinedWithItsSocket(t *testing.T) {
	fds := pairs(t, 1)
	ep := mustFD(t)(unix.EpollCreate1(unix.EPOLL_CLOEXEC))
	defer unix.Close(ep)
	mustDo(t, unix.EpollCtl(ep, unix.EPOLL_CTL_ADD, fds[1], &unix.EpollEvent{Events: unix.EPOLLIN}))
	mustFD(t)(unix.Write(fds[0], make([]byte, 777)))
	s := snapshotOf(t, newCollector(t, nil))
	local, err := unix.Getsockname(fds[1])
	mustDo(t, err)
	port := local.(*unix.SockaddrInet4).Port
	p := s.Process(os.Getpid())
	for i := range p.Epolls {
		if p.Epolls[i].FD != ep {
			continue
		}
		got := s.Target(p.Epolls[i].List[0])
		want := (&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port}).String()
		if got.Kind != "tcp" || got.State != "ESTABLISHED" || got.Local != want || got.RecvQueue != maybe.Some[int64](777) || got.BufferBytes.Value < 777 {
			t.Errorf("target = %+v, want local %s", got, want)
		}
		return
	}
	t.Fatalf("epoll %d is not among %+v", ep, p.Epolls)
}

// TestAnotherNamespace finds the sockets of a process in a network namespace of its
// own; where eptop may not enter it, the Sample says so.
func TestAnotherNamespace(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("making a network namespace needs root")
	}
	w := start(t, "namespace:7", 0)
	s := snapshotOf(t, newCollector(t, nil))
	if len(s.Sockets.Namespaces) < 2 {
		t.Fatalf("namespaces = %+v", s.Sockets.Namespaces)
	}
	id, err := os.Readlink(filepath.Join("/proc", itoa(w.pids[0]), "ns/net"))
	mustDo(t, err)
	for _, n := range s.Sockets.Namespaces {
		if n.ID == id {
			if n.State != model.OK || n.Sockets.Value != 7 || n.Own {
				t.Errorf("namespace = %+v", n)
			}
			if p := s.Process(w.pids[0]); p.KernelBytes.Sockets.Value < 7*1000 || len(p.KernelBytes.LeavesOut) != 0 {
				t.Errorf("process = %+v", p)
			}
			return
		}
	}
	t.Errorf("%s is not among %+v", id, s.Sockets.Namespaces)
}
