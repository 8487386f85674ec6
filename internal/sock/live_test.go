package sock

import (
	"net"
	"os"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// openOwn opens the namespace of the test.
func openOwn(t testing.TB) *Conn {
	t.Helper()
	c, err := OpenOwn("")
	switch AvailabilityOf(err) {
	case Absent, Denied:
		t.Skipf("%v: run it on a kernel with CONFIG_INET_DIAG, outside a sandbox that forbids netlink", err)
	case Failed:
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// dumpOK dumps families that must all be there.
func dumpOK(t testing.TB, c *Conn, want Family) *Table {
	t.Helper()
	table := c.Dump(t.Context(), nil, want)
	for _, o := range table.Outcomes {
		switch {
		case o.State == Absent && o.Family&FamilyMPTCP != 0: // it marks sockets that others list
		case o.State == Absent:
			t.Skipf("%v: load the module or use a kernel with it", o.Err)
		case o.State != OK || o.Via != SockDiag || o.Torn:
			t.Fatalf("%v: %+v", o.Family, o)
		case o.Took <= 0 || o.Tries < 1:
			t.Errorf("%v: %+v", o.Family, o)
		}
	}
	return table
}

// inoOf is the inode of a descriptor.
func inoOf(t testing.TB, fd int) uint64 {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		t.Fatal(err)
	}
	return st.Ino
}

// fdOf is the descriptor of a connection or a listener, which keeps it.
func fdOf(t testing.TB, c any) int {
	t.Helper()
	raw, err := c.(interface {
		SyscallConn() (syscall.RawConn, error)
	}).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var fd int
	if err := raw.Control(func(n uintptr) { fd = int(n) }); err != nil {
		t.Fatal(err)
	}
	return fd
}

// TestTwentyThreePairs makes 23 connections and finds exactly their ends, each with
// the other.
func TestTwentyThreePairs(t *testing.T) {
	c := openOwn(t)
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	peers := map[uint64]uint64{}
	for range 23 {
		a, err := net.Dial("tcp4", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer a.Close()
		b, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		x, y := inoOf(t, fdOf(t, a)), inoOf(t, fdOf(t, b))
		peers[x], peers[y] = y, x
	}
	table := dumpOK(t, c, FamilyTCP4)
	addr := l.Addr().(*net.TCPAddr).AddrPort()
	found := 0
	for i, s := range table.All() {
		if s.State != StateEstablished || s.Local != addr && s.Remote != addr {
			continue
		}
		found++
		if int(s.UID) != os.Geteuid() || !s.HasUID || !s.HasMem || s.Mem.RcvBuf == 0 {
			t.Errorf("%+v", s)
		}
		j, ok := table.Peer(i)
		if !ok || uint64(table.Ino(j)) != peers[uint64(s.Ino)] {
			t.Errorf("%+v has peer %d (%v), want %d", s, table.Ino(j), ok, peers[uint64(s.Ino)])
		}
	}
	if found != len(peers) {
		t.Errorf("%d ends, want %d", found, len(peers))
	}
	for ino := range peers {
		if i, ok := table.Find(ino); !ok || uint64(table.Ino(i)) != ino {
			t.Errorf("inode %d is not found", ino)
		}
	}
	if _, ok := table.Find(1 << 33); ok {
		t.Error("an inode of 34 bits is found")
	}
}
