package collect

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/netip"
	"os"
	"reflect"
	"slices"
	"syscall"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/eptop/eptop/internal/epoll"
	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/sock"
)

// newBPFCollector is a collector that looks through BPF, or the test is skipped.
func newBPFCollector(t testing.TB) *Collector {
	t.Helper()
	c, err := New(Options{ProcRoot: "/proc", SysRoot: "/sys", MaxStall: DefaultMaxStall, MaxFDs: DefaultMaxFDs, Source: SourceBPF})
	switch {
	case errors.Is(err, fs.ErrPermission), errors.Is(err, errors.ErrUnsupported):
		t.Skipf("%v: run the tests as root on Linux 6.1 or later", err)
	case err != nil:
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// seenProcess and seenInstance are what both sources can know.
type seenProcess struct {
	PID, ThreadOf int
	Comm, User    string
	UID, RealUID  maybe.Of[int]
	Started       int64
	State         model.State
	Problem       string
	FDs, Nofile   maybe.Of[int64]
	Files         []epoll.FD
}

type seenInstance struct {
	Holders      []epoll.Holder
	SharingKnown bool
	State        model.State
	Watches      []seenWatch
}

// seenWatch is a watch, and what its number is by now.
type seenWatch struct {
	Line string
	Link epoll.Link
	Kind epoll.Kind
}

type picture struct {
	Processes []seenProcess
	Instances []seenInstance
	Sockets   []sock.Socket
	Networks  []seenNetwork
}

// seenNetwork is a network namespace other than eptop's own, in which only those that are
// in the picture are.
type seenNetwork struct {
	ID     string
	PID    int
	State  model.State
	Detail string
	Others map[uint64]string
}

// pictureOf is what a Sample says of some processes.
func pictureOf(s *model.Sample, pids map[int]bool) picture {
	var out picture
	for i := range s.Processes {
		p := &s.Processes[i]
		if !pids[p.PID] && !pids[p.ThreadOf] {
			continue
		}
		files := slices.Clone(p.Files.Value)
		for i := range files {
			if files[i].Kind == epoll.KindTty {
				files[i].Kind = epoll.KindFile // by name in /proc, by number in a pass
			}
		}
		out.Processes = append(out.Processes, seenProcess{
			PID: p.PID, ThreadOf: p.ThreadOf, Comm: p.Comm, User: p.User, UID: p.UID, RealUID: p.RealUID, Started: p.Started.Unix(),
			State: p.State, Problem: p.Problem, FDs: p.FDs, Nofile: p.Nofile, Files: files,
		})
	}
	slices.SortFunc(out.Processes, func(a, b seenProcess) int { return cmp.Compare(a.PID, b.PID) })
	for i := range s.Instances {
		in := &s.Instances[i]
		if !pids[in.Holders[0].PID] {
			continue
		}
		seen := seenInstance{Holders: in.Holders, SharingKnown: in.SharingKnown, State: in.State}
		for j := range in.List {
			seen.Watches = append(seen.Watches, seenWatchOf(&in.List[j]))
		}
		for range in.Kernel.Value.Unheld.Value {
			seen.Watches = append(seen.Watches, unheld)
		}
		slices.SortFunc(seen.Watches, byLine)
		out.Instances = append(out.Instances, seen)
	}
	slices.SortFunc(out.Instances, func(a, b seenInstance) int {
		return cmp.Or(cmp.Compare(a.Holders[0].PID, b.Holders[0].PID), cmp.Compare(a.Holders[0].FD, b.Holders[0].FD))
	})
	out.addSockets(s, pids)
	return out
}

// addSockets adds the sockets that the processes hold, and all of a namespace that only they
// are in. sock_diag does not report a socket without an address, and a pass does.
func (p *picture) addSockets(s *model.Sample, pids map[int]bool) {
	held := map[uint64]bool{}
	for i := range p.Processes {
		for _, fd := range p.Processes[i].Files {
			held[fd.Ino] = held[fd.Ino] || fd.Kind == epoll.KindSocket
		}
	}
	for i := range s.Networks {
		n := &s.Networks[i]
		mine := pids[n.PID]
		if mine {
			others := maps.Clone(n.OtherFamilies)
			maps.DeleteFunc(others, func(ino uint64, _ string) bool { return !held[ino] }) // the kernel has some
			p.Networks = append(p.Networks, seenNetwork{ID: n.ID, PID: n.PID, State: n.State, Detail: n.Detail, Others: others})
		}
		for _, socket := range n.Table.All() {
			unbound := !socket.Kind.IsUnix() && socket.State == sock.StateClose && socket.Local.Port() == 0
			if (mine || held[uint64(socket.Ino)] && socket.Ino != 0) && !unbound {
				p.Sockets = append(p.Sockets, socket)
			}
		}
	}
	slices.SortFunc(p.Networks, func(a, b seenNetwork) int { return cmp.Compare(a.ID, b.ID) })
	slices.SortFunc(p.Sockets, func(a, b sock.Socket) int {
		return cmp.Or(cmp.Compare(a.Ino, b.Ino), cmp.Compare(a.Kind, b.Kind), a.Local.Compare(b.Local), a.Remote.Compare(b.Remote))
	})
}

// unheld is a watch on a file that no process holds, which a pass only counts.
var unheld = seenWatch{Line: "unheld", Link: epoll.Stale}

func byLine(a, b seenWatch) int {
	return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Link, b.Link), cmp.Compare(a.Kind, b.Kind))
}

// seenWatchOf is a watch as both sources know it: of a stale one /proc knows the kind by its
// device at most.
func seenWatchOf(w *epoll.Watch) seenWatch {
	s := seenWatch{Line: fmt.Sprintf("tfd %d events %v data %x pos %d ino %d sdev %x", w.TFD, w.Mask, w.Data, w.Pos, w.Ino, w.Sdev), Link: w.Link}
	if w.Link == epoll.Current {
		s.Kind = w.Kind
	}
	return s
}

// forgive makes alike what /proc cannot know: how many fds there are, which watches are on files that no process
// holds, and about some numbers it has no time to ask.
func forgive(proc, bpf picture) {
	for i := range min(len(proc.Processes), len(bpf.Processes)) {
		if p := &proc.Processes[i]; !p.FDs.Known { // before Linux 6.2
			p.FDs = maybe.Some(int64(len(p.Files)))
		}
	}
	for i := range proc.Instances {
		if i >= len(bpf.Instances) || len(proc.Instances[i].Watches) != len(bpf.Instances[i].Watches) {
			continue
		}
		list := proc.Instances[i].Watches
		has, left := map[string][]seenWatch{}, 0
		for _, w := range bpf.Instances[i].Watches {
			has[w.Line] = append(has[w.Line], w)
			left += count(w == unheld)
		}
		for j := range list {
			w := &list[j]
			switch same := has[w.Line]; {
			case len(same) == 0 && left > 0 && w.Link != epoll.Current:
				*w = unheld
				left--
			case len(same) > 0:
				if w.Link == epoll.Unproven {
					w.Link, w.Kind = same[0].Link, same[0].Kind
				}
				has[w.Line] = same[1:]
			}
		}
		slices.SortFunc(list, byLine)
	}
}

func count(is bool) int {
	if is {
		return 1
	}
	return 0
}

// diffEach shows the first things that differ.
func diffEach[T any](t *testing.T, what string, proc, bpf []T) {
	t.Helper()
	if len(proc) != len(bpf) {
		t.Errorf("%d of %s through /proc, %d through BPF", len(proc), what, len(bpf))
	}
	left := 5
	for i := range min(len(proc), len(bpf)) {
		if left == 0 {
			return
		}
		// A fraction of the time, and all of it as a rule.
		if !reflect.DeepEqual(proc[i], bpf[i]) {
			left--
			t.Errorf("%s %d, -proc +bpf:\n%s", what, i, gocmp.Diff(proc[i], bpf[i], gocmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })))
		}
	}
}

// comparePictures looks by both sources at processes that do not change, twice: the
// second look of each confirms what the first saw.
func comparePictures(t *testing.T, pids map[int]bool) {
	t.Helper()
	throughBPF := newBPFCollector(t)
	throughProc := newCollector(t, func(o *Options) { o.Source = SourceProc })
	var proc, bpf *model.Sample
	for range 2 {
		proc, bpf = sampleOf(t, throughProc, model.Focus{}), sampleOf(t, throughBPF, model.Focus{})
		throughBPF.source.bpf.next = throughBPF.lastLook // no pause between two passes
	}
	want, got := pictureOf(proc, pids), pictureOf(bpf, pids)
	forgive(want, got)
	diffEach(t, "process", want.Processes, got.Processes)
	diffEach(t, "instance", want.Instances, got.Instances)
	diffEach(t, "socket", want.Sockets, got.Sockets)
	diffEach(t, "network", want.Networks, got.Networks)
	if len(want.Processes) == 0 || len(want.Instances) == 0 || len(want.Sockets) == 0 {
		t.Errorf("%d processes with %d instances and %d sockets are in the picture", len(want.Processes), len(want.Instances), len(want.Sockets))
	}
}

// TestOnePicture: both sources see the same, field by field where both can know it.
func TestOnePicture(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("a pass needs root: run the tests with sudo")
	}
	pids := map[int]bool{}
	for _, name := range []string{"mix", "watches:3001", "tables:200", "zombie:23", "shared:101", "stale:23", "passed-sockets:7", "passed-eventfds:7", "namespace:11", "pairs:50"} {
		for _, pid := range start(t, name, 0).pids {
			pids[pid] = true
		}
	}
	pids[start(t, "watches:31", 65534).pids[0]] = true
	// In namespaces of its own, where its PID is 1.
	apart := startAs(t, "mix", &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWPID | unix.CLONE_NEWNET})
	pids[apart.pid] = true
	comparePictures(t, pids)
}
