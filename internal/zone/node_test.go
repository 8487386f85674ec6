package zone

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/eptop/eptop/internal/kernfile"
	"github.com/eptop/eptop/internal/maybe"
)

// tree makes a sysfs below a temporary directory. The paths are relative to
// /sys/devices/system/node.
func tree(t *testing.T, files map[string]string) (sysRoot string) {
	t.Helper()
	sysRoot = t.TempDir()
	for path, content := range files {
		path = filepath.Join(sysRoot, "devices/system/node", path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return sysRoot
}

func meminfo(node, totalKB int) string {
	return fmt.Sprintf("Node %d MemTotal: %8d kB\nNode %d MemFree:  %8d kB\n", node, totalKB, node, totalKB/2)
}

const idle = "numa_hit 0\nnuma_miss 0\nnuma_foreign 0\ninterleave_hit 0\nlocal_node 0\nother_node 0\n"

// TestNodesOfAllKinds has a machine with gaps in its numbers, CPUs without
// memory and memory without CPUs.
func TestNodesOfAllKinds(t *testing.T) {
	nodes, err := NewFS("", tree(t, map[string]string{
		"online": "0,2,5\n", "possible": "0-7\n", "has_memory": "0,5\n", "has_cpu": "0,2\n",
		"node0/cpulist": "0-3,8\n", "node0/meminfo": meminfo(0, 1000), "node0/numastat": idle, "node0/distance": "10 21 31\n",
		"node2/cpulist": "4-7\n", "node2/meminfo": meminfo(2, 0), "node2/numastat": idle, "node2/distance": "21 10 31\n",
		"node5/cpulist": "\n", "node5/meminfo": meminfo(5, 4000), "node5/numastat": idle, "node5/distance": "31 31 10\n",
	})).Nodes()
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(nodes.Online, []int{0, 2, 5}) || len(nodes.Possible) != 8 || len(nodes.Nodes) != 3 || len(nodes.Gone) != 0 {
		t.Fatalf("%+v", nodes)
	}
	for _, want := range []struct {
		id        int
		cpus      int
		list      string
		memory    bool
		bytes     uint64
		distances []int
	}{
		{0, 5, "0-3,8", true, 1000 << 10, []int{10, 21, 31}},
		{2, 4, "4-7", false, 0, []int{21, 10, 31}},
		{5, 0, "", true, 4000 << 10, []int{31, 31, 10}},
	} {
		n, ok := nodes.Node(want.id)
		if !ok || len(n.CPUs) != want.cpus || n.CPUList != maybe.Some(want.list) || n.HasMemory != want.memory ||
			n.Meminfo.Value.MemTotalBytes != want.bytes || !slices.Equal(n.Distances, want.distances) || !n.Numastat.Known {
			t.Errorf("%+v, want %+v", n, want)
		}
	}
	if _, ok := nodes.Node(1); ok {
		t.Error("node 1 exists, want a gap")
	}
}

// TestNodesAbsentFiles has a node of an old or small kernel: what is not there
// is absent, not zero and not an error.
func TestNodesAbsentFiles(t *testing.T) {
	nodes, err := NewFS("", tree(t, map[string]string{
		"online": "0-1\n", "node0/meminfo": meminfo(0, 1000), "node1/cpulist": "0\n",
	})).Nodes()
	if err != nil || len(nodes.Nodes) != 2 || nodes.Possible != nil {
		t.Fatalf("%+v, error %v", nodes, err)
	}
	if n := nodes.Nodes[0]; !n.HasMemory || n.CPUs != nil || n.CPUList.Known || n.Numastat.Known || n.Distances != nil {
		t.Errorf("%+v, want memory alone", n)
	}
	if n := nodes.Nodes[1]; n.HasMemory || n.Meminfo.Known || len(n.CPUs) != 1 {
		t.Errorf("%+v, want one CPU alone", n)
	}
}

// TestNodesWithoutNUMA has no node directory at all.
func TestNodesWithoutNUMA(t *testing.T) {
	_, err := NewFS("", t.TempDir()).Nodes()
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v, want fs.ErrNotExist", err)
	}
}

// TestNodesOnlineMissing has nodes and no list of them.
func TestNodesOnlineMissing(t *testing.T) {
	nodes, err := NewFS("", tree(t, map[string]string{"possible": "0-99\n", "node0/distance": "10 40\n", "node10/distance": "40 10\n", "nodeN": ""})).Nodes()
	if err != nil || !nodes.Unlisted || !slices.Equal(nodes.Online, []int{0, 10}) || len(nodes.Nodes) != 2 || !slices.Equal(nodes.Nodes[1].Distances, []int{40, 10}) {
		t.Errorf("%+v, error %v; want nodes 0 and 10", nodes, err)
	}
	_, err = NewFS("", tree(t, map[string]string{"possible": "0\n", "nodeN": ""})).Nodes()
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without a node: error %v, want fs.ErrNotExist", err)
	}
}

// TestNodesTooMany has more nodes online than a kernel can have.
func TestNodesTooMany(t *testing.T) {
	_, err := NewFS("", tree(t, map[string]string{"online": "0-65535\n"})).Nodes()
	if !errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), `node/online: line 1 "0-65535": number too large`) {
		t.Errorf("error %v", err)
	}
	nodes, err := NewFS("", tree(t, map[string]string{"online": "0-1023\n"})).Nodes()
	if err != nil || len(nodes.Gone) != 1024 {
		t.Errorf("%d gone, error %v", len(nodes.Gone), err)
	}
}

// TestNodesDamaged has one bad file: an error that names it, and all the rest.
func TestNodesDamaged(t *testing.T) {
	for name, want := range map[string]string{
		"node1/distance": `node1/distance: "10 21 31": 3 distances for 2 online nodes`,
		"node1/cpulist":  `node1/cpulist: line 1 "10 21 31": not a number`,
		"node1/meminfo":  `node1/meminfo: line 1 "10 21 31": not a line of a node`,
		"node1/numastat": `node1/numastat: line 1 "": numa_hit missing`,
		"possible":       `node/possible: line 1 "10 21 31": not a number`,
	} {
		files := map[string]string{
			"online": "0-1\n", "possible": "0-1\n", "has_memory": "0-1\n",
			"node0/cpulist": "0\n", "node0/meminfo": meminfo(0, 1000), "node0/numastat": idle, "node0/distance": "10 21\n",
			"node1/cpulist": "1\n", "node1/meminfo": meminfo(1, 1000), "node1/numastat": idle, "node1/distance": "21 10\n",
		}
		files[name] = "10 21 31\n"
		nodes, err := NewFS("", tree(t, files)).Nodes()
		if !errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", name, err, want)
		}
		if len(nodes.Nodes) != 2 {
			t.Fatalf("%s: %d nodes, want 2", name, len(nodes.Nodes))
		}
		first, second := nodes.Nodes[0], nodes.Nodes[1]
		if len(first.CPUs) != 1 || !first.Meminfo.Known || !first.Numastat.Known || len(first.Distances) != 2 {
			t.Errorf("%s: node 0 suffered: %+v", name, first)
		}
		if second.CPUList.Known == strings.HasSuffix(name, "cpulist") || strings.HasSuffix(name, "distance") && second.Distances != nil || strings.HasSuffix(name, "numastat") && second.Numastat.Known {
			t.Errorf("%s: kept what was damaged: %+v", name, second)
		}
	}
}

// TestNodesDenied has a file that may not be read, which root cannot make.
func TestNodesDenied(t *testing.T) {
	f := NewFS("", tree(t, map[string]string{"online": "0\n", "node0/cpulist": "0\n", "node0/meminfo": meminfo(0, 1000)}))
	f.open = func(path string, buf []byte) ([]byte, error) {
		if filepath.Base(path) == "meminfo" {
			return nil, &fs.PathError{Op: "open", Path: path, Err: syscall.EACCES}
		}
		return kernfile.Read(path, buf)
	}
	nodes, err := f.Nodes()
	if !errors.Is(err, fs.ErrPermission) || len(nodes.Nodes) != 1 || len(nodes.Nodes[0].CPUs) != 1 || nodes.Nodes[0].Meminfo.Known {
		t.Errorf("%+v, error %v", nodes, err)
	}
}

// TestNodeVanishes unplugs node 1 when its meminfo is opened, in the ways the
// kernel lets that be seen.
func TestNodeVanishes(t *testing.T) {
	for name, answer := range map[string]error{"before the open": nil, "before the read": syscall.ENODEV} {
		t.Run(name, func(t *testing.T) {
			root := tree(t, map[string]string{
				"online":        "0-1\n",
				"node0/cpulist": "0\n", "node0/meminfo": meminfo(0, 1000), "node0/distance": "10 21\n",
				"node1/cpulist": "1\n", "node1/meminfo": meminfo(1, 1000), "node1/distance": "21 10\n",
			})
			dir := filepath.Join(root, "devices/system/node")
			f := NewFS("", root)
			f.open = func(path string, buf []byte) ([]byte, error) {
				if strings.HasSuffix(path, "node1/meminfo") {
					err := errors.Join(
						os.WriteFile(filepath.Join(dir, "online"), []byte("0\n"), 0o644),
						os.WriteFile(filepath.Join(dir, "node0/distance"), []byte("10\n"), 0o644),
						os.RemoveAll(filepath.Join(dir, "node1")))
					if err != nil {
						t.Error(err)
					}
					if answer != nil {
						return nil, answer
					}
				}
				return kernfile.Read(path, buf)
			}
			nodes, err := f.Nodes()
			if err != nil || len(nodes.Nodes) != 1 || !slices.Equal(nodes.Online, []int{0}) ||
				!slices.Equal(nodes.Nodes[0].Distances, []int{10}) || !slices.Equal(nodes.Gone, []int{1}) {
				t.Errorf("%+v, error %v; want node 0 alone and node 1 gone", nodes, err)
			}
		})
	}
}

// TestNodeMissingForGood has a node that is listed as online but not there:
// it is gone, nobody has a distance to it, and the read ends.
func TestNodeMissingForGood(t *testing.T) {
	nodes, err := NewFS("", tree(t, map[string]string{
		"online":        "0,2,5\n",
		"node0/cpulist": "0\n", "node0/meminfo": meminfo(0, 1000), "node0/distance": "10 21 31\n",
		"node5/cpulist": "5\n", "node5/meminfo": meminfo(5, 1000), "node5/distance": "31 22 10\n",
	})).Nodes()
	if err != nil || len(nodes.Nodes) != 2 || !slices.Equal(nodes.Gone, []int{2}) ||
		!slices.Equal(nodes.Nodes[0].Distances, []int{10, 31}) || !slices.Equal(nodes.Nodes[1].Distances, []int{31, 10}) {
		t.Errorf("%+v, error %v", nodes, err)
	}
}

// TestNodeArrives plugs node 1 in while node 0 is read, so that node 0 has a
// distance more than there were nodes.
func TestNodeArrives(t *testing.T) {
	root := tree(t, map[string]string{"online": "0\n", "node0/cpulist": "0\n", "node0/distance": "10 21\n",
		"node1/cpulist": "1\n", "node1/distance": "21 10\n"})
	f := NewFS("", root)
	f.open = func(path string, buf []byte) ([]byte, error) {
		if strings.HasSuffix(path, "node0/distance") {
			if err := os.WriteFile(filepath.Join(root, "devices/system/node/online"), []byte("0-1\n"), 0o644); err != nil {
				t.Error(err)
			}
		}
		return kernfile.Read(path, buf)
	}
	nodes, err := f.Nodes()
	if err != nil || len(nodes.Nodes) != 2 || len(nodes.Gone) != 0 || len(nodes.Nodes[1].Distances) != 2 {
		t.Errorf("%+v, error %v; want two nodes", nodes, err)
	}
}

// TestZoneinfoAbsent keeps the reason recognisable.
func TestZoneinfoAbsent(t *testing.T) {
	if _, err := NewFS(t.TempDir(), "").Zoneinfo(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v, want fs.ErrNotExist", err)
	}
}
