// Package kernfile reads the files of procfs and sysfs, and those of trees captured from
// them. A captured tree is what somebody sent: where a file should be it may have a pipe
// that nobody writes to, a link to an endless device, or a file as large as a disk. So
// only regular files are read, which those of procfs and sysfs are; no link is followed to
// one; nothing waits; and every read ends, at the end of the file or with an error.
package kernfile

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// ErrNotRegular is wrapped where something else than a regular file has the name.
var ErrNotRegular = errors.New("not a regular file")

// ErrTooLarge is wrapped where a file has more than MaxBytes.
var ErrTooLarge = errors.New("larger than any file of its kind")

// MaxBytes bounds what Read takes in. The largest files are zoneinfo and numa_maps, with
// some 10 MB on machines of thousands of CPUs or processes of 100,000 mappings.
const MaxBytes = 64 << 20

// Open opens a regular file for reading and returns its descriptor. Errors are
// *fs.PathError; that of a process which ended (ESRCH) is fs.ErrNotExist.
func Open(path string) (fd int, err error) {
	// O_NONBLOCK keeps open(2) from waiting for the writer of a pipe, and means nothing to
	// regular files.
	fd, err = open(path, unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_NOCTTY)
	if errors.Is(err, unix.ELOOP) || errors.Is(err, unix.ENXIO) { // ENXIO: a socket
		return -1, &fs.PathError{Op: "open", Path: path, Err: fmt.Errorf("%w (%w)", ErrNotRegular, unwrapped(err))}
	}
	if err != nil {
		return -1, err
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		unix.Close(fd)
		return -1, pathError("fstat", path, err)
	}
	if kind := st.Mode & unix.S_IFMT; kind != unix.S_IFREG {
		unix.Close(fd)
		return -1, pathError("open", path, fmt.Errorf("%w but %s", ErrNotRegular, kinds[kind]))
	}
	return fd, nil
}

var kinds = map[uint32]string{
	unix.S_IFDIR: "a directory", unix.S_IFIFO: "a pipe", unix.S_IFCHR: "a device", unix.S_IFBLK: "a block device", unix.S_IFSOCK: "a socket",
}

// OpenDir opens a directory to be listed. Whatever else has the name, a link too, is ENOTDIR.
func OpenDir(path string) (*os.File, error) {
	fd, err := open(path, unix.O_DIRECTORY|unix.O_NOFOLLOW)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), path), nil
}

// ReadFile returns the whole content of a file.
func ReadFile(path string) ([]byte, error) { return Read(path, nil) }

// Read returns the whole content of a file, in the array of buf where that suffices, and
// nothing of it with an error. A short read is not the end: seq_file returns a page at a
// time.
//
// It goes around os.File because a look opens several hundred small files, and
// registering each with the runtime's poller costs as much as reading it.
func Read(path string, buf []byte) ([]byte, error) {
	fd, err := Open(path)
	if err != nil {
		return buf[:0], err
	}
	defer unix.Close(fd)
	buf = buf[:0]
	for {
		if len(buf) == cap(buf) {
			if len(buf) >= MaxBytes {
				return nil, pathError("read", path, fmt.Errorf("%w: %d bytes", ErrTooLarge, MaxBytes))
			}
			buf = append(buf, make([]byte, max(4096, len(buf)))...)[:len(buf)]
		}
		n, err := unix.Read(fd, buf[len(buf):cap(buf)])
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return buf[:0], pathError("read", path, err)
		case n == 0:
			return buf, nil
		default:
			buf = buf[:len(buf)+n]
		}
	}
}

// Line returns the text of a file of one line, without the blanks and zero bytes that some
// kernels and some captures leave at its end. It is not whole where the newline is missing,
// with which the kernel ends every such file: its last number may have lost digits.
func Line(b []byte) (line []byte, whole bool) {
	line, whole = bytes.CutSuffix(bytes.TrimRight(b, "\x00"), []byte{'\n'})
	return bytes.TrimRight(line, " \t\r\x00"), whole
}

func open(path string, flags int) (int, error) {
	for {
		fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC|flags, 0)
		switch {
		case err == nil:
			return fd, nil
		case !errors.Is(err, unix.EINTR):
			return -1, pathError("open", path, err)
		}
	}
}

// pathError keeps the kind of an error recognisable with errors.Is. The standard library
// does not count ESRCH, which procfs returns for a process that ended, as fs.ErrNotExist.
func pathError(op, path string, err error) error {
	if errors.Is(err, unix.ESRCH) {
		err = fmt.Errorf("%w (%w)", fs.ErrNotExist, err)
	}
	return &fs.PathError{Op: op, Path: path, Err: err}
}

func unwrapped(err error) error {
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		return path.Err
	}
	return err
}
