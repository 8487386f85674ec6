// Package load is the view that plans, starts and drains a load of idle connections,
// and shows what it costs while it is open.
package load

import (
	"strings"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/ui/draw"
	"github.com/eptop/eptop/internal/ui/input"
	"github.com/eptop/eptop/internal/ui/theme"
	"github.com/eptop/eptop/internal/ui/view"
	"github.com/eptop/eptop/internal/units"
)

// View controls the load generator. At rest it shows a form for what to open, and how many
// connections this machine can hold; while connections are open, its progress and what
// a connection costs.
type View struct {
	keys keyMap
	pens *draw.Pens
	w, h int

	snap *model.Snapshot
	// limits is the latest snapshot that has the limits of a load.
	limits *model.Snapshot

	plan model.LoadPlan
	run  run
	// here is the item under the cursor.
	here item
	// typing: a number is being typed into the field under the cursor.
	typing bool
	line   input.Line // the number that is typed
	// question waits for TakeQuestion; it is nil most of the time.
	question *view.Question

	// layout computes the fields below.
	items  []item // the stops of the cursor, from the top down
	boxes  []draw.Box
	cards  []item // the item of each box
	places []draw.Place
	texts  [][]string
	rows   map[string]item // the lines that are stops of the cursor
}

var (
	_ view.BackgroundWorker = (*View)(nil)
	_ view.KeyOverrider     = (*View)(nil)
	_ view.LoadDriver       = (*View)(nil)
	_ view.Poller           = (*View)(nil)
	_ view.Questioner       = (*View)(nil)
	_ view.StatusReporter   = (*View)(nil)
	_ view.TextInput        = (*View)(nil)
)

// item is something that the cursor can be on: a field, the button or a card.
type item int

const (
	itemConnections item = iota
	itemFamily
	itemWatch
	itemRate
	itemActive
	itemUnread
	itemButton
	// Cards follow. The items above are in the card of the form.
	itemForm
	itemForecast
	itemWhatIf
	itemWalls
	itemCost
	itemStages
	itemParts
	itemChart
)

// keyMap is the keys of the view.
type keyMap struct {
	view.KeyMap

	Start, Drain, Type, Copy, Lab      key.Binding
	More, Less, ManyMore, ManyLess     key.Binding
	FieldUp, FieldDown, Before, Behind key.Binding
}

const (
	fewConnections  = 1_000
	manyConnections = 10_000
)

func newKeyMap(keys view.KeyMap) keyMap {
	bind := func(b key.Binding, help, desc string, more ...string) key.Binding {
		return key.NewBinding(key.WithKeys(append(b.Keys(), more...)...), key.WithHelp(help, desc))
	}
	none := key.NewBinding()
	return keyMap{
		KeyMap: keys,
		Start:  bind(none, "s", "start (asks first)", "s"),
		Copy:   bind(none, "y", "copy what a server needs", "y"),
		Drain:  bind(none, "d", "drain: close all", "d"),
		Type:   bind(keys.Enter, "Enter", "type a number, press the button"),
		// In other views + and - change the interval.
		More:      bind(none, "+", "1 000 more", "+", "="),
		Less:      bind(none, "-", "1 000 fewer", "-"),
		ManyMore:  bind(none, ">", "10 000 more", ">"),
		ManyLess:  bind(none, "<", "10 000 fewer", "<"),
		FieldUp:   bind(keys.Up, "↑ k", "field or card above"),
		FieldDown: bind(keys.Down, "↓ j", "field or card below"),
		Before:    bind(keys.Left, "← h", "value before"),
		// In other views l is the arrow.
		Behind: key.NewBinding(key.WithKeys("right"), key.WithHelp("→", "value after")),
		Lab:    bind(none, "l", "lab: epoll's rules, tried here", "l"),
	}
}

// New returns the Load view before its first snapshot.
func New(keys view.KeyMap) view.View {
	return &View{keys: newKeyMap(keys), pens: draw.NewPens(theme.New(true)), plan: model.DefaultLoadPlan()}
}

func (v *View) Title() string { return "Load" }

func (v *View) SetTheme(t theme.Theme) {
	v.pens = draw.NewPens(t)
	v.layout()
}

func (v *View) SetSize(w, h int) {
	v.w, v.h = w, h
	v.layout()
}

func (v *View) SetSnapshot(s *model.Snapshot) {
	v.snap = s
	if v.limits == nil || s.Preflight(v.plan).PerPair > 0 {
		v.limits = s
	}
	v.run.update(s.Load)
	v.layout()
}

// SetLoader hands over the generator, and opens n connections as soon as it can.
func (v *View) SetLoader(l view.Loader, n int64) {
	v.run.loader = l
	if n > 0 {
		v.plan.Connections = n
		v.run.queued = true
	}
}

// OpenConnections returns how many connections would end with eptop.
func (v *View) OpenConnections() int64 {
	if !v.run.busy() {
		return 0
	}
	if l := v.run.now; l != nil && l.Phase == model.LoadHolding {
		return l.Open
	} else if l != nil {
		return max(1, l.Open)
	}
	return 1
}

// Pending starts the load that was asked for on the command line.
func (v *View) Pending() tea.Cmd {
	if !v.run.queued {
		return nil
	}
	v.run.queued = false
	cmd := v.run.start(v.plan)
	v.layout()
	return cmd
}

// Poll returns a command that reads the progress of the load, while it changes.
func (v *View) Poll() tea.Cmd { return v.run.poll() }

// TakeQuestion hands over what is to be asked.
func (v *View) TakeQuestion() *view.Question {
	q := v.question
	v.question = nil
	return q
}

func (v *View) Capturing() bool { return v.typing }

// OverridesKey reports whether the key is + or -, which change the number of connections
// here and the interval elsewhere.
func (v *View) OverridesKey(msg tea.KeyPressMsg) bool {
	return v.run.loader != nil && key.Matches(msg, v.keys.More, v.keys.Less)
}

func (v *View) Update(msg tea.Msg) tea.Cmd {
	if v.run.loader == nil {
		return nil
	}
	var cmd tea.Cmd
	switch msg := msg.(type) {
	case tea.KeyPressMsg:
		if v.typing {
			cmd = v.handleTypedKey(msg)
		} else {
			cmd = v.handleKey(msg)
		}
	case tea.PasteMsg:
		if v.typing {
			v.line.Update(msg)
		}
	case tea.MouseClickMsg:
		if msg.Button == tea.MouseLeft {
			cmd = v.handleClick(msg.X, msg.Y)
		}
	case answerMsg:
		cmd = v.run.takeAnswer(msg)
	case setMsg:
		cmd = v.run.finishSet(msg)
	case startMsg:
		cmd = v.run.start(msg.plan)
	default:
		return nil
	}
	v.layout()
	return cmd
}

// handleKey handles a key while no number is typed.
func (v *View) handleKey(msg tea.KeyPressMsg) tea.Cmd {
	k := v.keys
	switch {
	case key.Matches(msg, k.FieldUp):
		v.moveCursor(-1)
	case key.Matches(msg, k.FieldDown):
		v.moveCursor(1)
	case key.Matches(msg, k.Before):
		return v.changeValue(-1)
	case key.Matches(msg, k.Behind):
		return v.changeValue(1)
	case key.Matches(msg, k.Top):
		v.moveCursor(-len(v.items))
	case key.Matches(msg, k.Bottom):
		v.moveCursor(len(v.items))
	case key.Matches(msg, k.More):
		return v.add(fewConnections)
	case key.Matches(msg, k.Less):
		return v.add(-fewConnections)
	case key.Matches(msg, k.ManyMore):
		return v.add(manyConnections)
	case key.Matches(msg, k.ManyLess):
		return v.add(-manyConnections)
	case key.Matches(msg, k.Start):
		return v.start()
	case key.Matches(msg, k.Drain):
		return v.drain()
	case key.Matches(msg, k.Copy):
		return v.copyCommands()
	case key.Matches(msg, k.Type):
		return v.activate()
	case key.Matches(msg, k.Lab):
		return view.Send(view.OpenLabMsg{})
	}
	return nil
}

// moveCursor moves the cursor, if there is something to move it to: before the first look
// there is not.
func (v *View) moveCursor(by int) {
	if len(v.items) == 0 {
		return
	}
	at := 0
	for i, item := range v.items {
		if item == v.here {
			at = i
		}
	}
	v.here = v.items[min(max(0, at+by), len(v.items)-1)]
}

// activate does what Enter does to the item under the cursor.
func (v *View) activate() tea.Cmd {
	switch {
	case v.here == itemButton && v.run.busy():
		return v.drain()
	case v.here == itemButton:
		return v.start()
	case v.here.takesNumber():
		v.typing, v.line = true, newNumberLine()
	case v.here < itemButton:
		return v.changeValue(1)
	}
	return nil
}

// handleClick puts the cursor on the item that was clicked. A second click does what Enter
// does.
func (v *View) handleClick(x, y int) tea.Cmd {
	i := draw.At(v.places, x, y)
	if i < 0 || v.typing {
		return nil
	}
	item := v.cards[i]
	if at := y - v.places[i].Y - 1; at >= 0 && at < len(v.texts[i]) {
		if row, ok := v.rows[v.texts[i][at]]; ok {
			item = row
		}
	}
	if item == itemForm {
		return nil
	}
	if item == v.here || item == itemButton {
		v.here = item
		return v.activate()
	}
	v.here = item
	return nil
}

func (v *View) View() string {
	if v.run.loader == nil {
		lines := []string{""}
		for _, l := range draw.Wrap("No load can be opened from here: eptop shows a captured tree, not the machine that it runs on.", max(1, v.w-4)) {
			lines = append(lines, "  "+v.pens.Warn.Ink(l))
		}
		return strings.Join(draw.Exact(lines, v.w, v.h), "\n")
	}
	here := -1
	for i, c := range v.cards {
		if c == v.here {
			here = i
		}
	}
	return strings.Join(v.pens.Render(v.w, v.h, here, v.boxes, v.places, v.texts), "\n")
}

// Status returns the state of the load in a few words.
func (v *View) Status() string {
	l := v.run.now
	switch {
	case v.run.starting:
		return "starting"
	case l == nil:
		return ""
	case v.run.busy():
		return units.Count(l.Open) + " of " + units.Count(v.run.target)
	}
	return string(model.LoadDrained)
}

func (v *View) Keys() []key.Binding {
	k := v.keys
	act, enter := k.Start, k.Type
	if v.run.busy() {
		act = k.Drain
	}
	if v.typing {
		enter.SetHelp("Enter", "take the number (Esc: leave it)")
	}
	return []key.Binding{act, enter, k.More, k.Less, k.ManyMore, k.ManyLess, k.Copy, k.FieldUp, k.FieldDown, k.Before, k.Behind}
}

func (v *View) Explain() (title, text string) { return explain(v.here, v.preflight(), v.measurement()) }
