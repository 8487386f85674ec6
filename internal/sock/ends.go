package sock

// Ends marks the sockets of a table whose other end is in it too: the ends of a
// loopback connection, and UNIX sockets with a peer. It takes a bit a socket and
// never changes.
type Ends []uint64

// Here reports whether the other end of socket i is in the table.
func (e Ends) Here(i int) bool { return i>>6 < len(e) && e[i>>6]&(1<<(i&63)) != 0 }

func (e Ends) mark(i int) { e[i>>6] |= 1 << (i & 63) }

// Ends finds them all in one pass, where Peer finds one through an index that it
// keeps: both ends of a connection have the same two addresses, so whoever comes
// second finds the first under a hash that does not mind their order. TIME_WAIT and
// requests are not sockets that anybody holds, and have none.
func (t *Table) Ends() Ends {
	e := make(Ends, (t.rows.n+63)>>6)
	var first slots
	first.resize(t.rows.n)
	for i := range t.rows.n {
		r := t.rows.at(i)
		trait := t.traits.items.at(int(r.trait))
		if trait.kind.IsUnix() {
			if j, ok := t.Find(uint64(r.remote)); ok && j != i {
				e.mark(i)
			}
			continue
		}
		if r.remotePort == 0 || trait.body != BodyFull {
			continue
		}
		p := t.pair(r)
		swapped := p.swapped()
		at := first.start(p.hash() + swapped.hash())
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
