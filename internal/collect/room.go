package collect

import (
	"errors"

	"golang.org/x/sys/unix"
)

// reserve is how many of the files that RLIMIT_NOFILE allows are left to looks and to
// everything else eptop does. What would be kept open between looks has to do with the
// rest.
const reserve = 16

// hasRoom reports whether one more file may be kept open between looks. The kernel gives
// each file the lowest number that is free (alloc_fd() in fs/file.c), so the next number
// is how many are in use at least, by whatever part of eptop.
func hasRoom() bool {
	var limit unix.Rlimit
	next, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil {
		return false
	}
	unix.Close(next)
	return unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) == nil && uint64(next)+reserve < limit.Cur
}

// makeRoom closes the files that are kept open between looks, if looks need their room.
// Reading without them costs more.
func (s *procSource) makeRoom() {
	if hasRoom() {
		return
	}
	for _, in := range s.instances {
		in.close()
	}
	if s.sockets.namespaces != nil {
		s.sockets.namespaces.CloseOthers()
	}
}

// isShort reports whether something failed because eptop or the machine was short of files
// or memory at that moment: the answer is not known, and asking again may find it.
func isShort(err error) bool {
	return errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) || errors.Is(err, unix.ENOMEM)
}
