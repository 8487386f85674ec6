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
	if s.at.IsZero() || !l.focus.Quiet && !l.start.Before(s.next) {
		if err := l.passAll(); err != nil {
			return cmp.Or(ctx.Err(), err)
		}
	}
	l.fdinfoSource(s.cost.Wall)
	l.sample.Instances, l.sample.UserWatches = l.livingInstances(), s.users
	l.sample.Guest.InstancesRead = len(l.sample.Instances)
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

// passAll makes a pass over all processes and takes over what it found.
func (l bpfLook) passAll() error {
	s := l.s
	s.pass.begin(s)
	cost, err := s.scanner.Scan(l.ctx, bpf.Options{Trees: s.pass.trees}, s.pass.visit)
	if err != nil {
		return err
	}
	s.pass.endTable()
	s.cost, s.at = cost, l.now()
	s.next = s.at.Add(time.Duration(float64(cost.CPU) / passShare))
	l.adoptTables()
	l.adoptInstances()
	l.doing("sockets")
	l.adoptNetworks()
	s.pass.end()
	l.progress.listed.Files.Store(cost.Files)
	l.progress.listed.Processes.Store(int64(len(s.pass.tables)))
	return nil
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
// a thread with a table of its own.
func (l bpfLook) adoptTables() {
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
		case shown[pid]:
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
	p.listedAt, p.nextList = l.s.at, l.s.next
	p.tablesDue, p.unchecked, p.ungrouped = false, false, 0
}

// takeNone is for a process of which the pass has no file: a kernel thread, one that has
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
