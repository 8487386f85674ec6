package collect

import (
	"slices"
	"testing"
	"time"

	"github.com/eptop/eptop/internal/model"
)

// steps is a clock that goes on by so much each time it is asked, so that a look is
// bounded by what it does.
func steps(c *Collector, by time.Duration) (forward func(time.Duration)) {
	clock := time.Now()
	c.now = func() time.Time {
		clock = clock.Add(by)
		return clock
	}
	return func(d time.Duration) { clock = clock.Add(d) }
}

func sampleOf(t *testing.T, c *Collector, focus model.Focus) *model.Sample {
	t.Helper()
	s, err := c.Look(t.Context(), focus)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func processOf(t *testing.T, s *model.Sample, pid int) *model.ProcessSample {
	t.Helper()
	i := slices.IndexFunc(s.Processes, func(p model.ProcessSample) bool { return p.PID == pid })
	if i < 0 {
		t.Fatalf("pid %d is not in the sample", pid)
	}
	return &s.Processes[i]
}

// TestSmallProcessesComeFirst: a process that does not fit into the first look is in it
// as one that waits, and all others are listed, whatever their PIDs.
func TestSmallProcessesComeFirst(t *testing.T) {
	large := start(t, "watches:5000", 0)
	small := start(t, "watches:23", 0)
	c := newCollector(t, func(o *Options) { o.LookTime = 5001 * perFD })
	forward := steps(c, 0)
	first := sampleOf(t, c, model.Focus{})
	if p := processOf(t, first, small.pids[0]); p.State != model.OK {
		t.Errorf("the small process is %s", p.State)
	}
	p := processOf(t, first, large.pids[0])
	if p.State != model.Absent || p.Files.Known || p.FDs.Value < 5000 || p.Comm == "" || p.Nofile.Value <= 0 {
		t.Errorf("the large process = %+v", p)
	}
	if g := first.Coverage; g.Waiting < 1 || g.FilesWaiting.Value < 5000 || g.Waiting != first.Guest.ListingsWaiting {
		t.Errorf("%+v, %d listings wait", g, first.Guest.ListingsWaiting)
	}
	// A look lists one that has waited, though small ones are new and time is up.
	later := start(t, "watches:7", 0)
	forward(time.Second)
	for range first.Coverage.Waiting {
		forward(time.Second)
		sampleOf(t, c, model.Focus{})
	}
	s := sampleOf(t, c, model.Focus{})
	if p := processOf(t, s, large.pids[0]); p.State != model.OK || len(p.Files.Value) < 5000 {
		t.Errorf("the large process is %s with %d files", p.State, len(p.Files.Value))
	}
	counted(t, model.New(s), later.pids[0], 7)
	if g := s.Coverage; g.Waiting != 0 || g.FilesWaiting.Value != 0 {
		t.Errorf("%+v", g)
	}
}

// TestAllWhoHoldFilesAreInTheSample: RLIMIT_NOFILE is checked of processes without
// epolls and sockets too, and those have no row.
func TestAllWhoHoldFilesAreInTheSample(t *testing.T) {
	w := start(t, "files", 0)
	s := sampleOf(t, newCollector(t, nil), model.Focus{})
	p := processOf(t, s, w.pids[0])
	if p.State != model.OK || len(p.Files.Value) != 2 || p.FDs.Value != 2 || p.Nofile.Value <= 0 {
		t.Errorf("%+v", p)
	}
	if row := model.New(s).Process(w.pids[0]); row != nil {
		t.Errorf("it has a row: %+v", row)
	}
	files := int64(0)
	for i := range s.Processes {
		files += int64(len(s.Processes[i].Files.Value))
	}
	if c := s.Coverage; c.Files != files || c.Processes < len(s.Processes) {
		t.Errorf("%+v, and %d processes with %d files", c, len(s.Processes), files)
	}
}

// TestManyEpollsHoldUpNobody: while the epolls of one process are compared with each
// other, those of all others are known, and what is not says so.
func TestManyEpollsHoldUpNobody(t *testing.T) {
	const many = 3000
	large, small := start(t, "watches:5", 0), start(t, "watches:7", 0)
	c := newCollector(t, nil)
	sampleOf(t, c, model.Focus{})
	large.do(t, "epolls 3000")
	small.do(t, "epolls 11")
	const step = 50 * time.Microsecond
	c.opts.LookTime = many * step
	forward := steps(c, step)
	forward(10 * time.Second) // not yet a sweep
	waiting := many
	for looks := 0; waiting > 0; looks++ {
		s := sampleOf(t, c, model.Focus{})
		forward(10 * time.Second)
		if p := processOf(t, s, small.pids[0]); p.EpollsWaiting != 0 {
			t.Fatalf("%d epolls of the small process wait", p.EpollsWaiting)
		}
		p := processOf(t, s, large.pids[0])
		if looks == 0 && p.EpollsWaiting == 0 || p.EpollsWaiting > waiting-min(waiting, many/10) || s.Coverage.EpollsWaiting != p.EpollsWaiting {
			t.Fatalf("look %d: %d epolls wait, %d before, %d in all", looks, p.EpollsWaiting, waiting, s.Coverage.EpollsWaiting)
		}
		waiting = p.EpollsWaiting
		snap := model.New(s)
		if got := snap.Process(small.pids[0]).Instances.Value; got < 12 {
			t.Errorf("the small process has %d instances", got)
		}
		if row := snap.Process(large.pids[0]); row.Instances.Value+int64(waiting) < many+1 {
			t.Errorf("the large process has %d instances, %d wait", row.Instances.Value, waiting)
		}
	}
}

// TestAPIDReusedWithinALook: whoever has the PID when an epoll is read or its fds are
// listed need not be the process that the look began with.
func TestAPIDReusedWithinALook(t *testing.T) {
	w := start(t, "watches:23", 0)
	c := newCollector(t, nil)
	s := sampleOf(t, c, model.Focus{})
	l := procLook{&look{Collector: c, sample: s, start: c.now()}, throughProc(c)}
	p := l.processes[w.pids[0]]
	at := slices.IndexFunc(l.instances, func(in *instance) bool { return len(in.watches) == 23 && in.holders[0].PID == w.pids[0] })
	if at < 0 {
		t.Fatal("its epoll was not found")
	}
	in := l.instances[at]
	l.read(in)
	if in.state != model.OK {
		t.Fatalf("of the same process: %s", in.problem)
	}
	// To the collector, the process was another one before.
	p.dirIno++
	l.read(in)
	if in.state != model.OK {
		t.Errorf("with another inode alone: %s", in.problem)
	}
	p.StartTicks--
	l.read(in)
	if in.state != model.Absent || in.watches != nil {
		t.Errorf("of another process: %s, %d watches", in.state, len(in.watches))
	}
	l.list(p)
	if l.processes[w.pids[0]] != nil || p.state == model.OK {
		t.Errorf("the fds of another process are its own: %+v", p.state)
	}
	counted(t, snapshotOf(t, c), w.pids[0], 23)
}
