package bpf

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// ioURingSetup opens an io_uring of the smallest size; golang.org/x/sys has no such call.
func ioURingSetup() (fd int, err error) {
	var params [120]byte // struct io_uring_params
	r, _, errno := unix.Syscall(unix.SYS_IO_URING_SETUP, 1, uintptr(unsafe.Pointer(&params)), 0)
	if errno != 0 {
		return -1, errno
	}
	return int(r), nil
}
