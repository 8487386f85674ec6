// Package overview is the first view: what a connection costs on this machine, which
// limit comes first, and the processes that hold most watches.
package overview

import (
	"slices"
	"strings"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/ui/draw"
	"github.com/eptop/eptop/internal/ui/table"
	"github.com/eptop/eptop/internal/ui/theme"
	"github.com/eptop/eptop/internal/ui/view"
)

// View answers what idle connections cost this machine, who holds them and
// which wall comes first: cards above, the processes with most watches below.
type View struct {
	keys view.KeyMap
	pens *draw.Pens
	w, h int
	snap *model.Snapshot

	deck view.Deck[overviewCard]
}

var (
	_ view.BackHandler      = (*View)(nil)
	_ view.BackgroundWorker = (*View)(nil)
	_ view.StatusReporter   = (*View)(nil)
	_ view.TextInput        = (*View)(nil)
)

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

// New returns the Overview view before its first snapshot.
func New(keys view.KeyMap) view.View {
	return &View{
		keys: keys, pens: draw.NewPens(theme.New(true)),
		deck: view.Deck[overviewCard]{Keys: keys, Table: newTable(table.NewKeys())},
	}
}

func (v *View) Title() string { return "Overview" }

func (v *View) SetTheme(t theme.Theme) {
	v.pens = draw.NewPens(t)
	v.deck.Table.SetTheme(t)
	v.layout()
}

func (v *View) SetSize(w, h int) {
	v.w, v.h = w, h
	v.layout()
}

func (v *View) SetSnapshot(s *model.Snapshot) {
	v.snap = s
	v.deck.Table.SetSource(view.ProcessRows(s, fields))
	v.deck.Table.SetEmpty(view.NoProcess(s))
	v.layout()
}

// tableLines is how many lines the table is promised: enough to see who leads,
// and no more than it has rows for.
func (v *View) tableLines() int {
	want := max(2, min(6, v.h/3), v.h/4)
	return min(want, max(2, 1+len(v.snap.Processes)))
}

// layout places the cards and gives the table the lines below them.
func (v *View) layout() {
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
	d.Clear()
	d.Add(cardConnection, draw.Box{Title: view.Longest(inner-1, "An idle connection on this kernel", "An idle connection"), Lines: v.connectionLines(inner, mostParts)})
	d.Add(cardWatches, draw.Box{Title: "Epoll watches per user", Lines: v.watchLines(inner), Drop: 1})
	d.Add(cardWalls, draw.Box{Title: "Which wall comes first", Lines: v.wallLines(inner), Drop: 2})
	if missing := v.missingLines(inner); len(missing) > 0 {
		// What is missing explains the gaps elsewhere: it comes before what is
		// only nice to have.
		d.Add(cardMissing, draw.Box{Title: "What eptop cannot see", Lines: missing, Drop: 3})
	}
	memory := draw.Box{Title: "Memory", Lines: v.memoryLines(inner), Drop: 4}
	if v.roomy() {
		if lines := v.socketLines(inner); len(lines) > 0 {
			d.Add(cardSockets, draw.Box{Title: "Socket memory", Lines: lines, Drop: 4})
		}
		d.Add(cardMemory, memory)
		d.Add(cardTrend, draw.Box{Title: "Trend · " + v.trendTitle(), Lines: v.trendLines(inner), Drop: 5})
	} else {
		memory.Title += " · " + v.trendTitle()
		memory.Lines = append(memory.Lines, v.trendLines(inner)...)
		d.Add(cardMemory, memory)
	}
	d.Lay(widths, v.h-v.tableLines())
	// A part that finds no room goes into the others: what is listed adds up.
	for most := len(foldParts(v.snap.ConnectionCost.TCP4.Value.Parts)); most > 0 && v.partMissing(); most-- {
		d.Boxes[0].Lines = v.connectionLines(inner, most-1)
		d.Lay(widths, v.h-v.tableLines())
	}
	d.Table.SetSize(v.w, v.h-d.Height)
	d.Focus()
}

// mostParts is more parts than a connection has.
const mostParts = 99

// partMissing reports whether the card of a connection lost the line of a part.
func (v *View) partMissing() bool {
	d := &v.deck
	if d.Places[0].H == 0 {
		return false
	}
	for _, line := range d.Boxes[0].Lines {
		if line.Drop >= dropPart && line.Drop < dropMillion && !slices.Contains(d.Texts[0], line.Text) {
			return true
		}
	}
	return false
}

// roomy: the screen is high enough for a card of its own for everything.
func (v *View) roomy() bool { return v.h >= 30 }

// trendTitle says how far back the chart goes.
func (v *View) trendTitle() string {
	if v.snap == nil {
		return ""
	}
	if span := v.snap.History.Span(len(v.snap.History.Times)); span > 0 {
		return "the last " + view.RoundDuration(span)
	}
	return "from now on"
}

func (v *View) Update(msg tea.Msg) tea.Cmd {
	if v.snap == nil {
		return nil
	}
	if v.deck.Update(msg) == table.Opened {
		if row, ok := v.deck.Table.Row(); ok {
			if src, ok := v.deck.Table.Source().(*table.List[*model.Process]); ok {
				return view.Send(view.OpenProcessMsg{PID: src.At(row).PID})
			}
		}
	}
	return nil
}

func (v *View) View() string {
	lines := v.deck.Draw(v.pens, v.w)
	if v.h > v.deck.Height {
		lines = append(lines, v.deck.Table.View())
	}
	return strings.Join(lines, "\n")
}

func (v *View) Capturing() bool  { return v.deck.Table.Capturing() }
func (v *View) Pending() tea.Cmd { return v.deck.Table.Pending() }
func (v *View) Status() string   { return v.deck.Table.Status() }
func (v *View) Back() bool       { return v.deck.Back() }

func (v *View) Keys() []key.Binding {
	k := v.keys
	return append(table.NewKeys().Help(), k.Explain)
}

func (v *View) Explain() (title, text string) {
	if v.deck.OnCard {
		title, text = explainOverview(v.deck.Here)
		if raise := raiseWith(v.snap); v.deck.Here == cardWalls && raise != "" {
			text += "\n\nWhat moves them:" + raise
		}
		if v.deck.Here == cardWatches {
			for _, gap := range v.snap.Epoll.LeavesOut {
				text += "\n\n✗ without " + draw.Clean(gap)
			}
		}
		return title, text
	}
	c := v.deck.Table.Column()
	return c.Title, c.Explain
}
