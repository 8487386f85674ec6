package sock

import (
	"bytes"
	"fmt"

	"golang.org/x/sys/unix"
)

// <linux/unix_diag.h>.
const (
	unixDiagName    = 0
	unixDiagPeer    = 2
	unixDiagRQLen   = 4
	unixDiagMemInfo = 5
	unixDiagUID     = 7

	unixShowName    = 1 << 0
	unixShowPeer    = 1 << 2
	unixShowRQLen   = 1 << 4
	unixShowMemInfo = 1 << 5
	unixShowUID     = 1 << 6

	unixDiagMsgBytes = 16 // sizeof(struct unix_diag_msg)
)

// appendUnixRequest appends a struct unix_diag_req that asks for all sockets.
func appendUnixRequest(b []byte) []byte {
	b = append(b, unix.AF_UNIX, 0, 0, 0)
	b = host.AppendUint32(b, ^uint32(0)) // states
	b = host.AppendUint32(b, 0)          // inode
	b = host.AppendUint32(b, unixShowName|unixShowPeer|unixShowRQLen|unixShowMemInfo|unixShowUID)
	b = host.AppendUint32(b, 0) // cookie, of which a dump takes no notice
	return host.AppendUint32(b, 0)
}

// unixMsg is one struct unix_diag_msg and its attributes. name points into the
// message.
type unixMsg struct {
	family, sort, state  uint8
	ino, peer            uint32
	name                 []byte
	recvQueue, sendQueue uint32
	uid                  uint32
	mem                  MemInfo
	has                  has
}

// parseUnix parses the payload of a message of a unix_diag dump.
func parseUnix(b []byte, m *unixMsg) error {
	if len(b) < unixDiagMsgBytes {
		return fmt.Errorf("%w: unix_diag: a message of %d bytes, want at least %d", ErrMalformed, len(b), unixDiagMsgBytes)
	}
	*m = unixMsg{family: b[0], sort: b[1], state: b[2], ino: host.Uint32(b[4:])}
	if m.family != unix.AF_UNIX {
		return fmt.Errorf("%w: unix_diag: address family %d", ErrMalformed, m.family)
	}
	if _, ok := unixKind(m.sort); !ok {
		return fmt.Errorf("%w: unix_diag: socket type %d", ErrMalformed, m.sort)
	}
	for rest := b[unixDiagMsgBytes:]; len(rest) > 0; {
		kind, value, after, err := nextAttr(rest)
		if err != nil {
			return err
		}
		rest = after
		if err := m.attr(kind, value); err != nil {
			return err
		}
	}
	return nil
}

func (m *unixMsg) attr(kind uint16, value []byte) error {
	want := 0
	switch kind {
	case unixDiagPeer, unixDiagUID:
		want = 4
	case unixDiagRQLen:
		want = 8
	}
	if len(value) < want {
		return fmt.Errorf("%w: unix_diag: attribute %d of %d bytes, want %d", ErrMalformed, kind, len(value), want)
	}
	switch kind {
	case unixDiagName:
		m.name = sunPath(value)
	case unixDiagPeer:
		m.peer = host.Uint32(value)
	case unixDiagUID:
		m.uid = host.Uint32(value)
		m.has |= hasUID
	case unixDiagRQLen:
		m.recvQueue, m.sendQueue = host.Uint32(value), host.Uint32(value[4:])
		m.has |= hasQueues
	case unixDiagMemInfo:
		mem, ok := parseMemInfo(value)
		if ok {
			m.mem = mem
			m.has |= hasMem
		}
	}
	return nil
}

// sunPath cuts the zero byte that ends a path. In an abstract name, which begins
// with one, they count.
func sunPath(b []byte) []byte {
	if len(b) == 0 || b[0] == 0 {
		return b
	}
	path, _, _ := bytes.Cut(b, []byte{0})
	return path
}

func unixKind(sort uint8) (Kind, bool) {
	switch sort {
	case unix.SOCK_STREAM:
		return UnixStream, true
	case unix.SOCK_DGRAM, unix.SOCK_RAW: // unix_create() makes a datagram socket of raw
		return UnixDgram, true
	case unix.SOCK_SEQPACKET:
		return UnixSeqpacket, true
	}
	return 0, false
}

// addUnix adds the socket of a message to the table.
func (t *Table) addUnix(m *unixMsg) {
	kind, _ := unixKind(m.sort)
	r := row{ino: m.ino, remote: m.peer}
	if len(m.name) > 0 {
		r.local = t.names.intern(m.name) + 1
	}
	tr := trait{
		kind: kind, state: State(m.state), has: m.has, uid: m.uid,
		recvQueue: m.recvQueue, sendQueue: m.sendQueue, mem: m.mem,
	}
	if tr.state == StateListen && m.has&hasQueues != 0 {
		tr.has |= hasBacklog
	}
	t.add(&r, &tr)
}
