package processes

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/ui/cell"
	"github.com/eptop/eptop/internal/ui/table"
	"github.com/eptop/eptop/internal/ui/view"
	"github.com/eptop/eptop/internal/units"
)

// The columns of the Processes view.
const (
	procPID = iota
	procUser
	procEpolls
	procWatches
	procET
	procOneShot
	procStale
	procFDs
	procSockets
	procStructs
	procBuffers
	procMemory
	procAge
	procCommand
	procNotes
)

func newProcessTable(keys table.Keys) *table.Model {
	t := table.New([]table.Column{
		procPID:  {Title: "PID", Min: 7, Align: cell.Right, Explain: "The process as this PID namespace numbers it."},
		procUser: {Title: "USER", Min: 8, Max: 14, Weight: 1, Rank: 4, Explain: "The effective user of the process. Its epolls need not be charged to that user: Enter shows whom."},
		procEpolls: {Title: "EPOLLS", Min: 7, Align: cell.Right, Rank: 3, Falling: true,
			Explain: "Distinct epoll instances behind its fds: two fds of one instance are one. An instance that other processes hold too is in each one's count; NOTES says shared."},
		procWatches: {Title: "WATCHES", Min: 10, Align: cell.Right, Falling: true,
			Explain: "The tfd: lines of its instances in /proc/PID/fdinfo (ep_show_fdinfo in fs/eventpoll.c). A + says that an instance was not read (yet), here and in the other sums; a ? that none was."},
		procET: {Title: "ET%", Min: 4, Align: cell.Right, Rank: 6, Falling: true,
			Explain: "The share of its watches that are edge-triggered (EPOLLET), of those that were read; ? where none was."},
		procOneShot: {Title: "ONESHOT", Min: 8, Align: cell.Right, Rank: 9, Falling: true,
			Explain: "Watches with EPOLLONESHOT: they report once and then wait to be armed again. How many are disarmed, Enter shows."},
		procStale: {Title: "STALE", Min: 6, Align: cell.Right, Rank: 5, Falling: true,
			Explain: "Watches whose fd is closed or is another file by now, while a duplicate keeps the watched file open (epoll(7) Q6). They go on reporting events for an fd that is gone. Unproven ones are not counted."},
		procFDs: {Title: "FDS", Min: 10, Align: cell.Right, Rank: 8, Falling: true,
			Explain: "Open file descriptors: the size of /proc/PID/fd since Linux 6.2, a listing before. ! says that it nears the soft RLIMIT_NOFILE, where accept fails with EMFILE. A dash: it may not be listed."},
		procSockets: {Title: "SOCKETS", Min: 10, Align: cell.Right, Rank: 7, Falling: true,
			Explain: "Its fds that are sockets of any family, watched or not, as of the last listing of its fds."},
		procStructs: {Title: "STRUCTS", Min: 8, Align: cell.Right, Rank: 3, Falling: true,
			Explain: "Kernel memory of its sockets themselves, by kind and state: sock, inode, file, dentry, security blobs and the bind buckets of its own, without buffers. A socket that another process holds too is in both. A dash: not looked at, or its size here is not known."},
		procBuffers: {Title: "BUFFERS", Min: 8, Align: cell.Right, Rank: 7, Falling: true,
			Explain: "What SKMEMINFO says of its sockets' buffers: unread, unacknowledged, charged ahead, backlog and options. A dash: not looked at, or the kernel told of none of them."},
		procMemory: {Title: "WATCH-MEM", Min: 10, Align: cell.Right, Rank: 2, Falling: true,
			Explain: "Kernel memory of its watches: their number times what one takes on this kernel. It leaves out the instances themselves and what is watched."},
		procAge: {Title: "AGE", Min: 7, Align: cell.Right, Rank: 10, Falling: true,
			Explain: "How old the oldest of its watch lists is. Reading a list stops the process for that long, so large ones are read seldom (--max-stall)."},
		procCommand: {Title: "COMMAND", Min: 11, Max: 40, Weight: 2, Rank: 1,
			Explain: "The name the process gives itself (/proc/PID/comm), at most 15 bytes."},
		procNotes: {Title: "NOTES", Min: 8, Weight: 3, Rank: 11,
			Explain: "shared: another process holds one of its instances too. not read yet: so many instances wait for their turn. could not be read: Enter says why. The numbers of neither are known, and no sum has them."},
	}, keys)
	t.SetOrder(procWatches, true)
	return t
}

// processRows are the processes of a snapshot.
type processRows struct{ snap *model.Snapshot }

func (r processRows) at(i int) *model.Process { return &r.snap.Processes[i] }

func (r processRows) Len() int { return len(r.snap.Processes) }

func (r processRows) Row(i int, dst []table.Cell) {
	p := r.at(i)
	sum := sumCounts(p)
	dst[procPID] = table.Cell{Text: strconv.Itoa(p.PID)}
	dst[procUser] = table.Cell{Text: p.User, Role: table.Muted}
	dst[procEpolls] = table.Cell{Text: units.Count(int64(p.Instances))}
	dst[procWatches] = table.Cell{Text: view.WatchesText(p), Role: table.Strong}
	dst[procET] = view.ETCell(p)
	dst[procOneShot] = sumCell(p, sum.OneShot, table.Plain)
	dst[procStale] = sumCell(p, sum.Stale, table.Warn)
	dst[procFDs] = table.Cell{Text: view.CountOrDash(p.FDs)}
	if share, ok := view.NofileShare(p).Get(); ok {
		dst[procFDs].Role = view.LimitRole(share)
		if dst[procFDs].Role != table.Plain {
			dst[procFDs].Text = "! " + dst[procFDs].Text
		}
	}
	dst[procSockets] = table.Cell{Text: view.CountOrDash(p.Sockets)}
	dst[procStructs] = table.Cell{Text: view.BytesOrDash(view.StructsOf(p))}
	dst[procBuffers] = view.MaybeBytes(view.BuffersOf(p), table.Plain)
	dst[procMemory] = table.Cell{Text: view.WatchBytesText(p)}
	dst[procAge] = table.Cell{Text: "–", Role: table.Muted}
	if age, ok := oldest(p); ok {
		dst[procAge].Text = units.Duration(age.Round(time.Millisecond))
	}
	dst[procCommand] = table.Cell{Text: p.Comm}
	dst[procNotes] = table.Cell{Text: processNotes(p), Role: table.Warn}
	if p.Problem == "" && p.Unread == 0 {
		dst[procNotes].Role = table.Muted
	}
}

// sumCell is quietZero for a sum over the instances of a process.
func sumCell(p *model.Process, n int64, role table.Role) table.Cell {
	if p.Unread == 0 || n > 0 {
		c := view.QuietZero(n, role)
		c.Text = view.SumText(p, c.Text, true)
		return c
	}
	return table.Cell{Text: "?", Role: table.Muted}
}

// sumCounts adds up the counts of all instances of a process.
func sumCounts(p *model.Process) (sum model.Counts) {
	for i := range p.Epolls {
		c := &p.Epolls[i].Counts
		sum.OneShot += c.OneShot
		sum.Disarmed += c.Disarmed
		sum.Stale += c.Stale
		sum.Exclusive += c.Exclusive
	}
	return sum
}

// oldest is the age of the oldest watch list of a process.
func oldest(p *model.Process) (age time.Duration, ok bool) {
	for i := range p.Epolls {
		if e := &p.Epolls[i]; e.State == model.OK {
			age, ok = max(age, e.Age), true
		}
	}
	return age, ok
}

func processNotes(p *model.Process) string {
	var notes []string
	if slices.ContainsFunc(p.Epolls, func(e model.Epoll) bool { return e.SharedCount > 0 }) {
		notes = append(notes, "shared")
	}
	g := view.GapOf(p)
	if g.Failed > 0 {
		notes = append(notes, strconv.Itoa(g.Failed)+" could not be read")
	}
	if g.Waiting > 0 {
		notes = append(notes, strconv.Itoa(g.Waiting)+" not read yet")
	}
	if p.Problem != "" {
		notes = append(notes, p.Problem)
	}
	return strings.Join(notes, ", ")
}

func (r processRows) Key(i int) table.Key {
	p := r.at(i)
	return table.Key{Num: [3]uint64{uint64(p.PID), uint64(p.Started.UnixNano())}}
}

func (r processRows) Compare(column, i, j int) int {
	a, b := r.at(i), r.at(j)
	switch column {
	case procUser:
		return cmp.Compare(a.User, b.User)
	case procEpolls:
		return cmp.Compare(a.Instances, b.Instances)
	case procWatches:
		return view.CompareMaybe(view.WatchesOf(a), view.WatchesOf(b))
	case procET:
		return view.CompareMaybe(view.ETShare(a), view.ETShare(b))
	case procOneShot:
		return cmp.Compare(sumCounts(a).OneShot, sumCounts(b).OneShot)
	case procStale:
		return cmp.Compare(sumCounts(a).Stale, sumCounts(b).Stale)
	case procFDs:
		return view.CompareMaybe(a.FDs, b.FDs)
	case procSockets:
		return view.CompareMaybe(a.Sockets, b.Sockets)
	case procStructs:
		return view.CompareMaybe(view.StructsOf(a), view.StructsOf(b))
	case procBuffers:
		return view.CompareMaybe(view.BuffersOf(a), view.BuffersOf(b))
	case procMemory:
		return view.CompareMaybe(a.KernelBytes.Watches, b.KernelBytes.Watches)
	case procAge:
		x, _ := oldest(a)
		y, _ := oldest(b)
		return cmp.Compare(x, y)
	case procCommand:
		return cmp.Compare(a.Comm, b.Comm)
	case procNotes:
		return cmp.Compare(processNotes(a), processNotes(b))
	}
	return cmp.Compare(a.PID, b.PID)
}

func (r processRows) AppendText(dst []byte, i int) []byte {
	p := r.at(i)
	dst = strconv.AppendInt(dst, int64(p.PID), 10)
	for _, s := range []string{p.User, p.Comm, processNotes(p)} {
		dst = append(append(dst, ' '), s...)
	}
	return dst
}
