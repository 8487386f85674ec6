package model

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/slab"
)

// explained makes a sample with the sockets of mixed and caches merged as Linux
// 6.18 does it, each with 200 active objects.
func explained(t testing.TB) *Sample {
	s := sample()
	s.Networks = []NetworkSample{{Own: true, Table: mixed(t), State: OK}}
	s.Layouts, s.StructBytes = layouts618(), structs618()
	s.Host.PageBytes = maybe.Some[int64](4096)
	cache := func(name string, object, perSlab, pages uint32, reclaimable bool, aliases ...string) {
		s.Caches = append(s.Caches, slab.Cache{
			Name: name, Aliases: aliases, ActiveObjs: 200, Objs: 210, ObjectBytes: object, ObjsPerSlab: perSlab, PagesPerSlab: pages,
			ActiveSlabs: 20, Slabs: 20, Reclaimable: maybe.Some(reclaimable),
		})
	}
	cache("TCP", 2368, 13, 8, false)
	cache("tw_sock_TCP", 256, 16, 1, false)
	cache("sock_inode_cache", 832, 19, 4, true)
	cache("dentry", 192, 21, 1, true)
	cache("filp", 192, 21, 1, false)
	cache("eventpoll_epi", 128, 32, 1, false, "fib6_node", "pte_list_desc", "tcp_bind2_bucket", "tcp_bind_bucket")
	cache("anon_vma_chain", 64, 64, 1, false, "eventpoll_pwq")
	cache("signal_cache", 1152, 28, 8, false, "UNIX", "UNIX-STREAM")
	cache("lsm_inode_cache", 32, 128, 1, false)
	cache("kmalloc-256", 256, 16, 1, false)
	cache("ext4_inode_cache", 1128, 14, 4, true)
	return s
}

// usesOf writes whose the objects of a cache are, in a line.
func usesOf(s *Snapshot, name string) string {
	for i := range s.Slab {
		if c := &s.Slab[i]; c.Name == name {
			var words []string
			for _, u := range c.ExplainedBy {
				words = append(words, u.Cache+"="+strings.Fields(u.For)[0]+" "+fmt.Sprint(u.Objects, " ", u.Origin))
			}
			if n, ok := c.Unexplained.Get(); ok {
				words = append(words, fmt.Sprint(n, " others"))
			}
			return strings.Join(append(words, c.UncountedNames...), ", ")
		}
	}
	return "no such cache"
}

func TestWhoseObjectsAreIn(t *testing.T) {
	s := explained(t)
	s.OpenFiles, s.UnusedDentries, s.AllProcesses, s.AllInodes = maybe.Some[int64](50), maybe.Some[int64](150), maybe.Some[int64](77), maybe.Some[int64](180)
	snap := New(s)
	for name, want := range map[string]string{
		// Seven full sockets, of which five have an inode; a TIME_WAIT; three instances.
		"TCP":              "TCP=TCP 7 measured, 193 others",
		"tw_sock_TCP":      "tw_sock_TCP=TIME_WAIT 1 measured, 199 others",
		"sock_inode_cache": "sock_inode_cache=open 5 derived, 195 others",
		"dentry":           "dentry=open 5 derived, dentry=epoll 3 derived, dentry=cached 150 measured, 42 others",
		"filp":             "filp=open 5 derived, filp=epoll 3 derived, filp=other 42 derived, 150 others",
		"eventpoll_epi":    "eventpoll_epi=watches 107 measured, tcp_bind_bucket=local 5 derived, tcp_bind2_bucket=local 6 derived, 82 others, fib6_node, pte_list_desc",
		"anon_vma_chain":   "eventpoll_pwq=watches 107 derived, 93 others, anon_vma_chain",
		"signal_cache":     "UNIX=UNIX 0 measured, UNIX-STREAM=UNIX 0 measured, signal_cache=processes 77 derived, 123 others",
		"lsm_inode_cache":  "lsm_inode_cache=open 5 derived, lsm_inode_cache=other 175 derived, 20 others",
		"kmalloc-256":      "kmalloc-256=epoll 3 derived, 197 others",
		"ext4_inode_cache": "",
	} {
		if diff := cmp.Diff(want, usesOf(snap, name)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	for i := range snap.Slab {
		c := &snap.Slab[i]
		// Five sockets and, of the dentries, three instances.
		want := map[string]maybe.Of[int64]{"sock_inode_cache": maybe.Some[int64](5 * 862), "dentry": maybe.Some[int64](8 * 195)}[c.Name]
		if c.PinnedBytes != want {
			t.Errorf("of %s %+v are pinned, want %+v", c.Name, c.PinnedBytes, want)
		}
		if c.Network == (c.Name == "ext4_inode_cache" || c.Name == "kmalloc-256") {
			t.Errorf("%s: behind sockets and epoll: %t", c.Name, c.Network)
		}
	}
}

// TestNothingIsExplainedByWhatWasNotCounted: watches that could not be read and
// sockets that were not looked at explain nothing, and so are not 0.
func TestNothingIsExplainedByWhatWasNotCounted(t *testing.T) {
	s := explained(t)
	s.Networks = nil
	for i := range s.Instances {
		s.Instances[i].State, s.Instances[i].List = Absent, nil
	}
	snap := New(s)
	for name, want := range map[string]string{
		"TCP": "", "eventpoll_epi": "", "sock_inode_cache": "", "filp": "filp=epoll 3 derived, filp=other 97 derived, 100 others",
	} {
		if diff := cmp.Diff(want, usesOf(snap, name)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestACountBeyondTheObjects: counts are of another moment than slabinfo.
func TestACountBeyondTheObjects(t *testing.T) {
	s := explained(t)
	for i := range s.Caches {
		s.Caches[i].ActiveObjs = 3
	}
	for _, c := range New(s).Slab {
		objects, ok := c.Explained()
		if ok && objects > 3 && c.Unexplained.Known {
			t.Errorf("%s: %d of 3 objects are explained, and %d not", c.Name, objects, c.Unexplained.Value)
		}
		if c.PinnedBytes.Value > c.Bytes {
			t.Errorf("%s: %d of %d bytes are pinned", c.Name, c.PinnedBytes.Value, c.Bytes)
		}
	}
}

func TestUsesSayWhatTheyLeaveOut(t *testing.T) {
	s := explained(t)
	s.Coverage.Denied = 2
	s.Instances[0].State = Denied
	snap := New(s)
	i := slices.IndexFunc(snap.Slab, func(c Cache) bool { return c.Name == "eventpoll_epi" })
	want := []string{"2 processes whose fds this user may not list", "1 instance not read yet", "1 instance that could not be read"}
	if diff := cmp.Diff(want, snap.Slab[i].ExplainedBy[0].LeavesOut); diff != "" {
		t.Errorf("watches (-want +got):\n%s", diff)
	}
	for _, gap := range []string{"neither listen nor are connected", "2 processes whose fds this user may not list"} {
		if !strings.Contains(strings.Join(snap.Slab[i].ExplainedBy[1].LeavesOut, "; "), gap) {
			t.Errorf("bind buckets leave out %q, not %q", snap.Slab[i].ExplainedBy[1].LeavesOut, gap)
		}
	}
}

func TestSlabTotals(t *testing.T) {
	s := explained(t)
	s.Caches = append(s.Caches, slab.Cache{Name: "btrfs_inode", ObjectBytes: 1016, ObjsPerSlab: 16, PagesPerSlab: 4})
	snap := New(s)
	got := snap.SlabTotals.Value
	slots := int64(32 + 2368 + 256 + 832 + 192 + 192 + 128 + 64 + 1152 + 256 + 1128)
	pages := int64(1 + 8 + 1 + 4 + 1 + 1 + 1 + 1 + 8 + 1 + 4)
	want := SlabTotals{
		Caches: 12, ActiveCaches: 11, Objects: 2310, Active: 2200, Slabs: 220, ActiveSlabs: 220,
		ObjectsBytes: 210 * slots, ActiveBytes: 200 * slots, Bytes: 20 * pages * 4096, FreeBytes: 10 * slots,
		PaddingBytes:     20*pages*4096 - 210*slots,
		ReclaimableBytes: 20 * 9 * 4096, ReclaimUnknown: 1, PinnedBytes: maybe.Some[int64](5*862 + 8*195),
		MinObjectBytes: maybe.Some[int64](32), AverageObjectBytes: maybe.Some(210 * slots / 2310), MaxObjectBytes: maybe.Some[int64](2368),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("all caches (-want +got):\n%s", diff)
	}
	if n := snap.SlabNetwork.Value; n.Caches != 9 || n.Active != 1800 || n.ReclaimUnknown != 0 {
		t.Errorf("of sockets and epoll: %+v", n)
	}
	if New(sample()).SlabTotals.Known {
		t.Error("caches that could not be read have a sum")
	}
}
