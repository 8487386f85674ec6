package sock

import "sync"

// Ends marks the sockets of a table whose other end is in it too: the ends of a
// loopback connection, and UNIX sockets with a peer. It takes a bit a socket and
// never changes.
type Ends []uint64

// Here reports whether the other end of socket i is in the table.
func (e Ends) Here(i int) bool { return i>>6 < len(e) && e[i>>6]&(1<<(i&63)) != 0 }

func (e Ends) mark(i int) { e[i>>6] |= 1 << (i & 63) }

// A table of at least manyRows is searched by endParts goroutines: the search waits
// for memory more than it computes.
const (
	manyRows = 1 << 16
	endParts = 2
)

// Ends finds them all in one pass, where Peer finds one through an index that it
// keeps: both ends of a connection have the same two addresses, so whoever comes
// second finds the first under a hash that does not mind their order. TIME_WAIT and
// requests are not sockets that anybody holds, and have none.
func (t *Table) Ends() Ends {
	if t.rows.n < manyRows {
		return t.endsOf(0, 1)
	}
	var parts [endParts]Ends
	var wait sync.WaitGroup
	for i := range parts {
		wait.Go(func() { parts[i] = t.endsOf(uint32(i), endParts) })
	}
	wait.Wait()
	e := parts[0]
	for _, part := range parts[1:] {
		for i, bits := range part {
			e[i] |= bits
		}
	}
	return e
}

// endsOf finds the ends of those connections whose hash belongs to one of the parts.
// Those of UNIX sockets, which the kernel tells, are in part 0.
func (t *Table) endsOf(part, parts uint32) Ends {
	e := make(Ends, (t.rows.n+63)>>6)
	var first slots
	first.resize(t.rows.n) // room for all, should their hashes all belong to one part
	for i := range t.rows.n {
		r := t.rows.at(i)
		trait := t.traits.items.at(int(r.trait))
		if trait.kind.IsUnix() {
			if part == 0 {
				if j, ok := t.Find(uint64(r.remote)); ok && j != i {
					e.mark(i)
				}
			}
			continue
		}
		if r.remotePort == 0 || trait.body != BodyFull {
			continue
		}
		p := t.pair(r)
		swapped := p.swapped()
		hash := p.hash() + swapped.hash()
		if hash%parts != part {
			continue
		}
		at := first.start(hash)
		for ; first.table[at] != 0; at = first.step(at) {
			j := int(first.table[at] - 1)
			if t.pair(t.rows.at(j)) == swapped && j != i {
				e.mark(i)
				e.mark(j)
				break
			}
		}
		if first.table[at] == 0 {
			first.table[at] = uint32(i + 1)
		}
	}
	return e
}
