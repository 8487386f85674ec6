package collect

import (
	"cmp"
	"context"
	"time"

	"github.com/eptop/eptop/internal/epoll"
	"github.com/eptop/eptop/internal/fdinfo"
	"github.com/eptop/eptop/internal/maybe"
)

// procSource lists fds and reads watches below /proc, and dumps sockets through
// sock_diag. It works on every kernel and in captured trees.
type procSource struct {
	fds    *fdinfo.FS
	reader fdinfo.Reader

	pids      []int
	processes map[int]*process
	instances []*instance
	byHolder  map[holderKey]*instance
	nextGroup time.Time
	regroup   bool // an instance was found to be two
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
	return &procSource{fds: fds, processes: map[int]*process{}, byHolder: map[holderKey]*instance{}, manySockets: manySockets}, nil
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
	l.sample.AllProcesses = maybe.Some(int64(len(l.pids)))
	var err error
	took := l.timed(func() {
		err = inTurn(ctx, l.listFDs, l.step("epoll instances", l.groupInstances), l.step("watches", l.readInstances))
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
