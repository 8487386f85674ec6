package overview

import (
	"cmp"
	"strconv"

	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/ui/cell"
	"github.com/eptop/eptop/internal/ui/table"
	"github.com/eptop/eptop/internal/ui/view"
	"github.com/eptop/eptop/internal/units"
)

// The columns of the Overview's table.
const (
	topPIDColumn = iota
	topUser
	topEpolls
	topWatches
	topET
	topSockets
	topFDs
	topNofile
	topStructs
	topBuffers
	topWatchBytes
	topTotal
	topCommand
)

// newTopTable is the table of the processes with most watches.
func newTopTable(keys table.Keys) *table.Model {
	t := table.New([]table.Column{
		topPIDColumn: {Title: "PID", Min: 7, Align: cell.Right, Explain: "The process, as this PID namespace numbers it."},
		topUser:      {Title: "USER", Min: 8, Max: 14, Weight: 1, Rank: 5, Explain: "The effective user of the process, who need not be the one its epolls are charged to."},
		topEpolls: {Title: "EPOLLS", Min: 6, Align: cell.Right, Rank: 6, Falling: true,
			Explain: "Distinct epoll instances among its fds: two fds of one instance are one. An instance shared with other processes is in each one's count."},
		topWatches: {Title: "WATCHES", Min: 10, Align: cell.Right, Falling: true,
			Explain: "The tfd: lines of its instances (ep_show_fdinfo in fs/eventpoll.c). + says that some instance was not read (yet), ? that none was."},
		topET: {Title: "ET%", Min: 4, Align: cell.Right, Rank: 8, Falling: true,
			Explain: "The share of watches that are edge-triggered (EPOLLET), of those that were read; ? where none was."},
		topSockets: {Title: "SOCKETS", Min: 9, Align: cell.Right, Rank: 3, Falling: true,
			Explain: "The fds that are sockets, of any family, watched or not. Absent where the fds may not be listed."},
		topFDs: {Title: "FDS", Min: 10, Align: cell.Right, Rank: 9, Falling: true,
			Explain: "Open file descriptors: the size of /proc/PID/fd since Linux 6.2, a listing of it before. Absent where it may not be listed."},
		topNofile: {Title: "NOFILE", Min: 7, Align: cell.Right, Rank: 10, Falling: true,
			Explain: "FDS as a share of the soft RLIMIT_NOFILE (/proc/PID/limits): at 100 % accept fails with EMFILE."},
		topStructs: {Title: "STRUCTS", Min: 8, Align: cell.Right, Rank: 7, Falling: true,
			Explain: "Kernel memory of its sockets themselves, by kind and state: sock, inode, file, dentry, security blobs and the bind buckets of its own, without buffers. A socket that another process holds too is in both."},
		topBuffers: {Title: "BUFFERS", Min: 8, Align: cell.Right, Rank: 8, Falling: true,
			Explain: "What SKMEMINFO says of its sockets' buffers: unread, unacknowledged, charged ahead, backlog and options. A dash: not looked at, or the kernel told of none of them."},
		topWatchBytes: {Title: "W-BYTES", Min: 9, Align: cell.Right, Rank: 11, Falling: true,
			Explain: "Kernel memory of its watches: WATCHES times what a watch takes on this kernel. + and ? as there."},
		topTotal: {Title: "TOTAL", Min: 9, Align: cell.Right, Rank: 4, Falling: true,
			Explain: "Kernel memory of its sockets, their buffers, its watches and epoll instances, as far as each is known; + says that a part is missing, and Enter which. It leaves out all of its own memory."},
		topCommand: {Title: "COMMAND", Min: 10, Max: 60, Weight: 3, Rank: 1, Explain: "The process's own name for itself (/proc/PID/comm), at most 15 bytes."},
	}, keys)
	t.SetOrder(topWatches, true)
	return t
}

// topRows are the processes of a snapshot as rows.
type topRows struct{ snap *model.Snapshot }

func (r topRows) Len() int { return len(r.snap.Processes) }

func (r topRows) Row(i int, dst []table.Cell) {
	p := &r.snap.Processes[i]
	dst[topPIDColumn] = table.Cell{Text: strconv.Itoa(p.PID)}
	dst[topUser] = table.Cell{Text: p.User, Role: table.Muted}
	dst[topEpolls] = table.Cell{Text: units.Count(int64(p.Instances))}
	dst[topWatches] = table.Cell{Text: view.WatchesText(p), Role: table.Strong}
	dst[topET] = view.ETCell(p)
	dst[topSockets] = table.Cell{Text: view.CountOrDash(p.Sockets)}
	dst[topStructs] = table.Cell{Text: view.BytesOrDash(view.StructsOf(p))}
	dst[topBuffers] = view.MaybeBytes(view.BuffersOf(p), table.Plain)
	dst[topFDs] = table.Cell{Text: view.CountOrDash(p.FDs)}
	dst[topNofile] = table.Cell{Text: "–", Role: table.Muted}
	if share, ok := view.NofileShare(p).Get(); ok {
		dst[topNofile] = table.Cell{Text: units.Percent(share), Role: view.LimitRole(share)}
	}
	dst[topWatchBytes] = table.Cell{Text: view.WatchBytesText(p)}
	dst[topTotal] = table.Cell{Text: view.TotalText(p), Role: table.Strong}
	dst[topCommand] = table.Cell{Text: p.Comm}
	if p.Problem != "" {
		dst[topCommand] = table.Cell{Text: p.Comm + " ✗ " + p.Problem, Role: table.Warn}
	}
}

func (r topRows) Key(i int) table.Key {
	p := &r.snap.Processes[i]
	return table.Key{Num: [3]uint64{uint64(p.PID), uint64(p.Started.UnixNano())}}
}

func (r topRows) Compare(column, i, j int) int {
	a, b := &r.snap.Processes[i], &r.snap.Processes[j]
	switch column {
	case topUser:
		return cmp.Compare(a.User, b.User)
	case topEpolls:
		return cmp.Compare(a.Instances, b.Instances)
	case topWatches:
		return view.CompareMaybe(view.WatchesOf(a), view.WatchesOf(b))
	case topET:
		return view.CompareMaybe(view.ETShare(a), view.ETShare(b))
	case topSockets:
		return view.CompareMaybe(a.Sockets, b.Sockets)
	case topStructs:
		return view.CompareMaybe(view.StructsOf(a), view.StructsOf(b))
	case topBuffers:
		return view.CompareMaybe(view.BuffersOf(a), view.BuffersOf(b))
	case topFDs:
		return view.CompareMaybe(a.FDs, b.FDs)
	case topNofile:
		return view.CompareMaybe(view.NofileShare(a), view.NofileShare(b))
	case topWatchBytes:
		return view.CompareMaybe(a.KernelBytes.Watches, b.KernelBytes.Watches)
	case topTotal:
		return view.CompareMaybe(a.KernelBytes.Total, b.KernelBytes.Total)
	case topCommand:
		return cmp.Compare(a.Comm, b.Comm)
	}
	return cmp.Compare(a.PID, b.PID)
}

func (r topRows) AppendText(dst []byte, i int) []byte {
	p := &r.snap.Processes[i]
	dst = strconv.AppendInt(dst, int64(p.PID), 10)
	dst = append(append(dst, ' '), p.User...)
	return append(append(dst, ' '), p.Comm...)
}
