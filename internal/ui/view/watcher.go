package view

import (
	"fmt"

	"github.com/eptop/eptop/internal/epoll"
	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/units"
)

// WatcherText writes one watch on a file: whose, for what, how.
func WatcherText(w *model.Watcher) string {
	text := fmt.Sprintf("%d (%s), epoll %d: fd %d for %s", w.PID, w.Comm, w.EpollFD, w.FD, w.Watch.Mask)
	if n, ok := w.Epoll.Waiters.Get(); ok {
		text += ", " + model.Waiters(n) + " waiting"
	}
	if w.Watch.Link == epoll.Stale {
		text += ", STALE"
	}
	if model.ReadyOf(w.Watch).Value {
		text += ", ready"
	}
	if w.SharedCount > 0 {
		text += ", " + units.Many(int64(w.SharedCount), "further fd") + " of this epoll"
	}
	return text
}
