package fdinfo

import (
	"encoding/binary"
	"math/bits"

	"github.com/eptop/eptop/internal/epoll"
)

// The fast path takes the columns that the kernel's format string puts at fixed places
// eight bytes at a time: each word holds eight characters of a number ("SWAR"). It
// accepts exactly the lines of the kernel's widths and leaves everything else to
// parseLine, even what is merely unusual.

// fastWindow is how many bytes parseFast may touch: the longest line of the
// usual widths is 115 bytes, and the last number is loaded with a word beyond it.
const fastWindow = 128

// A line of the usual widths, by offset.
const (
	offTFD    = 5  // "tfd: "
	offEvents = 22 // " events: "
	offData   = 37 // " data: "
	offAfter  = 53 // "  pos:" or the newline of a kernel before 4.13
	offPos    = 59
)

// Literals between the columns as little-endian words.
const (
	litTFD    = 't' | 'f'<<8 | 'd'<<16 | ':'<<24 | ' '<<32
	litEvents = ' ' | 'e'<<8 | 'v'<<16 | 'e'<<24 | 'n'<<32 | 't'<<40 | 's'<<48 | ':'<<56
	litData   = ' ' | 'd'<<8 | 'a'<<16 | 't'<<24 | 'a'<<32 | ':'<<40 | ' '<<48
	litPos    = ' ' | ' '<<8 | 'p'<<16 | 'o'<<24 | 's'<<32 | ':'<<40
	litPos0   = litPos | '0'<<48 | ' '<<56
	litIno    = 'i' | 'n'<<8 | 'o'<<16 | ':'<<24
	litSdev   = ' ' | 's'<<8 | 'd'<<16 | 'e'<<24 | 'v'<<32 | ':'<<40

	low40 = 1<<40 - 1
	low48 = 1<<48 - 1
	low56 = 1<<56 - 1
)

const (
	ones   = 0x0101010101010101
	tops   = 0x80 * ones
	spaces = ' ' * ones
)

// parseFast parses the line that starts at p[0] into w and returns its length
// with the newline, or 0 where the line is not of the usual form; w is then
// undefined.
func parseFast(p *[fastWindow]byte, w *epoll.Watch) int {
	bad := binary.LittleEndian.Uint64(p[0:])&low40 ^ litTFD
	bad |= binary.LittleEndian.Uint64(p[13:]) ^ litEvents | uint64(p[21]^' ')
	bad |= binary.LittleEndian.Uint64(p[30:])&low56 ^ litData

	tfd, wrong := decimal8(binary.LittleEndian.Uint64(p[offTFD:]))
	bad |= wrong
	events, wrong := hex8(padToZeros(binary.LittleEndian.Uint64(p[offEvents:])))
	bad |= wrong

	high := binary.LittleEndian.Uint64(p[offData:])
	low := binary.LittleEndian.Uint64(p[offData+8:])
	if high == spaces {
		high, low = '0'*ones, padToZeros(low)
	} else {
		high = padToZeros(high)
	}
	dataHigh, wrong := hex8(high)
	bad |= wrong
	dataLow, wrong := hex8(low)
	bad |= wrong
	if bad != 0 {
		return 0
	}
	w.Data = dataHigh<<32 | dataLow
	w.TFD = int32(tfd)
	w.Mask = epoll.Mask(events)
	w.Link, w.Kind = epoll.Unproven, epoll.KindUnknown
	if p[offAfter] == '\n' {
		w.Ino, w.Pos, w.Sdev, w.HasInode = 0, 0, 0, false
		return offAfter + 1
	}
	return parseFastInode(p, w)
}

// parseFastInode is parseFast for the columns since Linux 4.13, whose widths
// vary.
func parseFastInode(p *[fastWindow]byte, w *epoll.Watch) int {
	var pos int64
	at := offPos + 2
	if after := binary.LittleEndian.Uint64(p[offAfter:]); after != litPos0 {
		if after&low48 != litPos {
			return 0
		}
		if pos, at = position(p); at == 0 {
			return 0
		}
	}
	if binary.LittleEndian.Uint32(p[at:]) != litIno {
		return 0
	}
	at += 4
	ino, n := hexRun(binary.LittleEndian.Uint64(p[at:]))
	at += n
	if n == 8 {
		var more uint64
		more, n = hexRun(binary.LittleEndian.Uint64(p[at:]))
		ino = ino<<(4*n) | more
		at += n
	} else if n == 0 {
		return 0
	}
	if binary.LittleEndian.Uint64(p[at:])&low48 != litSdev {
		return 0
	}
	at += 6
	sdev, n := hexRun(binary.LittleEndian.Uint64(p[at:]))
	at += n
	if n == 0 || p[at] != '\n' {
		return 0
	}
	w.Ino, w.Pos, w.Sdev, w.HasInode = ino, pos, uint32(sdev), true
	return at + 1
}

// position parses the digits of <pos> and the space after it. It returns the offset
// after that space, or 0 for a number that is negative or has more than the 18 digits
// that always fit.
func position(p *[fastWindow]byte) (pos int64, at int) {
	for at = offPos; at < offPos+18; at++ {
		d := p[at] - '0'
		if d > 9 {
			break
		}
		pos = pos*10 + int64(d)
	}
	if at == offPos || p[at] != ' ' {
		return 0, 0
	}
	return pos, at + 1
}

// padToZeros turns the leading spaces of a number into the digit 0. A word of
// nothing but spaces stays as it is, and so stays wrong.
func padToZeros(w uint64) uint64 {
	lead := bits.TrailingZeros64(w^spaces) &^ 7
	return w | ('0'-' ')*ones&(1<<(lead&63)-1)
}

// decimal8 returns the value of eight decimal digits with leading spaces, the first in
// the lowest byte. wrong is not 0 where a byte is neither digit nor space.
func decimal8(w uint64) (v, wrong uint64) {
	w = padToZeros(w) ^ '0'*ones
	wrong = (w + (0x80-10)*ones | w) & tops
	w = w*10 + w>>8
	w = (w&0x000000ff000000ff*(100+1000000<<32) + w>>16&0x000000ff000000ff*(1+10000<<32)) >> 32
	return w, wrong
}

// hexDigits returns the value of each byte that is a lower-case hexadecimal digit, and
// the top bit of each such byte. A byte of 0x80 and more can spoil only the bytes
// above it, which all come later in the text.
func hexDigits(w uint64) (values, valid uint64) {
	digit := (w + (0x80-'0')*ones) &^ (w + (0x80-'9'-1)*ones)
	letter := (w + (0x80-'a')*ones) &^ (w + (0x80-'f'-1)*ones) & tops
	return w&(0xf*ones) + letter>>7*9, (digit | letter) &^ w & tops
}

// packHex joins eight values of four bits, the first in the lowest byte.
func packHex(v uint64) uint64 {
	v = (v<<4 | v>>8) & 0x00ff00ff00ff00ff
	v = (v<<8 | v>>16) & 0x0000ffff0000ffff
	return (v<<16 | v>>32) & 0xffffffff
}

// hex8 returns the value of eight hexadecimal digits; wrong is not 0 where a byte is
// no such digit.
func hex8(w uint64) (v, wrong uint64) {
	values, valid := hexDigits(w)
	return packHex(values), valid ^ tops
}

// hexRun returns the value of the hexadecimal digits that w starts with, and how many
// they are, 0 to 8.
func hexRun(w uint64) (v uint64, n int) {
	values, valid := hexDigits(w)
	width := bits.TrailingZeros64(valid^tops) &^ 7
	return packHex(values << (64 - width)), width >> 3
}
