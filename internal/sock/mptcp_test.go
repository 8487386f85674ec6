package sock

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// mptcpMsg is a connection of the port to port 80 of 10.0.0.2.
func mptcpMsg(ino uint32, port uint16, state State) inetMsg {
	m := tcpMsg(ino)
	m.state, m.localPort, m.remotePort, m.hasMem = uint8(state), port, 80, true
	m.local, m.remote = [16]byte{10, 0, 0, 1}, [16]byte{10, 0, 0, 2}
	return m
}

func answer(msgs ...inetMsg) func(uint32) []step {
	return func(seq uint32) []step {
		var b []byte
		for _, m := range msgs {
			b = append(b, encodeMessage(unix.SOCK_DIAG_BY_FAMILY, 0, seq, encodeInet(m))...)
		}
		return []step{{data: append(b, encodeMessage(unix.NLMSG_DONE, 0, seq, encodeErrno(0))...)}}
	}
}

// TestMPTCPIsJoined: MPTCP sockets find their subflows by inode, and by address where
// they have none yet or, before Linux 6.5, another one.
func TestMPTCPIsJoined(t *testing.T) {
	plain, first, joined := mptcpMsg(40, 1, StateEstablished), mptcpMsg(50, 2, StateEstablished), mptcpMsg(50, 3, StateEstablished)
	waiting, hidden, listening := mptcpMsg(0, 4, StateEstablished), mptcpMsg(60, 5, StateEstablished), mptcpMsg(70, 6, StateListen)
	first.mem, first.recvQueue = MemInfo{RmemAlloc: 100, WmemQueued: 300}, 7
	whole := mptcpMsg(50, 2, StateEstablished)
	whole.mem, whole.recvQueue = MemInfo{RmemAlloc: 1000, WmemQueued: 200, OptMem: 1}, 1000
	gone := mptcpMsg(90, 9, StateEstablished)
	f := &fake{t: t, answers: []func(uint32) []step{
		answer(plain, first, joined, first, waiting, hidden, listening),
		answer(whole, mptcpMsg(0, 4, StateEstablished), mptcpMsg(61, 5, StateEstablished), mptcpMsg(70, 6, StateListen), gone),
		refused(unix.NLMSG_DONE, unix.ENOENT),
	}}
	c := &Conn{open: f.open}
	table := c.Dump(t.Context(), nil, FamilyTCP4|FamilyMPTCP)
	got := map[uint16]Socket{}
	for _, s := range table.All() {
		got[s.Local.Port()] = s
	}
	for port, want := range map[uint16]struct {
		ino  uint32
		role MPTCP
	}{1: {40, MPTCPNone}, 2: {50, MPTCPSocket}, 3: {0, MPTCPJoined}, 4: {0, MPTCPSocket}, 5: {61, MPTCPSocket}, 6: {70, MPTCPSocket}} {
		if s := got[port]; s.Ino != want.ino || s.MPTCP != want.role {
			t.Errorf("port %d: inode %d, role %d, want %+v", port, s.Ino, s.MPTCP, want)
		}
	}
	if s := got[2]; s.RecvQueue != 1007 || s.Mem.RmemAlloc != 1100 || s.Mem.WmemQueued != 300 || s.Mem.OptMem != 1 || s.Protocol() != "mptcp" {
		t.Errorf("both sockets together: %+v", s)
	}
	if w, j := got[4], got[3]; !w.Waiting() || j.Waiting() || j.Orphan() {
		t.Error("who waits for accept is mixed up")
	}
	if i, ok := table.Find(61); !ok || table.At(i).Local.Port() != 5 {
		t.Error("a hidden inode was not replaced")
	}
	if table.Len() != 6 || table.Duplicates != 1 || table.Unjoined != 1 {
		t.Errorf("%d sockets, %d twice, %d not joined", table.Len(), table.Duplicates, table.Unjoined)
	}
	if o := table.Outcomes; o[0].Sockets != 6 || o[1].Sockets != 4 || o[2].State != Absent {
		t.Errorf("%+v", o)
	}
	var groups []string
	for g, n := range table.Groups() {
		groups = append(groups, fmt.Sprint(g.MPTCP, g.State, n))
	}
	slices.Sort(groups)
	if got := fmt.Sprint(groups); got != "[0 ESTABLISHED 1 1 ESTABLISHED 1 1 ESTABLISHED 2 1 LISTEN 1 2 ESTABLISHED 1]" {
		t.Errorf("groups %v", got)
	}
	b, _ := table.AppendBinary(nil)
	again := NewTable()
	if err := again.UnmarshalBinary(b); err != nil || again.At(1).MPTCP != table.At(1).MPTCP {
		t.Errorf("after bytes: %v, %+v", err, again.At(1))
	}
}

// TestLiveMPTCP makes a listener, 23 MPTCP connections of which 5 wait, and one of a plain
// client, for IPv4 and IPv6.
func TestLiveMPTCP(t *testing.T) {
	if b, err := os.ReadFile("/proc/sys/net/mptcp/enabled"); err != nil || b[0] != '1' {
		t.Skipf("net.mptcp.enabled is not 1 (%q, %v): use a kernel with CONFIG_MPTCP", b, err)
	}
	c := openOwn(t)
	if o := c.Dump(t.Context(), nil, FamilyMPTCP).Outcomes[0]; o.State != OK {
		t.Skipf("%v: use a kernel with CONFIG_INET_MPTCP_DIAG", o.Err)
	}
	for _, family := range []int{unix.AF_INET, unix.AF_INET6} {
		socket := func(protocol int) int {
			fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, protocol)
			if errors.Is(err, unix.EPROTONOSUPPORT) {
				t.Skip("no MPTCP over this family")
			}
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { unix.Close(fd) })
			return fd
		}
		ls := socket(unix.IPPROTO_MPTCP)
		if err := errors.Join(unix.Bind(ls, loopback(family)), unix.Listen(ls, 100)); err != nil {
			t.Fatal(err)
		}
		to, err := unix.Getsockname(ls)
		if err != nil {
			t.Fatal(err)
		}
		want := map[uint64]MPTCP{inoOf(t, ls): MPTCPSocket}
		for i := range 24 {
			protocol, role := unix.IPPROTO_MPTCP, MPTCPSocket
			if i == 0 {
				protocol, role = unix.IPPROTO_TCP, MPTCPNone
			}
			fd := socket(protocol)
			if err := unix.Connect(fd, to); err != nil {
				t.Fatal(err)
			}
			want[inoOf(t, fd)] = role
			if i < 19 {
				a, _, err := unix.Accept4(ls, unix.SOCK_CLOEXEC)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { unix.Close(a) })
				want[inoOf(t, a)] = role
			}
		}
		table := c.Dump(t.Context(), nil, Families)
		waiting := 0
		for _, s := range table.All() {
			if role, ours := want[uint64(s.Ino)]; ours && s.MPTCP == role {
				delete(want, uint64(s.Ino))
			}
			if s.Local.Port() == portOf(to) && s.Waiting() && s.MPTCP == MPTCPSocket {
				waiting++
			}
		}
		if len(want) > 0 || waiting != 5 {
			t.Errorf("family %d: not as they were made: %v; %d wait", family, want, waiting)
		}
	}
}

func portOf(sa unix.Sockaddr) uint16 {
	if six, ok := sa.(*unix.SockaddrInet6); ok {
		return uint16(six.Port)
	}
	return uint16(sa.(*unix.SockaddrInet4).Port)
}

// TestMPTCPHasNoFile: without sock_diag nothing is known of MPTCP, which is not none.
func TestMPTCPHasNoFile(t *testing.T) {
	f := &fake{t: t, answers: repeat(2, refused(unix.NLMSG_ERROR, unix.EPERM))}
	c := &Conn{open: f.open, procNet: t.TempDir()}
	for _, o := range c.Dump(t.Context(), nil, FamilyMPTCP).Outcomes {
		if o.State != Denied || o.Via != SockDiag || !errors.Is(o.Err, fs.ErrPermission) {
			t.Errorf("%+v", o)
		}
	}
	if o := ReadProcNet(t.Context(), t.TempDir(), nil, Families).Outcomes; len(o) != 5 {
		t.Errorf("%d outcomes of /proc/net", len(o))
	}
}
