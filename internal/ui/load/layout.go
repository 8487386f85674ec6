package load

import (
	"slices"

	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/ui/draw"
)

// card is a card of the view before it is placed.
type card struct {
	item  item
	title string
	// lines writes its text for the width inside the card.
	lines func(w int) []draw.Line
	// fill, used instead of lines, also gets a height: the card takes the lines that the
	// other cards of its column leave.
	fill func(w, h int) []draw.Line
	// least is the height that it gets even if other cards lose lines for it.
	least int
	drop  int
}

// layout places the cards in columns that reach down to the last line.
func (v *View) layout() {
	if v.snap == nil || v.run.loader == nil || v.w <= 0 || v.h <= 0 {
		return
	}
	v.items, v.rows = v.items[:0], map[string]item{}
	v.boxes, v.cards, v.places, v.texts = v.boxes[:0], v.cards[:0], v.places[:0], v.texts[:0]
	v.arrange()
	for i, c := range v.cards {
		if c != itemForm && v.places[i].H > 0 {
			v.items = append(v.items, c)
		}
	}
	if !slices.Contains(v.items, v.here) {
		v.here, v.typing = v.items[0], false
	}
}

// roomy reports whether the screen is high enough for details.
func (v *View) roomy() bool { return v.h >= 30 }

// arrange decides which card goes where.
func (v *View) arrange() {
	w, h := v.w, v.h
	form := v.formCard()
	walls := card{item: itemWalls, title: "What this machine can hold", drop: 2, lines: v.limitLines}
	if v.run.busy() {
		walls.title = "Which limit comes next"
	}
	if v.measurement() == nil && !v.run.busy() {
		takes := card{item: itemForecast, title: "What it will take", lines: v.forecastLines, drop: 1}
		server := card{item: itemWhatIf, title: "What a server needs for as many", lines: v.whatIfLines, drop: 3}
		if w < 72 {
			v.column(0, 0, w, h, form, walls, takes, server)
			return
		}
		h = min(h, max(v.naturalHeight(w/2, form, takes, server), v.naturalHeight(w-w/2, walls)))
		v.column(0, 0, w/2, h, form, takes, server)
		v.column(w/2, 0, w-w/2, h, walls)
		return
	}
	cost := card{item: itemCost, title: "What a connection costs · measured", drop: 1, lines: v.costLines}
	if m := v.measurement(); m == nil || !m.BytesPerConnection.Known {
		cost.title = "What a connection costs here"
	}
	parts := card{item: itemParts, title: "What it is made of", drop: 3, fill: v.partLines}
	chart := card{item: itemChart, drop: 3, fill: v.chartLines}
	stages := card{item: itemStages, title: "Which call allocates it", drop: 4, lines: v.stageLines}
	third := w / 3
	switch {
	case w < 72:
		v.column(0, 0, w, h, form, cost, walls)
	case v.run.unmeasured():
		v.column(0, 0, w/2, h, form)
		v.column(w/2, 0, w-w/2, h, cost, walls)
	case w < 132 && v.roomy():
		chart.least = h / 3
		v.column(0, 0, w/2, h, form, walls, chart)
		v.column(w/2, 0, w-w/2, h, cost, stages, parts)
	case w < 132:
		v.column(0, 0, w/2, h, form, chart)
		v.column(w/2, 0, w-w/2, h, cost, parts, walls)
	case h < 40:
		v.column(0, 0, third, h, form, walls)
		v.column(third, 0, third, h, cost, parts)
		v.column(2*third, 0, w-2*third, h, chart, stages)
	default:
		const below = 18 // lines for what stands under the chart
		v.column(0, 0, third, h, form, walls)
		v.column(third, 0, w-third, h-below, chart)
		v.column(third, h-below, third, below, cost, stages)
		v.column(2*third, h-below, w-2*third, below, parts)
	}
}

// formCard is the card with the form, or with the progress of the load that is open.
func (v *View) formCard() card {
	c := card{item: itemForm, title: "Open idle connections", lines: func(w int) []draw.Line {
		return append(v.drainedLines(w), v.formLines(w)...)
	}}
	if v.run.busy() {
		c.title, c.lines = "Load · "+v.phase(), v.progressLines
	}
	return c
}

// phase says in a word what the load is doing.
func (v *View) phase() string {
	switch l := v.run.now; {
	case l == nil || v.run.starting || l.Phase == model.LoadDrained:
		return "starting"
	case l.StoppedBy != "" && l.Phase == model.LoadHolding:
		return "stopped"
	default:
		return string(l.Phase)
	}
}

// naturalHeight returns how high a column is when no line is dropped.
func (v *View) naturalHeight(w int, cards ...card) int {
	items := len(v.items)
	high := 0
	for _, c := range cards {
		if n := len(c.lines(draw.CardInner(w))); n > 0 {
			high += n + 2
		}
	}
	v.items = v.items[:items]
	return high
}

// column places cards one below the other in a column of w times h cells. The last one
// extends to the lower end of the column.
func (v *View) column(x, y, w, h int, cards ...card) {
	inner := draw.CardInner(w)
	boxes := make([]draw.Box, len(cards))
	high, filler := 0, -1
	for i, c := range cards {
		boxes[i] = draw.Box{Title: c.title, Drop: c.drop}
		if c.fill != nil {
			filler = i
			continue
		}
		if boxes[i].Lines = c.lines(inner); len(boxes[i].Lines) > 0 {
			high += len(boxes[i].Lines) + 2
		}
	}
	if filler >= 0 {
		boxes[filler].Lines = cards[filler].fill(inner, max(h-high-2, cards[filler].least))
		if cards[filler].item == itemChart {
			boxes[filler].Title = v.chartTitle(inner - 1)
		}
	}
	places, texts, used := draw.Flow([]int{w}, h, boxes)
	last := -1
	for i := range places {
		if places[i].H > 0 {
			places[i].X += x
			places[i].Y += y
			last = i
		}
	}
	if last >= 0 {
		places[last].H += h - used
	}
	for i := range cards {
		v.boxes, v.cards = append(v.boxes, boxes[i]), append(v.cards, cards[i].item)
		v.places, v.texts = append(v.places, places[i]), append(v.texts, texts[i])
	}
}
