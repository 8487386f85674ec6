package fdinfo

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// Reader reads the fdinfo files of epolls through one buffer that it keeps, so
// that a million watches need no 80 MB of text. It is not for several goroutines
// at once.
type Reader struct {
	buf []byte
}

// readBytes is the size of a Reader's buffer.
const readBytes = 256 << 10

// Read appends the watches of the epoll that is descriptor fd of a process to
// dst. A descriptor that is no epoll has none. Reading is not capped.
//
// took is the time spent in read(2), an upper bound of how long the kernel held
// the target's ep->mtx: ep_show_fdinfo() prints everything during the first
// call, twice over as its buffer doubles, and the others only copy.
//
// Another user's process needs root or CAP_SYS_PTRACE. On an error the watches
// read so far are returned with it; an [ErrMalformed] quotes the line.
func (r *Reader) Read(f *FS, pid, fd int, dst []Watch) (watches []Watch, took time.Duration, err error) {
	path := f.path(pid, "fdinfo/"+strconv.Itoa(fd))
	file, err := openat(path, 0)
	if err != nil {
		return dst, 0, err
	}
	defer unix.Close(file)
	if r.buf == nil {
		r.buf = make([]byte, readBytes)
	}
	watches, took, err = r.readAll(file, dst)
	if err != nil {
		if errors.Is(err, ErrMalformed) {
			return watches, took, fmt.Errorf("parse %s: %w", path, err)
		}
		return watches, took, pathError("read", path, err)
	}
	return watches, took, nil
}

// readAll reads to the end of the file, which a short read is not.
func (r *Reader) readAll(file int, dst []Watch) (watches []Watch, took time.Duration, err error) {
	lines, kept := 0, 0
	for {
		start := time.Now()
		n, err := unix.Read(file, r.buf[kept:])
		took += time.Since(start)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return dst, took, err
		}
		if n == 0 {
			return dst, took, CheckRest(r.buf[:kept], lines+1)
		}
		text := r.buf[:kept+n]
		var rest []byte
		dst, rest, err = AppendWatches(dst, text)
		if line, ok := errors.AsType[*LineError](err); ok {
			line.Line += lines
			return dst, took, line
		}
		lines += bytes.Count(text[:len(text)-len(rest)], newline)
		if len(rest) == len(r.buf) {
			return dst, took, newLineError(lines+1, rest, "line without an end")
		}
		kept = copy(r.buf, rest)
	}
}
