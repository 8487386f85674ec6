package model

import (
	"encoding/binary"
	"errors"

	"github.com/eptop/eptop/internal/epoll"
)

// Lists of numbers as bytes: how many there are, then of each the difference from the one
// before, which is small as a rule. A list that is nil has no bytes.

var errNumbers = errors.New("malformed numbers")

// appendNumbers appends n records of the fields that of returns.
func appendNumbers(n int, of func(i int, fields []int64), fields int) []byte {
	b := binary.AppendUvarint(nil, uint64(n))
	before, now := make([]int64, fields), make([]int64, fields)
	for i := range n {
		of(i, now)
		for f := range now {
			b = binary.AppendVarint(b, now[f]-before[f])
		}
		before, now = now, before
	}
	return b
}

// decodeNumbers calls set with each record that appendNumbers wrote, after room with how many
// there are.
func decodeNumbers(b []byte, fields int, room func(n int), set func(i int, fields []int64) bool) error {
	n, size := binary.Uvarint(b)
	if size <= 0 || n > uint64(len(b)/fields) { // each field takes a byte at least
		return errNumbers
	}
	b = b[size:]
	room(int(n))
	now := make([]int64, fields)
	for i := range int(n) {
		for f := range now {
			d, size := binary.Varint(b)
			if size <= 0 {
				return errNumbers
			}
			now[f] += d
			b = b[size:]
		}
		if !set(i, now) {
			return errNumbers
		}
	}
	if len(b) > 0 {
		return errNumbers
	}
	return nil
}

// fits reports whether numbers are such of 32 bits without a sign.
func fits(numbers ...int64) bool {
	for _, n := range numbers {
		if n < 0 || n > 1<<32-1 {
			return false
		}
	}
	return true
}

func appendHeld(held []HeldSocket) []byte {
	if held == nil {
		return nil
	}
	return appendNumbers(len(held), func(i int, f []int64) { f[0], f[1] = int64(held[i].FD), int64(held[i].Ino) }, 2)
}

func decodeHeld(b []byte) (held []HeldSocket, err error) {
	if len(b) == 0 {
		return nil, nil
	}
	err = decodeNumbers(b, 2, func(n int) { held = make([]HeldSocket, n) }, func(i int, f []int64) bool {
		held[i] = HeldSocket{int32(f[0]), uint32(f[1])}
		return fits(f...) && f[0] <= 1<<31-1
	})
	return held, err
}

func appendFiles(files []epoll.FD) []byte {
	if files == nil {
		return nil
	}
	return appendNumbers(len(files), func(i int, f []int64) {
		f[0], f[1], f[2] = int64(files[i].Num), int64(files[i].Kind), int64(files[i].Ino)
	}, 3)
}

func decodeFiles(b []byte) (files []epoll.FD, err error) {
	if len(b) == 0 {
		return nil, nil
	}
	err = decodeNumbers(b, 3, func(n int) { files = make([]epoll.FD, n) }, func(i int, f []int64) bool {
		files[i] = epoll.FD{Num: int32(f[0]), Kind: epoll.Kind(f[1]), Ino: uint64(f[2])}
		return f[0] >= 0 && f[0] <= 1<<31-1 && f[1] >= 0 && f[1] <= int64(epoll.KindOther)
	})
	return files, err
}

func appendIndex(index []uint32) []byte {
	if index == nil {
		return nil
	}
	return appendNumbers(len(index), func(i int, f []int64) { f[0] = int64(index[i]) }, 1)
}

func decodeIndex(b []byte, want int) (index []uint32, err error) {
	if len(b) == 0 {
		return nil, nil
	}
	err = decodeNumbers(b, 1, func(n int) { index = make([]uint32, n) }, func(i int, f []int64) bool {
		index[i] = uint32(f[0])
		return fits(f[0])
	})
	if err == nil && len(index) != want {
		err = errors.New("an index of other files")
	}
	return index, err
}

func appendPast(past []SocketPast) []byte {
	if past == nil {
		return nil
	}
	return appendNumbers(len(past), func(i int, f []int64) { f[0], f[1] = int64(past[i].Seen), int64(past[i].State) }, 2)
}

func decodePast(b []byte, most int) (past []SocketPast, err error) {
	if len(b) == 0 {
		return nil, nil
	}
	err = decodeNumbers(b, 2, func(n int) { past = make([]SocketPast, n) }, func(i int, f []int64) bool {
		past[i] = SocketPast{PastMoment(f[0]), PastMoment(f[1])}
		return fits(f...)
	})
	if err == nil && len(past) > most {
		err = errors.New("the past of other sockets")
	}
	return past, err
}

// fileRows are the files of a process.
type fileRows struct {
	Held  []byte `json:"held,omitempty"`
	Files []byte `json:"files,omitempty"`
	Index []byte `json:"index,omitempty"`
}

func filesOfProcess(p *Process) fileRows {
	return fileRows{appendHeld(p.Held), appendFiles(p.Files), appendIndex(p.FileIndex)}
}

func (r *fileRows) fill(p *Process) (err error) {
	if p.Held, err = decodeHeld(r.Held); err != nil {
		return err
	}
	if p.Files, err = decodeFiles(r.Files); err != nil {
		return err
	}
	p.FileIndex, err = decodeIndex(r.Index, len(p.Files))
	return err
}
