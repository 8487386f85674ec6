package collect

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/eptop/eptop/internal/fdinfo"
	"github.com/eptop/eptop/internal/kernfile"
	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/model"
)

// Why a process cannot be attached to.
var (
	ErrGone         = errors.New("no such process")
	ErrKernelThread = errors.New("is a kernel thread and has no fds")
	ErrDenied       = errors.New("may not be read by this user")
)

// process is what is remembered of one process between looks.
type process struct {
	pid        int
	dirIno     uint64 // of /proc/PID/fd, see fdinfo.DirStat
	identified bool   // the fields up to realUID are known
	startTicks uint64
	started    time.Time
	comm       string
	kernel     bool
	uid        int // effective
	realUID    int
	nofile     maybe.Of[int64]

	count    maybe.Of[int64] // open fds as of this look
	listing  fdinfo.Listing
	listed   bool
	countAt  int64 // what count was when the fds were listed
	listedAt time.Time
	nextList time.Time
	denied   bool
	problem  string
}

// pfKthread is PF_KTHREAD in include/linux/sched.h.
const pfKthread = 0x00200000

// processTable updates the known processes: it identifies new ones, forgets those that
// have ended, and replaces a process whose PID was given to another one.
func (l procLook) processTable() error {
	pids, err := l.fds.PIDs(l.pids[:0])
	if err != nil {
		return fmt.Errorf("list processes: %w", err)
	}
	if len(pids) == 0 {
		return fmt.Errorf("%s has no processes: not a procfs", l.opts.ProcRoot)
	}
	l.pids = pids
	alive := make(map[int]*process, len(pids))
	for _, pid := range pids {
		if p := l.refresh(pid); p != nil {
			alive[pid] = p
		}
	}
	l.processes = alive
	return nil
}

// refresh looks at one process, with a single stat call where nothing has changed. Who
// the process is matters only once it turns out to hold an epoll.
func (l procLook) refresh(pid int) *process {
	st, err := l.fds.StatFDs(pid)
	if err != nil && !errors.Is(err, fs.ErrPermission) {
		return nil
	}
	p := l.processes[pid]
	if p == nil || p.dirIno != st.Ino && !l.sameProcess(p) {
		p = &process{pid: pid}
	}
	p.dirIno = st.Ino
	p.count = maybe.Of[int64]{}
	if err == nil {
		p.count = maybe.When(int64(st.Count.Value), st.Count.Known)
	}
	return p
}

// sameProcess reports whether a PID is still the same process although the inode of
// its directory has changed: the kernel drops inodes under memory pressure too.
func (l procLook) sameProcess(p *process) bool {
	if !p.identified {
		return false
	}
	fresh := process{pid: p.pid}
	return l.identify(&fresh) == nil && fresh.startTicks == p.startTicks
}

// identify reads who a process is. That is read again with each listing, since exec
// changes the name and setuid the user.
func (l procLook) identify(p *process) error {
	proc, err := l.proc.Proc(p.pid)
	if err != nil {
		return err
	}
	// The library opens whatever has the name, and would wait for a pipe.
	for _, name := range []string{"stat", "status", "limits"} {
		err := kernfile.Check(filepath.Join(l.opts.ProcRoot, strconv.Itoa(p.pid), name))
		if errors.Is(err, kernfile.ErrNotRegular) {
			return err
		}
	}
	stat, err := proc.Stat()
	if err != nil {
		return err
	}
	p.comm, p.startTicks = stat.Comm, stat.Starttime
	p.kernel = stat.Flags&pfKthread != 0
	p.identified = true
	if boot, ok := l.bootTime(); ok {
		const userHZ = 100 // what the kernel reports to user space on every architecture Go runs on
		p.started = boot.Add(time.Duration(stat.Starttime) * time.Second / userHZ)
	}
	status, err := kernfile.ReadFile(filepath.Join(l.opts.ProcRoot, strconv.Itoa(p.pid), "status"))
	if err != nil {
		return err
	}
	if p.realUID, p.uid, err = usersOf(status); err != nil {
		return err
	}
	p.nofile = maybe.Of[int64]{}
	if limits, err := proc.Limits(); err == nil && !p.kernel && limits.OpenFiles <= math.MaxInt64 {
		p.nofile = maybe.Some(int64(limits.OpenFiles))
	}
	return nil
}

// usersOf returns the real and the effective user in /proc/PID/status. procfs.NewStatus
// would count out what the list of allowed CPUs says, however many.
func usersOf(status []byte) (real, effective int, err error) {
	for line := range bytes.Lines(status) {
		ids, ok := bytes.CutPrefix(line, []byte("Uid:"))
		if !ok {
			continue
		}
		fields := bytes.Fields(ids)
		if len(fields) != 4 || !bytes.HasSuffix(line, []byte{'\n'}) {
			return 0, 0, fmt.Errorf("status: malformed: %.100q", line)
		}
		first, err := strconv.ParseUint(string(fields[0]), 10, 32)
		second, err2 := strconv.ParseUint(string(fields[1]), 10, 32)
		if err := errors.Join(err, err2); err != nil {
			return 0, 0, fmt.Errorf("status: malformed: %.100q: %w", line, err)
		}
		return int(first), int(second), nil
	}
	return 0, 0, errors.New("status: malformed: no line Uid")
}

// isDue reports whether a process's fds should be listed in this look.
func (l procLook) isDue(p *process) bool {
	switch {
	case p.count.Known && p.count.Value == 0:
		return false // a kernel thread, or one that has closed everything
	case !p.listed:
		return true
	case l.focus.Fresh:
		return !l.start.Before(p.nextList)
	case l.start.Before(p.nextList):
		return false
	case l.start.Sub(p.listedAt) >= l.opts.Sweep:
		return true
	}
	n, ok := p.count.Get()
	return ok && n != p.countAt && !p.denied
}

// listFDs lists the fds of the processes that are due: first the focused ones, then
// those whose listing is oldest.
func (l procLook) listFDs() {
	var due []*process
	for _, pid := range l.pids {
		if p := l.processes[pid]; p != nil && l.isDue(p) {
			due = append(due, p)
		}
	}
	focusedFirst(due, func(p *process) bool { return l.isFocused(p.pid) }, func(p *process) time.Time { return p.listedAt })
	for i, p := range due {
		if l.focus.Quiet || i > 0 && l.outOfTime(0.5) { // the other half of the budget is for reading
			l.sample.Guest.ListingsWaiting += len(due) - i
			break
		}
		l.list(p)
	}
}

// list lists the fds of one process and notes what that cost.
func (l procLook) list(p *process) {
	listing, err := l.fds.List(p.pid, l.opts.MaxFDs, l.scratchFDs)
	now := l.now()
	l.keepListing(p, listing)
	p.listed, p.listedAt = true, now
	p.countAt = p.count.Value
	p.nextList = now.Add(time.Duration(float64(listing.Took) / listShare))
	p.denied, p.problem = false, ""
	l.sample.Guest.FDsListed += len(listing.FDs)
	if err == nil && (len(listing.Epolls) > 0 || listing.Sockets > 0) {
		err = l.identify(p)
	}
	switch stateOf(err) {
	case model.OK:
		return
	case model.Denied:
		// Before Linux 6.2 no count distinguishes a kernel thread.
		if !p.count.Known && l.identify(p) == nil && p.kernel {
			break
		}
		p.denied, p.problem = true, "its fds may not be listed by this user"
	case model.Absent: // it ended
	default:
		p.problem = err.Error()
	}
	p.listing = fdinfo.Listing{Took: listing.Took}
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

// listShare is the share of wall time that listing one process may take.
const listShare = 0.01

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
		if p.state() == model.Failed {
			src.State, src.Detail, src.Remedy = model.Failed, fmt.Sprintf("pid %d: %s", p.pid, p.problem), ""
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
	var c model.Coverage
	for _, p := range l.processes {
		if p.count.Known && p.count.Value == 0 {
			continue // a kernel thread, or one that has closed everything
		}
		c.Processes++
		switch p.state() {
		case model.Absent:
			c.Waiting++
			c.FilesWaiting = maybe.When(c.FilesWaiting.Value+p.count.Value, p.count.Known)
		case model.Denied:
			c.Denied++
		case model.Failed:
			c.Failed++
		default:
			c.Files += int64(len(p.listing.FDs))
			if p.listing.Truncated {
				c.Cut++
				c.FilesBeyond = maybe.When(c.FilesBeyond.Value+p.count.Value-int64(len(p.listing.FDs)), p.count.Known)
			}
		}
	}
	return c
}

// state is what became of listing the fds of a process.
func (p *process) state() model.State {
	switch {
	case !p.listed:
		return model.Absent
	case p.denied:
		return model.Denied
	case p.problem != "":
		return model.Failed
	}
	return model.OK
}

// fillProcesses puts into the Sample the processes that hold epolls or sockets, or are
// in the Focus.
func (l procLook) fillProcesses() {
	holds := map[int]bool{}
	for _, in := range l.instances {
		for _, h := range in.holders {
			holds[h.PID] = true
		}
	}
	for _, pid := range l.pids {
		p := l.processes[pid]
		if p == nil || !holds[pid] && p.listing.Sockets == 0 && !l.isFocused(pid) {
			continue
		}
		if !p.identified && l.identify(p) != nil {
			continue // it ended
		}
		for _, uid := range []int{p.uid, p.realUID} {
			l.sample.UserNames[uid] = l.userName(uid)
		}
		s := model.ProcessSample{
			PID: pid, Comm: p.comm, UID: p.uid, RealUID: p.realUID, User: l.userName(p.uid), Kernel: p.kernel,
			Asked: l.isFocused(pid), State: p.state(),
			Started: p.started, FDs: p.count, Nofile: p.nofile, ListedAt: p.listedAt, Problem: p.problem,
		}
		if p.kernel {
			s.Problem = ErrKernelThread.Error()
		} else if s.State == model.OK {
			s.Files, s.Truncated = maybe.Some(p.listing.FDs), p.listing.Truncated
		}
		l.sample.Processes = append(l.sample.Processes, s)
	}
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
	case p.kernel:
		return fmt.Errorf("pid %d (%s) %w", pid, p.comm, ErrKernelThread)
	}
	if _, err := l.fds.List(pid, 1, fdinfo.Listing{}); errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("pid %d (%s, user %s) %w%s", pid, p.comm, l.userName(p.uid), ErrDenied, advice())
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
