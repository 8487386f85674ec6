package lab

import (
	"errors"

	"golang.org/x/sys/unix"
)

// stand is a process that holds the fds it was started with, as a child after fork does,
// and ends when its parent closes their socket.
func stand() error {
	var b [1]byte
	for {
		n, err := unix.Read(controlFD, b[:])
		if n > 0 || errors.Is(err, unix.EINTR) {
			continue
		}
		return err
	}
}
