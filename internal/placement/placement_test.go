package placement

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/eptop/eptop/internal/maybe"
)

// stat is a thread's line with that command and CPU, 52 fields as the kernel prints.
func stat(comm string, cpu int) string {
	return fmt.Sprintf("4242 (%s) S 1 4242 4242 0 -1 4194304 100 0 0 0 1 2 0 0 20 0 3 0 500 10000000 900 18446744073709551615 "+
		"1 1 0 0 0 0 0 0 0 0 0 0 17 %d 0 0 0 0 0 0 0 0 0 0 0 0 0\n", comm, cpu)
}

func TestParseProcessor(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want int // -1: an error
	}{
		{stat("redis", 3), 3},
		{stat("a) S 1 (b", 0), 0},
		{stat("", 8191), 8191},
		{strings.Replace(stat("redis", 3), "17 3 ", "17 -1 ", 1), -1},
		{stat("redis", 70000), -1},
		{stat("redis", 3)[:100], -1},
		{"4242 redis S 1", -1},
		{"", -1},
	} {
		got, err := ParseProcessor([]byte(tt.in))
		if tt.want < 0 {
			if !errors.Is(err, ErrMalformed) {
				t.Errorf("%q: %d, %v", tt.in, got, err)
			}
		} else if got != tt.want || err != nil {
			t.Errorf("%q: %d, %v; want %d", tt.in, got, err, tt.want)
		}
	}
}

func TestParseAllowed(t *testing.T) {
	for in, want := range map[string]Allowed{
		"Name:\tx\nCpus_allowed:\tf\nCpus_allowed_list:\t0-3,8\nMems_allowed:\t1\nMems_allowed_list:\t0\n": {maybe.Some("0-3,8"), maybe.Some("0")},
		"Name:\tx\n":                {},
		"Cpus_allowed_list:\t0-3,8": {}, // cut: 8 may have been 80
		"Mems_allowed_list:\t\n":    {},
		"Cpus_allowed_list:\t0-3\ttfd: 1\nMems_allowed_list:\t0\x1b[2J\n": {},
	} {
		if got := ParseAllowed([]byte(in)); got != want {
			t.Errorf("%q: %+v, want %+v", in, got, want)
		}
	}
}

func TestParseNumaMaps(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		want     []NodeBytes
		why      string
	}{
		{"none", "", nil, ""},
		{"nothing resident", "7ffd default stack\n", nil, ""},
		{
			"two mappings",
			"00400000 default file=/bin/x mapped=300 N0=200 N3=100 kernelpagesize_kB=4\n" +
				"7f000000 bind:0-1 anon=600 dirty=600 N1=1 N3=500 kernelpagesize_kB=4\n",
			[]NodeBytes{{0, 200 << 12}, {1, 1 << 12}, {3, 600 << 12}}, "",
		},
		{"huge pages", "7f00 default file=/anon_hugepage\\040(deleted) huge anon=2 dirty=2 N1=2 kernelpagesize_kB=2048\n", []NodeBytes{{1, 4 << 20}}, ""},
		{"a name like a node", "7f00 default file=/tmp/N1=5 mapped=1 N0=1 kernelpagesize_kB=4\n", []NodeBytes{{0, 4096}}, ""},
		{"cut", "7f00 default anon=1 N0=1", nil, "cut short"},
		{"no size", "7f00 default anon=1 N0=1\n", nil, "without a size"},
		{"size no number", "7f00 default anon=1 N0=1 kernelpagesize_kB=x\n", nil, "page size"},
		{"overflow", "7f00 default anon=1 N0=9223372036854775807 kernelpagesize_kB=4\n", nil, "more pages"},
		{"sum overflow", strings.Repeat("7f00 default N0=2000000000000000 kernelpagesize_kB=4\n", 2), nil, "more pages"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParseNumaMaps([]byte(tt.in))
			if tt.why != "" {
				if !errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), tt.why) {
					t.Errorf("error %v, want %q", err, tt.why)
				}
				return
			}
			if diff := cmp.Diff(tt.want, got); diff != "" || err != nil {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
		})
	}
}

// FuzzNumaMaps prints mappings as the kernel does and adds them up again.
func FuzzNumaMaps(f *testing.F) {
	f.Add(uint8(3), uint32(500), uint8(0), uint32(1), uint8(9), "/bin/x y")
	f.Fuzz(func(t *testing.T, nodeA uint8, pagesA uint32, nodeB uint8, pagesB uint32, shift uint8, file string) {
		kb := uint64(4) << (shift % 19)
		// seq_file_path escapes blanks, newlines and backslashes.
		file = strings.NewReplacer(" ", `\040`, "\t", `\011`, "\n", `\012`, `\`, `\134`).Replace(file)
		if strings.ContainsAny(file, "\v\f\r\u0085\u00a0") || strings.ToValidUTF8(file, "") != file || strings.Join(strings.Fields(file), "") != file {
			t.Skip("other blanks")
		}
		in := fmt.Sprintf("%08x %s file=%s anon=%d dirty=%d N%d=%d kernelpagesize_kB=%d\n", 0x400000, "default", file, pagesA, pagesA, nodeA, pagesA, kb) +
			fmt.Sprintf("%08x %s\n", 0x500000, "prefer:0") +
			fmt.Sprintf("%08x %s stack mapped=%d N%d=%d kernelpagesize_kB=%d\n", 0x600000, "bind:0-3", pagesB, nodeB, pagesB, kb)
		want := map[int]uint64{}
		want[int(nodeA)] += uint64(pagesA) * kb << 10
		want[int(nodeB)] += uint64(pagesB) * kb << 10
		got, err := ParseNumaMaps([]byte(in))
		if err != nil {
			t.Fatalf("%q: %v", in, err)
		}
		for i, n := range got {
			if want[n.Node] != n.Bytes || i > 0 && got[i-1].Node >= n.Node {
				t.Errorf("%q: %+v, want %v", in, got, want)
			}
		}
		if len(got) != len(want) {
			t.Errorf("%q: %+v, want %v", in, got, want)
		}
	})
}

// FuzzArbitrary: whatever the bytes, no parser panics.
func FuzzArbitrary(f *testing.F) {
	f.Add([]byte(stat("x", 1)))
	f.Add([]byte("7f00 default N0=1 kernelpagesize_kB=4\n"))
	f.Add([]byte("Cpus_allowed_list:\t0-3\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if cpu, err := ParseProcessor(b); err == nil && cpu < 0 {
			t.Error(cpu)
		}
		nodes, err := ParseNumaMaps(b)
		if err != nil && nodes != nil {
			t.Error("nodes together with an error")
		}
		ParseAllowed(b)
	})
}

// write makes a file of a captured process.
func write(t *testing.T, root, name, text string) {
	t.Helper()
	path := filepath.Join(root, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestThreads(t *testing.T) {
	root := t.TempDir()
	for i, cpu := range []int{2, 0, 2, 2} {
		write(t, root, fmt.Sprintf("42/task/%d/stat", 42+i), stat("x", cpu))
	}
	if err := os.MkdirAll(filepath.Join(root, "42/task/99"), 0o755); err != nil { // it ended
		t.Fatal(err)
	}
	f := NewFS(root)
	got, err := f.Threads(42, 10, Allowed{})
	if diff := cmp.Diff(Threads{Seen: 4, OnCPU: []CPUThreads{{0, 1}, {2, 3}}}, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if got, err := f.Threads(42, 2, Allowed{}); err != nil || got.Seen > 2 || !got.More {
		t.Errorf("bounded: %+v, %v", got, err)
	}
	if _, err := f.Threads(43, 2, Allowed{}); !Gone(err) {
		t.Errorf("no process: %v", err)
	}
	write(t, root, "44/task/44/stat", "44 (x) S 1")
	if _, err := f.Threads(44, 2, Allowed{}); !errors.Is(err, ErrMalformed) {
		t.Errorf("cut: %v", err)
	}
}

// TestThreadsMoved: a thread that sleeps where it may not run any more is on no CPU;
// one with an affinity of its own is where it last ran.
func TestThreadsMoved(t *testing.T) {
	root := t.TempDir()
	for tid, allowed := range map[int]string{42: "3", 43: "3", 44: "0-1", 45: "7,x"} {
		write(t, root, fmt.Sprintf("42/task/%d/stat", tid), stat("x", 0))
		write(t, root, fmt.Sprintf("42/task/%d/status", tid), "Cpus_allowed_list:\t"+allowed+"\n")
	}
	write(t, root, "42/task/46/stat", stat("x", 3)) // its status is not asked for
	write(t, root, "42/task/47/stat", stat("x", 5)) // its status is gone
	got, err := NewFS(root).Threads(42, 10, Allowed{CPUs: maybe.Some("3")})
	want := Threads{Seen: 6, Moved: 2, OnCPU: []CPUThreads{{0, 2}, {3, 1}, {5, 1}}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func TestMay(t *testing.T) {
	for list, want := range map[string]bool{"": true, "2": true, "0-3": true, "0,2": true, "0,4-5": false, "1": false, "x": true, "3-": true} {
		if got := mayRun(maybe.When(list, list != ""), 2); got != want {
			t.Errorf("may(%q, 2) = %v", list, got)
		}
	}
}

func TestMemoryStates(t *testing.T) {
	root := t.TempDir()
	write(t, root, "42/statm", "10000 900 300 1 0 500 0\n")
	f := NewFS(root)
	page := uint64(os.Getpagesize())
	if _, err := f.Memory(42, 900*page-1); !errors.Is(err, ErrTooLarge) {
		t.Errorf("too large: %v", err)
	}
	if _, err := f.Memory(42, 900*page); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without numa_maps: %v", err)
	}
	write(t, root, "42/numa_maps", "7f00 default anon=900 N1=900 kernelpagesize_kB=4\n")
	got, err := f.Memory(42, 900*page)
	if diff := cmp.Diff([]NodeBytes{{1, 900 << 12}}, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	write(t, root, "43/statm", "10000")
	if _, err := f.Memory(43, 1<<40); !errors.Is(err, ErrMalformed) {
		t.Errorf("cut statm: %v", err)
	}
}

// TestLive pins a thread to one CPU and finds it there, and finds this process's
// own memory within what statm says.
func TestLive(t *testing.T) {
	f := NewFS("/proc")
	me := os.Getpid()
	if _, err := os.Stat("/proc/self/numa_maps"); err != nil {
		t.Skip("this kernel has no NUMA (CONFIG_NUMA)")
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var before, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := unix.SchedSetaffinity(0, &before); err != nil {
			t.Error(err)
		}
	}()
	cpu := 0
	for !before.IsSet(cpu) {
		cpu++
	}
	one.Set(cpu)
	if err := unix.SchedSetaffinity(0, &one); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile("/proc/thread-self/stat")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := ParseProcessor(b); got != cpu || err != nil {
		t.Errorf("pinned to CPU %d, found on %d (%v)", cpu, got, err)
	}

	threads, err := f.Threads(me, 10_000, Allowed{})
	if err != nil || threads.Seen == 0 {
		t.Errorf("threads %+v, %v", threads, err)
	}
	// A child with one thread, pinned before it starts, that waits for its input.
	child := exec.Command("cat")
	in, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = in.Close(); _ = child.Wait() }()
	allowed, err := f.Allowed(child.Process.Pid)
	if err != nil || allowed.CPUs != maybe.Some(strconv.Itoa(cpu)) || !allowed.Mems.Known {
		t.Errorf("allowed %+v, %v; want CPU %d", allowed, err, cpu)
	}
	got, err := f.Threads(child.Process.Pid, 10, allowed)
	if diff := cmp.Diff(Threads{Seen: 1, OnCPU: []CPUThreads{{cpu, 1}}}, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}

	nodes, err := f.Memory(me, 1<<40)
	resident, errResident := f.resident(me)
	if err != nil || errResident != nil {
		t.Fatal(err, errResident)
	}
	sum := uint64(0)
	for _, n := range nodes {
		sum += n.Bytes
	}
	if sum < resident/2 || sum > 2*resident {
		t.Errorf("%d bytes on nodes, %d resident", sum, resident)
	}
	if _, err := f.Memory(me, 4096); !errors.Is(err, ErrTooLarge) {
		t.Errorf("more than a page: %v", err)
	}
}

func BenchmarkThreads(b *testing.B) {
	f := NewFS("/proc")
	me := os.Getpid()
	threads := 0
	for b.Loop() {
		got, err := f.Threads(me, 1000, Allowed{})
		if err != nil || got.Seen == 0 {
			b.Fatal(got, err)
		}
		threads += got.Seen
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(threads), "ns/thread")
}

func BenchmarkParseNumaMaps(b *testing.B) {
	var in []byte
	const mappings = 10_000
	for i := range mappings {
		in = fmt.Appendf(in, "%08x default anon=600 dirty=600 N0=100 N3=500 kernelpagesize_kB=4\n", i)
	}
	b.SetBytes(int64(len(in)))
	for b.Loop() {
		got, err := ParseNumaMaps(in)
		if err != nil || len(got) != 2 || got[1].Bytes != mappings*500<<12 {
			b.Fatal(got, err)
		}
	}
}
