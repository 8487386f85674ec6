package processes

import (
	"cmp"
	"strconv"
	"time"

	"github.com/eptop/eptop/internal/epoll"
	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/ui/cell"
	"github.com/eptop/eptop/internal/ui/table"
	"github.com/eptop/eptop/internal/ui/view"
	"github.com/eptop/eptop/internal/units"
)

// The columns of the watches.
const (
	watchFD = iota
	watchKind
	watchEvents
	watchState
	watchLocal
	watchPeer
	watchRecv
	watchSend
	watchBuffers
	watchData
	watchIno
	watchPos
	watchNotes
)

// peerHere marks a peer that is a socket of this host.
const peerHere = "⌂"

func newWatchTable(keys table.Keys) *table.Model {
	return table.New([]table.Column{
		watchFD: {Title: "FD", Min: 7, Align: cell.Right,
			Explain: "The number under which the file was added, in the process that added it (tfd). The kernel remembers it and never looks whether it still is that file; NOTES does."},
		watchKind: {Title: "KIND", Min: 6, Max: 14, Weight: 1, Rank: 2,
			Explain: "What the watched file is: of a socket its protocol and family, found by its inode among the sockets that the kernel lists; plain socket where no list has it (another family, a namespace not looked into, opened since). Of other files from the link in /proc/PID/fd or the filesystem."},
		watchEvents: {Title: "EVENTS", Min: 15, Max: 32, Weight: 1, Rank: 1,
			Explain: "What the process asked to be told. ERR and HUP are left out: the kernel adds them to every watch. None at all beside ONESHOT: it has fired and is disarmed."},
		watchState: {Title: "STATE", Min: 11, Max: 12, Weight: 1, Rank: 3,
			Explain: "The state of the socket when sockets were last listed, which may be longer ago than the watches."},
		watchLocal: {Title: "LOCAL", Min: 17, Max: 47, Weight: 3, Rank: 6,
			Explain: "The socket's own address and port, or the name of a UNIX socket (@ before an abstract one)."},
		watchPeer: {Title: "PEER", Min: 19, Max: 49, Weight: 3, Rank: 4,
			Explain: "The other end. " + peerHere + " before it: that end is a socket of this host too, so the connection takes the memory of two ends here. A UNIX peer is the inode of its socket."},
		watchRecv: {Title: "RXQ", Min: 7, Align: cell.Right, Rank: 5, Falling: true,
			Explain: "Bytes received that the process has not read. Of a listener, without a unit: the connections that wait for accept."},
		watchSend: {Title: "TXQ", Min: 7, Align: cell.Right, Rank: 7, Falling: true,
			Explain: "Bytes written that the other end has not acknowledged or, of UNIX, not read. Of a listener, after a stroke: how many may wait (backlog)."},
		watchBuffers: {Title: "BUFS", Min: 8, Align: cell.Right, Rank: 8, Falling: true,
			Explain: "What SKMEMINFO says of the socket's buffers, each byte once and with the overhead of its sk_buff. A dash: it is no full socket, or the kernel did not tell."},
		watchData: {Title: "DATA", Min: 18, Align: cell.Right, Rank: 10,
			Explain: "epoll_data as the process set it, in hexadecimal: its own business, often a pointer or the fd."},
		watchIno: {Title: "INO", Min: 9, Max: 12, Weight: 1, Align: cell.Right, Rank: 9,
			Explain: "The inode number of the watched file. It names a socket; both ends of a pipe have the same, and so have all eventfds, timerfds and epolls. Absent before Linux 4.13."},
		watchPos: {Title: "POS", Min: 6, Max: 12, Weight: 1, Align: cell.Right, Rank: 11, Falling: true,
			Explain: "The file position of the watched file, in bytes; 0 for what has none. Absent before Linux 4.13."},
		watchNotes: {Title: "NOTES", Min: 8, Weight: 2, Rank: 2,
			Explain: "stale: the fd is closed or another file by now, and the watch lives on with a duplicate. unproven: which of the two could not be told. disarmed: a one-shot watch that has fired. nested: the watched file is an epoll itself. full: a listener whose accept queue takes no more. drops: the socket threw packets away."},
	}, keys)
}

// watchRows are the watches of one instance, in the kernel's order. A row is
// joined to its socket when it is drawn, or in the background when all are
// searched or sorted by what only sockets have.
type watchRows struct {
	pid   int
	epoll *model.Epoll
	// socket finds the socket of watch i; dumped is when sockets were listed.
	socket func(i int) (model.WatchedSocket, bool)
	dumped time.Time

	// What the columns of sockets are sorted by.
	words     [2]lazy[string]          // KIND, STATE
	addresses [2]lazy[model.SocketEnd] // LOCAL, PEER
	numbers   [3]lazy[int64]           // RXQ, TXQ, BUFS
	remarks   lazy[int64]              // NOTES
}

func newWatchRows(s *model.Snapshot, pid int, e *model.Epoll) *watchRows {
	r := &watchRows{pid: pid, epoll: e, socket: func(i int) (model.WatchedSocket, bool) { return s.SocketOf(e.List[i]) }}
	if s.Sockets != nil {
		r.dumped = s.Time.Add(-s.Sockets.Age)
	}
	return r
}

func (r *watchRows) Len() int { return len(r.epoll.List) }

// Same: a list that was not read again since and, where sockets matter, neither
// were they.
func (r *watchRows) Same(s table.Source, column int, filtered bool) bool {
	o, ok := s.(*watchRows)
	if !ok || r.Len() != o.Len() || r.pid != o.pid || r.epoll.FD != o.epoll.FD {
		return false
	}
	if (filtered || ofSocket(column)) && !r.dumped.Equal(o.dumped) {
		return false
	}
	return r.Len() == 0 || &r.epoll.List[0] == &o.epoll.List[0]
}

// ofSocket reports whether a column shows what only sockets have.
func ofSocket(column int) bool {
	switch column {
	case watchKind, watchState, watchLocal, watchPeer, watchRecv, watchSend, watchBuffers, watchNotes:
		return true
	}
	return false
}

func (r *watchRows) Row(i int, dst []table.Cell) {
	w := &r.epoll.List[i]
	s, joined := r.socket(i)
	notes := watchNote(r.epoll, i) | socketNote(&s)
	none := table.Cell{Text: "–", Role: table.Muted}
	for c := range dst {
		dst[c] = none
	}
	dst[watchFD] = table.Cell{Text: strconv.Itoa(int(w.TFD)), Role: table.Strong}
	dst[watchKind] = table.Cell{Text: w.Kind.String()}
	dst[watchEvents] = table.Cell{Text: w.Mask.String()}
	dst[watchData] = table.Cell{Text: hexData(w.Data), Role: table.Muted}
	if w.HasInode {
		dst[watchIno].Text = strconv.FormatUint(w.Ino, 10)
		dst[watchPos].Text = units.Count(w.Pos)
	}
	if joined {
		r.socketCells(&s, dst)
	}
	dst[watchNotes] = table.Cell{Text: notes.text(), Role: table.Muted}
	if notes&(noteStale|noteFull) != 0 {
		dst[watchNotes].Role = table.Warn
	}
}

// socketCells fills in what the joined socket tells.
func (r *watchRows) socketCells(s *model.WatchedSocket, dst []table.Cell) {
	dst[watchKind].Text = s.Kind
	dst[watchState] = table.Cell{Text: s.State}
	if s.Local != (model.SocketEnd{}) {
		dst[watchLocal] = table.Cell{Text: s.Local.String()}
	}
	if s.Peer != (model.SocketEnd{}) {
		dst[watchPeer] = table.Cell{Text: peerText(s)}
	}
	dst[watchRecv], dst[watchSend] = view.MaybeBytes(s.RecvQueue, table.Strong), view.MaybeBytes(s.SendQueue, table.Plain)
	if n, ok := s.RecvQueue.Get(); ok && s.State == listening {
		dst[watchRecv] = view.QuietZero(n, table.Strong)
		dst[watchSend] = table.Cell{Text: "/?", Role: table.Muted}
		if limit := backlogOf(s); limit.Known {
			dst[watchSend].Text = "/" + units.Count(limit.Value)
		}
	}
	dst[watchBuffers] = view.MaybeBytes(s.Buffers, table.Plain)
}

const listening = "LISTEN"

// backlogOf is how many connections may wait on a listener.
func backlogOf(s *model.WatchedSocket) maybe.Of[int64] {
	if s.State != listening || s.SendQueue.Value <= 0 {
		return maybe.Of[int64]{}
	}
	return s.SendQueue
}

// peerText is the other end, marked where it is on this host.
func peerText(s *model.WatchedSocket) string {
	if s.PeerHere {
		return peerHere + " " + s.Peer.String()
	}
	return s.Peer.String()
}

func hexData(d uint64) string { return "0x" + strconv.FormatUint(d, 16) }

// note is what is remarkable about a watch, the worst first.
type note uint8

const (
	noteStale note = 1 << iota
	noteFull
	noteDisarmed
	noteNested
	noteUnproven
	noteDrops
)

var noteNames = [...]string{"stale", "full", "disarmed", "nested", "unproven", "drops"}

// socketNote is what is remarkable about a watch's socket.
func socketNote(s *model.WatchedSocket) (n note) {
	if s.State == listening && view.QueueFull(s.RecvQueue, backlogOf(s)) {
		n |= noteFull
	}
	if s.Drops.Value > 0 {
		n |= noteDrops
	}
	return n
}

func watchNote(e *model.Epoll, i int) (n note) {
	w := &e.List[i]
	switch w.Link {
	case epoll.Stale:
		n |= noteStale
	case epoll.Unproven:
		n |= noteUnproven
	}
	if w.Mask.Disarmed() {
		n |= noteDisarmed
	}
	if w.Kind == epoll.KindEpoll {
		n |= noteNested
	}
	return n
}

func (n note) text() string {
	s := ""
	for i, name := range noteNames {
		if n&(1<<i) != 0 {
			if s != "" {
				s += ", "
			}
			s += name
		}
	}
	return s
}

// rank orders notes: the first in noteNames weighs most.
func (n note) rank() (r int) {
	for i := range noteNames {
		r <<= 1
		if n&(1<<i) != 0 {
			r++
		}
	}
	return r
}

// Key: the identity of a watch is (tfd, open file), of which the inode and the
// owner's data are what fdinfo shows.
func (r *watchRows) Key(i int) table.Key {
	w := &r.epoll.List[i]
	return table.Key{Num: [3]uint64{uint64(uint32(w.TFD)) | uint64(w.Sdev)<<32, w.Ino, w.Data}}
}

func (r *watchRows) Compare(column, i, j int) int {
	a, b := &r.epoll.List[i], &r.epoll.List[j]
	switch column {
	case watchKind, watchState:
		keys := r.words[min(1, column-watchKind)].of(r, func(i int, s *model.WatchedSocket) string { return r.word(column, i, s) })
		return cmp.Compare(keys[i], keys[j])
	case watchLocal, watchPeer:
		keys := r.addresses[column-watchLocal].of(r, func(_ int, s *model.WatchedSocket) model.SocketEnd {
			if column == watchLocal {
				return s.Local
			}
			return s.Peer
		})
		return keys[i].Compare(keys[j])
	case watchRecv, watchSend, watchBuffers:
		keys := r.numbers[column-watchRecv].of(r, func(_ int, s *model.WatchedSocket) int64 {
			m := [...]maybe.Of[int64]{s.RecvQueue, s.SendQueue, s.Buffers}[column-watchRecv]
			if !m.Known {
				return -1
			}
			return m.Value
		})
		return cmp.Compare(keys[i], keys[j])
	case watchNotes:
		// No note comes last, as the eye expects of an alphabetical order.
		keys := r.notes()
		return cmp.Compare(keys[j], keys[i])
	case watchEvents:
		return cmp.Compare(a.Mask, b.Mask)
	case watchData:
		return cmp.Compare(a.Data, b.Data)
	case watchIno:
		return cmp.Compare(a.Ino, b.Ino)
	case watchPos:
		return cmp.Compare(a.Pos, b.Pos)
	}
	return cmp.Compare(a.TFD, b.TFD)
}

// AppendText is what the row shows.
func (r *watchRows) AppendText(dst []byte, i int) []byte {
	w := &r.epoll.List[i]
	dst = strconv.AppendInt(dst, int64(w.TFD), 10)
	s, joined := r.socket(i)
	dst = append(append(dst, ' '), r.word(watchKind, i, &s)...)
	dst = w.Mask.AppendText(append(dst, ' '))
	dst = strconv.AppendUint(append(dst, " 0x"...), w.Data, 16)
	if w.HasInode {
		dst = strconv.AppendUint(append(dst, ' '), w.Ino, 10)
	}
	if joined {
		dst = append(append(dst, ' '), s.State...)
		dst = s.Local.AppendText(append(dst, ' '))
		if s.PeerHere {
			dst = append(dst, " "+peerHere...)
		}
		dst = s.Peer.AppendText(append(dst, ' '))
	}
	if n := watchNote(r.epoll, i) | socketNote(&s); n != 0 {
		dst = append(append(dst, ' '), n.text()...)
	}
	return dst
}
