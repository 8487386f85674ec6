package viewtest

import (
	"fmt"
	"testing"

	tea "charm.land/bubbletea/v2"

	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/ui/theme"
	"github.com/eptop/eptop/internal/ui/view"
)

// machines are the made-up machines by the names that their golden files have.
var machines = map[string]func() *model.Snapshot{
	"rich": Rich, "huge": Huge, "empty": Empty, "denied": LockedDown, "nobody": Unprivileged,
	"no-numa": NoNUMA, "nodes-4": Nodes4, "nodes-8": Nodes8, "odd-nodes": OddNodes,
	"pressed": TCPPressure, "placed": MisplacedProcess, "dimms": MemoryModules, "listing": Listing, "troubled": Troubled, "faulty": Faulty,
}

// ChromeLines is how many lines of the screen the root draws itself.
const ChromeLines = 3

// differs reports whether a view has golden files of a machine: those on which it shows
// nothing that it does not show on another one have none.
func differs(name, machine string) bool {
	if name == "findings" || machine == "faulty" {
		return name == "findings" && (machine == "faulty" || machine == "empty")
	}
	switch machine {
	case "pressed":
		return name == "sockets"
	case "listing":
		return name == "overview" || name == "processes"
	case "troubled":
		return name == "overview"
	case "placed", "dimms":
		return name == "nodes"
	case "huge", "no-numa", "nodes-4", "nodes-8", "odd-nodes":
		return name != "sockets"
	}
	return true
}

// WithHistory gives a made-up Snapshot the history that a first look has, unless it has a
// history already. A nil Snapshot stays nil.
func WithHistory(s *model.Snapshot) *model.Snapshot {
	if s != nil && len(s.History.Times) == 0 {
		new(model.Deriver).Remember(s)
	}
	return s
}

// Maker is a function that makes a view, such as slab.New.
type Maker func(view.KeyMap) view.View

// Show makes a view of w times h cells and gives it a snapshot, unless that is nil.
func (newView Maker) Show(s *model.Snapshot, w, h int) view.View {
	v := newView(view.NewKeyMap())
	v.SetTheme(theme.New(true))
	v.SetSize(w, h)
	if s != nil {
		v.SetSnapshot(WithHistory(s))
	}
	return v
}

// Check runs the checks that every view must pass. The names of its golden files begin
// with name.
func (newView Maker) Check(t *testing.T, name string) {
	t.Run("golden", func(t *testing.T) { newView.checkGolden(t, name) })
	t.Run("sizes", newView.checkSizes)
	t.Run("before the first look", newView.checkBeforeTheFirstLook)
	t.Run("keys", newView.checkKeys)
}

func (newView Maker) checkGolden(t *testing.T, name string) {
	for machine, makeSnapshot := range machines {
		if !differs(name, machine) {
			continue
		}
		for _, size := range [][2]int{{80, 24}, {160, 50}} {
			file := fmt.Sprintf("%s-%s-%dx%d", name, machine, size[0], size[1])
			t.Run(file, func(t *testing.T) {
				w, h := size[0], size[1]-ChromeLines
				screen := newView.Show(makeSnapshot(), w, h).View()
				Exactly(t, screen, w, h)
				Golden(t, file, screen)
			})
		}
	}
}

// checkSizes checks that a view always fills exactly the size it was given, on every
// machine.
func (newView Maker) checkSizes(t *testing.T) {
	t.Parallel()
	for machine, makeSnapshot := range machines {
		v := newView.Show(makeSnapshot(), 20, 8)
		step := 7
		if machine == "rich" {
			step = 1
		}
		drawExactly(t, step, v)
		// Below the least size nothing is drawn that is right, and nothing fails.
		for w := -2; w < 26; w++ {
			for h := -2; h < 12; h++ {
				v.SetSize(w, h)
				v.View()
			}
		}
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

// checkBeforeTheFirstLook checks that a view which has no snapshot yet can explain itself,
// and accepts sizes, keys and the mouse. The root draws the screen until then.
func (newView Maker) checkBeforeTheFirstLook(t *testing.T) {
	v := newView.Show(nil, 60, 15)
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
	v.SetSnapshot(WithHistory(Rich()))
	Exactly(t, v.View(), 80, 21)
}

// checkKeys checks that no key and no click breaks the size of a view or panics.
func (newView Maker) checkKeys(t *testing.T) {
	all := []string{"up", "down", "left", "right", "pgdown", "pgup", "g", "G", "n", "v", "s", "enter", "esc", ">", "<", "R", "F", "/", "x", "enter", "esc"}
	for machine, makeSnapshot := range machines {
		v := newView.Show(makeSnapshot(), 80, 21)
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

// Benchmark measures one new snapshot and the frame drawn from it.
func (newView Maker) Benchmark(b *testing.B) {
	s := Nodes8()
	v := newView.Show(s, 160, 47)
	for b.Loop() {
		v.SetSnapshot(s)
		v.View()
	}
}
