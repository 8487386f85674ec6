package fdinfo

import (
	"os"

	"golang.org/x/sys/unix"

	"github.com/eptop/eptop/internal/epoll"
)

// devices maps the device numbers of the kernel's internal file systems, as
// fdinfo prints them, to what lives there. Empty for a captured tree.
type devices []device

type device struct {
	sdev uint32
	kind epoll.Kind
}

// ownDevices learns the device numbers from descriptors that it opens and closes
// again: a socket for sockfs, a pipe for pipefs, an eventfd for anon_inodefs, a pidfd
// for pidfs (since Linux 6.9; an anonymous inode before). The kernel assigns these
// numbers at boot in the order of registration. What cannot be opened, in a sandbox
// perhaps, stays unknown.
func ownDevices() devices {
	var d devices
	add := func(kind epoll.Kind, fd int, err error) {
		if err != nil {
			return
		}
		defer unix.Close(fd)
		var st unix.Stat_t
		if unix.Fstat(fd, &st) != nil {
			return
		}
		sdev := kernelDev(uint64(st.Dev))
		if d.kind(sdev) == epoll.KindUnknown {
			d = append(d, device{sdev, kind})
		}
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	add(epoll.KindSocket, fd, err)
	var pipe [2]int
	err = unix.Pipe2(pipe[:], unix.O_CLOEXEC)
	add(epoll.KindPipe, pipe[0], err)
	if err == nil {
		unix.Close(pipe[1])
	}
	fd, err = unix.Eventfd(0, unix.EFD_CLOEXEC)
	add(epoll.KindAnon, fd, err)
	fd, err = unix.PidfdOpen(os.Getpid(), 0)
	add(epoll.KindPidfd, fd, err)
	return d
}

// kernelDev turns the device number of stat(2) into the kernel's own encoding,
// MKDEV() of include/linux/kdev_t.h.
func kernelDev(dev uint64) uint32 {
	return unix.Major(dev)<<20 | unix.Minor(dev)
}

// kind returns what lives on a device; KindUnknown where that was not learned.
func (d devices) kind(sdev uint32) epoll.Kind {
	for _, dev := range d {
		if dev.sdev == sdev {
			return dev.kind
		}
	}
	return epoll.KindUnknown
}

// mayBe reports whether a watch on a device can be of the kind that the link of a
// descriptor says.
func (d devices) mayBe(sdev uint32, link epoll.Kind) bool {
	switch on := d.kind(sdev); on {
	case epoll.KindSocket, epoll.KindPipe, epoll.KindPidfd:
		return link == on
	case epoll.KindAnon:
		switch link {
		case epoll.KindSocket, epoll.KindPipe, epoll.KindTty, epoll.KindFile:
			return false
		}
		return true
	}
	// This device was not learned: it is a real file system, if others were learned.
	for _, dev := range d {
		if dev.kind == link || dev.kind == epoll.KindAnon && onAnonInode(link) {
			return false
		}
	}
	return true
}

// onAnonInode reports whether files of the kind live on an anonymous inode.
func onAnonInode(k epoll.Kind) bool {
	switch k {
	case epoll.KindEventfd, epoll.KindTimerfd, epoll.KindSignalfd, epoll.KindInotify, epoll.KindEpoll, epoll.KindIOUring, epoll.KindBPF:
		return true
	}
	return false
}
