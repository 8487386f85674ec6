package dmi

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/eptop/eptop/internal/maybe"
)

// FuzzParse feeds arbitrary entry points and tables: no panic, no endless walk, no
// more modules than bytes allow, and the parser keeps nothing of the input's memory.
func FuzzParse(f *testing.F) {
	for _, tree := range captured {
		dir := filepath.Join("testdata", tree, "sys/firmware/dmi/tables")
		entry, err := os.ReadFile(filepath.Join(dir, "smbios_entry_point"))
		if err != nil {
			f.Fatal(err)
		}
		table, err := os.ReadFile(filepath.Join(dir, "DMI"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(entry, table)
		f.Add(entry, table[:len(table)/2])
	}
	table := join(device{locator: "A", size: 1, kind: 7}.bytes(1, 0), endOfTable())
	f.Add(entry3(table), table)
	f.Add(entry3(table), []byte{17, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, entry, table []byte) {
		modules, err := Parse(entry, table)
		if most := len(table) / (deviceLen + 2); len(modules) > most {
			t.Errorf("%d modules in %d bytes", len(modules), len(table))
		}
		for _, m := range modules {
			if m.Empty && m.SizeBytes.Known {
				t.Errorf("an empty slot of %d bytes", m.SizeBytes.Value)
			}
		}
		if err != nil && err.Error() == "" {
			t.Error("an error without words")
		}
	})
}

// FuzzDevice is the oracle: a device laid out by the specification is decoded to the
// values that were put in.
func FuzzDevice(f *testing.F) {
	f.Add("DIMM_A1", "P0", uint16(0x7fff), uint32(65536), uint16(4800), uint32(0), byte(0x22))
	f.Add("", "BANK 0", uint16(0), uint32(0), uint16(0), uint32(0), byte(2))
	f.Add("x", "", uint16(0xffff), uint32(0), uint16(0xffff), uint32(70_000), byte(0x1a))
	f.Add("x", "y", uint16(0x8100), uint32(0), uint16(1), uint32(0), byte(7))
	f.Fuzz(func(t *testing.T, locator, bank string, size uint16, extended uint32, speed uint16, extendedSpeed uint32, kind byte) {
		for _, s := range []string{locator, bank} {
			if strings.ContainsRune(s, 0) || len(s) > 64 || s != strings.TrimSpace(s) || s == "Not Specified" || s == "<BAD INDEX>" {
				t.Skip("no string of a table")
			}
		}
		d := device{locator: locator, bank: bank, size: size, extendedSize: extended, formFactor: 9, kind: kind, speed: speed, extendedSpeed: extendedSpeed}
		table := join(d.bytes(1, 0), endOfTable())
		got, err := Parse(entry3(table), table)
		if err != nil || len(got) != 1 {
			t.Fatalf("%d modules, %v", len(got), err)
		}
		want := Module{Locator: locator, Bank: bank, FormFactor: "DIMM", Type: got[0].Type}
		var bytes uint64
		switch {
		case size == 0:
			want.Empty = true
		case size == 0xffff: // unknown
		case size == 0x7fff:
			bytes = uint64(extended&0x7fffffff) * 1048576
		case size > 0x7fff:
			bytes = uint64(size-0x8000) * 1024
		default:
			bytes = uint64(size) * 1048576
		}
		mts := uint32(speed)
		if speed == 0xffff {
			mts = extendedSpeed & 0x7fffffff
		}
		want.SizeBytes, want.SpeedMTs = maybe.When(bytes, bytes > 0), maybe.When(mts, mts > 0)
		if got[0] != want {
			t.Errorf("got %+v, want %+v", got[0], want)
		}
	})
}
