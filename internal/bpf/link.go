package bpf

import (
	"os"
	"runtime"
	"unsafe"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// Commands of bpf(2), <linux/bpf.h>.
const (
	cmdLinkCreate = 28
	cmdIterCreate = 33
)

// iterator is an iterator link. github.com/cilium/ebpf makes none that is restricted to a
// process.
type iterator struct{ fd int }

// newIterator makes a link of a program for one process, or for all where pid is 0. A link
// of an iterator is attached to nothing: it is what passes are opened from.
func newIterator(p *ebpf.Program, pid int) (iterator, error) {
	// union bpf_iter_link_info: task.tid, task.pid, task.pid_fd; since Linux 6.1.
	info := [4]uint32{0, uint32(pid), 0, 0}
	attr := struct {
		program, target, attachType, flags uint32
		info                               unsafe.Pointer
		infoLen                            uint32
		_                                  [36]byte
	}{program: uint32(p.FD()), attachType: uint32(ebpf.AttachTraceIter)}
	if pid != 0 {
		attr.info, attr.infoLen = unsafe.Pointer(&info), uint32(unsafe.Sizeof(info))
	}
	fd, err := bpf(cmdLinkCreate, unsafe.Pointer(&attr), unsafe.Sizeof(attr))
	runtime.KeepAlive(p)
	return iterator{fd}, os.NewSyscallError("bpf: link create", err)
}

// open begins a pass.
func (it iterator) open() (fd int, err error) {
	attr := struct{ link, flags uint32 }{link: uint32(it.fd)}
	fd, err = bpf(cmdIterCreate, unsafe.Pointer(&attr), unsafe.Sizeof(attr))
	return fd, os.NewSyscallError("bpf: iterator create", err)
}

func (it iterator) close() { unix.Close(it.fd) }

func bpf(cmd int, attr unsafe.Pointer, size uintptr) (fd int, err error) {
	r, _, errno := unix.Syscall(unix.SYS_BPF, uintptr(cmd), uintptr(attr), size)
	if errno != 0 {
		return -1, errno
	}
	return int(r), nil
}
