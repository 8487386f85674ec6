package fdinfo

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/eptop/eptop/internal/epoll"
	"github.com/eptop/eptop/internal/maybe"
)

func TestPIDs(t *testing.T) {
	pids, err := live(t).PIDs(nil)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.IsSorted(pids) || !slices.Contains(pids, os.Getpid()) || !slices.Contains(pids, 1) {
		t.Errorf("%d, without %d or 1, or not sorted", pids, os.Getpid())
	}
}

func TestStatFDs(t *testing.T) {
	f := live(t)
	if !f.countsFDs {
		t.Skip("st_size of /proc/PID/fd does not count descriptors; run on Linux 6.2 or later")
	}
	before, err := f.StatFDs(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	newEventfd(t, 0)
	after, err := f.StatFDs(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	want := DirStat{Count: maybe.Some(before.Count.Value + 1), Ino: before.Ino}
	if diff := cmp.Diff(want, after); diff != "" {
		t.Error(diff)
	}
	other, err := f.StatFDs(1)
	if err != nil || other.Ino == after.Ino {
		t.Errorf("process 1: %+v, %v", other, err)
	}
}

func TestList(t *testing.T) {
	f := live(t)
	epfd := newEpoll(t)
	a, b := newPair(t)
	var st unix.Stat_t
	if err := unix.Fstat(a, &st); err != nil {
		t.Fatal(err)
	}
	event := newEventfd(t, 0)
	l, err := f.List(os.Getpid(), 0, Listing{})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(l.Epolls, int32(epfd)) || l.Sockets < 2 || l.Truncated || l.Took <= 0 {
		t.Errorf("%+v", l)
	}
	for num, want := range map[int]epoll.FD{
		a:     {Num: int32(a), Kind: epoll.KindSocket, Ino: st.Ino},
		epfd:  {Num: int32(epfd), Kind: epoll.KindEpoll},
		event: {Num: int32(event), Kind: epoll.KindEventfd},
	} {
		if got, ok := l.Find(int32(num)); !ok || got != want {
			t.Errorf("descriptor %d: %+v, want %+v", num, got, want)
		}
	}
	unix.Close(b)
	again, err := f.List(os.Getpid(), 0, l)
	if err != nil {
		t.Fatal(err)
	}
	// The number that is free now is that of the directory while it is read.
	if dir, ok := again.Find(int32(b)); !ok || dir.Kind != epoll.KindFile || len(again.FDs) != len(l.FDs)-1 {
		t.Errorf("%d descriptors after closing one of %d, and %+v", len(again.FDs), len(l.FDs), dir)
	}
	if &again.FDs[0] != &l.FDs[0] {
		t.Error("the slice was not used again")
	}
	// The test's end closes b again.
	if _, err := unix.FcntlInt(uintptr(a), unix.F_DUPFD_CLOEXEC, b); err != nil {
		t.Fatal(err)
	}
}

func TestListLimit(t *testing.T) {
	f := live(t)
	for range 10 {
		newEventfd(t, 0)
	}
	all, err := f.List(os.Getpid(), 0, Listing{})
	if err != nil {
		t.Fatal(err)
	}
	for limit := 1; limit <= len(all.FDs); limit++ {
		l, err := f.List(os.Getpid(), limit, Listing{})
		if err != nil {
			t.Fatal(err)
		}
		// The directory itself is a descriptor while it is read.
		if len(l.FDs) > limit || len(l.FDs) < limit-1 || l.Truncated != (limit < len(all.FDs)) {
			t.Errorf("limit %d of %d: %d descriptors, truncated %v", limit, len(all.FDs), len(l.FDs), l.Truncated)
		}
	}
}

// TestKernelThread looks at kthreadd, which has no descriptors.
func TestKernelThread(t *testing.T) {
	f := live(t)
	const kthreadd = 2
	comm, err := os.ReadFile("/proc/2/comm")
	if err != nil || string(comm) != "kthreadd\n" {
		t.Skip("process 2 is not kthreadd; run in the initial PID namespace")
	}
	if os.Geteuid() != 0 {
		t.Skip("listing another user's descriptors needs root: run the tests with sudo")
	}
	l, err := f.List(kthreadd, 0, Listing{})
	if err != nil || len(l.FDs) != 0 {
		t.Errorf("%+v, %v", l, err)
	}
	var r Reader
	if _, _, err := readEpoll(&r, f, kthreadd, 0, nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("reading a descriptor: %v", err)
	}
}

func TestGone(t *testing.T) {
	f := live(t)
	cmd := child("hold")
	if err := cmd.Run(); err != nil { // standard input is empty
		t.Fatal(err)
	}
	pid := cmd.Process.Pid
	for op, err := range allErrors(f, pid) {
		if !errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) || errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", op, err)
		}
	}
	if stats := judgeAlone(f, pid, 3, make([]epoll.Watch, 2), nil, 1e9); stats.Unproven != 2 || stats.Stale != 0 {
		t.Errorf("judged the watches of an ended process: %+v", stats)
	}
}

// TestEndsWhileRead reads from a file of procfs that outlives its process.
func TestEndsWhileRead(t *testing.T) {
	cmd := child("hold")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	file, err := live(t).OpenEpoll(cmd.Process.Pid, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	stdin.Close()
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	var r Reader
	if _, _, err := r.ReadFile(file, nil); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

// TestReadAgain reads a file that is kept open while the epoll changes and is
// closed.
func TestReadAgain(t *testing.T) {
	f := live(t)
	epfd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	file, err := f.OpenEpoll(os.Getpid(), epfd)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var r Reader
	for n := range 200 {
		watches, took, err := r.ReadFile(file, nil)
		if err != nil || len(watches) != n || took <= 0 {
			t.Fatalf("%d watches, want %d; %v, %v", len(watches), n, took, err)
		}
		watch(t, epfd, newEventfd(t, 0), epoll.In)
	}
	if n := file.KernelBytes(); n != 16<<10 {
		t.Errorf("%d bytes for 199 lines of 79 bytes", n)
	}
	unix.Close(epfd)
	if _, _, err := r.ReadFile(file, nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after the epoll was closed: %v", err)
	}
}

// allErrors calls everything that takes a process.
func allErrors(f *FS, pid int) map[string]error {
	var r Reader
	_, list := f.List(pid, 0, Listing{})
	_, _, read := readEpoll(&r, f, pid, 0, nil)
	_, compare := f.Compare(epoll.Holder{PID: pid, FD: 0}, epoll.Holder{PID: os.Getpid(), FD: 0})
	errs := map[string]error{"List": list, "Read": read, "Compare": compare}
	if _, err := f.StatFDs(pid); err != nil || list == nil {
		errs["StatFDs"] = err
	}
	return errs
}

// TestStranger looks at this process, which is root's, as nobody.
func TestStranger(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("becoming another user needs root: run the tests with sudo")
	}
	live(t)
	cmd := child("stranger")
	cmd.Stderr = nil
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := cmd.Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		t.Fatalf("%v: %s", err, exit.Stderr)
	}
	if err != nil || strings.TrimSpace(string(out)) != "denied, as it should be" {
		t.Errorf("%q, %v", out, err)
	}
}

func lookAsStranger() error {
	f, err := NewFS("/proc")
	if err != nil {
		return err
	}
	parent := os.Getppid()
	for op, err := range allErrors(f, parent) {
		if !errors.Is(err, fs.ErrPermission) || errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s as a stranger: %w", op, err)
		}
	}
	d, err := f.StatFDs(parent)
	if err != nil || d.Count == maybe.Some(0) {
		return fmt.Errorf("%+v, %w", d, err)
	}
	instances := NewInstances(f.Compare)
	if err := instances.Add(epoll.Holder{PID: parent, FD: 0}); err != nil {
		return err
	}
	all := instances.All()
	if len(all) != 1 || sharing(all[0]) != "unknown" {
		return fmt.Errorf("a stranger's instance: %+v", all)
	}
	fmt.Println("denied, as it should be")
	return nil
}
