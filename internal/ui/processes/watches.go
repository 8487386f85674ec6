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

// peerHere marks a peer that is a socket of this host.
const peerHere = "⌂"

// watchRow is a watch joined to its socket, the zero socket where none is known.
type watchRow struct {
	*epoll.Watch
	socket model.WatchedSocket
	joined bool
}

// watchField is a column of the watches: compare orders two by what the watch itself
// says; where it is nil, bySocket orders rows by what only sockets have.
type watchField struct {
	table.Column
	show     func(*watchRow) table.Cell
	compare  func(a, b *epoll.Watch) int
	bySocket func(joinedRows) ordering
}

// watchFields are the columns of the watches.
var watchFields = []watchField{
	{
		Column: table.Column{Title: "FD", Min: 7, Align: cell.Right,
			Explain: "The number under which the file was added, in the process that added it (tfd). The kernel remembers it and never looks whether it still is that file; NOTES does."},
		show:    func(r *watchRow) table.Cell { return table.Cell{Text: strconv.Itoa(int(r.TFD)), Role: table.Strong} },
		compare: func(a, b *epoll.Watch) int { return cmp.Compare(a.TFD, b.TFD) },
	},
	{
		Column: table.Column{Title: "KIND", Min: 6, Max: 14, Weight: 1, Rank: 2,
			Explain: "What the watched file is: of a socket its protocol and family, found by its inode among the sockets that the kernel lists; plain socket where no list has it (another family, a namespace not looked into, opened since). Of other files from the link in /proc/PID/fd or the filesystem."},
		show:     func(r *watchRow) table.Cell { return table.Cell{Text: kindOf(r.Watch, &r.socket)} },
		bySocket: keyed(kindOf, cmp.Compare[string]),
	},
	{
		Column: table.Column{Title: "EVENTS", Min: 15, Max: 32, Weight: 1, Rank: 1,
			Explain: "What the process wants reported. ERR and HUP are left out: the kernel adds them to every watch. None at all beside ONESHOT: it has fired and is disarmed."},
		show:    func(r *watchRow) table.Cell { return table.Cell{Text: r.Mask.String()} },
		compare: func(a, b *epoll.Watch) int { return cmp.Compare(a.Mask, b.Mask) },
	},
	{
		Column: table.Column{Title: "READY", Min: 6, Rank: 4, Hidden: true, Falling: true,
			Explain: "●: the watch is on its epoll's ready list, so the next epoll_wait(2) looks at it. A level-triggered one stays there after it was delivered, until a wait finds it idle. A dash: a thread was taking events at that moment. The column is there where the kernel's own structures are read (bpf)."},
		show:    readyCell,
		compare: func(a, b *epoll.Watch) int { return cmp.Compare(readyRank(a), readyRank(b)) },
	},
	{
		Column: table.Column{Title: "STATE", Min: 11, Max: 12, Weight: 1, Rank: 3,
			Explain: "The state of the socket when sockets were last listed, which may be longer ago than the watches."},
		show:     func(r *watchRow) table.Cell { return ofSocket(r, table.Cell{Text: r.socket.State}) },
		bySocket: keyed(func(_ *epoll.Watch, s *model.WatchedSocket) string { return s.State }, cmp.Compare[string]),
	},
	{
		Column: table.Column{Title: "LOCAL", Min: 17, Max: 47, Weight: 3, Rank: 6,
			Explain: "The socket's own address and port, or the name of a UNIX socket (@ before an abstract one)."},
		show:     func(r *watchRow) table.Cell { return endCell(r.socket.Local, r.socket.Local.String()) },
		bySocket: keyed(func(_ *epoll.Watch, s *model.WatchedSocket) model.SocketEnd { return s.Local }, model.SocketEnd.Compare),
	},
	{
		Column: table.Column{Title: "PEER", Min: 19, Max: 49, Weight: 3, Rank: 4,
			Explain: "The other end. " + peerHere + " before it: that end is a socket of this host too, so the connection takes the memory of two ends here. A UNIX peer is the inode of its socket."},
		show:     func(r *watchRow) table.Cell { return endCell(r.socket.Peer, peerText(&r.socket)) },
		bySocket: keyed(func(_ *epoll.Watch, s *model.WatchedSocket) model.SocketEnd { return s.Peer }, model.SocketEnd.Compare),
	},
	{
		Column: table.Column{Title: "RXQ", Min: 7, Align: cell.Right, Rank: 5, Falling: true,
			Explain: "Bytes received that the process has not read. Of a listener, without a unit: the connections that wait for accept."},
		show:     recvCell,
		bySocket: keyedNumber(func(s *model.WatchedSocket) maybe.Of[int64] { return s.RecvQueue }),
	},
	{
		Column: table.Column{Title: "TXQ", Min: 7, Align: cell.Right, Rank: 7, Falling: true,
			Explain: "Bytes written that the other end has not acknowledged or, of UNIX, not read. Of a listener, after a stroke: how many may wait (backlog)."},
		show:     sendCell,
		bySocket: keyedNumber(func(s *model.WatchedSocket) maybe.Of[int64] { return s.SendQueue }),
	},
	{
		Column: table.Column{Title: "BUFS", Min: 8, Align: cell.Right, Rank: 8, Falling: true,
			Explain: "What SKMEMINFO says of the socket's buffers, each byte once and with the overhead of its sk_buff. A dash: it is no full socket, or the kernel did not report them."},
		show:     func(r *watchRow) table.Cell { return ofSocket(r, view.MaybeBytes(r.socket.Buffers, table.Plain)) },
		bySocket: keyedNumber(func(s *model.WatchedSocket) maybe.Of[int64] { return s.Buffers }),
	},
	{
		Column: table.Column{Title: "DATA", Min: 18, Align: cell.Right, Rank: 10,
			Explain: "epoll_data as the process set it, in hexadecimal: its own business, often a pointer or the fd."},
		show:    func(r *watchRow) table.Cell { return table.Cell{Text: hexData(r.Data), Role: table.Muted} },
		compare: func(a, b *epoll.Watch) int { return cmp.Compare(a.Data, b.Data) },
	},
	{
		Column: table.Column{Title: "INO", Min: 9, Max: 12, Weight: 1, Align: cell.Right, Rank: 9,
			Explain: "The inode number of the watched file. It names a socket; both ends of a pipe have the same, and so have all eventfds, timerfds and epolls. Absent before Linux 4.13."},
		show:    func(r *watchRow) table.Cell { return ofInode(r, strconv.FormatUint(r.Ino, 10)) },
		compare: func(a, b *epoll.Watch) int { return cmp.Compare(a.Ino, b.Ino) },
	},
	{
		Column: table.Column{Title: "POS", Min: 6, Max: 12, Weight: 1, Align: cell.Right, Rank: 11, Falling: true,
			Explain: "The file position of the watched file, in bytes; 0 for what has none. Absent before Linux 4.13."},
		show:    func(r *watchRow) table.Cell { return ofInode(r, units.Count(r.Pos)) },
		compare: func(a, b *epoll.Watch) int { return cmp.Compare(a.Pos, b.Pos) },
	},
	{
		Column: table.Column{Title: "NOTES", Min: 8, Weight: 2, Rank: 2,
			Explain: "stale: the fd is closed or another file by now, and the watch lives on with a duplicate. unproven: which of the two is not known. disarmed: a one-shot watch that has fired. nested: the watched file is an epoll itself. full: a listener whose accept queue takes no more. drops: the socket threw packets away. blocking: edge-triggered, and the file lacks O_NONBLOCK, so that reading all of it ends in a wait."},
		show:     notesCell,
		bySocket: keyed(notesRank, func(a, b int) int { return cmp.Compare(b, a) }),
	},
}

// newWatchTable is the table of an instance's watches, in the kernel's order.
func newWatchTable(keys table.Keys) *table.Model {
	columns := make([]table.Column, len(watchFields))
	for i := range watchFields {
		columns[i] = watchFields[i].Column
	}
	return table.New(columns, keys)
}

// kindOf is the kind of the socket, or else of the file.
func kindOf(w *epoll.Watch, s *model.WatchedSocket) string {
	if s.Kind != "" {
		return s.Kind
	}
	return w.Kind.String()
}

// ofSocket is the cell, or a dash where no socket is known.
func ofSocket(r *watchRow, c table.Cell) table.Cell {
	if !r.joined {
		return none
	}
	return c
}

// ofInode is a cell of what the kernel shows with the inode.
func ofInode(r *watchRow, text string) table.Cell {
	if !r.HasInode {
		return none
	}
	return table.Cell{Text: text, Role: table.Muted}
}

func endCell(end model.SocketEnd, text string) table.Cell {
	if end == (model.SocketEnd{}) {
		return none
	}
	return table.Cell{Text: text}
}

// readyMark is the mark of a watch on the ready list.
const readyMark = "●"

func readyCell(r *watchRow) table.Cell {
	switch ready := model.ReadyOf(*r.Watch); {
	case !ready.Known:
		return none
	case ready.Value:
		return table.Cell{Text: readyMark, Role: table.Good}
	}
	return table.Cell{}
}

// readyRank orders watches: unknown, idle, ready.
func readyRank(w *epoll.Watch) int {
	ready := model.ReadyOf(*w)
	switch {
	case !ready.Known:
		return 0
	case ready.Value:
		return 2
	}
	return 1
}

func recvCell(r *watchRow) table.Cell {
	if waiting, _ := r.socket.AcceptQueue(); waiting.Known {
		return view.QuietZero(waiting.Value, table.Strong)
	}
	return ofSocket(r, view.MaybeBytes(r.socket.RecvQueue, table.Strong))
}

func sendCell(r *watchRow) table.Cell {
	waiting, backlog := r.socket.AcceptQueue()
	switch {
	case backlog.Known && waiting.Known:
		return table.Cell{Text: "/" + units.Count(backlog.Value), Role: table.Muted}
	case waiting.Known:
		return table.Cell{Text: "/?", Role: table.Muted}
	}
	return ofSocket(r, view.MaybeBytes(r.socket.SendQueue, table.Plain))
}

// peerText is the other end, marked where it is on this host.
func peerText(s *model.WatchedSocket) string {
	if s.PeerHere {
		return peerHere + " " + s.Peer.String()
	}
	return s.Peer.String()
}

func hexData(d uint64) string { return "0x" + strconv.FormatUint(d, 16) }

// notesOf are the notes of a watch but for the peer's, which PEER marks.
func notesOf(w *epoll.Watch, s *model.WatchedSocket) model.Note {
	return model.NotesOf(w, s) &^ model.NotePeerHere
}

// notesRank orders notes: none comes last, as the eye expects of an alphabetical order.
func notesRank(w *epoll.Watch, s *model.WatchedSocket) int { return notesOf(w, s).Rank() }

func notesCell(r *watchRow) table.Cell {
	notes := notesOf(r.Watch, &r.socket)
	if notes&(model.NoteStale|model.NoteFull) != 0 {
		return table.Cell{Text: notes.String(), Role: table.Warn}
	}
	return table.Cell{Text: notes.String(), Role: table.Muted}
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
	orders []lazyOrdering // by column
	// drawn is the row that Row shows: one for all rows, because only the table, which
	// draws one after another, calls Row.
	drawn watchRow
}

func newWatchRows(s *model.Snapshot, pid int, e *model.Epoll) *watchRows {
	r := &watchRows{
		pid: pid, epoll: e, orders: make([]lazyOrdering, len(watchFields)),
		socket: func(i int) (model.WatchedSocket, bool) { return s.SocketOf(e.List[i]) },
	}
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
	joined := filtered || column >= 0 && watchFields[column].bySocket != nil
	if joined && !r.dumped.Equal(o.dumped) {
		return false
	}
	return r.Len() == 0 || &r.epoll.List[0] == &o.epoll.List[0]
}

func (r *watchRows) Row(i int, dst []table.Cell) {
	row := &r.drawn
	row.Watch = &r.epoll.List[i]
	row.socket, row.joined = r.socket(i)
	for c := range dst {
		dst[c] = watchFields[c].show(row)
	}
}

func (r *watchRows) join(i int, w *epoll.Watch, s *model.WatchedSocket) (joined bool) {
	*w = r.epoll.List[i]
	*s, joined = r.socket(i)
	return joined
}

// Key: the identity of a watch is (tfd, open file), of which the inode and the
// owner's data are what fdinfo shows.
func (r *watchRows) Key(i int) table.Key {
	w := &r.epoll.List[i]
	return table.Key{Num: [3]uint64{uint64(uint32(w.TFD)) | uint64(w.Sdev)<<32, w.Ino, w.Data}}
}

func (r *watchRows) Compare(column, i, j int) int {
	f := &watchFields[column]
	if f.compare != nil {
		return f.compare(&r.epoll.List[i], &r.epoll.List[j])
	}
	return r.orders[column].of(r, f.bySocket)(i, j)
}

// AppendText is what the row shows.
func (r *watchRows) AppendText(dst []byte, i int) []byte {
	w := &r.epoll.List[i]
	s, joined := r.socket(i)
	dst = strconv.AppendInt(dst, int64(w.TFD), 10)
	dst = append(append(dst, ' '), kindOf(w, &s)...)
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
	if readyRank(w) == 2 {
		dst = append(dst, " ready"...)
	}
	if n := notesOf(w, &s); n != 0 {
		dst = append(append(dst, ' '), n.String()...)
	}
	return dst
}
