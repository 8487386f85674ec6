package sock

import "golang.org/x/sys/unix"

// MPTCP sockets (net/mptcp). A program that asks for one gets an MPTCP socket, which
// has the descriptor, and a TCP socket for each subflow, which talks. A dump of TCP has
// the subflows; that of MPTCP (mptcp_diag, since Linux 5.9; listeners since 5.19) has the
// MPTCP sockets, with the addresses of their first subflow. Both give the inode of the
// MPTCP socket since Linux 6.5; before, the first subflow of a client or a listener had a
// hidden one of its own. A connection that a plain TCP client made to an MPTCP listener
// is plain TCP, one that an MPTCP client made to a plain listener keeps its MPTCP socket.

// inetDiagReqProtocol is the attribute of a request for a protocol beyond 255.
const inetDiagReqProtocol = 3

// appendMPTCPAttr appends INET_DIAG_REQ_PROTOCOL to a request. A kernel that does not
// know the attribute finds protocol 0, which nobody dumps.
func appendMPTCPAttr(b []byte) []byte {
	b = host.AppendUint16(b, nlattrHead+4)
	b = host.AppendUint16(b, inetDiagReqProtocol)
	return host.AppendUint32(b, unix.IPPROTO_MPTCP)
}

// flow is the addresses of a socket, as the kernel reports them.
type flow struct {
	local, remote         addr
	localPort, remotePort uint16
	listens               bool
}

// mptcpSockets are those of a dump, and the subflows that are found for them.
type mptcpSockets struct {
	found []inetMsg
	first []int32 // the row of the first subflow, -1 for none yet
}

func (m *mptcpSockets) cut(n int) { m.found, m.first = m.found[:n], m.first[:n] }

func (m *mptcpSockets) add(msg *inetMsg) {
	m.found = append(m.found, *msg)
	m.first = append(m.first, -1)
}

// joinMPTCP finds the subflows of MPTCP sockets among the rows. It comes before seal,
// which takes rows with one inode for one socket.
func (t *Table) joinMPTCP(m *mptcpSockets) {
	if len(m.found) == 0 {
		return
	}
	byInode := make(map[uint32]int32, len(m.found))
	byFlow := map[flow][]int32{}
	for i := range m.found {
		if msg := &m.found[i]; msg.ino != 0 {
			byInode[msg.ino] = int32(i)
		}
	}
	for row := range t.rows.n {
		r := t.rows.at(row)
		i, ok := byInode[r.ino]
		if r.ino == 0 || !ok || !t.isTCP(r) {
			continue
		}
		if first := m.first[i]; first < 0 || t.flow(t.rows.at(int(first))) == t.flow(r) {
			m.first[i] = int32(row)
			t.markMPTCP(r, &m.found[i])
		} else {
			r.ino = 0
			t.retrait(r, func(tr *trait) { tr.has |= isJoined })
		}
	}
	// The others have no inode yet, or another one: by their addresses.
	for i := range m.found {
		if m.first[i] < 0 {
			f := m.found[i].flow()
			byFlow[f] = append(byFlow[f], int32(i))
		}
	}
	for row := 0; len(byFlow) > 0 && row < t.rows.n; row++ {
		r := t.rows.at(row)
		if !t.isTCP(r) || t.traits.items.at(int(r.trait)).has&(isMPTCP|isJoined) != 0 {
			continue
		}
		f := t.flow(r)
		if left := byFlow[f]; len(left) > 0 {
			i := left[0]
			if byFlow[f] = left[1:]; len(left) == 1 {
				delete(byFlow, f)
			}
			m.first[i] = int32(row)
			r.ino = m.found[i].ino
			t.markMPTCP(r, &m.found[i])
		}
	}
	for i, row := range m.first {
		if row >= 0 {
			continue
		}
		t.Unjoined++
		for j := range t.Outcomes {
			if o := &t.Outcomes[j]; o.Family == m.found[i].mptcpFamily() {
				o.Sockets--
			}
		}
	}
}

func (m *inetMsg) mptcpFamily() Family {
	if m.family == unix.AF_INET {
		return FamilyMPTCP4
	}
	return FamilyMPTCP6
}

// markMPTCP makes a row that of an MPTCP socket, with the buffers of both. Bytes to send
// lie in pages that both count.
func (t *Table) markMPTCP(r *row, m *inetMsg) {
	t.retrait(r, func(tr *trait) {
		tr.has |= isMPTCP
		if tr.state == StateListen {
			return // the queue is that of the subflow, and both say so
		}
		tr.recvQueue += m.recvQueue
		if tr.has&hasMem == 0 || !m.hasMem {
			return
		}
		tr.mem.RmemAlloc += m.mem.RmemAlloc
		tr.mem.FwdAlloc += m.mem.FwdAlloc
		tr.mem.Backlog += m.mem.Backlog
		tr.mem.OptMem += m.mem.OptMem
		tr.mem.WmemQueued = max(tr.mem.WmemQueued, m.mem.WmemQueued)
	})
}

// retrait gives a row another trait.
func (t *Table) retrait(r *row, change func(*trait)) {
	tr := *t.traits.items.at(int(r.trait))
	change(&tr)
	t.counts[r.trait]--
	t.setTrait(r, &tr)
}

func (t *Table) isTCP(r *row) bool {
	tr := t.traits.items.at(int(r.trait))
	return (tr.kind == TCP4 || tr.kind == TCP6) && tr.body == BodyFull
}

func (t *Table) flow(r *row) flow {
	p := t.pair(r)
	return flow{p.local, p.remote, p.localPort, p.remotePort, t.traits.items.at(int(r.trait)).state == StateListen}
}

// flow is that of the first subflow. One over IPv4 has IPv4-mapped addresses, as pairs
// have them.
func (m *inetMsg) flow() flow {
	f := flow{localPort: m.localPort, remotePort: m.remotePort, listens: State(m.state) == StateListen}
	if m.family == unix.AF_INET {
		f.local, f.remote = mapped(host4(m.local)), mapped(host4(m.remote))
	} else {
		f.local, f.remote = wide(m.local), wide(m.remote)
	}
	return f
}
