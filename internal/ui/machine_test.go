package ui

import (
	"fmt"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/ui/theme"
)

// The tests here hold the views of the whole machine: Overview, Sockets, Slab,
// Nodes.

var machineViews = map[string]func(keyMap) view{"overview": newOverview, "sockets": newSockets, "slab": newSlab, "nodes": newNodes}

var machines = map[string]func() *model.Snapshot{
	"rich": fixtureRich, "huge": fixtureHuge, "empty": fixtureEmpty, "denied": fixtureDenied, "nobody": fixtureNobody,
	"no-numa": fixtureNoNUMA, "nodes-4": fixtureNodes4, "nodes-8": fixtureNodes8, "odd-nodes": fixtureOddNodes,
	"pressed": fixturePressed, "placed": fixturePlaced, "dimms": fixtureDIMMs,
}

// chrome is how many lines the root keeps for itself.
const chrome = 3

func machineView(name string, s *model.Snapshot, w, h int) view {
	v := machineViews[name](newKeyMap())
	v.SetTheme(theme.New(true))
	v.SetSize(w, h)
	if s != nil {
		v.SetSnapshot(s)
	}
	return v
}

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

func TestMachineGolden(t *testing.T) {
	for name := range machineViews {
		for machine, fixture := range machines {
			if !differs(name, machine) {
				continue
			}
			for _, size := range [][2]int{{80, 24}, {160, 50}} {
				file := fmt.Sprintf("%s-%s-%dx%d", name, machine, size[0], size[1])
				t.Run(file, func(t *testing.T) {
					w, h := size[0], size[1]-chrome
					screen := machineView(name, fixture(), w, h).View()
					exactly(t, screen, w, h)
					golden(t, file, screen)
				})
			}
		}
	}
}

// TestMachineSizes: a view has exactly the size it was given, whatever size
// that is and whatever it has to show.
func TestMachineSizes(t *testing.T) {
	for name := range machineViews {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for machine, fixture := range machines {
				v := machineView(name, fixture(), 20, 8)
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
		})
	}
}

func TestMachineBeforeTheFirstLook(t *testing.T) {
	for name := range machineViews {
		v := machineView(name, nil, 60, 15)
		screen := v.View()
		exactly(t, screen, 60, 15)
		if !strings.Contains(screen, "looking…") || strings.ContainsAny(ansi.Strip(screen), "0123456789") {
			t.Errorf("%s before the first look:\n%s", name, ansi.Strip(screen))
		}
		for _, k := range []string{"up", "down", "left", "right", "enter", "g", "G", "n", "v", "m"} {
			v.Update(press(k))
		}
		if title, text := v.Explain(); title == "" || text == "" {
			t.Errorf("%s explains nothing before the first look", name)
		}
		exactly(t, v.View(), 60, 15)
	}
}

// TestMachineKeys: no key at any moment breaks the size or panics.
func TestMachineKeys(t *testing.T) {
	all := []string{"up", "down", "left", "right", "pgdown", "pgup", "g", "G", "n", "v", "s", "enter", "esc", ">", "<", "R", "F", "/", "x", "enter", "esc"}
	for name := range machineViews {
		for machine, fixture := range machines {
			v := machineView(name, fixture(), 80, 21)
			for i := range 4 * len(all) {
				v.Update(press(all[i*7%len(all)]))
				exactly(t, v.View(), 80, 21)
				if title, text := v.Explain(); title == "" || text == "" {
					t.Fatalf("%s on %s explains nothing after %q", name, machine, all[i*7%len(all)])
				}
			}
			for y := range 21 {
				v.Update(tea.MouseClickMsg{X: 3 * y, Y: y, Button: tea.MouseLeft})
				v.Update(tea.MouseWheelMsg{X: 3 * y, Y: y, Button: tea.MouseWheelDown})
				exactly(t, v.View(), 80, 21)
			}
		}
	}
}

func press(name string) tea.KeyPressMsg {
	named := map[string]rune{
		"up": tea.KeyUp, "down": tea.KeyDown, "left": tea.KeyLeft, "right": tea.KeyRight, "pgup": tea.KeyPgUp,
		"pgdown": tea.KeyPgDown, "enter": tea.KeyEnter, "esc": tea.KeyEscape,
	}
	if code, ok := named[name]; ok {
		return tea.KeyPressMsg{Code: code}
	}
	return tea.KeyPressMsg{Code: []rune(name)[0], Text: name}
}

// TestOverviewCursor walks from the table up into the cards and back.
func TestOverviewCursor(t *testing.T) {
	v := machineView("overview", fixtureRich(), 80, 21)
	if title, _ := v.Explain(); title != "WATCHES" {
		t.Errorf("at first the cursor explains %q, not the table's sorted column", title)
	}
	for _, step := range []struct{ key, title string }{
		{"up", "Memory"}, {"right", "Which wall comes first"}, {"up", "Epoll watches per user"},
		{"left", "An idle connection on this kernel"}, {"down", "Memory"}, {"down", "WATCHES"},
	} {
		v.Update(press(step.key))
		if title, _ := v.Explain(); title != step.title {
			t.Errorf("after %s the cursor explains %q, want %q", step.key, title, step.title)
		}
	}
	cmd := v.Update(press("enter"))
	if cmd == nil {
		t.Fatal("Enter opens nothing")
	}
	if msg, ok := cmd().(openProcessMsg); !ok || msg.PID != 7424 {
		t.Errorf("Enter asks for %v", msg)
	}
}

// TestOverviewTrend: the chart grows with the looks, and the same look twice
// counts once.
func TestOverviewTrend(t *testing.T) {
	v := machineView("overview", nil, 160, 47).(*overview)
	for i := range 2 * historyLen {
		s := fixtureRich()
		s.Time = s.Time.Add(time.Duration(i) * time.Second)
		s.Epoll.Watches = int64(i)
		v.SetSnapshot(s)
		v.SetSnapshot(s)
	}
	if n := len(v.past.watches); n != historyLen || v.past.watches[0] != historyLen || v.past.watches[n-1] != 2*historyLen-1 {
		t.Errorf("the history keeps %d looks, from %v", n, v.past.watches[:1])
	}
	if screen := ansi.Strip(v.View()); !strings.Contains(screen, "Trend · the last 5 min") {
		t.Errorf("no trend of five minutes:\n%s", screen)
	}
}

func BenchmarkMachineFrame(b *testing.B) {
	for name := range machineViews {
		b.Run(name, func(b *testing.B) {
			s := fixtureNodes8()
			v := machineView(name, s, 160, 47)
			for b.Loop() {
				v.SetSnapshot(s)
				v.View()
			}
		})
	}
}
