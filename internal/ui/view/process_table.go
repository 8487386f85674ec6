package view

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/ui/cell"
	"github.com/eptop/eptop/internal/ui/table"
	"github.com/eptop/eptop/internal/units"
)

// ProcessField is a column of a table of processes.
type ProcessField = table.Field[*model.Process]

// ProcessFields are the columns of processes that a table takes, in its order. Each use
// says which, how wide and how dear the column is to that table; the rest of a column,
// its explanation, its cells and its order, is the same wherever it stands.
func ProcessFields(uses []table.Column) []ProcessField {
	fields := make([]ProcessField, len(uses))
	for i, use := range uses {
		at := slices.IndexFunc(processFields, func(f ProcessField) bool { return f.Title == use.Title })
		if at < 0 {
			panic("no column of processes " + use.Title)
		}
		f := processFields[at]
		use.Align, use.Falling, use.Explain = f.Align, f.Falling, f.Explain
		f.Column = use
		fields[i] = f
	}
	return fields
}

// ProcessRows are the processes of a snapshot as rows of such a table.
func ProcessRows(s *model.Snapshot, fields []ProcessField) *table.List[*model.Process] {
	return &table.List[*model.Process]{
		Fields: fields, Count: len(s.Processes), At: func(i int) *model.Process { return &s.Processes[i] },
		KeyOf: func(p *model.Process) table.Key {
			return table.Key{Num: [3]uint64{uint64(p.PID), uint64(p.Started.UnixNano())}}
		},
		Search: func(dst []byte, p *model.Process) []byte {
			dst = strconv.AppendInt(dst, int64(p.PID), 10)
			for _, s := range []string{p.User, CommandText(p), processNotes(p)} {
				dst = append(append(dst, ' '), s...)
			}
			return dst
		},
	}
}

// by orders processes by a value.
func by[T cmp.Ordered](value func(*model.Process) T) func(a, b *model.Process) int {
	return func(a, b *model.Process) int { return cmp.Compare(value(a), value(b)) }
}

// byMaybe orders processes by a value that may be absent.
func byMaybe[T cmp.Ordered](value func(*model.Process) maybe.Of[T]) func(a, b *model.Process) int {
	return func(a, b *model.Process) int { return maybe.Compare(value(a), value(b)) }
}

// processFields are all columns there are.
var processFields = []ProcessField{
	{
		Column: table.Column{Title: "PID", Align: cell.Right,
			Explain: "The process as this PID namespace numbers it."},
		Show: func(p *model.Process) table.Cell { return table.Cell{Text: strconv.Itoa(p.PID)} }, Compare: by(func(p *model.Process) int { return p.PID }),
	},
	{
		Column: table.Column{Title: "USER",
			Explain: "The effective user of the process. Its epolls need not be charged to that user: Enter shows whom."},
		Show: func(p *model.Process) table.Cell { return table.Cell{Text: cmp.Or(p.User, "?"), Role: table.Muted} }, Compare: by(func(p *model.Process) string { return p.User }),
	},
	{
		Column: table.Column{Title: "EPOLLS", Align: cell.Right, Falling: true,
			Explain: "Distinct epoll instances behind its fds: two fds of one instance are one. An instance that other processes hold too is in each one's count; NOTES says shared."},
		Show: func(p *model.Process) table.Cell { return table.Cell{Text: InstancesText(p)} }, Compare: byMaybe(func(p *model.Process) maybe.Of[int64] { return p.Instances }),
	},
	{
		Column: table.Column{Title: "WATCHES", Align: cell.Right, Falling: true,
			Explain: "The tfd: lines of its instances in /proc/PID/fdinfo (ep_show_fdinfo in fs/eventpoll.c). ≥ says that a part of it is not known, here and in the other sums; ? that it is not known yet, – that it cannot be."},
		Show: func(p *model.Process) table.Cell { return table.Cell{Text: WatchesText(p), Role: table.Strong} }, Compare: byMaybe(func(p *model.Process) maybe.Of[int64] { return p.Watches }),
	},
	{
		Column: table.Column{Title: "ET%", Align: cell.Right, Falling: true,
			Explain: "The share of its watches that are edge-triggered (EPOLLET), of those that were read; ? where none was."},
		Show: func(p *model.Process) table.Cell { return etCell(p) }, Compare: byMaybe(etShare),
	},
	{
		Column: table.Column{Title: "ONESHOT", Align: cell.Right, Falling: true,
			Explain: "Watches with EPOLLONESHOT: they report once and then wait to be armed again. How many are disarmed, Enter shows."},
		Show: func(p *model.Process) table.Cell {
			return sumCell(p, sumOf(p, func(c *model.Counts) int64 { return c.OneShot }), table.Plain)
		}, Compare: by(func(p *model.Process) int64 { return sumOf(p, func(c *model.Counts) int64 { return c.OneShot }) }),
	},
	{
		Column: table.Column{Title: "STALE", Align: cell.Right, Falling: true,
			Explain: "Watches whose fd is closed or is another file by now, while a duplicate keeps the watched file open (epoll(7) Q6). They go on reporting events for an fd that is gone. Unproven ones are not counted."},
		Show: func(p *model.Process) table.Cell {
			return sumCell(p, sumOf(p, func(c *model.Counts) int64 { return c.Stale }), table.Warn)
		}, Compare: by(func(p *model.Process) int64 { return sumOf(p, func(c *model.Counts) int64 { return c.Stale }) }),
	},
	{
		Column: table.Column{Title: "FDS", Align: cell.Right, Falling: true,
			Explain: "Open file descriptors: the size of /proc/PID/fd since Linux 6.2, a listing before. ! says that it nears the soft RLIMIT_NOFILE, where accept fails with EMFILE. A dash: it may not be listed."},
		Show: func(p *model.Process) table.Cell { return fdsCell(p) }, Compare: byMaybe(func(p *model.Process) maybe.Of[int64] { n, _ := p.OpenFDs(); return n }),
	},
	{
		Column: table.Column{Title: "Δ/min", Align: cell.Right, Falling: true,
			Explain: "How many open files (connections among them) more it has than a minute ago, or than when eptop first saw it where that is less; ? in the first seconds. The kernel counts them, so that what eptop has not listed yet is no growth."},
		Show: func(p *model.Process) table.Cell { return growthCell(p) }, Compare: byMaybe(func(p *model.Process) maybe.Of[float64] { return p.FDsPerMinute }),
	},
	{
		Column: table.Column{Title: "10 MIN", Align: cell.Right,
			Explain: "Its open files over the last ten minutes, or as long as eptop has looked: from the fewest (the lowest line) to the most (a full block), but over at least ten files and a tenth, so that a server at rest is flat. One look in 15 s is kept, and a cell is the highest of those it stands for."},
		Show: func(p *model.Process) table.Cell {
			return table.Cell{Text: trendText(p, trendWidth), Role: table.Accent}
		}, Compare: byMaybe(func(p *model.Process) maybe.Of[float64] { return p.FDsPerMinute }),
	},
	{
		Column: table.Column{Title: "NOFILE", Align: cell.Right, Falling: true,
			Explain: "FDS as a share of the soft RLIMIT_NOFILE (/proc/PID/limits): at 100 % accept fails with EMFILE."},
		Show: func(p *model.Process) table.Cell { return nofileCell(p) }, Compare: byMaybe((*model.Process).NofileShare),
	},
	{
		Column: table.Column{Title: "SOCKETS", Align: cell.Right, Falling: true,
			Explain: "Its fds that are sockets of any family, watched or not, as of the last listing of its fds."},
		Show: func(p *model.Process) table.Cell { return table.Cell{Text: SocketsText(p)} }, Compare: byMaybe(func(p *model.Process) maybe.Of[int64] { return p.Sockets }),
	},
	{
		Column: table.Column{Title: "CLOSE_WAIT", Align: cell.Right, Falling: true,
			Explain: "Its sockets whose other end has closed, and that it has not closed: each keeps its memory and its fd until it does. A ! says that no epoll watches some of them: these are forgotten. Enter, v lists them. The column is there when there are any."},
		Show: closeWaitCell, Compare: by(func(p *model.Process) int64 { n, _ := p.StateSockets(closeWait); return n }),
	},
	{
		Column: table.Column{Title: "STRUCTS", Align: cell.Right, Falling: true,
			Explain: "Kernel memory of its sockets themselves, by kind and state: sock, inode, file, dentry, security blobs and the bind buckets of its own, without buffers. A socket that another process holds too is in both. A dash: not looked at, or its size here is not known."},
		Show: func(p *model.Process) table.Cell { return table.Cell{Text: StructsText(p)} }, Compare: byMaybe(StructsOf),
	},
	{
		Column: table.Column{Title: "BUFFERS", Align: cell.Right, Falling: true,
			Explain: "What SKMEMINFO says of its sockets' buffers: unread, unacknowledged, charged ahead, backlog and options. A dash: not looked at, or the kernel reported none of them."},
		Show: func(p *model.Process) table.Cell { return table.Cell{Text: BuffersText(p)} }, Compare: byMaybe(BuffersOf),
	},
	{
		Column: table.Column{Title: "WATCH-MEM", Align: cell.Right, Falling: true,
			Explain: "Kernel memory of its watches: their number times what one takes on this kernel. It leaves out the instances themselves and what is watched."},
		Show: func(p *model.Process) table.Cell { return table.Cell{Text: WatchBytesText(p)} }, Compare: byMaybe(func(p *model.Process) maybe.Of[int64] { return p.KernelBytes.Watches }),
	},
	{
		Column: table.Column{Title: "TOTAL", Align: cell.Right, Falling: true,
			Explain: "Kernel memory of its sockets, their buffers, its watches and epoll instances, as far as each is known; ≥ says that a part is missing, and Enter which. It leaves out all of its own memory."},
		Show: func(p *model.Process) table.Cell { return table.Cell{Text: TotalText(p), Role: table.Strong} }, Compare: byMaybe(func(p *model.Process) maybe.Of[int64] { return p.KernelBytes.Total }),
	},
	{
		Column: table.Column{Title: "AGE", Align: cell.Right, Falling: true,
			Explain: "How old the oldest of its watch lists is. Reading a list stops the process for that long, so large ones are read seldom (--max-stall)."},
		Show: func(p *model.Process) table.Cell { return ageCell(p) }, Compare: by(func(p *model.Process) time.Duration { return oldest(p).Value }),
	},
	{
		Column: table.Column{Title: "COMMAND",
			Explain: "Its name (/proc/PID/comm, at most 15 bytes) and the beginning of its command line (/proc/PID/cmdline), of which the directories of the program are left out."},
		Show: func(p *model.Process) table.Cell { return table.Cell{Text: CommandText(p)} }, Compare: by(func(p *model.Process) string { return p.Comm }),
	},
	{
		Column: table.Column{Title: "NOTES",
			Explain: "shared: another process holds one of its instances too. not listed yet, not read yet: they wait for their turn, the smallest first. could not be read: Enter says why. What is not known is in no sum."},
		Show: func(p *model.Process) table.Cell { return notesCell(p) }, Compare: by(processNotes),
	},
}

// closeWait is the state of a socket that waits to be closed.
const closeWait = "CLOSE_WAIT"

func closeWaitCell(p *model.Process) table.Cell {
	n, unwatched := p.StateSockets(closeWait)
	switch {
	case n == 0 && p.States == nil && p.Sockets != maybe.Some[int64](0):
		return table.Cell{Text: "–", Role: table.Muted} // no list has its sockets
	case unwatched > 0:
		return table.Cell{Text: "! " + units.Count(n), Role: table.Warn}
	}
	return QuietZero(n, table.Plain)
}

func fdsCell(p *model.Process) table.Cell {
	c := table.Cell{Text: FDsText(p)}
	if share, ok := p.NofileShare().Get(); ok {
		if c.Role = LimitRole(share); c.Role != table.Plain {
			c.Text = "! " + c.Text
		}
	}
	return c
}

func nofileCell(p *model.Process) table.Cell {
	share, ok := p.NofileShare().Get()
	if !ok {
		return table.Cell{Text: "–", Role: table.Muted}
	}
	return table.Cell{Text: units.Percent(share), Role: LimitRole(share)}
}

func ageCell(p *model.Process) table.Cell {
	age, ok := oldest(p).Get()
	if !ok {
		return table.Cell{Text: "–", Role: table.Muted}
	}
	return table.Cell{Text: units.Duration(age.Round(time.Millisecond)), Role: table.Muted}
}

func notesCell(p *model.Process) table.Cell {
	c := table.Cell{Text: processNotes(p), Role: table.Warn}
	if p.Problem == "" && !p.AtLeast {
		c.Role = table.Muted
	}
	return c
}

// sumCell is QuietZero for a sum over the watches of a process.
func sumCell(p *model.Process, n int64, role table.Role) table.Cell {
	if !p.Watches.Known || p.AtLeast && n == 0 {
		return table.Cell{Text: Sum(maybe.Of[int64]{}, units.Count, &p.Extent), Role: table.Muted}
	}
	c := QuietZero(n, role)
	c.Text = strings.TrimSpace(p.Mark()) + c.Text
	return c
}

// sumOf adds up a count of all instances of a process.
func sumOf(p *model.Process, count func(*model.Counts) int64) (sum int64) {
	for i := range p.Epolls {
		sum += count(&p.Epolls[i].Counts)
	}
	return sum
}

// oldest is the age of the oldest watch list of a process; absent where none was read.
func oldest(p *model.Process) (age maybe.Of[time.Duration]) {
	for i := range p.Epolls {
		if e := &p.Epolls[i]; e.State == model.OK {
			age = maybe.Some(max(age.Value, e.Age))
		}
	}
	return age
}

// processNotes says what is remarkable about a process.
func processNotes(p *model.Process) string {
	var notes []string
	if slices.ContainsFunc(p.Epolls, func(e model.Epoll) bool { return e.SharedCount > 0 }) {
		notes = append(notes, "shared")
	}
	for _, gap := range p.Gaps {
		switch gap.What {
		case model.GapNotListed:
			notes = append(notes, "not listed yet")
		case model.GapDenied, model.GapFailed: // the problem says it
		case model.GapNotRead:
			notes = append(notes, units.Count(gap.Count.Value)+" not read yet")
		case model.GapUnread:
			notes = append(notes, units.Count(gap.Count.Value)+" could not be read")
		default:
			notes = append(notes, gap.String())
		}
	}
	if p.Problem != "" {
		notes = append(notes, p.Problem)
	}
	return strings.Join(notes, ", ")
}

// etCell writes etShare.
func etCell(p *model.Process) table.Cell {
	share, ok := etShare(p).Get()
	if ok {
		return table.Cell{Text: strconv.Itoa(int(share*100 + 0.5))}
	}
	return table.Cell{Text: Sum(maybe.Of[int64]{}, units.Count, &p.Extent), Role: table.Muted}
}

// etShare is the share of a process's watches that are edge-triggered, of those
// that were read; absent where there are none.
func etShare(p *model.Process) maybe.Of[float64] {
	var et, all int64
	for i := range p.Epolls {
		et += p.Epolls[i].ET
		all += p.Epolls[i].Watches
	}
	if all == 0 {
		return maybe.Of[float64]{}
	}
	return maybe.Some(float64(et) / float64(all))
}
