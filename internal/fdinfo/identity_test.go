package fdinfo

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/eptop/eptop/internal/epoll"
	"github.com/eptop/eptop/internal/kernfile"
	"github.com/eptop/eptop/internal/maybe"
)

func TestIdentity(t *testing.T) {
	f := live(t)
	identity := func(f *FS, pid int) Identity {
		t.Helper()
		p, err := f.Open(pid)
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		id, err := p.Identity()
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	pid := startHolder(t)
	got := identity(f, pid)
	var limit unix.Rlimit
	if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, nil, &limit); err != nil {
		t.Fatal(err)
	}
	if got.Comm == "" || got.Kernel || got.Ended || got.Threads < 1 || got.StartTicks == 0 || got.FDSize.Value < 4 ||
		got.UID != maybe.Some(os.Geteuid()) || got.RealUID != maybe.Some(os.Getuid()) || got.Nofile != maybe.Some(int64(limit.Cur)) {
		t.Errorf("%+v", got)
	}
	// The file says the same as the system call.
	byFile := identity(withoutKcmp(t), pid)
	got.Threads, byFile.Threads = 0, 0 // the Go runtime starts some
	if diff := cmp.Diff(got, byFile); diff != "" {
		t.Error(diff)
	}
	if me := identity(f, os.Getpid()); me.StartTicks > got.StartTicks {
		t.Errorf("started at %d, its child at %d", me.StartTicks, got.StartTicks)
	}
	if order, err := f.CompareTables(epoll.Holder{PID: pid}, epoll.Holder{PID: os.Getpid()}); err != nil || order == Equal {
		t.Errorf("one table with its child: %v, %v", order, err)
	}
}

// TestIdentityOfAnEndedProcess: through the directory of a process that has ended nothing
// is read, whoever has its PID by now.
func TestIdentityOfAnEndedProcess(t *testing.T) {
	cmd := child("hold")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p, err := live(t).Open(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	stdin.Close()
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	_, err1 := p.Identity()
	_, err2 := p.List(0, Listing{})
	_, err3 := p.Threads(nil)
	for _, err := range []error{err1, err2, err3} {
		if !errors.Is(err, fs.ErrNotExist) {
			t.Error(err)
		}
	}
}

// TestIdentityOfATree: what a file lacks is absent, and never a zero.
func TestIdentityOfATree(t *testing.T) {
	const stat = "7 (a (b) c) S 1 7 7 0 -1 4194560 0 0 0 0 0 0 0 0 20 0 3 0 4242 1 1\n"
	const status = "Name:\ta\nUid:\t5\t6\t7\t8\nFDSize:\t64\n"
	const limits = "Limit                     Soft Limit           Hard Limit           Units     \n" +
		"Max open files            1024                 524288               files     \n"
	whole := Identity{
		Comm: "a (b) c", StartTicks: 4242, Threads: 3, UID: maybe.Some(6), RealUID: maybe.Some(5),
		FDSize: maybe.Some[int64](64), Nofile: maybe.Some[int64](1024), HardNofile: maybe.Some[int64](524_288),
	}
	noLimit := func(id *Identity) {
		id.Nofile, id.HardNofile, id.NofileProblem = maybe.Of[int64]{}, maybe.Of[int64]{}, "said"
	}
	for name, tt := range map[string]struct {
		stat, status, limits string
		change               func(*Identity)
		malformed            bool
	}{
		"whole":          {stat, status, limits, func(*Identity) {}, false},
		"no uid":         {stat, "Name:\ta\nFDSize:\t64\n", limits, func(id *Identity) { id.UID, id.RealUID = maybe.Of[int]{}, maybe.Of[int]{} }, false},
		"half a uid":     {stat, "Uid:\t5\t6\nFDSize:\t64\n", limits, func(id *Identity) { id.UID, id.RealUID = maybe.Of[int]{}, maybe.Of[int]{} }, false},
		"a negative uid": {stat, "Uid:\t-5\t6\t7\t8\nFDSize:\t64\n", limits, func(id *Identity) { id.RealUID = maybe.Of[int]{} }, false},
		"empty status": {stat, "", limits, func(id *Identity) {
			id.UID, id.RealUID, id.FDSize = maybe.Of[int]{}, maybe.Of[int]{}, maybe.Of[int64]{}
		}, false},
		"empty limits":       {stat, status, "", noLimit, false},
		"limits cut off":     {stat, status, limits[:len(limits)-40], noLimit, false},
		"a negative limit":   {stat, status, strings.ReplaceAll(limits, "1024", "-5  "), noLimit, false},
		"limits of no files": {stat, status, "Max cpu time   unlimited   unlimited   seconds\n", noLimit, false},
		"unlimited": {stat, status, strings.ReplaceAll(limits, "1024  ", "unlimited"), func(id *Identity) {
			id.Nofile = maybe.Of[int64]{}
		}, false},
		"kernel thread": {strings.Replace(stat, "4194560", "2097152", 1), status, limits, func(id *Identity) {
			*id = Identity{Comm: id.Comm, StartTicks: id.StartTicks, Threads: 3, Kernel: true}
		}, false},
		"zombie": {strings.Replace(stat, " S ", " Z ", 1), status, limits, func(id *Identity) {
			*id = Identity{Comm: id.Comm, StartTicks: id.StartTicks, Threads: 3, Ended: true}
		}, false},
		"empty stat":   {"", status, limits, nil, true},
		"garbage":      {"garbage", status, limits, nil, true},
		"cut off":      {stat[:40], status, limits, nil, true},
		"not a number": {strings.Replace(stat, "4242", "x", 1), status, limits, nil, true},
	} {
		root := t.TempDir()
		if err := os.Mkdir(filepath.Join(root, "7"), 0o755); err != nil {
			t.Fatal(err)
		}
		for file, text := range map[string]string{"stat": tt.stat, "status": tt.status, "limits": tt.limits} {
			if err := os.WriteFile(filepath.Join(root, "7", file), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		f, err := NewFS(root)
		if err != nil {
			t.Fatal(err)
		}
		p, err := f.Open(7)
		if err != nil {
			t.Fatal(err)
		}
		got, err := p.Identity()
		p.Close()
		if tt.malformed {
			if !errors.Is(err, ErrMalformed) {
				t.Errorf("%s: %+v, %v", name, got, err)
			}
			continue
		}
		want := whole
		tt.change(&want)
		if strings.Contains(got.NofileProblem, "7/limits: malformed") {
			got.NofileProblem = "said"
		}
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: %v\n%s", name, err, diff)
		}
	}
}

// TestIdentityReadsFilesOnly: a FIFO in a tree is not waited for.
func TestIdentityReadsFilesOnly(t *testing.T) {
	root := t.TempDir()
	if err := os.Mkdir(filepath.Join(root, "7"), 0o755); err != nil {
		t.Fatal(err)
	}
	stat := filepath.Join(root, "7/stat")
	for _, name := range []string{stat, filepath.Join(root, "7/limits")} {
		if err := unix.Mkfifo(name, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	f, err := NewFS(root)
	if err != nil {
		t.Fatal(err)
	}
	p, err := f.Open(7)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if id, err := p.Identity(); !errors.Is(err, kernfile.ErrNotRegular) {
		t.Errorf("%+v, %v", id, err)
	}
	// Who has a limit that cannot be read is known all the same.
	for name, text := range map[string]string{stat: "7 (a) S 1 " + strings.Repeat("0 ", 48), filepath.Join(root, "7/status"): "Uid:\t5\t6\t7\t8\n"} {
		if err := errors.Join(os.RemoveAll(name), os.WriteFile(name, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	id, err := p.Identity()
	if err != nil || id.Comm != "a" || id.UID != maybe.Some(6) || id.Nofile.Known || !strings.Contains(id.NofileProblem, "7/limits: "+kernfile.ErrNotRegular.Error()) {
		t.Errorf("%+v, %v", id, err)
	}
}

// FuzzIdentity: whatever the files of a process say, no number is negative.
func FuzzIdentity(f *testing.F) {
	f.Add("7 (a) S 1 7 7 0 -1 4194560 0 0 0 0 0 0 0 0 20 0 3 0 4242", "Uid:\t5\t6\t7\t8\nFDSize:\t64\n", "Max open files  1024  4096  files\n")
	f.Add("7 ()) Z 1 7 7 0 -1 -1 0 0 0 0 0 0 0 0 20 0 -3 0 4242", "Uid:\t-5\t6\t7\t8\nFDSize:\t-64\n", "Max open files  -1  4096  files\n")
	f.Fuzz(func(t *testing.T, stat, status, limits string) {
		var id Identity
		if err := id.parseStat([]byte(stat)); err != nil && !errors.Is(err, ErrMalformed) {
			t.Error(err)
		}
		id.parseStatus([]byte(status))
		id.Nofile, id.HardNofile, _ = parseNofile([]byte(limits))
		if id.Threads < 0 || id.UID.Value < 0 || id.RealUID.Value < 0 || id.FDSize.Value < 0 || id.Nofile.Value < 0 {
			t.Errorf("%+v", id)
		}
	})
}
