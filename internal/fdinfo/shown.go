package fdinfo

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/eptop/eptop/internal/kernfile"
)

// ErrNotShown is returned for an epoll without watch lines where the kernel prints such
// lines for no epoll: gVisor (pkg/sentry/fsimpl/proc/task_fds.go), and Linux before 3.8
// (commit 138d22b58696). How many watches it has is not known.
var ErrNotShown = errors.New("this kernel does not show the watches of an epoll in its fdinfo")

// shown is whether the kernel shows watches, once that is known. A doubtful answer is not
// kept.
type shown struct {
	mu    sync.Mutex
	known bool
	err   error
}

func (s *shown) set(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.known, s.err = true, err
}

// check returns nil where an fdinfo without watch lines means an epoll without watches. It
// finds out with an epoll of eptop's own, which has one watch.
func (s *shown) check(root string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known {
		return s.err
	}
	n, err := ownWatches(root)
	if err != nil {
		return fmt.Errorf("it shows no watch, and whether this kernel shows any could not be tried: %w", err)
	}
	if s.known = true; n == 0 {
		s.err = ErrNotShown
	}
	return s.err
}

// ownWatches counts the watches that fdinfo shows of an epoll which has one.
func ownWatches(root string) (int, error) {
	ep, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return 0, fmt.Errorf("epoll_create1: %w", err)
	}
	defer unix.Close(ep)
	target, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil {
		return 0, fmt.Errorf("eventfd: %w", err)
	}
	defer unix.Close(target)
	if err := unix.EpollCtl(ep, unix.EPOLL_CTL_ADD, target, &unix.EpollEvent{Fd: int32(target)}); err != nil {
		return 0, fmt.Errorf("epoll_ctl: %w", err)
	}
	b, err := kernfile.ReadFile(filepath.Join(root, "self/fdinfo", strconv.Itoa(ep)))
	if err != nil {
		return 0, err
	}
	watches, _, err := AppendWatches(nil, b)
	return len(watches), err
}

// gVisorVersion is what gVisor calls itself whatever its release
// (pkg/sentry/syscalls/linux/linux64.go).
var gVisorVersion = []byte("#1 SMP Sun Jan 10 15:06:54 PST 2016")

// shownBy says the same of the kernel that a tree was captured from, which can only be asked
// for its name.
func shownBy(root string) error {
	version, _ := kernfile.ReadFile(filepath.Join(root, "version"))
	if bytes.Contains(version, gVisorVersion) {
		return fmt.Errorf("%w (it is gVisor's)", ErrNotShown)
	}
	release, _ := kernfile.ReadFile(filepath.Join(root, "sys/kernel/osrelease"))
	var major, minor int
	if n, _ := fmt.Sscanf(string(release), "%d.%d", &major, &minor); n == 2 && (major < 3 || major == 3 && minor < 8) {
		return fmt.Errorf("%w (Linux %d.%d: since 3.8)", ErrNotShown, major, minor)
	}
	return nil
}
