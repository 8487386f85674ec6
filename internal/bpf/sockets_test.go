package bpf

import (
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"syscall"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/sys/unix"

	"github.com/eptop/eptop/internal/sock"
)

func newSocket(family, sort, protocol int) int {
	return must(unix.Socket(family, sort|unix.SOCK_CLOEXEC, protocol))
}

// listen4 returns a listener and its address.
func listen(fd int, at unix.Sockaddr, backlog int) unix.Sockaddr {
	must(0, unix.Bind(fd, at))
	must(0, unix.Listen(fd, backlog))
	return must(unix.Getsockname(fd))
}

func connect(family int, to unix.Sockaddr) int {
	fd := newSocket(family, unix.SOCK_STREAM, 0)
	must(0, unix.Connect(fd, to))
	return fd
}

// fill writes until nothing more fits.
func fill(fd int) {
	must(0, unix.SetNonblock(fd, true))
	b := make([]byte, 4096)
	for {
		if _, err := unix.Write(fd, b); err != nil {
			return
		}
	}
}

func holdSockets([]string) error {
	raiseLoopback()
	four, six := &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}, &unix.SockaddrInet6{Addr: [16]byte{15: 1}}

	l4 := newSocket(unix.AF_INET, unix.SOCK_STREAM, 0)
	at4 := listen(l4, four, 64)
	var ends [9][2]int
	for i := range ends {
		ends[i][0] = connect(unix.AF_INET, at4)
		fd, _, err := unix.Accept(l4)
		ends[i][1] = must(fd, err)
	}
	must(unix.Write(ends[0][0], []byte("five!")))
	fill(ends[1][0])
	must(0, unix.Shutdown(ends[2][0], unix.SHUT_WR))
	for must(unix.GetsockoptTCPInfo(ends[2][0], unix.IPPROTO_TCP, unix.TCP_INFO)).State != uint8(sock.StateFinWait2) {
		runtime.Gosched()
	}
	must(0, unix.SetsockoptInt(ends[3][0], unix.SOL_SOCKET, unix.SO_RCVBUF, 8192))
	must(0, unix.SetsockoptInt(ends[3][1], unix.SOL_SOCKET, unix.SO_SNDBUF, 16384))
	must(0, unix.SetsockoptString(ends[4][0], unix.SOL_SOCKET, unix.SO_BINDTODEVICE, "lo"))
	for range 5 {
		connect(unix.AF_INET, at4) // nobody accepts them
	}

	l6 := newSocket(unix.AF_INET6, unix.SOCK_STREAM, 0)
	at6 := listen(l6, six, 7)
	connect(unix.AF_INET6, at6)
	fd, _, err := unix.Accept(l6)
	must(unix.Write(must(fd, err), []byte("three")))
	dual := newSocket(unix.AF_INET6, unix.SOCK_STREAM, 0)
	atDual := listen(dual, &unix.SockaddrInet6{}, 3)
	mapped := &unix.SockaddrInet4{Addr: four.Addr, Port: atDual.(*unix.SockaddrInet6).Port}
	connect(unix.AF_INET, mapped)
	_, _, err = unix.Accept(dual)
	must(0, err)
	onlySix := newSocket(unix.AF_INET6, unix.SOCK_STREAM, 0)
	must(0, unix.SetsockoptInt(onlySix, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1))
	listen(onlySix, &unix.SockaddrInet6{}, 3)

	for _, at := range []unix.Sockaddr{four, six} {
		family := unix.AF_INET
		if at == unix.Sockaddr(six) {
			family = unix.AF_INET6
		}
		in := newSocket(family, unix.SOCK_DGRAM, 0)
		must(0, unix.SetsockoptInt(in, unix.SOL_SOCKET, unix.SO_RCVBUF, 4096))
		must(0, unix.Bind(in, at))
		out := newSocket(family, unix.SOCK_DGRAM, 0)
		must(0, unix.Connect(out, must(unix.Getsockname(in))))
		for range 50 {
			must(unix.Write(out, make([]byte, 300))) // most are dropped
		}
		must(0, unix.Bind(newSocket(family, unix.SOCK_DGRAM, 0), at))
	}

	for _, sort := range []int{unix.SOCK_STREAM, unix.SOCK_DGRAM, unix.SOCK_SEQPACKET} {
		pair := must(unix.Socketpair(unix.AF_UNIX, sort|unix.SOCK_CLOEXEC, 0))
		for range 3 {
			must(unix.Write(pair[0], make([]byte, 1001)))
		}
		must(unix.Socketpair(unix.AF_UNIX, sort|unix.SOCK_CLOEXEC, 0))
	}
	dir := must(os.MkdirTemp("", "bpf"))
	for _, name := range []string{dir + "/socket", fmt.Sprintf("@bpf-%d", os.Getpid())} {
		l := newSocket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
		at := &unix.SockaddrUnix{Name: name}
		listen(l, at, 11)
		for range 2 {
			connect(unix.AF_UNIX, at)
		}
		_, _, err := unix.Accept(l)
		must(0, err)
	}
	must(0, os.RemoveAll(dir))

	// Go's own listeners are of this sort.
	if l, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, unix.IPPROTO_MPTCP); err == nil {
		at := listen(l, four, 17)
		for range 2 {
			// The second waits.
			fd := must(unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, unix.IPPROTO_MPTCP))
			must(0, unix.Connect(fd, at))
			must(unix.Write(fd, make([]byte, 777)))
		}
		_, _, err := unix.Accept(l)
		must(0, err)
		connect(unix.AF_INET, at) // plain TCP
	}
	return nil
}

// raiseLoopback does what ip link set lo up does, where that was not done.
func raiseLoopback() {
	fd := newSocket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	defer unix.Close(fd)
	req := must(unix.NewIfreq("lo"))
	must(0, unix.IoctlIfreq(fd, unix.SIOCGIFFLAGS, req))
	if req.Uint16()&unix.IFF_UP == 0 {
		req.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
		must(0, unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, req))
	}
}

// asSock is a socket as package sock has it: nothing is lost.
func asSock(f *File) (s sock.Socket, ok bool) {
	from := f.Socket
	kinds := map[[3]int]sock.Kind{
		{unix.AF_INET, unix.SOCK_STREAM, unix.IPPROTO_TCP}: sock.TCP4, {unix.AF_INET6, unix.SOCK_STREAM, unix.IPPROTO_TCP}: sock.TCP6,
		{unix.AF_INET, unix.SOCK_DGRAM, unix.IPPROTO_UDP}: sock.UDP4, {unix.AF_INET6, unix.SOCK_DGRAM, unix.IPPROTO_UDP}: sock.UDP6,
		{unix.AF_UNIX, unix.SOCK_STREAM, 0}: sock.UnixStream, {unix.AF_UNIX, unix.SOCK_DGRAM, 0}: sock.UnixDgram,
		{unix.AF_UNIX, unix.SOCK_SEQPACKET, 0}: sock.UnixSeqpacket,
	}
	kind, ok := kinds[[3]int{int(from.Family), int(from.Type), int(from.Protocol)}]
	if !ok {
		return s, false
	}
	s = sock.Socket{
		Ino: uint32(f.Ino), Kind: kind, State: sock.State(from.State),
		Local: from.Local, Remote: from.Remote, Interface: from.Interface, DualStack: from.DualStack,
		PeerIno: from.PeerIno, UID: from.UID, HasUID: true,
		RecvQueue: from.RecvQueue.Value, SendQueue: from.SendQueue.Value,
		HasQueues: from.RecvQueue.Known && from.SendQueue.Known, HasBacklog: from.State == uint8(sock.StateListen),
		Mem: sock.MemInfo(from.Mem), HasMem: true,
	}
	if from.MPTCP {
		s.MPTCP = sock.MPTCPSocket
	}
	if n := from.Name; len(n) > 0 && n[0] == 0 {
		s.Name, s.Abstract = "@"+string(n[1:]), true
	} else if len(n) > 0 {
		s.Name = unix.ByteSliceToString(n)
	}
	return s, true
}

// TestSockets compares all sockets of a mix with sock_diag, in the own network namespace
// and in another.
func TestSockets(t *testing.T) {
	s := scanner(t)
	for name, flags := range map[string]uintptr{"own namespace": 0, "another namespace": syscall.CLONE_NEWNET} {
		t.Run(name, func(t *testing.T) {
			c := start(t, "sockets", &syscall.SysProcAttr{Cloneflags: flags})
			compareSockets(t, s, c.pid)
		})
	}
}

// dump returns what sock_diag says of each socket, by inode.
func dump(t *testing.T, conn *sock.Conn) map[uint32]sock.Socket {
	all := map[uint32]sock.Socket{}
	for _, s := range conn.Dump(t.Context(), nil, sock.Families).All() {
		all[s.Ino] = s
	}
	return all
}

func compareSockets(t *testing.T, s *Scanner, pid int) {
	namespaces, err := sock.NewNamespaces("/proc", 4)
	if err != nil {
		t.Fatal(err)
	}
	defer namespaces.Close()
	conn, err := namespaces.Conn(pid)
	if err != nil {
		t.Fatal(err)
	}
	var st unix.Stat_t
	if err := unix.Stat(fmt.Sprintf("/proc/%d/ns/net", pid), &st); err != nil {
		t.Fatal(err)
	}
	var all []File
	var want map[uint32]sock.Socket
	for tries := 0; ; tries++ {
		before := dump(t, conn)
		all, want = files(t, s, Options{PID: pid, Cgroups: true}), dump(t, conn)
		// What was sent may still be on its way.
		rest := true
		for _, f := range all {
			rest = rest && (f.Socket == nil || before[uint32(f.Ino)] == want[uint32(f.Ino)])
		}
		if rest {
			break
		}
		if tries == 1000 {
			t.Fatal("the sockets do not come to rest")
		}
	}
	// Without the module mptcp_diag, sock_diag shows the first subflow alone.
	diagMPTCP := false
	for _, o := range conn.Dump(t.Context(), nil, sock.FamilyMPTCP4).Outcomes {
		diagMPTCP = o.State == sock.OK
	}
	kinds := map[string]int{}
	unread, accept, dropped, mptcp := 0, 0, 0, 0
	for i := range all {
		f := &all[i]
		if f.Socket == nil {
			continue
		}
		if f.Socket.NetNS != uint32(st.Ino) {
			t.Errorf("fd %d is in network namespace %d, want %d", f.Num, f.Socket.NetNS, st.Ino)
		}
		if f.Socket.MPTCP {
			mptcp++
		}
		got, ok := asSock(f)
		if !ok || f.Socket.MPTCP && !diagMPTCP {
			continue
		}
		w, ok := want[got.Ino]
		if !ok {
			// sock_diag shows neither unbound nor closed TCP and UDP sockets.
			if got.State != sock.StateClose {
				t.Errorf("fd %d is not in sock_diag: %+v", f.Num, got)
			}
			continue
		}
		kinds[got.Kind.String()+" "+got.State.String()]++
		if !f.Socket.RecvQueue.Known {
			if got.Kind.IsUnix() && got.Mem.RmemAlloc == 0 && w.RecvQueue > 0 {
				unread++
			}
			w.HasQueues, w.RecvQueue = false, 0
		}
		if got.State == sock.StateListen && got.RecvQueue > 0 {
			accept++
		} else if got.RecvQueue > 0 {
			unread++
		}
		if got.Mem.Drops > 0 {
			dropped++
		}
		if diff := gocmp.Diff(w, got, cmpopts.EquateComparable(netip.AddrPort{})); diff != "" {
			t.Errorf("fd %d (-sock_diag +bpf):\n%s", f.Num, diff)
		}
	}
	for _, k := range []string{
		"tcp LISTEN", "tcp ESTABLISHED", "tcp FIN_WAIT2", "tcp CLOSE_WAIT", "tcp6 LISTEN", "tcp6 ESTABLISHED", "udp CLOSE", "udp ESTABLISHED",
		"udp6 CLOSE", "udp6 ESTABLISHED", "unix LISTEN", "unix ESTABLISHED", "unix-dgram ESTABLISHED", "unix-seqpacket ESTABLISHED",
	} {
		if kinds[k] == 0 {
			t.Errorf("no %s was compared", k)
		}
	}
	if unread < 7 || accept < 3 || dropped < 2 {
		t.Errorf("compared were %d with unread data, %d accept queues, %d with drops", unread, accept, dropped)
	}
	t.Logf("%v, %d of MPTCP", kinds, mptcp)
}
