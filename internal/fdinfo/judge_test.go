package fdinfo

import (
	"os"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/eptop/eptop/internal/epoll"
)

// reopen closes a descriptor after a duplicate was made, and puts another file
// under its number.
func reopen(t *testing.T, fd, other int) {
	t.Helper()
	dup, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	must(t, dup, err)
	if err := unix.Dup3(other, fd, unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
}

// links counts the watches of a descriptor by their Link.
func links(watches []epoll.Watch, fd int) (current, stale, unproven int) {
	for _, w := range watches {
		if int(w.TFD) != fd {
			continue
		}
		switch w.Link {
		case epoll.Current:
			current++
		case epoll.Stale:
			stale++
		case epoll.Unproven:
			unproven++
		}
	}
	return current, stale, unproven
}

func wantLinks(t *testing.T, watches []epoll.Watch, fd, current, stale, unproven int) {
	t.Helper()
	if c, s, u := links(watches, fd); c != current || s != stale || u != unproven {
		t.Errorf("descriptor %d: %d current, %d stale, %d unproven, want %d, %d, %d", fd, c, s, u, current, stale, unproven)
	}
}

// withoutKcmp is a procfs whose PIDs must not be given to kcmp.
func withoutKcmp(t *testing.T) *FS {
	t.Helper()
	f, err := NewFS("/proc")
	if err != nil {
		t.Fatal(err)
	}
	f.samePIDs = false
	return f
}

// TestSameNumberTwice watches a second file under the number of the first, which
// a duplicate keeps open: an eventfd, whose inode is the same, and a socket, whose
// inode is not.
func TestSameNumberTwice(t *testing.T) {
	f := live(t)
	epfd := newEpoll(t)
	event := newEventfd(t, 0)
	watch(t, epfd, event, epoll.In)
	reopen(t, event, newEventfd(t, 0))
	watch(t, epfd, event, epoll.In)
	socket, peer := newPair(t)
	watch(t, epfd, socket, epoll.In)
	reopen(t, socket, peer)
	watch(t, epfd, socket, epoll.In)

	watches, stats := look(t, f, epfd)
	wantLinks(t, watches, event, 1, 1, 0)
	wantLinks(t, watches, socket, 1, 1, 0)
	if stats.Verified != 3 || stats.Took <= 0 {
		t.Errorf("%+v, want the socket that is listed to need no verification", stats)
	}
	for _, w := range watches {
		if int(w.TFD) == event && w.Link == epoll.Stale && w.Kind != epoll.KindAnon || w.Link == epoll.Current && w.Kind == epoll.KindAnon {
			t.Errorf("%+v has the wrong kind", w)
		}
	}
	watches, _ = look(t, withoutKcmp(t), epfd)
	wantLinks(t, watches, event, 0, 0, 2)
	wantLinks(t, watches, socket, 1, 1, 0)
}

func TestPipeEnds(t *testing.T) {
	f := live(t)
	epfd := newEpoll(t)
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	r, w := must(t, pipe[0], nil), must(t, pipe[1], nil)
	watch(t, epfd, r, epoll.In)
	watch(t, epfd, w, epoll.Out)
	watches, _ := look(t, f, epfd)
	wantLinks(t, watches, r, 1, 0, 0)
	wantLinks(t, watches, w, 1, 0, 0)
	for _, watch := range watches {
		if watch.Kind != epoll.KindPipe {
			t.Errorf("%+v is no pipe", watch)
		}
	}
	reopen(t, r, w) // the same inode, and yet another file
	watches, _ = look(t, f, epfd)
	wantLinks(t, watches, r, 0, 1, 0)
	wantLinks(t, watches, w, 1, 0, 0)
}

func TestEveryKind(t *testing.T) {
	f := live(t)
	epfd := newEpoll(t)
	inotify, err := unix.InotifyInit1(unix.IN_CLOEXEC)
	must(t, inotify, err)
	signal, err := unix.Signalfd(-1, &unix.Sigset_t{}, unix.SFD_CLOEXEC)
	must(t, signal, err)
	pidfd, err := unix.PidfdOpen(os.Getpid(), 0)
	must(t, pidfd, err)
	tty, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	must(t, tty, err)
	kinds := map[int]epoll.Kind{inotify: epoll.KindInotify, signal: epoll.KindSignalfd, pidfd: epoll.KindPidfd, tty: epoll.KindTty, newEpoll(t): epoll.KindEpoll}
	for fd := range kinds {
		watch(t, epfd, fd, epoll.In)
	}
	watches, _ := look(t, f, epfd)
	for _, w := range watches {
		if w.Link != epoll.Current || w.Kind != kinds[int(w.TFD)] {
			t.Errorf("%+v is %v, want %v", w, w.Kind, kinds[int(w.TFD)])
		}
	}
}

// TestListingOfAnotherTime judges with listings made before and after the watches
// were read.
func TestListingOfAnotherTime(t *testing.T) {
	f := live(t)
	epfd := newEpoll(t)
	before, err := f.List(os.Getpid(), 0, Listing{})
	if err != nil {
		t.Fatal(err)
	}
	opened, _ := newPair(t)
	watch(t, epfd, opened, epoll.In)
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	closed := pair[0]
	must(t, pair[1], nil)
	watch(t, epfd, closed, epoll.In)
	var r Reader
	watches, _, err := readEpoll(&r, f, os.Getpid(), epfd, nil)
	if err != nil {
		t.Fatal(err)
	}
	unix.Close(closed) // no duplicate: the watch goes with it
	for name, l := range map[string]*Listing{"before": &before, "none": nil} {
		judgeAlone(f, os.Getpid(), epfd, watches, l, time.Minute)
		t.Log("listing:", name)
		wantLinks(t, watches, opened, 1, 0, 0)
		wantLinks(t, watches, closed, 0, 0, 1)
		if watches[0].Kind != epoll.KindSocket {
			t.Errorf("%+v is no socket", watches[0])
		}
	}
}

func TestTruncatedListing(t *testing.T) {
	f := live(t)
	epfd := newEpoll(t)
	beyond, _ := newPair(t)
	watch(t, epfd, beyond, epoll.In)
	l, err := f.List(os.Getpid(), 2, Listing{})
	if err != nil || !l.Truncated {
		t.Fatalf("%+v, %v", l, err)
	}
	watches, _ := lookWith(t, f, epfd, &l)
	wantLinks(t, watches, beyond, 1, 0, 0)
	watches, _ = lookWith(t, withoutKcmp(t), epfd, &l)
	wantLinks(t, watches, beyond, 1, 0, 0)
}

func TestWithoutBudget(t *testing.T) {
	f := live(t)
	epfd := newEpoll(t)
	event := newEventfd(t, 0)
	socket, _ := newPair(t)
	watch(t, epfd, event, epoll.In)
	watch(t, epfd, socket, epoll.In)
	watches, _ := look(t, f, epfd)
	l, err := f.List(os.Getpid(), 0, Listing{})
	if err != nil {
		t.Fatal(err)
	}
	stats := judgeAlone(f, os.Getpid(), epfd, watches, &l, 0)
	if (stats != JudgeStats{Current: 1, Unproven: 1}) {
		t.Errorf("%+v", stats)
	}
	wantLinks(t, watches, socket, 1, 0, 0)
	wantLinks(t, watches, event, 0, 0, 1)
}

// TestSlowCall: after one call that took all the time there is, a small epoll is
// judged all the same, and a large one is not.
func TestSlowCall(t *testing.T) {
	for _, tt := range []struct {
		watches int
		budget  time.Duration
		want    bool
	}{
		{23, time.Millisecond, false},
		{alwaysWalked / 2, time.Millisecond, false},
		{alwaysWalked, time.Millisecond, true},
		{23, time.Second, false},
		{alwaysWalked, time.Second, false},
		{23, 0, true},
	} {
		j := judge{views: make([]viewState, 1), watches: make([]epoll.Watch, tt.watches), budget: tt.budget, calls: 1}
		j.stats.Took = 5 * time.Millisecond
		if got := j.isExhausted(); got != tt.want {
			t.Errorf("%d watches, %v: exhausted is %v, want %v", tt.watches, tt.budget, got, tt.want)
		}
	}
}

// TestManyStale has more stale watches than one call can ask about.
func TestManyStale(t *testing.T) {
	f := live(t)
	epfd := newEpoll(t)
	event := newEventfd(t, 0)
	const n = maxVerify + 100
	for range n {
		fd, err := unix.FcntlInt(uintptr(event), unix.F_DUPFD_CLOEXEC, 100)
		if err != nil {
			t.Fatal(err)
		}
		watch(t, epfd, fd, epoll.In)
		defer unix.Close(fd)
	}
	watches, stats := look(t, f, epfd)
	if stats.Verified != maxVerify || stats.Current != maxVerify || stats.Unproven != 100 {
		t.Errorf("%+v", stats)
	}
	for _, w := range watches[:n/2] {
		unix.Close(int(w.TFD))
	}
	_, stats = look(t, f, epfd)
	if stats.Stale != n/2 || stats.Verified != maxVerify {
		t.Errorf("%+v, want the %d that no listing has before the others", stats, n/2)
	}
	// The deferred calls close only what is still open.
	for _, w := range watches[:n/2] {
		if err := unix.Dup3(event, int(w.TFD), unix.O_CLOEXEC); err != nil {
			t.Fatal(err)
		}
	}
}

func TestLongFile(t *testing.T) {
	f := live(t)
	epfd := newEpoll(t)
	event := newEventfd(t, 0)
	const n = 8000 // 630 KB of text, three buffers
	sum := 0
	for range n {
		fd, err := unix.FcntlInt(uintptr(event), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			t.Skipf("%d more descriptors: %v; raise the limit: ulimit -n 10000", n, err)
		}
		defer unix.Close(fd)
		watch(t, epfd, fd, epoll.In)
		sum += fd
	}
	var r Reader
	watches, took, err := readEpoll(&r, f, os.Getpid(), epfd, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range watches {
		sum -= int(w.TFD)
	}
	if len(watches) != n || sum != 0 {
		t.Errorf("%d watches, descriptors differ by %d", len(watches), sum)
	}
	slot := epollSlot{efd: uint32(epfd), tfd: uint32(watches[n-1].TFD)}
	start := time.Now()
	order, errno := compareTarget(os.Getpid(), watches[n-1].TFD, os.Getpid(), slot)
	t.Logf("read took %v, kcmp of the last of %d watches %v", took, n, time.Since(start))
	if order != Equal || errno != 0 {
		t.Errorf("kcmp: %v, %v", order, errno)
	}
}

// TestNumberSet covers the numbers that no real file has.
func TestNumberSet(t *testing.T) {
	var s numberSet
	for _, n := range []int32{0, 63, 64, 1 << 20, maxNumberBits - 1, maxNumberBits, 1<<31 - 1} {
		if s.has(n) || !s.add(n) || s.add(n) || !s.has(n) {
			t.Errorf("%d", n)
		}
	}
}

// TestOthers: a watch is stale only if everybody is seen and nobody has its file open
// under its number; who has another file there does not matter.
func TestOthers(t *testing.T) {
	f := live(t)
	epfd := newEpoll(t)
	event, pipe := newEventfd(t, 0), make([]int, 2)
	socket, peer := newPair(t)
	if err := unix.Pipe2(pipe, unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	must(t, pipe[0], nil)
	must(t, pipe[1], nil)
	watched := []int{event, socket, pipe[0]}
	var kept, changed [3]*os.File // the watched files, and others of their kind
	for i, other := range []int{newEventfd(t, 0), peer, pipe[1]} {
		watch(t, epfd, watched[i], epoll.In)
		for files, fd := range map[*[3]*os.File]int{&kept: watched[i], &changed: other} {
			dup, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
			if err != nil {
				t.Fatal(err)
			}
			files[i] = os.NewFile(uintptr(dup), "")
			defer files[i].Close()
		}
	}
	holder := func(files [3]*os.File) View {
		at := make([]*os.File, slices.Max(watched)-2)
		for i, fd := range watched {
			at[fd-3] = files[i]
		}
		pid := startHolder(t, at...)
		l, err := f.List(pid, 0, Listing{})
		if err != nil {
			t.Fatal(err)
		}
		return View{Holder: epoll.Holder{PID: pid}, FDs: &l}
	}
	same, different := holder(kept), holder(changed)
	cut, err := f.List(same.PID, 2, Listing{})
	if err != nil || !cut.Truncated {
		t.Fatal(err, cut)
	}
	for _, fd := range watched {
		reopen(t, fd, epfd)
	}
	own, err := f.List(os.Getpid(), 0, Listing{})
	if err != nil {
		t.Fatal(err)
	}
	var r Reader
	watches, _, err := readEpoll(&r, f, os.Getpid(), epfd, nil)
	if err != nil {
		t.Fatal(err)
	}
	views := []View{{epoll.Holder{PID: os.Getpid(), FD: epfd}, &own}}
	for name, tt := range map[string]struct {
		fs     *FS
		others Others
		stale  int
	}{
		"nobody else":         {f, Others{Everybody: true}, 3},
		"not all are seen":    {f, Others{}, 0},
		"the same files":      {f, Others{Tables: []View{same}, Everybody: true}, 0},
		"a listing cut short": {f, Others{Tables: []View{{same.Holder, &cut}}, Everybody: true}, 0},
		"other files":         {f, Others{Tables: []View{different}, Everybody: true}, 3},
		"the holder itself":   {f, Others{Tables: []View{{views[0].Holder, &own}}, Everybody: true}, 3},
		// Without kcmp a socket alone can be told from another one.
		"other files, no kcmp": {withoutKcmp(t), Others{Tables: []View{different}, Everybody: true}, 1},
	} {
		if stats := tt.fs.JudgeShared(views, tt.others, watches, time.Minute); stats.Stale != tt.stale || stats.Stale+stats.Unproven != 3 {
			t.Errorf("%s: %+v, want %d stale", name, stats, tt.stale)
		}
	}
}
