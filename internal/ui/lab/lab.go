// Package lab is the page that tries epoll's rules on the kernel that runs: a list of
// experiments, and the steps of one as they happen.
package lab

import (
	"fmt"
	"strings"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"github.com/eptop/eptop/internal/lab"
	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/ui/draw"
	"github.com/eptop/eptop/internal/ui/theme"
	"github.com/eptop/eptop/internal/ui/view"
)

// View lists the experiments and shows one of them.
type View struct {
	keys keyMap
	pens *draw.Pens
	w, h int

	bench   view.Bench
	list    []*lab.Experiment
	here    int
	top     int // the first experiment on screen
	scroll  int // the first line of the page on screen
	state   lab.State
	polling bool
}

var (
	_ view.BenchUser      = (*View)(nil)
	_ view.Poller         = (*View)(nil)
	_ view.StatusReporter = (*View)(nil)
)

type keyMap struct {
	view.KeyMap
	Try, Release, Into key.Binding
}

// stateMsg is the answer to a poll.
type stateMsg lab.State

// New returns the page before its first snapshot.
func New(keys view.KeyMap) view.View {
	bind := func(k, help, desc string) key.Binding {
		return key.NewBinding(key.WithKeys(k), key.WithHelp(help, desc))
	}
	return &View{
		keys: keyMap{KeyMap: keys, Try: bind("s", "s", "start it"), Release: bind("d", "d", "let it go on"),
			Into: key.NewBinding(key.WithKeys(keys.Enter.Keys()...), key.WithHelp("Enter", "try it, or go into its process"))},
		pens: draw.NewPens(theme.New(true)), list: lab.All(),
	}
}

func (v *View) Title() string               { return "Lab" }
func (v *View) SetTheme(t theme.Theme)      { v.pens = draw.NewPens(t) }
func (v *View) SetSize(w, h int)            { v.w, v.h = w, h }
func (v *View) SetSnapshot(*model.Snapshot) {}

// SetBench hands over what runs the experiments.
func (v *View) SetBench(b view.Bench) { v.bench, v.state = b, b.State() }

// Poll returns a command that reads how far the experiment is, while it runs.
func (v *View) Poll() tea.Cmd {
	if v.bench == nil || v.polling || !v.state.Running() {
		return nil
	}
	v.polling = true
	b := v.bench
	return func() tea.Msg { return stateMsg(b.State()) }
}

// Update handles keys, the mouse and the answer to a poll.
func (v *View) Update(msg tea.Msg) tea.Cmd {
	if v.bench == nil {
		return nil
	}
	switch msg := msg.(type) {
	case stateMsg:
		v.polling = false
		v.state = lab.State(msg)
	case tea.KeyPressMsg:
		return v.handleKey(msg)
	case tea.MouseClickMsg:
		at := v.top + msg.Y - 1
		if msg.Button != tea.MouseLeft || msg.X >= v.listWidth() || msg.Y < 1 || msg.Y > v.rows() || at >= len(v.list) {
			return nil
		}
		if at == v.here {
			return v.activate()
		}
		v.move(at - v.here)
	case tea.MouseWheelMsg:
		switch msg.Button {
		case tea.MouseWheelUp:
			v.move(-1)
		case tea.MouseWheelDown:
			v.move(1)
		}
	}
	return nil
}

func (v *View) handleKey(msg tea.KeyPressMsg) tea.Cmd {
	k := v.keys
	switch {
	case key.Matches(msg, k.Up):
		v.move(-1)
	case key.Matches(msg, k.Down):
		v.move(1)
	case key.Matches(msg, k.Top):
		v.move(-len(v.list))
	case key.Matches(msg, k.Bottom):
		v.move(len(v.list))
	case key.Matches(msg, k.PageDown):
		v.scroll += max(1, v.rows()/2)
	case key.Matches(msg, k.PageUp):
		v.scroll = max(0, v.scroll-max(1, v.rows()/2))
	case key.Matches(msg, k.Try):
		return v.try()
	case key.Matches(msg, k.Release):
		v.bench.Release()
		v.state = v.bench.State()
	case key.Matches(msg, k.Into):
		return v.activate()
	}
	return nil
}

// move moves the cursor and keeps it on screen.
func (v *View) move(by int) {
	v.here = min(max(0, v.here+by), len(v.list)-1)
	v.scroll = 0
}

// activate goes into the process of the experiment under the cursor while that is held, and
// tries it otherwise.
func (v *View) activate() tea.Cmd {
	if h := v.state.Held; h != nil && v.state.Name == v.list[v.here].Name {
		return view.Send(view.OpenProcessMsg{PID: h.PID})
	}
	return v.try()
}

func (v *View) try() tea.Cmd {
	v.bench.Try(v.list[v.here])
	v.state, v.scroll = v.bench.State(), 0
	return view.Send(view.ThawMsg{})
}

// rows is how many lines stand inside a card.
func (v *View) rows() int { return max(1, v.h-2) }

// listWidth is the width of the list: enough for a name and its mark.
func (v *View) listWidth() int {
	w := 0
	for _, e := range v.list {
		w = max(w, len(e.Name))
	}
	return min(w+6, v.w/2)
}

// View draws the list beside the page of the experiment under the cursor.
func (v *View) View() string {
	if v.bench == nil {
		return strings.Join(draw.Exact([]string{"", "  " + v.pens.Warn.Ink(draw.Fit("No experiment can be run from here: eptop shows a captured tree.", max(1, v.w-4)))}, v.w, v.h), "\n")
	}
	left := v.listWidth()
	right := v.w - left
	v.top = min(v.top, v.here)
	v.top = min(max(v.top, v.here-v.rows()+1, 0), max(0, len(v.list)-v.rows()))
	var names []string
	for i := v.top; i < min(len(v.list), v.top+v.rows()); i++ {
		names = append(names, v.row(i, draw.CardInner(left)))
	}
	page := v.page(draw.CardInner(right))
	v.scroll = min(v.scroll, max(0, len(page)-v.rows()))
	if len(page)-v.scroll > v.rows() {
		shown := page[v.scroll : v.scroll+v.rows()-1]
		more := fmt.Sprintf("%d lines more: PgDn", len(page)-v.scroll-v.rows()+1)
		page = append(append([]string{}, shown...), v.pens.Muted.Ink(more))
	} else {
		page = page[v.scroll:]
	}
	a := v.pens.Card("Experiments", left, v.h, true, names)
	b := v.pens.Card(v.list[v.here].Name, right, v.h, false, page)
	for i := range a {
		a[i] += b[i]
	}
	return strings.Join(a, "\n")
}

// row is the line of an experiment in the list.
func (v *View) row(i, w int) string {
	e := v.list[i]
	mark, pen := "  ", v.pens.Text
	switch r, tried := v.state.Results[e.Name]; {
	case v.state.Name == e.Name && v.state.Held != nil:
		mark = "‖ "
	case v.state.Name == e.Name && v.state.Running():
		mark = "▶ "
	case tried && r.Verdict == lab.Pass:
		mark, pen = "✓ ", v.pens.Good
	case tried && r.Verdict == lab.Different:
		mark, pen = "≠ ", v.pens.Crit
	case tried:
		mark, pen = "? ", v.pens.Warn
	}
	if i == v.here {
		pen = v.pens.Selected
	}
	return pen.Ink(draw.Fit(mark+e.Name, w))
}

// Status says where the cursor is.
func (v *View) Status() string { return fmt.Sprintf("%d of %d", v.here+1, len(v.list)) }

// Keys are the keys of the page.
func (v *View) Keys() []key.Binding {
	return []key.Binding{v.keys.Into, v.keys.Try, v.keys.Release, v.keys.Up, v.keys.Down, v.keys.PageDown}
}

// Explain says what the experiment under the cursor is about.
func (v *View) Explain() (title, text string) {
	e := v.list[v.here]
	return e.Title, fmt.Sprintf("The manual: %s (%s)\n\nIn the kernel: %s, since Linux %s.\n\nIn a server: %s\n\n"+
		"The experiment runs in a process of its own, which ends with eptop. It touches nothing that other processes have.",
		e.Promise, e.Section, e.Function, e.Since, e.Advice)
}
