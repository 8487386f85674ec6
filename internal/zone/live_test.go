package zone

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// TestLiveZones holds this kernel's zones against its own totals.
func TestLiveZones(t *testing.T) {
	info, err := NewFS("/proc", "/sys").Zoneinfo()
	if err != nil {
		t.Fatal(err)
	}
	var managed, present uint64
	for _, z := range info.Zones {
		managed += z.ManagedPages
		present += z.PresentPages
		if z.ManagedPages > z.PresentPages || z.PresentPages > z.SpannedPages {
			t.Errorf("node %d %s: managed %d, present %d, spanned %d", z.Node, z.Name, z.ManagedPages, z.PresentPages, z.SpannedPages)
		}
		if z.PresentPages != 0 && (z.MinPages > z.LowPages || z.LowPages > z.HighPages) {
			t.Errorf("node %d %s: min %d, low %d, high %d", z.Node, z.Name, z.MinPages, z.LowPages, z.HighPages)
		}
	}
	var si unix.Sysinfo_t
	if err := unix.Sysinfo(&si); err != nil {
		t.Fatal(err)
	}
	page := uint64(os.Getpagesize())
	total := uint64(si.Totalram) * uint64(si.Unit) / page
	if managed > total || total > present {
		t.Errorf("zones manage %d of %d present pages, sysinfo(2) has %d", managed, present, total)
	}
	// A kernel that gives memory to its zones only when it is asked for counts
	// all of it in MemTotal from the start.
	cmdline, err := os.ReadFile("/proc/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	if lazy := strings.Contains(string(cmdline), "deferred_init=lazy"); managed != total && !lazy {
		t.Errorf("zones manage %d pages, sysinfo(2) has %d", managed, total)
	}
}

// TestLiveNodes holds this kernel's nodes against its zones, its directories
// and its CPUs.
func TestLiveNodes(t *testing.T) {
	f := NewFS("/proc", "/sys")
	nodes, err := f.Nodes()
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("this kernel has no /sys/devices/system/node: run on one with CONFIG_NUMA")
	}
	if err != nil {
		t.Fatal(err)
	}
	var dirs, cpus []int
	paths, err := filepath.Glob("/sys/devices/system/node/node[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		id, err := strconv.Atoi(strings.TrimPrefix(filepath.Base(path), "node"))
		if err != nil {
			t.Fatal(err)
		}
		dirs = append(dirs, id)
	}
	if slices.Sort(dirs); !slices.Equal(dirs, nodes.Online) {
		t.Errorf("online %v, directories %v", nodes.Online, dirs)
	}
	for i, n := range nodes.Nodes {
		cpus = append(cpus, n.CPUs...)
		if len(n.Distances) != len(nodes.Nodes) || n.Distances[i] != 10 {
			t.Errorf("node %d: distances %v, want 10 to itself", n.ID, n.Distances)
		}
		if n.HasMemory != (n.Meminfo.Value.MemTotalBytes > 0) {
			t.Errorf("node %d: has memory %t, MemTotal %d", n.ID, n.HasMemory, n.Meminfo.Value.MemTotalBytes)
		}
	}
	b, err := os.ReadFile("/sys/devices/system/cpu/online")
	if err != nil {
		t.Fatal(err)
	}
	online, err := ParseList(b)
	if err != nil {
		t.Fatal(err)
	}
	if cpus = sorted(cpus); !slices.Equal(cpus, online) {
		t.Errorf("nodes have CPUs %v, online are %v", cpus, online)
	}
}

// TestLiveManaged compares each node's zones with its meminfo, which the
// kernel sums for itself. Memory may be plugged in meanwhile, so the zones are
// read before and after.
func TestLiveManaged(t *testing.T) {
	f := NewFS("/proc", "/sys")
	page := uint64(os.Getpagesize())
	for range 20 {
		before, err := f.Zoneinfo()
		if err != nil {
			t.Fatal(err)
		}
		nodes, err := f.Nodes()
		if errors.Is(err, fs.ErrNotExist) {
			t.Skip("this kernel has no /sys/devices/system/node: run on one with CONFIG_NUMA")
		}
		if err != nil {
			t.Fatal(err)
		}
		after, err := f.Zoneinfo()
		if err != nil {
			t.Fatal(err)
		}
		want, got := map[int]uint64{}, map[int]uint64{}
		steady := true
		for _, n := range nodes.Nodes {
			steady = steady && before.ManagedPages(n.ID) == after.ManagedPages(n.ID)
			want[n.ID] = n.Meminfo.Value.MemTotalBytes
			got[n.ID] = before.ManagedPages(n.ID) * page
		}
		if !steady {
			continue
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("bytes of each node (-meminfo +zoneinfo):\n%s", diff)
		}
		return
	}
	t.Error("the managed pages changed during each of 20 reads")
}

// BenchmarkRead is what one refresh costs on this machine, in its two parts.
func BenchmarkRead(b *testing.B) {
	f := NewFS("/proc", "/sys")
	b.Run("zoneinfo", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if info, err := f.Zoneinfo(); err != nil || len(info.Zones) == 0 || info.Zones[0].SpannedPages == 0 {
				b.Fatalf("%d zones, error %v", len(info.Zones), err)
			}
		}
	})
	b.Run("nodes", func(b *testing.B) {
		if _, err := os.Stat("/sys/devices/system/node"); err != nil {
			b.Skip("this kernel has no /sys/devices/system/node: run on one with CONFIG_NUMA")
		}
		b.ReportAllocs()
		for b.Loop() {
			if nodes, err := f.Nodes(); err != nil || len(nodes.Nodes) != len(nodes.Online) || nodes.Nodes[0].Meminfo.Value.MemTotalBytes == 0 {
				b.Fatalf("%d nodes, error %v", len(nodes.Nodes), err)
			}
		}
	})
}
