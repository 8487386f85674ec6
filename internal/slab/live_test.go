package slab

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/sock"
)

// live returns the running kernel's allocator and its caches.
func live(t testing.TB) (*FS, []Cache) {
	t.Helper()
	f := NewFS("/proc", "/sys")
	caches, err := f.Caches()
	switch {
	case errors.Is(err, fs.ErrPermission):
		t.Skip("/proc/slabinfo is denied: run the test as root")
	case errors.Is(err, fs.ErrNotExist):
		t.Skip("no /proc/slabinfo: run it on a kernel with CONFIG_SLUB_DEBUG")
	case err != nil:
		t.Fatal(err)
	}
	return f, caches
}

// liveNames returns the running kernel's names, which need no root.
func liveNames(t testing.TB, f *FS) *Names {
	t.Helper()
	names, err := f.Names()
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("no /sys/kernel/slab: run it on a kernel with SLUB and sysfs")
	}
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// TestLiveAttrs compares each line of slabinfo with the attributes of its
// cache: the same numbers by another way.
func TestLiveAttrs(t *testing.T) {
	f, caches := live(t)
	names := liveNames(t, f)
	checkPartition(t, names, caches)
	for _, c := range caches {
		a, err := f.Attrs(c.Name)
		if err != nil {
			t.Error(err)
			continue
		}
		if a.ObjectBytes != c.ObjectBytes || a.ObjsPerSlab != maybe.Some(c.ObjsPerSlab) || a.PagesPerSlab != maybe.Some(c.PagesPerSlab) {
			t.Errorf("%s: slabinfo has objects of %d bytes, %d on %d pages; sysfs %+v", c.Name, c.ObjectBytes, c.ObjsPerSlab, c.PagesPerSlab, a)
		}
		if n := c.RequestedBytes.Value; n == 0 || n > c.ObjectBytes || !c.Reclaimable.Known {
			t.Errorf("%s: requested %+v of %d bytes, reclaimable %+v", c.Name, c.RequestedBytes, c.ObjectBytes, c.Reclaimable)
		}
		if c.Objs > c.Slabs*uint64(c.ObjsPerSlab) {
			t.Errorf("%s: %d objects on %d slabs of %d", c.Name, c.Objs, c.Slabs, c.ObjsPerSlab)
		}
		if min := uint64(c.ObjectBytes) * uint64(c.ObjsPerSlab); c.SlabBytes(os.Getpagesize()) < min {
			t.Errorf("%s: a slab of %d bytes for %d bytes of objects", c.Name, c.SlabBytes(os.Getpagesize()), min)
		}
	}
}

// TestLiveLinkNames compares the sizes that everyone can learn from a link
// with those that root reads, for the size itself and the flag.
func TestLiveLinkNames(t *testing.T) {
	f, caches := live(t)
	names := liveNames(t, f)
	merged := 0
	for _, c := range caches {
		link, ok := parseLinkName(names.ids[c.Name])
		if !ok {
			continue
		}
		merged++
		dir := filepath.Join("/sys/kernel/slab", names.ids[c.Name])
		size, err := f.readNumber(filepath.Join(dir, "slab_size"), 1<<32-1)
		if err != nil || uint32(size) != link.ObjectBytes {
			t.Errorf("%s: %d bytes in the link, %d in slab_size (%v)", c.Name, link.ObjectBytes, size, err)
		}
		reclaim, err := f.readNumber(filepath.Join(dir, "reclaim_account"), 1)
		if err != nil || maybe.Some(reclaim == 1) != link.Reclaimable {
			t.Errorf("%s: reclaimable %v in the link, %d in reclaim_account (%v)", c.Name, link.Reclaimable, reclaim, err)
		}
	}
	if merged == 0 && !strings.Contains(readFile(t, "/proc/cmdline"), "nomerge") {
		t.Error("no cache can be merged, and nobody asked for slab_nomerge")
	}
}

// TestLiveMeminfo compares the sum of all caches with SReclaimable and
// SUnreclaim of /proc/meminfo. The kernel counts those for each CPU and adds
// them up late, and other processes run meanwhile. SUnreclaim also has the
// pages of kmalloc calls too large for any cache.
func TestLiveMeminfo(t *testing.T) {
	const tolerance = 0.03
	_, caches := live(t)
	got := make(map[maybe.Of[bool]]uint64)
	for _, c := range caches {
		got[c.Reclaimable] += c.Bytes(os.Getpagesize())
	}
	if got[maybe.Of[bool]{}] != 0 {
		t.Errorf("%d bytes in caches of which it is not known whether they are reclaimable", got[maybe.Of[bool]{}])
	}
	for line := range strings.Lines(readFile(t, "/proc/meminfo")) {
		var key string
		var kib uint64
		if _, err := fmt.Sscan(line, &key, &kib); err != nil {
			continue
		}
		want, atLeast := kib<<10, kib<<10
		var have uint64
		switch key {
		case "SReclaimable:":
			have = got[yes]
		case "SUnreclaim:":
			have, atLeast = got[no], 0
		default:
			continue
		}
		t.Logf("%s %d bytes, caches %d", key, want, have)
		slack := uint64(float64(want)*tolerance) + 1<<20
		if have > want+slack || have+slack < atLeast {
			t.Errorf("%s %d bytes in meminfo, %d in the caches", key, want, have)
		}
	}
}

// TestLiveEventpollPwq follows the link of a watch's cache by hand: the shown
// name is one that links to the same directory, and a line of slabinfo.
func TestLiveEventpollPwq(t *testing.T) {
	f, caches := live(t)
	names := liveNames(t, f)
	for _, name := range []string{"eventpoll_pwq", "eventpoll_epi"} {
		shown, ok := names.ShownAs(name)
		if !ok {
			t.Errorf("not known how %s is shown", name)
			continue
		}
		dir := func(name string) string {
			target, err := filepath.EvalSymlinks("/sys/kernel/slab/" + name)
			if err != nil {
				t.Error(err)
			}
			return target
		}
		if dir(name) != dir(shown) {
			t.Errorf("%s is shown as %s, another cache", name, shown)
		}
		found := 0
		for _, c := range caches {
			if c.Name == shown {
				found++
			}
		}
		if found != 1 {
			t.Errorf("%d lines of slabinfo for %s, which shows %s", found, shown, name)
		}
		t.Logf("%s is shown as %s, with %v", name, shown, names.Aliases(shown))
	}
}

// TestLiveNodes adds up the nodes of caches that did not change meanwhile.
func TestLiveNodes(t *testing.T) {
	f, _ := live(t)
	liveNames(t, f)
	const attempts = 20
	quiet := make(map[string]bool)
	for range attempts {
		before, err := f.Caches()
		if err != nil {
			t.Fatal(err)
		}
		names := make([]string, len(before))
		for i := range before {
			names[i] = before[i].Name
		}
		nodes, err := f.ReadNodes(names)
		if err != nil {
			t.Fatal(err)
		}
		after, err := f.Caches()
		if err != nil {
			t.Fatal(err)
		}
		if len(after) != len(before) {
			continue
		}
		for i, c := range before {
			if c.Name != after[i].Name || c.Slabs != after[i].Slabs || c.ActiveObjs != after[i].ActiveObjs {
				continue
			}
			var objs, slabs uint64
			for _, n := range nodes[c.Name] {
				objs, slabs = objs+n.Objs, slabs+n.Slabs
			}
			if objs == c.ActiveObjs && slabs == c.Slabs {
				quiet[c.Name] = true
			}
		}
		if len(quiet) == len(before) {
			break
		}
	}
	// A cache may be busy all the time (dentry, kmalloc), most are not.
	if len(quiet) < 100 {
		t.Errorf("the nodes add up for %d caches only", len(quiet))
	}
	if !quiet["tw_sock_TCP"] && !quiet["ep_head"] {
		t.Error("the nodes of neither tw_sock_TCP nor ep_head add up")
	}
}

// TestLiveSockets opens 5,000 sockets and finds them in the cache TCP, on the
// nodes, and in net/protocols' size. Other processes may open some as well,
// and the first ones may fill up slabs that count as active already, so the
// bound is one-sided and a little low.
func TestLiveSockets(t *testing.T) {
	const sockets = 5000
	const atLeast = sockets * 9 / 10
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if limit.Cur < sockets+100 {
		t.Skipf("RLIMIT_NOFILE is %d: run it after ulimit -n %d", limit.Cur, sockets+100)
	}
	f, caches := live(t)
	before := find(caches, "TCP")
	fds := make([]int, 0, sockets)
	defer func() {
		for _, fd := range fds {
			if err := unix.Close(fd); err != nil {
				t.Error(err)
			}
		}
	}()
	for range sockets {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		fds = append(fds, fd)
	}
	caches, err := f.Caches()
	if err != nil {
		t.Fatal(err)
	}
	after := find(caches, "TCP")
	grown := int64(after.ActiveObjs) - int64(before.ActiveObjs)
	t.Logf("%d sockets: %d objects of TCP more, %d bytes more", sockets, grown, int64(after.Bytes(os.Getpagesize()))-int64(before.Bytes(os.Getpagesize())))
	if grown < atLeast {
		t.Errorf("%d sockets, and TCP has %d objects more", sockets, grown)
	}
	if per := after.BytesPerObject(os.Getpagesize()); after.Bytes(os.Getpagesize()) < atLeast*per {
		t.Errorf("%d sockets of %d bytes in %d bytes of slabs", sockets, per, after.Bytes(os.Getpagesize()))
	}
	nodes, err := f.ReadNodes([]string{"TCP"})
	if errors.Is(err, fs.ErrNotExist) {
		return // No sysfs.
	}
	if err != nil {
		t.Fatal(err)
	}
	var objs uint64
	for _, n := range nodes["TCP"] {
		objs += n.Objs
	}
	if objs < atLeast {
		t.Errorf("%d sockets, and %d objects of TCP on the nodes", sockets, objs)
	}
	protocols, err := sock.ReadProtocols("/proc")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range protocols {
		if p.Name == "TCP" {
			t.Logf("net/protocols: %+v", p)
			if maybe.Some(p.SockBytes) != after.RequestedBytes {
				t.Errorf("a TCP socket has %d bytes in net/protocols and %+v in object_size", p.SockBytes, after.RequestedBytes)
			}
		}
	}
}

func find(caches []Cache, name string) Cache {
	for _, c := range caches {
		if c.Name == name {
			return c
		}
	}
	return Cache{}
}

// TestLiveAsNobody is what an ordinary user gets from this kernel.
func TestLiveAsNobody(t *testing.T) {
	f := NewFS("/proc", "/sys")
	names := liveNames(t, f)
	asNobody(t, func() {
		if _, err := f.Caches(); !errors.Is(err, fs.ErrPermission) && !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("slabinfo: %v, want a denial", err)
		}
		protocols, err := sock.ReadProtocols("/proc")
		if err != nil || len(protocols) == 0 {
			t.Errorf("net/protocols: %d protocols, %v", len(protocols), err)
		}
		if _, err := f.ReadNodes([]string{"TCP"}); !errors.Is(err, fs.ErrPermission) {
			t.Errorf("nodes: %v, want a denial", err)
		}
		for _, name := range []string{"eventpoll_epi", "eventpoll_pwq"} {
			a, err := f.Attrs(name)
			if !strings.HasPrefix(names.ids[name], ":") {
				if !errors.Is(err, fs.ErrPermission) {
					t.Errorf("%s is not merged: %v, want a denial", name, err)
				}
				continue
			}
			if err != nil || a.ObjectBytes == 0 || !a.FromLink || a.Reclaimable != no {
				t.Errorf("%s: %+v, %v", name, a, err)
			}
		}
	})
}
