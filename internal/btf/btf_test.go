package btf

import (
	"errors"
	"io/fs"
	"os"
	"testing"
)

func TestMain(m *testing.M) { os.Exit(m.Run()) }

// live loads the running kernel's sizes.
func live(t testing.TB) Sizes {
	t.Helper()
	s, err := Load("/sys")
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("no /sys/kernel/btf/vmlinux: run it on a kernel with CONFIG_DEBUG_INFO_BTF")
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestLive holds the sizes against what cannot be otherwise on any kernel that
// has BTF: every struct is there but those that came later, and each contains
// what it begins with.
func TestLive(t *testing.T) {
	s := live(t)
	for _, name := range names() {
		size, ok := s.Of(name)
		if !ok && name != EpitemsHead && name != Bind2Bucket && name != UnixSock {
			t.Errorf("no struct %s", name)
		}
		if ok && (size == 0 || size%4 != 0) {
			t.Errorf("struct %s has %d bytes", name, size)
		}
	}
	for _, within := range [][2]string{{TCPSock, TCP6Sock}, {UDPSock, UDP6Sock}, {Inode, SocketAlloc}, {Inode, ProcInode}} {
		if s[within[0]] >= s[within[1]] {
			t.Errorf("struct %s (%d bytes) is inside %s (%d bytes)", within[0], s[within[0]], within[1], s[within[1]])
		}
	}
	if _, ok := s.Of("no such struct"); ok {
		t.Error("has a struct that does not exist")
	}
}
