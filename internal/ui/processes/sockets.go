package processes

import (
	"strconv"

	tea "charm.land/bubbletea/v2"

	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/ui/table"
	"github.com/eptop/eptop/internal/ui/view"
	"github.com/eptop/eptop/internal/units"
)

// atOnce is how many files and watches are linked within an Update, in a few milliseconds.
const atOnce = 20_000

// turnTo shows all sockets of the process, or its epolls and their watches.
func (v *process) turnTo(sockets bool) {
	v.onSockets = sockets
	v.fillSockets()
	v.arrange()
}

// fillSockets gives the table of sockets the latest data, while it is on screen.
func (v *process) fillSockets() {
	if !v.onSockets || v.data == nil {
		return
	}
	if !v.links.From(v.seen) {
		links := model.NewLinks(v.seen)
		if links.Size() <= atOnce {
			v.links, v.linking = links, nil
		} else if v.linking == nil { // one after the other
			v.linking = links
			v.sendLinks = true
		}
	}
	v.sockets.SetEmpty(noSocket(v.data))
	v.sockets.SetSource(newHeldRows(v.seen, v.data, v.links))
}

// link makes the links that are wanted in the background.
func (v *process) link() tea.Cmd {
	if !v.sendLinks {
		return nil
	}
	v.sendLinks = false
	links := v.linking
	return func() tea.Msg {
		links.IndexWatchers()
		return linksMsg{links}
	}
}

// linked shows links that were made.
func (v *process) linked(msg linksMsg) {
	if msg.links != v.linking { // of a process that was shown before
		return
	}
	v.links, v.linking = msg.links, nil
	v.fillSockets()
}

// noSocket says why no socket is listed.
func noSocket(p *model.Process) string {
	switch {
	case p.Has(model.GapNotListed):
		return "Its files have not been listed yet."
	case !p.Sockets.Known:
		return "Whether it holds a socket is not known."
	case p.Sockets.Value > 0:
		return "Its " + units.Many(p.Sockets.Value, "socket") + " are counted, and not listed."
	}
	return "It holds no socket."
}

func (v *process) mouseOnSockets(msg tea.MouseMsg) tea.Cmd {
	at, r := msg.Mouse(), v.rects.sockets
	if !r.Holds(at.X, at.Y) {
		return nil
	}
	switch msg := msg.(type) {
	case tea.MouseClickMsg:
		msg.X, msg.Y = at.X-r.X, at.Y-r.Y
		return v.happened(v.sockets.Update(msg))
	case tea.MouseWheelMsg:
		v.sockets.Update(msg)
	}
	return nil
}

// socketsTitle counts the sockets, those that are forgotten apart.
func (v *process) socketsTitle() string {
	title := "Sockets · " + view.SocketsText(v.data)
	if n, unwatched := v.data.StateSockets(closeWait); n > 0 {
		title += " · " + units.Count(n) + " in " + closeWait
		switch unwatched {
		case 0:
		case n:
			title += ", in no epoll"
		default:
			title += ", " + units.Count(unwatched) + " of them in no epoll"
		}
	}
	return title
}

const closeWait = "CLOSE_WAIT"

// describeHeld opens a box with all of the socket under the cursor.
func (v *process) describeHeld() tea.Cmd {
	rows, ok := v.sockets.Source().(*heldRows)
	row, has := v.sockets.Row()
	if !ok || !has {
		return nil
	}
	snap, p, h := v.seen, v.data, rows.held[row]
	links := v.linksOf(snap)
	return func() tea.Msg {
		return view.OverlayMsg{Title: "Socket of fd " + strconv.Itoa(int(h.FD)), Text: describeHeld(snap, links, p, h)}
	}
}

// linksOf are the links of a snapshot: those that are there, or new ones.
func (v *process) linksOf(s *model.Snapshot) *model.Links {
	if v.links.From(s) {
		return v.links
	}
	return model.NewLinks(s)
}

// showReady shows the column of ready watches where it is known of any.
func (v *process) showReady() {
	known := false
	for i := range v.data.Epolls {
		known = known || v.data.Epolls[i].Waiters.Known
	}
	for _, t := range []*table.Model{v.epolls, v.watches} {
		for _, title := range []string{"READY", "WAIT"} {
			if column, has := t.Find(title); has {
				c := t.Columns()[column]
				t.SetRoom(column, c.Min, c.Rank, !known)
			}
		}
	}
}
