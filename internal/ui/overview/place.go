package overview

import (
	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"github.com/eptop/eptop/internal/ui/draw"
	"github.com/eptop/eptop/internal/ui/view"
)

// part is a question that the top of the view answers: in one line, or opened in cards.
type part int

const (
	partLook part = iota
	partCost
	partLimits
	partMemory
	partMissing
)

// spot is where the cursor can be on top: a part's line, one of its cards, or a row of a
// card, counted from 1 on.
type spot struct {
	part part
	card overviewCard
	row  int
}

// stop is a spot on the screen, and what Enter does there, in a word and in truth.
type stop struct {
	spot
	at    draw.Place
	does  string
	enter func() tea.Cmd
}

// stop returns the stop under the cursor; false in the table.
func (v *View) stop() (stop, bool) {
	if i := v.index(); i >= 0 {
		return v.top.stops[i], true
	}
	return stop{}, false
}

// index returns the index of the stop under the cursor. Where that is not on screen any
// more it is another one of its card or part; -1 where there is none, and in the table.
func (v *View) index() int {
	if !v.onTop {
		return -1
	}
	best, most := -1, 0
	for i := range v.top.stops {
		s, alike := v.top.stops[i].spot, 0
		switch {
		case s == v.here:
			alike = 4
		case s.part == v.here.part && s.card == v.here.card && s.row <= v.here.row:
			alike = 3
		case s.part == v.here.part:
			alike = 2
		}
		if alike >= most && alike > 0 && (alike > most || alike == 3) {
			best, most = i, alike
		}
	}
	return best
}

// focus moves the cursor to the top or into the table.
func (v *View) focus(top bool) {
	v.onTop = top
	v.table.SetFocused(!top)
}

// handleKey handles the keys that move on top and into the table, and Enter there. It
// reports whether the key was one of them.
func (v *View) handleKey(msg tea.KeyPressMsg) (tea.Cmd, bool) {
	i := v.index()
	dx, dy := 0, 0
	switch k := v.keys; {
	case key.Matches(msg, k.Enter):
		if i < 0 {
			return nil, false
		}
		return v.top.stops[i].enter(), true
	case key.Matches(msg, k.Left):
		dx = -1
	case key.Matches(msg, k.Right):
		dx = 1
	case key.Matches(msg, k.Up):
		dy = -1
	case key.Matches(msg, k.Down):
		dy = 1
	default:
		return nil, false
	}
	if i < 0 {
		return nil, dy < 0 && v.leaveTable(msg)
	}
	places := make([]draw.Place, len(v.top.stops))
	for j := range places {
		places[j] = v.top.stops[j].at
	}
	next := draw.Step(places, i, dx, dy)
	if next == i && dy > 0 {
		v.focus(false)
		return nil, true
	}
	v.here = v.top.stops[next].spot
	return nil, true
}

// leaveTable moves up in the table. From the first row the cursor goes to the lowest stop on
// the left, if there is one.
func (v *View) leaveTable(msg tea.KeyPressMsg) bool {
	before, ok := v.table.Row()
	v.table.Update(msg)
	if after, _ := v.table.Row(); ok && after != before {
		return true
	}
	best := -1
	for i := range v.top.stops {
		if at := v.top.stops[i].at; at.X == 0 && (best < 0 || at.Y > v.top.stops[best].at.Y) {
			best = i
		}
	}
	if best < 0 {
		return false
	}
	v.here = v.top.stops[best].spot
	v.focus(true)
	return true
}

// click moves the cursor to a stop; a click on the one under the cursor is an Enter.
func (v *View) click(msg tea.MouseClickMsg) tea.Cmd {
	if msg.Button != tea.MouseLeft {
		return nil
	}
	best := -1
	for i := range v.top.stops {
		at := v.top.stops[i].at
		if msg.X >= at.X && msg.X < at.X+at.W && msg.Y >= at.Y && msg.Y < at.Y+at.H {
			best = i // a row lies after its card
		}
	}
	if best < 0 {
		return nil
	}
	if v.index() == best {
		return v.top.stops[best].enter()
	}
	v.here = v.top.stops[best].spot
	v.focus(true)
	return nil
}

// toggle opens or closes a part.
func (v *View) toggle(p part, open bool) func() tea.Cmd {
	return func() tea.Cmd {
		v.opened[p] = open
		v.layout()
		return nil
	}
}

// goTo returns the command that shows a view.
func goTo(title string) func() tea.Cmd {
	return func() tea.Cmd { return view.Send(view.OpenViewMsg{Title: title}) }
}

// goToProcess returns the command that shows a process.
func goToProcess(pid int) func() tea.Cmd {
	return func() tea.Cmd { return view.Send(view.OpenProcessMsg{PID: pid}) }
}
