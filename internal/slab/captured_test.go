package slab

import (
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/sock"
)

const capturedPageBytes = 4096

// TestCapturedShownAs finds the names the watches' caches have in slabinfo.
// Debian's kernels merge both into others; slab_nomerge shows both.
func TestCapturedShownAs(t *testing.T) {
	for tree, want := range map[string]map[string]string{
		"6.1-1":         {"eventpoll_epi": "pid", "eventpoll_pwq": "anon_vma_chain", "ep_head": "ep_head", "TCP": "TCP"},
		"6.1-2-nomerge": {"eventpoll_epi": "eventpoll_epi", "eventpoll_pwq": "eventpoll_pwq", "ep_head": "ep_head", "TCP": "TCP"},
		"6.12-4":        {"eventpoll_epi": "pid", "eventpoll_pwq": "anon_vma_chain", "ep_head": "ep_head", "TCP": "TCP"},
	} {
		t.Run(tree, func(t *testing.T) {
			f := captured(t, tree).fs()
			caches, err := f.Caches()
			if err != nil {
				t.Fatal(err)
			}
			names, err := f.Names()
			if err != nil {
				t.Fatal(err)
			}
			got := make(map[string]string)
			for name := range want {
				shown, ok := names.ShownAs(name)
				if !ok {
					t.Errorf("%s: not known how it is shown", name)
				}
				got[name] = shown
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("shown as (-want +got):\n%s", diff)
			}
			checkPartition(t, names, caches)
		})
	}
}

// checkPartition wants each line of slabinfo to be found under all its names
// and under no other's.
func checkPartition(t *testing.T, names *Names, caches []Cache) {
	t.Helper()
	if names.Caches() != len(caches) {
		t.Errorf("sysfs has %d caches, slabinfo %d", names.Caches(), len(caches))
	}
	seen := 0
	for _, c := range caches {
		for _, name := range append([]string{c.Name}, c.Aliases...) {
			seen++
			if shown, ok := names.ShownAs(name); !ok || shown != c.Name {
				t.Errorf("%s is shown as %q (%v), and slabinfo has it as %s", name, shown, ok, c.Name)
			}
		}
	}
	if seen != names.Len() {
		t.Errorf("%d names on lines of slabinfo, %d in sysfs", seen, names.Len())
	}
}

func TestCapturedAttrs(t *testing.T) {
	n := maybe.Some[uint32]
	for tree, want := range map[string]map[string]Attr{
		"6.1-1": {
			"TCP":           {ObjectBytes: 2304, RequestedBytes: n(2280), ObjsPerSlab: n(14), PagesPerSlab: n(8)},
			"eventpoll_epi": {ObjectBytes: 128, RequestedBytes: n(128), ObjsPerSlab: n(32), PagesPerSlab: n(1), Reclaimable: no},
			"filp":          {ObjectBytes: 256, RequestedBytes: n(256), ObjsPerSlab: n(16), PagesPerSlab: n(1), Reclaimable: no},
		},
		"6.12-4": {
			"TCP":     {ObjectBytes: 2432, RequestedBytes: n(2368), ObjsPerSlab: n(13), PagesPerSlab: n(8)},
			"ep_head": {ObjectBytes: 24, RequestedBytes: n(24), ObjsPerSlab: n(170), PagesPerSlab: n(1), Reclaimable: no},
		},
	} {
		tr := captured(t, tree)
		for name, want := range want {
			// The lists do not have this attribute; a merged cache's is in its link.
			if !want.Reclaimable.Known {
				tr.cache(name, "reclaim_account", "0")
				want.Reclaimable = no
			}
			got, err := tr.fs().Attrs(name)
			if err != nil {
				t.Error(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s %s (-want +got):\n%s", tree, name, diff)
			}
		}
	}
}

func TestCapturedNodes(t *testing.T) {
	got, err := captured(t, "6.12-4").fs().ReadNodes([]string{"TCP", "TCPv6", "eventpoll_pwq", "no_such_cache"})
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := got["no_such_cache"]; ok {
		t.Error("a cache that does not exist has nodes")
	}
	if nodes, ok := got["TCPv6"]; !ok || len(nodes) != 0 {
		t.Errorf("TCPv6, without objects, has %v (%v)", nodes, ok)
	}
	if len(got["eventpoll_pwq"]) == 0 {
		t.Error("no objects of the cache that eventpoll_pwq is merged into")
	}
	want := []NodeObjects{{0, 208, 16}, {1, 208, 16}, {2, 208, 16}, {3, 208, 16}}
	if diff := cmp.Diff(want, got["TCP"]); diff != "" {
		t.Errorf("TCP (-want +got):\n%s", diff)
	}
}

// TestCapturedSlabtop compares with what slabtop -o printed a moment later:
// the caches, their object sizes and objects in a slab, which do not change.
func TestCapturedSlabtop(t *testing.T) {
	line := regexp.MustCompile(`^\s*\d+\s+\d+\s+\d+%\s+([\d.]+)K\s+\d+\s+(\d+)\s+\d+K (.*?)\s*$`)
	for _, name := range capturedTrees() {
		t.Run(name, func(t *testing.T) {
			caches, err := captured(t, name).fs().Caches()
			if err != nil {
				t.Fatal(err)
			}
			want, got := map[string]string{}, map[string]string{}
			for l := range strings.Lines(readFile(t, "testdata/"+name+"/ref/slabtop-o.txt")) {
				if m := line.FindStringSubmatch(l); m != nil {
					want[m[3]] = m[1] + "K, " + m[2]
				}
			}
			for _, c := range caches {
				got[c.Name] = fmt.Sprintf("%.2fK, %d", float64(c.ObjectBytes)/1024, c.ObjsPerSlab)
			}
			if len(want) < 100 {
				t.Fatalf("%d lines of slabtop", len(want))
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("not as slabtop has it (-slabtop +slabinfo):\n%s", diff)
			}
		})
	}
}

// TestCapturedLoad finds the load of the captured machines: 202 TCP sockets
// there, and their objects in slabinfo.
func TestCapturedLoad(t *testing.T) {
	for _, name := range capturedTrees() {
		t.Run(name, func(t *testing.T) {
			f := captured(t, name).fs()
			protocols, err := sock.ReadProtocols("../sock/testdata/" + name)
			if err != nil {
				t.Fatal(err)
			}
			caches, err := f.Caches()
			if err != nil {
				t.Fatal(err)
			}
			var tcp sock.Protocol
			for _, p := range protocols {
				if p.Name == "TCP" {
					tcp = p
				}
			}
			if tcp.Sockets < 202 || !tcp.Slab {
				t.Errorf("TCP in net/protocols: %+v, want 202 sockets", tcp)
			}
			for _, c := range caches {
				if c.Name != "TCP" {
					continue
				}
				if c.ObjectBytes < tcp.SockBytes || c.ObjectBytes > tcp.SockBytes+128 {
					t.Errorf("a TCP socket has %d bytes and its object %d", tcp.SockBytes, c.ObjectBytes)
				}
				if c.ActiveObjs < 202 || c.Bytes(capturedPageBytes) < 202*c.BytesPerObject(capturedPageBytes) {
					t.Errorf("%d TCP objects in %d bytes", c.ActiveObjs, c.Bytes(capturedPageBytes))
				}
			}
		})
	}
}

// TestCapturedCutAnywhere cuts slabinfo at every byte: an error, and never
// another number than the whole file gives.
func TestCapturedCutAnywhere(t *testing.T) {
	text := readFile(t, "testdata/6.12-4/proc/slabinfo")
	text = text[:strings.LastIndex(text[:3000], "\n")+1]
	whole, err := parseSlabinfo([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	for i := range text {
		got, err := parseSlabinfo([]byte(text[:i]))
		if err == nil && text[i-1] != '\n' {
			t.Errorf("cut at %s: no error", strconv.Itoa(i))
		}
		if err != nil && !errors.Is(err, ErrMalformed) || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("cut at %d: %v", i, err)
		}
		if diff := cmp.Diff(whole[:len(got)], got); diff != "" {
			t.Fatalf("cut at %d (-whole +cut):\n%s", i, diff)
		}
	}
}
