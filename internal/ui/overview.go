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

	deck deck[overviewCard]
}

// overviewCard says what a card of the Overview shows.
type overviewCard int

const (
	cardConnection overviewCard = iota
	cardWatches
	cardWalls
	cardSockets
	cardMemory
	cardTrend
	cardMissing
)

func newOverview(keys keyMap) view {
	return &overview{
		keys: keys, pens: draw.NewPens(theme.New(true)),
		deck: deck[overviewCard]{keys: keys, table: newTopTable(table.NewKeys())},
	}
}

func (v *overview) Title() string { return "Overview" }

func (v *overview) SetTheme(t theme.Theme) {
	v.pens = draw.NewPens(t)
	v.deck.table.SetTheme(t)
	v.layout()
}

func (v *overview) SetSize(w, h int) {
	v.w, v.h = w, h
	v.layout()
}

func (v *overview) SetSnapshot(s *model.Snapshot) {
	v.snap = s
	v.past.add(s)
	v.deck.table.SetSource(topRows{s})
	v.deck.table.SetEmpty(emptyTop(s))
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
	d := &v.deck
	d.clear()
	d.add(cardConnection, draw.Box{Title: longest(inner-1, "An idle connection on this kernel", "An idle connection"), Lines: v.connectionLines(inner, mostParts)})
	d.add(cardWatches, draw.Box{Title: "Epoll watches per user", Lines: v.watchLines(inner), Drop: 1})
	d.add(cardWalls, draw.Box{Title: "Which wall comes first", Lines: v.wallLines(inner), Drop: 2})
	if missing := v.missingLines(inner); len(missing) > 0 {
		// What is missing explains the gaps elsewhere: it comes before what is
		// only nice to have.
		d.add(cardMissing, draw.Box{Title: "What eptop cannot see", Lines: missing, Drop: 3})
	}
	memory := draw.Box{Title: "Memory", Lines: v.memoryLines(inner), Drop: 4}
	if v.roomy() {
		if lines := v.socketLines(inner); len(lines) > 0 {
			d.add(cardSockets, draw.Box{Title: "Socket memory", Lines: lines, Drop: 4})
		}
		d.add(cardMemory, memory)
		d.add(cardTrend, draw.Box{Title: "Trend · " + v.trendTitle(), Lines: v.trendLines(inner), Drop: 5})
	} else {
		memory.Title += " · " + v.trendTitle()
		memory.Lines = append(memory.Lines, v.trendLines(inner)...)
		d.add(cardMemory, memory)
	}
	d.lay(widths, v.h-v.tableLines())
	// A part that finds no room goes into the others: what is listed adds up.
	for most := len(foldParts(v.snap.ConnectionCost.TCP4.Value.Parts)); most > 0 && v.partMissing(); most-- {
		d.boxes[0].Lines = v.connectionLines(inner, most-1)
		d.lay(widths, v.h-v.tableLines())
	}
	d.table.SetSize(v.w, v.h-d.height)
	d.focus()
}

// mostParts is more parts than a connection has.
const mostParts = 99

// partMissing reports whether the card of a connection lost the line of a part.
func (v *overview) partMissing() bool {
	d := &v.deck
	if d.places[0].H == 0 {
		return false
	}
	for _, line := range d.boxes[0].Lines {
		if line.Drop >= dropPart && line.Drop < dropMillion && !slices.Contains(d.texts[0], line.Text) {
			return true
		}
	}
	return false
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

func (v *overview) Update(msg tea.Msg) tea.Cmd {
	if v.snap == nil {
		return nil
	}
	if v.deck.Update(msg) == table.Opened {
		if row, ok := v.deck.table.Row(); ok {
			if src, ok := v.deck.table.Source().(topRows); ok {
				return ask(openProcessMsg{PID: src.snap.Processes[row].PID})
			}
		}
	}
	return nil
}

func (v *overview) View() string {
	if v.snap == nil {
		return strings.Join(draw.Exact([]string{"", "  looking…"}, v.w, v.h), "\n")
	}
	lines := v.deck.draw(v.pens, v.w)
	if v.h > v.deck.height {
		lines = append(lines, v.deck.table.View())
	}
	return strings.Join(lines, "\n")
}

func (v *overview) Capturing() bool  { return v.deck.table.Capturing() }
func (v *overview) Pending() tea.Cmd { return v.deck.table.Pending() }
func (v *overview) Tell() string     { return v.deck.table.Tell() }
func (v *overview) Back() bool       { return v.deck.Back() }

func (v *overview) Keys() []key.Binding {
	k := v.keys
	return append(table.NewKeys().Help(), k.Explain)
}

func (v *overview) Explain() (title, text string) {
	if v.deck.onCard {
		title, text = explainOverview(v.deck.here)
		if raise := raiseWith(v.snap); v.deck.here == cardWalls && raise != "" {
			text += "\n\nWhat moves them:" + raise
		}
		return title, text
	}
	c := v.deck.table.Column()
	return c.Title, c.Explain
}
