//go:build !amd64

package lab

// epollWaitNumber: newer architectures have epoll_pwait(2) alone.
const epollWaitNumber = "none"
