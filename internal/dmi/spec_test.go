package dmi

import (
	"encoding/binary"
)

// The tables of these tests are built by DSP0134 3.7, without any decoder's code.

// structure is the bytes of one structure: header, fields, strings.
func structure(kind byte, handle uint16, fields []byte, strings ...string) []byte {
	b := []byte{kind, byte(4 + len(fields))}
	b = binary.LittleEndian.AppendUint16(b, handle)
	b = append(b, fields...)
	for _, s := range strings {
		b = append(append(b, s...), 0)
	}
	if len(strings) == 0 {
		b = append(b, 0)
	}
	return append(b, 0)
}

// device is a Memory Device (7.18) as the specification lays it out.
type device struct {
	locator, bank, manufacturer, part string
	size                              uint16
	extendedSize                      uint32
	formFactor, kind                  byte
	speed, configured                 uint16
	extendedSpeed, extendedConfigured uint32
}

// bytes of a device of SMBIOS 3.3 (0x5c bytes), cut to the length of an older one.
func (d device) bytes(handle uint16, length int) []byte {
	var strings []string
	index := func(s string) byte {
		if s == "" {
			return 0
		}
		strings = append(strings, s)
		return byte(len(strings))
	}
	le := binary.LittleEndian
	f := le.AppendUint16(nil, 0x1000)            // 04 physical memory array
	f = le.AppendUint16(f, 0xfffe)               // 06 error information: not provided
	f = le.AppendUint16(f, 72)                   // 08 total width
	f = le.AppendUint16(f, 64)                   // 0a data width
	f = le.AppendUint16(f, d.size)               // 0c
	f = append(f, d.formFactor, 0)               // 0e form factor, 0f set
	f = append(f, index(d.locator))              // 10
	f = append(f, index(d.bank), d.kind)         // 11, 12
	f = le.AppendUint16(f, 0x80)                 // 13 type detail: synchronous
	f = le.AppendUint16(f, d.speed)              // 15, SMBIOS 2.3
	f = append(f, index(d.manufacturer), 0, 0)   // 17, 18 serial, 19 asset tag
	f = append(f, index(d.part), 2)              // 1a part number, 1b attributes
	f = le.AppendUint32(f, d.extendedSize)       // 1c, SMBIOS 2.7
	f = le.AppendUint16(f, d.configured)         // 20
	f = append(f, make([]byte, 0x54-0x22)...)    // 22 voltages to 4c logical size
	f = le.AppendUint32(f, d.extendedSpeed)      // 54, SMBIOS 3.3
	f = le.AppendUint32(f, d.extendedConfigured) // 58
	if length > 0 {
		f = f[:length-4]
		// A string that no field points to any more stays in the set: allowed.
	}
	return structure(17, handle, f, strings...)
}

// endOfTable is the last structure of a table.
func endOfTable() []byte { return structure(127, 0xfeff, nil) }

// entry3 is a 3.x entry point (5.2.2) for a table.
func entry3(table []byte) []byte {
	b := append([]byte("_SM3_"), 0, 0x18, 3, 3, 0, 1, 0)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(table)))
	b = binary.LittleEndian.AppendUint64(b, 0x7fff0000)
	b[5] = checksum(b)
	return b
}

// entry2 is a 2.x entry point (5.2.1) for a table of that many structures.
func entry2(table []byte, structures int) []byte {
	b := append([]byte("_SM_"), 0, 0x1f, 2, 8, 0xff, 0, 0, 0, 0, 0, 0, 0)
	b = append(append(b, "_DMI_"...), 0)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(table)))
	b = binary.LittleEndian.AppendUint32(b, 0x7fff0000)
	b = binary.LittleEndian.AppendUint16(b, uint16(structures))
	b = append(b, 0x28)
	b[0x15] = checksum(b[0x10:])
	b[4] = checksum(b)
	return b
}

// checksum makes all bytes, its own included, add up to 0.
func checksum(b []byte) byte {
	sum := byte(0)
	for _, c := range b {
		sum += c
	}
	return -sum
}

// moved returns an entry point that says that the table is at that offset, as in a
// dump made by dmidecode.
func moved(entry []byte, offset uint32) []byte {
	b := append([]byte(nil), entry...)
	if b[3] == '3' {
		binary.LittleEndian.PutUint64(b[16:], uint64(offset))
		b[5] = 0
		b[5] = checksum(b)
		return b
	}
	binary.LittleEndian.PutUint32(b[0x18:], offset)
	b[0x15], b[4] = 0, 0
	b[0x15] = checksum(b[0x10:])
	b[4] = checksum(b)
	return b
}
