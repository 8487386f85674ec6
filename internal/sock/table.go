package sock

import (
	"bytes"
	"encoding/binary"
	"iter"
	"net/netip"
	"slices"
	"sync"
)

// Table is the sockets of one network namespace at one moment, at 26 bytes a
// socket: a row of 20, its place in the index of inodes, and what rows share (owner,
// state, queues, memory numbers) stored once for all that agree, since idle sockets
// agree. A socket that agrees with no other takes some 70 bytes more.
//
// A Table is not changed once Dump has returned it, and may be read by several
// goroutines until it is given to Dump for reuse.
type Table struct {
	// Outcomes says of each family asked for whether its sockets are here.
	Outcomes []Outcome
	// Duplicates is how many sockets the kernel reported twice, because they moved
	// in its hash tables during the dump. Each is here once.
	Duplicates int
	// Unjoined is how many MPTCP sockets are not here, because no TCP socket of theirs
	// was found. It is not among the bytes of AppendBinary.
	Unjoined int

	rows    chunked[row]
	traits  set[trait]
	counts  []uint32  // sockets of each trait
	addrs   set[addr] // IPv6 addresses
	names   names
	byInode slots

	peersOnce sync.Once
	byPair    slots
}

// row is what a socket has for itself.
type row struct {
	ino   uint32
	trait uint32
	// local and remote are IPv4 addresses, or numbers in addrs for IPv6. For UNIX
	// local is the number of the name + 1, and remote the peer's inode.
	local, remote         uint32
	localPort, remotePort uint16
}

// trait is what many sockets share.
type trait struct {
	kind      Kind
	state     State
	body      Body
	has       has
	uid       uint32
	iface     uint32
	recvQueue uint32
	sendQueue uint32
	mem       MemInfo
}

// The sizes of the items in memory, in bytes.
const (
	rowBytes   = 20
	traitBytes = 56
	addrBytes  = 16
)

type has uint8

const (
	hasUID has = 1 << iota
	hasQueues
	hasBacklog
	hasMem
	isDualStack
	isMPTCP
	isJoined
)

func hashTrait(t *trait) uint32 {
	h := mix(uint64(t.kind)|uint64(t.state)<<8|uint64(t.body)<<16|uint64(t.has)<<24, uint64(t.uid)<<32|uint64(t.iface))
	h = mix(h, uint64(t.recvQueue)<<32|uint64(t.sendQueue))
	h = mix(h, uint64(t.mem.RmemAlloc)<<32|uint64(t.mem.RcvBuf))
	h = mix(h, uint64(t.mem.WmemAlloc)<<32|uint64(t.mem.SndBuf))
	h = mix(h, uint64(uint32(t.mem.FwdAlloc))<<32|uint64(t.mem.WmemQueued))
	h = mix(h, uint64(t.mem.OptMem)<<32|uint64(t.mem.Backlog))
	return finish(mix(h, uint64(t.mem.Drops)))
}

// addr is an IPv6 address, in host order.
type addr struct{ hi, lo uint64 }

func hashAddr(a *addr) uint32 { return finish(mix(mix(1, a.hi), a.lo)) }

// mapped is an IPv4 address as an IPv4-mapped IPv6 address.
func mapped(v4 uint32) addr { return addr{lo: 0xffff<<32 | uint64(v4)} }

// NewTable returns an empty table.
func NewTable() *Table {
	t := &Table{traits: set[trait]{hash: hashTrait}, addrs: set[addr]{hash: hashAddr}}
	t.reset()
	return t
}

// emptied returns a table to fill.
func emptied(reuse *Table) *Table {
	if reuse == nil {
		return NewTable()
	}
	reuse.reset()
	return reuse
}

// reset empties a table and keeps its memory.
func (t *Table) reset() {
	t.Outcomes = t.Outcomes[:0]
	t.Duplicates, t.Unjoined = 0, 0
	t.rows.trim()
	t.rows.n = 0
	t.traits.reset()
	t.counts = t.counts[:0]
	t.addrs.reset()
	t.names.reset()
	t.byInode.resize(0)
	t.peersOnce = sync.Once{}
	t.byPair.table = t.byPair.table[:0]
}

// add appends a socket.
func (t *Table) add(r *row, shared *trait) {
	t.setTrait(r, shared)
	*t.rows.add() = *r
}

// setTrait gives a row its trait and counts it.
func (t *Table) setTrait(r *row, shared *trait) {
	r.trait = t.traits.intern(shared, hashTrait(shared))
	if int(r.trait) == len(t.counts) {
		t.counts = append(t.counts, 0)
	}
	t.counts[r.trait]++
}

// cut forgets all sockets from number n on.
func (t *Table) cut(n int) {
	for i := n; i < t.rows.n; i++ {
		t.counts[t.rows.at(i).trait]--
	}
	t.rows.n = n
}

// Len is the number of sockets.
func (t *Table) Len() int { return t.rows.n }

// Bytes is the memory the table holds, in bytes.
func (t *Table) Bytes() int {
	return len(t.rows.chunks)*chunkItems*rowBytes +
		len(t.traits.items.chunks)*chunkItems*traitBytes + t.traits.slots.bytes() + cap(t.counts)*4 +
		len(t.addrs.items.chunks)*chunkItems*addrBytes + t.addrs.slots.bytes() +
		t.names.bytes() + t.byInode.bytes() + t.byPair.bytes()
}

// At expands socket i, from 0 to Len()-1. The order is that of the dump: family by
// family, within one as the kernel's hash tables have it.
func (t *Table) At(i int) Socket {
	r := t.rows.at(i)
	s := t.traits.items.at(int(r.trait)).socket()
	s.Ino = r.ino
	switch s.Kind {
	case TCP4, UDP4:
		s.Local = netip.AddrPortFrom(v4(r.local), r.localPort)
		s.Remote = netip.AddrPortFrom(v4(r.remote), r.remotePort)
	case TCP6, UDP6:
		s.Local = netip.AddrPortFrom(t.addrs.items.at(int(r.local)).netip(), r.localPort)
		s.Remote = netip.AddrPortFrom(t.addrs.items.at(int(r.remote)).netip(), r.remotePort)
	default:
		s.PeerIno = r.remote
		if r.local != 0 {
			s.Name, s.Abstract = unixName(t.names.at(r.local - 1))
		}
	}
	return s
}

// Same reports whether two tables have the same sockets in the same order.
func (t *Table) Same(other *Table) bool {
	return t.rows.same(&other.rows) && t.traits.items.same(&other.traits.items) && t.addrs.items.same(&other.addrs.items) &&
		bytes.Equal(t.names.text, other.names.text) && slices.Equal(t.names.ends, other.names.ends) && t.Unjoined == other.Unjoined
}

// All iterates over the sockets in order.
func (t *Table) All() iter.Seq2[int, Socket] {
	return func(yield func(int, Socket) bool) {
		for i := range t.Len() {
			if !yield(i, t.At(i)) {
				return
			}
		}
	}
}

// Ino is At(i).Ino, without expanding the rest.
func (t *Table) Ino(i int) uint32 { return t.rows.at(i).ino }

// Brief is At(i) without inode, addresses and names, which need no work.
func (t *Table) Brief(i int) Socket {
	return t.traits.items.at(int(t.rows.at(i).trait)).socket()
}

// Groups iterates over the distinct sockets that Brief would return, and how many
// there are of each. A sum over groups equals the sum over all sockets and takes a
// fraction of the time.
func (t *Table) Groups() iter.Seq2[Socket, int] {
	return func(yield func(Socket, int) bool) {
		for i, n := range t.counts {
			if n != 0 && !yield(t.traits.items.at(i).socket(), int(n)) {
				return
			}
		}
	}
}

func (t *trait) socket() Socket {
	role := MPTCPNone
	switch {
	case t.has&isJoined != 0:
		role = MPTCPJoined
	case t.has&isMPTCP != 0:
		role = MPTCPSocket
	}
	return Socket{
		MPTCP: role, Kind: t.kind, State: t.state, Body: t.body,
		UID: t.uid, HasUID: t.has&hasUID != 0,
		Interface: t.iface, DualStack: t.has&isDualStack != 0,
		RecvQueue: t.recvQueue, SendQueue: t.sendQueue,
		HasQueues: t.has&hasQueues != 0, HasBacklog: t.has&hasBacklog != 0,
		Mem: t.mem, HasMem: t.has&hasMem != 0,
	}
}

func v4(a uint32) netip.Addr {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], a)
	return netip.AddrFrom4(b)
}

func (a *addr) netip() netip.Addr {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], a.hi)
	binary.BigEndian.PutUint64(b[8:], a.lo)
	return netip.AddrFrom16(b)
}

// UnixName makes a raw sun_path readable, without the zero byte that ends a path.
func UnixName(raw []byte) (name string, abstract bool) { return unixName(sunPath(raw)) }

// unixName makes a raw sun_path readable.
func unixName(raw []byte) (name string, abstract bool) {
	if len(raw) > 0 && raw[0] == 0 {
		return "@" + string(raw[1:]), true
	}
	return string(raw), false
}
