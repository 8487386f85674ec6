package zone

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/eptop/eptop/internal/maybe"
)

// The captured trees are virtual machines with 4 KiB pages.
const capturedPageBytes = 4096

// TestCapturedHardware compares with what numactl --hardware printed on the
// captured machines: CPUs, sizes and distances.
func TestCapturedHardware(t *testing.T) {
	for _, tree := range []string{"6.1-1", "6.1-2-nomerge", "6.12-4"} {
		t.Run(tree, func(t *testing.T) {
			root := filepath.Join("testdata", tree)
			nodes, err := NewFS(root+"/proc", root+"/sys").Nodes()
			if err != nil {
				t.Fatal(err)
			}
			want := readNumactl(t, root+"/ref/numactl-hardware.txt")
			got := map[string]string{"available": fmt.Sprintf("%d nodes (%s)", len(nodes.Nodes), formatList(nodes.Online))}
			for _, n := range nodes.Nodes {
				var cpus, distances []string
				for _, c := range n.CPUs {
					cpus = append(cpus, strconv.Itoa(c))
				}
				for _, d := range n.Distances {
					distances = append(distances, strconv.Itoa(d))
				}
				node := fmt.Sprintf("node %d ", n.ID)
				got[node+"cpus"] = strings.Join(cpus, " ")
				got[node+"size"] = fmt.Sprintf("%d MB", n.Meminfo.Value.MemTotalBytes>>20)
				got[node+"distances"] = strings.Join(distances, " ")
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("not as numactl --hardware has it (-numactl +zone):\n%s", diff)
			}
		})
	}
}

// readNumactl reads the output of numactl --hardware without the free memory,
// which had changed since the tree was copied.
func readNumactl(t *testing.T, path string) map[string]string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	out := make(map[string]string)
	for s := bufio.NewScanner(bytes.NewReader(b)); s.Scan(); {
		key, value, _ := strings.Cut(s.Text(), ":")
		value = strings.Join(strings.Fields(value), " ")
		id, err := strconv.Atoi(strings.TrimSpace(key))
		switch {
		case key == "node distances" || strings.HasSuffix(key, " free"):
		case err == nil:
			out[fmt.Sprintf("node %d distances", id)] = value
		case strings.HasPrefix(key, "node ") && strings.Contains(s.Text(), ":"), key == "available":
			out[key] = value
		}
	}
	return out
}

// TestCapturedNumastat compares with numastat (every counter) and numastat -m
// (MemTotal, in hundredths of a MiB).
func TestCapturedNumastat(t *testing.T) {
	for _, tree := range []string{"6.1-1", "6.1-2-nomerge", "6.12-4"} {
		t.Run(tree, func(t *testing.T) {
			root := filepath.Join("testdata", tree)
			nodes, err := NewFS(root+"/proc", root+"/sys").Nodes()
			if err != nil {
				t.Fatal(err)
			}
			counters := readColumns(t, root+"/ref/numastat.txt", len(nodes.Nodes))
			memory := readColumns(t, root+"/ref/numastat-m.txt", len(nodes.Nodes)+1)
			for i, n := range nodes.Nodes {
				for name, got := range map[string]uint64{
					"numa_hit": n.Numastat.Value.Hit, "numa_miss": n.Numastat.Value.Miss, "numa_foreign": n.Numastat.Value.Foreign,
					"interleave_hit": n.Numastat.Value.InterleaveHit, "local_node": n.Numastat.Value.LocalNode, "other_node": n.Numastat.Value.OtherNode,
				} {
					want, err := strconv.ParseUint(counters[name][i], 10, 64)
					// The tools ran in the guest after the tree was copied, and the
					// counters only grow: numastat may be ahead of the tree, never behind.
					if err != nil || got > want || got+20_000 < want {
						t.Errorf("node %d: %s is %d, numastat had %s shortly after", n.ID, name, got, counters[name][i])
					}
				}
				if got, want := fmt.Sprintf("%.2f", float64(n.Meminfo.Value.MemTotalBytes)/(1<<20)), memory["MemTotal"][i]; got != want {
					t.Errorf("node %d: MemTotal is %s MiB, numastat -m has %s", n.ID, got, want)
				}
			}
		})
	}
}

// readColumns reads a table of numastat: the lines with that many numbers.
func readColumns(t *testing.T, path string, columns int) map[string][]string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	out := make(map[string][]string)
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) == columns+1 {
			out[f[0]] = f[1:]
		}
	}
	return out
}

// vmstatNames returns the names of the statistics in a node's vmstat, one a line.
func vmstatNames(t *testing.T, path string) []string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for line := range strings.Lines(string(b)) {
		name, _, _ := strings.Cut(line, " ")
		out = append(out, name)
	}
	return out
}

// TestCapturedZones checks what must hold between the files of one machine:
// the kernel makes each from the same counters.
func TestCapturedZones(t *testing.T) {
	for _, tree := range []string{"6.1-1", "6.1-2-nomerge", "6.12-4"} {
		t.Run(tree, func(t *testing.T) {
			root := filepath.Join("testdata", tree)
			f := NewFS(root+"/proc", root+"/sys")
			info, err := f.Zoneinfo()
			if err != nil {
				t.Fatal(err)
			}
			nodes, err := f.Nodes()
			if err != nil {
				t.Fatal(err)
			}
			if len(info.Zones) != 5*len(nodes.Nodes) || len(info.Nodes) != len(nodes.Nodes) {
				t.Fatalf("%d zones and %d statistics of %d nodes, want 5 zones a node", len(info.Zones), len(info.Nodes), len(nodes.Nodes))
			}
			for _, n := range nodes.Nodes {
				if got := info.ManagedPages(n.ID) * capturedPageBytes; got != n.Meminfo.Value.MemTotalBytes {
					t.Errorf("node %d: zones manage %d bytes, meminfo has %d", n.ID, got, n.Meminfo.Value.MemTotalBytes)
				}
				for _, name := range []string{"nr_slab_reclaimable", "nr_slab_unreclaimable"} {
					if got := info.Node(n.ID).Get(name); !got.Known {
						t.Errorf("node %d: %s absent", n.ID, name)
					}
				}
				stats := vmstatNames(t, fmt.Sprintf("%s/sys/devices/system/node/node%d/vmstat", root, n.ID))
				// vmstat ends with the node's own statistics, which zoneinfo has
				// under the same names in the same order.
				own := info.Node(n.ID).Stats
				for i, s := range stats[len(stats)-len(own):] {
					if s != own[i].Name {
						t.Errorf("node %d: statistic %d is %s in zoneinfo and %s in vmstat", n.ID, i, own[i].Name, s)
					}
				}
			}
		})
	}
}

// TestCapturedWatermarks spells out one zone of each kernel.
func TestCapturedWatermarks(t *testing.T) {
	known := func(v uint64) maybe.Of[uint64] { return maybe.Some(v) }
	tests := map[string]struct {
		index int
		want  Zone
	}{
		"6.1-1": {0, Zone{
			Node: 0, Name: "DMA", FreePages: 3808, BoostPages: known(0), MinPages: 177, LowPages: 221, HighPages: 265,
			SpannedPages: 4095, PresentPages: 3998, ManagedPages: 3840, CMAPages: known(0),
		}},
		"6.12-4": {1, Zone{
			Node: 0, Name: "DMA32", FreePages: 236397, BoostPages: known(0), MinPages: 6829, LowPages: 8536, HighPages: 10243,
			PromoPages: known(11950), SpannedPages: 258048, PresentPages: 258048, ManagedPages: 244425, CMAPages: known(0),
		}},
	}
	for tree, tt := range tests {
		info, err := NewFS(filepath.Join("testdata", tree, "proc"), "").Zoneinfo()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tt.want, info.Zones[tt.index]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tree, diff)
		}
	}
}
