package sock

import "slices"

// The containers of a Table. They hold no pointers to rows, grow without copying
// what they have, and keep their memory when they are emptied, so that dump after
// dump allocates nothing.

// chunkBits is the size of a chunk: 4,096 items.
const (
	chunkBits  = 12
	chunkItems = 1 << chunkBits
)

// chunked is an array that grows chunk by chunk: growing a slice of 20 MB would
// need the old and the new one at the same time.
type chunked[T comparable] struct {
	chunks [][]T
	n      int
}

func (c *chunked[T]) at(i int) *T { return &c.chunks[i>>chunkBits][i&(chunkItems-1)] }

func (c *chunked[T]) add() *T {
	if c.n>>chunkBits == len(c.chunks) {
		c.chunks = append(c.chunks, make([]T, chunkItems))
	}
	c.n++
	return c.at(c.n - 1)
}

// same reports whether two arrays have the same items.
func (c *chunked[T]) same(other *chunked[T]) bool {
	if c.n != other.n {
		return false
	}
	for i, left := 0, c.n; left > 0; i, left = i+1, left-chunkItems {
		n := min(left, chunkItems)
		if !slices.Equal(c.chunks[i][:n], other.chunks[i][:n]) {
			return false
		}
	}
	return true
}

// trim lets chunks go that are far more than what was used last.
func (c *chunked[T]) trim() {
	used := (c.n + chunkItems - 1) >> chunkBits
	if spare := used + used/2 + 1; len(c.chunks) > spare {
		clear(c.chunks[spare:])
		c.chunks = c.chunks[:spare]
	}
}

// slots is an open-addressed table of numbers (item + 1, so that 0 is empty), at
// most three quarters full.
type slots struct {
	table []uint32
}

// resize empties the table and gives it room for n items.
func (s *slots) resize(n int) {
	want := n + n/3 + 8
	if cap(s.table) >= want && cap(s.table) <= 2*want {
		s.table = s.table[:want]
		clear(s.table)
		return
	}
	s.table = make([]uint32, want)
}

// start is where the search for a hash begins; step goes on to the next place.
// The product needs no division and the table no power of two.
func (s *slots) start(hash uint32) int {
	return int(uint64(hash) * uint64(len(s.table)) >> 32)
}

func (s *slots) step(at int) int {
	if at++; at == len(s.table) {
		return 0
	}
	return at
}

func (s *slots) bytes() int { return cap(s.table) * 4 }

// set is the distinct values of a Table's columns, each with a number.
type set[T comparable] struct {
	items chunked[T]
	slots slots
	hash  func(*T) uint32
}

// smallSet is for how many items a set has room at first.
const smallSet = 64

func (s *set[T]) reset() {
	s.items.trim()
	s.slots.resize(max(smallSet, s.items.n))
	s.items.n = 0
}

// intern returns the number of a value. Its hash is given, because a value that a
// function variable hashes is moved to the heap.
func (s *set[T]) intern(v *T, hash uint32) uint32 {
	at := s.slots.start(hash)
	for {
		i := s.slots.table[at]
		if i == 0 {
			break
		}
		if *s.items.at(int(i - 1)) == *v {
			return i - 1
		}
		at = s.slots.step(at)
	}
	*s.items.add() = *v
	s.slots.table[at] = uint32(s.items.n)
	if s.items.n >= len(s.slots.table)*3/4 {
		s.rehash()
	}
	return uint32(s.items.n - 1)
}

func (s *set[T]) rehash() {
	s.slots.resize(2 * s.items.n)
	for i := range s.items.n {
		at := s.slots.start(s.hash(s.items.at(i)))
		for s.slots.table[at] != 0 {
			at = s.slots.step(at)
		}
		s.slots.table[at] = uint32(i + 1)
	}
}

// mix folds a word into a hash; finish takes its best bits.
func mix(h, word uint64) uint64 {
	h = (h ^ word) * 0x9E3779B97F4A7C15
	return h ^ h>>32
}

func finish(h uint64) uint32 { return uint32(h * 0xD6E8FEB86659FD93 >> 32) }

// inoHash spreads inode numbers, which come in runs.
func inoHash(ino uint32) uint32 { return ino * 0x9E3779B1 }
