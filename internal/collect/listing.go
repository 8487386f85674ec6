package collect

import (
	"cmp"
	"errors"
	"io/fs"
	"slices"
	"time"

	"github.com/eptop/eptop/internal/fdinfo"
	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/model"
)

const (
	// listShare is the share of wall time that listing one process may take.
	listShare = 0.01
	// perFD is what listing takes for each fd, about: enough to see that a process does
	// not fit into a look.
	perFD = 4 * time.Microsecond
	// Of a look's budget, what is known to be cheap is listed again within the first
	// share, and listing ends with the second. The rest is for grouping and reading.
	againTime, listTime = 0.25, 0.5
)

// isDue reports whether a process's fds should be listed in this look.
func (l procLook) isDue(p *process) bool {
	switch {
	case p.Kernel:
		return false
	case p.state == model.Absent:
		return true
	case l.start.Before(p.mayList()):
		return false
	case l.focus.Fresh, l.start.Sub(p.listedAt) >= l.opts.Sweep:
		return true
	}
	n, ok := p.count.Get()
	return ok && n != p.countAt && p.state != model.Denied
}

// mayList is when a process may be listed again. One that has closed most of its fds is
// cheap to list by now, whatever the last listing took.
func (p *process) mayList() time.Time {
	if n, ok := p.count.Get(); ok {
		if cheap := p.listedAt.Add(waitFor(time.Duration(n) * perFD)); cheap.Before(p.nextList) {
			return cheap
		}
	}
	return p.nextList
}

// waitFor returns how long a process is left alone for a listing that takes so long.
func waitFor(cost time.Duration) time.Duration { return time.Duration(float64(cost) / listShare) }

// cost is what listing a process again is expected to take.
func (p *process) cost() time.Duration {
	if n, ok := p.count.Get(); ok {
		return min(p.listing.Took, time.Duration(n)*perFD)
	}
	return p.listing.Took
}

// waiting returns the processes that were never listed and have at least so many fds, as
// far as is known; the smallest first, and those without an fd last.
func (l procLook) waiting(least int64) []*process {
	var w []*process
	for _, pid := range l.pids {
		p := l.processes[pid]
		if p == nil || p.Kernel || p.state != model.Absent {
			continue
		}
		if !p.count.Known && !p.identified {
			// Only the size of its table says how large it is. Whatever goes wrong here
			// does so again when it is listed.
			_ = l.identify(p)
		}
		if p.size() >= least {
			w = append(w, p)
		}
	}
	slices.SortStableFunc(w, func(a, b *process) int {
		if empty := a.empty() - b.empty(); empty != 0 {
			return empty
		}
		return cmp.Compare(a.size(), b.size())
	})
	return w
}

// empty is 1 for a process that is known to have no fd: a kernel thread as a rule.
func (p *process) empty() int {
	if p.count == maybe.Some[int64](0) {
		return 1
	}
	return 0
}

// listFDs lists the fds of the processes that are due, in this order:
//
//   - the focused ones;
//   - those that were listed before, the oldest first, as far as they are cheap;
//   - those that never were, the smallest first, so that most of them are there early.
//     Whatever the time, one is listed in each look, and one that has waited since an
//     earlier look;
//   - the others that were listed before; one in any case where nothing else was.
func (l procLook) listFDs() {
	var focused, again, costly []*process
	for _, pid := range l.pids {
		p := l.processes[pid]
		switch {
		case p == nil || !l.isDue(p):
		case l.isAsked(p):
			focused = append(focused, p)
		case p.state != model.Absent:
			again = append(again, p)
		}
	}
	if l.focus.Quiet {
		l.sample.Guest.ListingsWaiting += len(focused) + len(again) + len(l.waiting(1))
		return
	}
	listed := 0
	list := func(p *process) {
		l.list(p)
		listed++
	}
	for _, p := range focused {
		switch {
		case listed == 0 || !l.outOfTime(listTime):
			list(p)
		case p.state != model.Absent:
			costly = append(costly, p)
		}
	}
	slices.SortStableFunc(again, func(a, b *process) int { return a.listedAt.Compare(b.listedAt) })
	for _, p := range again {
		if l.fits(p.cost(), againTime) {
			list(p)
		} else {
			costly = append(costly, p)
		}
	}
	listed += l.listWaiting()
	for i, p := range costly {
		if listed > 0 && l.outOfTime(listTime) {
			l.sample.Guest.ListingsWaiting += len(costly) - i
			return
		}
		list(p)
	}
}

// listWaiting lists processes that never were, and returns how many.
func (l procLook) listWaiting() int {
	listed := 0
	var oldest *process
	left := l.waiting(0)
	for ; len(left) > 0; left = left[1:] {
		p := left[0]
		if cost := time.Duration(p.size()) * perFD; listed > 0 && !l.fits(cost, listTime) {
			break
		}
		if p.since.Before(l.start) {
			oldest = p
		}
		l.list(p)
		listed++
	}
	had := oldest != nil
	for _, p := range left {
		if p.empty() == 1 {
			break
		}
		l.sample.Guest.ListingsWaiting++
		if !had && p.since.Before(l.start) && (oldest == nil || p.since.Before(oldest.since)) {
			oldest = p
		}
	}
	if !had && oldest != nil {
		l.list(oldest)
		l.sample.Guest.ListingsWaiting--
		listed++
	}
	return listed
}

// fits reports whether something that takes so long ends within a share of the look's
// budget.
func (l *look) fits(cost time.Duration, share float64) bool {
	return l.budget == 0 || l.now().Sub(l.start)+cost <= time.Duration(share*float64(l.budget))
}

// list lists the fds of one process and notes what that cost.
func (l procLook) list(p *process) {
	listing, err := l.listInto(p, l.scratchFDs)
	now := l.now()
	l.keepListing(p, listing)
	if dir := listing.Dir; dir.Ino != 0 {
		p.dirIno, p.count = dir.Ino, maybe.When(int64(dir.Count.Value), dir.Count.Known)
	}
	p.listedAt, p.countAt = now, p.count.Value
	p.nextList = now.Add(waitFor(listing.Took))
	p.state, p.problem = stateOf(err), ""
	l.sample.Guest.FDsListed += len(listing.FDs)
	switch p.state {
	case model.OK:
		return
	case model.Denied:
		p.problem = "its fds may not be listed by this user"
	case model.Absent:
		delete(l.processes, p.pid) // it has ended
		return
	default:
		p.problem = err.Error()
	}
	p.listing = fdinfo.Listing{Took: listing.Took}
}

// listInto finds out who a process is and lists its fds: of the same process, whoever
// has its PID afterwards.
func (l procLook) listInto(p *process, reuse fdinfo.Listing) (fdinfo.Listing, error) {
	empty := fdinfo.Listing{FDs: reuse.FDs[:0], Epolls: reuse.Epolls[:0]}
	dir, err := l.fds.Open(p.pid)
	if err != nil {
		return empty, err
	}
	defer dir.Close()
	err = l.identifyIn(p, dir)
	p.task = p.pid
	switch {
	case p.Kernel:
		return empty, err
	case err == nil && p.Ended && p.Threads > 1:
		tid, found := l.livingThread(dir, p.pid)
		if !found {
			break
		}
		thread, err := l.fds.Open(tid)
		if err != nil {
			return empty, err
		}
		defer thread.Close()
		who, err := thread.Identity()
		if err != nil {
			return empty, err
		}
		p.task = tid
		p.UID, p.RealUID, p.FDSize, p.Nofile = who.UID, who.RealUID, who.FDSize, who.Nofile
		dir = thread
	}
	p.tablesDue = p.Threads > 1 && p.threadOf == 0
	listing, listErr := dir.List(l.opts.MaxFDs, reuse)
	switch {
	case listErr != nil:
		return listing, listErr
	case errors.Is(err, fs.ErrNotExist) && l.live:
		return listing, err
	}
	return listing, nil
}

// keepListing stores a listing. The last Sample refers to the fds of the listing
// before, which therefore stay unchanged. Most processes have the same fds again; the
// old ones are kept then, which leaves nothing for the garbage collector.
func (l procLook) keepListing(p *process, listing fdinfo.Listing) {
	l.scratchFDs = listing
	switch large := cap(listing.FDs) > keepScratch; {
	case slices.Equal(listing.FDs, p.listing.FDs):
		listing.FDs, listing.Epolls = p.listing.FDs, p.listing.Epolls
		if large {
			l.scratchFDs = fdinfo.Listing{}
		}
	case large:
		l.scratchFDs = fdinfo.Listing{}
	default:
		listing.FDs, listing.Epolls = slices.Clone(listing.FDs), slices.Clone(listing.Epolls)
	}
	p.listing = listing
}
