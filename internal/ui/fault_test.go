package ui

import (
	"testing"

	tea "charm.land/bubbletea/v2"

	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/ui/view"
	"github.com/eptop/eptop/internal/ui/viewtest"
)

type whole = view.View

// broken is a view that panics where it is asked to.
type broken struct {
	whole
	inView, inUpdate, inCommand, inSnapshot bool
}

func (b *broken) View() string {
	if b.inView {
		panic("in View")
	}
	return b.whole.View()
}

func (b *broken) Update(msg tea.Msg) tea.Cmd {
	if b.inUpdate {
		panic("in Update")
	}
	if b.inCommand {
		return tea.Batch(func() tea.Msg { return nil }, func() tea.Msg { panic("in a command") })
	}
	return b.whole.Update(msg)
}

func (b *broken) SetSnapshot(s *model.Snapshot) {
	if b.inSnapshot {
		panic("in SetSnapshot")
	}
	b.whole.SetSnapshot(s)
}

// TestFault: a panic in a view ends neither eptop nor its load. The screen shows that and
// no numbers, whatever comes, until the views are made anew.
func TestFault(t *testing.T) {
	for name, breakIt := range map[string]func(*rig, *broken){
		"in View":        func(r *rig, b *broken) { b.inView = true; r.keys("down") },
		"in Update":      func(r *rig, b *broken) { b.inUpdate = true; r.keys("down") },
		"in a command":   func(r *rig, b *broken) { b.inCommand = true; r.keys("down"); r.settle() },
		"in SetSnapshot": func(r *rig, b *broken) { b.inSnapshot = true; r.keys("r"); r.settle() },
	} {
		t.Run(name, func(t *testing.T) {
			f := &viewtest.Loader{}
			f.SetAnswer(viewtest.LoadHolding())
			r := newRig(t, viewtest.RichWithLoad(viewtest.LoadHolding()), func(o *Options) { o.Loader = f })
			b := &broken{whole: r.m.views[0]}
			r.m.views[0] = b
			breakIt(r, b)
			r.sees("went wrong: "+name, "The load continues: 10 000 connections", "q quits and closes the connections")
			for _, size := range [][2]int{{1, 1}, {2, 40}, {0, 0}, {200, 3}, {80, 24}} {
				r.send(tea.WindowSizeMsg{Width: size[0], Height: size[1]}, tea.MouseClickMsg{X: 3, Y: 1}, tea.PasteMsg{Content: "x"})
				if size[0] > 0 {
					fills(t, "the fault", r.m.View().Content, size[0], size[1])
				}
			}
			r.keys("1", "2", "esc", "down", "?")
			r.settle()
			r.sees("went wrong: " + name)
			if calls := f.TakeCalls(); len(calls) > 0 || r.quit {
				t.Errorf("the load was changed: %v", calls)
			}
			r.keys("r")
			r.settle()
			r.sees("Look here", "a TCP connection's end")
			if err := r.m.report(); err == nil {
				t.Error("the end is silent about it")
			}
			r.keys("2")
			r.settle()
			r.sees("WATCHES")
		})
	}
	r := newRig(t, viewtest.Rich())
	r.m.views[0] = &broken{whole: r.m.views[0], inView: true}
	r.keys("down")
	r.sees("q quits.")
	r.keys("q")
	r.settle()
	if !r.quit {
		t.Error("q does not quit")
	}
}

// TestNoQuestionWithoutColour: a terminal that shows no colours is not asked for one.
func TestNoQuestionWithoutColour(t *testing.T) {
	for _, noColor := range []bool{false, true} {
		m := New(Options{NoColor: noColor})
		if asked := m.Init() != nil; asked == noColor {
			t.Errorf("without colours %v, asked %v", noColor, asked)
		}
	}
}
