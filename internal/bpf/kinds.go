package bpf

import (
	"os"

	"golang.org/x/sys/unix"

	"github.com/eptop/eptop/internal/epoll"
)

// kinds says what a file is. The kernel's symbols need not be known: the operations of
// each kind are those of a descriptor of eptop's own.
type kinds struct {
	byOps []opsKind
	// The devices, in the kernel's encoding, of files without a path.
	socketDev, pipeDev, anonDev, namespaceDev uint32
}

type opsKind struct {
	ops  uint64
	kind epoll.Kind
}

// lastKind remembers the last operations that were looked up: files come in runs.
type lastKind opsKind

// kindOf returns the kind of the current file.
func (d *decoder) kindOf(ops uint64, rdev uint32) epoll.Kind {
	if d.opsKind.ops != ops || ops == 0 {
		d.opsKind = lastKind{ops: ops}
		for _, k := range d.kinds.byOps {
			if k.ops == ops {
				d.opsKind.kind = k.kind
			}
		}
	}
	switch {
	case d.opsKind.kind != epoll.KindUnknown:
		return d.opsKind.kind
	case d.file.Mode&unix.S_IFMT == unix.S_IFSOCK:
		return epoll.KindSocket
	case d.file.Dev == d.kinds.pipeDev:
		return epoll.KindPipe
	case d.file.Dev == d.kinds.anonDev, d.file.Dev == d.kinds.namespaceDev:
		return epoll.KindOther
	case d.file.Mode&unix.S_IFMT == unix.S_IFCHR && isTerminal(rdev):
		return epoll.KindTty
	}
	return epoll.KindFile
}

// isTerminal reports whether a character device is a terminal, by its major number; see
// Documentation/admin-guide/devices.txt. /dev/console is none, as its name has no tty.
func isTerminal(rdev uint32) bool {
	const minorBits = 20
	major, minor := rdev>>minorBits, rdev&(1<<minorBits-1)
	switch {
	case major == 4, major >= 136 && major <= 143:
		return true
	case major == 5:
		return minor == 0
	case major == 166, major == 188, major == 204:
		return true
	}
	return false
}

// specimens are descriptors of each kind.
type specimens struct {
	kinds map[int32]epoll.Kind
	close []int
	devs  kinds
}

// newSpecimens opens one file of each kind that this kernel has.
func newSpecimens() (*specimens, error) {
	s := &specimens{kinds: map[int32]epoll.Kind{}}
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	s.add(epoll.KindEpoll, fd, nil)
	s.devs.anonDev = device(fd)
	fd, err = unix.Eventfd(0, unix.EFD_CLOEXEC)
	s.add(epoll.KindEventfd, fd, err)
	fd, err = unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_CLOEXEC)
	s.add(epoll.KindTimerfd, fd, err)
	fd, err = unix.Signalfd(-1, &unix.Sigset_t{}, unix.SFD_CLOEXEC)
	s.add(epoll.KindSignalfd, fd, err)
	fd, err = unix.InotifyInit1(unix.IN_CLOEXEC)
	s.add(epoll.KindInotify, fd, err)
	fd, err = unix.PidfdOpen(os.Getpid(), 0)
	s.add(epoll.KindPidfd, fd, err)
	fd, err = ioURingSetup()
	s.add(epoll.KindIOUring, fd, err)

	var pipe [2]int
	if unix.Pipe2(pipe[:], unix.O_CLOEXEC) == nil {
		s.close = append(s.close, pipe[:]...)
		s.devs.pipeDev = device(pipe[0])
	}
	if fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0); err == nil {
		s.close = append(s.close, fd)
		s.devs.socketDev = device(fd)
	}
	if fd, err := unix.Open("/proc/self/ns/pid", unix.O_RDONLY|unix.O_CLOEXEC, 0); err == nil {
		s.close = append(s.close, fd)
		s.devs.namespaceDev = device(fd)
	}
	return s, nil
}

// add adds a descriptor that was opened; a kind that the kernel has not is left out.
func (s *specimens) add(k epoll.Kind, fd int, err error) {
	if err == nil {
		s.kinds[int32(fd)] = k
		s.close = append(s.close, fd)
	}
}

func (s *specimens) Close() {
	for _, fd := range s.close {
		unix.Close(fd)
	}
}

// device returns the device of a descriptor's inode as the kernel encodes it, 0 where
// fstat fails: no file is there.
func device(fd int) uint32 {
	var st unix.Stat_t
	if unix.Fstat(fd, &st) != nil {
		return 0
	}
	return unix.Major(st.Dev)<<20 | unix.Minor(st.Dev)
}
