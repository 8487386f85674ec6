package fdinfo

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/eptop/eptop/internal/epoll"
)

// tree writes a captured procfs and returns it. A value that starts with "->" is
// a link.
func tree(t *testing.T, files map[string]string) *FS {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		if target, ok := strings.CutPrefix(text, "->"); ok {
			err = os.Symlink(target, path)
		} else {
			err = os.WriteFile(path, []byte(text), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	f, err := NewFS(root)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// capturedServer is one process with an epoll on descriptor 7. Its sockets live
// on device 8.
var capturedServer = map[string]string{
	"meminfo": "", "self/x": "", "7/comm": "", "1234/comm": "",
	"42/fd/0": "->/dev/pts/0", "42/fd/3": "->socket:[103]", "42/fd/4": "->socket:[999]", "42/fd/7": "->anon_inode:[eventpoll]",
	"42/fd/8": "->anon_inode:[eventfd]", "42/fd/9": "->pipe:[55]", "42/fd/10": "->/var/log/x (deleted)",
	"42/fd/11": "->anon_inode:inotify", "42/fd/12": "->anon_inode:bpf-map", "42/fd/13": "->anon_inode:[io_uring]",
	"42/fd/14": "->anon_inode:[pidfd]", "42/fd/15": "->anon_inode:[timerfd]", "42/fd/16": "->anon_inode:[signalfd]",
	"42/fd/17": "->anon_inode:[perf_event]", "42/fd/18": "->net:[4026531840]",
	"42/fdinfo/7": "pos:\t0\nflags:\t02\nmnt_id:\t16\nino:\t30\n" +
		"tfd:        3 events: 8000201f data:                3  pos:0 ino:67 sdev:8\n" + // as listed
		"tfd:        4 events:       19 data:                4  pos:0 ino:68 sdev:8\n" + // another socket now
		"tfd:        5 events:       19 data:                5  pos:0 ino:69 sdev:8\n" + // closed
		"tfd:        8 events:       19 data:                8  pos:0 ino:1e sdev:e\n" + // cannot be decided
		"tfd:        9 events:       19 data:                9  pos:0 ino:38 sdev:d\n", // another pipe now
}

func TestCapturedTree(t *testing.T) {
	f := tree(t, capturedServer)
	pids, err := f.PIDs([]int{-1})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]int{-1, 7, 42, 1234}, pids); diff != "" {
		t.Error(diff)
	}
	d, err := f.StatFDs(42)
	if err != nil || d.Count.Known || d.Ino == 0 {
		t.Errorf("%+v, %v", d, err)
	}
	l, err := f.List(42, 0, Listing{})
	if err != nil {
		t.Fatal(err)
	}
	want := Listing{
		FDs: []epoll.FD{
			{Num: 0, Kind: epoll.KindTty, Ino: 0}, {Num: 3, Kind: epoll.KindSocket, Ino: 103}, {Num: 4, Kind: epoll.KindSocket, Ino: 999}, {Num: 7, Kind: epoll.KindEpoll, Ino: 0}, {Num: 8, Kind: epoll.KindEventfd, Ino: 0},
			{Num: 9, Kind: epoll.KindPipe, Ino: 55}, {Num: 10, Kind: epoll.KindFile, Ino: 0}, {Num: 11, Kind: epoll.KindInotify, Ino: 0}, {Num: 12, Kind: epoll.KindBPF, Ino: 0}, {Num: 13, Kind: epoll.KindIOUring, Ino: 0},
			{Num: 14, Kind: epoll.KindPidfd, Ino: 0}, {Num: 15, Kind: epoll.KindTimerfd, Ino: 0}, {Num: 16, Kind: epoll.KindSignalfd, Ino: 0}, {Num: 17, Kind: epoll.KindOther, Ino: 0}, {Num: 18, Kind: epoll.KindOther, Ino: 0},
		},
		Epolls: []int32{7}, Sockets: 2,
	}
	if diff := cmp.Diff(want, l, cmpopts.IgnoreFields(Listing{}, "Took", "Dir.Ino")); diff != "" {
		t.Error(diff)
	}
	for num := int32(-1); num < 20; num++ {
		_, found := l.Find(num)
		if want := num == 0 || num == 3 || num == 4 || num >= 7 && num <= 18; found != want {
			t.Errorf("descriptor %d found: %v", num, found)
		}
	}
	var r Reader
	watches, _, err := readEpoll(&r, f, 42, 7, nil)
	if err != nil {
		t.Fatal(err)
	}
	stats := judgeAlone(f, 42, 7, watches, &l, time.Second)
	if diff := cmp.Diff(JudgeStats{Current: 1, Stale: 3, Unproven: 1, Verified: 4}, stats); diff != "" {
		t.Error(diff)
	}
	for i, want := range []struct {
		link epoll.Link
		kind epoll.Kind
	}{{epoll.Current, epoll.KindSocket}, {epoll.Stale, epoll.KindSocket}, {epoll.Stale, epoll.KindSocket}, {epoll.Unproven, epoll.KindUnknown}, {epoll.Stale, epoll.KindUnknown}} {
		if w := watches[i]; w.Link != want.link || w.Kind != want.kind {
			t.Errorf("watch %d: %+v, want %+v", i, w, want)
		}
	}
	if _, err := f.Compare(epoll.Holder{PID: 42, FD: 7}, epoll.Holder{PID: 42, FD: 7}); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("kcmp in a captured tree: %v", err)
	}
}

// TestCapturedWithoutDescriptors judges nothing where a tree holds only fdinfo.
func TestCapturedWithoutDescriptors(t *testing.T) {
	f := tree(t, map[string]string{"42/fdinfo/7": capturedServer["42/fdinfo/7"]})
	var r Reader
	watches, _, err := readEpoll(&r, f, 42, 7, nil)
	if err != nil {
		t.Fatal(err)
	}
	if stats := judgeAlone(f, 42, 7, watches, nil, time.Second); stats.Unproven != 5 {
		t.Errorf("%+v", stats)
	}
}

func TestReadErrors(t *testing.T) {
	long := strings.Repeat("x", 300)
	const head = "pos:\t0\nflags:\t02\n"
	f := tree(t, map[string]string{
		"1/fdinfo/3": head + strings.Repeat("mnt_id:\t16\n", 99) + "tfd: x\n",
		"1/fdinfo/4": head + "tfd:        3 events:       19 data:                3  pos:0 ino:67 sdev:8\ntfd:        4 eve",
		"1/fdinfo/5": head + long,
		"1/fdinfo/6": "",
		"1/fdinfo/8": "garbage\n",
		"1/fdinfo/9": strings.TrimPrefix(head, "pos:\t0\n"),
	})
	r := Reader{buf: make([]byte, 256)}
	for fd, want := range map[int]string{3: "line 102: ", 4: "line 4: file ends inside the line", 5: "line 3: line without an end",
		6: "not the beginning", 8: "not the beginning", 9: "not the beginning"} {
		watches, _, err := readEpoll(&r, f, 1, fd, nil)
		if !errors.Is(err, ErrMalformed) || errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), want) {
			t.Errorf("descriptor %d: %v", fd, err)
		}
		if fd == 4 && len(watches) != 1 {
			t.Errorf("%d watches before the cut", len(watches))
		}
	}
	if _, _, err := readEpoll(&r, f, 1, 7, nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
	if _, err := NewFS(t.TempDir() + "/none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing root: %v", err)
	}
}

// TestWatchesThatAreNotShown: an epoll without watch lines has no watches, unless the kernel
// prints such lines for no epoll.
func TestWatchesThatAreNotShown(t *testing.T) {
	for name, tt := range map[string]struct {
		files map[string]string
		known bool
	}{
		"Linux":       {map[string]string{"version": "Linux version 6.12.1 (x) #1 SMP\n", "sys/kernel/osrelease": "6.12.1\n"}, true},
		"no name":     {nil, true},
		"gVisor":      {map[string]string{"version": "Linux version 4.4.0 #1 SMP Sun Jan 10 15:06:54 PST 2016\n"}, false},
		"before 3.8":  {map[string]string{"sys/kernel/osrelease": "2.6.32-754.el6.x86_64\n"}, false},
		"since 3.8":   {map[string]string{"sys/kernel/osrelease": "3.10.0-1160.el7.x86_64\n"}, true},
		"a real 4.4":  {map[string]string{"version": "Linux version 4.4.0-210-generic (x) #242-Ubuntu SMP\n", "sys/kernel/osrelease": "4.4.0\n"}, true},
		"odd release": {map[string]string{"sys/kernel/osrelease": "x\n"}, true},
	} {
		files := map[string]string{"1/fdinfo/3": "pos:\t0\nflags:\t02\nmnt_id:\t15\n"}
		maps.Copy(files, tt.files)
		watches, _, err := readEpoll(new(Reader), tree(t, files), 1, 3, nil)
		if (err == nil) != tt.known || len(watches) != 0 || err != nil && !errors.Is(err, ErrNotShown) {
			t.Errorf("%s: %d watches, %v", name, len(watches), err)
		}
	}
}

// TestReadInParts reads a file through buffers of many sizes.
func TestReadInParts(t *testing.T) {
	text, sum := socketLines(200)
	f := tree(t, map[string]string{"1/fdinfo/3": string(text)})
	for size := 90; size < 300; size++ {
		r := Reader{buf: make([]byte, size)}
		watches, _, err := readEpoll(&r, f, 1, 3, nil)
		if err != nil {
			t.Fatal(size, err)
		}
		checkSockets(t, watches, 200, sum)
	}
}
