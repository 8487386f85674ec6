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
	"github.com/eptop/eptop/internal/units"
)

// heldRow is a socket of a process. It is shown as a watch on it would be.
type heldRow struct {
	watchRow
	watched watchedBy
}

// watchedBy is the first watch on a socket, and how many there are.
type watchedBy struct {
	// indexed: it was looked for, so that no watch means none.
	indexed bool
	count   int
	pid     int // 0: an epoll of the process itself
	epollFD int
	mask    epoll.Mask
}

// heldField is a column of the sockets of a process.
type heldField struct {
	table.Column
	show func(*heldRow) table.Cell
	// order compares two rows. bySocket is set where it depends on the list of sockets,
	// byWatch where it depends on the watches.
	order             func(*heldRows) ordering
	bySocket, byWatch bool
}

// heldFields are the columns of the sockets of a process.
var heldFields = []heldField{
	ofWatch("FD", table.Column{Min: 7, Align: cell.Right, Explain: "The first of the process's fds that refer to the socket."}),
	ofWatch("KIND", table.Column{Min: 6, Max: 14, Weight: 1, Rank: 3}),
	ofWatch("STATE", table.Column{Min: 11, Max: 12, Weight: 1}),
	{
		Column: table.Column{Title: "FOR", Min: 8, Align: cell.Right, Rank: 2, Falling: true,
			Explain: "How long eptop has seen the socket in this state. ≥: it was there at the first look, and may have been so for longer."},
		show:     func(r *heldRow) table.Cell { return seenCell(r.socket.InState) },
		order:    heldKeyed(keyed(func(_ *epoll.Watch, s *model.WatchedSocket) time.Duration { return rankOf(s.InState) }, cmp.Compare[time.Duration])),
		bySocket: true,
	},
	{
		Column: table.Column{Title: "SEEN", Min: 8, Align: cell.Right, Rank: 9, Falling: true,
			Explain: "How long eptop has seen the socket at all. ≥: it was there at the first look. The kernel does not say when a socket was made."},
		show:     func(r *heldRow) table.Cell { return seenCell(r.socket.Seen) },
		order:    heldKeyed(keyed(func(_ *epoll.Watch, s *model.WatchedSocket) time.Duration { return rankOf(s.Seen) }, cmp.Compare[time.Duration])),
		bySocket: true,
	},
	ofWatch("LOCAL", table.Column{Min: 17, Max: 47, Weight: 3, Rank: 5}),
	ofWatch("PEER", table.Column{Min: 19, Max: 49, Weight: 3, Rank: 4}),
	ofWatch("RXQ", table.Column{Min: 7, Align: cell.Right, Rank: 6, Falling: true}),
	ofWatch("TXQ", table.Column{Min: 7, Align: cell.Right, Rank: 7, Falling: true}),
	ofWatch("BUFS", table.Column{Min: 8, Align: cell.Right, Rank: 8, Falling: true}),
	{
		Column: table.Column{Title: "WATCHED BY", Min: 16, Max: 40, Weight: 2, Rank: 1,
			Explain: "The fd of the epoll that watches the socket, and for what; with PID/ before it an epoll of another process, with + how many more watches there are. no epoll: none that was read watches it, so no event of it is reported to anybody."},
		show: watchedByCell, order: byWatcher, byWatch: true,
	},
	ofWatch("INO", table.Column{Min: 9, Max: 12, Weight: 1, Align: cell.Right, Rank: 10, Explain: "The inode number of the socket, as in /proc/PID/fd and ss -e."}),
}

// ofWatch is the column of the watches with this title, in another place and of another
// width.
func ofWatch(title string, c table.Column) heldField {
	for i := range watchFields {
		f := &watchFields[i]
		if f.Title != title {
			continue
		}
		c.Title, c.Explain = title, cmp.Or(c.Explain, f.Explain)
		out := heldField{Column: c, show: func(r *heldRow) table.Cell { return f.show(&r.watchRow) }, bySocket: f.bySocket != nil}
		if f.bySocket != nil {
			out.order = heldKeyed(f.bySocket)
			return out
		}
		out.order = func(r *heldRows) ordering {
			return func(i, j int) int {
				a, b := r.watch(i), r.watch(j)
				return f.compare(&a, &b)
			}
		}
		return out
	}
	panic("no column of watches " + title)
}

func heldKeyed(order func(joinedRows) ordering) func(*heldRows) ordering {
	return func(r *heldRows) ordering { return order(r) }
}

// rankOf orders what is not known before everything else.
func rankOf(seen maybe.Of[model.SeenFor]) time.Duration {
	if !seen.Known {
		return -1
	}
	return seen.Value.For
}

func seenCell(seen maybe.Of[model.SeenFor]) table.Cell {
	if !seen.Known {
		return none
	}
	return table.Cell{Text: seenText(seen.Value), Role: table.Muted}
}

// seenText writes how long something has been seen.
func seenText(s model.SeenFor) string {
	text := units.Duration(s.For.Round(100 * time.Millisecond))
	if s.AtLeast {
		return "≥" + text
	}
	return text
}

// noEpollText is that no epoll watches a socket.
const noEpollText = "no epoll"

func watchedByCell(r *heldRow) table.Cell {
	w := &r.watched
	switch {
	case !w.indexed:
		return table.Cell{Text: "…", Role: table.Muted}
	case w.count == 0 && r.socket.State == "CLOSE_WAIT":
		return table.Cell{Text: noEpollText, Role: table.Warn}
	case w.count == 0:
		return table.Cell{Text: noEpollText, Role: table.Muted}
	}
	return table.Cell{Text: string(w.appendText(nil))}
}

func (w *watchedBy) appendText(dst []byte) []byte {
	if w.count == 0 {
		return append(dst, noEpollText...)
	}
	if w.pid != 0 {
		dst = append(strconv.AppendInt(dst, int64(w.pid), 10), '/')
	}
	dst = strconv.AppendInt(dst, int64(w.epollFD), 10)
	if w.count > 1 {
		dst = strconv.AppendInt(append(dst, " +"...), int64(w.count-1), 10)
	}
	return w.mask.AppendText(append(dst, ' '))
}

// byWatcher orders sockets by their epolls, those that none watches first.
func byWatcher(r *heldRows) ordering {
	type key struct{ pid, epollFD, mask int64 }
	keys := make([]key, r.Len())
	for i := range keys {
		if w := r.watchedBy(i); w.count > 0 {
			keys[i] = key{int64(w.pid) + 1, int64(w.epollFD), int64(w.mask)}
		}
	}
	return func(i, j int) int {
		a, b := keys[i], keys[j]
		return cmp.Or(cmp.Compare(a.pid, b.pid), cmp.Compare(a.epollFD, b.epollFD), cmp.Compare(a.mask, b.mask))
	}
}

// newHeldTable is the table of a process's sockets, in the order of their fds.
func newHeldTable(keys table.Keys) *table.Model {
	columns := make([]table.Column, len(heldFields))
	for i := range heldFields {
		columns[i] = heldFields[i].Column
	}
	return table.New(columns, keys)
}

// heldRows are the sockets of a process, in the order of their fds. A row is joined to its
// socket and its watches when it is drawn, or in the background when all are searched or
// sorted.
type heldRows struct {
	snap   *model.Snapshot
	pid    int
	held   []model.HeldSocket
	links  *model.Links // nil: not made yet
	dumped time.Time
	orders []lazyOrdering // by column
	drawn  heldRow        // as in watchRows
}

func newHeldRows(s *model.Snapshot, p *model.Process, links *model.Links) *heldRows {
	r := &heldRows{snap: s, pid: p.PID, held: p.Held, links: links, orders: make([]lazyOrdering, len(heldFields))}
	if s.Sockets != nil {
		r.dumped = s.Time.Add(-s.Sockets.Age)
	}
	return r
}

func (r *heldRows) Len() int { return len(r.held) }

// watch stands for a watch on a socket.
func (r *heldRows) watch(i int) epoll.Watch {
	h := r.held[i]
	return epoll.Watch{TFD: h.FD, Ino: uint64(h.Ino), HasInode: true, Kind: epoll.KindSocket, Link: epoll.Current}
}

func (r *heldRows) join(i int, w *epoll.Watch, s *model.WatchedSocket) (joined bool) {
	*w = r.watch(i)
	*s, joined = r.snap.SocketWith(w.Ino)
	return joined
}

func (r *heldRows) watchedBy(i int) watchedBy {
	if r.links == nil {
		return watchedBy{}
	}
	h, w, n := r.links.FirstWatcher(model.SocketFile(uint64(r.held[i].Ino)), r.pid)
	out := watchedBy{indexed: true, count: n}
	if n > 0 {
		out.epollFD, out.mask = h.FD, w.Mask
		if h.PID != r.pid {
			out.pid = h.PID
		}
	}
	return out
}

// Same: a list of fds that is the same one, and where they matter the same sockets and
// watches.
func (r *heldRows) Same(s table.Source, column int, filtered bool) bool {
	o, ok := s.(*heldRows)
	if !ok || r.pid != o.pid || len(r.held) != len(o.held) || len(r.held) > 0 && &r.held[0] != &o.held[0] {
		return false
	}
	sockets, watches := filtered, filtered
	if column >= 0 {
		sockets, watches = sockets || heldFields[column].bySocket, watches || heldFields[column].byWatch
	}
	return (!sockets || r.dumped.Equal(o.dumped)) && (!watches || r.links == o.links)
}

// Row fills in the cells of row i.
func (r *heldRows) Row(i int, dst []table.Cell) {
	row := &r.drawn
	if row.Watch == nil {
		row.Watch = new(epoll.Watch)
	}
	row.joined = r.join(i, row.Watch, &row.socket)
	row.watched = r.watchedBy(i)
	for c := range dst {
		dst[c] = heldFields[c].show(row)
	}
}

// Key identifies row i.
func (r *heldRows) Key(i int) table.Key {
	return table.Key{Num: [3]uint64{uint64(r.held[i].Ino)}}
}

// Compare orders two rows by a column.
func (r *heldRows) Compare(column, i, j int) int {
	l := &r.orders[column]
	l.once.Do(func() { l.made = heldFields[column].order(r) })
	return l.made(i, j)
}

// AppendText is what the row shows.
func (r *heldRows) AppendText(dst []byte, i int) []byte {
	var w epoll.Watch
	var s model.WatchedSocket
	joined := r.join(i, &w, &s)
	dst = strconv.AppendInt(dst, int64(w.TFD), 10)
	dst = append(append(dst, ' '), kindOf(&w, &s)...)
	dst = strconv.AppendUint(append(dst, ' '), w.Ino, 10)
	if joined {
		dst = append(append(dst, ' '), s.State...)
		dst = s.Local.AppendText(append(dst, ' '))
		if s.PeerHere {
			dst = append(dst, " "+peerHere...)
		}
		dst = s.Peer.AppendText(append(dst, ' '))
	}
	by := r.watchedBy(i)
	if !by.indexed {
		return dst
	}
	return by.appendText(append(dst, " epoll "...))
}
