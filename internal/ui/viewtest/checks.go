package viewtest

import (
	"fmt"
	"testing"

	tea "charm.land/bubbletea/v2"

	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/ui/theme"
	"github.com/eptop/eptop/internal/ui/view"
)

var machines = map[string]func() *model.Snapshot{
	"rich": Rich, "huge": Huge, "empty": Empty, "denied": Denied, "nobody": Nobody,
	"no-numa": NoNUMA, "nodes-4": Nodes4, "nodes-8": Nodes8, "odd-nodes": OddNodes,
	"pressed": Pressed, "placed": Placed, "dimms": DIMMs,
}

// ChromeLines is how many lines the root keeps for itself.
const ChromeLines = 3

// differs reports whether a machine shows a view something of its own.
func differs(name, machine string) bool {
	switch machine {
	case "pressed":
		return name == "sockets"
	case "placed", "dimms":
		return name == "nodes"
	case "huge", "no-numa", "nodes-4", "nodes-8", "odd-nodes":
		return name != "sockets"
	}
	return true
}

// Looked makes a Snapshot that was put together by hand what a first look gives, unless
// it is of a later one.
func Looked(s *model.Snapshot) *model.Snapshot {
	if s != nil && len(s.History.Times) == 0 {
		new(model.Deriver).Remember(s)
	}
	return s
}

// Maker makes a view, to be held to what is asked of every one.
type Maker func(view.KeyMap) view.View

// Show makes a view of a size that has seen a snapshot, or none yet.
func (n Maker) Show(s *model.Snapshot, w, h int) view.View {
	v := n(view.NewKeyMap())
	v.SetTheme(theme.New(true))
	v.SetSize(w, h)
	if s != nil {
		v.SetSnapshot(Looked(s))
	}
	return v
}

// Check holds a view, whose golden files are called name, to what is asked of each.
func (n Maker) Check(t *testing.T, name string) {
	t.Run("golden", func(t *testing.T) { n.checkGolden(t, name) })
	t.Run("sizes", n.checkSizes)
	t.Run("before the first look", n.checkBeforeTheFirstLook)
	t.Run("keys", n.checkKeys)
}

func (n Maker) checkGolden(t *testing.T, name string) {
	for machine, fixture := range machines {
		if !differs(name, machine) {
			continue
		}
		for _, size := range [][2]int{{80, 24}, {160, 50}} {
			file := fmt.Sprintf("%s-%s-%dx%d", name, machine, size[0], size[1])
			t.Run(file, func(t *testing.T) {
				w, h := size[0], size[1]-ChromeLines
				screen := n.Show(fixture(), w, h).View()
				Exactly(t, screen, w, h)
				Golden(t, file, screen)
			})
		}
	}
}

// checkSizes: a view has exactly the size it was given, whatever size that is and
// whatever it has to show.
func (n Maker) checkSizes(t *testing.T) {
	t.Parallel()
	for machine, fixture := range machines {
		v := n.Show(fixture(), 20, 8)
		step := 7
		if machine == "rich" {
			step = 1
		}
		drawExactly(t, step, v)
	}
}

// drawExactly draws a view at every step-th size, which it has to fill.
func drawExactly(t *testing.T, step int, v view.View) {
	draw := func(w, h int) string {
		v.SetSize(w, h)
		return v.View()
	}
	for _, size := range Sizes(step, draw) {
		Exactly(t, draw(size[0], size[1]), size[0], size[1])
	}
}

// checkBeforeTheFirstLook: before its first snapshot a view explains itself, and takes
// sizes, keys and the mouse without harm. The root draws the screen until then.
func (n Maker) checkBeforeTheFirstLook(t *testing.T) {
	v := n.Show(nil, 60, 15)
	for _, k := range []string{"up", "down", "left", "right", "enter", "g", "G", "n", "v", "s", "/", "x", "esc", "m"} {
		v.Update(Press(k))
		if title, text := v.Explain(); v.Title() == "" || title == "" || text == "" {
			t.Fatalf("before the first look it explains nothing after %q", k)
		}
	}
	for y := range 15 {
		v.Update(tea.MouseClickMsg{X: 3 * y, Y: y, Button: tea.MouseLeft})
		v.Update(tea.MouseWheelMsg{X: 3 * y, Y: y, Button: tea.MouseWheelDown})
	}
	v.SetSize(80, 21)
	v.SetTheme(theme.New(false))
	v.SetSnapshot(Looked(Rich()))
	Exactly(t, v.View(), 80, 21)
}

// checkKeys: no key at any moment breaks the size or panics.
func (n Maker) checkKeys(t *testing.T) {
	all := []string{"up", "down", "left", "right", "pgdown", "pgup", "g", "G", "n", "v", "s", "enter", "esc", ">", "<", "R", "F", "/", "x", "enter", "esc"}
	for machine, fixture := range machines {
		v := n.Show(fixture(), 80, 21)
		for i := range 4 * len(all) {
			v.Update(Press(all[i*7%len(all)]))
			Exactly(t, v.View(), 80, 21)
			if title, text := v.Explain(); title == "" || text == "" {
				t.Fatalf("on %s it explains nothing after %q", machine, all[i*7%len(all)])
			}
		}
		for y := range 21 {
			v.Update(tea.MouseClickMsg{X: 3 * y, Y: y, Button: tea.MouseLeft})
			v.Update(tea.MouseWheelMsg{X: 3 * y, Y: y, Button: tea.MouseWheelDown})
			Exactly(t, v.View(), 80, 21)
		}
	}
}

// Benchmark is one new snapshot and the frame of it.
func (n Maker) Benchmark(b *testing.B) {
	s := Nodes8()
	v := n.Show(s, 160, 47)
	for b.Loop() {
		v.SetSnapshot(s)
		v.View()
	}
}
