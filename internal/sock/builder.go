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
func NewBuilder() *Builder { return Rebuild(nil) }

// Rebuild returns a Builder of an empty table in the memory of one that nobody reads any
// more; nil is none.
func Rebuild(reuse *Table) *Builder { return &Builder{emptied(reuse)} }

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

// Merge adds the sockets of another table of the same namespace that are not here: those
// without an inode, and those whose inode no socket here has. A socket here whose queues are
// not known takes those of the other table.
func (b *Builder) Merge(from *Table) {
	t := b.table
	sealed := false
	for i := range from.rows.n {
		r := *from.rows.at(i)
		tr := from.traits.items.at(int(r.trait))
		if r.ino != 0 {
			if !sealed {
				sealed = true
				t.seal()
			}
			if at, found := t.findInode(r.ino); found {
				b.takeQueues(t.rows.at(int(t.byInode.table[at]-1)), tr)
				continue
			}
		}
		switch {
		case tr.kind == TCP6 || tr.kind == UDP6:
			r.local, r.remote = t.internFrom(from, r.local), t.internFrom(from, r.remote)
		case tr.kind.IsUnix() && r.local != 0:
			r.local = t.names.intern(from.names.at(r.local-1)) + 1
		}
		t.add(&r, tr)
	}
}

func (b *Builder) takeQueues(r *row, from *trait) {
	if b.table.traits.items.at(int(r.trait)).has&hasQueues != 0 || from.has&hasQueues == 0 {
		return
	}
	b.table.retrait(r, func(tr *trait) {
		tr.recvQueue, tr.sendQueue = from.recvQueue, from.sendQueue
		tr.has |= from.has & (hasQueues | hasBacklog)
	})
}

func (t *Table) internFrom(from *Table, number uint32) uint32 {
	a := *from.addrs.items.at(int(number))
	return t.addrs.intern(&a, hashAddr(&a))
}

// Count returns how many sockets of some kind there are so far, those in a state that
// counts.
func (b *Builder) Count(counts func(*Socket) bool) (n int64) {
	for s, of := range b.table.Groups() {
		if counts(&s) {
			n += int64(of)
		}
	}
	return n
}

// Table ends the building and returns what was built. The outcomes say of each family
// how it went; those that came Via Pass get the number of their sockets.
func (b *Builder) Table(outcomes ...Outcome) *Table {
	t := b.table
	t.Outcomes = append(t.Outcomes, outcomes...)
	for i := range t.Outcomes {
		if o := &t.Outcomes[i]; o.Via == Pass {
			o.Sockets = int(b.Count(func(s *Socket) bool {
				mptcp := s.MPTCP == MPTCPSocket && o.Family == map[Kind]Family{TCP4: FamilyMPTCP4, TCP6: FamilyMPTCP6}[s.Kind]
				return s.Kind.Family() == o.Family || mptcp
			}))
		}
	}
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
