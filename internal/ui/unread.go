package ui

import (
	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/units"
)

// gap is how many instances a sum leaves out because their watches are not known:
// those that wait for their first read, and those that could not be read.
type gap struct{ waiting, failed int }

// gapOf is what a process's sums leave out. Two fds of one instance are one.
func gapOf(p *model.Process) gap {
	var g gap
	for i := range p.Epolls {
		if e := &p.Epolls[i]; e.State == model.Absent && firstHolder(p.PID, e, true) {
			g.waiting++
		}
	}
	return g.of(p.Unread)
}

// hostGap is what the sums over the whole host leave out.
func hostGap(s *model.Snapshot) gap {
	var g gap
	if s.Epoll.Unread == 0 {
		return g
	}
	for i := range s.Processes {
		p := &s.Processes[i]
		for j := range p.Epolls {
			if e := &p.Epolls[j]; e.State == model.Absent && firstHolder(p.PID, e, false) {
				g.waiting++
			}
		}
	}
	return g.of(s.Epoll.Unread)
}

// of makes of the instances found waiting a gap of n in all.
func (g gap) of(n int) gap {
	g.waiting = min(g.waiting, n)
	g.failed = n - g.waiting
	return g
}

func (g gap) any() bool { return g.waiting+g.failed > 0 }

// words name the gap, the longest first.
func (g gap) words() []string {
	without := "without " + units.Count(int64(g.waiting+g.failed))
	switch {
	case g.failed == 0:
		return []string{"without " + units.Many(int64(g.waiting), "instance") + " not read yet", without + " not read yet", without}
	case g.waiting == 0:
		return []string{"without " + units.Many(int64(g.failed), "instance") + " that could not be read", without + " that could not be read", without}
	}
	failed, waiting := units.Count(int64(g.failed)), units.Count(int64(g.waiting))
	return []string{"without " + failed + " that could not be read and " + waiting + " not read yet", without + " not read", without}
}

// firstHolder reports whether an fd of an instance is the first of those that hold
// it, to count the instance once: of one process's (within) or of all.
func firstHolder(pid int, e *model.Epoll, within bool) bool {
	for _, h := range e.SharedWith {
		if h.PID == pid && h.FD < e.FD || !within && h.PID < pid {
			return false
		}
	}
	return true
}

// watchesOf is the number of watches of a process as far as it is known; absent
// where none of its instances was read.
func watchesOf(p *model.Process) maybe.Of[int64] {
	return maybe.Of[int64]{Value: p.Watches, Known: !allUnread(p)}
}

// allUnread: nothing is known of any watch of the process.
func allUnread(p *model.Process) bool { return p.Unread > 0 && p.Unread >= p.Instances }

// sumText writes a sum over a process's instances: ? where none was read, + where
// some were not, – where it is not known for another reason.
func sumText(p *model.Process, text string, known bool) string {
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

// watchesText is the number of watches, with + when an instance is missing from
// it, or ? when all are.
func watchesText(p *model.Process) string { return sumText(p, units.Count(p.Watches), true) }

// watchBytesText is what they take, likewise.
func watchBytesText(p *model.Process) string {
	n, ok := p.KernelBytes.Watches.Get()
	return sumText(p, units.Bytes(n), ok)
}

// totalText is the kernel memory of a process, with + when a part is missing from
// it, or ? when it is not known because of unread watches.
func totalText(p *model.Process) string {
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
func hostUnread(s *model.Snapshot) bool {
	return s.Epoll.Unread > 0 && s.Epoll.Unread >= s.Epoll.Instances
}

// hostWatches writes the number of all watches: ≥ where instances are missing
// from it, ? where all are.
func hostWatches(s *model.Snapshot) string { return atLeast(s, units.Count(s.Epoll.Watches)) }

// atLeast marks a sum over the watches of the host.
func atLeast(s *model.Snapshot, text string) string {
	switch {
	case hostUnread(s):
		return "?"
	case s.Epoll.Unread > 0:
		return "≥ " + text
	}
	return text
}
