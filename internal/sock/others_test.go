package sock

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// TestOtherFamilies reads files as the kernel prints them.
func TestOtherFamilies(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"netlink": "sk               Eth Pid        Groups   Rmem     Wmem     Dump  Locks    Drops    Inode\n" +
			"00000000d48e8b6a 0   0          00000000 0        0        0     2        0        4         \n" +
			"00000000d48e8b6b 4   21         00000000 0        0        0     2        0        4711      \n",
		"packet": "sk               RefCnt Type Proto  Iface R Rmem   User   Inode\n0000000011223344 3      3    0003   0     1 0      0      4712\n",
		"raw": "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n" +
			"   1: 00000000:0001 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 4713 2 00000000abcdef01 0\n" +
			"   1: 00000000:0001 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 471", // cut
		"raw6": "header\nnonsense\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.Mkfifo(filepath.Join(dir, "icmp"), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := ReadOtherFamilies(dir)
	if diff := cmp.Diff(map[uint64]string{4: "netlink", 4711: "netlink", 4712: "packet", 4713: "raw"}, got); diff != "" {
		t.Error(diff)
	}
	if !errors.Is(err, ErrMalformed) {
		t.Errorf("two files that are no lists: %v", err)
	}
}

// TestLiveOtherFamilies finds sockets of its own.
func TestLiveOtherFamilies(t *testing.T) {
	want := map[uint64]string{}
	for _, s := range []struct {
		domain, kind, protocol int
		family                 string
	}{
		{unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_ROUTE, "netlink"}, {unix.AF_PACKET, unix.SOCK_RAW, 0, "packet"},
		{unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_ICMP, "raw"}, {unix.AF_INET6, unix.SOCK_RAW, unix.IPPROTO_ICMPV6, "raw"},
	} {
		fd, err := unix.Socket(s.domain, s.kind|unix.SOCK_CLOEXEC, s.protocol)
		if errors.Is(err, unix.EPERM) && s.family != "netlink" {
			continue // raw and packet sockets need CAP_NET_RAW
		}
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
		if s.domain == unix.AF_NETLINK { // one that is not bound is in no list
			if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
				t.Fatal(err)
			}
		}
		want[inoOf(t, fd)] = s.family
	}
	got, err := ReadOtherFamilies("/proc/net")
	if err != nil {
		t.Error(err)
	}
	for ino, family := range want {
		if got[ino] != family {
			t.Errorf("the %s socket %d is in %q", family, ino, got[ino])
		}
	}
}

// TestInterfaceName asks for the loopback's, which is the first of every namespace.
func TestInterfaceName(t *testing.T) {
	c := openOwn(t)
	c.Dump(t.Context(), nil, FamilyTCP4)
	if name := c.InterfaceName(1); name != "lo" {
		t.Errorf("interface 1 is %q", name)
	}
	if name := c.InterfaceName(1 << 30); name != "" {
		t.Errorf("an interface that is not there is %q", name)
	}
}
