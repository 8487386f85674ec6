package dmi

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/eptop/eptop/internal/maybe"
)

func join(parts ...[]byte) []byte { return slices.Concat(parts...) }

func TestParse(t *testing.T) {
	full := device{
		locator: "DIMM_A1", bank: "P0 CHANNEL A", manufacturer: "Micron  ", part: "18ASF2G72", size: 0x7fff, extendedSize: 65536,
		formFactor: 9, kind: 0x22, speed: 4800, configured: 4400,
	}
	fullModule := Module{
		Locator: "DIMM_A1", Bank: "P0 CHANNEL A", Manufacturer: "Micron", PartNumber: "18ASF2G72", SizeBytes: maybe.Some[uint64](64 << 30), Type: "DDR5",
		FormFactor: "DIMM", SpeedMTs: maybe.Some[uint32](4800), ConfiguredMTs: maybe.Some[uint32](4400),
	}
	for _, tt := range []struct {
		name string
		dev  device
		len  int // of the structure; 0: SMBIOS 3.3
		want Module
	}{
		{"all", full, 0, fullModule},
		{
			"empty slot", device{locator: "DIMM_A2", bank: "P0 CHANNEL A", formFactor: 9, kind: 2}, 0,
			Module{Locator: "DIMM_A2", Bank: "P0 CHANNEL A", Empty: true, FormFactor: "DIMM"},
		},
		{"size unknown", device{locator: "X", size: 0xffff, kind: 0x1a, formFactor: 2}, 0, Module{Locator: "X", Type: "DDR4"}},
		{"size in MB", device{size: 512, kind: 0x07, formFactor: 1}, 0, Module{SizeBytes: maybe.Some[uint64](512 << 20), Type: "RAM", FormFactor: "Other"}},
		{"size in kB", device{size: 0x8000 | 256, kind: 0x0f, formFactor: 3}, 0, Module{SizeBytes: maybe.Some[uint64](256 << 10), Type: "SDRAM", FormFactor: "SIMM"}},
		{
			"extended speeds", device{size: 1024, kind: 0x23, formFactor: 11, speed: 0xffff, configured: 0xffff, extendedSpeed: 70_000, extendedConfigured: 1<<31 | 66_000}, 0,
			Module{SizeBytes: maybe.Some[uint64](1 << 30), Type: "LPDDR5", FormFactor: "Row of chips", SpeedMTs: maybe.Some[uint32](70_000), ConfiguredMTs: maybe.Some[uint32](66_000)},
		},
		{
			"extended speed cut away", device{size: 1024, kind: 0x1a, formFactor: 9, speed: 0xffff, extendedSpeed: 70_000}, 0x28,
			Module{SizeBytes: maybe.Some[uint64](1 << 30), Type: "DDR4", FormFactor: "DIMM"},
		},
		{
			"SMBIOS 2.1", device{locator: "J1", bank: "BANK0", size: 64, kind: 0x0f, formFactor: 9, speed: 100}, 0x15,
			Module{Locator: "J1", Bank: "BANK0", SizeBytes: maybe.Some[uint64](64 << 20), Type: "SDRAM", FormFactor: "DIMM"},
		},
		{"a type of the future", device{size: 64, kind: 0x77, formFactor: 9}, 0, Module{SizeBytes: maybe.Some[uint64](64 << 20), Type: "0x77", FormFactor: "DIMM"}},
		{"escape sequences", device{locator: "\x1b[2J\xff", size: 64, kind: 7, formFactor: 9}, 0, Module{Locator: "\x1b[2J\xff", SizeBytes: maybe.Some[uint64](64 << 20), Type: "RAM", FormFactor: "DIMM"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			table := join(structure(1, 1, make([]byte, 23), "QEMU", "Standard PC"), tt.dev.bytes(0x1100, tt.len), endOfTable())
			for name, entry := range map[string][]byte{"2.x": entry2(table, 3), "3.x": entry3(table)} {
				got, err := Parse(entry, table)
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				if diff := cmp.Diff([]Module{tt.want}, got); diff != "" {
					t.Errorf("%s (-want +got):\n%s", name, diff)
				}
			}
		})
	}
}

// TestParseBroken: a damaged table is an error that says where, and keeps what
// came before the damage.
func TestParseBroken(t *testing.T) {
	one := device{locator: "A1", size: 1024, kind: 0x1a, formFactor: 9}.bytes(1, 0)
	two := device{locator: "B1", size: 2048, kind: 0x1a, formFactor: 9}.bytes(2, 0)
	short := structure(17, 3, make([]byte, 8))
	long := slices.Clone(one)
	long[1] = 0xff // reaches over its strings into what follows
	headerless := []byte{17, 3, 0, 0, 'x', 0, 0}
	badIndex := slices.Clone(one)
	badIndex[0x10] = 200
	unended := slices.Clone(one[:len(one)-2])
	for _, tt := range []struct {
		name  string
		table []byte
		want  []string // locators
		why   string   // "" = no error
	}{
		{"nothing", nil, nil, "structure 0 at byte 0 (): the table ends too early"},
		{"no end", join(one, two), []string{"A1", "B1"}, "structure 2 at byte"},
		{"cut in a header", join(one, two[:3]), []string{"A1"}, "(115c02): the table ends too early"},
		{"cut in the fields", join(one, two[:40]), []string{"A1"}, "structure 1 at byte 96 (115c0200): data too short"},
		{"cut in the strings", join(one, two[:len(two)-1]), []string{"A1"}, "structure 1"},
		{"unterminated string", unended, nil, "structure 0"},
		{"length 3", join(one, headerless, two, endOfTable()), []string{"A1"}, "less than its header"},
		{"length 0", join(one, make([]byte, 64)), []string{"A1"}, "less than its header"},
		{"too short for a device", join(one, short, two, endOfTable()), []string{"A1", "B1"}, "a memory device of 12 bytes"},
		{"length behind the end", join(one, long), []string{"A1"}, "data too short"},
		{"a string that is not there", join(badIndex, two, endOfTable()), []string{"", "B1"}, ""},
		{"garbage behind the end", join(one, endOfTable(), []byte("garbage\xff\xff")), []string{"A1"}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for name, entry := range map[string][]byte{"2.x": entry2(tt.table, 99), "3.x": entry3(tt.table)} {
				got, err := Parse(entry, tt.table)
				var locators []string
				for _, m := range got {
					locators = append(locators, m.Locator)
				}
				if diff := cmp.Diff(tt.want, locators); diff != "" {
					t.Errorf("%s: modules (-want +got):\n%s", name, diff)
				}
				switch {
				case tt.why == "" && err != nil:
					t.Errorf("%s: %v", name, err)
				case tt.why != "" && (!errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), tt.why)):
					t.Errorf("%s: error %v, want %q", name, err, tt.why)
				}
			}
		})
	}
}

// TestParseBehindTheEnd: a 2.x table may continue after its end-of-table structure, as
// far as its number of structures goes; a 3.x table may not.
func TestParseBehindTheEnd(t *testing.T) {
	one := device{locator: "A1", size: 1024, kind: 0x1a, formFactor: 9}.bytes(1, 0)
	two := device{locator: "B1", size: 2048, kind: 0x1a, formFactor: 9}.bytes(2, 0)
	table := join(one, endOfTable(), two)
	for want, entry := range map[int][]byte{2: entry2(table, 3), 1: entry3(table)} {
		if got, err := Parse(entry, table); len(got) != want || err != nil {
			t.Errorf("%d modules, want %d (%v)", len(got), want, err)
		}
	}
	if got, err := Parse(entry2(table, 1), table); len(got) != 1 || err != nil {
		t.Errorf("%d modules of one announced structure (%v)", len(got), err)
	}
}

func TestParseEntry(t *testing.T) {
	table := endOfTable()
	spoiled := entry3(table)
	spoiled[8]++
	for name, entry := range map[string][]byte{
		"nothing": nil, "cut 2.x": entry2(table, 1)[:30], "cut 3.x": entry3(table)[:23], "checksum": spoiled, "text": []byte(strings.Repeat("x", 64)),
	} {
		if _, err := Parse(entry, table); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestParseThousand: a table of 1 000 slots can be read, and one of 1 000 broken ones
// does not report a thousand errors.
func TestParseThousand(t *testing.T) {
	var good, bad []byte
	for i := range 1000 {
		good = append(good, device{locator: "SLOT", size: uint16(i % 3), kind: 0x22, formFactor: 9}.bytes(uint16(i), 0)...)
		bad = append(bad, structure(17, uint16(i), nil)...)
	}
	good, bad = append(good, endOfTable()...), append(bad, endOfTable()...)
	got, err := Parse(entry3(good), good)
	if len(got) != 1000 || err != nil {
		t.Errorf("%d modules, %v", len(got), err)
	}
	_, err = Parse(entry3(bad), bad)
	if n := strings.Count(err.Error(), "\n") + 1; n != maxErrors {
		t.Errorf("%d errors", n)
	}
}

func BenchmarkParse(b *testing.B) {
	var table []byte
	for i := range 128 {
		table = append(table, device{locator: "DIMM_A1", bank: "P0 CHANNEL A", size: 0x7fff, extendedSize: 65536, kind: 0x22, formFactor: 9}.bytes(uint16(i), 0)...)
	}
	table = append(table, endOfTable()...)
	entry := entry3(table)
	b.SetBytes(int64(len(table)))
	for b.Loop() {
		if got, err := Parse(entry, table); len(got) != 128 || err != nil {
			b.Fatal(len(got), err)
		}
	}
}
