package processes

import (
	"cmp"
	"strconv"
	"time"

	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/ui/cell"
	"github.com/eptop/eptop/internal/ui/table"
	"github.com/eptop/eptop/internal/ui/view"
	"github.com/eptop/eptop/internal/units"
)

// The columns of a process's epoll instances.
const (
	epollFD = iota
	epollWatches
	epollET
	epollOneShot
	epollDisarmed
	epollExclusive
	epollStale
	epollUnproven
	epollAge
	epollRead
	epollShared
)

func newEpollTable(keys table.Keys) *table.Model {
	return table.New([]table.Column{
		epollFD: {Title: "FD", Min: 5, Max: 7, Weight: 1, Align: cell.Right, Explain: "The process's descriptor of the epoll instance."},
		epollWatches: {Title: "WATCHES", Min: 9, Max: 11, Weight: 1, Align: cell.Right, Falling: true,
			Explain: "The tfd: lines of /proc/PID/fdinfo/FD: one for each watch. A dash: not read, the pane of the watches says why."},
		epollET: {Title: "ET", Min: 5, Max: 11, Weight: 1, Align: cell.Right, Rank: 3, Falling: true,
			Explain: "Edge-triggered watches (EPOLLET): told once of new data, not again as long as some is left."},
		epollOneShot: {Title: "ONESHOT", Min: 8, Max: 11, Weight: 1, Align: cell.Right, Rank: 5, Falling: true,
			Explain: "Watches with EPOLLONESHOT, armed and disarmed."},
		epollDisarmed: {Title: "DISARM", Min: 7, Max: 11, Weight: 1, Align: cell.Right, Rank: 6, Falling: true,
			Explain: "One-shot watches that have fired and wait for EPOLL_CTL_MOD: no event is reported for them until then."},
		epollExclusive: {Title: "EXCL", Min: 5, Max: 11, Weight: 1, Align: cell.Right, Rank: 7, Falling: true,
			Explain: "Watches with EPOLLEXCLUSIVE: of several epolls that watch one file, not all are woken."},
		epollStale: {Title: "STALE", Min: 6, Max: 11, Weight: 1, Align: cell.Right, Rank: 2, Falling: true,
			Explain: "Watches whose fd is closed or is another file by now, while a duplicate keeps the watched file open. Unproven ones are not counted."},
		epollUnproven: {Title: "UNPROVEN", Min: 9, Max: 11, Weight: 1, Align: cell.Right, Rank: 4, Falling: true, Hidden: true,
			Explain: "Watches of which it could not be told whether their fd still is the watched file: each may be stale or not. The column is there when there are any."},
		epollAge: {Title: "AGE", Min: 7, Align: cell.Right, Rank: 8, Falling: true,
			Explain: "How old these numbers are. Reading an instance stops the process for that long, so a large one is read seldom (--max-stall). A dash: not read, or the process has ended; the line above its watches says when they were read."},
		epollRead: {Title: "READ", Min: 7, Align: cell.Right, Rank: 9, Falling: true,
			Explain: "How long the last read took: at most that long the instance's lock (ep->mtx) was held, and the process could stand still."},
		epollShared: {Title: "SHARED", Min: 8, Max: 24, Weight: 2, Rank: 10,
			Explain: "Other processes that hold the same instance (kcmp KCMP_FILE), as PID/FD. A ? says that it could not be told; sums may then count it twice."},
	}, keys)
}

// zerosRank is above the rank of every column of the instances.
const zerosRank = 100

// roomForEpolls gives each count as much room as the widest of them takes; columns
// of nothing but zeros go before others where there is too little.
func roomForEpolls(t *table.Model, p *model.Process) {
	for column, count := range map[int]func(*model.Counts) int64{
		epollWatches:   func(c *model.Counts) int64 { return c.Watches },
		epollET:        func(c *model.Counts) int64 { return c.ET },
		epollOneShot:   func(c *model.Counts) int64 { return c.OneShot },
		epollDisarmed:  func(c *model.Counts) int64 { return c.Disarmed },
		epollExclusive: func(c *model.Counts) int64 { return c.Exclusive },
		epollStale:     func(c *model.Counts) int64 { return c.Stale },
		epollUnproven:  func(c *model.Counts) int64 { return c.Unproven },
	} {
		var most int64
		for i := range p.Epolls {
			most = max(most, count(&p.Epolls[i].Counts))
		}
		c := t.Columns()[column]
		rank := c.Rank % zerosRank
		if most == 0 && rank > 0 {
			rank += zerosRank
		}
		t.SetRoom(column, max(len(c.Title)+1, len(units.Count(most))), rank, column == epollUnproven && most == 0)
	}
}

// epollRows are the epoll instances of a process; of one that has ended nothing
// ages any more.
type epollRows struct {
	process *model.Process
	ended   bool
}

func (r epollRows) Len() int { return len(r.process.Epolls) }

func (r epollRows) Row(i int, dst []table.Cell) {
	e := &r.process.Epolls[i]
	dst[epollFD] = table.Cell{Text: strconv.Itoa(e.FD), Role: table.Strong}
	if e.State != model.OK {
		for c := epollWatches; c < epollShared; c++ {
			dst[c] = table.Cell{Text: "–", Role: table.Muted}
		}
		dst[epollWatches] = table.Cell{Text: string(e.State), Role: table.Warn}
		if e.State == model.Absent {
			dst[epollWatches] = table.Cell{Text: "waits", Role: table.Muted}
		}
	} else {
		dst[epollWatches] = table.Cell{Text: units.Count(e.Watches), Role: table.Strong}
		dst[epollET] = view.QuietZero(e.ET, table.Plain)
		dst[epollOneShot] = view.QuietZero(e.OneShot, table.Plain)
		dst[epollDisarmed] = view.QuietZero(e.Disarmed, table.Plain)
		dst[epollExclusive] = view.QuietZero(e.Exclusive, table.Plain)
		dst[epollStale] = view.QuietZero(e.Stale, table.Warn)
		dst[epollUnproven] = view.QuietZero(e.Unproven, table.Warn)
		dst[epollAge] = table.Cell{Text: units.Duration(e.Age.Round(time.Millisecond))}
		if r.ended {
			dst[epollAge] = table.Cell{Text: "–", Role: table.Muted}
		}
		dst[epollRead] = table.Cell{Text: units.Duration(e.ReadTook)}
	}
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
		dst[epollShared] = table.Cell{Text: text}
	case e.SharingUnknown:
		dst[epollShared] = table.Cell{Text: "?", Role: table.Warn}
	default:
		dst[epollShared] = table.Cell{Text: "no", Role: table.Muted}
	}
}

func (r epollRows) Key(i int) table.Key {
	return table.Key{Num: [3]uint64{uint64(r.process.PID), uint64(r.process.Epolls[i].FD)}}
}

func (r epollRows) Compare(column, i, j int) int {
	a, b := &r.process.Epolls[i], &r.process.Epolls[j]
	switch column {
	case epollWatches:
		return view.CompareMaybe(known(a, a.Watches), known(b, b.Watches))
	case epollET:
		return view.CompareMaybe(known(a, a.ET), known(b, b.ET))
	case epollOneShot:
		return view.CompareMaybe(known(a, a.OneShot), known(b, b.OneShot))
	case epollDisarmed:
		return view.CompareMaybe(known(a, a.Disarmed), known(b, b.Disarmed))
	case epollExclusive:
		return view.CompareMaybe(known(a, a.Exclusive), known(b, b.Exclusive))
	case epollStale:
		return view.CompareMaybe(known(a, a.Stale), known(b, b.Stale))
	case epollUnproven:
		return view.CompareMaybe(known(a, a.Unproven), known(b, b.Unproven))
	case epollAge:
		return view.CompareMaybe(known(a, a.Age), known(b, b.Age))
	case epollRead:
		return view.CompareMaybe(known(a, a.ReadTook), known(b, b.ReadTook))
	case epollShared:
		return cmp.Compare(b.SharedCount, a.SharedCount)
	}
	return cmp.Compare(a.FD, b.FD)
}

// known is a value that an instance has only once it was read.
func known[T any](e *model.Epoll, v T) maybe.Of[T] {
	return maybe.Of[T]{Value: v, Known: e.State == model.OK}
}

func (r epollRows) AppendText(dst []byte, i int) []byte {
	e := &r.process.Epolls[i]
	dst = strconv.AppendInt(dst, int64(e.FD), 10)
	dst = append(append(dst, ' '), e.State...)
	if s := sharedWith(e); s != "" {
		dst = append(append(dst, ' '), s...)
	}
	return dst
}
