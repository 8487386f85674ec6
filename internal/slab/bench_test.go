package slab

import (
	"fmt"
	"strings"
	"testing"

	"github.com/prometheus/procfs"
)

// sum is what a benchmark checks its result by.
func sum(caches []Cache) (n uint64) {
	for _, c := range caches {
		n += c.ActiveObjs + c.Slabs
	}
	return n
}

func BenchmarkParseSlabinfo(b *testing.B) {
	machine := readFile(b, "testdata/6.12-4/proc/slabinfo")
	var large strings.Builder
	large.WriteString(version + header)
	for i := range 10_000 {
		large.WriteString(render(Cache{
			Name: fmt.Sprintf("cache-%d", i), ActiveObjs: uint64(i) * 1000, Objs: uint64(i) * 1001,
			ObjectBytes: 2368, ObjsPerSlab: 13, PagesPerSlab: 8, ActiveSlabs: uint64(i), Slabs: uint64(i),
		}, ""))
	}
	for _, text := range []string{machine, large.String()} {
		want, err := parseSlabinfo([]byte(text))
		if err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprintf("caches=%d", len(want)), func(b *testing.B) {
			var p Parser
			in := []byte(text)
			var got []Cache
			b.SetBytes(int64(len(in)))
			b.ReportAllocs()
			for b.Loop() {
				if got, err = p.AppendCaches(got[:0], in); err != nil {
					b.Fatal(err)
				}
			}
			if len(got) != len(want) || sum(got) != sum(want) {
				b.Fatalf("%d caches, sum %d", len(got), sum(got))
			}
		})
	}
}

// BenchmarkSlabinfoFile reads and parses one captured file, by this package and
// by procfs.
func BenchmarkSlabinfoFile(b *testing.B) {
	tr := captured(b, "6.12-4")
	want, err := tr.fs().Caches()
	if err != nil {
		b.Fatal(err)
	}
	b.Run("eptop", func(b *testing.B) {
		f := tr.fs()
		var got []Cache
		b.ReportAllocs()
		for b.Loop() {
			if got, err = f.Caches(); err != nil {
				b.Fatal(err)
			}
		}
		if sum(got) != sum(want) {
			b.Fatalf("sum %d, want %d", sum(got), sum(want))
		}
	})
	b.Run("procfs", func(b *testing.B) {
		f, err := procfs.NewFS(tr.path("proc"))
		if err != nil {
			b.Fatal(err)
		}
		var got procfs.SlabInfo
		b.ReportAllocs()
		for b.Loop() {
			if got, err = f.SlabInfo(); err != nil {
				b.Fatal(err)
			}
		}
		var n uint64
		for _, s := range got.Slabs {
			n += uint64(s.ObjActive) + uint64(s.SlabNum)
		}
		if n != sum(want) {
			b.Fatalf("sum %d, want %d", n, sum(want))
		}
	})
}

// BenchmarkLive is what a refresh costs on this kernel: slabinfo itself, the
// nodes of the caches behind sockets and watches, and the list of names.
func BenchmarkLive(b *testing.B) {
	f, caches := live(b)
	names := liveNames(b, f)
	b.Run("caches", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			got, err := f.Caches()
			if err != nil || len(got) < len(caches)/2 {
				b.Fatalf("%d caches, %v", len(got), err)
			}
		}
	})
	b.Run("nodes", func(b *testing.B) {
		network := []string{
			"TCP", "TCPv6", "UDP", "UDPv6", "UNIX", "sock_inode_cache", "filp", "dentry", "tw_sock_TCP",
			"eventpoll_epi", "eventpoll_pwq", "ep_head", "tcp_bind_bucket", "lsm_file_cache", "lsm_inode_cache",
		}
		b.ReportAllocs()
		for b.Loop() {
			got, err := f.ReadNodes(network)
			if err != nil || len(got) < 5 {
				b.Fatalf("%d caches, %v", len(got), err)
			}
		}
	})
	b.Run("names", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			got, err := readNames(f.slab)
			if err != nil || got.Len() != names.Len() {
				b.Fatalf("%v, %v", got, err)
			}
		}
	})
	b.Run("first", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			got, err := NewFS("/proc", "/sys").Caches()
			if err != nil || len(got) < len(caches)/2 {
				b.Fatalf("%d caches, %v", len(got), err)
			}
		}
	})
	b.Run("procfs", func(b *testing.B) {
		f, err := procfs.NewFS("/proc")
		if err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		for b.Loop() {
			got, err := f.SlabInfo()
			if err != nil || len(got.Slabs) < len(caches)/2 {
				b.Fatalf("%d caches, %v", len(got.Slabs), err)
			}
		}
	})
}
