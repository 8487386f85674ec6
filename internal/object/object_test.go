package object

import (
	"slices"
	"testing"
)

// TestTable holds the table against itself: no cache stands in it twice, and everything
// that costs are made of is behind sockets or epoll.
func TestTable(t *testing.T) {
	names := CostCaches()
	for i, name := range names {
		if slices.Contains(names[:i], name) {
			t.Errorf("%s stands in the table twice", name)
		}
	}
	for _, k := range costs {
		if k.Cache == "" || k.For == "" {
			t.Errorf("%+v lacks a name or a purpose", k)
		}
		if got, ok := OfCache(k.Cache); !ok || got != k || !IsNetwork(k.Cache) {
			t.Errorf("%s: %+v, %v", k.Cache, got, ok)
		}
	}
	for _, parts := range [][]Kind{Watch(), WithFile(TCP), WithFile(UNIXStream), Instance()[1:]} {
		for _, k := range parts {
			if !slices.Contains(names, k.Cache) {
				t.Errorf("%s is a part and not among the caches of costs", k.Cache)
			}
		}
	}
}

func TestNames(t *testing.T) {
	for name, want := range map[string]bool{
		"TCP": true, "dentry": true, "nf_conntrack": true, "skbuff_head_cache": true, "UDP-Lite": true, "tw_sock_DCCP": true, "UNIX": true,
		"kmalloc-256": false, "signal_cache": false, "inode_cache": false, "proc_inode_cache": false, "eventpoll": false, "": false,
	} {
		if got := IsNetwork(name); got != want {
			t.Errorf("%q is behind sockets or epoll: %v", name, got)
		}
	}
	for bytes, want := range map[int64]string{1: "kmalloc-64", 64: "kmalloc-64", 65: "kmalloc-96", 128: "kmalloc-128", 129: "kmalloc-192", 1024: "kmalloc-1k", 1025: ""} {
		if got, ok := KmallocCache(bytes); got != want || ok != (want != "") {
			t.Errorf("%d bytes come from %q, %v", bytes, got, ok)
		}
	}
}
