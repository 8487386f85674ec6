package collect

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/eptop/eptop/internal/epoll"
	"github.com/eptop/eptop/internal/fdinfo"
	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/model"
)

// Why a process cannot be attached to.
var (
	ErrGone         = errors.New("no such process")
	ErrKernelThread = errors.New("is a kernel thread and has no fds")
	ErrDenied       = errors.New("may not be read by this user")
)

// process is what is remembered of one table of files between looks: that of a process,
// or of one of its threads that has its own.
type process struct {
	pid int
	// task is through whom the files are looked at: the process itself, or a living thread
	// where the main one has ended.
	task     int
	threadOf int       // the process of a thread with its own table; 0 for a process
	dirIno   uint64    // of /proc/TASK/fd, see fdinfo.DirStat
	since    time.Time // the look that saw it first

	identified      bool // what follows is known
	namedAt         time.Time
	fdinfo.Identity // as of the last listing
	started         time.Time
	cmdline         maybe.Of[string] // as of its first listing, or of the last change of its name

	count    maybe.Of[int64] // open fds as of this look
	state    model.State     // of listing its fds: absent is not yet
	problem  string          // why they could not be listed
	nameless string          // why nobody knows who it is
	listing  fdinfo.Listing
	// fileIndex numbers the files of the listing, see model.ProcessSample; nil from /proc.
	fileIndex []uint32
	countAt   int64 // what count was when the fds were listed
	listedAt  time.Time
	nextList  time.Time

	tables    []int     // the threads with a table of their own
	tablesDue bool      // its threads are to be compared, see findTables
	unchecked bool      // that could not be done
	nextPass  time.Time // the earliest pass over it alone
	ungrouped int       // its epoll fds that wait to be compared with the others, see groupInstances
}

// processTable updates the known processes: it forgets those that have ended, and
// replaces a process whose PID was given to another one.
func (l procLook) processTable() error {
	if !l.tabled.IsZero() && l.tabled.Equal(l.start) {
		return nil
	}
	pids, err := l.fds.PIDs(l.pids[:0])
	if err != nil {
		return fmt.Errorf("list processes: %w", err)
	}
	if len(pids) == 0 {
		return fmt.Errorf("%s has no processes: not a procfs", l.opts.ProcRoot)
	}
	l.sample.AllProcesses = maybe.Some(int64(len(pids)))
	l.pids, l.seen = pids, append(l.seen[:0], pids...)
	alive := make(map[int]*process, len(pids))
	for _, pid := range pids {
		if p := l.refresh(pid); p != nil {
			alive[pid] = p
		}
	}
	for tid, t := range l.processes {
		if t.threadOf == 0 || alive[t.threadOf] != l.processes[t.threadOf] {
			continue
		}
		if l.refresh(tid) == t {
			alive[tid] = t
			l.pids = append(l.pids, tid)
		}
	}
	l.processes, l.tabled = alive, l.start
	return nil
}

// countFiles counts the fds of all processes, or where the kernel does not count those of
// a process (before Linux 6.2) the files that are open on the machine.
func (l procLook) countFiles() (n int64, err error) {
	if err := l.processTable(); err != nil {
		return 0, err
	}
	for _, p := range l.processes {
		if !p.count.Known {
			open, err := l.count("sys/fs/file-nr", 0)
			return open.Value, err
		}
		n += p.count.Value
	}
	return n, nil
}

// refresh looks at one process, with a single stat call where nothing has changed.
func (l procLook) refresh(pid int) *process {
	p := l.processes[pid]
	task := pid
	if p != nil {
		task = p.task
	}
	st, err := l.fds.StatFDs(task)
	if errors.Is(err, fs.ErrNotExist) && task != pid {
		task = pid // the thread has ended
		st, err = l.fds.StatFDs(task)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if p == nil || p.dirIno != st.Ino && !l.sameProcess(p) {
		p = &process{pid: pid, since: l.start, state: model.Absent}
	}
	p.task = task
	l.refreshed(p, st, err)
	return p
}

// refreshed takes over what one stat call says of a process.
func (l procLook) refreshed(p *process, st fdinfo.DirStat, err error) {
	p.dirIno = st.Ino
	p.count = maybe.When(int64(st.Count.Value), err == nil && st.Count.Known)
	if p.count == maybe.Some[int64](0) && len(p.listing.FDs) > 0 {
		p.listing = fdinfo.Listing{} // it has ended, or closed all
	}
}

// sameProcess reports whether a PID is still the same process although the inode of
// its directory has changed: the kernel drops inodes under memory pressure too.
func (l procLook) sameProcess(p *process) bool {
	if !p.identified {
		return false
	}
	dir, err := l.fds.Open(p.pid)
	if err != nil {
		return false
	}
	defer dir.Close()
	who, err := dir.Identity()
	return err == nil && who.StartTicks == p.StartTicks
}

// identify reads who a process is. That is read again with each listing, since exec
// changes the name and setuid the user. The error is fs.ErrNotExist where the PID was
// given to another process.
func (l procLook) identify(p *process) error {
	dir, err := l.fds.Open(p.pid)
	if err != nil {
		return err
	}
	defer dir.Close()
	return l.identifyIn(p, dir)
}

func (l procLook) identifyIn(p *process, dir *fdinfo.Process) error {
	who, err := dir.Identity()
	p.nameless = ""
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) { // it ended
			p.nameless = err.Error()
		}
		return err
	}
	if p.identified && who.StartTicks != p.StartTicks {
		return fs.ErrNotExist
	}
	if !p.identified || who.Comm != p.Comm { // exec(2) changes both
		p.cmdline = dir.Cmdline()
	}
	p.Identity, p.identified, p.namedAt = who, true, l.now()
	if boot, ok := l.bootTime(); ok {
		const userHZ = 100 // what the kernel reports to user space on every architecture Go runs on
		p.started = boot.Add(time.Duration(who.StartTicks) * time.Second / userHZ)
	}
	return nil
}

// holdsFiles reports whether a process can hold files, as far as is known: neither
// a kernel thread nor a zombie, nor one that has no file and was not looked at.
func (p *process) holdsFiles() bool {
	if p.Kernel || p.Ended && p.task == p.pid {
		return false
	}
	return p.state != model.Absent || p.count != maybe.Some[int64](0)
}

// size is how many fds a process has, as well as that is known before they are listed.
func (p *process) size() int64 {
	if n, ok := p.count.Get(); ok {
		return n
	}
	return p.FDSize.Value
}

// fdinfoSource adds how many of the processes and epolls could be looked into.
func (l procLook) fdinfoSource(took time.Duration) {
	c := l.coverage()
	l.sample.Coverage = c
	denied, listed := c.Denied, c.Processes-c.Waiting
	src := model.Source{Name: "fdinfo", State: model.OK, Took: took}
	if denied > 0 {
		src.State = model.Denied
		src.Detail = fmt.Sprintf("the fds of %d of %d processes may not be listed by this user", denied, listed)
		src.Remedy = remedy()
	}
	for _, p := range l.processes {
		limit := p.NofileProblem
		if limit != "" {
			limit = "its limit of open files is not known: " + limit
		}
		if p.state == model.Failed || p.nameless != "" || limit != "" {
			src.State, src.Detail, src.Remedy = model.Failed, fmt.Sprintf("pid %d: %s", p.pid, cmp.Or(p.problem, p.nameless, limit)), ""
			break
		}
	}
	for _, in := range l.instances {
		if in.state == model.Failed {
			src.State, src.Detail, src.Remedy = model.Failed, in.problem, ""
			break
		}
	}
	l.addSource(src)
}

// coverage counts what became of listing the processes.
func (l procLook) coverage() model.Coverage {
	c := model.Coverage{HidePID: l.hidden.byMount, PIDNamespace: l.hidden.byNamespace}
	uncounted, uncountedBeyond := 0, 0
	for _, p := range l.processes {
		if !p.holdsFiles() {
			continue
		}
		c.Processes++
		c.EpollsWaiting += p.ungrouped
		if p.state == model.OK && (p.tablesDue || p.unchecked) {
			c.ThreadsUnchecked++
		}
		switch p.state {
		case model.Absent:
			c.Waiting++
			c.FilesWaiting.Value += p.count.Value
			if !p.count.Known {
				uncounted++
			}
		case model.Denied:
			c.Denied++
		case model.Failed:
			c.Failed++
		default:
			c.Files += int64(len(p.listing.FDs))
			if n, ok := p.count.Get(); ok {
				c.FilesChanged += max(n-p.countAt, p.countAt-n)
			}
			if p.listing.Truncated {
				c.Cut++
				c.FilesBeyond.Value += max(0, p.count.Value-int64(len(p.listing.FDs)))
				if !p.count.Known {
					uncountedBeyond++
				}
			}
		}
	}
	c.NoProcess = c.Processes == 0
	c.FilesWaiting = maybe.When(c.FilesWaiting.Value, uncounted == 0)
	c.FilesBeyond = maybe.When(c.FilesBeyond.Value, uncountedBeyond == 0)
	return c
}

// largeWaiting and maxWaiting are from how many fds on, and how many at most, processes
// that wait for their first listing are in the Sample.
const (
	largeWaiting = 100
	maxWaiting   = 256
)

// fillProcesses puts into the Sample the processes that hold files or are in the Focus.
// Of those that wait for their listing, it takes the large ones alone.
func (l procLook) fillProcesses() {
	waiting := l.waiting(largeWaiting)
	slices.SortStableFunc(waiting, func(a, b *process) int { return cmp.Compare(b.size(), a.size()) })
	large := map[*process]bool{}
	for _, p := range waiting[:min(len(waiting), maxWaiting)] {
		large[p] = true
	}
	l.sample.Processes = make([]model.ProcessSample, 0, len(l.pids))
	for _, pid := range l.pids {
		p := l.processes[pid]
		if p == nil {
			continue
		}
		asked := l.isAsked(p)
		if !asked && !large[p] && (p.state == model.Absent || p.state == model.OK && len(p.listing.FDs) == 0) {
			continue
		}
		l.addProcess(p, asked)
	}
}

// nameAge is how old the name and the user of a process may be that is on screen: exec and
// setuid change them without a change of its fds.
const nameAge = 5 * time.Second

func (l procLook) isNameOld(p *process) bool {
	if p.task != p.pid { // the main thread has ended, and says little of the living ones
		return false
	}
	return !l.focus.Quiet && (len(p.listing.Epolls) > 0 || p.listing.Sockets > 0) && l.start.Sub(p.namedAt) >= nameAge
}

// maxCPUTimes bounds how many processes with epolls are asked for their CPU time: the
// kernel walks all threads of each (thread_group_cputime()).
const maxCPUTimes = 512

func (l procLook) addProcess(p *process, asked bool) {
	if (!p.identified || l.isNameOld(p)) && errors.Is(l.identify(p), fs.ErrNotExist) {
		return // it has ended
	}
	if p.identified && l.live {
		p.Nofile = l.fds.Nofile(p.pid, p.Nofile) // prlimit(1) changes it at any time
	}
	s := model.ProcessSample{
		PID: p.pid, ThreadOf: p.threadOf, Comm: p.Comm, Cmdline: p.cmdline, UID: p.UID, RealUID: p.RealUID, Kernel: p.Kernel,
		Asked: asked, State: p.state, EpollsWaiting: p.ungrouped,
		Started: p.started, FDs: p.count, Nofile: p.Nofile, HardNofile: p.HardNofile, ListedAt: p.listedAt, Problem: cmp.Or(p.problem, p.nameless),
	}
	for _, uid := range []maybe.Of[int]{p.UID, p.RealUID} {
		if uid.Known {
			l.sample.UserNames[uid.Value] = l.userName(uid.Value)
		}
	}
	if p.UID.Known {
		s.User = l.userName(p.UID.Value)
	}
	if l.live && len(p.listing.Epolls) > 0 && l.cpuTimes < maxCPUTimes {
		l.cpuTimes++
		s.CPU = l.fds.CPUTime(p.pid)
	}
	if p.Kernel {
		s.Problem = ErrKernelThread.Error()
	} else if s.State == model.OK {
		s.Files, s.Truncated, s.FileIndex = maybe.Some(p.listing.FDs), p.listing.Truncated, p.fileIndex
		s.FDsThen = maybe.When(p.countAt, p.count.Known)
	}
	l.sample.Processes = append(l.sample.Processes, s)
}

// isAsked reports whether a process is in the Focus, or the thread's process.
func (l procLook) isAsked(p *process) bool {
	return l.isFocused(p.pid) || p.threadOf != 0 && l.isFocused(p.threadOf)
}

// attach finds out whether a process can be looked into.
func (l procLook) attach(pid int) error {
	p := &process{pid: pid}
	err := l.identify(p)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("pid %d %w%s", pid, ErrDenied, advice())
	case err != nil:
		return fmt.Errorf("pid %d: %w", pid, ErrGone)
	case p.Kernel:
		return fmt.Errorf("pid %d (%s) %w", pid, p.Comm, ErrKernelThread)
	}
	if _, err := l.fds.List(pid, 1, fdinfo.Listing{}); errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("pid %d (%s, user %s) %w%s", pid, p.Comm, l.userName(p.UID.Value), ErrDenied, advice())
	} else if err != nil {
		return fmt.Errorf("pid %d: %w", pid, ErrGone)
	}
	return nil
}

// advice returns remedy as the end of a sentence.
func advice() string {
	if r := remedy(); r != "" {
		return "; try: " + r
	}
	return ""
}

// at returns a holder as the kernel has to be asked about it: by a thread where the main
// one has ended.
func (s *procSource) at(h epoll.Holder) epoll.Holder {
	if p := s.processes[h.PID]; p != nil {
		h.PID = p.task
	}
	return h
}
