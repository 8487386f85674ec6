package collect

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/model"
)

// fourNodes is the captured machine of four nodes with a CPU each, with a process
// added: 4242 holds 20 of the 26 TCP sockets and one of them by two fds.
func fourNodes(t testing.TB) (root string) {
	t.Helper()
	root = t.TempDir()
	for _, tree := range []string{"../zone/testdata/6.12-4", "../dmi/testdata/6.12-4"} {
		for _, fs := range []string{"proc", "sys"} {
			from := filepath.Join(tree, fs)
			if _, err := os.Stat(from); err != nil {
				continue
			}
			if err := copyTree(filepath.Join(root, fs), from); err != nil {
				t.Fatal(err)
			}
		}
	}
	stat := func(cpu int) string {
		return "4242 (server) S 1" + strings.Repeat(" 0", 34) + fmt.Sprintf(" %d", cpu) + strings.Repeat(" 0", 14) + "\n"
	}
	write(t, root, "proc/4242/stat", stat(3))
	write(t, root, "proc/4242/task/4242/stat", stat(3))
	write(t, root, "proc/4242/task/4243/stat", stat(3))
	write(t, root, "proc/4242/status", "Name:\tserver\nUid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\nCpus_allowed_list:\t2-3\nMems_allowed_list:\t0-3\n")
	write(t, root, "proc/4242/statm", "10000 900 300 1 0 500 0\n")
	write(t, root, "proc/4242/numa_maps", "7f00 default anon=900 N0=600 N3=300 kernelpagesize_kB=4\n")
	tcp := "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
	for i := range 26 {
		tcp += fmt.Sprintf("%4d: 0100007F:%04X 0100007F:0050 01 00000000:00000000 00:00000000 00000000     0        0 %d 1 0000000000000000 20 4 30 10 -1\n", i, 5000+i, 100+i)
	}
	write(t, root, "proc/net/tcp", tcp)
	write(t, root, "proc/slabinfo", "slabinfo - version: 2.1\n"+
		"# name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab> : tunables <limit> <batchcount> <sharedfactor> : slabdata <active_slabs> <num_slabs> <sharedavail>\n"+
		"TCP                   26     26   2432   13    8 : tunables    0    0    0 : slabdata      2      2      0\n")
	for name, text := range map[string]string{
		"aliases": "0", "object_size": "2368", "slab_size": "2432", "objs_per_slab": "13", "order": "3", "reclaim_account": "0",
		"slabs": "2 N0=1 N3=1", "objects": "26 N0=16 N3=10",
	} {
		write(t, root, "sys/kernel/slab/TCP/"+name, text+"\n")
	}
	if err := os.MkdirAll(filepath.Join(root, "proc/4242/fd"), 0o755); err != nil {
		t.Fatal(err)
	}
	for i := range 21 {
		if err := os.Symlink(fmt.Sprintf("socket:[%d]", 100+i%20), filepath.Join(root, "proc/4242/fd", fmt.Sprint(10+i))); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// copyTree copies files so that a test may change them.
func copyTree(to, from string) error {
	return filepath.WalkDir(from, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		if err := os.MkdirAll(filepath.Dir(filepath.Join(to, rel)), 0o755); err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, rel), b, 0o644)
	})
}

func write(t testing.TB, root, name, text string) {
	t.Helper()
	path := filepath.Join(root, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func collectorOf(t *testing.T, root string) *Collector {
	t.Helper()
	return newCollector(t, func(o *Options) { o.ProcRoot, o.SysRoot = filepath.Join(root, "proc"), filepath.Join(root, "sys") })
}

func state(s *model.Snapshot, name string) model.Source {
	for _, src := range s.Sources {
		if src.Name == name {
			return src
		}
	}
	return model.Source{}
}

// TestPlacement: the process runs on node 3 alone, and two thirds of its memory and
// at least half of its sockets are on node 0.
func TestPlacement(t *testing.T) {
	root := fourNodes(t)
	s := snapshotOf(t, collectorOf(t, root), 4242)
	got := s.Process(4242).Placement
	if got == nil {
		t.Fatal("nobody looked where it is")
	}
	row := func(node, threads int, mayRun bool, pages, least, most int64) model.NodePlacement {
		return model.NodePlacement{
			Node: node, Threads: threads, MayRun: maybe.Some(mayRun), MemoryBytes: maybe.Some(pages << 12),
			SocketsAtLeast: maybe.Some(least), SocketsAtMost: maybe.Some(most),
		}
	}
	want := &model.Placement{
		Threads: 2, CPUsAllowed: "2-3", MemsAllowed: "0-3", Sockets: maybe.Some[int64](20),
		Nodes: []model.NodePlacement{row(0, 0, false, 600, 10, 16), row(1, 0, false, 0, 0, 0), row(2, 0, true, 0, 0, 0), row(3, 2, true, 300, 4, 10)},
		Warnings: []model.PlacementWarning{
			{Proven: true, Text: "66 % of its memory is on node 0, where none of its threads last ran, 3.1 × as far from node 3 as its own memory."},
			{Proven: true, Text: "At least 10 of its 20 sockets are on node 0, where none of its threads last ran, 3.1 × as far from node 3 as its own memory."},
		},
		Age: got.Age,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if n := s.MemoryModules; len(n) != 1 || n[0].Locator != "DIMM 0" || n[0].SizeBytes != maybe.Some[int64](4<<30) {
		t.Errorf("memory modules %+v", n)
	}
}

// TestPlacementOnlyWhenAsked: nobody looks without somebody who asks, on one node, and
// while the last look was too costly.
func TestPlacementOnlyWhenAsked(t *testing.T) {
	root := fourNodes(t)
	c := collectorOf(t, root)
	clock := time.Now()
	c.now = func() time.Time { clock = clock.Add(time.Millisecond); return clock }
	if p := snapshotOf(t, c).Process(4242); p == nil || p.Placement != nil {
		t.Errorf("nobody asked: %+v", p)
	}
	first := snapshotOf(t, c, 4242).Process(4242).Placement
	write(t, root, "proc/4242/task/4243/stat", strings.Replace(readFile(t, root, "proc/4242/task/4243/stat"), " 3 0", " 2 0", 1))
	if again := snapshotOf(t, c, 4242).Process(4242).Placement; again.Nodes[2].Threads != 0 || again.Age <= first.Age {
		t.Errorf("read again at once: %+v", again)
	}
	clock = clock.Add(time.Minute)
	if later := snapshotOf(t, c, 4242).Process(4242).Placement; later.Nodes[2].Threads != 1 || later.Nodes[3].Threads != 1 {
		t.Errorf("not read again later: %+v", later)
	}

	write(t, root, "sys/devices/system/node/online", "0\n")
	write(t, root, "sys/devices/system/node/node0/distance", "10\n")
	if err := os.RemoveAll(filepath.Join(root, "proc/4242/task")); err != nil {
		t.Fatal(err)
	}
	if p := snapshotOf(t, c, 4242).Process(4242); p == nil || p.Placement != nil {
		t.Errorf("on one node: %+v", p)
	}
}

// TestPlacementWithoutMemory: what could not be read is absent, with the reason.
func TestPlacementWithoutMemory(t *testing.T) {
	for why, damage := range map[string]func(root string){
		"has no numa_maps":      func(root string) { _ = os.Remove(filepath.Join(root, "proc/4242/numa_maps")) },
		"7f00 default anon=900": func(root string) { write(t, root, "proc/4242/numa_maps", "7f00 default anon=900 N0=60") },
	} {
		root := fourNodes(t)
		damage(root)
		p := snapshotOf(t, collectorOf(t, root), 4242).Process(4242).Placement
		if p == nil || !strings.Contains(p.MemoryProblem, why) || p.Nodes[0].MemoryBytes.Known || p.Nodes[3].Threads != 2 {
			t.Errorf("%s: %+v", why, p)
		}
	}
	// In a captured tree nobody waits for the lock that bounds the size.
	root := fourNodes(t)
	write(t, root, "proc/4242/statm", "9000000 8000000 300 1 0 500 0\n")
	c := collectorOf(t, root)
	if p := snapshotOf(t, c, 4242).Process(4242).Placement; p == nil || !p.Nodes[0].MemoryBytes.Known {
		t.Errorf("much memory, captured: %+v", p)
	}
	c.live = true
	if p, err := (&look{Collector: c}).readPlacement(4242); err != nil || p.Memory.Known || !strings.Contains(p.MemoryProblem, "MiB are resident") {
		t.Errorf("much memory, live: %+v, %v", p, err)
	}
}

// TestMemoryDamaged: a damaged file fails its own source, with a line that says where,
// and no other.
func TestMemoryDamaged(t *testing.T) {
	const node = "sys/devices/system/node/"
	for _, tt := range []struct {
		file   string
		to     func(string) string
		source string
		says   string
	}{
		{"proc/zoneinfo", func(s string) string { return s[:len(s)/2] }, "zoneinfo", "line"},
		{node + "node2/meminfo", func(s string) string { return s[:len(s)/2] }, "nodes", "node2/meminfo: line"},
		{node + "node2/distance", func(string) string { return "10 21 31\n" }, "nodes", "3 distances for 4 online nodes"},
		{node + "node2/cpulist", func(string) string { return "2" }, "nodes", "node2/cpulist"},
		{node + "online", func(string) string { return "0-" }, "nodes", "node/online"},
		{"sys/firmware/dmi/tables/DMI", func(s string) string { return s[:len(s)/2] }, "dmi", "structure"},
		{"sys/firmware/dmi/tables/smbios_entry_point", func(s string) string { return s[:7] }, "dmi", "smbios_entry_point"},
	} {
		t.Run(tt.source+" "+filepath.Base(tt.file), func(t *testing.T) {
			root := fourNodes(t)
			write(t, root, tt.file, tt.to(readFile(t, root, tt.file)))
			s := snapshotOf(t, collectorOf(t, root), 4242)
			if src := state(s, tt.source); src.State != model.Failed || !strings.Contains(src.Detail, tt.says) {
				t.Errorf("%+v", src)
			}
			for _, other := range []string{"zoneinfo", "nodes", "dmi"} {
				if src := state(s, other); other != tt.source && src.State != model.OK {
					t.Errorf("%+v", src)
				}
			}
			if s.Process(4242) == nil {
				t.Error("the process is gone")
			}
		})
	}
}

// TestNodeUnplugged: a node whose directory is gone is named, and the rest shows.
func TestNodeUnplugged(t *testing.T) {
	root := fourNodes(t)
	if err := os.RemoveAll(filepath.Join(root, "sys/devices/system/node/node2")); err != nil {
		t.Fatal(err)
	}
	s := snapshotOf(t, collectorOf(t, root), 4242)
	if src := state(s, "nodes"); src.State != model.Failed || !strings.Contains(src.Detail, "node 2 went away") {
		t.Errorf("%+v", src)
	}
	if len(s.Nodes) != 3 || len(s.Process(4242).Placement.Nodes) != 3 {
		t.Errorf("%d nodes", len(s.Nodes))
	}
}

func readFile(t *testing.T, root, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestANodeThatIsGone: without node 1 the machine of four nodes has distances between
// the others only, in JSON and in the sentences about a process.
func TestANodeThatIsGone(t *testing.T) {
	root := fourNodes(t)
	if err := os.RemoveAll(filepath.Join(root, "sys/devices/system/node/node1")); err != nil {
		t.Fatal(err)
	}
	s := snapshotOf(t, collectorOf(t, root), 4242)
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Nodes []struct {
			ID        int
			Distances []int
		}
		Gone []int `json:"nodes_gone"`
	}
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	// The rows of the capture are 10 21 31 31, 31 31 10 21 and 31 31 21 10.
	if diff := cmp.Diff("[{0 [10 31 31]} {2 [31 10 21]} {3 [31 21 10]}] [1]", fmt.Sprint(got.Nodes, got.Gone)); diff != "" {
		t.Errorf("nodes (-want +got):\n%s", diff)
	}
	if src := state(s, "nodes"); src.State != model.Failed || src.Detail != "node 1 went away while it was read" {
		t.Errorf("the source is %+v", src)
	}
	warnings := fmt.Sprint(s.Process(4242).Placement.Warnings)
	if !strings.Contains(warnings, "3.1 × as far from node 3") {
		t.Errorf("warnings: %s", warnings)
	}
}

// TestManyGoneNodes: however many nodes are gone, a few are named.
func TestManyGoneNodes(t *testing.T) {
	root := fourNodes(t)
	write(t, root, "sys/devices/system/node/online", "0-1023\n")
	s := snapshotOf(t, collectorOf(t, root))
	if src := state(s, "nodes"); !strings.HasPrefix(src.Detail, "nodes 4, 5, 6, 7, 8 and 1015 more went away while they were read; node0/distance: ") || src.State != model.Failed {
		t.Errorf("the source is %+v", src)
	}
}

// TestSourceDetailIsBounded has every file of every node damaged.
func TestSourceDetailIsBounded(t *testing.T) {
	root := fourNodes(t)
	for node := range 4 {
		for _, file := range []string{"cpulist", "meminfo", "numastat", "distance"} {
			write(t, root, fmt.Sprintf("sys/devices/system/node/node%d/%s", node, file), strings.Repeat("damaged ", 40)+"\n")
		}
	}
	src := state(snapshotOf(t, collectorOf(t, root)), "nodes")
	if n := len([]rune(src.Detail)); src.State != model.Failed || n > maxDetail+1 || strings.Contains(src.Detail, "\n") ||
		!strings.HasPrefix(src.Detail, "node0/cpulist: line 1") || !strings.HasSuffix(src.Detail, "…") {
		t.Errorf("%d characters: %+v", n, src)
	}
}
