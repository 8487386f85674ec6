package sock

import (
	"net/netip"
	"strconv"
)

// Socket is one socket, as [Table.At] expands it.
// Its Has fields are presence bits and no maybe.Of, for it is the form in which the packed
// rows of a [Table], millions of them, are read one after the other.
type Socket struct {
	// Ino is the inode number, which a watch's tfd line and the link
	// "socket:[N]" have too. 0: the socket has none, because it waits in an accept
	// queue, because its descriptor was closed (an orphan), or because it is no
	// full socket (Body).
	Ino   uint32
	Kind  Kind
	State State
	Body  Body
	// MPTCP says what a TCP socket is to MPTCP. MPTCPNone without sock_diag.
	MPTCP MPTCP

	// Local and Remote are the addresses of a TCP or UDP socket; the zero value
	// for UNIX. An IPv6 socket that talks IPv4 has IPv4-mapped addresses
	// (::ffff:127.0.0.1), as the kernel has them. An unconnected one has the
	// unspecified address and port 0 as Remote.
	Local, Remote netip.AddrPort
	// Interface is the index of the interface the socket is bound to, 0 if none.
	// Absent (0) without sock_diag.
	Interface uint32
	// DualStack is true for an IPv6 socket bound to :: that takes IPv4 as well
	// (no IPV6_V6ONLY). Only for LISTEN and CLOSE, and only with sock_diag.
	DualStack bool

	// Name is the name of a UNIX socket, a path or "@" and an abstract name;
	// empty for one without. A connection accepted has the name of its listener.
	Name string
	// Abstract distinguishes an abstract name from a path that begins with "@".
	Abstract bool
	// PeerIno is the inode of a UNIX socket's other end, 0 without one and
	// without sock_diag.
	PeerIno uint32

	// UID is the owner of the socket, as numbered in the reader's user namespace. A
	// connection in an accept queue has that of its listener; older kernels report 0
	// for it and for orphans. HasUID is false where the source does not say: for
	// what is no full socket (Body), for UNIX sockets before Linux 5.3 and without
	// sock_diag.
	UID    uint32
	HasUID bool

	// RecvQueue and SendQueue have a meaning of their own for each kind:
	//
	//   - LISTEN: the connections in the accept queue, and its limit (backlog);
	//     use AcceptQueue.
	//   - TCP: bytes received and not read, bytes written and not acknowledged. A FIN
	//     that was received counts as a byte (tcp_diag_get_info: rcv_nxt - copied_seq).
	//     Of an MPTCP socket what its first subflow has, and the buffers with received
	//     bytes (with their overhead) of the MPTCP socket itself.
	//   - UDP: bytes of buffers with unread datagrams (with their overhead), bytes of
	//     buffers on their way out.
	//   - UNIX: unread bytes (of the first datagram, for datagrams), bytes of
	//     buffers written and not yet read by the peer.
	//
	// HasQueues is false where the source does not say: UNIX without sock_diag.
	RecvQueue, SendQueue uint32
	HasQueues            bool
	// HasBacklog is false where RecvQueue of a listener is known and SendQueue is
	// not: TCP without sock_diag.
	HasBacklog bool

	// Mem is absent (HasMem false) for what is no full socket (Body), and without
	// sock_diag.
	Mem    MemInfo
	HasMem bool
}

// AcceptQueue returns how many connections wait for accept(2) and the limit that
// listen(2) set, after net.core.somaxconn was applied. The queue overflows when it
// is longer than the limit: a full one holds limit+1.
func (s *Socket) AcceptQueue() (waiting, limit uint32, ok bool) {
	return s.RecvQueue, s.SendQueue, s.State == StateListen && s.HasQueues && s.HasBacklog
}

// Orphan reports whether this is a full TCP socket that no descriptor holds any
// more and that the kernel still closes: orphan in /proc/net/sockstat counts
// these.
func (s *Socket) Orphan() bool {
	if s.Body != BodyFull || s.Ino != 0 {
		return false
	}
	switch s.State {
	case StateFinWait1, StateFinWait2, StateLastAck, StateClosing:
		return true
	}
	return false
}

// Waiting reports whether this is a TCP connection that waits in an accept queue: it is
// established, or closed by the other end since, and nobody has a descriptor of it yet.
// It may still be in SYN_RECV where its listener takes TCP Fast Open.
func (s *Socket) Waiting() bool {
	if s.Body != BodyFull || s.Ino != 0 || s.Kind != TCP4 && s.Kind != TCP6 || s.MPTCP == MPTCPJoined {
		return false
	}
	return s.State == StateEstablished || s.State == StateCloseWait || s.State == StateSynRecv
}

// Protocol is the kind's name, or mptcp and mptcp6 for the TCP socket of an MPTCP one.
func (s *Socket) Protocol() string {
	switch {
	case s.MPTCP == MPTCPNone:
		return s.Kind.String()
	case s.Kind == TCP6:
		return "mptcp6"
	}
	return "mptcp"
}

// MPTCP is what a TCP socket is to MPTCP (net/mptcp). The two sockets of one connection
// have the same inode number.
type MPTCP uint8

// The roles of a TCP socket.
const (
	MPTCPNone   MPTCP = iota
	MPTCPSocket       // an MPTCP socket's first subflow, which stands for both
	MPTCPJoined       // a further subflow, shown without the inode that it shares with the first
)

// MemInfo is what sk_get_meminfo() in net/core/sock.c reports, in bytes but for
// Drops. The letters are those of `ss -m`.
type MemInfo struct {
	RmemAlloc  uint32 // r: buffers received and not read, with their overhead
	RcvBuf     uint32 // rb: the limit of RmemAlloc
	WmemAlloc  uint32 // t: buffers handed down to the network layer
	SndBuf     uint32 // tb: the limit of what is queued to send
	FwdAlloc   int32  // f: charged ahead of use, kept for the next buffer
	WmemQueued uint32 // w: TCP's write queue, written and not acknowledged
	OptMem     uint32 // o: options, filters, control messages
	Backlog    uint32 // bl: arrived while the socket was locked
	Drops      uint32 // d: packets thrown away since the socket was made
}

// BufferBytes is the memory that the socket's buffers take, of what SKMEMINFO
// knows and each byte once:
//
//   - TCP: RmemAlloc + WmemQueued + FwdAlloc + Backlog + OptMem. WmemAlloc is left
//     out, its buffers are clones of those in the write queue.
//   - UDP: RmemAlloc + WmemAlloc + FwdAlloc + Backlog + OptMem.
//   - UNIX: RmemAlloc + WmemAlloc + OptMem. What is in flight is charged to the
//     sender until the receiver reads it.
//
// The structures of the socket (its slab objects) are not in it.
func (m *MemInfo) BufferBytes(k Kind) uint64 {
	n := int64(m.RmemAlloc) + int64(m.OptMem)
	switch k {
	case TCP4, TCP6:
		n += int64(m.WmemQueued) + int64(m.FwdAlloc) + int64(m.Backlog)
	case UDP4, UDP6:
		n += int64(m.WmemAlloc) + int64(m.FwdAlloc) + int64(m.Backlog)
	default:
		n += int64(m.WmemAlloc)
	}
	return uint64(max(n, 0))
}

// Kind is protocol, address family and, for UNIX, type of a socket.
type Kind uint8

// The kinds. The zero value is none of them.
const (
	TCP4 Kind = iota + 1
	TCP6
	UDP4
	UDP6
	UnixStream
	UnixDgram
	UnixSeqpacket
)

var kindNames = [...]string{"unknown", "tcp", "tcp6", "udp", "udp6", "unix", "unix-dgram", "unix-seqpacket"}

func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "kind " + strconv.Itoa(int(k))
}

// Family is the dump that a socket of this kind comes from.
func (k Kind) Family() Family {
	switch k {
	case TCP4:
		return FamilyTCP4
	case TCP6:
		return FamilyTCP6
	case UDP4:
		return FamilyUDP4
	case UDP6:
		return FamilyUDP6
	case UnixStream, UnixDgram, UnixSeqpacket:
		return FamilyUnix
	}
	return 0
}

// IsUnix reports whether the kind has names instead of addresses.
func (k Kind) IsUnix() bool { return k >= UnixStream && k <= UnixSeqpacket }

// State is the state of a socket, numbered as in include/net/tcp_states.h. UDP
// and UNIX sockets use three of them: ESTABLISHED (connected), CLOSE (not
// connected; ss calls it UNCONN) and, UNIX, LISTEN.
type State uint8

// The states.
const (
	StateEstablished State = iota + 1
	StateSynSent
	StateSynRecv
	StateFinWait1
	StateFinWait2
	StateTimeWait
	StateClose
	StateCloseWait
	StateLastAck
	StateListen
	StateClosing
	// stateNewSynRecv is in the hash tables only; a dump reports it as SYN_RECV.
	stateNewSynRecv
)

var stateNames = [...]string{
	"UNKNOWN", "ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT1", "FIN_WAIT2", "TIME_WAIT",
	"CLOSE", "CLOSE_WAIT", "LAST_ACK", "LISTEN", "CLOSING", "NEW_SYN_RECV",
}

func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return "STATE_" + strconv.Itoa(int(s))
}

// Body is which structure the kernel keeps for a socket: a full one or one of the
// two small ones that stand for a TCP connection without its socket.
type Body uint8

// The bodies.
const (
	// BodyFull is a struct sock of the protocol (struct tcp_sock and so on).
	BodyFull Body = iota
	// BodyTimeWait is a struct tcp_timewait_sock (cache tw_sock_TCP). Its State is
	// TIME_WAIT or FIN_WAIT2. It has no inode, no owner and no memory numbers.
	BodyTimeWait
	// BodyRequest is a struct tcp_request_sock (cache request_sock_TCP): a
	// connection whose handshake is not finished. Its State is SYN_RECV.
	BodyRequest
)

var bodyNames = [...]string{"full", "time-wait", "request"}

func (b Body) String() string {
	if int(b) < len(bodyNames) {
		return bodyNames[b]
	}
	return "body " + strconv.Itoa(int(b))
}
