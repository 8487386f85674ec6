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

// epollField is a column of a process's epoll instances.
type epollField = table.Field[*model.Epoll]

// epollFields are the columns; of a process that has ended nothing ages any more.
func epollFields(ended bool) []epollField {
	return []epollField{
		{
			Column: table.Column{Title: "FD", Min: 5, Max: 7, Weight: 1, Align: cell.Right,
				Explain: "The process's descriptor of the epoll instance."},
			Show: func(e *model.Epoll) table.Cell { return table.Cell{Text: strconv.Itoa(e.FD), Role: table.Strong} }, Compare: func(a, b *model.Epoll) int { return cmp.Compare(a.FD, b.FD) },
		},
		{
			Column: table.Column{Title: "WATCHES", Min: 9, Max: 11, Weight: 1, Align: cell.Right, Falling: true,
				Explain: "The tfd: lines of /proc/PID/fdinfo/FD: one for each watch. A dash: not read, the pane of the watches says why."},
			Show: epollWatchesCell, Compare: byRead(func(e *model.Epoll) int64 { return e.Watches }),
		},
		countField(table.Column{Title: "ET", Min: 5, Max: 11, Weight: 1, Align: cell.Right, Rank: 3, Falling: true,
			Explain: "Edge-triggered watches (EPOLLET): reported once when there is new data, not again as long as some is left."}, table.Plain, watchCounts["ET"]),
		countField(table.Column{Title: "ONESHOT", Min: 8, Max: 11, Weight: 1, Align: cell.Right, Rank: 5, Falling: true,
			Explain: "Watches with EPOLLONESHOT, armed and disarmed."}, table.Plain, watchCounts["ONESHOT"]),
		countField(table.Column{Title: "DISARM", Min: 7, Max: 11, Weight: 1, Align: cell.Right, Rank: 6, Falling: true,
			Explain: "One-shot watches that have fired and wait for EPOLL_CTL_MOD: no event is reported for them until then."}, table.Plain, watchCounts["DISARM"]),
		countField(table.Column{Title: "EXCL", Min: 5, Max: 11, Weight: 1, Align: cell.Right, Rank: 7, Falling: true,
			Explain: "Watches with EPOLLEXCLUSIVE: of several epolls that watch one file, not all are woken."}, table.Plain, watchCounts["EXCL"]),
		countField(table.Column{Title: "STALE", Min: 6, Max: 11, Weight: 1, Align: cell.Right, Rank: 2, Falling: true,
			Explain: "Watches whose fd is closed or is another file by now, while a duplicate keeps the watched file open. Unproven ones are not counted."}, table.Warn, watchCounts["STALE"]),
		countField(table.Column{Title: "UNPROVEN", Min: 9, Max: 11, Weight: 1, Align: cell.Right, Rank: 4, Falling: true, Hidden: true,
			Explain: "Watches of which it is not known whether their fd still is the watched file: each may be stale or not. The column is there when there are any."}, table.Warn, watchCounts["UNPROVEN"]),
		kernelField(table.Column{Title: "READY", Min: 6, Max: 11, Weight: 1, Align: cell.Right, Rank: 3, Falling: true, Hidden: true,
			Explain: "Watches on the ready list: the next epoll_wait(2) looks at these. A level-triggered one stays there after it was delivered, until a wait finds it idle. A dash: a thread was taking events at that moment. The column is there where the kernel's own structures are read (bpf); /proc does not show it."},
			func(e *model.Epoll) table.Cell {
				n, ok := e.Ready.Get()
				if !ok {
					return none
				}
				return view.QuietZero(n, table.Plain)
			}, func(e *model.Epoll) maybe.Of[int64] { return e.Ready }),
		kernelField(table.Column{Title: "WAIT", Min: 5, Max: 9, Weight: 1, Align: cell.Right, Rank: 5, Falling: true, Hidden: true,
			Explain: "Threads that wait in epoll_wait(2) now; of more than 64 no more are counted. Threads that poll busily, epolls that watch this one and io_uring are not among them. 0: its threads are at work, or nobody waits. The column is there where the kernel's own structures are read (bpf); /proc does not show it."},
			waitersCell, func(e *model.Epoll) maybe.Of[int64] { return e.Waiters }),
		{
			Column: table.Column{Title: "AGE", Min: 7, Align: cell.Right, Rank: 8, Falling: true,
				Explain: "How old these numbers are. Reading an instance stops the process for that long, so a large one is read seldom (--max-stall). A dash: not read, or the process has ended; the line above its watches says when they were read."},
			Show: ageCell(ended), Compare: byRead(func(e *model.Epoll) time.Duration { return e.Age }),
		},
		{
			Column: table.Column{Title: "READ", Min: 7, Align: cell.Right, Rank: 9, Falling: true,
				Explain: "How long the last read took: at most that long the instance's lock (ep->mtx) was held, and the process could stand still. A dash: not read, or by a pass over all files (bpf), which holds no lock of the process."},
			Show: epollReadCell, Compare: byRead(func(e *model.Epoll) time.Duration { return e.ReadTook }),
		},
		{
			Column: table.Column{Title: "SHARED", Min: 8, Max: 24, Weight: 2, Rank: 10,
				Explain: "Other processes that hold the same instance (kcmp KCMP_FILE), as PID/FD. A ? says that it is not known; sums may then count it twice."},
			Show: sharedCell, Compare: func(a, b *model.Epoll) int { return cmp.Compare(b.SharedCount, a.SharedCount) },
		},
	}
}

// watchCounts are the columns that count watches, by their titles.
var watchCounts = map[string]func(*model.Epoll) int64{
	"WATCHES":  func(e *model.Epoll) int64 { return e.Watches },
	"ET":       func(e *model.Epoll) int64 { return e.ET },
	"ONESHOT":  func(e *model.Epoll) int64 { return e.OneShot },
	"DISARM":   func(e *model.Epoll) int64 { return e.Disarmed },
	"EXCL":     func(e *model.Epoll) int64 { return e.Exclusive },
	"STALE":    func(e *model.Epoll) int64 { return e.Stale },
	"UNPROVEN": func(e *model.Epoll) int64 { return e.Unproven },
}

// countField is a column that counts some of the watches.
func countField(c table.Column, role table.Role, count func(*model.Epoll) int64) epollField {
	return epollField{
		Column: c, Compare: byRead(count),
		Show: func(e *model.Epoll) table.Cell {
			if e.State != model.OK {
				return none
			}
			return view.QuietZero(count(e), role)
		},
	}
}

// kernelField is a column of what only the kernel's own structures say.
func kernelField(c table.Column, show func(*model.Epoll) table.Cell, of func(*model.Epoll) maybe.Of[int64]) epollField {
	return epollField{Column: c, Show: show, Compare: func(a, b *model.Epoll) int { return maybe.Compare(of(a), of(b)) }}
}

func waitersCell(e *model.Epoll) table.Cell {
	n, ok := e.Waiters.Get()
	switch {
	case !ok:
		return none
	case n >= epoll.MaxWaiters:
		return table.Cell{Text: "≥" + units.Count(n)}
	}
	return view.QuietZero(n, table.Plain)
}

// byRead orders instances by a value that one has only once it was read.
func byRead[T cmp.Ordered](value func(*model.Epoll) T) func(a, b *model.Epoll) int {
	of := func(e *model.Epoll) maybe.Of[T] { return maybe.When(value(e), e.State == model.OK) }
	return func(a, b *model.Epoll) int { return maybe.Compare(of(a), of(b)) }
}

// none is the cell of what is not known.
var none = table.Cell{Text: "–", Role: table.Muted}

func epollWatchesCell(e *model.Epoll) table.Cell {
	switch e.State {
	case model.OK:
		return table.Cell{Text: units.Count(e.Watches), Role: table.Strong}
	case model.Absent:
		return table.Cell{Text: "waits", Role: table.Muted}
	}
	return table.Cell{Text: string(e.State), Role: table.Warn}
}

func ageCell(ended bool) func(*model.Epoll) table.Cell {
	return func(e *model.Epoll) table.Cell {
		if e.State != model.OK || ended {
			return none
		}
		return table.Cell{Text: units.Duration(e.Age.Round(time.Millisecond))}
	}
}

func epollReadCell(e *model.Epoll) table.Cell {
	if e.State != model.OK || e.ReadTook == 0 {
		return none
	}
	return table.Cell{Text: units.Duration(e.ReadTook)}
}

func sharedCell(e *model.Epoll) table.Cell {
	switch {
	case e.SharedCount > 0:
		text := "+" + strconv.Itoa(e.SharedCount)
		if len(e.SharedWith) > 0 {
			h := e.SharedWith[0]
			text = strconv.Itoa(h.PID) + "/" + strconv.Itoa(h.FD)
			if e.SharedCount > 1 {
				text += " +" + strconv.Itoa(e.SharedCount-1)
			}
		}
		return table.Cell{Text: text}
	case e.SharingUnknown:
		return table.Cell{Text: "?", Role: table.Warn}
	}
	return table.Cell{Text: "no", Role: table.Muted}
}

// newEpollTable is the table of a process's instances, in the order of their fds.
func newEpollTable(keys table.Keys) *table.Model {
	return table.New(table.Heads(epollFields(false)), keys)
}

// zerosRank is above the rank of every column of the instances.
const zerosRank = 100

// roomForEpolls gives each count as much room as the widest of them takes; columns
// of nothing but zeros go before others where there is too little.
func roomForEpolls(t *table.Model, p *model.Process) {
	for title, count := range watchCounts {
		var most int64
		for i := range p.Epolls {
			most = max(most, count(&p.Epolls[i]))
		}
		column := t.Named(title)
		c := t.Columns()[column]
		rank := c.Rank % zerosRank
		if most == 0 && rank > 0 {
			rank += zerosRank
		}
		t.SetRoom(column, max(len(c.Title)+1, len(units.Count(most))), rank, title == "UNPROVEN" && most == 0)
	}
}

// newEpollRows are the epoll instances of a process.
func newEpollRows(p *model.Process, ended bool) *table.List[*model.Epoll] {
	return &table.List[*model.Epoll]{
		Fields: epollFields(ended), Count: len(p.Epolls), At: func(i int) *model.Epoll { return &p.Epolls[i] },
		KeyOf: func(e *model.Epoll) table.Key { return table.Key{Num: [3]uint64{uint64(p.PID), uint64(e.FD)}} },
		Search: func(dst []byte, e *model.Epoll) []byte {
			dst = strconv.AppendInt(dst, int64(e.FD), 10)
			dst = append(append(dst, ' '), e.State...)
			if s := sharedWith(e); s != "" {
				dst = append(append(dst, ' '), s...)
			}
			return dst
		},
	}
}
