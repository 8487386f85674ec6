package collect

import (
	"cmp"
	"context"
	"time"

	"golang.org/x/sys/unix"

	"github.com/eptop/eptop/internal/epoll"
	"github.com/eptop/eptop/internal/fdinfo"
	"github.com/eptop/eptop/internal/maybe"
)

// procSource lists fds and reads watches below /proc, and dumps sockets through
// sock_diag. It works on every kernel and in captured trees.
type procSource struct {
	fds    *fdinfo.FS
	reader fdinfo.Reader

	hidden    hidden
	pids      []int         // of all processes, and of the threads that have a table of their own
	seen      []int         // the processes alone
	tabled    time.Time     // the look that has brought the processes up to date
	others    fdinfo.Others // of this look, see everybody
	processes map[int]*process
	instances []*instance
	groups    *fdinfo.Instances
	members   map[epoll.Holder]member
	nextGroup time.Time
	regroup   bool // what was compared is to be looked at again
	openBytes int  // kernel memory behind the files that are kept open
	sockets   sockets
	// manySockets is manySockets, but in tests.
	manySockets int64

	// The buffers that are read into, kept between looks.
	scratch    []epoll.Watch
	scratchFDs fdinfo.Listing
}

var _ source = (*procSource)(nil)

func newProcSource(procRoot string) (*procSource, error) {
	fds, err := fdinfo.NewFS(procRoot)
	if err != nil {
		return nil, err
	}
	s := &procSource{fds: fds, processes: map[int]*process{}, members: map[epoll.Holder]member{}, manySockets: manySockets}
	s.groups = fdinfo.NewInstances(func(a, b epoll.Holder) (fdinfo.Order, error) { return fds.Compare(s.at(a), s.at(b)) })
	if isOn(procRoot, unix.PROC_SUPER_MAGIC) {
		s.hidden = hiddenBy(fds, procRoot)
	}
	return s, nil
}

// procLook is a look through /proc under way.
type procLook struct {
	*look
	*procSource
}

func (s *procSource) look(ctx context.Context, outer *look) error {
	s.fds.Begin(ctx, &outer.progress.listed)
	defer s.fds.End()
	l := procLook{outer, s}
	s.makeRoom()
	l.doing("files")
	if err := l.processTable(); err != nil {
		return cmp.Or(ctx.Err(), err)
	}
	l.progress.all.Store(l.withFiles())
	var err error
	took := l.timed(func() {
		err = inTurn(ctx, l.listFDs, l.findTables, l.step("epoll instances", l.groupInstances), l.step("watches", l.readInstances))
	})
	if err != nil {
		return err
	}
	l.fdinfoSource(took)
	return inTurn(ctx, l.step("sockets", l.dumpSockets), l.fillProcesses)
}

func (s *procSource) attach(l *look, pid int) error { return procLook{l, s}.attach(pid) }

// withFiles counts the processes that hold files, as far as is known: kernel threads have
// none.
func (s *procSource) withFiles() (n int64) {
	for _, p := range s.processes {
		if p.count != maybe.Some[int64](0) {
			n++
		}
	}
	return n
}

func (s *procSource) close() {
	for _, in := range s.instances {
		in.close()
	}
	if s.sockets.namespaces != nil {
		s.sockets.namespaces.Close()
	}
}
