package slab

import (
	"errors"
	"io"
	"io/fs"

	"golang.org/x/sys/unix"
)

// readAll reads a whole kernel file into buf, which it grows when it must, and
// returns the buffer cut to what was read. A short read is not the end:
// seq_file hands out slabinfo a page at a time.
//
// It goes around os.File because a refresh opens several hundred small files,
// and registering each with the runtime's poller costs as much as reading it.
func readAll(path string, buf []byte) ([]byte, error) {
	fd, err := open(path)
	if err != nil {
		return buf[:0], &fs.PathError{Op: "open", Path: path, Err: err}
	}
	defer func() { _ = unix.Close(fd) }() // opened for reading only
	buf = buf[:0]
	for {
		if len(buf) == cap(buf) {
			buf = append(buf, 0)[:len(buf)]
		}
		n, err := unix.Read(fd, buf[len(buf):cap(buf)])
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return buf[:0], &fs.PathError{Op: "read", Path: path, Err: err}
		case n == 0:
			return buf, nil
		case n < 0 || n > cap(buf)-len(buf):
			return buf[:0], &fs.PathError{Op: "read", Path: path, Err: io.ErrUnexpectedEOF}
		}
		buf = buf[:len(buf)+n]
	}
}

func open(path string) (int, error) {
	for {
		fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if !errors.Is(err, unix.EINTR) {
			return fd, err
		}
	}
}
