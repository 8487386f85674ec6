package report

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/units"
)

// socketsHeld writes the states of the sockets of each process, and with all of them one by
// one.
func (t *text) socketsHeld(s *model.Snapshot, all bool) {
	var links *model.Links
	for i := range s.Processes {
		p := &s.Processes[i]
		if len(p.Held) == 0 {
			continue
		}
		t.title("Sockets of %d %s", p.PID, clean(p.Comm))
		rows := []string{row("SOCKETS", "IN NO EPOLL", "STATE")}
		for _, c := range p.States {
			rows = append(rows, row(c.Sockets, c.Sockets-c.Watched, c.State))
		}
		if len(p.States) > 0 {
			t.table(rows)
		}
		if !all {
			continue
		}
		if links == nil {
			links = model.NewLinks(s)
		}
		rows = []string{row("FD", "KIND", "INO", "STATE", "SEEN", "IN STATE", "RXQ", "TXQ", "BUFFERS", "LOCAL", "PEER", "WATCHED BY")}
		for _, h := range p.Held {
			if len(rows) == blockRows {
				t.table(rows)
				rows = rows[:0]
			}
			so := links.Listed(p, h)
			rows = append(rows, row(fmt.Sprint(so.FD), so.Kind, fmt.Sprint(so.Ino), cmp.Or(so.State, absent), seenFor(so.Seen, so.SeenAtLeast), seenFor(so.InState, so.InStateAtLeast),
				so.RecvQueue, so.SendQueue, so.BufferBytes, cmp.Or(so.Local, absent), cmp.Or(so.Peer, absent), watchedBy(p, &so)))
		}
		t.table(rows)
	}
}

// seenFor writes how long something has been seen.
func seenFor(d maybe.Of[time.Duration], atLeast bool) string {
	if !d.Known {
		return absent
	}
	return model.Mark(atLeast, false) + units.Duration(d.Value)
}

// watchedBy names the first epoll that watches a socket, and how.
func watchedBy(p *model.Process, so *model.ListedSocket) string {
	if len(so.WatchedBy) == 0 {
		return "no epoll"
	}
	w := so.WatchedBy[0]
	text := fmt.Sprintf("epoll %d %s", w.EpollFD, strings.Join(w.Events, "|"))
	if w.PID != p.PID {
		text = fmt.Sprintf("pid %d %s", w.PID, text)
	}
	if more := so.WatchedByCount.Value - 1; more > 0 {
		text += ", " + units.Count(more) + " more"
	}
	return text
}
