package fdinfo

import (
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/eptop/eptop/internal/epoll"
)

// live returns the procfs of the running kernel.
func live(t testing.TB) *FS {
	t.Helper()
	f, err := NewFS("/proc")
	if err != nil {
		t.Fatal(err)
	}
	if !f.samePIDs {
		t.Skip("/proc is not the procfs of this PID namespace; mount it to run this test: mount -t proc proc /proc")
	}
	return f
}

// must unwraps a descriptor and closes it at the end of the test.
func must(t testing.TB, fd int, err error) int {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return fd
}

func newEpoll(t testing.TB) int {
	t.Helper()
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	return must(t, fd, err)
}

func newEventfd(t testing.TB, count uint) int {
	t.Helper()
	fd, err := unix.Eventfd(count, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	return must(t, fd, err)
}

// newPair returns both ends of a connected pair of sockets.
func newPair(t testing.TB) (a, b int) {
	t.Helper()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	return must(t, pair[0], nil), must(t, pair[1], nil)
}

// watch adds a descriptor to an epoll, with its number as data.
func watch(t testing.TB, epfd, fd int, mask epoll.Mask) {
	t.Helper()
	event := unix.EpollEvent{Events: uint32(mask), Fd: int32(fd)}
	if err := unix.EpollCtl(epfd, unix.EPOLL_CTL_ADD, fd, &event); err != nil {
		t.Fatal(err)
	}
}

// fire waits for exactly n events, which disarms one-shot watches.
func fire(t testing.TB, epfd, n int) {
	t.Helper()
	events := make([]unix.EpollEvent, n+1)
	got, err := unix.EpollWait(epfd, events, 0)
	if err != nil || got != n {
		t.Fatalf("epoll_wait returned %d events and %v, want %d", got, err, n)
	}
}

// look reads and judges an epoll of this process.
func look(t testing.TB, f *FS, epfd int) ([]epoll.Watch, JudgeStats) {
	t.Helper()
	l, err := f.List(os.Getpid(), 0, Listing{})
	if err != nil {
		t.Fatal(err)
	}
	return lookWith(t, f, epfd, &l)
}

func lookWith(t testing.TB, f *FS, epfd int, l *Listing) ([]epoll.Watch, JudgeStats) {
	t.Helper()
	var r Reader
	watches, took, err := readEpoll(&r, f, os.Getpid(), epfd, nil)
	if err != nil {
		t.Fatal(err)
	}
	if took <= 0 {
		t.Errorf("reading took %v", took)
	}
	stats := judgeAlone(f, os.Getpid(), epfd, watches, l, time.Minute)
	if stats.Current+stats.Stale+stats.Unproven != len(watches) {
		t.Errorf("%+v does not add up to %d watches", stats, len(watches))
	}
	return watches, stats
}

// TestNoWatches: this kernel shows watches, so an epoll without watch lines has none.
func TestNoWatches(t *testing.T) {
	f := live(t)
	if n, err := ownWatches("/proc"); n != 1 || err != nil {
		t.Errorf("%d watches of one, %v", n, err)
	}
	var r Reader
	for range 2 { // the second answer is remembered
		if watches, _, err := readEpoll(&r, f, os.Getpid(), newEpoll(t), nil); err != nil || len(watches) != 0 {
			t.Errorf("an empty epoll: %d watches, %v", len(watches), err)
		}
	}
}

// TestTwentyThreeWatches builds a known epoll and finds exactly what it built.
func TestTwentyThreeWatches(t *testing.T) {
	f := live(t)
	epfd := newEpoll(t)
	const always = epoll.Err | epoll.Hup
	type want struct {
		mask epoll.Mask
		link epoll.Link
		kind epoll.Kind
	}
	wants := map[int32]want{}
	add := func(fd int, asked, shown epoll.Mask, link epoll.Link, kind epoll.Kind) {
		watch(t, epfd, fd, asked)
		wants[int32(fd)] = want{shown, link, kind}
	}
	for range 10 { // edge-triggered sockets
		a, _ := newPair(t)
		add(a, epoll.In|epoll.RdHup|epoll.ET, epoll.In|epoll.RdHup|epoll.ET|always, epoll.Current, epoll.KindSocket)
	}
	for i := range 5 { // one-shot, two of them ready and so disarmed below
		count, shown := uint(0), epoll.In|epoll.OneShot|always
		if i < 2 {
			count, shown = 1, epoll.OneShot
		}
		add(newEventfd(t, count), epoll.In|epoll.OneShot, shown, epoll.Current, epoll.KindEventfd)
	}
	a, _ := newPair(t)
	add(a, epoll.In|epoll.Exclusive, epoll.In|epoll.Exclusive|always, epoll.Current, epoll.KindSocket)
	add(newEpoll(t), epoll.In, epoll.In|always, epoll.Current, epoll.KindEpoll) // nested
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	add(must(t, pipe[0], nil), epoll.In, epoll.In|always, epoll.Current, epoll.KindPipe)
	must(t, pipe[1], nil)
	timer, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_CLOEXEC)
	add(must(t, timer, err), epoll.In|epoll.ET, epoll.In|epoll.ET|always, epoll.Current, epoll.KindTimerfd)
	for range 3 {
		a, _ := newPair(t)
		add(a, epoll.Out|epoll.In|epoll.Pri, epoll.Out|epoll.In|epoll.Pri|always, epoll.Current, epoll.KindSocket)
	}
	fire(t, epfd, 5) // two eventfds, three writable sockets
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	must(t, pair[1], nil)
	add(pair[0], epoll.In, epoll.In|always, epoll.Stale, epoll.KindSocket)
	dup, err := unix.Dup(pair[0])
	must(t, dup, err)
	unix.Close(pair[0])

	watches, stats := look(t, f, epfd)
	if len(watches) != 23 || len(wants) != 23 {
		t.Fatalf("%d watches, want %d, and 23", len(watches), len(wants))
	}
	et, oneshot, disarmed, exclusive := 0, 0, 0, 0
	for _, w := range watches {
		if got := (want{w.Mask, w.Link, w.Kind}); got != wants[w.TFD] {
			t.Errorf("watch of %d: %+v, want %+v", w.TFD, got, wants[w.TFD])
		}
		if int32(w.Data) != w.TFD || !w.HasInode || w.Ino == 0 || w.Sdev == 0 {
			t.Errorf("watch %+v", w)
		}
		et += count(w.Mask&epoll.ET != 0)
		oneshot += count(w.Mask&epoll.OneShot != 0)
		disarmed += count(w.Mask.Disarmed())
		exclusive += count(w.Mask&epoll.Exclusive != 0)
	}
	if et != 11 || oneshot != 5 || disarmed != 2 || exclusive != 1 || stats.Stale != 1 || stats.Unproven != 0 {
		t.Errorf("ET %d, ONESHOT %d, disarmed %d, EXCLUSIVE %d, %+v", et, oneshot, disarmed, exclusive, stats)
	}
}

func count(yes bool) int {
	if yes {
		return 1
	}
	return 0
}
