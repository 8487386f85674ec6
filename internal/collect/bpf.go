package collect

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/eptop/eptop/internal/bpf"
	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/model"
)

// bpfSource has the fds of all processes, the epoll instances and their watches from one
// pass of a BPF iterator, which takes no lock of those it looks at. Who a process is comes
// from /proc, as in procSource.
type bpfSource struct {
	*procSource
	scanner *bpf.Scanner
	pass    pass
	// What the last pass over all processes was.
	at, next  time.Time
	cost      bpf.Stats
	known     map[bpf.ID]*knownInstance
	instances []model.InstanceSample
	users     map[int]int64
	unlisted  int64                    // watches that no look has listed
	unheld    map[uint32]unheldSockets // by the inode of the network namespace
}

var _ source = (*bpfSource)(nil)

// newBPFSource returns a source; proc goes on to say who a process is.
func newBPFSource(proc *procSource, scanner *bpf.Scanner) *bpfSource {
	return &bpfSource{procSource: proc, scanner: scanner}
}

// bpfLook is a look through a pass under way.
type bpfLook struct {
	procLook
	s *bpfSource
}

// passShare is the share of a core that passes may take: beyond it the next one waits.
const passShare = 0.05

func (s *bpfSource) look(ctx context.Context, outer *look) error {
	s.fds.Begin(ctx, &outer.progress.listed)
	defer s.fds.End()
	l := bpfLook{procLook{outer, s.procSource}, s}
	s.makeRoom()
	l.doing("files")
	if err := l.processTable(); err != nil {
		return cmp.Or(ctx.Err(), err)
	}
	l.progress.all.Store(l.withFiles())
	if err := l.makePasses(); err != nil {
		return cmp.Or(ctx.Err(), err)
	}
	l.fdinfoSource(0)
	l.sample.Coverage.WatchesUnlisted = s.unlisted
	l.sample.Instances, l.sample.UserWatches = l.livingInstances(), s.users
	l.sample.Guest.InstancesRead = len(l.sample.Instances)
	l.sample.Guest.Pass = maybe.Some(model.Pass{
		Wall: s.cost.Wall, CPU: s.cost.CPU, Files: s.cost.Files, Watches: s.cost.Watches,
		Age: max(0, l.now().Sub(s.at)), Next: max(0, s.next.Sub(l.now())),
	})
	for uid := range s.users {
		l.sample.UserNames[uid] = l.userName(uid)
	}
	for uid := range s.sockets.owners {
		l.sample.UserNames[uid] = l.userName(uid)
	}
	l.sample.Networks, l.sample.SocketsAt, l.sample.SocketsNext = s.sockets.networks, s.sockets.at, s.next
	l.source("sock_diag", s.sockets.took, s.sockets.err)
	return inTurn(ctx, l.fillProcesses)
}

// makePasses makes a pass over all processes where one is due, and otherwise over those that
// were asked for or are new, one by one.
func (l bpfLook) makePasses() error {
	s := l.s
	switch {
	case s.at.IsZero(), !l.focus.Quiet && !l.start.Before(s.next):
		return l.passAll()
	case l.focus.Quiet || !s.scanner.PassesOne():
		return nil
	}
	left := maxSinglePasses
	for _, pid := range slices.Concat(l.focus.PIDs, l.pids) {
		p := l.processes[pid]
		if p == nil || p.threadOf != 0 || l.start.Before(p.nextPass) {
			continue
		}
		if isNew := p.state == model.Absent && p.count.Value > 0; !isNew && !l.isAsked(p) {
			continue
		}
		if left--; left < 0 || l.ctx.Err() != nil {
			break
		}
		if err := l.passOne(p); err != nil {
			return err
		}
	}
	return l.ctx.Err()
}

// maxSinglePasses bounds the passes over single processes in a look.
const maxSinglePasses = 64

// watchesOfTree is up to how many watches an epoll's tree is walked on a kernel that does not
// count them. The walk does not reschedule: it takes half a millisecond.
const watchesOfTree = 4096

func (l bpfLook) scan(o bpf.Options) (bpf.Stats, error) {
	s := l.s
	if !s.scanner.CountsWatches() {
		o.Trees = watchesOfTree
	}
	s.pass.begin(s, o.PID != 0)
	cost, err := s.scanner.Scan(l.ctx, o, s.pass.visit)
	s.pass.endTable()
	return cost, err
}

// passOne makes a pass over one process. What others hold of its epolls stays as it was.
func (l bpfLook) passOne(p *process) error {
	cost, err := l.scan(bpf.Options{PID: p.pid})
	defer l.s.pass.end()
	if err != nil {
		return err
	}
	p.nextPass = l.now().Add(time.Duration(float64(cost.CPU) / passShare))
	l.adoptTables(p.pid)
	l.adoptInstancesOf()
	return nil
}

// passAll makes a pass over all processes and takes over what it found.
func (l bpfLook) passAll() error {
	s := l.s
	s.pass.files.Reserve(int(l.countKnown()))
	cost, err := l.scan(bpf.Options{})
	defer s.pass.end()
	if err != nil {
		return err
	}
	s.cost, s.at = cost, l.now()
	s.next = s.at.Add(time.Duration(float64(cost.CPU) / passShare))
	l.adoptTables(0)
	l.adoptInstances()
	l.doing("sockets")
	l.adoptNetworks()
	l.progress.listed.Files.Store(cost.Files)
	l.progress.listed.Processes.Store(int64(len(s.pass.tables)))
	return nil
}

// countKnown counts the fds of all processes, as far as the kernel counts them.
func (l bpfLook) countKnown() (n int64) {
	for _, p := range l.processes {
		n += p.count.Value
	}
	return min(n, maxReserve)
}

// livingInstances returns the instances of the last pass less those whose holders have
// ended since.
func (l bpfLook) livingInstances() []model.InstanceSample {
	out := l.s.instances[:0:0]
	for i := range l.s.instances {
		in := &l.s.instances[i]
		for _, h := range in.Holders {
			if l.processes[h.PID] != nil {
				out = append(out, *in)
				break
			}
		}
	}
	return out
}

func (s *bpfSource) close() {
	s.scanner.Close()
	s.procSource.close()
}

// adoptTables takes over the tables of the pass: each becomes the files of a process, or of
// a thread with a table of its own. only is the process that the pass was over, 0 for all.
func (l bpfLook) adoptTables(only int) {
	shown := map[int]bool{} // the processes and threads that the pass has
	for i := range l.s.pass.tables {
		t := &l.s.pass.tables[i]
		if t.of = l.taskOf(t, shown[int(t.pid)]); t.of != nil {
			shown[t.of.pid] = true
			l.takeListing(t)
		}
	}
	for pid, p := range l.processes {
		switch {
		case shown[pid], only != 0 && p.pid != only && p.threadOf != only:
		case p.threadOf != 0:
			delete(l.processes, pid)
		default:
			l.takeNone(p)
		}
	}
}

// taskOf returns the process that a table belongs to, or its thread: nil where it has ended.
// taken says that the process has a table already, as one whose main thread has ended may
// have several.
func (l bpfLook) taskOf(t *table, taken bool) *process {
	pid, threadOf := int(t.pid), 0
	if t.tid != t.pid && (!t.leaderEnded || taken) {
		pid, threadOf = int(t.tid), int(t.pid)
	}
	p := l.processes[pid]
	if p == nil || p.threadOf != threadOf {
		delete(l.processes, pid)
		if p = l.refresh(pid); p == nil {
			return nil
		}
		l.processes[pid], p.threadOf = p, threadOf
		if _, listed := slices.BinarySearch(l.seen, pid); !listed {
			l.pids = append(l.pids, pid)
		}
	}
	p.task = int(t.tid)
	if !p.identified && l.identifyTask(p) != nil && !p.identified {
		delete(l.processes, pid)
		return nil
	}
	return p
}

// identifyTask reads who a process is: of one whose main thread has ended, a living one says
// most of it.
func (l bpfLook) identifyTask(p *process) error {
	if err := l.identify(p); err != nil || p.task == p.pid {
		return err
	}
	thread, err := l.fds.Open(p.task)
	if err != nil {
		return err
	}
	defer thread.Close()
	who, err := thread.Identity()
	if err == nil {
		p.UID, p.RealUID, p.FDSize, p.Nofile = who.UID, who.RealUID, who.FDSize, who.Nofile
	}
	return err
}

// takeListing gives a process the files of its table.
func (l bpfLook) takeListing(t *table) {
	p := t.of
	p.listing.FDs, p.listing.Epolls, p.listing.Sockets, p.listing.Truncated = t.fds, t.epolls, t.sockets, false
	p.fileIndex = t.index
	p.state, p.problem = model.OK, ""
	p.count, p.countAt = maybe.Some(int64(len(t.fds))), int64(len(t.fds))
	p.listedAt = l.now()
	p.tablesDue, p.unchecked, p.ungrouped = false, false, 0
}

// takeNone handles a process without a file in the pass: a kernel thread, one that has
// ended or closed all; or it began after the pass had come by, or the kernel hides it. Those
// are listed as in procSource, but their epolls are in no instance.
func (l bpfLook) takeNone(p *process) {
	p.fileIndex, p.ungrouped = nil, 0
	if p.count.Value > 0 {
		if l.refresh(p.pid) != p {
			delete(l.processes, p.pid)
			return
		}
	}
	if p.count.Value > 0 {
		if p.state != model.Denied || p.count.Value != p.countAt {
			l.list(p)
		}
		p.ungrouped = len(p.listing.Epolls)
		return
	}
	p.listing.FDs, p.listing.Epolls, p.listing.Sockets = nil, nil, 0
	p.count, p.countAt = maybe.Some[int64](0), 0
	p.state, p.problem = model.Absent, ""
	if p.identified {
		p.state = model.OK
	}
}
