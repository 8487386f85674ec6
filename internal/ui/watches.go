package ui

import (
	"cmp"
	"strconv"

	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/ui/cell"
	"github.com/eptop/eptop/internal/ui/table"
	"github.com/eptop/eptop/internal/units"
)

// The columns of the watches.
const (
	watchFD = iota
	watchKind
	watchEvents
	watchData
	watchIno
	watchPos
	watchNotes
)

func newWatchTable(keys table.Keys) *table.Model {
	return table.New([]table.Column{
		watchFD: {Title: "FD", Min: 7, Align: cell.Right,
			Explain: "The number under which the file was added, in the process that added it (tfd). The kernel remembers it and never looks whether it still is that file; NOTES does."},
		watchKind: {Title: "KIND", Min: 8, Rank: 2,
			Explain: "What the watched file is, from its link in /proc/PID/fd or its filesystem; unknown where neither tells. Which family a socket is of is not in fdinfo."},
		watchEvents: {Title: "EVENTS", Min: 15, Max: 32, Weight: 2, Rank: 1,
			Explain: "What the process asked to be told. ERR and HUP are left out: the kernel adds them to every watch. None at all beside ONESHOT: it has fired and is disarmed."},
		watchData: {Title: "DATA", Min: 18, Align: cell.Right, Rank: 4,
			Explain: "epoll_data as the process set it, in hexadecimal: its own business, often a pointer or the fd."},
		watchIno: {Title: "INO", Min: 9, Max: 12, Weight: 1, Align: cell.Right, Rank: 3,
			Explain: "The inode number of the watched file. It names a socket; both ends of a pipe have the same, and so have all eventfds, timerfds and epolls. Absent before Linux 4.13."},
		watchPos: {Title: "POS", Min: 6, Max: 12, Weight: 1, Align: cell.Right, Rank: 6, Falling: true,
			Explain: "The file position of the watched file, in bytes; 0 for what has none. Absent before Linux 4.13."},
		watchNotes: {Title: "NOTES", Min: 15, Weight: 2, Rank: 2,
			Explain: "stale: the fd is closed or another file by now, and the watch lives on with a duplicate. unproven: which of the two could not be told. disarmed: a one-shot watch that has fired. nested: the watched file is an epoll itself."},
	}, keys)
}

// watchRows are the watches of one instance, in the kernel's order.
type watchRows struct {
	pid   int
	epoll *model.Epoll
}

func (r *watchRows) Len() int { return len(r.epoll.List) }

// Same: a list that was not read again since.
func (r *watchRows) Same(s table.Source) bool {
	o, ok := s.(*watchRows)
	if !ok || r.Len() != o.Len() || r.pid != o.pid || r.epoll.FD != o.epoll.FD {
		return false
	}
	return r.Len() == 0 || &r.epoll.List[0] == &o.epoll.List[0]
}

func (r *watchRows) Row(i int, dst []table.Cell) {
	w := &r.epoll.List[i]
	notes := watchNote(r.epoll, i)
	dst[watchFD] = table.Cell{Text: strconv.Itoa(int(w.TFD)), Role: table.Strong}
	dst[watchKind] = table.Cell{Text: w.Kind.String()}
	dst[watchEvents] = table.Cell{Text: w.Mask.String()}
	dst[watchData] = table.Cell{Text: hexData(w.Data), Role: table.Muted}
	dst[watchIno] = table.Cell{Text: "–", Role: table.Muted}
	dst[watchPos] = dst[watchIno]
	if w.HasInode {
		dst[watchIno].Text = strconv.FormatUint(w.Ino, 10)
		dst[watchPos].Text = units.Count(w.Pos)
	}
	dst[watchNotes] = table.Cell{Text: notes.text(), Role: table.Muted}
	if notes&noteStale != 0 {
		dst[watchNotes].Role = table.Warn
	}
}

func hexData(d uint64) string { return "0x" + strconv.FormatUint(d, 16) }

// note is what is remarkable about a watch, the worst first.
type note uint8

const (
	noteStale note = 1 << iota
	noteDisarmed
	noteNested
	noteUnproven
)

var noteNames = [...]string{"stale", "disarmed", "nested", "unproven"}

func watchNote(e *model.Epoll, i int) (n note) {
	w := &e.List[i]
	switch w.Link.String() {
	case "stale":
		n |= noteStale
	case "unproven":
		n |= noteUnproven
	}
	if w.Mask.Disarmed() {
		n |= noteDisarmed
	}
	if w.Kind.String() == "epoll" {
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
	case watchKind:
		return cmp.Compare(a.Kind.String(), b.Kind.String())
	case watchEvents:
		return cmp.Compare(a.Mask, b.Mask)
	case watchData:
		return cmp.Compare(a.Data, b.Data)
	case watchIno:
		return cmp.Compare(a.Ino, b.Ino)
	case watchPos:
		return cmp.Compare(a.Pos, b.Pos)
	case watchNotes:
		// No note comes last, as the eye expects of an alphabetical order.
		return cmp.Compare(watchNote(r.epoll, j).rank(), watchNote(r.epoll, i).rank())
	}
	return cmp.Compare(a.TFD, b.TFD)
}

// AppendText is what the row shows.
func (r *watchRows) AppendText(dst []byte, i int) []byte {
	w := &r.epoll.List[i]
	dst = strconv.AppendInt(dst, int64(w.TFD), 10)
	dst = append(append(dst, ' '), w.Kind.String()...)
	dst = w.Mask.AppendText(append(dst, ' '))
	dst = strconv.AppendUint(append(dst, " 0x"...), w.Data, 16)
	if w.HasInode {
		dst = strconv.AppendUint(append(dst, ' '), w.Ino, 10)
	}
	if n := watchNote(r.epoll, i); n != 0 {
		dst = append(append(dst, ' '), n.text()...)
	}
	return dst
}
