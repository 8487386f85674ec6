package ui

import (
	"fmt"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/ui/theme"
)

var machines = map[string]func() *model.Snapshot{
	"rich": fixtureRich, "huge": fixtureHuge, "empty": fixtureEmpty, "denied": fixtureDenied, "nobody": fixtureNobody,
	"no-numa": fixtureNoNUMA, "nodes-4": fixtureNodes4, "nodes-8": fixtureNodes8, "odd-nodes": fixtureOddNodes,
	"pressed": fixturePressed, "placed": fixturePlaced, "dimms": fixtureDIMMs,
}

// chrome is how many lines the root keeps for itself.
const chrome = 3

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

// newView makes a view, to be held to what is asked of every one.
type newView func(keyMap) view

// show makes a view of a size that has seen a snapshot, or none yet.
func (n newView) show(s *model.Snapshot, w, h int) view {
	v := n(newKeyMap())
	v.SetTheme(theme.New(true))
	v.SetSize(w, h)
	if s != nil {
		v.SetSnapshot(s)
	}
	return v
}

// check holds a view, whose golden files are called name, to what is asked of each.
func (n newView) check(t *testing.T, name string) {
	t.Run("golden", func(t *testing.T) { n.checkGolden(t, name) })
	t.Run("sizes", n.checkSizes)
	t.Run("before the first look", n.checkBeforeTheFirstLook)
	t.Run("keys", n.checkKeys)
}

func (n newView) checkGolden(t *testing.T, name string) {
	for machine, fixture := range machines {
		if !differs(name, machine) {
			continue
		}
		for _, size := range [][2]int{{80, 24}, {160, 50}} {
			file := fmt.Sprintf("%s-%s-%dx%d", name, machine, size[0], size[1])
			t.Run(file, func(t *testing.T) {
				w, h := size[0], size[1]-chrome
				screen := n.show(fixture(), w, h).View()
				exactly(t, screen, w, h)
				golden(t, file, screen)
			})
		}
	}
}

// checkSizes: a view has exactly the size it was given, whatever size that is and
// whatever it has to show.
func (n newView) checkSizes(t *testing.T) {
	t.Parallel()
	for machine, fixture := range machines {
		v := n.show(fixture(), 20, 8)
		step := 7
		if machine == "rich" && !raceEnabled {
			step = 1
		}
		for w := 20; w <= 200; w += step {
			for h := 8 - w%step%8; h <= 60; h += 1 + step/2 {
				v.SetSize(w, h)
				exactly(t, v.View(), w, h)
			}
		}
	}
}

func (n newView) checkBeforeTheFirstLook(t *testing.T) {
	v := n.show(nil, 60, 15)
	screen := v.View()
	exactly(t, screen, 60, 15)
	if !strings.Contains(screen, "looking…") || strings.ContainsAny(ansi.Strip(screen), "0123456789") {
		t.Errorf("before the first look:\n%s", ansi.Strip(screen))
	}
	for _, k := range []string{"up", "down", "left", "right", "enter", "g", "G", "n", "v", "m"} {
		v.Update(press(k))
	}
	if title, text := v.Explain(); title == "" || text == "" {
		t.Error("it explains nothing before the first look")
	}
	exactly(t, v.View(), 60, 15)
}

// checkKeys: no key at any moment breaks the size or panics.
func (n newView) checkKeys(t *testing.T) {
	all := []string{"up", "down", "left", "right", "pgdown", "pgup", "g", "G", "n", "v", "s", "enter", "esc", ">", "<", "R", "F", "/", "x", "enter", "esc"}
	for machine, fixture := range machines {
		v := n.show(fixture(), 80, 21)
		for i := range 4 * len(all) {
			v.Update(press(all[i*7%len(all)]))
			exactly(t, v.View(), 80, 21)
			if title, text := v.Explain(); title == "" || text == "" {
				t.Fatalf("on %s it explains nothing after %q", machine, all[i*7%len(all)])
			}
		}
		for y := range 21 {
			v.Update(tea.MouseClickMsg{X: 3 * y, Y: y, Button: tea.MouseLeft})
			v.Update(tea.MouseWheelMsg{X: 3 * y, Y: y, Button: tea.MouseWheelDown})
			exactly(t, v.View(), 80, 21)
		}
	}
}

// benchmark is one new snapshot and the frame of it.
func (n newView) benchmark(b *testing.B) {
	s := fixtureNodes8()
	v := n.show(s, 160, 47)
	for b.Loop() {
		v.SetSnapshot(s)
		v.View()
	}
}
