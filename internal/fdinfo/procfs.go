package fdinfo

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/eptop/eptop/internal/kernfile"
	"github.com/eptop/eptop/internal/maybe"
)

// FS is a procfs tree: the kernel's own, that of another PID namespace, or one
// captured into files.
type FS struct {
	root string
	// live: root is the procfs of this kernel.
	live bool
	// countsFDs: st_size of /proc/PID/fd is the number of descriptors.
	countsFDs bool
	// samePIDs: the numbers in root are those that system calls take.
	samePIDs bool
	devs     devices
	shown    shown
	buffers  sync.Pool // of *[]byte, direntBytes long
	// ctx and count are those of the look under way.
	ctx   context.Context
	count *Count
}

// SamePIDs reports whether the tree numbers processes as system calls of this program do.
func (f *FS) SamePIDs() bool { return f.samePIDs }

// Count is how much was listed. It may be read meanwhile.
type Count struct{ Processes, Files atomic.Int64 }

// Begin begins a look: once ctx ends, listing, comparing, opening and judging return its
// error at their next step, until End. What is listed is counted in count, from 0.
func (f *FS) Begin(ctx context.Context, count *Count) {
	count.Processes.Store(0)
	count.Files.Store(0)
	f.ctx, f.count = ctx, count
}

// End ends the look.
func (f *FS) End() { f.ctx, f.count = nil, nil }

// ended returns the error of the context once it has ended.
func (f *FS) ended() error {
	if f == nil || f.ctx == nil { // tests judge without a tree
		return nil
	}
	return f.ctx.Err()
}

// direntBytes is the size of the buffer for directory entries, enough for some
// thousand descriptors a call.
const direntBytes = 32 << 10

// NewFS looks at root, "/proc" as a rule, and learns once what it can do: whether
// it is the procfs of this kernel, whether its PIDs are those of eptop's own PID
// namespace (the procfs of a host mounted into a container is not), and whether
// the size of /proc/PID/fd counts descriptors (since Linux 6.2, commit
// f1f1f2569901). A root that cannot be opened is an error.
func NewFS(root string) (*FS, error) {
	f := &FS{root: root}
	f.buffers.New = func() any {
		b := make([]byte, direntBytes)
		return &b
	}
	var st unix.Statfs_t
	if err := retryEINTR(func() error { return unix.Statfs(root, &st) }); err != nil {
		return nil, pathError("statfs", root, err)
	}
	if int64(st.Type) != unix.PROC_SUPER_MAGIC {
		f.shown.set(shownBy(root))
		return f, nil
	}
	f.live = true
	f.devs = ownDevices()
	var dir unix.Stat_t
	if err := unix.Stat(root+"/self/fd", &dir); err == nil {
		f.countsFDs = dir.Size > 0
	}
	f.samePIDs = ownNamespace(root)
	return f, nil
}

// ownNamespace reports whether the PIDs of the procfs at root are those of this
// process's own PID namespace. NSpid in /proc/self/status (since Linux 4.1) lists
// this process's number in the namespace of the procfs and in every one below it
// down to its own: a single number means they are the same.
func ownNamespace(root string) bool {
	self, err := os.Readlink(root + "/self")
	if err != nil || self != strconv.Itoa(os.Getpid()) {
		return false
	}
	status, err := kernfile.ReadFile(root + "/self/status")
	if err != nil {
		return false
	}
	_, after, found := bytes.Cut(status, []byte("\nNSpid:"))
	if !found {
		return false
	}
	line, _, _ := bytes.Cut(after, newline)
	return len(bytes.Fields(line)) == 1
}

// PIDs appends the numbers of all processes in root to dst, in ascending order. It
// leaves out processes that hidepid= hides.
func (f *FS) PIDs(dst []int) ([]int, error) {
	fd, err := openat(f.root, unix.O_DIRECTORY)
	if err != nil {
		return dst, err
	}
	defer unix.Close(fd)
	return f.numbers(dst, fd, f.root)
}

// numbers appends the names of a directory that are numbers, in ascending order.
func (f *FS) numbers(dst []int, dir int, path string) ([]int, error) {
	buf := f.buffers.Get().(*[]byte)
	defer f.buffers.Put(buf)
	start := len(dst)
	for {
		n, err := readDirent(dir, *buf)
		if err != nil {
			return dst, pathError("getdents", path, err)
		}
		if n == 0 {
			break
		}
		for pid := range numericNames((*buf)[:n]) {
			dst = append(dst, int(pid))
		}
	}
	sortIfNeeded(dst[start:], func(a, b int) int { return a - b })
	return dst, nil
}

// DirStat is what one stat call says of the descriptors of a process.
type DirStat struct {
	// Count is the number of open descriptors, absent before Linux 6.2 and for a
	// captured tree. It needs no privilege: any user may ask it of any process he can
	// see.
	Count maybe.Of[int]
	// Ino is the inode number of /proc/PID/fd. The kernel drops the inodes of a
	// process when it ends (proc_flush_pid()), so the same number under the same
	// PID proves the same process. Another number proves nothing, because unused
	// inodes are dropped under memory pressure too: look again.
	Ino uint64
}

// StatFDs asks how many descriptors a process has without listing them. That makes no
// inode beyond the one of the directory.
func (f *FS) StatFDs(pid int) (DirStat, error) {
	path := f.path(pid, "fd")
	if err := f.ended(); err != nil {
		return DirStat{}, pathError("stat", path, err)
	}
	var st unix.Stat_t
	if err := retryEINTR(func() error { return unix.Stat(path, &st) }); err != nil {
		return DirStat{}, pathError("stat", path, err)
	}
	return f.dirStat(&st), nil
}

func (f *FS) path(pid int, name string) string {
	return f.root + "/" + strconv.Itoa(pid) + "/" + name
}

// numericNames iterates over the names in a buffer of directory entries that are
// numbers of 31 bits.
func numericNames(buf []byte) func(yield func(int32) bool) {
	// struct linux_dirent64: u64 d_ino, s64 d_off, u16 d_reclen, u8 d_type, d_name.
	const reclenAt, nameAt = 16, 19
	return func(yield func(int32) bool) {
		for len(buf) > nameAt {
			size := int(binary.NativeEndian.Uint16(buf[reclenAt:]))
			if size <= nameAt || size > len(buf) {
				return
			}
			n, ok := number(buf[nameAt:size])
			buf = buf[size:]
			if ok && !yield(n) {
				return
			}
		}
	}
}

// number parses a name that ends with a zero byte.
func number(name []byte) (n int32, ok bool) {
	var v uint64
	for i, c := range name {
		d := uint64(c - '0')
		switch {
		case c == 0:
			return int32(v), i > 0
		case d > 9:
			return 0, false
		}
		if v = v*10 + d; v > math.MaxInt32 {
			return 0, false
		}
	}
	return 0, false
}

func sortIfNeeded[E any](s []E, compare func(a, b E) int) {
	if !slices.IsSortedFunc(s, compare) {
		slices.SortFunc(s, compare)
	}
}

func openat(path string, flags int) (fd int, err error) {
	fd, err = openRelative(unix.AT_FDCWD, path, flags)
	if err != nil {
		return -1, pathError("open", path, err)
	}
	return fd, nil
}

func openRelative(dir int, name string, flags int) (fd int, err error) {
	err = retryEINTR(func() (err error) {
		fd, err = unix.Openat(dir, name, unix.O_RDONLY|unix.O_CLOEXEC|flags, 0)
		return err
	})
	return fd, err
}

func readDirent(fd int, buf []byte) (n int, err error) {
	err = retryEINTR(func() (err error) {
		n, err = unix.ReadDirent(fd, buf)
		return err
	})
	return n, err
}

func retryEINTR(call func() error) error {
	for {
		if err := call(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// pathError wraps the error of a system call so that errors.Is distinguishes its
// kinds. procfs returns ESRCH for a process that ended while a file of it was open;
// the standard library does not count that as fs.ErrNotExist.
func pathError(op, path string, err error) error {
	return &fs.PathError{Op: op, Path: path, Err: kindOf(err)}
}

func kindOf(err error) error {
	if errors.Is(err, unix.ESRCH) || errors.Is(err, unix.EBADF) {
		return fmt.Errorf("%w (%w)", fs.ErrNotExist, err)
	}
	return err
}
