package collect

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/eptop/eptop/internal/bpf"
	"github.com/eptop/eptop/internal/epoll"
	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/model"
)

// instanceWith returns the one instance of a process with so many watches.
func instanceWith(t *testing.T, s *model.Sample, pid, watches int) *model.InstanceSample {
	t.Helper()
	for i := range s.Instances {
		in := &s.Instances[i]
		if len(in.List) == watches && slices.ContainsFunc(in.Holders, func(h epoll.Holder) bool { return h.PID == pid }) {
			return in
		}
	}
	t.Fatalf("process %d has no instance of %d watches", pid, watches)
	return nil
}

// TestAPassOfOne: between two passes over all, the processes that are asked for or are new
// are looked at each time, and the others keep what they have.
func TestAPassOfOne(t *testing.T) {
	c := newBPFCollector(t)
	old, other := start(t, "watches:23", 0), start(t, "watches:31", 0)
	instanceWith(t, sampleOf(t, c, model.Focus{}), old.pids[0], 23)
	c.source.bpf.next = time.Now().Add(time.Hour)
	if !c.source.bpf.scanner.PassesOne() {
		t.Skip("a pass over one process shows not all of it before Linux 6.7: run the tests on a newer kernel")
	}
	at := c.source.bpf.at
	old.do(t, "epoll 7")
	late := start(t, "watches:41", 0)
	s := sampleOf(t, c, model.Focus{PIDs: []int{old.pids[0]}})
	if !c.source.bpf.at.Equal(at) {
		t.Fatal("there was a pass over all")
	}
	for pid, watches := range map[int]int{old.pids[0]: 7, other.pids[0]: 31, late.pids[0]: 41} {
		in := instanceWith(t, s, pid, watches)
		k, known := in.Kernel.Get()
		if !known || k.UID != os.Getuid() || k.Unheld != maybe.Some[int64](0) || k.Waiting {
			t.Errorf("%+v", in.Kernel)
		}
		if slices.ContainsFunc(in.List, func(w epoll.Watch) bool { return w.Link != epoll.Current || w.Kind != epoll.KindEventfd }) {
			t.Errorf("the watches of %d are not all current", pid)
		}
		if len(in.FileIndex) != watches {
			t.Errorf("%d files are numbered, want %d", len(in.FileIndex), watches)
		}
	}
	instanceWith(t, s, old.pids[0], 23)
	// Each description has one number, in the lists of files and of watches.
	numbers := map[uint32]int{}
	for _, pid := range []int{old.pids[0], other.pids[0], late.pids[0]} {
		p := processOf(t, s, pid)
		if len(p.FileIndex) != len(p.Files.Value) {
			t.Fatalf("%d numbers of %d files", len(p.FileIndex), len(p.Files.Value))
		}
		for i, fd := range p.Files.Value {
			if fd.Kind == epoll.KindEventfd {
				numbers[p.FileIndex[i]]++
			}
		}
	}
	for _, n := range instanceWith(t, s, late.pids[0], 41).FileIndex {
		if numbers[n] != 1 {
			t.Errorf("the file %d of a watch is that of %d fds", n, numbers[n])
		}
	}
}

// TestUnchangedListsAreTheSameMemory: a Snapshot shares them.
func TestUnchangedListsAreTheSameMemory(t *testing.T) {
	c := newBPFCollector(t)
	w := start(t, "watches:301", 0)
	var lists [][]epoll.Watch
	var files [][]epoll.FD
	for range 2 {
		s := sampleOf(t, c, model.Focus{})
		lists = append(lists, instanceWith(t, s, w.pids[0], 301).List)
		files = append(files, processOf(t, s, w.pids[0]).Files.Value)
		c.source.bpf.next = time.Time{}
	}
	if &lists[0][0] != &lists[1][0] || &files[0][0] != &files[1][0] {
		t.Error("what did not change was copied")
	}
}

// TestUnderChurn: of 5,000 watches that stay and one that comes and goes, never is there one
// too many, and what is missing is said.
func TestUnderChurn(t *testing.T) {
	c := newBPFCollector(t)
	const held = 5000
	ep, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(ep)
	fds := make([]int, held)
	for i := range fds {
		fds[i] = must(newEventfd())
		defer unix.Close(fds[i])
		watchFD(ep, fds[i], unix.EPOLLIN)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() {
		for i := 0; ctx.Err() == nil; i++ {
			fd := fds[i%held]
			if err := errors.Join(unix.EpollCtl(ep, unix.EPOLL_CTL_DEL, fd, nil), unix.EpollCtl(ep, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN})); err != nil {
				ended <- err
				return
			}
		}
		ended <- nil
	}()
	for range 30 {
		s := sampleOf(t, c, model.Focus{})
		c.source.bpf.next = time.Time{}
		for i := range s.Instances {
			in := &s.Instances[i]
			if h := in.Holders[0]; h.PID != os.Getpid() || h.FD != ep {
				continue
			}
			if n := len(in.List); n > held || n < held-held/10 {
				t.Errorf("%d watches, want %d and those that came or went meanwhile", n, held)
			}
			if k := in.Kernel.Value; k.Watches.Known && (k.Watches.Value > held || k.Watches.Value < held-1) {
				t.Errorf("the epoll counts %d watches", k.Watches.Value)
			}
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestAPassThatFails is the last one: the look goes on through /proc.
func TestAPassThatFails(t *testing.T) {
	c := newBPFCollector(t)
	w := start(t, "watches:23", 0)
	for i, used := range []string{"bpf", "proc", "proc"} {
		s := sampleOf(t, c, model.Focus{})
		instanceWith(t, s, w.pids[0], 23)
		for _, src := range s.Sources {
			if src.Name == "bpf" && (src.Used != used || (src.Detail == "") != (used == "bpf")) {
				t.Errorf("look %d: %+v, want %s", i, src, used)
			}
		}
		if i == 0 {
			c.source.bpf.scanner.Close() // its program is gone
			c.source.bpf.next = time.Time{}
		}
	}
}

// TestChoosing: a dashboard goes on through BPF once the program is loaded, and says why where
// it cannot be.
func TestChoosing(t *testing.T) {
	why := &bpf.LoadError{Reason: bpf.NoRight, Lacks: []string{"cap_bpf"}}
	load := func() (*bpf.Scanner, error) { return nil, why }
	opts := Options{ProcRoot: "/proc", SysRoot: "/sys", MaxStall: DefaultMaxStall, LookTime: time.Minute}
	c := newCollector(t, nil)
	for _, tt := range []struct {
		name  string
		opts  func(*Options)
		live  bool
		state model.State
		want  string
	}{
		{"no right", func(*Options) {}, true, model.Denied, why.Error()},
		{"captured", func(*Options) {}, false, model.Absent, "a captured tree has no kernel to ask"},
		{"proc", func(o *Options) { o.Source = SourceProc }, true, model.Absent, "nobody asked for it"},
		{"once", func(o *Options) { o.LookTime = 0 }, true, model.Absent, "to look once at so few files, reading /proc is cheaper"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			opts := opts
			tt.opts(&opts)
			s, err := newChooser(opts, tt.live, load)
			if err != nil {
				t.Fatal(err)
			}
			defer s.close()
			if s.loading != nil {
				s.use(<-s.loading)
			}
			l := &look{ctx: t.Context(), Collector: c, sample: &model.Sample{}, start: c.now()}
			s.choose(l)
			s.name(l, 0)
			if src := l.sample.Sources[0]; src.State != tt.state || src.Detail != tt.want || src.Used != SourceProc || (src.Remedy != "") != (tt.state == model.Denied) {
				t.Errorf("%+v", src)
			}
		})
	}
	opts.Source = SourceBPF
	if _, err := newChooser(opts, true, load); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("what was asked for cannot be had: %v", err)
	}
}
