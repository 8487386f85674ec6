package view

import (
	"strings"
	"time"

	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/ui/draw"
	"github.com/eptop/eptop/internal/units"
)

// Sum writes a sum with its mark: ? where nothing of it is known yet, – where it cannot be
// known.
func Sum(n maybe.Of[int64], write func(int64) string, e *model.Extent) string {
	switch value, ok := n.Get(); {
	case ok:
		return e.Mark() + write(value)
	case e.Pending():
		return "?"
	}
	return "–"
}

// Without says what a sum leaves out, the longest text first; none where it leaves out
// nothing.
func Without(e *model.Extent) []string {
	if len(e.Gaps) == 0 {
		return nil
	}
	short := make([]string, len(e.Gaps))
	for i, g := range e.Gaps {
		short[i] = shortGap(g)
	}
	texts := []string{"without " + strings.Join(e.LeavesOut, ", "), "without " + strings.Join(short, ", ")}
	if more := len(short) - 1; more > 0 {
		texts = append(texts, "without "+short[0]+" and "+units.Many(int64(more), "more gap"), short[0]+", "+units.Many(int64(more), "more gap"))
	}
	texts = append(texts, "incomplete")
	for i := range texts {
		texts[i] = draw.Clean(texts[i])
	}
	return texts
}

// shortGap is a gap in a few words, for a narrow card.
func shortGap(g model.Gap) string {
	words, ok := map[model.GapKind]string{
		model.GapNotListed: "process", model.GapDenied: "hidden process", model.GapFailed: "unreadable process",
		model.GapNotCompared: "epoll fd", model.GapNotRead: "unread instance", model.GapUnread: "unreadable instance",
	}[g.What]
	if !ok || !g.Count.Known {
		return g.String()
	}
	return units.Many(g.Count.Value, words)
}

// HostWatches writes the number of all watches.
func HostWatches(s *model.Snapshot) string {
	return Sum(s.Epoll.Watches, units.Count, &s.Epoll.Extent)
}

// HostInstances writes the number of all epoll instances.
func HostInstances(s *model.Snapshot) string {
	of := s.Epoll.InstancesExtent()
	return Sum(s.Epoll.Instances, units.Count, &of)
}

// short is Sum for a column of a table, where a blank more would be one digit less.
func short(n maybe.Of[int64], write func(int64) string, e *model.Extent) string {
	return strings.Replace(Sum(n, write, e), " ", "", min(1, len(e.Mark())))
}

// WatchesText writes the number of watches of a process.
func WatchesText(p *model.Process) string { return short(p.Watches, units.Count, &p.Extent) }

// InstancesText writes the number of instances of a process.
func InstancesText(p *model.Process) string {
	of := p.InstancesExtent()
	return short(p.Instances, units.Count, &of)
}

// FDsText writes the number of open fds of a process.
func FDsText(p *model.Process) string {
	n, of := p.OpenFDs()
	return short(n, units.Count, &of)
}

// SocketsText writes the number of sockets of a process.
func SocketsText(p *model.Process) string {
	of := p.FilesExtent()
	return short(p.Sockets, units.Count, &of)
}

// WatchBytesText writes the bytes of the watches of a process.
func WatchBytesText(p *model.Process) string {
	of := p.Extent
	of.AtLeast = of.AtLeast || p.KernelBytes.WatchesAtLeast
	return short(p.KernelBytes.Watches, units.Bytes, &of)
}

// TotalText writes the kernel memory of a process.
func TotalText(p *model.Process) string {
	of := model.Extent{AtLeast: p.KernelBytes.AtLeast, AtMost: p.KernelBytes.AtMost, Gaps: p.Gaps}
	return short(p.KernelBytes.Total, units.Bytes, &of)
}

// StructsText writes the bytes of a process's sockets without their buffers.
func StructsText(p *model.Process) string { return socketBytes(p, StructsOf(p)) }

// BuffersText writes the bytes of the buffers of a process's sockets.
func BuffersText(p *model.Process) string { return socketBytes(p, BuffersOf(p)) }

func socketBytes(p *model.Process, n maybe.Of[int64]) string {
	of := p.FilesExtent()
	of.AtLeast = of.AtLeast || p.KernelBytes.SocketsAtLeast
	return short(n, units.Bytes, &of)
}

// Progress says how far a machine has been listed, the longest text first; none where
// every process was.
func Progress(c *model.Coverage) []string {
	if c.Waiting == 0 {
		return nil
	}
	done := units.Count(int64(c.Processes-c.Waiting)) + " of " + units.Many(int64(c.Processes), "process")
	texts := []string{"listed " + done, "listed " + units.Count(int64(c.Processes-c.Waiting)) + " of " + units.Count(int64(c.Processes))}
	if waiting, ok := c.FilesWaiting.Get(); ok {
		files := ", " + units.Short(c.Files) + " of " + units.Short(c.Files+waiting) + " files"
		texts = append([]string{texts[0] + files}, texts...)
	}
	return texts
}

// Old is the age from which on the screen mentions it: numbers of a dashboard are
// otherwise from its last looks.
const Old = 10 * time.Second
