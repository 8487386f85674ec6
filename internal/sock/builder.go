package sock

import (
	"encoding/binary"
	"net/netip"
)

// Builder makes a Table of sockets that came from elsewhere than Dump.
type Builder struct {
	table *Table
}

// NewBuilder returns a Builder of an empty table.
func NewBuilder() *Builder { return &Builder{NewTable()} }

// Add adds a socket. One with the inode of another takes the other's place.
func (b *Builder) Add(s *Socket) {
	t := b.table
	r := row{ino: s.Ino, localPort: s.Local.Port(), remotePort: s.Remote.Port()}
	switch s.Kind {
	case TCP4, UDP4:
		r.local, r.remote = number4(s.Local.Addr()), number4(s.Remote.Addr())
	case TCP6, UDP6:
		r.local, r.remote = t.addr6(s.Local.Addr()), t.addr6(s.Remote.Addr())
	default:
		r.remote = s.PeerIno
		if s.Name != "" {
			r.local = t.names.intern(sunName(s)) + 1
		}
	}
	t.add(&r, traitOf(s))
}

// Table ends the building and returns what was built. The outcomes say of each family
// how it went.
func (b *Builder) Table(outcomes ...Outcome) *Table {
	t := b.table
	t.Outcomes = append(t.Outcomes, outcomes...)
	t.seal()
	b.table = nil
	return t
}

// traitOf is the reverse of trait.socket.
func traitOf(s *Socket) *trait {
	t := &trait{
		kind: s.Kind, state: s.State, body: s.Body, uid: s.UID, iface: s.Interface,
		recvQueue: s.RecvQueue, sendQueue: s.SendQueue, mem: s.Mem,
	}
	for _, bit := range [...]struct {
		has has
		set bool
	}{
		{hasUID, s.HasUID}, {hasQueues, s.HasQueues}, {hasBacklog, s.HasBacklog},
		{hasMem, s.HasMem}, {isDualStack, s.DualStack}, {isMPTCP, s.MPTCP == MPTCPSocket}, {isJoined, s.MPTCP == MPTCPJoined},
	} {
		if bit.set {
			t.has |= bit.has
		}
	}
	return t
}

// sunName is the reverse of unixName.
func sunName(s *Socket) []byte {
	if s.Abstract {
		return append([]byte{0}, s.Name[1:]...)
	}
	return []byte(s.Name)
}

// number4 is an IPv4 address as rows have it, 0 for the zero Addr.
func number4(a netip.Addr) uint32 {
	if a = a.Unmap(); !a.Is4() {
		return 0
	}
	b := a.As4()
	return binary.BigEndian.Uint32(b[:])
}

// addr6 is the number of an IPv6 address in addrs.
func (t *Table) addr6(a netip.Addr) uint32 {
	var wide addr
	if a.IsValid() {
		b := a.As16()
		wide = addr{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])}
	}
	return t.addrs.intern(&wide, hashAddr(&wide))
}
