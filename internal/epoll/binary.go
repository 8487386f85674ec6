package epoll

import (
	"encoding/binary"
	"errors"
)

// ErrMalformed is returned for bytes that AppendWatches did not write.
var ErrMalformed = errors.New("malformed watches")

// AppendWatches appends watches as bytes, some 20 for each.
func AppendWatches(b []byte, watches []Watch) []byte {
	b = binary.AppendUvarint(b, uint64(len(watches)))
	for i := range watches {
		w := &watches[i]
		known := byte(w.Facts) << 1
		if w.HasInode {
			known |= 1
		}
		b = append(b, byte(w.Link), byte(w.Kind), known)
		b = binary.LittleEndian.AppendUint32(b, uint32(w.Mask))
		b = binary.AppendVarint(b, int64(w.TFD))
		b = binary.AppendUvarint(b, w.Data)
		if w.HasInode {
			b = binary.AppendUvarint(b, w.Ino)
			b = binary.AppendVarint(b, w.Pos)
			b = binary.AppendUvarint(b, uint64(w.Sdev))
		}
	}
	return b
}

// DecodeWatches returns the watches that AppendWatches wrote.
func DecodeWatches(b []byte) ([]Watch, error) {
	d := decoder{b: b, ok: true}
	n := d.unsigned()
	const least = 9 // bytes of a watch
	if n > uint64(len(d.b)/least) {
		return nil, ErrMalformed
	}
	watches := make([]Watch, n)
	for i := range watches {
		d.watch(&watches[i])
	}
	if !d.ok || len(d.b) > 0 {
		return nil, ErrMalformed
	}
	return watches, nil
}

type decoder struct {
	b  []byte
	ok bool
}

func (d *decoder) watch(w *Watch) {
	const fixed = 7
	if len(d.b) < fixed {
		d.ok = false
		return
	}
	w.Link, w.Kind, w.HasInode, w.Facts = Link(d.b[0]), Kind(d.b[1]), d.b[2]&1 != 0, Facts(d.b[2]>>1)
	w.Mask = Mask(binary.LittleEndian.Uint32(d.b[3:]))
	d.b = d.b[fixed:]
	tfd := d.signed()
	w.TFD, w.Data = int32(tfd), d.unsigned()
	sdev := uint64(0)
	if w.HasInode {
		w.Ino, w.Pos = d.unsigned(), d.signed()
		sdev = d.unsigned()
	}
	w.Sdev = uint32(sdev)
	if w.Link > Stale || w.Kind > KindOther || tfd != int64(w.TFD) || sdev != uint64(w.Sdev) {
		d.ok = false
	}
}

func (d *decoder) unsigned() uint64 {
	v, n := binary.Uvarint(d.b)
	return take(d, v, n)
}

func (d *decoder) signed() int64 {
	v, n := binary.Varint(d.b)
	return take(d, v, n)
}

// take skips a number of n bytes, which are 0 or fewer where there is none.
func take[T any](d *decoder, v T, n int) T {
	if n <= 0 {
		d.ok, d.b = false, nil
		var zero T
		return zero
	}
	d.b = d.b[n:]
	return v
}
