package overview

import (
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/eptop/eptop/internal/ui/draw"
	"github.com/eptop/eptop/internal/ui/view"
)

// arrangement is what lies above the table: what to look at, a line for each part that is
// closed, and the cards of those that are open.
type arrangement struct {
	height int
	stops  []stop

	look  []lookRow // in a card of their own; none where nothing was found
	heads []head
	cards cards
	// wide is the trend in the whole width of the screen, where few processes leave room for
	// it; its lines are those inside its frame.
	wide   []string
	wideAt draw.Place
}

// head is the line of a part that is closed.
type head struct {
	part part
	text string
}

// cards are those of the open parts, in columns.
type cards struct {
	y      int
	of     []spot // which card each box is
	rows   [][]cardRow
	boxes  []draw.Box
	places []draw.Place
	texts  [][]string
	height int
}

// cardRow is a line of a card that leads somewhere.
type cardRow struct {
	text  string
	does  string
	enter func() tea.Cmd
}

// shownParts are the parts that have something to say, in their order on screen.
func (v *View) shownParts() []part {
	parts := []part{partCost, partLimits, partMemory}
	if len(v.missingLines(60)) > 0 {
		parts = append(parts, partMissing)
	}
	return parts
}

// tableLeast is how many lines the table keeps whatever is opened: enough to see who leads,
// and no more than it has rows for.
func (v *View) tableLeast() int {
	want := max(2, min(6, v.h/3), v.h/4)
	return min(want, max(2, 1+len(v.snap.Processes)))
}

// layout places everything above the table, which has the lines below.
func (v *View) layout() {
	if v.snap == nil || v.w <= 0 || v.h <= 0 {
		return
	}
	v.made = map[part]cards{}
	parts := v.shownParts()
	open := v.openParts(parts)
	v.arrange(parts, open)
	// What finds no room for its cards keeps its line.
	for {
		lost := slices.IndexFunc(parts, func(p part) bool { return open[p] && !v.top.cards.has(p) })
		if lost < 0 {
			break
		}
		delete(open, parts[lost])
		v.arrange(parts, open)
	}
	v.table.SetSize(v.w, max(0, v.h-v.top.height))
	v.table.SetFocused(v.index() < 0)
	if v.index() < 0 {
		v.onTop = false
	}
}

// openParts returns what is open: what the user has opened, and what there is room for when
// the table has all its rows, or half of the screen.
func (v *View) openParts(parts []part) map[part]bool {
	open := map[part]bool{}
	for _, p := range parts {
		if v.opened[p] {
			open[p] = true
		}
	}
	want := 2 + len(v.snap.Processes)
	for _, p := range []part{partLimits, partMemory, partCost, partMissing} {
		if _, asked := v.opened[p]; asked || !slices.Contains(parts, p) || p == partMissing && len(v.missingLines(v.w-2)) < 2 {
			continue // or its line says it all
		}
		open[p] = true
		if v.naturalHeight(parts, open)+want > v.h {
			delete(open, p)
		}
	}
	return open
}

// naturalHeight is how many lines the top takes where it is not short of room.
func (v *View) naturalHeight(parts []part, open map[part]bool) int {
	n := len(parts) - len(open) + v.lookHeight()
	if len(open) > 0 {
		c := v.openCards(parts, open, true)
		_, _, h := draw.Flow(v.widths(), 1<<20, c.boxes)
		n += h
	}
	return n
}

func (v *View) widths() []int {
	most := 2
	if v.w >= 132 {
		most = 3
	}
	return draw.ColumnWidths(v.w, 30, most)
}

// arrange places the top for these open parts.
func (v *View) arrange(parts []part, open map[part]bool) {
	t := arrangement{}
	room := v.h - v.tableLeast()
	t.look = v.lookRows(v.w, room)
	t.height = len(t.look)
	if t.height > 0 {
		t.height += 2
	}
	if len(t.look) == 0 && room > 0 {
		t.heads = append(t.heads, head{partLook, v.lookLine(v.w - 2)})
	}
	for _, p := range parts {
		if !open[p] && t.height+len(t.heads) < room {
			t.heads = append(t.heads, head{p, v.headLine(p, v.w-2)})
		}
	}
	t.height += len(t.heads)
	if most := room - t.height; len(open) > 0 && most > 2 {
		t.cards = v.openCards(parts, open, true)
		t.cards.y = t.height
		v.flow(&t.cards, most)
		if v.spare(t.height+t.cards.height) > 0 && open[partMemory] {
			v.widen(&t, parts, open)
		}
		t.height += t.cards.height + len(t.wide)
		if len(t.wide) > 0 {
			t.height += 2
		}
	}
	v.top = t
	v.addStops(open)
}

// spare is how many lines would stay empty below the processes.
func (v *View) spare(height int) int { return v.h - height - 2 - len(v.snap.Processes) }

// The least and the most lines of the trend in the whole width.
const leastWide, mostWide = 6, 18

// widen moves the trend below the other cards, into the lines that would stay empty.
func (v *View) widen(t *arrangement, parts []part, open map[part]bool) {
	rest := v.openCards(parts, open, false)
	rest.y = t.height
	v.flow(&rest, v.h)
	lines := min(mostWide, v.spare(t.height+rest.height))
	if lines < leastWide {
		return
	}
	t.cards = rest
	t.wideAt = draw.Place{X: 0, Y: t.height + rest.height, W: v.w, H: lines}
	for _, l := range v.trendLines(draw.CardInner(v.w), (lines-2)/2) {
		t.wide = append(t.wide, l.Text)
	}
	t.wideAt.H = len(t.wide) + 2
}

// openCards returns the cards of the open parts, with the trend or without.
func (v *View) openCards(parts []part, open map[part]bool, trend bool) cards {
	var c cards
	for _, p := range parts {
		if !open[p] {
			continue
		}
		made, ok := v.made[p]
		if !ok {
			made = v.makeCards(p, draw.CardInner(v.widths()[0]))
			v.made[p] = made
		}
		for i, s := range made.of {
			if trend || s.card != cardTrend {
				c.of, c.boxes, c.rows = append(c.of, s), append(c.boxes, made.boxes[i]), append(c.rows, made.rows[i])
			}
		}
	}
	return c
}

// makeCards makes the cards of a part.
func (v *View) makeCards(p part, inner int) cards {
	var c cards
	add := func(card overviewCard, b draw.Box, rows []cardRow) {
		if len(b.Lines) > 0 {
			c.of, c.boxes, c.rows = append(c.of, spot{part: p, card: card}), append(c.boxes, b), append(c.rows, rows)
		}
	}
	switch p {
	case partCost:
		add(cardConnection, draw.Box{Title: view.Longest(inner-1, "An idle connection on this kernel", "An idle connection"), Lines: v.connectionLines(inner, mostParts)}, nil)
	case partLimits:
		lines, rows := v.wallLines(inner)
		add(cardWalls, draw.Box{Title: "Which limit comes next", Lines: lines, Drop: 1}, rows)
		add(cardWatches, draw.Box{Title: "Epoll watches per user", Lines: v.watchLines(inner), Drop: 4}, nil)
	case partMemory:
		add(cardTrend, draw.Box{Title: "Trend · " + v.trendTitle(), Lines: v.trendLines(inner, 2), Drop: 4}, nil)
		add(cardSockets, draw.Box{Title: "Socket memory", Lines: v.socketLines(inner), Drop: 2}, nil)
		add(cardMemory, draw.Box{Title: "Memory", Lines: v.memoryLines(inner), Drop: 3}, nil)
	case partMissing:
		add(cardMissing, draw.Box{Title: "What eptop cannot see", Lines: v.missingLines(inner), Drop: 2}, nil)
	}
	return c
}

// flow places the cards in most lines at most.
func (v *View) flow(c *cards, most int) {
	lay := func() { c.places, c.texts, c.height = draw.Flow(v.widths(), most, c.boxes) }
	lay()
	at := slices.IndexFunc(c.of, func(s spot) bool { return s.card == cardConnection })
	if at < 0 {
		return
	}
	// A part that finds no room goes into the others: what is listed adds up.
	inner := draw.CardInner(v.widths()[0])
	for most := len(foldParts(v.snap.ConnectionCost.TCP4.Value.Parts)); most > 0 && c.isPartMissing(at); most-- {
		c.boxes[at].Lines = v.connectionLines(inner, most-1)
		lay()
	}
}

// mostParts is more parts than a connection has.
const mostParts = 99

// isPartMissing reports whether the card of a connection lost the line of a part.
func (c *cards) isPartMissing(at int) bool {
	if c.places[at].H == 0 {
		return false
	}
	for _, line := range c.boxes[at].Lines {
		if line.Drop >= dropPart && line.Drop < dropMillion && !slices.Contains(c.texts[at], line.Text) {
			return true
		}
	}
	return false
}

// has reports whether a card of a part is on screen.
func (c *cards) has(p part) bool {
	for i, s := range c.of {
		if s.part == p && i < len(c.places) && c.places[i].H > 0 {
			return true
		}
	}
	return false
}

// addStops lists where the cursor can be on top.
func (v *View) addStops(open map[part]bool) {
	t := &v.top
	add := func(s spot, at draw.Place, does string, enter func() tea.Cmd) {
		t.stops = append(t.stops, stop{s, at, does, enter})
	}
	y := 0
	for i, r := range t.look {
		add(spot{part: partLook, row: i + 1}, draw.Place{X: 0, Y: i + 1, W: v.w, H: 1}, r.does, r.enter)
	}
	if len(t.look) > 0 {
		y = len(t.look) + 2
	}
	for i, h := range t.heads {
		does, enter := "open", v.toggle(h.part, true)
		if h.part == partLook {
			does, enter = "explain", v.explainLook
		}
		add(spot{part: h.part}, draw.Place{X: 0, Y: y + i, W: v.w, H: 1}, does, enter)
	}
	if len(t.wide) > 0 {
		add(spot{part: partMemory, card: cardTrend}, t.wideAt, "close", v.toggle(partMemory, false))
	}
	c := &t.cards
	for i, at := range c.places {
		if at.H == 0 {
			continue
		}
		at.Y += c.y
		if len(c.rows[i]) > 0 {
			at.H = 1
		}
		add(c.of[i], at, "close", v.toggle(c.of[i].part, false))
		for row, r := range c.rows[i] {
			if line := slices.Index(c.texts[i], r.text); line >= 0 {
				s := c.of[i]
				s.row = row + 1
				add(s, draw.Place{X: at.X, Y: at.Y + 1 + line, W: at.W, H: 1}, r.does, r.enter)
			}
		}
	}
}

// draw draws the top.
func (v *View) draw() []string {
	p, t := v.pens, &v.top
	here := spot{part: -1}
	if s, ok := v.stop(); ok {
		here = s.spot
	}
	var lines []string
	if len(t.look) > 0 {
		rows := make([]string, len(t.look))
		for i, r := range t.look {
			rows[i] = v.markRow(r.text, here == spot{part: partLook, row: i + 1})
		}
		lines = append(lines, p.Card(v.lookTitle(), v.w, len(rows)+2, here.part == partLook, rows)...)
	}
	for _, h := range t.heads {
		if here == (spot{part: h.part}) {
			lines = append(lines, p.Selected.Ink("▸"+ansi.Strip(draw.Fit(h.text, v.w-1))))
			continue
		}
		lines = append(lines, " "+draw.Fit(h.text, v.w-1))
	}
	if c := &t.cards; c.height > 0 {
		texts, at := slices.Clone(c.texts), -1
		for i, s := range c.of {
			if s.part != here.part || s.card != here.card {
				continue
			}
			at = i
			if here.row > 0 && here.row <= len(c.rows[i]) {
				texts[i] = slices.Clone(texts[i])
				if line := slices.Index(texts[i], c.rows[i][here.row-1].text); line >= 0 {
					texts[i][line] = v.markRow(texts[i][line], true)
				}
			}
		}
		lines = append(lines, p.Render(v.w, c.height, at, c.boxes, c.places, texts)...)
	}
	if len(t.wide) > 0 {
		lines = append(lines, p.Card("Trend · "+v.trendTitle(), v.w, t.wideAt.H, here.card == cardTrend, t.wide)...)
	}
	return lines
}

// markRow marks a row of a card, which begins with two blanks, where the cursor is on it.
func (v *View) markRow(text string, here bool) string {
	if !here {
		return text
	}
	return v.pens.Selected.Ink("▸ " + strings.TrimPrefix(ansi.Strip(text), "  "))
}
