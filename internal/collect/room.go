package collect

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// reserve is how many of the files that RLIMIT_NOFILE allows are left to looks and to
// everything else eptop does. What would be kept open between looks has to do with the
// rest.
const reserve = 16

// hasRoom reports whether one more file may be kept open between looks, whatever part of
// eptop has the others.
func hasRoom() bool {
	var limit unix.Rlimit
	used, err := openFiles()
	return err == nil && unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) == nil && used+reserve < limit.Cur
}

// openFiles counts this program's files: by the size of their folder, which says it since
// Linux 6.2 (commit f1f1f2569901), or else by reading the folder.
func openFiles() (uint64, error) {
	const folder = "/proc/self/fd"
	var st unix.Stat_t
	if err := unix.Stat(folder, &st); err != nil || st.Size > 0 {
		return uint64(st.Size), err
	}
	names, err := os.ReadDir(folder)
	return uint64(len(names)), err
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
