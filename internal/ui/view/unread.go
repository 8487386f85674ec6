package view

import (
	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/units"
)

// Gap is how many instances a sum leaves out because their watches are not known:
// those that wait for their first read, and those that could not be read.
type Gap struct{ Waiting, Failed int }

// GapOf is what a process's sums leave out. Two fds of one instance are one.
func GapOf(p *model.Process) Gap { return Gap{Waiting: p.Waiting, Failed: p.Unread - p.Waiting} }

// HostGap is what the sums over the whole host leave out.
func HostGap(s *model.Snapshot) Gap {
	return Gap{Waiting: s.Epoll.Waiting, Failed: s.Epoll.Unread - s.Epoll.Waiting}
}

// Any reports whether the sum leaves out anything.
func (g Gap) Any() bool { return g.Waiting+g.Failed > 0 }

// Words name the gap, the longest first.
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

// WatchesOf is the number of watches of a process as far as it is known; absent
// where none of its instances was read.
func WatchesOf(p *model.Process) maybe.Of[int64] {
	return maybe.When(p.Watches, !allUnread(p))
}

// allUnread: nothing is known of any watch of the process.
func allUnread(p *model.Process) bool { return p.Unread > 0 && p.Unread >= p.Instances }

// SumText writes a sum over a process's instances: ? where none was read, + where
// some were not, – where it is not known for another reason.
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

// WatchesText is the number of watches, with + when an instance is missing from
// it, or ? when all are.
func WatchesText(p *model.Process) string { return SumText(p, units.Count(p.Watches), true) }

// WatchBytesText is what they take, likewise.
func WatchBytesText(p *model.Process) string {
	n, ok := p.KernelBytes.Watches.Get()
	return SumText(p, units.Bytes(n), ok)
}

// TotalText is the kernel memory of a process, with + when a part is missing from
// it, or ? when it is not known because of unread watches.
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

// hostUnread: nothing is known of any watch of the host.
func HostUnread(s *model.Snapshot) bool {
	return s.Epoll.Unread > 0 && s.Epoll.Unread >= s.Epoll.Instances
}

// HostWatches writes the number of all watches: ≥ where instances are missing
// from it, ? where all are.
func HostWatches(s *model.Snapshot) string { return AtLeast(s, units.Count(s.Epoll.Watches)) }

// AtLeast marks a sum over the watches of the host.
func AtLeast(s *model.Snapshot, text string) string {
	switch {
	case HostUnread(s):
		return "?"
	case s.Epoll.Unread > 0:
		return "≥ " + text
	}
	return text
}
