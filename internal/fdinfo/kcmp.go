package fdinfo

import (
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/eptop/eptop/internal/epoll"
)

// Order is the answer of kcmp(2): whether two descriptors refer to one open
// file, and if not, which comes first in an order that stays the same until the
// machine is restarted.
type Order uint8

// The answers of kcmp(2), in the kernel's own numbers.
const (
	Equal     Order = 0 // the same open file
	Less      Order = 1 // the first comes before the second
	Greater   Order = 2 // the first comes after the second
	Unordered Order = 3 // not the same, and without an order
)

// From include/uapi/linux/kcmp.h.
const (
	kcmpFile     = 0 // KCMP_FILE, since Linux 3.5
	kcmpFiles    = 2 // KCMP_FILES, since Linux 3.5
	kcmpEpollTFD = 7 // KCMP_EPOLL_TFD, since Linux 4.13
)

// epollSlot is struct kcmp_epoll_slot.
type epollSlot struct {
	efd  uint32 // epoll descriptor
	tfd  uint32 // number of the watched descriptor
	toff uint32 // which of the watches of that number, in fdinfo's order
}

// Compare says whether two descriptors are one open file (kcmp(2) with KCMP_FILE,
// kernel/kcmp.c). Nothing else distinguishes epoll instances: all of them have the
// same inode.
//
// Errors are fs.ErrNotExist when a process or descriptor is gone,
// fs.ErrPermission when it may not be looked at (PTRACE_MODE_READ: root or
// CAP_SYS_PTRACE for another user's process), and errors.ErrUnsupported when the
// kernel has no kcmp (CONFIG_KCMP) or the root is not the procfs of eptop's own
// PID namespace.
func (f *FS) Compare(a, b epoll.Holder) (Order, error) {
	return f.kcmp(kcmpFile, a, b)
}

func (f *FS) kcmp(what uintptr, a, b epoll.Holder) (Order, error) {
	if !f.samePIDs {
		return Unordered, errForeignPIDs
	}
	if err := f.ended(); err != nil {
		return Unordered, fmt.Errorf("kcmp: %w", err)
	}
	r, _, errno := unix.Syscall6(unix.SYS_KCMP, uintptr(a.PID), uintptr(b.PID), what, uintptr(a.FD), uintptr(b.FD), 0)
	order := Order(r)
	if errno != 0 {
		return Unordered, fmt.Errorf("kcmp of %d/%d and %d/%d: %w", a.PID, a.FD, b.PID, b.FD, kindOf(errno))
	}
	return order, nil
}

var errForeignPIDs = fmt.Errorf("kcmp: this procfs is not that of the own PID namespace: %w", errors.ErrUnsupported)

// compareTarget compares the file behind descriptor fd of a process with the one that
// the epoll of a holder watches in a slot. It walks the epoll's tree under ep->mtx (ep_find_tfd()
// in fs/eventpoll.c), so it takes longer the more watches there are, and stops the
// target for that time. unix.ENOENT: there is no such watch; unix.EBADF: fd or the
// epoll is not open.
func compareTarget(pid int, fd int32, holder int, slot epollSlot) (Order, unix.Errno) {
	r, _, errno := unix.Syscall6(unix.SYS_KCMP, uintptr(pid), uintptr(holder), kcmpEpollTFD,
		uintptr(fd), uintptr(unsafe.Pointer(&slot)), 0)
	return Order(r), errno
}

// compareFiles compares two descriptors; it costs a fraction of a microsecond
// and takes no lock of an epoll.
func compareFiles(a, b epoll.Holder) (Order, unix.Errno) {
	r, _, errno := unix.Syscall6(unix.SYS_KCMP, uintptr(a.PID), uintptr(b.PID), kcmpFile,
		uintptr(a.FD), uintptr(b.FD), 0)
	return Order(r), errno
}
