// Package nodes is the view of the memory nodes: their zones and distances, what fills
// them, and where the threads and the memory of the open process are.
package nodes

import (
	"strconv"
	"strings"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/ui/draw"
	"github.com/eptop/eptop/internal/ui/theme"
	"github.com/eptop/eptop/internal/ui/view"
)

// View draws what numactl --hardware prints, the NUMA nodes and their distances, and more:
// the zones with their watermarks, and what fills each node.
type View struct {
	keys view.KeyMap
	pens *draw.Pens
	w, h int
	snap *model.Snapshot

	// layout computes the fields below from the snapshot and the size.
	cards  []nodesCard
	boxes  []draw.Box
	places []draw.Place
	texts  [][]string
	height int

	here   nodesCard // the card under the cursor
	offset int       // lines scrolled away above
}

var _ view.StatusReporter = (*View)(nil)

// nodesCard identifies a card of the view.
type nodesCard int

const (
	cardNodes nodesCard = iota
	cardDistances
	cardPlacement
	cardZones
	cardContents
	cardModules
)

// New returns the Nodes view before its first snapshot.
func New(keys view.KeyMap) view.View {
	return &View{keys: keys, pens: draw.NewPens(theme.New(true))}
}

func (v *View) Title() string { return "Nodes" }

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
	v.layout()
}

// section is a part of the view, from left to right, with columns of its own.
type section struct {
	widths []int
	cards  []nodesCard
}

// sections divides the view. Where there is room, zones and what fills the nodes stand
// side by side; on a narrow screen the card about a process comes early.
func (v *View) sections() []section {
	alone := func(c nodesCard) section { return section{[]int{v.w}, []nodesCard{c}} }
	halves := []int{v.w / 2, v.w - v.w/2}
	beside := v.matrixWidth() <= draw.CardInner(halves[0]) && draw.CardInner(halves[0]) >= 64
	if len(v.snap.Nodes) < 2 {
		if beside {
			return []section{alone(cardNodes), {halves, []nodesCard{cardZones, cardContents, cardModules}}}
		}
		return []section{{[]int{v.w}, []nodesCard{cardNodes, cardZones, cardContents, cardModules}}}
	}
	dist := min(v.distancesWidth(), v.w/2)
	switch {
	case v.w-dist >= 84:
		top := section{[]int{v.w - dist, dist}, []nodesCard{cardNodes, cardDistances}}
		if beside {
			return []section{top, {halves, []nodesCard{cardZones, cardPlacement, cardContents, cardModules}}}
		}
		return []section{top, {[]int{v.w}, []nodesCard{cardPlacement, cardZones, cardContents, cardModules}}}
	case v.w-dist >= 36:
		return []section{
			{[]int{v.w}, []nodesCard{cardNodes, cardPlacement}},
			{[]int{dist, v.w - dist}, []nodesCard{cardDistances, cardModules}},
			{[]int{v.w}, []nodesCard{cardZones, cardContents}},
		}
	}
	return []section{{[]int{v.w}, []nodesCard{cardNodes, cardPlacement, cardDistances, cardZones, cardContents, cardModules}}}
}

// layout places every card. Those that do not fit into the height are scrolled to.
func (v *View) layout() {
	v.cards, v.boxes, v.places, v.texts, v.height = v.cards[:0], v.boxes[:0], v.places[:0], v.texts[:0], 0
	if v.snap == nil || v.w <= 0 {
		return
	}
	const unbounded = 1 << 20
	for _, s := range v.sections() {
		boxes := make([]draw.Box, len(s.cards))
		for i, c := range s.cards {
			boxes[i] = v.box(c, draw.CardInner(s.widths[i%len(s.widths)]))
		}
		places, texts, height := draw.Flow(s.widths, unbounded, boxes)
		for i := range places {
			places[i].Y += v.height
		}
		v.cards = append(v.cards, s.cards...)
		v.boxes = append(v.boxes, boxes...)
		v.places = append(v.places, places...)
		v.texts = append(v.texts, texts...)
		v.height += height
	}
	v.scroll(0)
}

func (v *View) box(c nodesCard, w int) draw.Box {
	switch c {
	case cardDistances:
		return draw.Box{Title: "Distances", Lines: view.MakeLines(v.distanceLines())}
	case cardPlacement:
		return draw.Box{Title: v.placementTitle(), Lines: view.MakeLines(v.placementLines(w))}
	case cardZones:
		return draw.Box{Title: "Zones", Lines: view.MakeLines(v.zonesLines(w))}
	case cardContents:
		return draw.Box{Title: "What fills each node", Lines: view.MakeLines(v.contentLines(w))}
	case cardModules:
		return draw.Box{Title: "Memory modules", Lines: view.MakeLines(v.moduleLines(w))}
	}
	return draw.Box{Title: "Nodes", Lines: view.MakeLines(v.nodeLines(w))}
}

func (v *View) Update(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case tea.KeyPressMsg:
		v.press(msg)
	case tea.MouseWheelMsg:
		switch msg.Button {
		case tea.MouseWheelUp:
			v.scroll(-3)
		case tea.MouseWheelDown:
			v.scroll(3)
		}
	case tea.MouseClickMsg:
		if i := draw.At(v.places, msg.X, msg.Y+v.offset); i >= 0 && msg.Button == tea.MouseLeft {
			v.here = v.cards[i]
		}
	}
	return nil
}

func (v *View) press(msg tea.KeyPressMsg) {
	k := v.keys
	fits := v.height <= v.h
	switch {
	case key.Matches(msg, k.Left):
		v.move(-1, 0)
	case key.Matches(msg, k.Right):
		v.move(1, 0)
	case key.Matches(msg, k.Up) && fits:
		v.move(0, -1)
	case key.Matches(msg, k.Down) && fits:
		v.move(0, 1)
	case key.Matches(msg, k.Up):
		v.scroll(-1)
	case key.Matches(msg, k.Down):
		v.scroll(1)
	case key.Matches(msg, k.PageUp):
		v.scroll(-max(1, v.h-1))
	case key.Matches(msg, k.PageDown):
		v.scroll(max(1, v.h-1))
	case key.Matches(msg, k.Top):
		v.scroll(-v.height)
	case key.Matches(msg, k.Bottom):
		v.scroll(v.height)
	}
}

// move puts the cursor on the next card in a direction. Where there is none to the left or
// right, it takes the card before or after, so that the cursor reaches all of them.
func (v *View) move(dx, dy int) {
	i := v.index()
	next := draw.Step(v.places, i, dx, dy)
	for j := i + dx; next == i && dx != 0 && j >= 0 && j < len(v.cards); j += dx {
		if v.places[j].H > 0 {
			next = j
		}
	}
	if next < 0 || next >= len(v.cards) {
		return
	}
	v.here = v.cards[next]
	// Scroll until the card is visible, at least its upper edge.
	at := v.places[next]
	v.offset = max(v.offset, at.Y+at.H-v.h)
	v.offset = min(v.offset, at.Y)
	v.scroll(0)
}

// index returns the index of the card under the cursor, or 0 where that card has nothing to
// show any more.
func (v *View) index() int {
	for i, c := range v.cards {
		if c == v.here && v.places[i].H > 0 {
			return i
		}
	}
	return 0
}

func (v *View) scroll(by int) {
	v.offset = max(0, min(v.offset+by, v.height-v.h))
}

func (v *View) View() string {
	lines := v.pens.Render(v.w, v.height, v.index(), v.boxes, v.places, v.texts)
	return strings.Join(draw.Exact(lines[min(v.offset, len(lines)):], v.w, v.h), "\n")
}

// Status says which lines are on screen where not all are.
func (v *View) Status() string {
	if v.height <= v.h {
		return ""
	}
	return "lines " + strconv.Itoa(v.offset+1) + "–" + strconv.Itoa(min(v.height, v.offset+v.h)) + " of " + strconv.Itoa(v.height)
}

func (v *View) Keys() []key.Binding {
	k := v.keys
	return []key.Binding{k.Left, k.Right, k.Up, k.Down, k.PageUp, k.PageDown, k.Top, k.Bottom, k.Explain}
}

func (v *View) Explain() (title, text string) {
	if i := v.index(); i < len(v.cards) {
		return explainNodes(v.cards[i])
	}
	return explainNodes(cardNodes)
}
