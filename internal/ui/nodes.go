package ui

import (
	"strconv"
	"strings"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/ui/draw"
	"github.com/eptop/eptop/internal/ui/theme"
	"github.com/eptop/eptop/internal/units"
)

// nodes is numactl --hardware as a picture: the NUMA nodes and how far they
// are from each other, and the zones with their watermarks.
type nodes struct {
	keys keyMap
	pens *draw.Pens
	w, h int
	snap *model.Snapshot

	// What layout made of the snapshot and the size.
	cards  []nodesCard
	boxes  []draw.Box
	places []draw.Place
	texts  [][]string
	height int

	here   nodesCard // the card under the cursor
	offset int       // lines scrolled away above
}

// nodesCard says what a card of the Nodes view shows.
type nodesCard int

const (
	cardNodes nodesCard = iota
	cardDistances
	cardZones
	cardContents
)

func newNodes(keys keyMap) view {
	return &nodes{keys: keys, pens: draw.NewPens(theme.New(true))}
}

func (v *nodes) Title() string { return "Nodes" }

func (v *nodes) SetTheme(t theme.Theme) {
	v.pens = draw.NewPens(t)
	v.layout()
}

func (v *nodes) SetSize(w, h int) {
	v.w, v.h = w, h
	v.layout()
}

func (v *nodes) SetSnapshot(s *model.Snapshot) {
	v.snap = s
	v.layout()
}

// section is a stretch of the view with columns of its own.
type section struct {
	widths []int
	cards  []nodesCard
}

// sections divides the view: nodes and distances side by side where there is
// room, else distances beside the zones, else all below each other.
func (v *nodes) sections() []section {
	if len(v.snap.Nodes) < 2 {
		return []section{{[]int{v.w}, []nodesCard{cardNodes, cardZones, cardContents}}}
	}
	dist := min(v.distancesWidth(), v.w/2)
	switch {
	case v.w-dist >= 96:
		return []section{
			{[]int{v.w - dist, dist}, []nodesCard{cardNodes, cardDistances}},
			{[]int{v.w}, []nodesCard{cardZones, cardContents}},
		}
	case v.w-dist >= 36:
		return []section{
			{[]int{v.w}, []nodesCard{cardNodes}},
			{[]int{dist, v.w - dist}, []nodesCard{cardDistances, cardZones}},
			{[]int{v.w}, []nodesCard{cardContents}},
		}
	}
	return []section{{[]int{v.w}, []nodesCard{cardNodes, cardDistances, cardZones, cardContents}}}
}

// layout places every card; what does not fit into the height is scrolled to.
func (v *nodes) layout() {
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

func (v *nodes) box(c nodesCard, w int) draw.Box {
	switch c {
	case cardDistances:
		return draw.Box{Title: "Distances", Lines: asLines(v.distanceLines())}
	case cardZones:
		return draw.Box{Title: "Zones", Lines: asLines(v.zonesLines(w))}
	case cardContents:
		return draw.Box{Title: "What is where", Lines: asLines(v.contentLines(w))}
	}
	return draw.Box{Title: "Nodes", Lines: asLines(v.nodeLines(w))}
}

func asLines(texts []string) []draw.Line {
	lines := make([]draw.Line, len(texts))
	for i, t := range texts {
		lines[i].Text = t
	}
	return lines
}

// nodeLines is a line for each node, bars below each other, and then in words
// what the picture does not say.
func (v *nodes) nodeLines(w int) []string {
	p := v.pens
	if len(v.snap.Nodes) == 0 {
		return draw.Wrap(absence(v.snap, "nodes", "This kernel shows no NUMA nodes: all memory is one pool, equally far from every CPU."), w)
	}
	cpuW := len("CPUs")
	for _, n := range v.snap.Nodes {
		cpuW = max(cpuW, len(cpusOf(n)))
	}
	cpuW = min(cpuW, max(6, w/5))
	wide := w >= 92
	head := []draw.Cell{{Text: "node", W: 4, Right: true}, {Text: "CPUs", W: cpuW}, {Text: "memory in use"}, {Text: "used", W: 7, Right: true}, {Text: "of", W: 8, Right: true}, {Text: "free", W: 8, Right: true}}
	slab := []draw.Cell{{Text: "slab", W: 8, Right: true}}
	if wide {
		slab = []draw.Cell{{Text: "reclaimable", W: 12, Right: true}, {Text: "unreclaimable", W: 14, Right: true}}
	}
	if w < 56 {
		slab = nil
	}
	head = append(head, slab...)
	for i := range head {
		head[i].Pen = p.Header
	}
	lines := []string{draw.Columns(w, head...)}
	for _, n := range v.snap.Nodes {
		lines = append(lines, v.nodeLine(w, cpuW, wide, n))
	}
	for _, s := range nodeWords(v.snap.Nodes) {
		lines = append(lines, draw.Wrap(s, w)...)
	}
	return lines
}

func (v *nodes) nodeLine(w, cpuW int, wide bool, n model.Node) string {
	p := v.pens
	cells := []draw.Cell{
		{Text: strconv.Itoa(n.ID), W: 4, Right: true, Pen: p.Strong},
		{Text: cpusOf(n), W: cpuW},
	}
	total, okTotal := n.MemTotalBytes.Get()
	free, okFree := n.MemFreeBytes.Get()
	rec, unrec := n.SlabReclaimableBytes, n.SlabUnreclaimableBytes
	switch {
	case !okTotal || !okFree:
		return draw.Columns(w, append(cells, draw.Cell{Text: "its memory could not be read", Pen: p.Muted})...)
	case total == 0:
		return draw.Columns(w, append(cells, draw.Cell{Text: "no memory of its own", Pen: p.Warn})...)
	}
	share := 1 - float64(free)/float64(total)
	// The bar takes what the numbers leave.
	numbers := 7 + 8 + 8 + 3
	switch {
	case wide:
		numbers += 12 + 14 + 2
	case w >= 56:
		numbers += 8 + 1
	}
	bar := max(1, w-4-1-cpuW-1-numbers)
	cells = append(cells,
		draw.Cell{Text: p.Gauge(p.Bar, bar, share), W: bar},
		draw.Cell{Text: units.Percent(share), W: 7, Right: true},
		draw.Cell{Text: units.Bytes(total), W: 8, Right: true, Pen: p.Muted},
		draw.Cell{Text: units.Bytes(free), W: 8, Right: true, Pen: p.Strong},
	)
	switch {
	case wide:
		cells = append(cells, draw.Cell{Text: bytesOrDash(rec), W: 12, Right: true}, draw.Cell{Text: bytesOrDash(unrec), W: 14, Right: true})
	case w >= 56:
		sum := model.Maybe[int64]{Value: rec.Value + unrec.Value, Known: rec.Known && unrec.Known}
		cells = append(cells, draw.Cell{Text: bytesOrDash(sum), W: 8, Right: true})
	}
	return draw.Columns(w, cells...)
}

func cpusOf(n model.Node) string {
	cpus, ok := n.CPUs.Get()
	switch {
	case !ok:
		return "?"
	case cpus == "":
		return "none"
	}
	return draw.Clean(cpus)
}

func bytesOrDash(m model.Maybe[int64]) string {
	if b, ok := m.Get(); ok {
		return units.Bytes(b)
	}
	return "–"
}

func (v *nodes) Update(msg tea.Msg) tea.Cmd {
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

func (v *nodes) press(msg tea.KeyPressMsg) {
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

// move goes to the next card; left and right fall back to the order of the
// cards, so that they reach all of them.
func (v *nodes) move(dx, dy int) {
	i := v.index()
	next := draw.Step(v.places, i, dx, dy)
	if next == i && dx != 0 && i+dx >= 0 && i+dx < len(v.cards) {
		next = i + dx
	}
	if next < 0 || next >= len(v.cards) {
		return
	}
	v.here = v.cards[next]
	// The chosen card comes into sight, its upper edge first.
	at := v.places[next]
	v.offset = max(v.offset, at.Y+at.H-v.h)
	v.offset = min(v.offset, at.Y)
	v.scroll(0)
}

func (v *nodes) index() int {
	for i, c := range v.cards {
		if c == v.here {
			return i
		}
	}
	return 0
}

func (v *nodes) scroll(by int) {
	v.offset = max(0, min(v.offset+by, v.height-v.h))
}

func (v *nodes) View() string {
	if v.snap == nil {
		return strings.Join(draw.Exact([]string{" looking…"}, v.w, v.h), "\n")
	}
	lines := v.pens.Render(v.w, v.height, v.index(), v.boxes, v.places, v.texts)
	return strings.Join(draw.Exact(lines[min(v.offset, len(lines)):], v.w, v.h), "\n")
}

// Tell says which lines are on screen where not all are.
func (v *nodes) Tell() string {
	if v.height <= v.h {
		return ""
	}
	return "lines " + strconv.Itoa(v.offset+1) + "–" + strconv.Itoa(min(v.height, v.offset+v.h)) + " of " + strconv.Itoa(v.height)
}

func (v *nodes) Keys() []key.Binding {
	k := v.keys
	return []key.Binding{k.Left, k.Right, k.Up, k.Down, k.PageUp, k.PageDown, k.Top, k.Bottom, k.Explain}
}

func (v *nodes) Explain() (title, text string) { return explainNodes(v.here) }
