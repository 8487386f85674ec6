package collect

import (
	"errors"
	"io/fs"
	"slices"

	"github.com/eptop/eptop/internal/epoll"
	"github.com/eptop/eptop/internal/fdinfo"
	"github.com/eptop/eptop/internal/model"
)

// The threads of a process share its table of files as a rule. Two sorts do not show in
// /proc/PID/fd: those that live on where the main thread has ended, and those that have
// made a table of their own (unshare(2) with CLONE_FILES).

// maxTableThreads bounds the threads that one look compares: the kernel makes a proc
// inode and a dentry for each.
const maxTableThreads = 1 << 15

// tablesTime is the share of a look's budget after which no more threads are compared.
const tablesTime = 0.6

// findTables compares the threads of the processes that were listed with their main
// thread, in this look or a later one. A thread with a table of its own is listed like a
// process.
func (l procLook) findTables() {
	if l.focus.Quiet {
		return
	}
	left := maxTableThreads
	for _, pid := range slices.Clone(l.pids) {
		p := l.processes[pid]
		if p == nil || !p.tablesDue || p.threadOf != 0 {
			continue
		}
		if left != maxTableThreads && (left < p.Threads || l.outOfTime(tablesTime)) {
			break
		}
		left -= p.Threads
		l.compareTables(p)
	}
}

// compareTables finds out whether all threads of a process share one table.
func (l procLook) compareTables(p *process) { l.tablesBy(p, l.fds.CompareTables) }

func (l procLook) tablesBy(p *process, compare func(a, b epoll.Holder) (fdinfo.Order, error)) {
	tids, err := l.threadsOf(p)
	p.tablesDue, p.unchecked = false, err != nil && !(errors.Is(err, fs.ErrNotExist) && l.live) // or it has ended
	if err != nil {
		return
	}
	tables := fdinfo.NewInstances(compare)
	for _, tid := range tids {
		if tid == p.task || tid == p.pid {
			continue // a main thread that has ended has none
		}
		switch order, err := compare(epoll.Holder{PID: tid}, epoll.Holder{PID: p.task}); {
		case errors.Is(err, fs.ErrNotExist): // nor has another one
		case err != nil:
			p.unchecked = true
		case order != fdinfo.Equal:
			_ = tables.Add(epoll.Holder{PID: tid}) // unless it has ended meanwhile
		}
	}
	var own []int
	for _, table := range tables.All() {
		own = append(own, l.tableOf(p, table.Holders))
	}
	for _, tid := range p.tables {
		if t := l.processes[tid]; t != nil && t.threadOf == p.pid && !slices.Contains(own, tid) && !p.unchecked {
			delete(l.processes, tid)
		}
	}
	p.tables = own
}

// tableOf remembers a table that is not that of the process, under the number of one of
// the threads that have it: the one that was known, or else the oldest.
func (l procLook) tableOf(p *process, threads []epoll.Holder) int {
	for _, h := range threads {
		if t := l.processes[h.PID]; t != nil && t.threadOf == p.pid {
			return h.PID
		}
	}
	tid := threads[0].PID
	t := &process{pid: tid, task: tid, threadOf: p.pid, since: l.start, state: model.Absent}
	st, err := l.fds.StatFDs(tid)
	if errors.Is(err, fs.ErrNotExist) || err == nil && st.Count.Known && st.Count.Value == 0 {
		return tid // it is about to end, or works for the kernel
	}
	l.refreshed(t, st, err)
	l.processes[tid] = t
	l.pids = append(l.pids, tid)
	if !l.outOfTime(listTime) {
		l.list(t)
	}
	return tid
}

func (l procLook) threadsOf(p *process) ([]int, error) {
	dir, err := l.fds.Open(p.pid)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	return dir.Threads(nil)
}

// livingThread returns a thread of a process whose main one has ended: another one that
// has files.
func (l procLook) livingThread(dir *fdinfo.Process, pid int) (tid int, found bool) {
	tids, err := dir.Threads(nil)
	if err != nil {
		return 0, false
	}
	for _, tid := range tids {
		if tid == pid {
			continue
		}
		if st, err := l.fds.StatFDs(tid); err == nil && (!st.Count.Known || st.Count.Value > 0) {
			return tid, true
		}
	}
	return 0, false
}
