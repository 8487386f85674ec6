package collect

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/slab"
)

// slabTree is a machine of some nodes. Its caches are 200 made-up ones, TCP, dentry and
// one merged of eventpoll_epi and others.
type slabTree struct {
	t    *testing.T
	root string
}

func newSlabTree(t *testing.T, nodes int) *slabTree {
	tr := &slabTree{t: t, root: t.TempDir()}
	tr.write("proc/1/stat", "1 (init) S 0 "+strings.Repeat("0 ", 48)+"\n")
	var info strings.Builder
	info.WriteString("slabinfo - version: 2.1\n")
	line := func(name, id string) {
		fmt.Fprintf(&info, "%s 24 26 2368 13 8 : tunables 0 0 0 : slabdata 2 2 0\n", name)
		for file, text := range map[string]string{
			"object_size": "2304", "slab_size": "2368", "reclaim_account": "0", "objs_per_slab": "13", "order": "3",
			"objects": "24 N0=20 N1=4", "slabs": "2 N0=1 N1=1",
		} {
			tr.write("sys/kernel/slab/"+id+"/"+file, text+"\n")
		}
	}
	for i := range 200 {
		line(fmt.Sprintf("cache-%d", i), fmt.Sprintf("cache-%d", i))
	}
	line("TCP", "TCP")
	line("dentry", "dentry")
	line("pid", ":A-0002368")
	for _, name := range []string{"pid", "eventpoll_epi", "tcp_bind_bucket"} {
		if err := os.Symlink(":A-0002368", filepath.Join(tr.root, "sys/kernel/slab", name)); err != nil {
			t.Fatal(err)
		}
	}
	tr.write("proc/slabinfo", info.String())
	dir := "sys/devices/system/node/"
	for i := range nodes {
		node := fmt.Sprintf("%snode%d/", dir, i)
		tr.write(node+"cpulist", strconv.Itoa(i)+"\n")
		tr.write(node+"distance", strings.TrimSpace(strings.Repeat("10 ", nodes))+"\n")
		tr.write(node+"meminfo", fmt.Sprintf("Node %d MemTotal: 1000 kB\nNode %d MemFree: 500 kB\n", i, i))
	}
	for _, name := range []string{"online", "possible", "has_memory"} {
		tr.write(dir+name, fmt.Sprintf("0-%d\n", nodes-1))
	}
	return tr
}

func (tr *slabTree) write(name, text string) {
	tr.t.Helper()
	path := filepath.Join(tr.root, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		tr.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		tr.t.Fatal(err)
	}
}

// watchOpens returns a function that returns which attributes of slab caches were
// opened since its last call, such as "TCP/objects", each with how often.
func (tr *slabTree) watchOpens() func() map[string]int {
	tr.t.Helper()
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		tr.t.Fatal(err)
	}
	tr.t.Cleanup(func() { _ = unix.Close(fd) })
	root := filepath.Join(tr.root, "sys/kernel/slab")
	dirs := map[int32]string{}
	entries, err := os.ReadDir(root)
	if err != nil {
		tr.t.Fatal(err)
	}
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		wd, err := unix.InotifyAddWatch(fd, filepath.Join(root, e.Name()), unix.IN_OPEN)
		if err != nil {
			tr.t.Fatal(err)
		}
		dirs[int32(wd)] = e.Name()
	}
	buf := make([]byte, 1<<16)
	return func() map[string]int {
		opened := map[string]int{}
		for {
			n, err := unix.Read(fd, buf)
			if errors.Is(err, unix.EAGAIN) {
				return opened
			}
			if err != nil {
				tr.t.Fatal(err)
			}
			for b := buf[:n]; len(b) >= unix.SizeofInotifyEvent; {
				wd, length := int32(binary.NativeEndian.Uint32(b)), binary.NativeEndian.Uint32(b[12:])
				if name := strings.TrimRight(string(b[unix.SizeofInotifyEvent:unix.SizeofInotifyEvent+length]), "\x00"); name != "" {
					opened[dirs[wd]+"/"+name]++
				}
				b = b[unix.SizeofInotifyEvent+length:]
			}
		}
	}
}

// TestARefreshReadsOnlyTheCachesOnScreen counts what each look opens below
// /sys/kernel/slab: sizes once, objects for each node of the caches that costs are
// made of and those on screen, at most every nodesEvery.
func TestARefreshReadsOnlyTheCachesOnScreen(t *testing.T) {
	tr := newSlabTree(t, 2)
	clock := time.Now()
	c := newCollector(t, func(o *Options) {
		o.ProcRoot, o.SysRoot, o.Sweep = filepath.Join(tr.root, "proc"), filepath.Join(tr.root, "sys"), time.Hour
	})
	c.now = func() time.Time { return clock }
	opened := tr.watchOpens()
	look := func(focus model.Focus) *model.Snapshot {
		t.Helper()
		s, err := c.Look(t.Context(), focus)
		if err != nil {
			t.Fatal(err)
		}
		return model.New(s)
	}
	look(model.Focus{})
	if n := len(opened()); n < 3*200 {
		t.Errorf("the first look read %d attributes of 203 caches, which are read once", n)
	}
	costs := map[string]int{
		"TCP/objects": 1, "TCP/slabs": 1, "dentry/objects": 1, "dentry/slabs": 1, ":A-0002368/objects": 1, ":A-0002368/slabs": 1,
	}
	screen := model.Focus{Caches: []string{"cache-7", "cache-9", "TCP", "pid", "no such cache"}}
	onScreen := map[string]int{"cache-7/objects": 1, "cache-7/slabs": 1, "cache-9/objects": 1, "cache-9/slabs": 1}
	for _, step := range []struct {
		name  string
		after time.Duration
		focus model.Focus
		want  map[string]int
	}{
		{"at once", 0, model.Focus{}, map[string]int{}},
		{"the Slab view opens", time.Second, screen, onScreen},
		{"a second later", time.Second, screen, map[string]int{}},
		{"when the counts are old", 3 * time.Second, screen, costs},
		{"and those on screen", time.Second, screen, onScreen},
		{"another view", nodesEvery, model.Focus{}, costs},
	} {
		clock = clock.Add(step.after)
		s := look(step.focus)
		if diff := cmp.Diff(step.want, opened()); diff != "" {
			t.Errorf("%s (-want +opened):\n%s", step.name, diff)
		}
		for _, cache := range s.Slab {
			wanted := !strings.HasPrefix(cache.Name, "cache-") || slices.Contains(step.focus.Caches, cache.Name)
			want := []model.NodeObjects{{Node: 0, Objects: 20}, {Node: 1, Objects: 4}}
			if !wanted {
				want = nil
			}
			if diff := cmp.Diff(want, cache.Nodes); diff != "" {
				t.Errorf("%s: the nodes of %s (-want +got):\n%s", step.name, cache.Name, diff)
			}
		}
	}
}

// TestOneNodeNeedsNoReading: where one node has all memory slabinfo says it all.
func TestOneNodeNeedsNoReading(t *testing.T) {
	tr := newSlabTree(t, 1)
	c := newCollector(t, func(o *Options) {
		o.ProcRoot, o.SysRoot, o.Sweep = filepath.Join(tr.root, "proc"), filepath.Join(tr.root, "sys"), time.Hour
	})
	snapshotOf(t, c)
	opened := tr.watchOpens()
	s, err := c.Look(t.Context(), model.Focus{AllCaches: true})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]int{}, opened()); diff != "" {
		t.Errorf("opened (-want +got):\n%s", diff)
	}
	for _, cache := range model.New(s).Slab {
		if diff := cmp.Diff([]model.NodeObjects{{Node: 0, Objects: 24}}, cache.Nodes); diff != "" {
			t.Errorf("the nodes of %s (-want +got):\n%s", cache.Name, diff)
		}
	}
}

// TestSlabIsAsSlabtopHasIt looks before and after slabtop -o: each of its sums lies
// between the two, or a moment later does.
func TestSlabIsAsSlabtopHasIt(t *testing.T) {
	if _, err := exec.LookPath("slabtop"); err != nil {
		t.Skip("no slabtop: install procps (make test-deps)")
	}
	c := newCollector(t, nil)
	sums := func() []float64 {
		s := snapshotOf(t, c)
		for _, src := range s.Sources {
			if src.Name == "slabinfo" && src.State == model.Denied {
				t.Skip("/proc/slabinfo is denied: run the test as root")
			}
		}
		n := s.SlabTotals.Value
		kb := func(b int64) float64 { return float64(b) / 1024 }
		return []float64{
			float64(n.Active), float64(n.Objects), float64(n.ActiveSlabs), float64(n.Slabs), float64(n.ActiveCaches), float64(n.Caches),
			kb(n.ActiveBytes), kb(n.ObjectsBytes), kb(n.MinObjectBytes.Value), kb(n.AverageObjectBytes.Value), kb(n.MaxObjectBytes.Value),
		}
	}
	names := []string{
		"active objects", "objects", "active slabs", "slabs", "active caches", "caches",
		"active size", "size", "smallest object", "average object", "largest object",
	}
	between := make([]bool, len(names))
	var last string
	for range 50 {
		before := sums()
		out, err := exec.Command("slabtop", "-o").Output()
		if err != nil {
			t.Fatal(err)
		}
		after := sums()
		slabtop := slabtopHead(t, string(out))
		for i := range names {
			// slabtop rounds to hundredths.
			lo, hi := min(before[i], after[i])-0.011, max(before[i], after[i])+0.011
			between[i] = between[i] || slabtop[i] >= lo && slabtop[i] <= hi
		}
		last = fmt.Sprintf("slabtop %v, eptop before %v and after %v", slabtop, before, after)
		if !slices.Contains(between, false) {
			t.Log(last)
			return
		}
	}
	for i, ok := range between {
		if !ok {
			t.Errorf("%s never were slabtop's; at last %s", names[i], last)
		}
	}
}

// slabtopHead are the eleven numbers above slabtop's table.
func slabtopHead(t *testing.T, out string) []float64 {
	t.Helper()
	head, _, ok := strings.Cut(out, "OBJS ACTIVE")
	if !ok {
		t.Fatalf("slabtop printed %q", out)
	}
	number := regexp.MustCompile(`[\d.]+`)
	var n []float64
	for line := range strings.Lines(head) {
		_, values, _ := strings.Cut(line, ":")
		values, _, _ = strings.Cut(values, "(")
		for _, text := range number.FindAllString(values, -1) {
			v, err := strconv.ParseFloat(text, 64)
			if err != nil {
				t.Fatal(err)
			}
			n = append(n, v)
		}
	}
	if len(n) != 11 {
		t.Fatalf("%d numbers in slabtop's head:\n%s", len(n), head)
	}
	return n
}

// TestACutSlabinfoIsAnError: the source says so, and the lines that are whole stay.
func TestACutSlabinfoIsAnError(t *testing.T) {
	tr := newSlabTree(t, 2)
	path := filepath.Join(tr.root, "proc/slabinfo")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, cut := range map[string]string{
		"in a line": string(text[:len(text)/2+10]), "a column": strings.Replace(string(text), "cache-3 24 26", "cache-3 24", 1),
		"all of it": "slabinfo - version: 2.1\n", "empty": "",
	} {
		tr.write("proc/slabinfo", cut)
		s := snapshotOf(t, newCollector(t, func(o *Options) {
			o.ProcRoot, o.SysRoot = filepath.Join(tr.root, "proc"), filepath.Join(tr.root, "sys")
		}))
		i := slices.IndexFunc(s.Sources, func(src model.Source) bool { return src.Name == "slabinfo" })
		if src := s.Sources[i]; src.State != model.Failed || !strings.Contains(src.Detail, "slabinfo") {
			t.Errorf("%s: the source is %+v", name, src)
		}
		if name == "a column" && len(s.Slab) != 202 {
			t.Errorf("%s: %d caches of the lines that are whole", name, len(s.Slab))
		}
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	s := snapshotOf(t, newCollector(t, func(o *Options) {
		o.ProcRoot, o.SysRoot = filepath.Join(tr.root, "proc"), filepath.Join(tr.root, "sys")
	}))
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) || s.Slab != nil || s.SlabTotals.Known {
		t.Errorf("without slabinfo there are %d caches, in all %+v", len(s.Slab), s.SlabTotals)
	}
}

// TestSizesFollowSlabinfo: what is known of sizes from slabinfo alone is known as soon as it
// is there, and as long.
func TestSizesFollowSlabinfo(t *testing.T) {
	tr := newSlabTree(t, 2)
	path := filepath.Join(tr.root, "proc/slabinfo")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(tr.root, "sys/kernel/slab")); err != nil {
		t.Fatal(err)
	}
	tr.write("proc/net/protocols", "protocol  size sockets  memory press maxhdr  slab module     cl co di ac io in de sh ss gs se re bi br ha uh gp em\n"+
		"TCP       2304      1       0   no     320   yes  kernel      y  y  y  y  y  y  y  y  y  y  y  y  y  n  y  y  y  y  y\n")
	c := newCollector(t, func(o *Options) {
		o.ProcRoot, o.SysRoot = filepath.Join(tr.root, "proc"), filepath.Join(tr.root, "sys")
	})
	for i, there := range []bool{true, false, true} {
		if there {
			tr.write("proc/slabinfo", string(text))
		} else if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		parts := snapshotOf(t, c).ConnectionCost.TCP4.Value.Parts
		if len(parts) == 0 || (parts[0].Origin == model.Measured) != there {
			t.Errorf("look %d, slabinfo %v: %+v", i, there, parts)
		}
	}
}

// BenchmarkSlabAndZones is slab, zones and nodes on this kernel: the first time, and again
// with the counts for each node due.
func BenchmarkSlabAndZones(b *testing.B) {
	for _, first := range []bool{true, false} {
		b.Run(map[bool]string{true: "first", false: "refresh"}[first], func(b *testing.B) {
			var before, after unix.Rusage
			var cpu time.Duration
			clock := time.Now()
			c := newCollector(b, nil)
			<-c.structs.done
			for b.Loop() {
				if first {
					c.slab, c.layouts, c.perNode = slab.NewFS("/proc", "/sys"), layouts{}, nil
				}
				clock = clock.Add(nodesEvery)
				l := look{ctx: b.Context(), Collector: c, sample: &model.Sample{}, focus: model.Focus{AllCaches: first}, start: clock}
				if err := unix.Getrusage(unix.RUSAGE_SELF, &before); err != nil {
					b.Fatal(err)
				}
				l.memory()
				if err := unix.Getrusage(unix.RUSAGE_SELF, &after); err != nil {
					b.Fatal(err)
				}
				cpu += time.Duration(after.Utime.Nano() + after.Stime.Nano() - before.Utime.Nano() - before.Stime.Nano())
				if len(l.sample.Caches) == 0 || len(l.sample.Zones.Zones) == 0 {
					b.Fatalf("%d caches, %d zones: run it as root", len(l.sample.Caches), len(l.sample.Zones.Zones))
				}
			}
			b.ReportMetric(float64(cpu.Nanoseconds())/1e6/float64(b.N), "cpu-ms/op")
		})
	}
}

// TestMalformedSlabFiles: for one bad file of /sys/kernel/slab the source says which
// file and what is in it, at each look, and only the numbers from that file are lost.
func TestMalformedSlabFiles(t *testing.T) {
	tr := newSlabTree(t, 2)
	for file, want := range map[string]string{
		"TCP/objects":           `TCP/objects: malformed: nodes are more than the sum, or number too large: "3 N0=5`,
		"TCP/object_size":       "TCP/object_size: not a number: \"3 N0=5",
		"TCP/order":             "TCP/order: not a number: \"3 N0=5",
		"cache-7/object_size":   "cache-7/object_size: not a number: \"3 N0=5",
		":A-0002368/slabs":      ":A-0002368/slabs: malformed: nodes are more than",
		"cache-7/objs_per_slab": "",
	} {
		t.Run(file, func(t *testing.T) {
			path := "sys/kernel/slab/" + file
			if before, err := os.ReadFile(filepath.Join(tr.root, path)); err == nil {
				defer tr.write(path, string(before))
			} else {
				defer os.Remove(filepath.Join(tr.root, path))
			}
			tr.write(path, "3 N0=5 N1=18446744073709551614\n")
			c := newCollector(t, func(o *Options) {
				o.ProcRoot, o.SysRoot, o.Sweep = filepath.Join(tr.root, "proc"), filepath.Join(tr.root, "sys"), time.Hour
			})
			for range 2 {
				s := snapshotOf(t, c)
				src := state(s, "slab_sysfs")
				if (src.State == model.OK) != (want == "") || !strings.Contains(src.Detail, want) || strings.Count(src.Detail, "malformed") > 1 {
					t.Errorf("want %q, got %+v", want, src)
				}
				if len(s.Slab) != 203 {
					t.Errorf("%d caches", len(s.Slab))
				}
			}
		})
	}
}

// TestManyMalformedSlabFiles names a few of the bad files.
func TestManyMalformedSlabFiles(t *testing.T) {
	tr := newSlabTree(t, 2)
	for i := range 200 {
		tr.write(fmt.Sprintf("sys/kernel/slab/cache-%d/object_size", i), "x\n")
	}
	c := newCollector(t, func(o *Options) {
		o.ProcRoot, o.SysRoot = filepath.Join(tr.root, "proc"), filepath.Join(tr.root, "sys")
	})
	src := state(snapshotOf(t, c), "slab_sysfs")
	if n := strings.Count(src.Detail, "object_size"); src.State != model.Failed || n > 3 || n == 0 || len([]rune(src.Detail)) > maxDetail+1 {
		t.Errorf("%+v", src)
	}
}
