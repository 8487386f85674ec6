package fdinfo

import (
	"bytes"
	"errors"
	"fmt"
	"math/bits"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/eptop/eptop/internal/epoll"
	"github.com/eptop/eptop/internal/kernfile"
)

// Reader reads the fdinfo files of epolls through one buffer that it keeps, so that a
// million watches need no 80 MB of text. It is not safe for concurrent use.
type Reader struct {
	buf []byte
}

// readBytes is the size of a Reader's buffer.
const readBytes = 256 << 10

// EpollFile is the fdinfo file of an epoll that is kept open to be read again and
// again. That takes a third of the time of opening it anew: the kernel keeps the
// buffer that it printed into (struct seq_file), which has the right size then,
// so that one walk under ep->mtx is enough. 15,000 watches took 8 ms instead of
// 22 on Linux 6.18.
//
// An open file pins neither the process nor the epoll. Each read looks the descriptor
// up again and prints what has that number at that time.
type EpollFile struct {
	fs   *FS
	fd   int
	path string
	size int
}

// OpenEpoll opens the fdinfo file of descriptor fd of a process. Another user's
// process needs root or CAP_SYS_PTRACE.
func (f *FS) OpenEpoll(pid, fd int) (*EpollFile, error) {
	path := f.path(pid, "fdinfo/"+strconv.Itoa(fd))
	if err := f.ended(); err != nil {
		return nil, pathError("open", path, err)
	}
	file, err := kernfile.Open(path)
	if err != nil {
		return nil, err
	}
	return &EpollFile{fs: f, fd: file, path: path}, nil
}

// Close closes the file and frees the kernel's buffer.
func (e *EpollFile) Close() { unix.Close(e.fd) }

// KernelBytes estimates the memory that the kernel keeps for the open file: the
// size of the last text rounded up to the power of two that its buffer grew to.
// It is 0 before the first read.
func (e *EpollFile) KernelBytes() int {
	if e.size == 0 {
		return 0
	}
	return max(os.Getpagesize(), 1<<bits.Len(uint(e.size)))
}

// ReadFile appends the watches of an epoll to dst. A descriptor that is no epoll
// has none. Reading is not capped. Where it finds none, the error is ErrNotShown if the
// kernel shows none of any epoll.
//
// took is the time spent in read(2), an upper bound of how long the kernel held
// the target's ep->mtx: ep_show_fdinfo() prints everything during the first
// call, twice over as its buffer doubles, and the others only copy.
//
// On an error the watches read so far are returned with it; an [ErrMalformed]
// quotes the line. fs.ErrNotExist says that the process ended or has no such
// descriptor any more; the file is to be closed then, also when a new process got
// the old number.
func (r *Reader) ReadFile(e *EpollFile, dst []epoll.Watch) (watches []epoll.Watch, took time.Duration, err error) {
	if r.buf == nil {
		r.buf = make([]byte, readBytes)
	}
	watches, e.size, took, err = r.readAll(e.fd, dst)
	if errors.Is(err, ErrMalformed) {
		return watches, took, fmt.Errorf("parse %s: %w", e.path, err)
	}
	if err != nil {
		return watches, took, pathError("read", e.path, err)
	}
	if len(watches) == len(dst) {
		err = e.fs.shown.check(e.fs.root)
	} else {
		e.fs.shown.set(nil)
	}
	return watches, took, err
}

// readAll reads from the beginning to the end of the file. A short read is not the
// end.
func (r *Reader) readAll(file int, dst []epoll.Watch) (watches []epoll.Watch, size int, took time.Duration, err error) {
	lines, kept := 0, 0
	for {
		start := time.Now()
		n, err := unix.Pread(file, r.buf[kept:], int64(size))
		took += time.Since(start)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return dst, size, took, err
		}
		if n == 0 && size == 0 {
			return dst, size, took, checkHeader(nil)
		}
		if n == 0 {
			return dst, size, took, CheckRest(r.buf[:kept], lines+1)
		}
		text := r.buf[:kept+n]
		if size == 0 {
			if err := checkHeader(text); err != nil {
				return dst, size, took, err
			}
		}
		size += n
		var rest []byte
		dst, rest, err = AppendWatches(dst, text)
		if line, ok := errors.AsType[*LineError](err); ok {
			line.Line += lines
			return dst, size, took, line
		}
		lines += bytes.Count(text[:len(text)-len(rest)], newline)
		if len(rest) == len(r.buf) {
			return dst, size, took, newLineError(lines+1, rest, "line without an end")
		}
		kept = copy(r.buf, rest)
	}
}
