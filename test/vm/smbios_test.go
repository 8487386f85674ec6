//go:build vm

package vm

import "encoding/binary"

// module is one memory module or an empty slot, as the firmware describes it.
type module struct {
	locator, bank string
	// size is SMBIOS's word: MiB, or KiB with bit 15; 0 is an empty slot, 0xffff
	// unknown, and 0x7fff refers to extendedMiB.
	size        uint16
	extendedMiB uint32
	kind        byte
	speedMTs    uint16
}

// sampleModules has one module for every way to write a size.
var sampleModules = []module{
	{locator: "DIMM_A1", bank: "P0 CHANNEL A", size: 0x7fff, extendedMiB: 48 << 10, kind: 0x22, speedMTs: 4800},
	{locator: "DIMM_A2", bank: "P0 CHANNEL A", size: 0, kind: 0x02},
	{locator: "DIMM_B1", bank: "P0 CHANNEL B", size: 16 << 10, kind: 0x1a, speedMTs: 3200},
	{locator: "DIMM_B2", bank: "P0 CHANNEL B", size: 1<<15 | 512, kind: 0x18, speedMTs: 1333},
	{locator: "DIMM_C1", bank: "P0 CHANNEL C", size: 0xffff, kind: 0x01},
}

// smbios returns the structure of type 17 in SMBIOS 2.8: DSP0134, 7.18.
func (m module) smbios(number int) []byte {
	const length, typeMemoryDevice = 0x28, 17
	word := binary.LittleEndian.AppendUint16
	b := []byte{typeMemoryDevice, length}
	b = word(b, uint16(0x1100+number)) // handle
	b = word(b, 0x1000)                // QEMU's memory array
	b = word(b, 0xfffe)                // error information: not provided
	b = word(b, 72)                    // total width
	b = word(b, 64)                    // data width
	b = word(b, m.size)
	b = append(b, 0x09 /* DIMM */, 0 /* no set */, 1 /* locator */, 2 /* bank */, m.kind)
	b = word(b, 0x0080) // synchronous
	b = word(b, m.speedMTs)
	b = append(b, 0, 0, 0, 0, 0) // maker, serial number, asset tag, part, attributes
	b = binary.LittleEndian.AppendUint32(b, m.extendedMiB)
	b = word(b, m.speedMTs) // configured
	b = append(b, make([]byte, length-len(b))...)
	return append(b, m.locator+"\x00"+m.bank+"\x00\x00"...)
}
