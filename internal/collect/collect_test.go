package collect

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/eptop/eptop/internal/epoll"
	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/model"
)

func newCollector(t testing.TB, change func(*Options)) *Collector {
	t.Helper()
	opts := Options{ProcRoot: "/proc", SysRoot: "/sys", MaxStall: DefaultMaxStall, MaxFDs: DefaultMaxFDs, Source: SourceProc}
	if change != nil {
		change(&opts)
	}
	c, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func snapshotOf(t testing.TB, c *Collector, pids ...int) *model.Snapshot {
	t.Helper()
	s, err := c.Look(t.Context(), model.Focus{PIDs: pids})
	if err != nil {
		t.Fatal(err)
	}
	return model.New(s)
}

// counted returns the one epoll of a process besides that of the Go runtime,
// which the workload's own test binary has.
func counted(t *testing.T, s *model.Snapshot, pid int, watches int64) *model.Epoll {
	t.Helper()
	p := s.Process(pid)
	if p == nil {
		t.Fatalf("pid %d is not in the snapshot", pid)
	}
	for i := range p.Epolls {
		if p.Epolls[i].Watches == watches {
			return &p.Epolls[i]
		}
	}
	t.Fatalf("no epoll of %d watches in %+v", watches, p.Epolls)
	return nil
}

func TestLookFindsExactlyTheWatches(t *testing.T) {
	w := start(t, "watches:23", 0)
	s := snapshotOf(t, newCollector(t, nil))
	e := counted(t, s, w.pids[0], 23)
	if e.State != model.OK || e.Stale != 0 || e.Unproven != 0 || e.Bytes.Value <= 0 || len(e.List) != 23 {
		t.Errorf("epoll = %+v", e)
	}
	p := s.Process(w.pids[0])
	if p.UID != maybe.Some(os.Getuid()) || p.FDs.Value < 24 || p.Comm == "" || p.Nofile.Value <= 0 || time.Since(p.Started) > time.Hour {
		t.Errorf("process = %+v", p)
	}
}

// throughProc is what a collector remembers of /proc.
func throughProc(c *Collector) *procSource { return c.source.proc }

func TestSharedInstanceIsCountedOnce(t *testing.T) {
	c := newCollector(t, nil)
	w := start(t, "shared:101", 0)
	s := snapshotOf(t, c)
	a, b := counted(t, s, w.pids[0], 101), counted(t, s, w.pids[1], 101)
	if len(a.SharedWith) != 2 || len(b.SharedWith) != 2 || a.SharingUnknown {
		t.Errorf("shared with %+v and %+v", a.SharedWith, b.SharedWith)
	}
	// The sums are over instances, and the two processes share this one.
	instances := 0
	for _, in := range throughProc(c).instances {
		if len(in.watches) == 101 && slices.ContainsFunc(in.holders, func(h epoll.Holder) bool { return slices.Contains(w.pids, h.PID) }) {
			instances++
		}
	}
	if instances != 1 {
		t.Errorf("101 shared watches are counted %d times", instances)
	}
}

func TestANewEpollIsFoundByTheFDCount(t *testing.T) {
	w := start(t, "watches:5", 0)
	c := newCollector(t, func(o *Options) { o.Sweep = time.Hour })
	counted(t, snapshotOf(t, c), w.pids[0], 5)
	second := snapshotOf(t, c)
	if second.Guest.FDsListed >= snapshotOf(t, newCollector(t, nil)).Guest.FDsListed {
		t.Errorf("the second look listed %d fds", second.Guest.FDsListed)
	}
	w.do(t, "epoll 7")
	// A listing waits in proportion to what the last one cost.
	for deadline := time.Now().Add(10 * time.Second); ; {
		s := snapshotOf(t, c)
		if p := s.Process(w.pids[0]); p != nil && slices.ContainsFunc(p.Epolls, func(e model.Epoll) bool { return e.Watches == 7 }) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the second epoll was never found")
		}
	}
}

// TestAQuietLookDisturbsNothing: a quiet look lists, reads and dumps nothing, and
// keeps what was known.
func TestAQuietLookDisturbsNothing(t *testing.T) {
	w := start(t, "watches:5", 0)
	c := newCollector(t, nil)
	clock := time.Now()
	c.now = func() time.Time { return clock }
	before, err := c.Look(t.Context(), model.Focus{Quiet: true}) // the first one never is
	if err != nil {
		t.Fatal(err)
	}
	counted(t, model.New(before), w.pids[0], 5)
	clock = clock.Add(time.Hour) // all is due
	later := start(t, "watches:7", 0)
	quiet, err := c.Look(t.Context(), model.Focus{Quiet: true, Fresh: true})
	if err != nil {
		t.Fatal(err)
	}
	if g := quiet.Guest; g.FDsListed != 0 || g.InstancesRead != 0 || !quiet.SocketsAt.Equal(before.SocketsAt) {
		t.Errorf("a quiet look listed %d fds, read %d epolls, dumped sockets at %v", g.FDsListed, g.InstancesRead, quiet.SocketsAt)
	}
	snap := model.New(quiet)
	counted(t, snap, w.pids[0], 5)
	if snap.Process(later.pids[0]) != nil {
		t.Error("a quiet look found the epoll of a new process")
	}
	counted(t, snapshotOf(t, c), later.pids[0], 7)
}

// TestAReplacedFDIsNoEpoll: a number that became another file, with the count of fds
// unchanged, must not be shown as an epoll without watches.
func TestAReplacedFDIsNoEpoll(t *testing.T) {
	w := start(t, "watches:5", 0)
	clock := time.Now()
	c := newCollector(t, func(o *Options) { o.Sweep = time.Hour })
	c.now = func() time.Time { return clock }
	counted(t, snapshotOf(t, c), w.pids[0], 5)
	w.do(t, "replace")
	for range 3 {
		clock = clock.Add(time.Minute)
		p := snapshotOf(t, c).Process(w.pids[0])
		if p == nil {
			return // it holds no epoll any more
		}
		for _, e := range p.Epolls {
			if e.State == model.OK && e.Watches == 0 {
				t.Errorf("fd %d is shown as an epoll without watches", e.FD)
			}
		}
	}
	if p := snapshotOf(t, c).Process(w.pids[0]); p != nil && p.Watches.Value >= 5 {
		t.Errorf("its watches are still counted: %+v", p)
	}
}

func TestACostlyInstanceWaits(t *testing.T) {
	w := start(t, "watches:3000", 0)
	clock := time.Now()
	c := newCollector(t, func(o *Options) { o.Sweep = time.Hour })
	c.now = func() time.Time { return clock }
	first := counted(t, snapshotOf(t, c), w.pids[0], 3000)
	if first.ReadTook <= 0 || first.NextRead < 99*first.ReadTook {
		t.Fatalf("a read of %v is followed by one in %v", first.ReadTook, first.NextRead)
	}
	at := first.NextRead
	clock = clock.Add(at - time.Nanosecond)
	s := snapshotOf(t, c)
	if e := counted(t, s, w.pids[0], 3000); e.Age != at-time.Nanosecond {
		t.Errorf("read again after %v, before its time", at-e.Age)
	}
	if s.Guest.InstancesWaiting == 0 {
		t.Error("nothing is said to wait")
	}
	clock = clock.Add(time.Nanosecond)
	if e := counted(t, snapshotOf(t, c), w.pids[0], 3000); e.Age != 0 {
		t.Errorf("not read when its time had come: age %v", e.Age)
	}
}

func TestALookIsBoundedInTime(t *testing.T) {
	for range 3 {
		start(t, "watches:1", 0)
	}
	c := newCollector(t, func(o *Options) { o.LookTime = 200 * time.Microsecond })
	s := snapshotOf(t, c)
	if s.Guest.ListingsWaiting == 0 {
		t.Error("no listing waits although the time was up")
	}
	for range 10_000 {
		if s = snapshotOf(t, c); s.Guest.ListingsWaiting == 0 && s.Epoll.Unread == 0 {
			return
		}
	}
	t.Errorf("after 10 000 looks %d listings wait, %d instances are unread", s.Guest.ListingsWaiting, s.Epoll.Unread)
}

func TestAReusedPIDIsAnotherProcess(t *testing.T) {
	w := start(t, "watches:5", 0)
	c := newCollector(t, nil)
	s := snapshotOf(t, c)
	counted(t, s, w.pids[0], 5)
	// The same number with another start time: what is known must be forgotten.
	p := throughProc(c).processes[w.pids[0]]
	p.StartTicks--
	p.dirIno++
	p.Comm = "the old one"
	fresh := snapshotOf(t, c)
	if got := fresh.Process(w.pids[0]); got == nil || got.Comm == "the old one" || got.ListedAge > fresh.Took {
		t.Errorf("the new process = %+v", got)
	}
}

func TestAnEndedProcessIsForgotten(t *testing.T) {
	c := newCollector(t, nil)
	var pid int
	t.Run("while it runs", func(t *testing.T) {
		w := start(t, "watches:5", 0)
		pid = w.pids[0]
		counted(t, snapshotOf(t, c), pid, 5)
	})
	s := snapshotOf(t, c, pid)
	if s.Process(pid) != nil {
		t.Errorf("still there: %+v", s.Process(pid))
	}
	for _, in := range throughProc(c).instances {
		if len(in.holders) == 1 && in.holders[0].PID == pid {
			t.Errorf("its epoll is still counted: %+v", in)
		}
	}
	if err := c.Attach(pid); !errors.Is(err, ErrGone) {
		t.Errorf("Attach = %v", err)
	}
}

func TestAttach(t *testing.T) {
	c := newCollector(t, nil)
	if err := c.Attach(os.Getpid()); err != nil {
		t.Error(err)
	}
	for pid, want := range map[int]error{2: ErrKernelThread, 1 << 30: ErrGone} {
		if err := c.Attach(pid); !errors.Is(err, want) {
			t.Errorf("Attach(%d) = %v, want %v", pid, err, want)
		}
	}
}

func TestFDLimitIsSaid(t *testing.T) {
	w := start(t, "watches:50", 0)
	s := snapshotOf(t, newCollector(t, func(o *Options) { o.MaxFDs = 20 }))
	p := s.Process(w.pids[0])
	if p == nil || p.FDsSeen != maybe.Some[int64](20) || p.FDs.Value < 51 {
		t.Fatalf("process = %+v", p)
	}
	// What was not listed is asked for individually or left unproven, never stale.
	if e := counted(t, s, w.pids[0], 50); e.Stale != 0 {
		t.Errorf("%d watches beyond the limit are called stale", e.Stale)
	}
}

func TestOptions(t *testing.T) {
	for _, share := range []float64{0, -1, 1.01} {
		if _, err := New(Options{ProcRoot: "/proc", SysRoot: "/sys", MaxStall: share}); err == nil {
			t.Errorf("a max stall of %g was accepted", share)
		}
	}
	if _, err := New(Options{ProcRoot: "/nowhere", SysRoot: "/sys", MaxStall: 1}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing procfs = %v", err)
	}
	if _, err := New(Options{ProcRoot: t.TempDir(), SysRoot: "/sys", MaxStall: 1}); err == nil || !strings.Contains(err.Error(), "--path.sysfs") {
		t.Errorf("a captured tree beside this machine's sysfs: %v", err)
	}
}

// TestTreeWithoutEverything looks at a procfs and sysfs that have nothing but one
// process: every source is named with its outcome.
func TestTreeWithoutEverything(t *testing.T) {
	root := t.TempDir()
	write := func(name, text string) {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("proc/7/stat", "7 (a (b) c) S 1 "+strings.Repeat("0 ", 48)+"\n")
	write("proc/7/status", "Name:\ta\nUid:\t5\t6\t7\t8\nGid:\t5\t6\t7\t8\n")
	write("proc/7/fdinfo/3", "pos:\t0\nflags:\t02\ntfd:        5 events:       19 data:                5\n")
	write("proc/slabinfo", "slabinfo - version: 2.1\nTCP 1 2\n")
	if err := os.MkdirAll(filepath.Join(root, "proc/7/fd"), 0o755); err != nil {
		t.Fatal(err)
	}
	for fd, link := range map[int]string{0: "/dev/null", 3: "anon_inode:[eventpoll]", 5: "socket:[99]"} {
		if err := os.Symlink(link, filepath.Join(root, fmt.Sprintf("proc/7/fd/%d", fd))); err != nil {
			t.Fatal(err)
		}
	}
	c := newCollector(t, func(o *Options) {
		o.ProcRoot, o.SysRoot = filepath.Join(root, "proc"), filepath.Join(root, "sys")
	})
	s := snapshotOf(t, c)
	p := s.Process(7)
	if p == nil || p.Comm != "a (b) c" || p.UID != maybe.Some(6) || p.Watches != maybe.Some[int64](1) || p.FDs != maybe.Some[int64](3) || p.Sockets != maybe.Some[int64](1) {
		t.Fatalf("process = %+v", p)
	}
	if e := p.Epolls[0]; !e.SharingUnknown || e.ChargedUID != maybe.Some(5) || e.Bytes.Known {
		t.Errorf("epoll = %+v", e)
	}
	want := map[string]model.State{
		"fdinfo": model.OK, "slabinfo": model.Failed, "slab_sysfs": model.Absent, "btf": model.Absent, "protocols": model.Absent,
		"zoneinfo": model.Absent, "nodes": model.Absent, "dmi": model.Absent, "meminfo": model.Absent, "limits": model.Absent, "bpf": model.Absent,
		"sock_diag": model.Absent, "sockstat": model.Absent,
	}
	for _, src := range s.Sources {
		if src.State != want[src.Name] {
			t.Errorf("%s is %s, want %s: %s", src.Name, src.State, want[src.Name], src.Detail)
		}
		if src.Name == "dmi" && src.Detail != "the kernel shows no SMBIOS table" {
			t.Errorf("without memory modules: %q", src.Detail)
		}
		if src.State != model.OK && src.Detail == "" {
			t.Errorf("%s does not say why it is %s", src.Name, src.State)
		}
		delete(want, src.Name)
	}
	if len(want) > 0 {
		t.Errorf("sources not named: %v", want)
	}
	if s.Sockets != nil {
		t.Errorf("sums of sockets that could not be read: %+v", s.Sockets)
	}
	if s.ConnectionCost.TCP4.Known || s.Epoll.MaxUserWatches.Known || len(s.Walls) != 0 {
		t.Errorf("numbers out of nothing: %+v", s)
	}
}

// TestLookEnds: a look that nobody waits for any more stops at its next step, and the
// next look is whole.
func TestLookEnds(t *testing.T) {
	c := newCollector(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	ran := 0
	step := func() { ran++; cancel() }
	if err := inTurn(ctx, step, step); !errors.Is(err, context.Canceled) || ran != 1 {
		t.Errorf("%d steps ran: %v", ran, err)
	}
	if s, err := c.Look(ctx, model.Focus{}); !errors.Is(err, context.Canceled) || s != nil {
		t.Errorf("a look after its end: %v, %v", s, err)
	}
	s, err := c.Look(t.Context(), model.Focus{Quiet: true}) // the first whole one never is
	if err != nil {
		t.Fatal(err)
	}
	if s.Guest.FDsListed == 0 {
		t.Error("no fds are listed after a look that was ended")
	}
}

func BenchmarkLook(b *testing.B) {
	c := newCollector(b, nil)
	var d model.Deriver
	look := func() *model.Snapshot {
		s, err := c.Look(b.Context(), model.Focus{})
		if err != nil {
			b.Fatal(err)
		}
		return d.Derive(s)
	}
	look()
	b.ReportAllocs()
	for b.Loop() {
		if s := look(); s.Epoll.Instances.Value == 0 {
			b.Fatal("the test's own epoll was not found")
		}
	}
}

// BenchmarkFirstLook measures what one snapshot costs, when nothing is known yet.
func BenchmarkFirstLook(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		c, err := New(Options{ProcRoot: "/proc", SysRoot: "/sys", MaxStall: DefaultMaxStall, MaxFDs: DefaultMaxFDs})
		if err != nil {
			b.Fatal(err)
		}
		if s := snapshotOf(b, c); s.Epoll.Instances.Value == 0 {
			b.Fatal("the test's own epoll was not found")
		}
		c.Close()
	}
}
