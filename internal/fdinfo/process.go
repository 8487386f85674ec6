package fdinfo

import (
	"time"

	"golang.org/x/sys/unix"

	"github.com/eptop/eptop/internal/epoll"
	"github.com/eptop/eptop/internal/maybe"
)

// Process is the directory of one process, kept open: all that is read through it is of
// that process and never of a later one with its PID. Once the process has ended, what
// is read is fs.ErrNotExist.
type Process struct {
	fs  *FS
	pid int
	dir int
}

// Open opens the directory of a process, or of a thread by its number (proc_pid_lookup()
// in fs/proc/base.c finds both).
func (f *FS) Open(pid int) (*Process, error) {
	path := f.path(pid, "")
	dir, err := openat(path, unix.O_DIRECTORY)
	if err != nil {
		return nil, err
	}
	return &Process{fs: f, pid: pid, dir: dir}, nil
}

// Close closes the directory.
func (p *Process) Close() { unix.Close(p.dir) }

// List lists the descriptors, as [FS.List] does.
func (p *Process) List(limit int, reuse Listing) (Listing, error) {
	start := time.Now()
	l := Listing{FDs: reuse.FDs[:0], Epolls: reuse.Epolls[:0]}
	path := p.fs.path(p.pid, "fd")
	dir, err := openRelative(p.dir, "fd", unix.O_DIRECTORY|unix.O_NOFOLLOW)
	if err != nil {
		return l, pathError("open", path, err)
	}
	defer unix.Close(dir)
	var st unix.Stat_t
	if err := unix.Fstat(dir, &st); err != nil {
		return l, pathError("stat", path, err)
	}
	l.Dir = p.fs.dirStat(&st)
	if err := p.fs.appendNumbers(&l, dir, path, limit); err != nil {
		return l, err
	}
	if err := p.fs.readLinks(&l, dir, path); err != nil {
		return l, err
	}
	l.Took = time.Since(start)
	return l, nil
}

// Threads appends the numbers of all threads to dst, in ascending order. The kernel
// makes a proc inode and a dentry for each, as for descriptors.
func (p *Process) Threads(dst []int) ([]int, error) {
	path := p.fs.path(p.pid, "task")
	dir, err := openRelative(p.dir, "task", unix.O_DIRECTORY|unix.O_NOFOLLOW)
	if err != nil {
		return dst, pathError("open", path, err)
	}
	defer unix.Close(dir)
	return p.fs.numbers(dst, dir, path)
}

// CompareTables says whether two tasks, given as holders of which only the PID counts,
// have one table of files (kcmp(2) with KCMP_FILES, since Linux 3.5). A task that has
// ended has none. Errors are those of [FS.Compare].
func (f *FS) CompareTables(a, b epoll.Holder) (Order, error) {
	return f.kcmp(kcmpFiles, a, b)
}

func (f *FS) dirStat(st *unix.Stat_t) DirStat {
	return DirStat{Count: maybe.When(int(st.Size), f.countsFDs), Ino: st.Ino}
}
