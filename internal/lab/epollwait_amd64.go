package lab

import (
	"strconv"

	"golang.org/x/sys/unix"
)

// epollWaitNumber is the system call that package unix makes for a wait here.
var epollWaitNumber = strconv.Itoa(unix.SYS_EPOLL_WAIT)
