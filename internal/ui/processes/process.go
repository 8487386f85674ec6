package processes

import (
	"slices"
	"strconv"
	"strings"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/ui/cell"
	"github.com/eptop/eptop/internal/ui/draw"
	"github.com/eptop/eptop/internal/ui/table"
	"github.com/eptop/eptop/internal/ui/theme"
	"github.com/eptop/eptop/internal/ui/view"
	"github.com/eptop/eptop/internal/units"
)

// process shows one process: a card about it, its epoll instances, and the
// watches of the chosen one. When the process ends, what was last known of it
// stays, marked as ended.
type process struct {
	keys  view.KeyMap
	theme theme.Theme
	pens  *draw.Pens
	w, h  int

	pid   int // 0: none
	snap  *model.Snapshot
	data  *model.Process  // nil until it was seen
	seen  *model.Snapshot // the one data is of
	state life
	asked bool // the next snapshot was taken with this process asked for

	epolls, watches *table.Model
	onWatches       bool // the pane with the keys
	chosen          int  // the fd of the instance whose watches are shown
	rects           processLayout

	// sockets are shown instead of the two with onSockets. turned: the person has chosen
	// which.
	sockets           *table.Model
	onSockets, turned bool
	// cameForSockets: another view opened the process for its sockets, and Esc goes there.
	cameForSockets bool
	turn           key.Binding
	links          *model.Links
	linking        *model.Links // being made
	sendLinks      bool         // and not begun
}

// linksMsg are the links of a snapshot, made in the background.
type linksMsg struct{ links *model.Links }

// life is what became of the process.
type life int

const (
	waiting life = iota // no answer yet
	alive
	ended  // it was seen, and is gone
	reused // it is gone, and another process has its PID
	absent // it was never seen
)

func newProcess(keys view.KeyMap) *process {
	v := &process{
		keys: keys, epolls: newEpollTable(keys.Keys), watches: newWatchTable(keys.Keys), sockets: newHeldTable(keys.Keys),
		turn: key.NewBinding(key.WithKeys("v"), key.WithHelp("v", "all sockets, or epolls")),
	}
	v.focus(false)
	return v
}

func (v *process) Title() string { return "Process " + strconv.Itoa(v.pid) }

func (v *process) SetTheme(t theme.Theme) {
	v.theme, v.pens = t, draw.NewPens(t)
	v.epolls.SetTheme(t)
	v.watches.SetTheme(t)
	v.sockets.SetTheme(t)
}

func (v *process) SetSize(w, h int) {
	v.w, v.h = w, h
	v.arrange()
}

// attach turns to a process (0: to none) and shows what s knows of it.
func (v *process) attach(pid int, s *model.Snapshot) {
	if pid == v.pid && v.state == alive {
		return
	}
	theme, keys, w, h := v.theme, v.keys, v.w, v.h
	*v = *newProcess(keys)
	v.SetTheme(theme)
	v.pid = pid
	v.SetSize(w, h)
	if s != nil && pid != 0 {
		v.SetSnapshot(s)
	}
}

func (v *process) SetSnapshot(s *model.Snapshot) {
	v.snap = s
	if v.pid == 0 {
		return
	}
	i := slices.IndexFunc(s.Processes, func(p model.Process) bool { return p.PID == v.pid })
	switch {
	case i >= 0 && v.data != nil && !v.data.Started.Equal(s.Processes[i].Started):
		v.state = reused
	case i >= 0 && v.state != ended && v.state != reused:
		v.data, v.seen, v.state = &s.Processes[i], s, alive
	case i < 0 && v.data != nil:
		v.state = ended
	case i < 0 && v.asked:
		v.state = absent
	}
	if v.data != nil {
		v.fill()
	}
	v.arrange()
}

// over: what is shown is the last that was seen of it.
func (v *process) over() bool { return v.state == ended || v.state == reused }

// fill gives the tables the latest data.
func (v *process) fill() {
	roomForEpolls(v.epolls, v.data)
	v.epolls.SetEmpty(noEpoll(v.data))
	v.epolls.SetSource(newEpollRows(v.data, v.over()))
	v.showReady()
	v.choose()
	if !v.turned {
		v.onSockets = len(v.data.Epolls) == 0 && len(v.data.Held) > 0
	}
	v.fillSockets()
}

// noEpoll says why no instance is listed.
func noEpoll(p *model.Process) string {
	switch {
	case p.Has(model.GapNotListed):
		return "Its files have not been listed yet."
	case p.Has(model.GapNotCompared):
		return "Its epoll fds have not been compared yet: nobody knows which instances they are."
	case !p.Instances.Known:
		return "Whether it holds an epoll instance is not known."
	}
	return "It holds no epoll instance."
}

// choose shows the watches of the instance under the cursor on the left.
func (v *process) choose() {
	e := v.epoll()
	if e == nil {
		v.watches.SetEmpty("")
		v.watches.SetSource(table.Empty{})
		return
	}
	if e.FD != v.chosen {
		v.watches.SetFilter("")
	}
	v.chosen = e.FD
	switch {
	case e.State == model.Absent:
		v.watches.SetEmpty("Not read yet: this instance waits for its first read, so that the process is not stopped too often.")
	case e.State != model.OK && e.Problem != "":
		v.watches.SetEmpty("Its watches could not be read: " + e.Problem)
	case e.State != model.OK:
		v.watches.SetEmpty("Its watches could not be read: " + string(e.State) + ".")
	case e.Watches > 0 && len(e.List) == 0:
		v.watches.SetEmpty(units.Counted("Its "+units.Count(e.Watches), "watch") + " counted, and not listed.")
	default:
		v.watches.SetEmpty("It watches nothing.")
	}
	v.watches.SetSource(newWatchRows(v.seen, v.pid, e))
	v.arrange() // who is charged takes more or fewer lines
}

// epoll is the instance under the cursor on the left, nil if there is none.
func (v *process) epoll() *model.Epoll {
	row, ok := v.epolls.Row()
	if !ok {
		return nil
	}
	rows, ok := v.epolls.Source().(*table.List[*model.Epoll])
	if !ok {
		return nil
	}
	return rows.At(row)
}

// focus gives the keys to one of the panes.
func (v *process) focus(onWatches bool) {
	v.onWatches = onWatches
	v.epolls.SetFocused(!onWatches)
	v.watches.SetFocused(onWatches)
}

// pane is the table that has the keys.
func (v *process) pane() *table.Model {
	switch {
	case v.onSockets:
		return v.sockets
	case v.onWatches:
		return v.watches
	}
	return v.epolls
}

func (v *process) Update(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case tea.KeyPressMsg:
		return v.pressed(msg)
	case tea.MouseMsg:
		return v.mouse(msg)
	case tea.PasteMsg:
		v.pane().Update(msg)
	case linksMsg:
		v.linked(msg)
	default:
		v.epolls.Update(msg)
		v.watches.Update(msg)
		v.sockets.Update(msg)
		v.choose()
	}
	return nil
}

func (v *process) pressed(msg tea.KeyPressMsg) tea.Cmd {
	t := v.pane()
	if !t.Capturing() && !t.Choosing() {
		switch {
		case key.Matches(msg, v.turn) && v.data != nil:
			v.turned, v.cameForSockets = true, false
			v.turnTo(!v.onSockets)
			return nil
		case v.onSockets:
		case key.Matches(msg, v.keys.Left) && v.onWatches && !t.Scrolled():
			v.focus(false)
			return nil
		case key.Matches(msg, v.keys.Right) && !v.onWatches:
			v.focus(true)
			return nil
		}
	}
	return v.happened(t.Update(msg))
}

// happened goes on from what a table did.
func (v *process) happened(e table.Event) tea.Cmd {
	if v.onSockets {
		if e == table.Opened {
			return v.describeHeld()
		}
		return nil
	}
	if !v.onWatches {
		v.choose()
		if e == table.Opened {
			v.focus(true)
		}
		return nil
	}
	if e == table.Opened {
		return v.describe()
	}
	return nil
}

func (v *process) mouse(msg tea.MouseMsg) tea.Cmd {
	at := msg.Mouse()
	if v.onSockets {
		return v.mouseOnSockets(msg)
	}
	for _, onWatches := range []bool{false, true} {
		r := v.rects.epolls
		if onWatches {
			r = v.rects.watches
		}
		if !r.Holds(at.X, at.Y) {
			continue
		}
		t := v.epolls
		if onWatches {
			t = v.watches
		}
		var e table.Event
		switch msg := msg.(type) {
		case tea.MouseClickMsg:
			msg.X, msg.Y = at.X-r.X, at.Y-r.Y
			e = t.Update(msg)
			v.focus(onWatches)
			return v.happened(e)
		case tea.MouseWheelMsg:
			t.Update(msg)
			if !onWatches {
				v.choose()
			}
		}
	}
	return nil
}

func (v *process) Capturing() bool { return v.pane().Capturing() }

// Back closes the filter, then goes from the watches to the instances.
func (v *process) Back() bool {
	if v.pane().Back() {
		return true
	}
	switch {
	case v.onSockets && !v.cameForSockets && v.data != nil && len(v.data.Epolls) > 0:
		v.turnTo(false)
		return true
	case v.onWatches && !v.onSockets:
		v.focus(false)
		return true
	}
	return false
}

func (v *process) Pending() tea.Cmd {
	return tea.Batch(v.epolls.Pending(), v.watches.Pending(), v.sockets.Pending(), v.link())
}

func (v *process) Status() string {
	if v.data == nil {
		return ""
	}
	return v.pane().Status()
}

func (v *process) Keys() []key.Binding {
	keys := slices.Insert(v.keys.Keys.Help(), 1, v.turn)
	if v.onSockets {
		keys[0].SetHelp("Enter", "all of a socket")
		keys[1].SetHelp("v", "epolls and watches")
		return keys
	}
	keys[1].SetHelp("v", "all sockets")
	for i := range keys {
		switch keys[i].Help() {
		case v.keys.Left.Help():
			keys[i].SetHelp("← h", "epoll instances")
		case v.keys.Right.Help():
			keys[i].SetHelp("→ l", "watches")
		case v.keys.Enter.Help():
			keys[i].SetHelp("Enter", "watches, or all of a watch")
		}
	}
	return keys
}

func (v *process) Explain() (title, text string) {
	title, text = view.ExplainColumn(v.pane())
	if e := v.epoll(); e != nil && !v.onWatches && !v.onSockets {
		text += "\n\nThe instance here, fd " + strconv.Itoa(e.FD) + ": " + charged(v.seen, e) + "."
	}
	return title, text
}

// describe opens a box with all of the watch under the cursor. Every watch of
// the snapshot is searched for the same file, so a command does it.
func (v *process) describe() tea.Cmd {
	rows, ok := v.watches.Source().(*watchRows)
	row, has := v.watches.Row()
	if !ok || !has {
		return nil
	}
	snap, p, links := v.seen, v.data, v.linksOf(v.seen)
	return func() tea.Msg {
		return view.OverlayMsg{
			Title: "Watch of fd " + strconv.Itoa(int(rows.epoll.List[row].TFD)) + " in epoll " + strconv.Itoa(rows.epoll.FD),
			Text:  describeWatch(snap, links, p, rows.epoll, row),
		}
	}
}

// userName names a uid as the snapshot knows it.
func userName(s *model.Snapshot, uid int) string {
	for _, u := range s.Epoll.Users {
		if u.UID == uid && u.User != "" {
			return cell.Clean(u.User)
		}
	}
	for i := range s.Processes {
		if s.Processes[i].UID == maybe.Some(uid) && s.Processes[i].User != "" {
			return cell.Clean(s.Processes[i].User)
		}
	}
	return "uid " + strconv.Itoa(uid)
}

// charged says whose max_user_watches an instance uses up, and what that rests on.
func charged(s *model.Snapshot, e *model.Epoll) string {
	if e.ChargedWhy == "" {
		return chargedTo(s, e)
	}
	return chargedTo(s, e) + " (" + e.ChargedWhy + ")"
}

// chargedTo leaves out what it rests on.
func chargedTo(s *model.Snapshot, e *model.Epoll) string {
	uid, ok := e.ChargedUID.Get()
	switch {
	case !ok:
		return "not known who is charged"
	case !e.ChargedSure:
		return "probably charged to " + userName(s, uid)
	}
	return "charged to " + userName(s, uid)
}

// sharedWith lists the other holders of an instance.
func sharedWith(e *model.Epoll) string {
	if e.SharedCount == 0 {
		if e.SharingUnknown {
			return "whether it is shared is not known"
		}
		return ""
	}
	var who []string
	for _, h := range e.SharedWith[:min(3, len(e.SharedWith))] {
		who = append(who, strconv.Itoa(h.PID)+"/"+strconv.Itoa(h.FD))
	}
	if more := e.SharedCount - len(who); more > 0 {
		who = append(who, units.Count(int64(more))+" more")
	}
	return "shared with " + strings.Join(who, ", ")
}
