package zone

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/eptop/eptop/internal/maybe"
)

// block is one zone as zoneinfo_show_print() is given it.
type block struct {
	zone  Zone
	stats []Stat // the node's, in its first populated zone
	cpus  int
}

// print writes the block with the format strings of mm/vmstat.c (6.18; the
// optional lines as their absence in older releases has it).
func (b block) print(w *bytes.Buffer) {
	z := b.zone
	fmt.Fprintf(w, "Node %d, zone %8s", z.Node, z.Name)
	if b.stats != nil {
		fmt.Fprintf(w, "\n  per-node stats")
		for _, s := range b.stats {
			fmt.Fprintf(w, "\n      %-12s %d", s.Name, s.Value)
		}
	}
	fmt.Fprintf(w, "\n  pages free     %d", z.FreePages)
	if z.BoostPages.Known {
		fmt.Fprintf(w, "\n        boost    %d", z.BoostPages.Value)
	}
	fmt.Fprintf(w, "\n        min      %d\n        low      %d\n        high     %d", z.MinPages, z.LowPages, z.HighPages)
	if z.PromoPages.Known {
		fmt.Fprintf(w, "\n        promo    %d", z.PromoPages.Value)
	}
	fmt.Fprintf(w, "\n        spanned  %d\n        present  %d\n        managed  %d", z.SpannedPages, z.PresentPages, z.ManagedPages)
	if z.CMAPages.Known {
		fmt.Fprintf(w, "\n        cma      %d", z.CMAPages.Value)
	}
	fmt.Fprintf(w, "\n        protection: (%d, %d, %d)", 0, 3019, 3787)
	if z.PresentPages == 0 {
		w.WriteByte('\n')
		return
	}
	fmt.Fprintf(w, "\n      %-12s %d", "nr_free_pages", z.FreePages)
	fmt.Fprintf(w, "\n      %-12s %d", "numa_hit", 7)
	fmt.Fprintf(w, "\n  pagesets")
	for cpu := range b.cpus {
		fmt.Fprintf(w, "\n    cpu: %d\n              count:    %d\n              high:     %d\n              batch:    %d"+
			"\n              high_min: %d\n              high_max: %d", cpu, 1, 999_001, 63, 999_002, 999_003)
		fmt.Fprintf(w, "\n  vm stats threshold: %d", 24)
	}
	fmt.Fprintf(w, "\n  node_unreclaimable:  %d\n  start_pfn:           %d\n", 0, 4096)
}

const shortest = "Node 0, zone   Normal\n  pages free     1\n        min      2\n        low      3\n" +
	"        high     4\n        spanned  5\n        present  6\n        managed  7\n"

func TestParseZoneinfo(t *testing.T) {
	base := Zone{Name: "Normal", FreePages: 1, MinPages: 2, LowPages: 3, HighPages: 4, SpannedPages: 5, PresentPages: 6, ManagedPages: 7}
	tests := map[string]struct {
		in   string
		want Zoneinfo
	}{
		"the least a kernel prints": {shortest, Zoneinfo{Zones: []Zone{base}}},
		"unknown keys": {
			strings.Replace(shortest, "        spanned", "        flux     99999999999999999999999\n        spanned", 1),
			Zoneinfo{Zones: []Zone{base}},
		},
		// Before 4.8 all statistics were a zone's own.
		"Linux 3.10": {
			shortest + "    nr_free_pages 1\n    nr_slab_reclaimable 2\n        protection: (0, 0, 0, 0)\n  pagesets\n    cpu: 0\n" +
				"              count: 141\n              high:  186\n              batch: 31\n  vm stats threshold: 24\n" +
				"  all_unreclaimable: 0\n  start_pfn:         4096\n  inactive_ratio:    1\n",
			Zoneinfo{Zones: []Zone{base}},
		},
		"node statistics in the third zone": {
			zeroZone("DMA") + zeroZone("DMA32") + strings.Replace(shortest, "Normal\n", "Normal\n  per-node stats\n      nr_slab_reclaimable 30533\n", 1),
			Zoneinfo{
				Zones: []Zone{{Name: "DMA"}, {Name: "DMA32"}, base},
				Nodes: []NodeStats{{Stats: []Stat{{"nr_slab_reclaimable", 30533}}}},
			},
		},
		"managed is 0 where all of a present zone is reserved": {
			strings.Replace(shortest, "managed  7", "managed  0", 1) + "      nr_free_pages 0\n  pagesets\n  start_pfn:           0\n",
			Zoneinfo{Zones: []Zone{{
				Name: "Normal", FreePages: 1, MinPages: 2, LowPages: 3, HighPages: 4, SpannedPages: 5, PresentPages: 6,
			}}},
		},
		"the largest number": {
			strings.Replace(shortest, "managed  7", "managed  1099511627776", 1),
			Zoneinfo{Zones: []Zone{{
				Name: "Normal", FreePages: 1, MinPages: 2, LowPages: 3, HighPages: 4, SpannedPages: 5, PresentPages: 6, ManagedPages: maxPages,
			}}},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := parseZoneinfo([]byte(tt.in), nil)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// zeroZone is a zone that is not populated, on a kernel without the newer keys.
func zeroZone(name string) string {
	var b bytes.Buffer
	block{zone: Zone{Name: name}}.print(&b)
	return b.String()
}

func TestParseZoneinfoMalformed(t *testing.T) {
	tests := map[string]struct{ in, want string }{
		"empty":             {"", `line 0 "": no zone`},
		"no header":         {"  pages free     1\n", `line 1 "  pages free     1": before the first zone`},
		"cut line":          {shortest[:len(shortest)-1], `line 8 "        managed  7": cut short`},
		"cut at a line":     {strings.TrimSuffix(shortest, "        managed  7\n"), `line 1 "Node 0, zone   Normal": zone without managed`},
		"first zone cut":    {strings.TrimSuffix(shortest, "        managed  7\n") + shortest, `line 1 "Node 0, zone   Normal": zone without managed`},
		"no number":         {strings.Replace(shortest, "high     4", "high     ", 1), `line 5 "        high     ": number missing`},
		"not a number":      {strings.Replace(shortest, "high     4", "high     -4", 1), `line 5 "        high     -4": not a number`},
		"too large":         {strings.Replace(shortest, "high     4", "high     18446744073709551616", 1), `number too large`},
		"twice":             {strings.Replace(shortest, "        high", "        min      2\n        high", 1), `second time in one zone`},
		"header cut":        {"Node 0, zone\n", `not a zone's header`},
		"header word":       {"Node 0, zany      DMA\n", `not a zone's header`},
		"header node":       {"Node x, zone      DMA\n", `node number`},
		"header comma":      {"Node 0 zone      DMA\n", `node number`},
		"node too large":    {"Node 65536, zone      DMA\n", `node number`},
		"pages of what":     {"Node 0, zone      DMA\n  pages full     1\n", `pages without free`},
		"statistics twice":  {"Node 0, zone      DMA\n  per-node stats\n  per-node stats\n", `second statistics of one node`},
		"a long line's end": {strings.Repeat("x", 500) + "\n", `"` + strings.Repeat("x", 120) + `"`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := parseZoneinfo([]byte(tt.in), nil)
			if !errors.Is(err, ErrMalformed) {
				t.Fatalf("error %v, want ErrMalformed", err)
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %q lacks %q", err, tt.want)
			}
		})
	}
}

// TestLineThatNoZoneNeeds: what is wrong with a statistic or an optional mark costs that
// line. Linux 4.17 to 4.19 print one statistic without its name.
func TestLineThatNoZoneNeeds(t *testing.T) {
	base := Zone{Name: "Normal", FreePages: 1, MinPages: 2, LowPages: 3, HighPages: 4, SpannedPages: 5, PresentPages: 6, ManagedPages: 7}
	stats := func(lines string) string {
		return strings.Replace(shortest, "Normal\n", "Normal\n  per-node stats\n"+lines+"      nr_dirtied   8\n", 1)
	}
	for name, tt := range map[string]struct{ in, err string }{
		"nameless statistic": {stats("                   7\n"), ""},
		"statistic spoilt":   {stats("      nr_mapped\n"), `line 3 "      nr_mapped": number missing`},
		"statistic below 0":  {stats("      nr_mapped    -1\n"), `line 3 "      nr_mapped    -1": not a number`},
		"optional spoilt":    {strings.Replace(stats(""), "        high", "        promo    x\n        high", 1), `line 7 "        promo    x": not a number`},
	} {
		got, err := parseZoneinfo([]byte(tt.in), nil)
		want := Zoneinfo{Zones: []Zone{base}, Nodes: []NodeStats{{Stats: []Stat{{"nr_dirtied", 8}}}}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if tt.err == "" && err != nil || tt.err != "" && (!errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), tt.err)) {
			t.Errorf("%s: error %v, want %q", name, err, tt.err)
		}
	}
}

// FuzzZoneinfo prints zones as the kernel does and parses them back.
func FuzzZoneinfo(f *testing.F) {
	f.Add(uint64(3840), uint64(0), uint64(66), uint64(4095), uint64(3998), uint64(0), uint64(30533), uint8(0b111), uint8(2))
	f.Add(uint64(0), uint64(0), uint64(32), uint64(0), uint64(0), uint64(0), uint64(0), uint8(0), uint8(0))
	f.Add(uint64(math.MaxUint64), uint64(1), uint64(math.MaxUint64), uint64(1), uint64(1), uint64(1), uint64(1), uint8(0b101), uint8(7))
	f.Fuzz(func(t *testing.T, free, boost, low, spanned, present, managed, stat uint64, optional, shape uint8) {
		for _, pages := range []*uint64{&free, &boost, &low, &spanned, &present, &managed} {
			*pages &= maxPages >> 1 // room for the marks above low
		}
		var want Zoneinfo
		var text bytes.Buffer
		for node := range int(shape%3) + 1 {
			id := node * (int(shape>>4) + 1) // with gaps
			stats := NodeStats{Node: id, Stats: []Stat{{"nr_slab_reclaimable", stat}, {"high", free}, {"nr_slab_unreclaimable", low}}}
			printed := false
			for i, name := range []string{"DMA", "Normal", "Movable"} {
				z := Zone{
					Node: id, Name: name, FreePages: free, MinPages: low / 2, LowPages: low, HighPages: low ^ 1,
					SpannedPages: spanned, ManagedPages: managed,
				}
				if shape>>i&1 == 0 {
					z.PresentPages = present
				}
				if optional&1 != 0 {
					z.BoostPages = maybe.Some[uint64](boost)
				}
				if optional&2 != 0 {
					z.PromoPages = maybe.Some[uint64](low + 1)
				}
				if optional&4 != 0 {
					z.CMAPages = maybe.Some[uint64](boost / 3)
				}
				b := block{zone: z, cpus: int(shape % 5)}
				if z.PresentPages != 0 && !printed {
					b.stats, printed = stats.Stats, true
					want.Nodes = append(want.Nodes, stats)
				}
				b.print(&text)
				want.Zones = append(want.Zones, z)
			}
		}
		got, err := parseZoneinfo(text.Bytes(), nil)
		if err != nil {
			t.Fatalf("%v\n%s", err, text.Bytes())
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("(-want +got):\n%s\n%s", diff, text.Bytes())
		}
	})
}

// FuzzZoneinfoBytes feeds arbitrary bytes: whatever comes, the answer is zones
// or an error that says it is malformed.
func FuzzZoneinfoBytes(f *testing.F) {
	for _, tree := range []string{"6.1-2-nomerge", "6.12-4"} {
		b, err := os.ReadFile("testdata/" + tree + "/proc/zoneinfo")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte(shortest))
	f.Fuzz(func(t *testing.T, b []byte) {
		info, err := parseZoneinfo(b, nil)
		if (err == nil) != (len(info.Zones) > 0) || err != nil && !errors.Is(err, ErrMalformed) {
			t.Errorf("%d zones and error %v", len(info.Zones), err)
		}
	})
}

func BenchmarkParseZoneinfo(b *testing.B) {
	text, err := os.ReadFile("testdata/6.12-4/proc/zoneinfo")
	if err != nil {
		b.Fatal(err)
	}
	known := make(names)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		info, err := parseZoneinfo(text, known)
		if err != nil || len(info.Zones) != 20 || len(info.Nodes) != 4 || info.Zones[1].ManagedPages != 244425 {
			b.Fatalf("%d zones, error %v", len(info.Zones), err)
		}
	}
}
