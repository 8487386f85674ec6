package bpf

import (
	"net/netip"

	"github.com/eptop/eptop/internal/epoll"
	"github.com/eptop/eptop/internal/maybe"
)

// File is one descriptor: an entry of a process's files table. It and all that it points
// to belong to the pass and are overwritten by the next one.
type File struct {
	// PID and TID are as the reader's PID namespace numbers them. They differ for a thread
	// that has a table of its own (unshare(CLONE_FILES)), and where LeaderEnded.
	PID, TID int32
	// LeaderEnded: the process's first thread has ended and others live on. The table that
	// they share is shown once, by one of them or by several in turn.
	LeaderEnded bool
	// Num is the descriptor's number.
	Num int32
	// File is the open file description, whoever holds it. Table is the files table,
	// which tasks may share.
	File, Table ID
	// Kind is what the file is, by its operations: KindFile is everything with a path.
	Kind epoll.Kind
	// Flags are those of open(2) and fcntl(2): O_NONBLOCK and others.
	Flags uint32
	// Refs counts the references to the file (file_count()): descriptors, those in flight,
	// system calls under way. 1: only this descriptor.
	Refs uint32
	// Ino, Dev and Mode are those of its inode; Dev in the kernel's own encoding
	// (major<<20 | minor). Pos is the file's position in bytes, only of watched files.
	Ino  uint64
	Dev  uint32
	Mode uint16
	Pos  int64

	// Watches are those on this file, in whatever epoll. Every file with more than two
	// lists them in one of the pass's records; the others list two and are Listed.
	Watches []Watch
	// Listed: an earlier record of the pass, of the same File, has all watches.
	Listed bool
	// Cut: the file has more watches than MaxWatches, and the rest is not here.
	Cut bool
	// Torn: the list of watches changed under the walk, and some may be missing.
	Torn bool

	// Socket is there for sockets, Epoll for epolls.
	Socket *Socket
	Epoll  *Epoll
}

// Watch is one watch on a file (struct epitem).
type Watch struct {
	// Epoll is the epoll instance that it belongs to: an Epoll.ID.
	Epoll ID
	Data  uint64     // as the owner gave it
	Mask  epoll.Mask // the events that are waited for
	// TFD is the number under which the file was added.
	TFD int32
	// Ready: it is on the ready list now. A level-triggered one stays there after it was
	// delivered, until the next wait finds it idle. Not to be used of an epoll that is
	// Scanning.
	Ready bool
}

// Epoll is one epoll instance (struct eventpoll).
type Epoll struct {
	ID ID
	// UID is the user it is charged to: who made it.
	UID uint32
	// UserWatches is that user's counter of watches over all epolls, which is held against
	// fs.epoll.max_user_watches. Exact at rest; while watches come and go it may miss those
	// of the moment.
	UserWatches int64
	// Watches counts the watches of this epoll, those on files that no process holds too.
	// Absent before Linux 6.4.
	Watches maybe.Of[int64]
	// Waiting: a thread waits in epoll_wait(2). Waiters is how many, approximately and
	// at most epoll.MaxWaiters. Not among them are busy polling, nested epolls and io_uring.
	Waiting bool
	Waiters uint32
	// Pollers counts those that wait for this epoll as a file: epolls that watch it and
	// poll(2), at most epoll.MaxWaiters.
	Pollers uint32
	// Ready counts its watches on the ready list. Absent while a thread takes events, and
	// where there are more than 1,024.
	Ready maybe.Of[uint32]
	// Scanning: a thread takes events. Locked: a thread holds ep->mtx.
	Scanning, Locked bool
	// NAPI is the queue it polls or polled last, 0 for none. Absent without
	// CONFIG_NET_RX_BUSY_POLL.
	NAPI maybe.Of[uint32]
	// BusyPoll is set with EPIOCSPARAMS. Absent before Linux 6.9.
	BusyPoll maybe.Of[epoll.BusyPoll]
	// Tree is what the epoll itself knows of its watches. Absent where Options did not ask,
	// where it has more than Options.Trees, and where the walk met a change.
	Tree maybe.Of[Tree]
}

// Tree sums up the watches of an epoll as the epoll has them.
type Tree struct {
	Nodes uint32
	Sum   uint64 // of WatchSum over them
}

// Socket is one socket (struct sock). Of a Multipath TCP socket it is the first subflow with
// the buffers of both, as package sock has it; before Linux 6.2 it is the socket itself,
// of another Protocol.
type Socket struct {
	Family, Type, State, Shutdown uint8
	Protocol                      uint16
	// NetNS is the inode number of the network namespace.
	NetNS uint32
	// MPTCP: the file is a Multipath TCP socket.
	MPTCP bool
	// Local and Remote are of IPv4 and IPv6 sockets, the zero value for others.
	Local, Remote netip.AddrPort
	// Interface is the index of the interface the socket is bound to, 0 if none.
	Interface uint32
	// DualStack: an IPv6 socket bound to :: that takes IPv4 as well. Only for LISTEN and
	// CLOSE.
	DualStack bool
	UID       uint32
	// RecvQueue and SendQueue mean what sock.Socket says: bytes that wait, or of a listener
	// the accept queue and its limit. Absent for families other than IPv4, IPv6 and UNIX;
	// RecvQueue also for a UNIX stream with unread data before Linux 6.18 and a UNIX
	// seqpacket socket with unread data.
	RecvQueue, SendQueue maybe.Of[uint32]
	Mem                  MemInfo
	// PeerIno is the inode of a UNIX socket's other end, 0 without one. Name is its
	// sun_path, raw: an abstract name begins with a zero byte.
	PeerIno uint32
	Name    []byte
	// Cgroup is the ID of the cgroup v2 that the socket was made in, Cookie its
	// SO_COOKIE where somebody asked for it. 0 where Options did not ask.
	Cgroup, Cookie uint64
}

// MemInfo is what sk_get_meminfo() reports, in bytes but for Drops. It has the fields of
// sock.MemInfo, into which it converts.
type MemInfo struct {
	RmemAlloc  uint32
	RcvBuf     uint32
	WmemAlloc  uint32
	SndBuf     uint32
	FwdAlloc   int32
	WmemQueued uint32
	OptMem     uint32
	Backlog    uint32
	Drops      uint32
}
