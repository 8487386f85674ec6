package collect

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/model"
)

// tree makes a procfs with processes of one epoll and one socket each.
func tree(t *testing.T, pids ...int) (root string) {
	t.Helper()
	root = t.TempDir()
	for _, pid := range pids {
		put(t, root, fmt.Sprintf("%d/stat", pid), fmt.Sprintf("%d (server) S 1 %s\n", pid, strings.Repeat("0 ", 48)))
		put(t, root, fmt.Sprintf("%d/status", pid), "Name:\tserver\nUid:\t5\t6\t7\t8\n")
		put(t, root, fmt.Sprintf("%d/limits", pid), "Max open files            1024                 4096                 files     \n")
		put(t, root, fmt.Sprintf("%d/fdinfo/3", pid), "pos:\t0\nflags:\t02\ntfd:        5 events:       19 data:                5\n")
		if err := os.MkdirAll(filepath.Join(root, fmt.Sprint(pid), "fd"), 0o755); err != nil {
			t.Fatal(err)
		}
		for fd, link := range map[int]string{3: "anon_inode:[eventpoll]", 5: "socket:[99]"} {
			if err := os.Symlink(link, filepath.Join(root, fmt.Sprintf("%d/fd/%d", pid, fd))); err != nil {
				t.Fatal(err)
			}
		}
	}
	return root
}

func put(t *testing.T, root, name, text string) {
	t.Helper()
	path := filepath.Join(root, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestAProcessThatFailedStays: it is neither gone nor without files.
func TestAProcessThatFailedStays(t *testing.T) {
	root := tree(t, 1, 7)
	fd := filepath.Join(root, "7/fd")
	if err := os.RemoveAll(fd); err != nil {
		t.Fatal(err)
	}
	put(t, root, "7/fd", "no directory") // ENOTDIR
	s := sampleOf(t, newCollector(t, func(o *Options) { o.ProcRoot, o.SysRoot = root, root }), model.Focus{})
	p := processOf(t, s, 7)
	if p.State != model.Failed || p.Problem == "" || p.Files.Known || p.Comm != "server" {
		t.Errorf("%+v", p)
	}
	if c := s.Coverage; c.Failed != 1 || c.Processes != 2 || c.Waiting != 0 {
		t.Errorf("%+v", c)
	}
	if row := model.New(s).Process(7); row == nil || row.Sockets.Known || row.Watches.Known {
		t.Errorf("row %+v", row)
	}
}

// TestWhoItIsMayBeUnknown: a name, a user or a limit that cannot be read is absent, and
// the files are counted all the same.
func TestWhoItIsMayBeUnknown(t *testing.T) {
	for name, tt := range map[string]struct {
		file, text string
		check      func(*model.ProcessSample) bool
	}{
		"status without Uid": {"7/status", "Name:\tserver\n", func(p *model.ProcessSample) bool {
			return p.Comm == "server" && !p.UID.Known && !p.RealUID.Known && p.User == "" && p.Nofile == maybe.Some[int64](1024)
		}},
		"empty limits": {"7/limits", "", func(p *model.ProcessSample) bool {
			return p.UID == maybe.Some(6) && !p.Nofile.Known
		}},
		"a negative limit": {"7/limits", "Max open files            -5                   4096                 files     \n", func(p *model.ProcessSample) bool {
			return p.UID == maybe.Some(6) && !p.Nofile.Known
		}},
		"garbage": {"7/stat", "garbage", func(p *model.ProcessSample) bool {
			return p.Comm == "" && !p.UID.Known && !p.Nofile.Known && p.Problem != ""
		}},
	} {
		root := tree(t, 1, 7)
		put(t, root, tt.file, tt.text)
		s := sampleOf(t, newCollector(t, func(o *Options) { o.ProcRoot, o.SysRoot = root, root }), model.Focus{})
		p := processOf(t, s, 7)
		if !tt.check(p) || p.State != model.OK || len(p.Files.Value) != 2 {
			t.Errorf("%s: %+v", name, p)
		}
		snap := model.New(s)
		if row := snap.Process(7); row == nil || row.Watches != maybe.Some[int64](1) || row.Sockets != maybe.Some[int64](1) || row.UID.Known != p.UID.Known {
			t.Errorf("%s: row %+v", name, row)
		}
		if i := slices.IndexFunc(s.Sources, func(src model.Source) bool { return src.Name == "fdinfo" }); (s.Sources[i].State == model.Failed) != (tt.file != "7/status") {
			t.Errorf("%s: source %+v", name, s.Sources[i])
		}
		if e := snap.Process(7).Epolls[0]; e.ChargedUID.Known != p.RealUID.Known {
			t.Errorf("%s: charged to %v", name, e.ChargedUID)
		}
	}
}

// TestFilesThatWereClosed: a process that has closed all it had has none, at once, and so
// has a zombie.
func TestFilesThatWereClosed(t *testing.T) {
	closes, ends := start(t, "closes", 0), start(t, "unreaped", 0)
	t.Cleanup(func() {
		if err := syscall.Kill(closes.pids[0], syscall.SIGTERM); err != nil {
			t.Error(err)
		}
	})
	c := newCollector(t, nil)
	s := sampleOf(t, c, model.Focus{})
	zombie := ends.pids[1]
	for _, pid := range []int{closes.pids[0], zombie} {
		if p := processOf(t, s, pid); len(p.Files.Value) < 2 {
			t.Fatalf("%+v", p)
		}
	}
	if _, err := closes.stdin.WriteString("x"); err != nil {
		t.Fatal(err)
	}
	ends.do(t, "end")
	asked := model.Focus{PIDs: []int{closes.pids[0], zombie}}
	for {
		s = sampleOf(t, c, asked)
		// The threads of the zombie may end after its main one.
		if processOf(t, s, closes.pids[0]).FDs.Value == 0 && processOf(t, s, zombie).FDs.Value == 0 {
			break
		}
	}
	for _, pid := range asked.PIDs {
		p := processOf(t, s, pid)
		if p.State != model.OK || p.FDs.Value != 0 || !p.Files.Known || len(p.Files.Value) != 0 {
			t.Errorf("%+v", p)
		}
		if row := model.New(s).Process(pid); row == nil || row.Sockets != maybe.Some[int64](0) || row.AtLeast {
			t.Errorf("row %+v", row)
		}
	}
	// Of the two only the one that lives can hold files.
	l := throughProc(c).processes
	if !l[closes.pids[0]].holdsFiles() {
		t.Error("a process that has closed all is taken for one that cannot hold files")
	}
	clock := time.Now().Add(time.Hour)
	c.now = func() time.Time { return clock }
	sampleOf(t, c, asked)
	if throughProc(c).processes[zombie].holdsFiles() {
		t.Error("a zombie is taken for a process that holds files")
	}
}

// TestATreeWithoutAProcess: where none could be listed, nobody knows who watches what.
func TestATreeWithoutAProcess(t *testing.T) {
	root := tree(t, 1)
	for _, dir := range []string{"1/fd", "1/fdinfo"} {
		if err := os.RemoveAll(filepath.Join(root, dir)); err != nil {
			t.Fatal(err)
		}
	}
	e := model.New(sampleOf(t, newCollector(t, func(o *Options) { o.ProcRoot, o.SysRoot = root, root }), model.Focus{})).Epoll
	if e.Watches.Known || e.Instances.Known || !e.AtLeast || !e.Has(model.GapNoProcess) {
		t.Errorf("%v watches in %v instances, %+v", e.Watches, e.Instances, e.Extent)
	}
}
