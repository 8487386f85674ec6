package model

import "github.com/eptop/eptop/internal/units"

// Herd says what an event of a file does that these epolls watch, nothing where they are
// fewer than two. All that watch it without EPOLLEXCLUSIVE are woken, and of those that have
// it at least one (ep_poll_callback in fs/eventpoll.c, __wake_up_common in kernel/sched/wait.c).
func Herd(epolls, exclusive int64) string {
	switch {
	case epolls < 2:
		return ""
	case exclusive == 0:
		return "Each event wakes a thread of each of the " + units.Count(epolls) + " epolls, and one of them gets the work. EPOLLEXCLUSIVE avoids that; for listeners SO_REUSEPORT does too."
	case exclusive == epolls:
		return "All of them have EPOLLEXCLUSIVE: an event wakes one of them at least, and not all."
	}
	return "Each event wakes a thread of the " + units.Many(epolls-exclusive, "epoll") + " without EPOLLEXCLUSIVE, and at least one of the others."
}

// Herd counts the epolls that watch a file, and those of them that do with EPOLLEXCLUSIVE.
func (l *Links) Herd(f File) (epolls, exclusive int64) {
	seen := map[*Epoll]bool{}
	for w := range l.Watchers(f) {
		if seen[w.Epoll] {
			continue
		}
		seen[w.Epoll] = true
		epolls++
		exclusive += one(w.Exclusive)
	}
	return epolls, exclusive
}
