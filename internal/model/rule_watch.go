package model

import (
	"fmt"
	"slices"

	"github.com/eptop/eptop/internal/epoll"
	"github.com/eptop/eptop/internal/units"
)

// watchRules are about the watches of one epoll instance.
func watchRules() []Rule {
	return []Rule{
		{
			ID: "EP101", Name: "stale-watch", Title: "stale watches", Severity: SeverityWarn, Looks: 2, judge: judgeStale,
			What: "A watch whose descriptor is closed, or is another file by now, in every process that holds the epoll; or one that the process which made the epoll has closed while a child keeps it open.",
			Why: "The kernel removes a watch when the last reference to the open file goes. As long as a duplicate lives (a dup, a child after fork, a descriptor in flight in a UNIX socket) epoll_wait reports events of a descriptor " +
				"that the program has closed or given to another connection, and nobody can remove the watch through it any more.",
			FalseAlarm: "A program that passes descriptors on, and recognises late events by epoll_data, may live with it. A child that holds the epoll may have added the watch itself.",
			Cure:       "EPOLL_CTL_DEL before close. Open descriptors with O_CLOEXEC or SOCK_CLOEXEC, so that children do not inherit them.",
		},
	}
}

// staleWatches are those of one instance.
type staleWatches struct {
	in *InstanceSample
	// closedHere: the maker of the epoll has closed the descriptor, and another holder has it still.
	// unheld are watches of files that no process holds.
	closed, closedHere, unheld int64
	marks                      []uint64
	first                      *epoll.Watch
	inodes                     []uint64
	nameless                   bool // one has no inode of its own
}

func judgeStale(r *ruling) verdict {
	if why := r.noInstances(); why != "" {
		return unjudged(why)
	}
	var all []staleWatches
	var unproven int64
	r.instances(func(in *InstanceSample) {
		s := staleWatches{in: in}
		counts := r.countsOf(in)
		if r.isAsked(in) {
			unproven += counts.Unproven
		}
		if counts.Stale > 0 {
			for i := range in.List {
				if in.List[i].Link == epoll.Stale {
					s.closed++
					s.add(&in.List[i])
				}
			}
		}
		r.closedHere(&s)
		s.unheld = in.Kernel.Value.Unheld.Value
		if s.first != nil || s.unheld > 0 {
			all = append(all, s)
		}
	})
	keepers := map[uint64][]epoll.Holder{}
	for i := range all {
		for _, ino := range all[i].inodes {
			keepers[ino] = nil
		}
	}
	r.findHolders(keepers)
	if len(all) == 0 && unproven > 0 {
		return verdict{unjudged: fmt.Sprintf("whether the descriptors of %s are open still is not proven", watchCount(unproven)), passing: r.mayProve()}
	}
	var v verdict
	for i := range all {
		v.sightings = append(v.sightings, r.stale(&all[i], keepers))
	}
	return v
}

// isAsked reports whether an instance is in the scope of the looks: a process that was
// asked for holds it, or nobody was.
func (r *ruling) isAsked(in *InstanceSample) bool {
	return len(r.sample.Asked) == 0 || slices.ContainsFunc(in.Holders, func(h epoll.Holder) bool { return slices.Contains(r.sample.Asked, h.PID) })
}

// mayProve reports whether a further look may prove more: processes that begin and end
// are seen then. The host's init, which nobody may look into in some containers, hides no watch.
func (r *ruling) mayProve() bool {
	c := &r.sample.Coverage
	return c.Denied <= 1 && !c.HidePID && !c.PIDNamespace
}

// add takes in a watch.
func (s *staleWatches) add(w *epoll.Watch) {
	if s.first == nil {
		s.first = w
	}
	s.marks = marked(s.marks, watchMark(w))
	switch {
	case !w.HasInode || w.Kind != epoll.KindSocket && w.Kind != epoll.KindPipe:
		s.nameless = true
	case len(s.inodes) < maxMarks:
		s.inodes = append(s.inodes, w.Ino)
	}
}

// closedHere adds the sockets that the maker of a shared epoll has closed and another
// holder has open.
func (r *ruling) closedHere(s *staleWatches) {
	maker := r.processes[s.in.Holders[0].PID]
	if maker == nil || maker.Truncated {
		return
	}
	files, listed := maker.Files.Get()
	var others [][]epoll.FD
	for _, h := range s.in.Holders {
		if p := r.processes[h.PID]; p != nil && p.PID != maker.PID && p.Files.Known {
			others = append(others, p.Files.Value)
		}
	}
	if !listed || len(others) == 0 {
		return
	}
	for i := range s.in.List {
		w := &s.in.List[i]
		if w.Link != epoll.Current || w.Kind != epoll.KindSocket || !w.HasInode || isOpen(files, w) {
			continue
		}
		if slices.ContainsFunc(others, func(files []epoll.FD) bool { return isOpen(files, w) }) {
			s.closedHere++
			s.add(w)
		}
	}
}

// isOpen reports whether the socket of a watch is open under its number.
func isOpen(files []epoll.FD, w *epoll.Watch) bool {
	at, open := slices.BinarySearchFunc(files, w.TFD, func(fd epoll.FD, n int32) int { return int(fd.Num) - int(n) })
	return open && files[at].Kind == epoll.KindSocket && files[at].Ino == w.Ino
}

func (r *ruling) stale(s *staleWatches, keepers map[uint64][]epoll.Holder) sighting {
	n := s.closed + s.closedHere
	out := sighting{site: r.in(s.in), count: n + s.unheld, certain: s.closedHere+s.unheld == 0, at: s.in.ReadAt, marks: s.marks}
	if s.unheld > 0 {
		out.marks = nil // nobody names them
		out.text = fmt.Sprintf("%s of files that no process holds: in flight in a UNIX socket, or of io_uring", watchCount(s.unheld))
		if n == 0 {
			return out
		}
	}
	out.fd.Value, out.fd.Known = int(s.first.TFD), true
	what := " of a closed descriptor"
	if n != 1 {
		what = " of closed descriptors"
	}
	if s.closed == 0 {
		what += " that a child has open"
	}
	text := fmt.Sprintf("%s%s, %s", watchCount(n), what, r.keptBy(s, keepers))
	if out.text != "" {
		text += "; " + out.text
	}
	out.text = text
	out.detail = r.watchText(s.first)
	return out
}

// keptBy says who keeps the files of stale watches open.
func (r *ruling) keptBy(s *staleWatches, keepers map[uint64][]epoll.Holder) string {
	var names []string
	seen := map[epoll.Holder]bool{}
	unheld := 0
	for _, ino := range s.inodes {
		if len(keepers[ino]) == 0 {
			unheld++
		}
		for _, h := range keepers[ino] {
			if !seen[h] {
				seen[h] = true
				names = append(names, fmt.Sprintf("%s fd %d", processName(h.PID, r.comm(h.PID)), h.FD))
			}
		}
	}
	switch {
	case len(names) > 0:
		return "kept open by " + some(names, int64(len(names)))
	case unheld > 0 && r.sample.Coverage.everybody():
		return "kept open by no process: in flight in a UNIX socket, or held by the kernel (io_uring)"
	case unheld > 0:
		return "kept open by a process that was not looked into, or in flight in a UNIX socket"
	}
	return "kept open by a duplicate that /proc does not name"
}

// everybody reports whether all processes and threads were listed in full.
func (c *Coverage) everybody() bool {
	return c.Waiting+c.Denied+c.Failed+c.Cut+c.ThreadsUnchecked == 0 && !c.HidePID && !c.PIDNamespace
}

// watchCount is a number of watches in words.
func watchCount(n int64) string {
	if n == 1 {
		return "1 watch"
	}
	return units.Count(n) + " watches"
}
