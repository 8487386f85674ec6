package bpf

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/eptop/eptop/internal/epoll"
	"github.com/eptop/eptop/internal/fdinfo"
)

// mix holds an epoll with watches of all sorts on 23 files, 300 epolls on one file, and
// one that a child shares.
func mix([]string) error {
	ep := newEpoll()
	for i := range 11 {
		watch(ep, newEventfd(uint(i%2)), unix.EPOLLIN|unix.EPOLLET)
	}
	for range 5 {
		watch(ep, newEventfd(0), unix.EPOLLIN|unix.EPOLLONESHOT)
	}
	pipe := make([]int, 2)
	must(0, unix.Pipe2(pipe, unix.O_CLOEXEC))
	watch(ep, pipe[0], unix.EPOLLIN)
	watch(ep, pipe[1], unix.EPOLLOUT)
	pair := must(unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0))
	watch(ep, pair[0], unix.EPOLLIN|unix.EPOLLRDHUP)
	watch(ep, newTimerfd(), unix.EPOLLIN)
	watch(ep, must(unix.InotifyInit1(unix.IN_CLOEXEC)), unix.EPOLLIN)
	inner := newEpoll()
	watch(inner, newEventfd(0), unix.EPOLLIN)
	watch(ep, inner, unix.EPOLLIN)
	// A file with a position.
	events := must(unix.Open("/proc/self/mountinfo", unix.O_RDONLY|unix.O_CLOEXEC, 0))
	must(unix.Read(events, make([]byte, 7)))
	watch(ep, events, unix.EPOLLPRI)

	many := newEventfd(0)
	for range 300 {
		watch(newEpoll(), many, unix.EPOLLIN|unix.EPOLLEXCLUSIVE)
	}
	shared := newEpoll()
	keep(shared)
	for range 13 {
		fd := newEventfd(0)
		keep(fd)
		watch(shared, fd, unix.EPOLLIN)
	}
	spawn("share")
	return nil
}

// fdinfoWatch is what one line of fdinfo says.
func fdinfoWatch(w epoll.Watch) string {
	return fmt.Sprintf("tfd %d events %x data %x pos %d ino %x sdev %x", w.TFD, uint32(w.Mask), w.Data, w.Pos, w.Ino, w.Sdev)
}

// TestWatches compares all watches of all epolls of a mix with their fdinfo.
func TestWatches(t *testing.T) {
	s := scanner(t)
	c := start(t, "mix", nil)
	all := files(t, s, Options{Trees: 4096})
	by := watchesOf(all)
	fds, err := fdinfo.NewFS("/proc")
	if err != nil {
		t.Fatal(err)
	}
	sizes, shared := map[int]int{}, 0
	for fd, f := range epolls(all, c.pid) {
		file, err := fds.OpenEpoll(c.pid, int(fd))
		if err != nil {
			t.Fatal(err)
		}
		var r fdinfo.Reader
		list, _, err := r.ReadFile(file, nil)
		file.Close()
		if err != nil {
			t.Fatal(err)
		}
		var want, got []string
		for _, w := range list {
			want = append(want, fdinfoWatch(w))
		}
		sum := uint64(0)
		for _, w := range by[f.Epoll.ID] {
			got = append(got, fdinfoWatch(epoll.Watch{
				TFD: w.TFD, Mask: w.Mask, Data: w.Data, Pos: w.file.Pos, Ino: w.file.Ino, Sdev: w.file.Dev,
			}))
			sum += WatchSum(w.file.File, w.TFD)
		}
		slices.Sort(want)
		slices.Sort(got)
		if diff := gocmp.Diff(want, got); diff != "" {
			t.Fatalf("fd %d (-fdinfo +bpf):\n%s", fd, diff)
		}
		sizes[len(want)]++
		if n, known := f.Epoll.Watches.Get(); known && int(n) != len(want) {
			t.Errorf("fd %d: the epoll counts %d watches, fdinfo %d", fd, n, len(want))
		}
		if tree := f.Epoll.Tree; !tree.Known || int(tree.Value.Nodes) != len(want) || tree.Value.Sum != sum {
			t.Errorf("fd %d: the tree %+v, %d watches of sum %d", fd, tree, len(want), sum)
		}
		if len(want) == 13 {
			shared = int(fd)
		}
	}
	// The runtime of Go has an epoll too.
	if sizes[23] != 1 || sizes[13] != 1 || sizes[1] < 301 {
		t.Errorf("epolls by their number of watches: %v; want one of 23, one of 13 and 301 of 1", sizes)
	}
	holders := map[int32]bool{}
	for i := range all {
		if f := &all[i]; f.Epoll != nil && f.Epoll.ID == epolls(all, c.pid)[int32(shared)].Epoll.ID {
			holders[f.PID] = true
		}
	}
	if len(holders) != 2 || !holders[int32(c.pid)] {
		t.Errorf("the shared epoll is held by %v, want %d and its child", holders, c.pid)
	}
}

// TestKinds compares what each file is with its link in /proc.
func TestKinds(t *testing.T) {
	s := scanner(t)
	c := start(t, "mix", nil)
	own, err := newSpecimens()
	if err != nil {
		t.Fatal(err)
	}
	defer own.Close()
	for _, path := range []string{"/dev/null", "/dev/tty", "/dev/ptmx", "/proc/self/ns/net", "/proc/self/status", "/"} {
		if f, err := os.Open(path); err == nil {
			defer f.Close()
		}
	}
	fds, err := fdinfo.NewFS("/proc")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[epoll.Kind]int{}
	all := files(t, s, Options{})
	for _, f := range all {
		if int(f.PID) != c.pid && int(f.PID) != os.Getpid() {
			continue
		}
		want, err := fds.KindOf(int(f.PID), int(f.Num))
		if err != nil {
			continue // the pass's own link and iterator are closed by now
		}
		link, _ := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", f.PID, f.Num))
		if link == "/dev/ptmx" || link == "/dev/pts/ptmx" {
			want = epoll.KindFile
		}
		if f.Kind != want {
			t.Errorf("%s is %v, want %v", link, f.Kind, want)
		}
		var st unix.Stat_t
		if err := unix.Stat(fmt.Sprintf("/proc/%d/fd/%d", f.PID, f.Num), &st); err == nil && (f.Ino != st.Ino || (uint32(f.Mode)^st.Mode)&0o7777 != 0) {
			t.Errorf("%s: inode %d mode %o, want %d and %o", link, f.Ino, f.Mode, st.Ino, st.Mode)
		}
		seen[f.Kind]++
	}
	for k := epoll.KindSocket; k < epoll.KindTty; k++ {
		if seen[k] == 0 && k != epoll.KindIOUring {
			t.Errorf("no %v was seen", k)
		}
	}
}

// holdWatches holds an epoll with so many watches, made by so many users' process.
func holdWatches(args []string) error {
	n := must(strconv.Atoi(args[0]))
	ep := newEpoll()
	for range n {
		watch(ep, newEventfd(0), unix.EPOLLIN)
	}
	return nil
}

// TestUserCounter compares a user's counter with the watches of two processes that are
// the user's only ones.
func TestUserCounter(t *testing.T) {
	s := scanner(t)
	const uid = 61237
	as := &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	start(t, "watches 101", as)
	start(t, "watches 223", as)
	all := files(t, s, Options{Trees: 4096})
	by := watchesOf(all)
	sum, counter, instances := 0, int64(0), 0
	for i := range all {
		f := &all[i]
		if f.Epoll == nil || f.Epoll.UID != uid {
			continue
		}
		instances++
		sum += len(by[f.Epoll.ID])
		counter = f.Epoll.UserWatches
	}
	// The runtime of Go has an epoll of its own in each.
	if sum < 101+223 || int64(sum) != counter || instances < 2 {
		t.Errorf("%d watches of %d epolls were seen, the user's counter says %d", sum, instances, counter)
	}
}

// holdStale holds 100 watches, of which only 98 are on files that some process holds: one
// file is in flight, and one is a duplicate under another number; and a child has one.
func holdStale([]string) error {
	ep := newEpoll()
	fds := make([]int, 100)
	for i := range fds {
		fds[i] = newEventfd(0)
		watch(ep, fds[i], unix.EPOLLIN)
	}
	must(unix.Dup(fds[0]))
	unix.Close(fds[0])
	pair := must(unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0))
	for _, fd := range fds[1:3] {
		must(0, unix.Sendmsg(pair[0], []byte("x"), unix.UnixRights(fd), nil, 0))
		unix.Close(fd)
	}
	keep(fds[3])
	spawn("share")
	unix.Close(fds[3])
	return nil
}

// TestStale finds watches whose file no process holds, from the epoll alone.
func TestStale(t *testing.T) {
	s := scanner(t)
	c := start(t, "stale", nil)
	all := files(t, s, Options{Trees: 4096})
	by := watchesOf(all)
	for _, f := range epolls(all, c.pid) {
		list := by[f.Epoll.ID]
		if len(list) < 50 {
			continue // the runtime's own
		}
		if n := f.Epoll.Tree.Value.Nodes; len(list) != 98 || n != 100 || !f.Epoll.Tree.Known {
			t.Errorf("%d watches are on files that are held, and the epoll has %d; want 98 and 100", len(list), n)
		}
		if n, known := f.Epoll.Watches.Get(); known && n != 100 {
			t.Errorf("the epoll counts %d watches, want 100", n)
		}
		here := 0
		for _, w := range list {
			if int(w.file.PID) == c.pid {
				here++
			}
		}
		if here != 97 {
			t.Errorf("%d of the files are the process's own, want 97", here)
		}
		return
	}
	t.Error("the epoll was not seen")
}

// holdHerd holds one file that so many epolls watch.
func holdHerd(args []string) error {
	n := must(strconv.Atoi(args[0]))
	fd := newEventfd(0)
	for range n {
		watch(newEpoll(), fd, unix.EPOLLIN)
	}
	must(unix.Dup(fd))
	return nil
}

// TestHerd: a file with many watches is listed once, whoever holds it, and up to a bound
// that is said.
func TestHerd(t *testing.T) {
	s := scanner(t)
	for _, n := range []int{2, 3, 18, 19, MaxWatches, MaxWatches + 1, 1100} {
		t.Run(strconv.Itoa(n), func(t *testing.T) {
			c := start(t, "herd "+strconv.Itoa(n), nil)
			var held []File
			for _, f := range files(t, s, Options{PID: c.pid}) {
				if f.Kind == epoll.KindEventfd && (len(f.Watches) > 1 || f.Listed) {
					held = append(held, f)
				}
			}
			if len(held) != 2 || held[0].File != held[1].File {
				t.Fatalf("the file is shown %d times, want 2", len(held))
			}
			if first := held[0]; len(first.Watches) != min(n, MaxWatches) || first.Cut != (n > MaxWatches) || first.Torn || first.Listed {
				t.Errorf("%d watches, cut %v, torn %v, listed %v", len(first.Watches), first.Cut, first.Torn, first.Listed)
			}
			if again := held[1]; len(again.Watches) != 2 || again.Listed != (n > 2) || again.Cut {
				t.Errorf("the duplicate has %d watches, listed %v, cut %v", len(again.Watches), again.Listed, again.Cut)
			}
			seen := map[ID]bool{}
			for _, w := range held[0].Watches {
				seen[w.Epoll] = true
			}
			if len(seen) != min(n, MaxWatches) {
				t.Errorf("%d epolls, want %d", len(seen), min(n, MaxWatches))
			}
		})
	}
}

// holdReady holds an epoll of which 37 of 101 watches are ready. Nobody waits.
func holdReady([]string) error {
	ep := newEpoll()
	for i := range 101 {
		watch(ep, newEventfd(uint(max(0, 37-i))), unix.EPOLLIN)
	}
	return nil
}

func TestReady(t *testing.T) {
	s := scanner(t)
	c := start(t, "ready", nil)
	all := files(t, s, Options{})
	by := watchesOf(all)
	for _, f := range epolls(all, c.pid) {
		if len(by[f.Epoll.ID]) != 101 {
			continue
		}
		ready := 0
		for _, w := range by[f.Epoll.ID] {
			if w.Ready {
				ready++
			}
		}
		if !f.Epoll.Ready.Known || f.Epoll.Ready.Value != 37 || ready != 37 || f.Epoll.Waiting {
			t.Errorf("ready %v, and %d watches are; waiting %v", f.Epoll.Ready, ready, f.Epoll.Waiting)
		}
		return
	}
	t.Error("the epoll was not seen")
}

// TestFlags checks the numbers of one descriptor against fcntl(2).
func TestFlags(t *testing.T) {
	s := scanner(t)
	fd := newEventfd(0)
	defer unix.Close(fd)
	second := must(unix.Dup(fd))
	defer unix.Close(second)
	flags := must(unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0))
	for _, f := range files(t, s, Options{PID: os.Getpid()}) {
		if int(f.Num) != fd {
			continue
		}
		if f.Flags != uint32(flags) || f.Flags&unix.O_NONBLOCK == 0 || f.Refs != 2 || int(f.PID) != os.Getpid() {
			t.Errorf("flags %o, want %o; %d references, want 2; PID %d", f.Flags, flags, f.Refs, f.PID)
		}
		return
	}
	t.Error("the descriptor was not seen")
}

// byNumber sorts files by process and number.
func byNumber(a, b File) int { return cmp.Or(cmp.Compare(a.PID, b.PID), cmp.Compare(a.Num, b.Num)) }

// TestAll compares the descriptors of a process with /proc/PID/fd.
func TestAll(t *testing.T) {
	s := scanner(t)
	c := start(t, "mix", nil)
	var got []string
	all := files(t, s, Options{PID: c.pid})
	if !slices.IsSortedFunc(all, byNumber) {
		t.Error("not in the order of the numbers")
	}
	for _, f := range all {
		got = append(got, strconv.Itoa(int(f.Num)))
	}
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", c.pid))
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, e := range entries {
		want = append(want, e.Name())
	}
	slices.Sort(got)
	slices.Sort(want)
	if diff := gocmp.Diff(strings.Join(want, " "), strings.Join(got, " ")); diff != "" {
		t.Errorf("-/proc +bpf:\n%s", diff)
	}
}
