// Package slab is the view of the kernel's slab caches, their changes and histories.
package slab

import (
	"strings"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/ui/draw"
	"github.com/eptop/eptop/internal/ui/table"
	"github.com/eptop/eptop/internal/ui/theme"
	"github.com/eptop/eptop/internal/ui/view"
)

// View is the kernel's slab caches: slabtop, with the true names behind merged
// caches and whose their objects are, what an object really takes, and how that
// changes.
type View struct {
	keys    view.KeyMap
	network key.Binding
	theme   theme.Theme
	pens    *draw.Pens
	w, h    int
	snap    *model.Snapshot

	all  bool // every cache, not only those behind sockets and epoll
	mark mark

	table *table.Model
	nodes int // for which the table's columns are
}

var (
	_ view.BackHandler      = (*View)(nil)
	_ view.BackgroundWorker = (*View)(nil)
	_ view.CacheRequester   = (*View)(nil)
	_ view.Marker           = (*View)(nil)
	_ view.StatusReporter   = (*View)(nil)
	_ view.TextInput        = (*View)(nil)
)

// New returns the Slab view before its first snapshot.
func New(keys view.KeyMap) view.View {
	v := &View{
		keys:    keys,
		network: key.NewBinding(key.WithKeys("n"), key.WithHelp("n", "network and epoll only, or all")),
	}
	v.makeTable(1)
	v.SetTheme(theme.New(true))
	return v
}

// makeTable builds the table for a number of nodes, its order kept.
func (v *View) makeTable(nodes int) {
	title, down, filter := bytesTitle, true, ""
	if v.table != nil {
		title, down = v.table.Ordered()
		filter = v.table.Filter()
		if title == byNodeTitle && nodes < 2 {
			title = bytesTitle
		}
	}
	v.nodes = nodes
	v.table = table.New(table.Heads(fields(nodes)), table.NewKeys())
	v.table.SetTheme(v.theme)
	v.table.SetEmpty("No cache by that name.")
	v.table.SetOrder(v.table.Named(title), down)
	v.table.SetFilter(filter)
}

func (v *View) Title() string { return "Slab" }

func (v *View) SetTheme(t theme.Theme) {
	v.theme, v.pens = t, draw.NewPens(t)
	v.table.SetTheme(t)
}

func (v *View) SetSize(w, h int) {
	v.w, v.h = w, h
	v.setTableSize()
}

// setTableSize gives the table the lines below the sums. The names of merged caches
// are worth more than another column.
func (v *View) setTableSize() {
	least := 30
	if v.w >= 120 {
		least = 40
	}
	v.table.SetRoom(v.table.Named(nameTitle), least, 0, false)
	v.table.SetSize(v.w, v.h-v.headLines())
}

func (v *View) SetSnapshot(s *model.Snapshot) {
	v.snap = s
	if n := max(1, len(s.Nodes)); n != v.nodes {
		v.makeTable(n)
		v.setTableSize()
	}
	if v.mark.counts == nil && len(s.Slab) > 0 {
		v.mark = newMark(s, false)
	}
	v.show()
}

// onScreen are the caches in sight.
func (v *View) onScreen() []*model.Cache {
	rows, ok := v.table.Source().(*table.List[*row])
	if !ok {
		return nil
	}
	var caches []*model.Cache
	for _, i := range v.table.OnScreen() {
		caches = append(caches, rows.At(i).cache)
	}
	return caches
}

// Caches are the names of the caches on screen.
func (v *View) Caches() []string {
	if !v.readable() {
		return nil
	}
	var names []string
	for _, c := range v.onScreen() {
		names = append(names, c.Name)
	}
	return names
}

// show gives the table the caches that are wanted.
func (v *View) show() {
	if v.snap == nil {
		return
	}
	v.table.SetSource(newRows(v.snap, &v.mark, func(c *model.Cache) bool { return v.all || c.Network }))
}

// Mark makes changes count from this snapshot on.
func (v *View) Mark(s *model.Snapshot) string {
	if s == nil || len(s.Slab) == 0 {
		return "nothing to mark: the slab caches are not known"
	}
	v.mark = newMark(s, true)
	v.show()
	return "slab changes count from " + s.Time.Format("15:04:05") + " on"
}

func (v *View) Update(msg tea.Msg) tea.Cmd {
	if v.readable() {
		switch m := msg.(type) {
		case tea.KeyPressMsg:
			if key.Matches(m, v.network) && !v.table.Capturing() {
				v.toggle()
				return nil
			}
		case tea.MouseClickMsg:
			if m.Y == 0 && m.X < draw.Width(v.chip()) {
				v.toggle()
				return nil
			}
			m.Y -= v.headLines()
			msg = m
		}
	}
	if v.table.Update(msg) == table.Opened {
		if i, ok := v.table.Row(); ok {
			return view.Send(v.detail(v.table.Source().(*table.List[*row]).At(i).cache.Name))
		}
	}
	return nil
}

func (v *View) toggle() {
	v.all = !v.all
	v.show()
}

// readable reports whether there is a table to show.
func (v *View) readable() bool { return v.snap != nil && len(v.snap.Slab) > 0 }

func (v *View) View() string {
	if !v.readable() {
		return strings.Join(draw.Exact(v.withoutCaches(), v.w, v.h), "\n")
	}
	head := strings.Join(draw.Exact(v.head(), v.w, min(v.h, v.headLines())), "\n")
	if v.h <= v.headLines() {
		return head
	}
	return head + "\n" + v.table.View()
}

func (v *View) Capturing() bool  { return v.table.Capturing() }
func (v *View) Back() bool       { return v.table.Back() }
func (v *View) Pending() tea.Cmd { return v.table.Pending() }

func (v *View) Status() string {
	if !v.readable() {
		return ""
	}
	return v.table.Status()
}

func (v *View) Keys() []key.Binding {
	return append([]key.Binding{v.network, v.keys.Mark}, table.NewKeys().Help()...)
}

func (v *View) Explain() (title, text string) {
	if !v.readable() {
		return "Slab", "Caches come from /proc/slabinfo, which only root may read (mode 0400). Without it the sizes of single objects are derived from BTF " +
			"(/sys/kernel/btf/vmlinux) and /sys/kernel/slab as SLUB would lay them out: how many objects there are is not known."
	}
	c := v.table.Column()
	return c.Title, c.Explain
}
