package bpf

import (
	"fmt"
	"io"
)

// ID identifies a kernel object among others of its sort, as long as the object lives. IDs
// can be compared and be keys of a map. It holds an address of the kernel, so it can be
// neither printed nor encoded.
type ID struct{ addr uint64 }

// IsZero reports whether there is no object.
func (id ID) IsZero() bool { return id.addr == 0 }

// Of returns the ID of an object together with a number of its own: the inode of a file,
// whose memory may be another file's later in the same pass.
func (id ID) Of(number uint64) ID { return ID{id.addr + number*golden} }

// Format writes what an ID may show: nothing of its value.
func (id ID) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, "kernel object") }

// WatchSum is what a watch of a file under a number adds to Tree.Sum. An epoll whose
// watches, found from their files, add up to the same sum has no other.
func WatchSum(file ID, tfd int32) uint64 {
	return (file.addr ^ uint64(uint32(tfd))<<40) * golden // kernel/scan.bpf.c: walk_tree
}

const golden = 0x9e3779b97f4a7c15

// IDs numbers kernel objects in the order they are added, 0, 1, 2, …: four bytes in
// place of eight, at some 16 bytes of memory for each. The zero IDs is empty.
type IDs struct {
	chunks [][]uint64 // of chunkIDs each
	n      int
	slots  []uint32 // the number + 1; 0 is free. The length is a power of two.
}

const chunkIDs = 1 << 12

// Add returns an object's number, and whether the object is new.
func (s *IDs) Add(id ID) (number uint32, isNew bool) {
	if s.n*4 >= len(s.slots)*3 {
		s.grow()
	}
	slot := s.find(id.addr)
	if n := s.slots[slot]; n != 0 {
		return n - 1, false
	}
	if s.n == len(s.chunks)*chunkIDs {
		s.chunks = append(s.chunks, make([]uint64, chunkIDs))
	}
	s.chunks[s.n/chunkIDs][s.n%chunkIDs] = id.addr
	s.n++
	s.slots[slot] = uint32(s.n)
	return uint32(s.n - 1), true
}

// Has reports whether an object has a number that it is guessed to have: no search where
// the guess is right.
func (s *IDs) Has(number uint32, id ID) bool {
	n := int(number)
	return n < s.n && s.chunks[n/chunkIDs][n%chunkIDs] == id.addr
}

// Reserve makes room for n objects at once.
func (s *IDs) Reserve(n int) {
	for n*4 >= len(s.slots)*3 {
		s.grow()
	}
}

// Number returns an object's number.
func (s *IDs) Number(id ID) (number uint32, known bool) {
	if s.n == 0 {
		return 0, false
	}
	n := s.slots[s.find(id.addr)]
	return n - 1, n != 0
}

// Len is how many objects there are.
func (s *IDs) Len() int { return s.n }

// Bytes is the memory that is held.
func (s *IDs) Bytes() int { return len(s.chunks)*chunkIDs*8 + len(s.slots)*4 }

// Reset forgets all objects and keeps the memory.
func (s *IDs) Reset() {
	s.n = 0
	clear(s.slots)
}

// find returns the slot that has an address, or the free one it belongs in.
func (s *IDs) find(addr uint64) int {
	mask := len(s.slots) - 1
	for i := int(addr*golden>>32) & mask; ; i = (i + 1) & mask {
		n := int(s.slots[i]) - 1
		if n < 0 || s.chunks[n/chunkIDs][n%chunkIDs] == addr {
			return i
		}
	}
}

func (s *IDs) grow() {
	s.slots = make([]uint32, max(64, 2*len(s.slots)))
	for n := range s.n {
		s.slots[s.find(s.chunks[n/chunkIDs][n%chunkIDs])] = uint32(n + 1)
	}
}
