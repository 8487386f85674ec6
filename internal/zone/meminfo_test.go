package zone

import (
	"errors"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/eptop/eptop/internal/maybe"
)

func TestParseMeminfo(t *testing.T) {
	got, err := parseMeminfo("meminfo", []byte("Node 3 MemTotal:        3893460 kB\nNode 3 MemFree:         3303032 kB\n"+
		"Node 3 Active(anon):       1528 kB\nNode 3 SReclaimable:     122232 kB\nNode 3 HugePages_Total:     5\n"), 3, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := Meminfo{
		MemTotalBytes: 3893460 << 10, MemFreeBytes: 3303032 << 10,
		SReclaimableBytes: maybe.Some[uint64](122232 << 10),
		Lines: []MeminfoLine{
			{"MemTotal", 3893460 << 10, true},
			{"MemFree", 3303032 << 10, true},
			{"Active(anon)", 1528 << 10, true},
			{"SReclaimable", 122232 << 10, true},
			{"HugePages_Total", 5, false},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestParseMeminfoMalformed(t *testing.T) {
	const total = "Node 0 MemTotal:  1 kB\n"
	for in, want := range map[string]string{
		"":                                        "MemTotal or MemFree missing",
		total:                                     "MemTotal or MemFree missing",
		total + "Node 0 MemFree:  12":             `line 2 "Node 0 MemFree:  12": cut short`,
		total + "Node 1 MemFree:  12 kB\n":        "another node's line",
		total + "Nod 0 MemFree:  12 kB\n":         "not a line of a node",
		total + "Node x MemFree:  12 kB\n":        "node not a number",
		total + "Node 0 MemFree  12 kB\n":         "name without colon",
		total + "Node 0 :  12 kB\n":               "name without colon",
		total + "Node 0 MemFree:\n":               "number missing",
		total + "Node 0 MemFree: -1 kB\n":         "not a number",
		total + "Node 0 MemFree:  2 kB\n":         `line 2 "Node 0 MemFree:  2 kB": more than MemTotal`,
		"Node 0 MemTotal: 18014398509481984 kB\n": "more than a machine can have",
		"Node 0 MemTotal: 9000000000000000 kB\n":  `line 1 "Node 0 MemTotal: 9000000000000000 kB": more than a machine can have`,
	} {
		_, err := parseMeminfo("meminfo", []byte(in), 0, nil)
		if !errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %q", in, err, want)
		}
	}
}

func TestParseHostMeminfo(t *testing.T) {
	const whole = "MemTotal:       24683116 kB\nMemFree:         9000000 kB\nActive(anon):       1528 kB\nHugePages_Total:       5\nVmallocTotal:   34359738367 kB\n"
	for in, want := range map[string]string{
		whole:                           "",
		whole + "Foo\n":                 `line 6 "Foo": name without colon`,
		whole + "Foo: 1_000 kB\n":       "not a number",
		whole + "Foo: -1 kB\n":          "not a number",
		whole + "Foo: 0x10 kB\n":        "not a number",
		whole + "Foo: 12":               "cut short",
		"Foo: 9007199254740993 kB\n":    "MemTotal missing",
		"MemTotal: 18014398509481984 k": "MemTotal missing",
		"":                              "MemTotal missing",
	} {
		got, err := parseHostMeminfo([]byte(in), nil)
		if want == "" && err != nil || want != "" && (!errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: error %v, want %q", in, err, want)
		}
		if strings.HasPrefix(in, whole) && (got.MemTotalBytes != 24683116<<10 || got.MemFreeBytes != 9000000<<10 || len(got.Lines) != 5) {
			t.Errorf("%q: %+v", in, got)
		}
	}
}

func TestParseNumastat(t *testing.T) {
	const whole = "numa_hit 1\nnuma_miss 2\nnuma_foreign 3\ninterleave_hit 4\nlocal_node 5\nother_node 6\nnuma_new 7\n"
	got, err := parseNumastat("numastat", []byte(whole))
	if want := (Numastat{1, 2, 3, 4, 5, 6}); err != nil || got != want {
		t.Errorf("%+v, error %v; want %+v", got, err, want)
	}
	for in, want := range map[string]string{
		"":                "numa_hit missing",
		whole[:40]:        "cut short",
		"numa_hit 1\n":    "numa_miss missing",
		"numa_hit\n":      "number missing",
		"numa_hit 0x10\n": "not a number",
	} {
		_, err := parseNumastat("numastat", []byte(in))
		if !errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %q", in, err, want)
		}
	}
}

// FuzzMeminfo prints lines as node_read_meminfo() does and parses them back.
func FuzzMeminfo(f *testing.F) {
	f.Add(uint16(0), uint64(3893460), uint64(3303032), uint64(122232), uint64(0))
	f.Add(uint16(1023), uint64(math.MaxUint64), uint64(0), uint64(1), uint64(math.MaxUint64))
	f.Fuzz(func(t *testing.T, node uint16, total, free, reclaimable, huge uint64) {
		const most = maxMemory >> 10
		node %= maxNode + 1
		total, reclaimable, huge = total%(most+1), reclaimable%(most+1), huge%(most+1)
		free %= total + 1
		text := fmt.Sprintf("Node %d MemTotal:       %8d kB\nNode %d MemFree:        %8d kB\nNode %d SReclaimable:   %8d kB\nNode %d HugePages_Free:  %5d\n",
			node, total, node, free, node, reclaimable, node, huge)
		got, err := parseMeminfo("meminfo", []byte(text), int(node), nil)
		if err != nil {
			t.Fatal(err)
		}
		if got.MemTotalBytes != total<<10 || got.MemFreeBytes != free<<10 || got.SUnreclaimBytes.Known ||
			got.SReclaimableBytes != (maybe.Some[uint64](reclaimable<<10)) || got.Get("HugePages_Free") != (maybe.Some[uint64](huge)) {
			t.Fatalf("%+v from\n%s", got, text)
		}
	})
}

// FuzzNodeBytes feeds arbitrary bytes to the parsers of a node's files.
func FuzzNodeBytes(f *testing.F) {
	for _, name := range []string{"meminfo", "numastat", "vmstat"} {
		b, err := os.ReadFile("testdata/6.12-4/sys/devices/system/node/node0/" + name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		mem, err1 := parseMeminfo("meminfo", b, 0, nil)
		num, err2 := parseNumastat("numastat", b)
		for _, err := range []error{err1, err2} {
			if err != nil && !errors.Is(err, ErrMalformed) {
				t.Errorf("error %v, want ErrMalformed", err)
			}
		}
		if err1 != nil && mem.Lines != nil || err2 != nil && num != (Numastat{}) {
			t.Errorf("values beside an error: %v, %v", err1, err2)
		}
	})
}
