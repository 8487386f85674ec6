package view

import (
	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/units"
)

// Gap counts the epoll instances that a sum leaves out because their watches are not known:
// Waiting have not been read yet, Failed could not be read.
type Gap struct{ Waiting, Failed int }

// GapOf returns what the sums of a process leave out. Two fds of one instance count once.
func GapOf(p *model.Process) Gap { return Gap{Waiting: p.Waiting, Failed: p.Unread - p.Waiting} }

// HostGap returns what the sums over the whole host leave out.
func HostGap(s *model.Snapshot) Gap {
	return Gap{Waiting: s.Epoll.Waiting, Failed: s.Epoll.Unread - s.Epoll.Waiting}
}

// Any reports whether the sum leaves out anything.
func (g Gap) Any() bool { return g.Waiting+g.Failed > 0 }

// Words describe the gap, the longest text first.
func (g Gap) Words() []string {
	without := "without " + units.Count(int64(g.Waiting+g.Failed))
	switch {
	case g.Failed == 0:
		return []string{"without " + units.Many(int64(g.Waiting), "instance") + " not read yet", without + " not read yet", without}
	case g.Waiting == 0:
		return []string{"without " + units.Many(int64(g.Failed), "instance") + " that could not be read", without + " that could not be read", without}
	}
	failed, waiting := units.Count(int64(g.Failed)), units.Count(int64(g.Waiting))
	return []string{"without " + failed + " that could not be read and " + waiting + " not read yet", without + " not read", without}
}

// WatchesOf returns the number of watches of a process as far as it is known. It is absent
// where none of its instances was read.
func WatchesOf(p *model.Process) maybe.Of[int64] {
	return maybe.When(p.Watches, !allUnread(p))
}

// allUnread reports whether no watch of the process is known.
func allUnread(p *model.Process) bool { return p.Unread > 0 && p.Unread >= p.Instances }

// SumText writes a sum over the instances of a process: ? where none was read, a + where
// some were not, – where the sum is not known for another reason.
func SumText(p *model.Process, text string, known bool) string {
	switch {
	case allUnread(p):
		return "?"
	case !known:
		return "–"
	case p.Unread > 0:
		return text + "+"
	}
	return text
}

// WatchesText writes the number of watches, with a + if an instance is missing from it, or
// ? if all are.
func WatchesText(p *model.Process) string { return SumText(p, units.Count(p.Watches), true) }

// WatchBytesText writes the bytes of the watches, like WatchesText.
func WatchBytesText(p *model.Process) string {
	n, ok := p.KernelBytes.Watches.Get()
	return SumText(p, units.Bytes(n), ok)
}

// TotalText writes the kernel memory of a process, with a + if a part is missing from it,
// or ? if it is not known because of unread watches.
func TotalText(p *model.Process) string {
	n, ok := p.KernelBytes.Total.Get()
	switch {
	case !ok && p.Unread > 0:
		return "?"
	case !ok:
		return "–"
	case len(p.KernelBytes.LeavesOut) > 0 || p.Unread > 0:
		return units.Bytes(n) + "+"
	}
	return units.Bytes(n)
}

// HostUnread reports whether no watch of the host is known.
func HostUnread(s *model.Snapshot) bool {
	return s.Epoll.Unread > 0 && s.Epoll.Unread >= s.Epoll.Instances
}

// HostWatches writes the number of all watches: ≥ where instances are missing
// from it, ? where all are.
func HostWatches(s *model.Snapshot) string { return AtLeast(s, units.Count(s.Epoll.Watches)) }

// AtLeast marks a sum over the watches of the host like HostWatches.
func AtLeast(s *model.Snapshot, text string) string {
	switch {
	case HostUnread(s):
		return "?"
	case s.Epoll.Unread > 0:
		return "≥ " + text
	}
	return text
}
