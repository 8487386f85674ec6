package sock

import (
	"errors"
	"fmt"
	"io/fs"

	"golang.org/x/sys/unix"
)

// kindOf makes errors.Is distinguish what the standard library does not know: what
// this kernel does not have, and what has ended.
func kindOf(err error) error {
	for _, missing := range [...]unix.Errno{
		unix.EPROTONOSUPPORT, // no sock_diag in this kernel
		unix.EAFNOSUPPORT,    // no netlink in this kernel, or a sandbox without it
		unix.ESRCH,           // the process ended
	} {
		if errors.Is(err, missing) {
			return fmt.Errorf("%w (%w)", fs.ErrNotExist, err)
		}
	}
	return err
}

func pathError(op, path string, err error) error {
	return &fs.PathError{Op: op, Path: path, Err: kindOf(err)}
}
