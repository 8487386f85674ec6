package model

import (
	"github.com/eptop/eptop/internal/epoll"
	"github.com/eptop/eptop/internal/units"
)

// Waiters writes how many threads wait on an epoll: "3 threads". More than epoll.MaxWaiters
// are not counted.
func Waiters(n int64) string {
	text := units.Many(n, "thread")
	if n >= epoll.MaxWaiters {
		return "≥ " + text
	}
	return text
}
