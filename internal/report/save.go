package report

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix" //nolint:depguard // O_TMPFILE and linkat(2): a file that appears once it is whole

	"github.com/eptop/eptop/internal/model"
)

// Save writes the snapshot with every watch to a new file in the working directory and
// returns its name. The file appears there once it is whole: a program that ends
// before that leaves nothing behind.
func Save(snap *model.Snapshot) (path string, err error) {
	path = fmt.Sprintf("eptop-%s.json", snap.Time.Format("20060102-150405.000"))
	fd, err := unix.Open(".", unix.O_TMPFILE|unix.O_WRONLY|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return "", fmt.Errorf("write a snapshot here: %w", err)
	}
	f := os.NewFile(uintptr(fd), path)
	defer f.Close()
	if err := JSON(f, snap, Lists{Watches: true, Sockets: true}); err != nil {
		return "", err
	}
	if err := unix.Linkat(unix.AT_FDCWD, fmt.Sprintf("/proc/self/fd/%d", fd), unix.AT_FDCWD, path, unix.AT_SYMLINK_FOLLOW); err != nil {
		return "", fmt.Errorf("name %s: %w", path, err)
	}
	return path, nil
}
