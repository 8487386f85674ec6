package sockets

import (
	"cmp"
	"strconv"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/ui/cell"
	"github.com/eptop/eptop/internal/ui/draw"
	"github.com/eptop/eptop/internal/ui/table"
	"github.com/eptop/eptop/internal/ui/view"
	"github.com/eptop/eptop/internal/units"
)

// behindPage is what stands behind one row of the table: the processes that hold its sockets,
// and where these were accepted or go to.
type behindPage struct {
	by    grouping
	key   table.Key // of the row
	title string
	table *table.Model
	data  *model.Behind
	// from is the look at sockets that data is of. next is the one that is being looked
	// through, and links is kept from one to the next.
	from, next time.Time
	asked      *model.Snapshot // to look through, nil: none
	links      *model.Links
}

// behindMsg is what was found for a page.
type behindMsg struct {
	page  *behindPage
	data  model.Behind
	links *model.Links
	from  time.Time
}

// modelGrouping is the grouping as the model has it, "" for one that it has not.
func (g grouping) modelGrouping() model.Grouping {
	return [...]model.Grouping{byState: model.GroupState, byProcess: "", byPort: model.GroupPort, byRemote: model.GroupRemote, byUser: model.GroupUser}[g]
}

// groupsOf are the groups of a grouping.
func groupsOf(by grouping, k *model.Sockets) []model.SocketGroup {
	return [...][]model.SocketGroup{byState: k.ByState, byProcess: nil, byPort: k.ByPort, byRemote: k.ByRemote, byUser: k.ByUser}[by]
}

// openBehind opens the page of a row.
func (v *View) openBehind(r *row) {
	v.behind = &behindPage{by: v.by, key: r.key, title: draw.Clean(r.title()), table: newBehindTable(v.keys.Keys)}
	v.behind.table.SetTheme(v.theme)
	v.behind.table.SetEmpty("looking…")
	v.fillBehind()
	v.layout()
}

// fillBehind looks through the sockets again where they were listed anew.
func (v *View) fillBehind() {
	b := v.behind
	if b == nil || !v.known() {
		return
	}
	at := v.snap.Time.Add(-v.snap.Sockets.Age)
	if b.from.Equal(at) || !b.next.IsZero() { // one after the other
		return
	}
	b.next, b.asked = at, v.snap
}

// lookBehind is the command that was not begun yet.
func (v *View) lookBehind() tea.Cmd {
	b := v.behind
	if b == nil || b.asked == nil {
		return nil
	}
	s, links, from := b.asked, b.links, b.next
	b.asked = nil
	by, key := b.by, b.key
	return func() tea.Msg {
		if !links.From(s) {
			links = model.NewLinks(s)
		}
		msg := behindMsg{page: b, links: links, from: from}
		groups := groupsOf(by, s.Sockets)
		for i := range groups {
			if rowOfGroup(by, s, &groups[i]).key == key {
				msg.data = links.Behind(by.modelGrouping(), &groups[i])
			}
		}
		return msg
	}
}

// foundBehind shows what was found.
func (v *View) foundBehind(msg behindMsg) {
	b := v.behind
	if b != msg.page { // closed meanwhile
		return
	}
	b.data, b.links, b.from, b.next = &msg.data, msg.links, msg.from, time.Time{}
	b.table.SetEmpty(emptyBehind(b))
	b.table.SetSource(newBehindRows(b))
	v.layout()
	v.fillBehind()
}

// emptyBehind says why nothing is listed.
func emptyBehind(b *behindPage) string {
	if b.by == byState && b.data.Sockets == 0 {
		return "There is no such socket any more, or the kernel lists them not one by one (accept queues of UNIX)."
	}
	return "There is no such socket any more."
}

// closeBehind goes back to the groups, and reports whether a page was open.
func (v *View) closeBehind() bool {
	if v.behind == nil {
		return false
	}
	if v.behind.table.Back() {
		return true
	}
	v.behind = nil
	v.layout()
	return true
}

// updateBehind handles keys and the mouse while a page is open.
func (v *View) updateBehind(msg tea.Msg) tea.Cmd {
	if m, ok := msg.(tea.MouseClickMsg); ok {
		m.Y -= v.headLines()
		msg = m
	}
	if v.behind.table.Update(msg) != table.Opened {
		return nil
	}
	rows, ok := v.behind.table.Source().(*table.List[*behindRow])
	i, has := v.behind.table.Row()
	if !ok || !has {
		return nil
	}
	r := rows.At(i)
	switch {
	case r.watcher != nil:
		return view.Send(view.OpenProcessMsg{PID: r.watcher.PID})
	case r.process == nil:
		return view.Send(view.StatusMsg{Text: "Enter on a process shows its sockets"})
	}
	return view.Send(view.OpenProcessMsg{PID: r.process.PID, Sockets: true, Filter: v.behind.filter()})
}

// filter finds the sockets of the page among those of a process.
func (b *behindPage) filter() string {
	if b.by != byState && b.by != byRemote {
		return ""
	}
	name := strings.TrimPrefix(b.key.Text, " ") // no kind
	name, _, _ = strings.Cut(name, " in ")
	return name[strings.LastIndexByte(name, ' ')+1:]
}

// drawBehind draws the page.
func (v *View) drawBehind() []string {
	p, b := v.pens, v.behind
	head := p.Title.Ink(" " + b.title)
	switch {
	case b.data == nil:
		head += p.Muted.Ink(" · looking…")
	default:
		head += p.Muted.Ink(" · " + units.Many(b.data.Sockets, "socket") + " of " + units.Many(int64(len(b.data.Processes)), "process"))
		if n := b.data.Nobodys; n > 0 {
			head += p.Warn.Ink(" · " + units.Count(n) + " held by no process seen")
		}
	}
	head += p.Muted.Ink(" · Esc back")
	lines := []string{draw.Fit(head, v.w)}
	if herd := v.herdLine(); herd != "" {
		lines = append(lines, p.Muted.Ink(draw.Fit(" "+herd, v.w)))
	}
	if v.h > 1 {
		lines = append(lines, strings.Split(b.table.View(), "\n")...)
	}
	return lines
}

// herdLine says what a new connection does to the epolls that watch the listener.
func (v *View) herdLine() string {
	if b := v.behind; b.data != nil && v.h > 3 {
		return b.data.Herd
	}
	return ""
}

// headLines is how many lines stand above the table of a page.
func (v *View) headLines() int {
	if v.herdLine() != "" {
		return 2
	}
	return 1
}

// behindRow is an epoll that watches a listener, a process that holds sockets, or an end of
// theirs.
type behindRow struct {
	watcher          *model.Watcher
	process          *model.BehindProcess
	end              *model.BehindEnd
	sockets, watched int64
}

// newBehindRows are the epolls, then the processes, then the ends.
func newBehindRows(b *behindPage) *table.List[*behindRow] {
	rows := make([]behindRow, 0, len(b.data.Watchers)+len(b.data.Processes)+len(b.data.Ends))
	for i := range b.data.Watchers {
		rows = append(rows, behindRow{watcher: &b.data.Watchers[i], sockets: 1, watched: 1})
	}
	for i := range b.data.Processes {
		p := &b.data.Processes[i]
		rows = append(rows, behindRow{process: p, sockets: p.Sockets, watched: p.Watched})
	}
	for i := range b.data.Ends {
		e := &b.data.Ends[i]
		rows = append(rows, behindRow{end: e, sockets: e.Sockets, watched: e.Watched})
	}
	return &table.List[*behindRow]{
		Fields: behindFields, Count: len(rows), At: func(i int) *behindRow { return &rows[i] },
		KeyOf: func(r *behindRow) table.Key {
			switch {
			case r.watcher != nil:
				return table.Key{Num: [3]uint64{uint64(r.watcher.PID), uint64(r.watcher.EpollFD), r.watcher.Watch.Ino}, Text: "epoll"}
			case r.process != nil:
				return table.Key{Num: [3]uint64{uint64(r.process.PID)}}
			}
			return table.Key{Text: r.what() + r.end.Name}
		},
		Search: func(dst []byte, r *behindRow) []byte {
			return append(append(append(dst, r.what()...), ' '), r.who()...)
		},
	}
}

func (r *behindRow) what() string {
	switch {
	case r.watcher != nil:
		return "epoll"
	case r.process != nil:
		return "process"
	case r.end.Listener:
		return "on"
	}
	return "to"
}

func (r *behindRow) who() string {
	switch {
	case r.watcher != nil:
		return view.WatcherText(r.watcher)
	case r.process != nil:
		return strconv.Itoa(r.process.PID) + " " + r.process.Comm
	}
	return cmp.Or(r.end.Name, "nowhere")
}

// behindFields are the columns of a page.
var behindFields = []table.Field[*behindRow]{
	{
		Column: table.Column{Title: "WHAT", Min: 8,
			Explain: "epoll: it watches the listening socket, for the events behind its fd. process: it holds sockets of the group; one that two processes hold is in both. on: they were accepted on this address or name, or listen there. to: they are connected to this address, from a port of their own; behind a listener it is the other end's address."},
		Show: func(r *behindRow) table.Cell { return table.Cell{Text: r.what(), Role: table.Muted} }, Compare: func(a, b *behindRow) int { return cmp.Compare(a.what(), b.what()) },
	},
	{
		Column: table.Column{Title: "WHO", Min: 24, Max: 110, Weight: 1,
			Explain: "PID and name of the process, and Enter shows these sockets of it; or the address or name. nowhere: not connected, and without a name."},
		Show: func(r *behindRow) table.Cell { return table.Cell{Text: cell.Clean(r.who()), Role: table.Strong} }, Compare: func(a, b *behindRow) int { return cmp.Compare(a.who(), b.who()) },
	},
	{
		Column: table.Column{Title: "SOCKETS", Min: 10, Align: cell.Right, Falling: true, Explain: "How many sockets of the group."},
		Show:   func(r *behindRow) table.Cell { return maybeCount(maybe.Some(r.sockets), table.Strong) }, Compare: func(a, b *behindRow) int { return cmp.Compare(a.sockets, b.sockets) },
	},
	{
		Column: table.Column{Title: "NO EPOLL", Min: 10, Align: cell.Right, Falling: true, Rank: 1,
			Explain: "How many of them no epoll watches that was read, of whichever process: nobody is told of their events by epoll."},
		Show:    func(r *behindRow) table.Cell { return maybeCount(maybe.Some(r.sockets-r.watched), table.Plain) },
		Compare: func(a, b *behindRow) int { return cmp.Compare(a.sockets-a.watched, b.sockets-b.watched) },
	},
}

func newBehindTable(keys table.Keys) *table.Model { return table.New(table.Heads(behindFields), keys) }
