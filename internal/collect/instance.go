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

// holderKey names an fd of a process beyond the reuse of its PID.
type holderKey struct {
	pid        int
	startTicks uint64
	fd         int32
}

// instance is what is remembered of one epoll instance between looks.
type instance struct {
	holders    []epoll.Holder // the oldest process first
	comparable bool
	watches    []epoll.Watch
	state      model.State
	problem    string
	readTook   time.Duration
	readAt     time.Time
	nextRead   time.Time
	// file is kept open for an instance with many watches: reading it again stops its
	// owner only a third as long. via is the holder whose file it is.
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

// groupInstances finds out which of the epoll fds are one instance. What is known of
// an instance is kept as long as one of its holders lives.
//
// Grouping takes some n log n calls of kcmp(2), so with thousands of epolls the next
// grouping waits in proportion to what the last one took; a new holder appears only
// then.
func (l procLook) groupInstances() {
	if !l.regroup && (l.start.Before(l.nextGroup) || !l.holdersChanged()) {
		return
	}
	l.regroup = false
	began := l.now()
	set := l.fds.NewInstances()
	for _, pid := range l.pids {
		p := l.processes[pid]
		if p == nil {
			continue
		}
		for _, fd := range p.listing.Epolls {
			// An error means that the fd is gone, or that it may not be compared; then it
			// could not be read either.
			_ = set.Add(epoll.Holder{PID: pid, FD: int(fd)})
		}
	}
	groups := set.All()
	known, before := l.byHolder, l.instances
	l.byHolder = make(map[holderKey]*instance, len(known))
	l.instances = make([]*instance, 0, len(groups))
	for i := range groups {
		l.instances = append(l.instances, l.adopt(&groups[i], known))
	}
	kept := make(map[*instance]bool, len(l.instances))
	for _, in := range l.instances {
		kept[in] = true
	}
	for _, in := range before {
		if !kept[in] {
			in.close()
		}
	}
	now := l.now()
	l.nextGroup = now.Add(time.Duration(float64(now.Sub(began)) / listShare))
}

// holdersChanged reports whether a process that holds or held epolls was listed
// in this look, or has ended.
func (l procLook) holdersChanged() bool {
	for _, pid := range l.pids {
		p := l.processes[pid]
		if p != nil && len(p.listing.Epolls) > 0 && !p.listedAt.Before(l.start) {
			return true
		}
	}
	for key := range l.byHolder {
		p := l.processes[key.pid]
		if p == nil || p.startTicks != key.startTicks {
			return true
		}
		if _, found := slices.BinarySearch(p.listing.Epolls, key.fd); !found {
			return true
		}
	}
	return false
}

// adopt turns a group of holders into an instance: a known one, where a holder already
// belonged to it, or else a new one.
func (l procLook) adopt(g *fdinfo.Instance, known map[holderKey]*instance) *instance {
	holders := slices.Clone(g.Holders)
	slices.SortFunc(holders, func(a, b epoll.Holder) int {
		return cmp.Or(cmp.Compare(l.processes[a.PID].startTicks, l.processes[b.PID].startTicks),
			cmp.Compare(a.PID, b.PID), cmp.Compare(a.FD, b.FD))
	})
	var in *instance
	for _, h := range holders {
		if in = known[l.key(h)]; in != nil {
			break
		}
	}
	if in == nil {
		in = &instance{state: model.Absent, problem: "waits for its first read"}
	}
	// Where one instance was found to be two, only the first group may claim what was
	// known of it.
	for _, h := range in.holders {
		delete(known, l.key(h))
	}
	in.holders, in.comparable = holders, g.Comparable
	for _, h := range holders {
		l.byHolder[l.key(h)] = in
	}
	return in
}

func (l procLook) key(h epoll.Holder) holderKey {
	key := holderKey{pid: h.PID, fd: int32(h.FD)}
	if p := l.processes[h.PID]; p != nil {
		key.startTicks = p.startTicks
	}
	return key
}

// readInstances reads the watches of the instances that are due: first those of the
// focused processes, then the oldest.
func (l procLook) readInstances() {
	l.instances = slices.DeleteFunc(l.instances, l.hasEnded)
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
	focusedFirst(due, l.focusedInstance, func(in *instance) time.Time { return in.readAt })
	for i, in := range due {
		if l.focus.Quiet || i > 0 && l.outOfTime(1) {
			l.sample.Guest.InstancesWaiting += len(due) - i
			break
		}
		l.read(in)
		l.sample.Guest.InstancesRead++
	}
	for _, in := range l.instances {
		l.sample.Instances = append(l.sample.Instances, model.InstanceSample{
			Holders: in.holders, SharingKnown: in.comparable, State: in.state, Problem: in.problem,
			List: in.watches, ReadTook: in.readTook, ReadAt: in.readAt, NextRead: in.nextRead,
		})
	}
}

// hasEnded reports whether the processes of all holders are gone, and closes what was
// kept open for the instance.
func (l procLook) hasEnded(in *instance) bool {
	for _, h := range in.holders {
		if l.processes[h.PID] != nil && l.byHolder[l.key(h)] == in {
			return false
		}
	}
	in.close()
	return true
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
	in.readAt = l.now()
	if err != nil {
		in.close()
		in.watches = nil
		in.state, in.problem = stateOf(err), err.Error()
		if in.state == model.Absent {
			in.problem = "its holders are gone"
		}
	} else {
		stall += l.judge(in, watches, stall)
		in.state, in.problem = model.OK, ""
		l.keep(in, watches)
	}
	in.readTook = stall
	in.nextRead = l.now().Add(time.Duration(float64(stall) / l.opts.MaxStall))
	l.sample.Guest.Stall += stall
}

// isStillEpoll reports whether the fds of an instance are that epoll still: a number
// can be closed and opened as something else without a change in the count of fds.
func (l procLook) isStillEpoll(in *instance, watches int) bool {
	via := in.holders[0]
	if watches == 0 {
		// The fdinfo of any other file has no watches either.
		if kind, err := l.fds.KindOf(via.PID, via.FD); err != nil || kind != epoll.KindEpoll {
			if p := l.processes[via.PID]; p != nil {
				p.listed = false // to be listed again
			}
			return false
		}
	}
	if len(in.holders) > 1 && in.comparable {
		order, err := l.fds.Compare(in.holders[0], in.holders[1])
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
	file, err := l.fds.OpenEpoll(h.PID, h.FD)
	if err != nil {
		return nil, 0, err
	}
	watches, took, err = l.reader.ReadFile(file, l.scratch[:0])
	if err == nil && len(watches) >= keepOpenWatches && l.openBytes+file.KernelBytes() <= maxOpenBytes && hasRoom() {
		l.openBytes += file.KernelBytes()
		in.file, in.via = file, h
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
		v := fdinfo.View{Holder: h}
		if p := l.processes[h.PID]; p != nil && p.listed && !p.denied {
			v.FDs = &p.listing
		}
		views = append(views, v)
	}
	return l.fds.JudgeShared(views, watches, max(read, time.Millisecond)).Took
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
