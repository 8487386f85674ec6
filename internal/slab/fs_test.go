package slab

import (
	"errors"
	"io/fs"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/eptop/eptop/internal/maybe"
)

// asNobody runs fn with the file permissions of an ordinary user: on a thread
// of its own whose file system user is 65534, for that alone the kernel checks
// when it opens a file. The thread ends with fn.
func asNobody(t *testing.T, fn func()) {
	t.Helper()
	if unix.Geteuid() != 0 {
		fn() // Already an ordinary user.
		return
	}
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // Never unlocked, so that the thread is not reused.
		const nobody = 65534
		if _, err := unix.SetfsuidRetUid(nobody); err != nil {
			done <- err
			return
		}
		if now, err := unix.SetfsuidRetUid(-1); err != nil || now != nobody {
			done <- errors.Join(errors.New("the file system user did not change"), err)
			return
		}
		fn()
		done <- nil
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// line renders a line of slabinfo with 4 slabs of 8 KiB.
func line(name string, objectBytes string) string {
	return strings.NewReplacer("TCP ", name+" ", "2368", objectBytes).Replace(tcpLine)
}

// merged is a tree with one merged cache of three names, one that cannot be
// merged, and one that is alone in a mergeable cache.
func merged(t *testing.T) tree {
	tr := newTree(t)
	tr.slabinfo(line("TCP", "2368"), line("pid", "128"), line("ext4_inode_cache", "1096"), line("ep_head", "16"))
	tr.cache("TCP", "object_size", "2304", "slab_size", "2368", "reclaim_account", "0", "objs_per_slab", "13", "order", "3", "objects", "24 N0=20 N2=4", "slabs", "4 N0=2 N1=1 N2=1")
	tr.cache("ext4_inode_cache", "object_size", "1088", "slab_size", "1096", "reclaim_account", "1", "objs_per_slab", "29", "order", "3")
	tr.cache(":A-0000128", "object_size", "128", "slab_size", "128", "reclaim_account", "0", "objs_per_slab", "32", "order", "0", "objects", "7 N0=7", "slabs", "1 N0=1")
	tr.cache(":A-0000016", "object_size", "16")
	for _, name := range []string{"pid", "eventpoll_epi", "tcp_bind_bucket"} {
		tr.alias(name, ":A-0000128")
	}
	tr.alias("ep_head", ":A-0000016")
	return tr
}

func TestCaches(t *testing.T) {
	caches, err := merged(t).fs().Caches()
	if err != nil {
		t.Fatal(err)
	}
	n := maybe.Some[uint32]
	base := Cache{ActiveObjs: 24, Objs: 26, ObjsPerSlab: 13, PagesPerSlab: 8, ActiveSlabs: 2, Slabs: 3}
	want := []Cache{base, base, base, base}
	want[0].Name, want[0].ObjectBytes, want[0].RequestedBytes, want[0].Reclaimable = "TCP", 2368, n(2304), no
	want[1].Name, want[1].ObjectBytes, want[1].RequestedBytes, want[1].Reclaimable = "pid", 128, n(128), no
	want[1].Aliases = []string{"eventpoll_epi", "tcp_bind_bucket"}
	want[2].Name, want[2].ObjectBytes, want[2].RequestedBytes, want[2].Reclaimable = "ext4_inode_cache", 1096, n(1088), yes
	want[3].Name, want[3].ObjectBytes, want[3].RequestedBytes, want[3].Reclaimable = "ep_head", 16, n(16), no
	if diff := cmp.Diff(want, caches); diff != "" {
		t.Errorf("caches (-want +got):\n%s", diff)
	}
}

func TestShownAsBeforeSlabinfo(t *testing.T) {
	f := merged(t).fs()
	names, err := f.Names()
	if err != nil {
		t.Fatal(err)
	}
	if shown, ok := names.ShownAs("eventpoll_epi"); ok {
		t.Errorf("eventpoll_epi is shown as %s, which only slabinfo can say", shown)
	}
	for _, name := range []string{"TCP", "ep_head"} {
		if shown, ok := names.ShownAs(name); !ok || shown != name {
			t.Errorf("%s, alone in its cache, is shown as %q (%v)", name, shown, ok)
		}
	}
	if _, ok := names.ShownAs("no_such_cache"); ok || names.Has("no_such_cache") {
		t.Error("a cache that does not exist is shown")
	}
	if diff := cmp.Diff([]string{"pid", "tcp_bind_bucket"}, names.Aliases("eventpoll_epi")); diff != "" {
		t.Errorf("aliases (-want +got):\n%s", diff)
	}
	if _, err := f.Caches(); err != nil {
		t.Fatal(err)
	}
	if names, err = f.Names(); err != nil {
		t.Fatal(err)
	}
	if shown, ok := names.ShownAs("eventpoll_epi"); !ok || shown != "pid" {
		t.Errorf("eventpoll_epi is shown as %q (%v)", shown, ok)
	}
}

// TestShownAsOfAnotherSize is a module that was loaded again with a larger
// struct: the first cache lives on under its name, which now links to the
// second.
func TestShownAsOfAnotherSize(t *testing.T) {
	tr := newTree(t)
	tr.slabinfo(line("foo", "128"), line("foo", "256"))
	tr.cache(":0000128")
	tr.cache(":0000256")
	tr.alias("bar", ":0000128")
	tr.alias("foo", ":0000256")
	f := tr.fs()
	if _, err := f.Caches(); err != nil {
		t.Fatal(err)
	}
	names, err := f.Names()
	if err != nil {
		t.Fatal(err)
	}
	if shown, ok := names.ShownAs("foo"); !ok || shown != "foo" {
		t.Errorf("foo is shown as %q (%v)", shown, ok)
	}
}

func TestNamesAreReadAgain(t *testing.T) {
	tr := merged(t)
	f := tr.fs()
	now := time.Now()
	f.now = func() time.Time { return now }
	aliases := func() []string {
		t.Helper()
		if _, err := f.Caches(); err != nil {
			t.Fatal(err)
		}
		names, err := f.Names()
		if err != nil {
			t.Fatal(err)
		}
		return names.Aliases("pid")
	}
	want := []string{"eventpoll_epi", "tcp_bind_bucket"}
	if diff := cmp.Diff(want, aliases()); diff != "" {
		t.Fatalf("at first (-want +got):\n%s", diff)
	}
	tr.alias("late", ":A-0000128")
	if diff := cmp.Diff(want, aliases()); diff != "" {
		t.Fatalf("a new alias shows nowhere but in the list, which is still young (-want +got):\n%s", diff)
	}
	now = now.Add(NamesMaxAge)
	names, err := f.Names() // Read again, and slabinfo is not.
	if err != nil {
		t.Fatal(err)
	}
	if shown, ok := names.ShownAs("late"); !ok || shown != "pid" {
		t.Errorf("late is shown as %q (%v)", shown, ok)
	}
	want = []string{"eventpoll_epi", "late", "tcp_bind_bucket"}
	if diff := cmp.Diff(want, aliases()); diff != "" {
		t.Fatalf("after a minute (-want +got):\n%s", diff)
	}
	// A line whose name is not in the list.
	tr.alias("later", ":A-0000128")
	tr.alias("new", ":A-0000016")
	if err := os.Remove(tr.path("proc/slabinfo")); err != nil {
		t.Fatal(err)
	}
	tr.slabinfo(line("TCP", "2368"), line("pid", "128"), line("new", "16"))
	want = []string{"eventpoll_epi", "late", "later", "tcp_bind_bucket"}
	if diff := cmp.Diff(want, aliases()); diff != "" {
		t.Fatalf("after a new line (-want +got):\n%s", diff)
	}
}

// TestNewCacheOfTheSameName makes a cache again with another size.
func TestNewCacheOfTheSameName(t *testing.T) {
	tr := merged(t)
	f := tr.fs()
	if _, err := f.Caches(); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Remove(tr.path("proc/slabinfo")), os.RemoveAll(tr.path("sys/kernel/slab/TCP"))); err != nil {
		t.Fatal(err)
	}
	tr.slabinfo(line("TCP", "2496"))
	tr.cache("TCP", "object_size", "2432", "slab_size", "2496", "reclaim_account", "0")
	caches, err := f.Caches()
	if err != nil {
		t.Fatal(err)
	}
	if c := caches[0]; c.ObjectBytes != 2496 || c.RequestedBytes != maybe.Some[uint32](2432) {
		t.Errorf("TCP has objects of %d bytes, requested %+v", c.ObjectBytes, c.RequestedBytes)
	}
}

func TestNodes(t *testing.T) {
	got, err := merged(t).fs().ReadNodes([]string{"TCP", "eventpoll_epi", "pid", "ep_head", "gone"})
	if !errors.Is(err, fs.ErrNotExist) { // ep_head has no such attribute here.
		t.Errorf("error %v", err)
	}
	want := map[string][]NodeObjects{
		"TCP":           {{Node: 0, Objs: 20, Slabs: 2}, {Node: 1, Slabs: 1}, {Node: 2, Objs: 4, Slabs: 1}},
		"eventpoll_epi": {{Node: 0, Objs: 7, Slabs: 1}},
		"pid":           {{Node: 0, Objs: 7, Slabs: 1}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("nodes (-want +got):\n%s", diff)
	}
}

// TestAbsent is a kernel without slabinfo and without /sys/kernel/slab, and
// one without the latter.
func TestAbsent(t *testing.T) {
	tr := newTree(t)
	f := tr.fs()
	_, errCaches := f.Caches()
	_, errNames := f.Names()
	_, errAttrs := f.Attrs("TCP")
	_, errNodes := f.ReadNodes([]string{"TCP"})
	for i, err := range []error{errCaches, errNames, errAttrs, errNodes} {
		if !errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) || errors.Is(err, ErrMalformed) {
			t.Errorf("%d: %v, want a file that does not exist", i, err)
		}
	}
	tr.slabinfo(tcpLine)
	caches, err := f.Caches()
	if diff := cmp.Diff([]Cache{tcp}, caches); err != nil || diff != "" {
		t.Errorf("without sysfs: %v (-want +got):\n%s", err, diff)
	}
}

func TestDenied(t *testing.T) {
	tr := merged(t)
	tr.deny()
	f := tr.fs()
	asNobody(t, func() {
		if _, err := f.Caches(); !errors.Is(err, fs.ErrPermission) {
			t.Errorf("slabinfo: %v, want a denial", err)
		}
		if _, err := f.ReadNodes([]string{"TCP"}); !errors.Is(err, fs.ErrPermission) {
			t.Errorf("nodes: %v, want a denial", err)
		}
		if _, err := f.Attrs("TCP"); !errors.Is(err, fs.ErrPermission) {
			t.Errorf("attributes of a cache with a directory: %v, want a denial", err)
		}
		got, err := f.Attrs("eventpoll_epi")
		if want := (Attr{ObjectBytes: 128, Reclaimable: no, FromLink: true}); err != nil || got != want {
			t.Errorf("attributes of a cache behind a link: %+v, %v", got, err)
		}
		if _, err := f.Attrs("gone"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("attributes of no cache: %v", err)
		}
	})
}

func TestMalformedAttribute(t *testing.T) {
	for _, text := range []string{"", "\n", "13", "x\n", "-1\n", "4294967296\n", "1 2\n"} {
		tr := newTree(t)
		tr.slabinfo(tcpLine)
		tr.cache("TCP", "object_size", "2304")
		tr.write("sys/kernel/slab/TCP/slab_size", text, 0o400)
		f := tr.fs()
		if _, err := f.Attrs("TCP"); !errors.Is(err, ErrMalformed) {
			t.Errorf("%q: error %v", text, err)
		}
		caches, err := f.Caches()
		if !errors.Is(caches[0].AttrErr, ErrMalformed) {
			t.Errorf("%q: the cache's error is %v", text, caches[0].AttrErr)
		}
		caches[0].AttrErr = nil
		if diff := cmp.Diff([]Cache{tcp}, caches); err != nil || diff != "" {
			t.Errorf("%q: slabinfo is good: %v (-want +got):\n%s", text, err, diff)
		}
	}
}

func TestMalformedSlabinfoKeepsTheRest(t *testing.T) {
	tr := merged(t)
	if err := os.Remove(tr.path("proc/slabinfo")); err != nil {
		t.Fatal(err)
	}
	tr.slabinfo("foo 1 2\n", line("pid", "128"))
	caches, err := tr.fs().Caches()
	checkError(t, err, `line 3: no section after the table columns: "foo 1 2"`)
	if len(caches) != 1 || len(caches[0].Aliases) != 2 {
		t.Errorf("caches %+v", caches)
	}
}
