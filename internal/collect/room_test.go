package collect

import (
	"errors"
	"io/fs"
	"os/user"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/eptop/eptop/internal/model"
)

// limitFiles lowers this process's RLIMIT_NOFILE until the test ends.
func limitFiles(t *testing.T, n int) {
	t.Helper()
	var before unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: uint64(n), Max: before.Max}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &before); err != nil {
			t.Error(err)
		}
	})
}

// TestLooksKeepAReserve: where few files are left, looks keep none open, and go on to read
// every instance.
func TestLooksKeepAReserve(t *testing.T) {
	const epolls, watches = 11, keepOpenWatches + 1
	var files []int
	for range watches {
		fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, fd)
		defer unix.Close(fd)
	}
	mine := map[int32]bool{}
	for range epolls {
		ep, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(ep)
		mine[int32(ep)] = true
		for _, fd := range files {
			if err := unix.EpollCtl(ep, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN}); err != nil {
				t.Fatal(err)
			}
		}
	}
	c, err := New(Options{ProcRoot: "/proc", SysRoot: "/sys", MaxStall: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	kept := func() (n int) {
		for _, in := range c.source.proc.instances {
			if in.file != nil {
				n++
			}
		}
		return n
	}
	check := func(when string) {
		t.Helper()
		s, err := c.Look(t.Context(), model.Focus{Fresh: true})
		if err != nil {
			t.Fatalf("%s: %v", when, err)
		}
		read := 0
		for _, in := range s.Instances {
			if h := in.Holders[0]; h.PID == s.Self && mine[int32(h.FD)] && len(in.List) == watches {
				read++
			}
		}
		if read != epolls {
			t.Errorf("%s: %d of %d instances were read", when, read, epolls)
		}
		for _, src := range s.Sources {
			if strings.Contains(src.Detail, unix.EMFILE.Error()) {
				t.Errorf("%s: %s: %s", when, src.Name, src.Detail)
			}
		}
	}
	check("with room")
	if kept() < epolls {
		t.Fatalf("%d files are kept open, want %d", kept(), epolls)
	}
	const room = 3 // beyond the reserve
	used, err := openFiles()
	if err != nil {
		t.Fatal(err)
	}
	limitFiles(t, int(used)-kept()+reserve+room)
	check("without room")
	if n := kept(); n > room {
		t.Errorf("without room %d files are kept open", n)
	}
	check("without room, again")
}

// TestShortIsAskedAgain: what was not found because files were short is not remembered as
// absent.
func TestShortIsAskedAgain(t *testing.T) {
	c, err := New(Options{ProcRoot: "/proc", SysRoot: "/sys", MaxStall: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	asked := 0
	answers := []error{&fs.PathError{Op: "open", Path: "/etc/passwd", Err: unix.EMFILE}, nil}
	c.lookUpUser = func(string) (*user.User, error) {
		asked++
		return &user.User{Username: "www"}, answers[min(asked, len(answers))-1]
	}
	for i, want := range []string{"4242", "www", "www"} {
		if got := c.userName(4242); got != want {
			t.Errorf("call %d: %q, want %q", i, got, want)
		}
	}
	c.lookUpUser = func(string) (*user.User, error) { asked++; return nil, user.UnknownUserIdError(4243) }
	asked = 0
	for range 3 {
		if got := c.userName(4243); got != "4243" || asked != 1 {
			t.Errorf("%q after %d questions", got, asked)
		}
	}

	// The machine, the sizes of structures and the caches: not known while no file can be
	// opened, and known afterwards.
	l := look{ctx: t.Context(), Collector: c, sample: &model.Sample{}, start: c.now()}
	<-c.structs.done
	func() {
		limitFiles(t, 0)
		defer limitFiles(t, 4096)
		if h := c.facts(); h.known || h.hostname != "" {
			t.Errorf("without files the machine is %+v", h)
		}
		c.structs.load("/sys")
		<-c.structs.done
		if !isShort(c.structs.err) && !errors.Is(c.structs.err, fs.ErrNotExist) {
			t.Errorf("without files BTF says %v", c.structs.err)
		}
		l.memoryModules()
		if c.modules.known && !errors.Is(c.modules.err, fs.ErrNotExist) {
			t.Errorf("without files the modules are known: %v", c.modules.err)
		}
	}()
	if h := c.facts(); !h.known || h.hostname == "" {
		t.Errorf("with files the machine is %+v", h)
	}
	l.memory()
	if isShort(c.structs.err) || isShort(c.layouts.err) || isShort(c.modules.err) {
		t.Errorf("with files: %v, %v, %v", c.structs.err, c.layouts.err, c.modules.err)
	}
}
