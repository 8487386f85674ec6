package sock

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// cell is a process in a network namespace of its own, which listens there.
type cell struct {
	pid  int
	port uint16
	ino  uint64
	end  func()
}

// startCell starts a worker that listens in a new network namespace.
func startCell(t testing.TB) cell {
	t.Helper()
	w := startWorker(t, "cell", true)
	c := cell{pid: w.pid, end: w.end}
	if _, err := fmt.Sscanf(w.answer, "listening %d %d", &c.port, &c.ino); err != nil {
		t.Fatalf("%q: %v", w.answer, err)
	}
	return c
}

// startMix starts a worker that holds the mix, and returns its PID.
func startMix(t testing.TB, dir string, ownNamespace bool) int {
	t.Helper()
	w := startWorker(t, "mix:"+dir, ownNamespace)
	if w.answer != "ready" {
		t.Fatal(w.answer)
	}
	return w.pid
}

// openNamespaces returns the namespaces of the machine, closed at the end of the test.
func openNamespaces(t testing.TB, limit int) *Namespaces {
	t.Helper()
	openOwn(t)
	n, err := NewNamespaces("/proc", limit)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Close)
	return n
}

func listensOn(table *Table, port uint16) (Socket, bool) {
	for _, s := range table.All() {
		if s.State == StateListen && s.Local.Port() == port {
			return s, true
		}
	}
	return Socket{}, false
}

// TestNamespaces finds a listener in another namespace, only there, and under the
// inode that its process knows.
func TestNamespaces(t *testing.T) {
	n := openNamespaces(t, 8)
	c := startCell(t)
	conn, err := n.Conn(c.pid)
	if err != nil {
		t.Fatal(err)
	}
	if own, err := n.Conn(os.Getpid()); err != nil || own != n.Own() || own.ID() == conn.ID() {
		t.Errorf("own namespace %v (%v), the cell's %v", own.ID(), err, conn.ID())
	}
	table := dumpOK(t, conn, FamilyTCP)
	s, ok := listensOn(table, c.port)
	if !ok || uint64(s.Ino) != c.ino {
		t.Errorf("listener %+v (%v), want inode %d", s, ok, c.ino)
	}
	if _, ok := table.Find(c.ino); !ok {
		t.Error("not found by its inode")
	}
	if _, ok := dumpOK(t, n.Own(), Families).Find(c.ino); ok {
		t.Error("the listener is in this program's namespace too")
	}
	if again, err := n.Conn(c.pid); err != nil || again != conn {
		t.Errorf("asked again: another connection (%v)", err)
	}
	byPath, err := openPath("/proc/" + strconv.Itoa(c.pid) + "/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	defer byPath.Close()
	if _, ok := dumpOK(t, byPath, FamilyTCP).Find(c.ino); !ok || byPath.ID() != conn.ID() {
		t.Error("not found through the path")
	}
	// This thread and all others are where they were.
	if id, err := Identify(ownNS); err != nil || id != n.Own().ID() {
		t.Errorf("the thread is in %v (%v)", id, err)
	}
}

// TestNamespacesBound keeps no more than it may, and closes what is not used.
func TestNamespacesBound(t *testing.T) {
	n := openNamespaces(t, 1)
	a, b := startCell(t), startCell(t)
	if _, err := n.Conn(a.pid); err != nil {
		t.Fatal(err)
	}
	if _, err := n.Conn(b.pid); !errors.Is(err, ErrTooMany) {
		t.Errorf("the second of one: %v", err)
	}
	n.Sweep()
	if n.Len() != 2 {
		t.Errorf("%d after a sweep that met a used one, want 2", n.Len())
	}
	n.Sweep()
	if n.Len() != 1 {
		t.Errorf("%d after a sweep that met an unused one, want 1", n.Len())
	}
	if _, err := n.Conn(b.pid); err != nil {
		t.Errorf("after the sweep: %v", err)
	}
	b.end()
	if _, err := n.Conn(b.pid); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("of a process that ended: %v", err)
	}
}

// TestNamespaceChange notices a process that moved: here the thread whose link is
// looked at.
func TestNamespaceChange(t *testing.T) {
	c := startCell(t)
	before, err := Identify(ownNS)
	if err != nil {
		t.Fatal(err)
	}
	path := "/proc/" + strconv.Itoa(c.pid) + "/ns/net"
	ns := openFD(t, path)
	var during NSID
	err = inside(ns, func() (err error) { during, err = Identify(ownNS); return err })
	if err != nil {
		t.Fatal(err)
	}
	there, err := Identify(path)
	if err != nil || during != there || during == before {
		t.Errorf("before %v, during %v, the cell %v (%v)", before, during, there, err)
	}
	if _, err := openIn(path, before); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a path that names another namespace by now: %v", err)
	}
}

// TestNamedNamespace opens a namespace by the name that `ip netns` gave it, and
// compares it with what `ip netns exec` runs there.
func TestNamedNamespace(t *testing.T) {
	c := startCell(t)
	ip, err := exec.LookPath("ip")
	if err != nil {
		t.Skip("no ip: apt-get install iproute2")
	}
	name := "eptop-test-" + strconv.Itoa(c.pid)
	if out, err := exec.Command(ip, "netns", "attach", name, strconv.Itoa(c.pid)).CombinedOutput(); err != nil {
		t.Skipf("ip netns attach: %v: %s: run the test where namespaces may be mounted, with iproute2 5.1 or later", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command(ip, "netns", "delete", name).CombinedOutput(); err != nil {
			t.Errorf("ip netns delete: %v: %s", err, out)
		}
	})
	conn, err := openPath("/run/netns/" + name)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	var out []byte
	if err := inside(openFD(t, "/run/netns/"+name), func() (err error) {
		out, err = exec.Command("ss", "-tlneH").Output()
		return err
	}); err != nil {
		t.Fatal(err)
	}
	table := dumpOK(t, conn, FamilyTCP)
	s, ok := listensOn(table, c.port)
	if !ok || table.Len() != 1 || !strings.Contains(string(out), fmt.Sprintf("127.0.0.1:%d ", c.port)) || !strings.Contains(string(out), fmt.Sprintf("ino:%d ", s.Ino)) {
		t.Errorf("%+v (%v) of %d, ss: %s", s, ok, table.Len(), out)
	}
}

func openFD(t testing.TB, path string) int {
	t.Helper()
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return fd
}

// TestNamespaceDenied reads a namespace that may not be entered from /proc, and says
// that it did.
func TestNamespaceDenied(t *testing.T) {
	n := openNamespaces(t, 8)
	c := startCell(t)
	conn, err := n.Conn(c.pid)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	conn.open = func() (transport, error) { return nil, pathError("setns", conn.nsPath, unix.EPERM) }
	table := conn.Dump(t.Context(), nil, FamilyTCP4)
	o := table.Outcomes[0]
	if o.State != OK || o.Via != ProcNet || !errors.Is(o.Err, fs.ErrPermission) {
		t.Errorf("%+v", o)
	}
	s, ok := listensOn(table, c.port)
	if !ok || s.HasMem || s.HasBacklog || uint64(s.Ino) != c.ino {
		t.Errorf("%+v (%v)", s, ok)
	}
	if _, err := openPath("/proc/1073741824/ns/net"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a process that never was: %v", err)
	}
}

// openPath opens the network namespace that a file is a mount of.
func openPath(nsPath string) (*Conn, error) {
	id, err := Identify(nsPath)
	if err != nil {
		return nil, err
	}
	c := other(id, nsPath, "")
	if err := c.first(); err != nil {
		return nil, err
	}
	return c, nil
}

// raiseLoopback brings up the loopback of a new namespace.
func raiseLoopback() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	req, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	req.SetUint16(unix.IFF_UP)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, req)
}
