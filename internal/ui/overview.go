package ui

import (
	"slices"
	"strings"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/ui/draw"
	"github.com/eptop/eptop/internal/ui/table"
	"github.com/eptop/eptop/internal/ui/theme"
)

// overview answers what idle connections cost this machine, who holds them and
// which wall comes first: cards above, the processes with most watches below.
type overview struct {
	keys keyMap
	pens *draw.Pens
	w, h int
	snap *model.Snapshot
	past history

	// What layout made of the snapshot and the size.
	cards  []overviewCard
	boxes  []draw.Box
	places []draw.Place
	texts  [][]string
	height int // of the cards

	top *table.Model
	// onCard: the cursor is on the card here, else in the table.
	onCard bool
	here   overviewCard
}

// overviewCard says what a card of the Overview shows.
type overviewCard int

const (
	cardConnection overviewCard = iota
	cardWatches
	cardWalls
	cardMemory
	cardTrend
	cardMissing
)

func newOverview(keys keyMap) view {
	v := &overview{keys: keys, pens: draw.NewPens(theme.New(true)), top: newTopTable(table.NewKeys())}
	return v
}

func (v *overview) Title() string { return "Overview" }

func (v *overview) SetTheme(t theme.Theme) {
	v.pens = draw.NewPens(t)
	v.top.SetTheme(t)
	v.layout()
}

func (v *overview) SetSize(w, h int) {
	v.w, v.h = w, h
	v.layout()
}

func (v *overview) SetSnapshot(s *model.Snapshot) {
	v.snap = s
	v.past.add(s)
	v.top.SetSource(topRows{s})
	v.top.SetEmpty(emptyTop(s))
	v.layout()
}

// tableLines is how many lines the table is promised: enough to see who leads,
// and no more than it has rows for.
func (v *overview) tableLines() int {
	want := max(2, min(6, v.h/3), v.h/4)
	return min(want, max(2, 1+len(v.snap.Processes)))
}

// layout places the cards and gives the table the lines below them.
func (v *overview) layout() {
	if v.snap == nil || v.w <= 0 || v.h <= 0 {
		return
	}
	most := 2
	if v.w >= 132 {
		most = 3
	}
	widths := draw.ColumnWidths(v.w, 30, most)
	inner := draw.CardInner(widths[0])
	v.cards = []overviewCard{cardConnection, cardWatches, cardWalls, cardMemory}
	v.boxes = []draw.Box{
		{Title: longest(inner-1, "An idle connection on this kernel", "An idle connection"), Lines: v.connectionLines(inner)},
		{Title: "Epoll watches per user", Lines: v.watchLines(inner), Drop: 1},
		{Title: "Which wall comes first", Lines: v.wallLines(inner), Drop: 2},
		{Title: "Memory", Lines: v.memoryLines(inner), Drop: 4},
	}
	if v.roomy() {
		v.cards = append(v.cards, cardTrend)
		v.boxes = append(v.boxes, draw.Box{Title: "Trend · " + v.trendTitle(), Lines: v.trendLines(inner), Drop: 5})
	} else {
		memory := &v.boxes[3]
		memory.Title += " · " + v.trendTitle()
		memory.Lines = append(memory.Lines, v.trendLines(inner)...)
	}
	if missing := v.missingLines(inner); len(missing) > 0 {
		// What is missing explains the gaps elsewhere: it comes before what is
		// only nice to have.
		v.cards = slices.Insert(v.cards, 3, cardMissing)
		v.boxes = slices.Insert(v.boxes, 3, draw.Box{Title: "What eptop cannot see", Lines: missing, Drop: 3})
	}
	v.places, v.texts, v.height = draw.Flow(widths, v.h-v.tableLines(), v.boxes)
	v.top.SetSize(v.w, v.h-v.height)
	v.focus()
}

// roomy: the screen is high enough for a card of its own for everything.
func (v *overview) roomy() bool { return v.h >= 30 }

// trendTitle says how far back the chart goes.
func (v *overview) trendTitle() string {
	if span := v.past.span(); span > 0 {
		return "the last " + roundDuration(span)
	}
	return "from now on"
}

// focus shows the cursor where it is; a card that was dropped cannot have it.
func (v *overview) focus() {
	if v.onCard && v.index() < 0 {
		v.onCard = false
	}
	v.top.SetFocused(!v.onCard)
}

// index is the place of the card under the cursor, or -1.
func (v *overview) index() int {
	if v.onCard {
		for i, c := range v.cards {
			if c == v.here && v.places[i].H > 0 {
				return i
			}
		}
	}
	return -1
}

func (v *overview) Update(msg tea.Msg) tea.Cmd {
	if v.snap == nil {
		return nil
	}
	switch msg := msg.(type) {
	case tea.KeyPressMsg:
		if !v.top.Capturing() && v.moved(msg) {
			v.focus()
			return nil
		}
	case tea.MouseClickMsg:
		if msg.Y < v.height {
			if i := draw.At(v.places, msg.X, msg.Y); i >= 0 && msg.Button == tea.MouseLeft {
				v.onCard, v.here = true, v.cards[i]
				v.focus()
			}
			return nil
		}
		// Focus goes to the table after it has seen the click: the first click
		// on a row must not open it.
		msg.Y -= v.height
		return v.table(msg)
	}
	return v.table(msg)
}

// table hands a message to the table and opens the process it asks for.
func (v *overview) table(msg tea.Msg) tea.Cmd {
	switch event := v.top.Update(msg); {
	case event == table.Ignored:
		return nil
	case event == table.Opened:
		if row, ok := v.top.Row(); ok {
			if src, ok := v.top.Source().(topRows); ok {
				return ask(openProcessMsg{PID: src.snap.Processes[row].PID})
			}
		}
	}
	switch msg.(type) {
	case tea.KeyPressMsg, tea.MouseClickMsg, tea.MouseWheelMsg:
		v.onCard = false
		v.focus()
	}
	return nil
}

// moved handles the keys that move between the cards and into and out of the
// table, and reports whether the key was one of them.
func (v *overview) moved(msg tea.KeyPressMsg) bool {
	dx, dy := 0, 0
	switch k := v.keys; {
	case key.Matches(msg, k.Left):
		dx = -1
	case key.Matches(msg, k.Right):
		dx = 1
	case key.Matches(msg, k.Up):
		dy = -1
	case key.Matches(msg, k.Down):
		dy = 1
	default:
		return false
	}
	if !v.onCard {
		return dy < 0 && v.leaveTable(msg)
	}
	i := v.index()
	next := draw.Step(v.places, i, dx, dy)
	if next == i && dy > 0 {
		v.onCard = false
		return true
	}
	v.here = v.cards[next]
	return true
}

// leaveTable moves up in the table; on its first row already, the cursor goes
// to the lowest card on the left, if there is one.
func (v *overview) leaveTable(msg tea.KeyPressMsg) bool {
	before, ok := v.top.Row()
	v.top.Update(msg)
	if after, _ := v.top.Row(); ok && after != before {
		return true
	}
	best := -1
	for i, p := range v.places {
		if p.H > 0 && p.X == 0 && (best < 0 || p.Y > v.places[best].Y) {
			best = i
		}
	}
	if best < 0 {
		return false
	}
	v.onCard, v.here = true, v.cards[best]
	return true
}

func (v *overview) View() string {
	if v.snap == nil {
		return strings.Join(draw.Exact([]string{"", "  looking…"}, v.w, v.h), "\n")
	}
	lines := v.pens.Render(v.w, v.height, v.index(), v.boxes, v.places, v.texts)
	if v.h > v.height {
		lines = append(lines, v.top.View())
	}
	return strings.Join(lines, "\n")
}

func (v *overview) Capturing() bool  { return v.top.Capturing() }
func (v *overview) Pending() tea.Cmd { return v.top.Pending() }
func (v *overview) Tell() string     { return v.top.Tell() }

// Back steps from a card into the table.
func (v *overview) Back() bool {
	if v.onCard {
		v.onCard = false
		v.focus()
		return true
	}
	return v.top.Back()
}

func (v *overview) Keys() []key.Binding {
	k := v.keys
	return append(table.NewKeys().Help(), k.Explain)
}

func (v *overview) Explain() (title, text string) {
	if v.onCard {
		title, text = explainOverview(v.here)
		if raise := raiseWith(v.snap); v.here == cardWalls && raise != "" {
			text += "\n\nWhat moves them:" + raise
		}
		return title, text
	}
	c := v.top.Column()
	return c.Title, c.Explain
}
