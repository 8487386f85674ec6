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
	"github.com/eptop/eptop/internal/units"
)

// slabs is the kernel's slab caches: slabtop, with the true names behind
// merged caches, what an object really takes, and what changed since a mark.
type slabs struct {
	keys    keyMap
	network key.Binding
	theme   theme.Theme
	pens    *draw.Pens
	w, h    int
	snap    *model.Snapshot

	all    bool // every cache, not only those behind sockets and epoll
	marked *model.Snapshot
	byMark map[string]model.Cache
	chosen bool // the mark was set by hand

	table *table.Model
	nodes int // for which the table's columns are
}

func newSlab(keys keyMap) view {
	v := &slabs{
		keys:    keys,
		network: key.NewBinding(key.WithKeys("n"), key.WithHelp("n", "network and epoll only, or all")),
	}
	v.makeTable(1)
	v.SetTheme(theme.New(true))
	return v
}

// makeTable builds the table for a number of nodes, its order kept.
func (v *slabs) makeTable(nodes int) {
	column, down, filter := slabTotal, true, ""
	if v.table != nil {
		column, down = v.table.Order()
		filter = v.table.Filter()
		if column == slabByNode && nodes < 2 {
			column = slabTotal
		}
	}
	v.nodes = nodes
	v.table = table.New(slabColumns(nodes), table.NewKeys())
	v.table.SetTheme(v.theme)
	v.table.SetEmpty("No cache by that name.")
	v.table.SetOrder(column, down)
	v.table.SetFilter(filter)
}

func (v *slabs) Title() string { return "Slab" }

func (v *slabs) SetTheme(t theme.Theme) {
	v.theme, v.pens = t, draw.NewPens(t)
	v.table.SetTheme(t)
}

func (v *slabs) SetSize(w, h int) {
	v.w, v.h = w, h
	// One line of totals stands above the table.
	v.table.SetSize(w, h-1)
}

func (v *slabs) SetSnapshot(s *model.Snapshot) {
	v.snap = s
	if v.marked == nil && len(s.Slab) > 0 {
		v.remember(s)
	}
	if n := max(1, len(s.Nodes)); n != v.nodes {
		v.makeTable(n)
		v.table.SetSize(v.w, v.h-1)
	}
	v.show()
}

// show gives the table the caches that are wanted.
func (v *slabs) show() {
	if v.snap == nil {
		return
	}
	rows := slabRows{snap: v.snap, mark: v.byMark}
	for i := range v.snap.Slab {
		if v.all || concernsNetwork(&v.snap.Slab[i]) {
			rows.use = append(rows.use, i)
		}
	}
	v.table.SetSource(&rows)
}

func (v *slabs) remember(s *model.Snapshot) {
	v.marked = s
	v.byMark = make(map[string]model.Cache, len(s.Slab))
	for _, c := range s.Slab {
		v.byMark[c.Name] = c
	}
}

// Mark makes changes count from this snapshot on.
func (v *slabs) Mark(s *model.Snapshot) string {
	if s == nil || len(s.Slab) == 0 {
		return "nothing to mark: the slab caches are not known"
	}
	v.remember(s)
	v.chosen = true
	v.show()
	return "slab changes count from " + s.Time.Format("15:04:05") + " on"
}

func (v *slabs) Update(msg tea.Msg) tea.Cmd {
	if v.readable() {
		switch m := msg.(type) {
		case tea.KeyPressMsg:
			if key.Matches(m, v.network) && !v.table.Capturing() {
				v.all = !v.all
				v.show()
				return nil
			}
		case tea.MouseClickMsg:
			m.Y--
			msg = m
		}
	}
	if v.table.Update(msg) == table.Opened {
		title, text := v.describe()
		return ask(overlayMsg{Title: title, Text: text})
	}
	return nil
}

// readable reports whether there is a table to show.
func (v *slabs) readable() bool { return v.snap != nil && len(v.snap.Slab) > 0 }

func (v *slabs) View() string {
	switch {
	case v.snap == nil:
		return strings.Join(draw.Exact([]string{"", "  looking…"}, v.w, v.h), "\n")
	case !v.readable():
		return strings.Join(draw.Exact(v.withoutCaches(), v.w, v.h), "\n")
	case v.h < 2:
		return strings.Join(draw.Exact([]string{v.totals()}, v.w, v.h), "\n")
	}
	return draw.Fit(v.totals(), v.w) + "\n" + v.table.View()
}

// totals sums up the caches on screen, as many words as fit.
func (v *slabs) totals() string {
	p := v.pens
	var bytes, everything, waste, reclaimable, change int64
	shown := 0
	rows := slabRows{snap: v.snap, mark: v.byMark}
	for i := range v.snap.Slab {
		c := &v.snap.Slab[i]
		everything += c.Bytes
		if !v.all && !concernsNetwork(c) {
			continue
		}
		shown++
		bytes += c.Bytes
		waste += wasteOf(c)
		if rec, ok := c.Reclaimable.Get(); ok && rec {
			reclaimable += c.Bytes
		}
		delta, _ := rows.change(c)
		change += delta
	}
	first := " all " + units.Many(int64(shown), "cache")
	if !v.all {
		first = " network and epoll: " + units.Count(int64(shown)) + " of " + units.Count(int64(len(v.snap.Slab))) + " caches"
	}
	since := "since the first look"
	if v.chosen {
		since = "since " + v.marked.Time.Format("15:04:05")
	}
	sum := units.Bytes(bytes)
	if !v.all {
		sum += " of " + units.Bytes(everything)
	}
	signed := units.Bytes(change)
	if change > 0 {
		signed = "+" + signed
	}
	line, room := p.Title.Ink(first), v.w-draw.Width(first)
	for _, part := range []struct {
		text string
		pen  draw.Pen
	}{
		{sum, p.Strong}, {longest(room-draw.Width(sum)-6, signed+" "+since, "change "+signed), p.Text}, {"waste " + units.Bytes(waste), p.Text},
		{"reclaimable " + units.Bytes(reclaimable), p.Text}, {"n: all or network only, m: mark", p.Muted},
	} {
		if room -= draw.Width(part.text) + 3; room < 0 {
			break
		}
		line += p.Muted.Ink(" · ") + part.pen.Ink(part.text)
	}
	return line
}

// withoutCaches says why there is no table, and shows what is known of single
// objects all the same.
func (v *slabs) withoutCaches() []string {
	p := v.pens
	w := max(1, v.w-2)
	var lines []string
	add := func(pen draw.Pen, text string) {
		for _, l := range draw.Wrap(text, w) {
			lines = append(lines, " "+pen.Ink(l))
		}
	}
	add(p.Warn, absence(v.snap, "slabinfo", "The kernel shows no slab caches."))
	parts := knownParts(v.snap)
	if len(parts) == 0 {
		add(p.Text, "The size of single objects is not known either: "+absence(v.snap, "btf", "BTF tells nothing of them."))
		return lines
	}
	lines = append(lines, "")
	add(p.Text, "What one object takes is known without it:")
	lines = append(lines, "", " "+draw.Columns(w,
		draw.Cell{Text: "CACHE", Pen: p.Header}, draw.Cell{Text: "SIZEOF", W: 7, Right: true, Pen: p.Header},
		draw.Cell{Text: "EACH", W: 7, Right: true, Pen: p.Header}, draw.Cell{Text: "ORIGIN", W: 10, Pen: p.Header}))
	for _, part := range parts {
		name := draw.Clean(part.Cache)
		if part.ShownAs != "" && part.ShownAs != part.Cache {
			name = draw.Clean(part.ShownAs) + " = " + name
		}
		lines = append(lines, " "+draw.Columns(w,
			draw.Cell{Text: name}, draw.Cell{Text: countOrDash(part.ObjectBytes), W: 7, Right: true, Pen: p.Muted},
			draw.Cell{Text: units.Count(part.Bytes), W: 7, Right: true, Pen: p.Strong}, draw.Cell{Text: string(part.Origin), W: 10}))
	}
	if slices.ContainsFunc(parts, func(part model.Part) bool { return part.ShownAs == "" }) {
		lines = append(lines, "")
		add(p.Muted, "Which of them slabinfo counts under another cache's name is not known.")
	}
	return lines
}

// knownParts are the objects of all costs, each cache once.
func knownParts(s *model.Snapshot) []model.Part {
	var parts []model.Part
	seen := map[string]bool{}
	add := func(ps []model.Part) {
		for _, p := range ps {
			if !seen[p.Cache] {
				seen[p.Cache] = true
				parts = append(parts, p)
			}
		}
	}
	add(s.ConnectionCost.TCP4.Value.Parts)
	add(s.ConnectionCost.TCP6.Value.Parts)
	add(s.ConnectionCost.Unix.Value.Parts)
	add(s.Epoll.Cost.Value.Parts)
	add(s.InstanceCost.Value.Parts)
	return parts
}

func (v *slabs) Capturing() bool  { return v.table.Capturing() }
func (v *slabs) Back() bool       { return v.table.Back() }
func (v *slabs) Pending() tea.Cmd { return v.table.Pending() }

func (v *slabs) Tell() string {
	if !v.readable() {
		return ""
	}
	return v.table.Tell()
}

func (v *slabs) Keys() []key.Binding {
	return append([]key.Binding{v.network, v.keys.Mark}, table.NewKeys().Help()...)
}

func (v *slabs) Explain() (title, text string) {
	if !v.readable() {
		return "Slab", "Caches come from /proc/slabinfo, which only root may read (mode 0400). Without it the sizes of single objects are derived from BTF " +
			"(/sys/kernel/btf/vmlinux) and /sys/kernel/slab as SLUB would lay them out: how many objects there are is not known."
	}
	c := v.table.Column()
	return c.Title, c.Explain
}

// describe tells all names of the cache under the cursor and its numbers.
func (v *slabs) describe() (title, text string) {
	row, ok := v.table.Row()
	rows, ok2 := v.table.Source().(*slabRows)
	if !ok || !ok2 {
		return "Slab", "No cache is chosen."
	}
	c := rows.cache(row)
	var b strings.Builder
	if len(c.Aliases) > 0 {
		b.WriteString("SLUB merged into it: " + draw.Clean(strings.Join(c.Aliases, ", ")) + ". slabinfo cannot tell whose an object is.\n\n")
	}
	b.WriteString(units.Count(c.Active) + " of " + units.Many(c.Objects, "object") + " active, " + units.Many(c.SlotBytes, "byte") + " each, " +
		units.Count(c.BytesPerObject) + " with the slab's waste.\n")
	b.WriteString(units.Many(c.Slabs, "slab") + " of " + units.Many(c.PagesPerSlab, "page") + " and " + units.Many(c.ObjsPerSlab, "object") + ": " +
		units.Bytes(c.Bytes) + ", of which no object uses " + units.Bytes(wasteOf(c)) + ".\n")
	if rec, ok := c.Reclaimable.Get(); ok && rec {
		b.WriteString("Counted as reclaimable, and so into MemAvailable, whether or not its objects are pinned.\n")
	}
	for _, n := range c.Nodes {
		b.WriteString("Node " + units.Count(int64(n.Node)) + ": " + units.Many(n.Objects, "object") + ".\n")
	}
	return draw.Clean(c.Name), strings.TrimSpace(b.String())
}
