package collect

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/object"
	"github.com/eptop/eptop/internal/slab"
)

// openSocket opens a socket, which is closed when the test ends.
func openSocket(t *testing.T, domain, kind, protocol int) int {
	t.Helper()
	fd := mustFD(t)(unix.Socket(domain, kind|unix.SOCK_CLOEXEC, protocol))
	t.Cleanup(func() {
		// A reset leaves no TIME_WAIT behind.
		_ = unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
		_ = unix.Close(fd)
	})
	return fd
}

// listenOn makes a listening socket and returns its address.
func listenOn(t *testing.T, protocol, backlog int, to unix.Sockaddr, options ...int) (int, unix.Sockaddr) {
	t.Helper()
	domain := unix.AF_INET
	if _, isUnix := to.(*unix.SockaddrUnix); isUnix {
		domain = unix.AF_UNIX
	}
	fd := openSocket(t, domain, unix.SOCK_STREAM, protocol)
	for _, option := range options {
		mustDo(t, unix.SetsockoptInt(fd, unix.SOL_SOCKET, option, 1))
	}
	mustDo(t, unix.Bind(fd, to))
	mustDo(t, unix.Listen(fd, backlog))
	at, err := unix.Getsockname(fd)
	mustDo(t, err)
	return fd, at
}

var localhost = &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}

// TestDuplicatesOfASocket: a socket that is dup'ed 1,000 times is one.
func TestDuplicatesOfASocket(t *testing.T) {
	first := snapshotOf(t, newCollector(t, nil)).Process(os.Getpid())
	ls, _ := listenOn(t, 0, 5, localhost)
	for range 1000 {
		fd := mustFD(t)(unix.FcntlInt(uintptr(ls), unix.F_DUPFD_CLOEXEC, 0))
		t.Cleanup(func() { _ = unix.Close(fd) })
	}
	p := snapshotOf(t, newCollector(t, nil)).Process(os.Getpid())
	before, socketsBefore := int64(0), int64(0)
	if first != nil {
		before, socketsBefore = first.KernelBytes.Sockets.Value, first.Sockets.Value
	}
	if n := p.Sockets.Value - socketsBefore; n < 1 || n > 20 || p.KernelBytes.Sockets.Value-before > 20*8000 {
		t.Errorf("%d more sockets, %d more bytes than before", n, p.KernelBytes.Sockets.Value-before)
	}
}

// TestEachQueueOfAReuseportGroup: one full queue is seen among others of its address.
func TestEachQueueOfAReuseportGroup(t *testing.T) {
	const backlog = 3
	_, at := listenOn(t, 0, backlog, localhost, unix.SO_REUSEPORT)
	for range 2 {
		listenOn(t, 0, 50, at, unix.SO_REUSEPORT)
	}
	name := fmt.Sprintf("127.0.0.1:%d", at.(*unix.SockaddrInet4).Port)
	for i := range 300 {
		fd := openSocket(t, unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK, 0)
		if err := unix.Connect(fd, at); err != nil && !errors.Is(err, unix.EINPROGRESS) {
			t.Fatal(err)
		}
		if i < 40 || i%20 != 0 {
			continue
		}
		g := groupNamed(snapshotOf(t, newCollector(t, nil)).Sockets.ByPort, name)
		if g == nil || len(g.Queues) != 3 {
			t.Fatalf("%s is not a group of three: %+v", name, g)
		}
		q, alike := g.Fullest()
		if q.Waiting.Value <= backlog || q.Backlog.Value != backlog {
			continue
		}
		if g.QueueState != model.QueueFull || alike != 1 || g.Backlog.Value != 100+backlog || g.Waiting.Value < q.Waiting.Value {
			t.Errorf("group = %+v", g)
		}
		return
	}
	t.Error("300 connections did not fill a queue of 3")
}

func groupNamed(groups []model.SocketGroup, name string) *model.SocketGroup {
	for i := range groups {
		if groups[i].Name == name {
			return &groups[i]
		}
	}
	return nil
}

// TestUnixListenersByKindOfName: an abstract name and a path that look alike are two.
func TestUnixListenersByKindOfName(t *testing.T) {
	t.Chdir(t.TempDir())
	name := fmt.Sprintf("eptop%d", os.Getpid())
	mustPath := openSocket(t, unix.AF_UNIX, unix.SOCK_STREAM, 0)
	// Go writes "@" as an abstract name; a path that begins with it needs another way there.
	mustDo(t, unix.Bind(mustPath, &unix.SockaddrUnix{Name: "./@" + name}))
	mustDo(t, unix.Listen(mustPath, 1))
	listenOn(t, 0, 9, &unix.SockaddrUnix{Name: "@" + name})
	s := snapshotOf(t, newCollector(t, nil)).Sockets
	abstract, path := groupNamed(s.ByPort, "@"+name), groupNamed(s.ByPort, "./@"+name)
	if abstract == nil || path == nil || !abstract.Abstract || path.Abstract || abstract.Backlog.Value != 9 || path.Backlog.Value != 1 {
		t.Errorf("abstract %+v, path %+v", abstract, path)
	}
}

// agrees compares what sockets are said to take with what the slab grew by, until both
// agree to 2 %: other programs make and free objects at the same time.
func agrees(t *testing.T, n int, kinds []object.Kind, open func(t *testing.T)) {
	t.Helper()
	const most = 0.02
	slabs := slab.NewFS("/proc", "/sys")
	activeOf(t, slabs, kinds) // or skip
	off := 1.0
	for deadline := time.Now().Add(time.Minute); (off < -most || off > most) && time.Now().Before(deadline); {
		t.Run("try", func(t *testing.T) {
			first := snapshotOf(t, newCollector(t, nil))
			before := activeOf(t, slabs, kinds)
			open(t)
			after := activeOf(t, slabs, kinds)
			second := snapshotOf(t, newCollector(t, nil))
			var grown int64
			for name, bytes := range after {
				grown += bytes - before[name]
			}
			said := second.Sockets.StructBytes.Value - first.Sockets.StructBytes.Value
			t.Logf("said to take %d bytes each, the slab grew by %d", said/int64(n), grown/int64(n))
			off = float64(said-grown) / float64(grown)
		})
	}
	if off < -most || off > most {
		t.Errorf("what the sockets are said to take was never what the slab grew by, the last time %.1f %% off", 100*off)
	}
}

// activeOf returns the bytes of active objects in the caches of those kinds.
func activeOf(t *testing.T, f *slab.FS, kinds []object.Kind) map[string]int64 {
	t.Helper()
	caches, err := f.Caches()
	if errors.Is(err, os.ErrPermission) {
		t.Skip("/proc/slabinfo may not be read: run this test as root")
	}
	mustDo(t, err)
	names, err := f.Names()
	mustDo(t, err)
	out := map[string]int64{}
	for _, k := range kinds {
		shown, _ := names.ShownAs(k.Cache)
		switch k {
		case object.Subflow:
			shown = "kmalloc-512" // of all kernels with MPTCP so far
		case object.UDPQueue:
			shown = "kmalloc-64" // on one node
		}
		for i := range caches {
			if caches[i].Name == shown {
				out[shown] = int64(caches[i].ActiveObjs * caches[i].BytesPerObject(os.Getpagesize()))
			}
		}
	}
	return out
}

// TestMPTCPAgreesWithSlab: an MPTCP end has an MPTCP socket and a subflow beside its TCP
// socket, accepted or not.
func TestMPTCPAgreesWithSlab(t *testing.T) {
	if b, err := os.ReadFile("/proc/sys/net/mptcp/enabled"); err != nil || b[0] != '1' {
		t.Skipf("net.mptcp.enabled is not 1 (%q, %v): use a kernel with CONFIG_MPTCP", b, err)
	}
	const n = 1500
	kinds := append(object.WithFile(object.TCP), object.MPTCP, object.Subflow, object.SubflowRequest, object.BindPort, object.BindAddress)
	agrees(t, n, kinds, func(t *testing.T) {
		ls, at := listenOn(t, unix.IPPROTO_MPTCP, n, localhost)
		for i := range n {
			mustDo(t, unix.Connect(openSocket(t, unix.AF_INET, unix.SOCK_STREAM, unix.IPPROTO_MPTCP), at))
			if i < n/2 {
				a, _, err := unix.Accept4(ls, unix.SOCK_CLOEXEC)
				mustDo(t, err)
				t.Cleanup(func() { _ = unix.Close(a) })
			}
		}
	})
}

// TestUDPAgreesWithSlab: since Linux 6.18 a UDP socket has queues beside its structure.
func TestUDPAgreesWithSlab(t *testing.T) {
	if b, err := os.ReadFile("/sys/devices/system/node/possible"); err == nil && strings.TrimSpace(string(b)) != "0" {
		t.Skipf("nodes %s: run it where there can be one node only", b)
	}
	const n = 1500
	for domain, socket := range map[int]object.Kind{unix.AF_INET: object.UDP, unix.AF_INET6: object.UDPv6} {
		t.Run(socket.Cache, func(t *testing.T) {
			agrees(t, n, append(object.WithFile(socket), object.UDPQueue), func(t *testing.T) {
				for range n {
					fd := openSocket(t, domain, unix.SOCK_DGRAM, 0)
					at := unix.Sockaddr(&unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}})
					if domain == unix.AF_INET6 {
						at = &unix.SockaddrInet6{Addr: [16]byte{15: 1}}
					}
					mustDo(t, unix.Bind(fd, at)) // sock_diag lists those with a port
				}
			})
		})
	}
}

// TestAcceptQueuesAgreeWithSlab: a TCP connection that waits keeps its request, and a UNIX
// one, which no dump lists, has a socket.
func TestAcceptQueuesAgreeWithSlab(t *testing.T) {
	const n = 1500
	for name, tt := range map[string]struct {
		at    unix.Sockaddr
		kinds []object.Kind
	}{
		"tcp":  {localhost, append(object.WithFile(object.TCP), object.Request, object.BindPort, object.BindAddress)},
		"unix": {&unix.SockaddrUnix{Name: fmt.Sprintf("@eptop-queue%d", os.Getpid())}, object.WithFile(object.UNIXStream)},
	} {
		t.Run(name, func(t *testing.T) {
			agrees(t, n, tt.kinds, func(t *testing.T) {
				ls, at := listenOn(t, 0, n, tt.at)
				domain := unix.AF_INET
				if name == "unix" {
					domain = unix.AF_UNIX
				}
				for range n {
					mustDo(t, unix.Connect(openSocket(t, domain, unix.SOCK_STREAM, 0), at))
				}
				_ = ls
			})
		})
	}
}

// TestBindBucketsOfOnePort: clients that share a port share its buckets, and a process's
// sockets take what the host's take.
func TestBindBucketsOfOnePort(t *testing.T) {
	const listeners, each = 25, 60
	kinds := append(object.WithFile(object.TCP), object.BindPort, object.BindAddress)
	var client unix.Sockaddr
	agrees(t, 2*listeners*each, kinds, func(t *testing.T) {
		client = nil
		for range listeners {
			ls, at := listenOn(t, 0, 4096, &unix.SockaddrInet4{})
			port := at.(*unix.SockaddrInet4).Port
			for k := range each {
				fd := openSocket(t, unix.AF_INET, unix.SOCK_STREAM, 0)
				mustDo(t, unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1))
				if client == nil {
					mustDo(t, unix.Bind(fd, localhost))
					var err error
					client, err = unix.Getsockname(fd)
					mustDo(t, err)
				} else {
					mustDo(t, unix.Bind(fd, client))
				}
				mustDo(t, unix.Connect(fd, &unix.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, byte(k + 1)}}))
				a, _, err := unix.Accept4(ls, unix.SOCK_CLOEXEC)
				mustDo(t, err)
				t.Cleanup(func() { _ = unix.Close(a) })
			}
		}
		s := snapshotOf(t, newCollector(t, nil))
		own, all := s.Process(os.Getpid()).KernelBytes.Sockets.Value, s.Sockets.StructBytes.Value
		if own > all || own < 2*listeners*each*2304 {
			t.Errorf("this process's sockets take %d bytes, all of the host %d", own, all)
		}
	})
}
