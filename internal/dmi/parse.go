package dmi

import (
	"errors"
	"fmt"
	"strings"

	"github.com/u-root/u-root/pkg/smbios"

	"github.com/eptop/eptop/internal/maybe"
)

// Lengths of structures by DSP0134.
const (
	headerLen = 4    // type, length and handle
	deviceLen = 0x15 // a Memory Device of SMBIOS 2.1, the shortest there is
)

// Parse reads the memory modules from an entry point and the table it belongs to. A
// 3.x table ends with its end-of-table structure. A 2.x entry point has a number of
// structures, and old firmware puts some of them after the end (dmi_decode_table()
// reads those too). What makes no sense after an end is garbage, not a cut table.
func Parse(entry, table []byte) ([]Module, error) {
	e32, e64, err := smbios.ParseEntry(entry)
	if err != nil {
		return nil, fmt.Errorf("smbios_entry_point: %w: %w", err, ErrMalformed)
	}
	w := walk{table: table, rest: table}
	for e32 == nil || w.number < int(e32.NumberOfStructs) {
		t, why := w.next()
		if why != "" {
			if !w.ended {
				w.addError(why)
			}
			break
		}
		if t.Type == smbios.TableTypeMemoryDevice {
			m, err := module(t)
			if err != nil {
				w.addError(err.Error())
			} else {
				w.modules = append(w.modules, m)
			}
		}
		w.ended = w.ended || t.Type == smbios.TableTypeEndOfTable
		if w.ended && e64 != nil {
			break
		}
		w.rest = w.after
		w.number++
	}
	return w.modules, errors.Join(w.errs...)
}

// walk is where Parse stands in a table.
type walk struct {
	table, rest []byte // rest begins with the structure that is read
	after       []byte // what follows it
	number      int    // of the structure, from 0
	ended       bool   // the end-of-table structure was read

	modules []Module
	errs    []error
}

// next decodes the structure at rest, or returns why there is none.
func (w *walk) next() (_ *smbios.Table, why string) {
	switch {
	case len(w.rest) < headerLen:
		return nil, "the table ends too early"
	case w.rest[1] < headerLen:
		return nil, "its length is less than its header's"
	}
	t, after, err := smbios.ParseTable(w.rest)
	if t == nil {
		return nil, err.Error()
	}
	w.after = after
	return t, ""
}

// maxErrors bounds how many errors are kept of one table.
const maxErrors = 8

// addError notes an error in the structure at rest.
func (w *walk) addError(why string) {
	if len(w.errs) < maxErrors {
		w.errs = append(w.errs, fmt.Errorf("DMI: structure %d at byte %d (%x): %s: %w",
			w.number, len(w.table)-len(w.rest), w.rest[:min(len(w.rest), headerLen)], why, ErrMalformed))
	}
}

// Values of a Memory Device that do not stand for a number.
const (
	sizeUnknown    = 0xffff
	speedUnknown   = 0
	speedExtended  = 0xffff // the speed is in Extended Speed, since SMBIOS 3.3
	offExtSpeed    = 0x54
	offExtConfigMT = 0x58
)

// module decodes one Memory Device.
func module(t *smbios.Table) (Module, error) {
	if t.Len() < deviceLen {
		return Module{}, fmt.Errorf("a memory device of %d bytes", t.Len())
	}
	d, err := smbios.NewMemoryDevice(t)
	if err != nil {
		return Module{}, err
	}
	m := Module{
		Locator: text(d.DeviceLocator), Bank: text(d.BankLocator), Manufacturer: text(d.Manufacturer), PartNumber: text(d.PartNumber),
		Type: typeName(d.Type), Empty: d.Size == 0,
		SpeedMTs:      speed(t, d.Speed, offExtSpeed),
		ConfiguredMTs: speed(t, d.ConfiguredSpeed, offExtConfigMT),
	}
	if d.FormFactor != smbios.MemoryDeviceFormFactorUnknown && d.FormFactor != 0 {
		m.FormFactor = d.FormFactor.String()
	}
	if n := d.GetSizeBytes(); d.Size != sizeUnknown && n > 0 {
		m.SizeBytes = maybe.Some(n)
	}
	return m, nil
}

// speed is in million transfers a second; 0xffff points to a field of 32 bits.
func speed(t *smbios.Table, mts uint16, extended int) maybe.Of[uint32] {
	n := uint32(mts)
	if mts == speedExtended {
		v, err := t.GetDWordAt(extended)
		if err != nil {
			return maybe.Of[uint32]{}
		}
		n = v & 0x7fffffff // bit 31 is reserved
	}
	return maybe.When(n, n != speedUnknown)
}

// typeName returns the type as dmidecode writes it. u-root lacks the newest types.
func typeName(t smbios.MemoryDeviceType) string {
	switch t {
	case 0, smbios.MemoryDeviceTypeUnknown:
		return ""
	case 0x20:
		return "HBM"
	case 0x21:
		return "HBM2"
	case 0x23:
		return "LPDDR5"
	case 0x24:
		return "HBM3"
	}
	return t.String()
}

// text returns a string of the firmware without its padding; u-root puts words in
// place of missing strings, which become "".
func text(s string) string {
	switch s {
	case "Not Specified", "<BAD INDEX>":
		return ""
	}
	return strings.TrimSpace(s)
}
