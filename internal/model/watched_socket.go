package model

import (
	"cmp"
	"net/netip"
	"strconv"

	"github.com/eptop/eptop/internal/epoll"
	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/sock"
)

// WatchedSocket is the socket behind a watch. It is made anew for each row that is
// drawn or sorted, so its ends are no text yet.
type WatchedSocket struct {
	Kind, State string
	Local, Peer SocketEnd
	// RecvQueue and SendQueue are bytes; for a listener the accept queue and its
	// limit.
	RecvQueue, SendQueue maybe.Of[int64]
	// Buffers is in bytes.
	Buffers maybe.Of[int64]
	// PeerHere: the other end is on this host too.
	PeerHere bool
	// Drops are packets that it lost; absent of a TCP connection, where the kernel counts
	// keepalive probes as well.
	Drops maybe.Of[int64]
	// Seen is how long eptop has seen it, InState in its present state. Absent of what a
	// table that was written down does not say.
	Seen, InState maybe.Of[SeenFor]
	Ino           uint64
}

// SocketEnd is one end of a connection. The zero SocketEnd is none.
type SocketEnd struct {
	// Addr is the address and port of an IP socket.
	Addr netip.AddrPort
	// Name is that of a UNIX socket. Of a peer its inode number Ino is known instead.
	Name string
	Ino  uint64
}

// AppendText writes the end as it is shown, nothing where there is none.
func (e SocketEnd) AppendText(dst []byte) []byte {
	switch {
	case e.Addr.IsValid():
		return e.Addr.AppendTo(dst)
	case e.Ino != 0:
		return append(strconv.AppendUint(append(dst, "socket:["...), e.Ino, 10), ']')
	}
	return append(dst, e.Name...)
}

func (e SocketEnd) String() string {
	var b [64]byte // room for every address
	return string(e.AppendText(b[:0]))
}

// Compare orders by address and port, UNIX sockets behind all addresses, and what has no
// end before.
func (e SocketEnd) Compare(o SocketEnd) int {
	switch {
	case e.Addr.IsValid() && o.Addr.IsValid():
		return e.Addr.Compare(o.Addr)
	case e.Addr.IsValid():
		if (o == SocketEnd{}) {
			return 1
		}
		return -1
	case o.Addr.IsValid():
		return -o.Compare(e)
	}
	// None has neither a name nor an inode number, and so comes first.
	return cmp.Or(cmp.Compare(e.Ino, o.Ino), cmp.Compare(e.Name, o.Name))
}

// AcceptQueue is how many connections wait on a listener, of how many that may; absent
// of other sockets.
func (w *WatchedSocket) AcceptQueue() (waiting, backlog maybe.Of[int64]) {
	if w.State != sock.StateListen.String() {
		return waiting, backlog
	}
	if w.SendQueue.Value > 0 {
		backlog = w.SendQueue
	}
	return w.RecvQueue, backlog
}

// SocketOf joins a watch to its socket, by the inode that both know.
func (s *Snapshot) SocketOf(w epoll.Watch) (WatchedSocket, bool) {
	if w.Kind != epoll.KindSocket || !w.HasInode {
		return WatchedSocket{}, false
	}
	return s.SocketWith(w.Ino)
}

// SocketWith is the socket with an inode number.
func (s *Snapshot) SocketWith(ino uint64) (WatchedSocket, bool) {
	for i := range s.Sockets.tables() {
		t := &s.Sockets.Tables[i]
		if row, ok := t.Table.Find(ino); ok {
			out := watchedSocket(t.Table, row, t.Here.Here(row))
			if row < len(t.Past) {
				seen, ok := t.Past[row].Seen.since(s.Sockets.PastFrom, s.Time)
				out.Seen = maybe.When(seen, ok)
				state, ok := t.Past[row].State.since(s.Sockets.PastFrom, s.Time)
				out.InState = maybe.When(state, ok)
			}
			return out, true
		}
	}
	return WatchedSocket{}, false
}

func watchedSocket(t *sock.Table, i int, peerHere bool) WatchedSocket {
	s := t.At(i)
	out := WatchedSocket{Kind: s.Protocol(), State: s.State.String(), PeerHere: peerHere, Ino: uint64(s.Ino)}
	if s.Kind.IsUnix() {
		out.Kind = "unix"
	}
	switch {
	case s.Kind.IsUnix():
		out.Local.Name, out.Peer.Ino = unixName(s.Name, s.Abstract), uint64(s.PeerIno)
	default:
		out.Local.Addr = local(s.Local)
		if s.Remote.Port() != 0 {
			out.Peer.Addr = local(s.Remote)
		}
	}
	if s.HasQueues {
		out.RecvQueue, out.SendQueue = maybe.Some(int64(s.RecvQueue)), maybe.Some(int64(s.SendQueue))
	}
	if s.State == sock.StateListen && !s.HasBacklog {
		out.SendQueue = maybe.Of[int64]{}
	}
	out.Buffers, out.Drops = maybe.When(int64(s.Mem.BufferBytes(s.Kind)), s.HasMem), dropsOf(&s)
	return out
}
