package collect

import (
	"cmp"
	"errors"
	"io/fs"
	"slices"
	"time"

	"github.com/eptop/eptop/internal/epoll"
	"github.com/eptop/eptop/internal/fdinfo"
	"github.com/eptop/eptop/internal/model"
)

// instance is what is remembered of one epoll instance between looks.
type instance struct {
	group      *fdinfo.Instance
	members    []epoll.Holder // the holders that group had last
	holders    []epoll.Holder // the same, the oldest process first
	comparable bool
	watches    []epoll.Watch
	state      model.State
	problem    string
	stale      int // of the watches
	readTook   time.Duration
	readAt     time.Time
	nextRead   time.Time
	// file is kept open for an instance with many watches: reading it again stops its
	// owner only a third as long. via is the holder through whom it was read last.
	file *fdinfo.EpollFile
	via  epoll.Holder
}

// close closes the open file.
func (in *instance) close() {
	if in.file != nil {
		in.file.Close()
		in.file = nil
	}
}

// member is an epoll fd that was compared with the others: its process, which another one
// with the same PID is not.
type member struct {
	of *process
	in *instance
}

// groupTime is the share of a look's budget after which comparing ends.
const groupTime = 0.75

// groupInstances finds out which of the epoll fds are one instance. What is known of
// an instance is kept as long as one of its holders lives.
//
// A new fd takes some log n calls of kcmp(2). The fds of the focused processes come
// first, then those of processes with few epolls; what does not fit into the look waits
// for the next. Those that were compared before are looked at again, in some 2n calls,
// when a process with epolls was listed, at most so often that it takes listShare of the
// time.
func (l procLook) groupInstances() {
	var due []*process
	again := l.regroup
	for _, pid := range l.pids {
		p := l.processes[pid]
		if p == nil {
			continue
		}
		if len(p.listing.Epolls) == 0 {
			p.ungrouped = 0
			continue
		}
		listed := !p.listedAt.Before(l.start)
		again = again || listed && len(l.members) > 0 && !l.start.Before(l.nextGroup)
		if listed || p.ungrouped > 0 {
			due = append(due, p)
		}
	}
	changed := len(due) > 0 || again
	for h, m := range l.members {
		if changed = changed || !l.stillListed(h, m); changed {
			break
		}
	}
	if !changed {
		return
	}
	l.groups.Keep(func(h epoll.Holder) bool { return l.stillListed(h, l.members[h]) })
	if again {
		l.regroup = false
		began := l.now()
		l.groups.Recheck()
		now := l.now()
		l.nextGroup = now.Add(time.Duration(float64(now.Sub(began)) / listShare))
		due = nil
		for _, pid := range l.pids {
			if p := l.processes[pid]; p != nil && len(p.listing.Epolls) > 0 {
				due = append(due, p)
			}
		}
	}
	l.addMembers(due)
	l.adoptGroups()
}

// stillListed reports whether a member's process still is the same and still has the
// epoll, as far as its last listing says.
func (l procLook) stillListed(h epoll.Holder, m member) bool {
	if m.of == nil || l.processes[h.PID] != m.of {
		return false
	}
	_, found := slices.BinarySearch(m.of.listing.Epolls, int32(h.FD))
	return found
}

// addMembers adds the epoll fds of processes to the groups, as far as there is time.
func (l procLook) addMembers(due []*process) {
	in := map[epoll.Holder]bool{}
	for _, g := range l.groups.All() {
		for _, h := range g.Holders {
			in[h] = true
		}
	}
	slices.SortStableFunc(due, func(a, b *process) int {
		if fa, fb := l.isAsked(a), l.isAsked(b); fa != fb {
			if fa {
				return -1
			}
			return 1
		}
		return cmp.Compare(len(a.listing.Epolls), len(b.listing.Epolls))
	})
	compared := 0
	for _, p := range due {
		p.ungrouped = 0
		for _, fd := range p.listing.Epolls {
			h := epoll.Holder{PID: p.pid, FD: int(fd)}
			switch {
			case in[h]:
			case compared > 0 && l.outOfTime(groupTime):
				p.ungrouped++
			default:
				compared++
				if l.groups.Add(h) != nil {
					p.countAt = -1 // it was closed since: the process is to be listed again
				}
			}
		}
	}
}

// adoptGroups makes instances of the groups: those that are known already stay.
func (l procLook) adoptGroups() {
	known := make(map[*fdinfo.Instance]*instance, len(l.instances))
	for _, in := range l.instances {
		known[in.group] = in
	}
	groups := l.groups.All()
	clear(l.members)
	l.instances = make([]*instance, 0, len(groups))
	for _, g := range groups {
		in := known[g]
		if in == nil {
			in = &instance{group: g, state: model.Absent, problem: "waits for its first read"}
		}
		delete(known, g)
		in.comparable = g.Comparable
		if !slices.Equal(in.members, g.Holders) {
			in.members = slices.Clone(g.Holders)
			in.holders = slices.Clone(g.Holders)
			slices.SortFunc(in.holders, func(a, b epoll.Holder) int {
				return cmp.Or(cmp.Compare(l.processes[a.PID].StartTicks, l.processes[b.PID].StartTicks),
					cmp.Compare(a.PID, b.PID), cmp.Compare(a.FD, b.FD))
			})
		}
		for _, h := range g.Holders {
			l.members[h] = member{l.processes[h.PID], in}
		}
		l.instances = append(l.instances, in)
	}
	for _, in := range known {
		in.close()
	}
}

// readInstances reads the watches of the instances that are due: first those of the
// focused processes, then the oldest.
func (l procLook) readInstances() {
	l.openBytes = 0
	for _, in := range l.instances {
		if in.file != nil {
			l.openBytes += in.file.KernelBytes()
		}
	}
	var due []*instance
	for _, in := range l.instances {
		if l.start.Before(in.nextRead) {
			l.sample.Guest.InstancesWaiting++
			continue
		}
		due = append(due, in)
	}
	slices.SortStableFunc(due, func(a, b *instance) int { return cmp.Compare(l.epollsBeside(a), l.epollsBeside(b)) })
	focusedFirst(due, l.focusedInstance, func(in *instance) time.Time { return in.readAt })
	l.others = fdinfo.Others{}
	for i, in := range due {
		if l.focus.Quiet || i > 0 && l.outOfTime(1) {
			l.sample.Guest.InstancesWaiting += len(due) - i
			due = due[:i]
			break
		}
		l.read(in)
		l.sample.Guest.InstancesRead++
	}
	l.doubtStale(due)
	for _, in := range l.instances {
		l.sample.Instances = append(l.sample.Instances, model.InstanceSample{
			Holders: in.holders, SharingKnown: in.comparable, State: in.state, Problem: in.problem,
			List: in.watches, ReadTook: in.readTook, ReadAt: in.readAt, NextRead: in.nextRead,
		})
	}
}

// epollsBeside is how many epolls the first holder's process has: an epoll is read before
// those of a process with thousands.
func (l procLook) epollsBeside(in *instance) int {
	if p := l.processes[in.holders[0].PID]; p != nil {
		return len(p.listing.Epolls)
	}
	return 0
}

func (l procLook) focusedInstance(in *instance) bool {
	return slices.ContainsFunc(in.holders, func(h epoll.Holder) bool { return l.isFocused(h.PID) })
}

// read reads an instance's watches, unless all its holders are gone.
func (l procLook) read(in *instance) {
	watches, stall, err := l.readWatches(in)
	if err == nil && !l.isStillEpoll(in, len(watches)) {
		err = fs.ErrNotExist
	}
	if err == nil {
		stall += l.judge(in, watches, stall)
	}
	// Whatever was asked about a holder is true only if its PID is the same process still.
	if err == nil && slices.ContainsFunc(in.holders, func(h epoll.Holder) bool { return l.isReplaced(h, h == in.via) }) {
		err = fs.ErrNotExist
	}
	in.readAt = l.now()
	if err != nil {
		in.close()
		in.watches, in.stale = nil, 0
		in.state, in.problem = stateOf(err), err.Error()
		if in.state == model.Absent {
			in.problem = "its holders are gone"
		}
	} else {
		in.state, in.problem = model.OK, ""
		l.keep(in, watches)
	}
	in.readTook = stall
	in.nextRead = l.now().Add(time.Duration(float64(stall) / l.opts.MaxStall))
	l.sample.Guest.Stall += stall
}

// isReplaced reports whether the PID of a holder was given to another process since this
// look began; the process of an ended one may have been.
func (l procLook) isReplaced(h epoll.Holder, ended bool) bool {
	p := l.processes[h.PID]
	if p == nil {
		return ended
	}
	st, err := l.fds.StatFDs(p.task)
	if errors.Is(err, fs.ErrNotExist) {
		return ended
	}
	return err == nil && st.Ino != p.dirIno && !l.sameProcess(p)
}

// isStillEpoll reports whether the fds of an instance are that epoll still: a number
// can be closed and opened as something else without a change in the count of fds.
func (l procLook) isStillEpoll(in *instance, watches int) bool {
	via := l.at(in.holders[0])
	if watches == 0 {
		// The fdinfo of any other file has no watches either.
		if kind, err := l.fds.KindOf(via.PID, via.FD); err != nil || kind != epoll.KindEpoll {
			if p := l.processes[in.holders[0].PID]; p != nil {
				p.countAt, p.nextList = -1, time.Time{} // to be listed again
			}
			return false
		}
	}
	if len(in.holders) > 1 && in.comparable {
		order, err := l.fds.Compare(via, l.at(in.holders[1]))
		l.regroup = l.regroup || err == nil && order != fdinfo.Equal
	}
	return true
}

// readWatches reads through the file that is open, or else through the first of the
// holders that is still there.
func (l procLook) readWatches(in *instance) (watches []epoll.Watch, stall time.Duration, err error) {
	if in.file != nil {
		if slices.Contains(in.holders, in.via) {
			watches, stall, err = l.reader.ReadFile(in.file, l.scratch[:0])
			if !errors.Is(err, fs.ErrNotExist) {
				return watches, stall, err
			}
		}
		in.close()
	}
	err = fs.ErrNotExist
	for _, h := range in.holders {
		var took time.Duration
		watches, took, err = l.readHolder(in, h)
		stall += took
		if !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	return watches, stall, err
}

func (l procLook) readHolder(in *instance, h epoll.Holder) (watches []epoll.Watch, took time.Duration, err error) {
	at := l.at(h)
	file, err := l.fds.OpenEpoll(at.PID, at.FD)
	if err != nil {
		return nil, 0, err
	}
	in.via = h
	watches, took, err = l.reader.ReadFile(file, l.scratch[:0])
	if err == nil && len(watches) >= keepOpenWatches && l.openBytes+file.KernelBytes() <= maxOpenBytes && hasRoom() {
		l.openBytes += file.KernelBytes()
		in.file = file
		return watches, took, nil
	}
	file.Close()
	return watches, took, err
}

// keepOpenWatches is from how many watches on a file is kept open: there it begins to
// matter. maxOpenBytes bounds the buffers that the kernel holds for all of these
// files.
const (
	keepOpenWatches = 256
	maxOpenBytes    = 16 << 20
)

// judge finds out which watches are stale. The lock is held for that too, so judging
// gets no more time than the read took.
func (l procLook) judge(in *instance, watches []epoll.Watch, read time.Duration) time.Duration {
	views := make([]fdinfo.View, 0, len(in.holders))
	for _, h := range in.holders {
		v := fdinfo.View{Holder: l.at(h)}
		if p := l.processes[h.PID]; p != nil && p.state == model.OK {
			v.FDs = &p.listing
		}
		views = append(views, v)
	}
	stats := l.fds.JudgeShared(views, l.everybody(), watches, max(read, time.Millisecond))
	in.stale = stats.Stale
	return stats.Took
}

// everybody returns the tables of files of all processes: each may have added watches to
// an epoll that it has closed since.
func (l procLook) everybody() fdinfo.Others {
	if len(l.others.Tables) > 0 {
		return l.others
	}
	l.others = fdinfo.Others{Everybody: l.seesEverybody()}
	for _, p := range l.processes {
		if p.state == model.OK && len(p.listing.FDs) > 0 {
			l.others.Tables = append(l.others.Tables, fdinfo.View{Holder: epoll.Holder{PID: p.task}, FDs: &p.listing})
		}
	}
	return l.others
}

// seesEverybody reports whether the files of all processes that may hold an epoll are
// known. The host's init is taken not to: it passes none to what it starts, and where
// eptop may not look into it (which root may, as a rule) nothing could be proven.
func (l procLook) seesEverybody() bool {
	c := l.coverage()
	denied := c.Denied
	const initial = 1
	if p := l.processes[initial]; p != nil && p.state == model.Denied && !c.PIDNamespace {
		denied--
	}
	// Nobody compares the threads of a captured tree, which is taken for whole.
	threads := l.live && c.ThreadsUnchecked > 0
	return c.Waiting+denied+c.Failed == 0 && !threads && !c.HidePID && !c.PIDNamespace
}

// doubtStale looks at the processes that began after this look did. What they have open
// may be what a watch was added under: those that look stale are judged again then.
func (l procLook) doubtStale(read []*instance) {
	read = slices.DeleteFunc(read, func(in *instance) bool { return in.stale == 0 })
	if len(read) == 0 || !l.live {
		return
	}
	late := l.lateTables()
	for _, in := range read {
		if l.others.Everybody && !slices.ContainsFunc(in.watches, func(w epoll.Watch) bool {
			return w.Link == epoll.Stale && slices.ContainsFunc(late, func(v fdinfo.View) bool {
				_, found := v.FDs.Find(w.TFD)
				return found || v.FDs.Truncated
			})
		}) {
			continue
		}
		watches := slices.Clone(in.watches) // the last Sample may have them
		l.sample.Guest.Stall += l.judge(in, watches, in.readTook)
		in.watches = watches
	}
}

// lateTables adds to everybody who began after this look did, and returns them.
func (l procLook) lateTables() []fdinfo.View {
	pids, err := l.fds.PIDs(nil)
	if err != nil {
		l.others.Everybody = false
		return nil
	}
	before := len(l.others.Tables)
	for _, pid := range pids {
		if _, known := slices.BinarySearch(l.seen, pid); known {
			continue
		}
		listing, err := l.fds.List(pid, l.opts.MaxFDs, fdinfo.Listing{})
		switch {
		case errors.Is(err, fs.ErrNotExist): // it has ended again
		case err != nil:
			l.others.Everybody = false
		default:
			l.sample.Guest.FDsListed += len(listing.FDs)
			l.others.Tables = append(l.others.Tables, fdinfo.View{Holder: epoll.Holder{PID: pid}, FDs: &listing})
		}
	}
	return l.others.Tables[before:]
}

// keep stores watches. The watches of idle connections are the same as last time; the
// old ones are kept then, which leaves nothing for the garbage collector.
func (l procLook) keep(in *instance, watches []epoll.Watch) {
	if slices.Equal(watches, in.watches) && in.watches != nil {
		l.scratch = watches
		return
	}
	in.watches = slices.Clone(watches)
	l.scratch = watches
	if cap(l.scratch) > keepScratch {
		l.scratch = nil
	}
}

// keepScratch bounds the buffer that is kept between looks, in watches.
const keepScratch = 1 << 14
