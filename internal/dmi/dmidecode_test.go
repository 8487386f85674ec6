package dmi

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/eptop/eptop/internal/maybe"
)

// TestDmidecode compares with dmidecode, which reads the same tables from a dump:
// those of the captured machines, and one with every kind of slot.
func TestDmidecode(t *testing.T) {
	program, err := exec.LookPath("dmidecode")
	if err != nil {
		if program, err = exec.LookPath("/usr/sbin/dmidecode"); err != nil {
			t.Skip("no dmidecode; on Debian: apt-get install dmidecode")
		}
	}
	tables := map[string][2][]byte{}
	for _, tree := range captured {
		dir := filepath.Join("testdata", tree, "sys/firmware/dmi/tables")
		entry, err := os.ReadFile(filepath.Join(dir, "smbios_entry_point"))
		if err != nil {
			t.Fatal(err)
		}
		table, err := os.ReadFile(filepath.Join(dir, "DMI"))
		if err != nil {
			t.Fatal(err)
		}
		tables[tree] = [2][]byte{entry, table}
	}
	all := structure(1, 1, make([]byte, 23), "vendor")
	slots := []device{
		{locator: "DIMM_A1", bank: "P0 CHANNEL A", manufacturer: "Micron", part: "18ASF", size: 0x7fff, extendedSize: 65536, formFactor: 9, kind: 0x22, speed: 4800, configured: 4400},
		{locator: "DIMM_A2", bank: "P0 CHANNEL A", formFactor: 9, kind: 2},
		{locator: "DIMM_B1", size: 0xffff, formFactor: 9, kind: 0x1a, speed: 3200},
		{bank: "BANK 0", size: 512, formFactor: 13, kind: 0x18, speed: 1600, configured: 1333},
		{locator: "SOLDERED", size: 0x8000 | 512, formFactor: 5, kind: 0x23, speed: 0xffff, configured: 0xffff, extendedSpeed: 70_000, extendedConfigured: 66_000},
	}
	for i, d := range slots {
		all = append(all, d.bytes(uint16(0x1100+i), 0)...)
	}
	all = append(all, endOfTable()...)
	tables["every kind, 3.x"] = [2][]byte{entry3(all), all}
	tables["every kind, 2.x"] = [2][]byte{entry2(all, len(slots)+2), all}

	for name, files := range tables {
		t.Run(name, func(t *testing.T) {
			got, err := Parse(files[0], files[1])
			if err != nil {
				t.Fatal(err)
			}
			want := dmidecode(t, program, files[0], files[1])
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-dmidecode +eptop):\n%s", diff)
			}
		})
	}
}

// dmidecode runs dmidecode on a dump and reads what it prints.
func dmidecode(t *testing.T, program string, entry, table []byte) []Module {
	t.Helper()
	const offset = 32 // where dmidecode --dump-bin puts the table
	dump := make([]byte, offset, offset+len(table))
	copy(dump, moved(entry, offset))
	path := filepath.Join(t.TempDir(), "dump")
	if err := os.WriteFile(path, append(dump, table...), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(program, "--from-dump", path, "-t", "17").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var modules []Module
	for line := range strings.Lines(string(out)) {
		if strings.TrimSpace(line) == "Memory Device" {
			modules = append(modules, Module{})
			continue
		}
		name, value, ok := strings.Cut(strings.TrimSpace(line), ": ")
		if !ok || len(modules) == 0 {
			continue
		}
		if err := set(&modules[len(modules)-1], name, value); err != nil {
			t.Fatalf("%q: %v\n%s", line, err, out)
		}
	}
	return modules
}

// set puts one line of dmidecode's output into a module.
func set(m *Module, name, value string) (err error) {
	word := func() string {
		if value == "Not Specified" || value == "Unknown" {
			return ""
		}
		return value
	}
	switch name {
	case "Locator":
		m.Locator = word()
	case "Bank Locator":
		m.Bank = word()
	case "Manufacturer":
		m.Manufacturer = word()
	case "Part Number":
		m.PartNumber = word()
	case "Type":
		m.Type = word()
	case "Form Factor":
		m.FormFactor = word()
	case "Speed":
		m.SpeedMTs, err = mts(word())
	case "Configured Memory Speed":
		m.ConfiguredMTs, err = mts(word())
	case "Size":
		m.Empty = value == "No Module Installed"
		if !m.Empty && value != "Unknown" {
			m.SizeBytes, err = size(value)
		}
	}
	return err
}

func mts(s string) (maybe.Of[uint32], error) {
	if s == "" {
		return maybe.Of[uint32]{}, nil
	}
	n, err := strconv.ParseUint(strings.TrimSuffix(s, " MT/s"), 10, 32)
	return maybe.Some(uint32(n)), err
}

func size(s string) (absent maybe.Of[uint64], err error) {
	number, unit, _ := strings.Cut(s, " ")
	n, err := strconv.ParseUint(number, 10, 64)
	if err != nil {
		return absent, err
	}
	shift, ok := map[string]int{"kB": 10, "MB": 20, "GB": 30, "TB": 40}[unit]
	if !ok {
		return absent, fmt.Errorf("unit %q", unit)
	}
	return maybe.Some(n << shift), nil
}
