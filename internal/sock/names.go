package sock

import "bytes"

// names is the distinct names of UNIX sockets: connections share the name of their
// listener.
type names struct {
	text  []byte
	ends  []uint32 // of each name in text
	slots slots
}

func (n *names) reset() {
	n.slots.resize(max(smallSet, len(n.ends)))
	n.text, n.ends = n.text[:0], n.ends[:0]
}

func (n *names) at(i uint32) []byte {
	start := uint32(0)
	if i > 0 {
		start = n.ends[i-1]
	}
	return n.text[start:n.ends[i]]
}

func hashName(b []byte) uint32 {
	h := uint64(len(b))
	for _, c := range b {
		h = (h ^ uint64(c)) * 0x100000001B3
	}
	return finish(h)
}

// intern returns the number of a name.
func (n *names) intern(name []byte) uint32 {
	at := n.slots.start(hashName(name))
	for n.slots.table[at] != 0 {
		i := n.slots.table[at] - 1
		if bytes.Equal(n.at(i), name) {
			return i
		}
		at = n.slots.step(at)
	}
	n.text = append(n.text, name...)
	n.ends = append(n.ends, uint32(len(n.text)))
	n.slots.table[at] = uint32(len(n.ends))
	if len(n.ends) >= len(n.slots.table)*3/4 {
		n.rehash()
	}
	return uint32(len(n.ends) - 1)
}

func (n *names) rehash() {
	n.slots.resize(2 * len(n.ends))
	for i := range n.ends {
		at := n.slots.start(hashName(n.at(uint32(i))))
		for n.slots.table[at] != 0 {
			at = n.slots.step(at)
		}
		n.slots.table[at] = uint32(i + 1)
	}
}

func (n *names) bytes() int { return cap(n.text) + cap(n.ends)*4 + n.slots.bytes() }
