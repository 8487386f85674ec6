package lab

import (
	"fmt"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/eptop/eptop/internal/lab"
	"github.com/eptop/eptop/internal/ui/view"
	"github.com/eptop/eptop/internal/ui/viewtest"
)

// bench answers with a state made by hand, and keeps what it was asked for.
type bench struct {
	state    lab.State
	tried    []string
	released int
}

func (b *bench) Try(e *lab.Experiment) {
	b.tried = append(b.tried, e.Name)
	b.state = lab.State{Name: e.Name, Results: b.state.Results}
}
func (b *bench) Release()         { b.released++; b.state.Held = nil }
func (b *bench) State() lab.State { return b.state }

func steps() []lab.Step {
	return []lab.Step{
		{At: 40 * time.Microsecond, Who: "server", Did: "watches a pipe with each: level in epoll fd 11, edge in epoll fd 12"},
		{At: 500 * time.Microsecond, Who: "server, level", Did: "epoll_wait(): 1 event, fd 6 IN", Woke: true},
		{At: 510 * time.Microsecond, Who: "server, edge", Did: "epoll_wait(): no event"},
	}
}

// states are what the page is drawn with.
func states() map[string]lab.State {
	passed := lab.Result{Name: "et-half-read", Verdict: lab.Pass, Evidence: "second wait: level 1 event, edge no event",
		Facts: []lab.Fact{{What: "second wait, edge triggered", Promised: "no event", Seen: "no event"}}, Steps: steps(),
		Series: []lab.Series{{Name: "poll", Unit: "ns", Points: []lab.Point{{At: "10", Value: 1300}, {At: "19000", Value: 2.8e6}}}}}
	differs := lab.Result{Name: "et-half-read", Verdict: lab.Different, Evidence: "second wait: 1 event, promised is no event",
		Facts: []lab.Fact{{What: "second wait", Promised: "no event", Seen: "1 event", Differs: true}}}
	return map[string]lab.State{
		"fresh":   {},
		"running": {Name: "et-half-read", PID: 4242, Steps: steps()[:2]},
		"held": {Name: "et-half-read", PID: 4242, Steps: steps(),
			Held: &lab.Held{PID: 4242, FDs: []lab.HeldFD{{FD: 12, What: "the epoll of the edge-triggered watch"}}}},
		"passed":  {Name: "et-half-read", Result: &passed, Results: map[string]lab.Result{"et-half-read": passed}},
		"differs": {Name: "et-half-read", Result: &differs, Results: map[string]lab.Result{"et-half-read": differs}},
	}
}

func shown(s lab.State, w, h int) (*View, *bench) {
	v := New(view.NewKeyMap()).(*View)
	b := &bench{state: s}
	v.SetBench(b)
	v.SetSize(w, h)
	return v, b
}

func TestLabGolden(t *testing.T) {
	for name, s := range states() {
		for _, size := range [][2]int{{80, 24}, {120, 40}} {
			file := fmt.Sprintf("lab-%s-%dx%d", name, size[0], size[1])
			t.Run(file, func(t *testing.T) {
				v, _ := shown(s, size[0], size[1]-viewtest.ChromeLines)
				viewtest.Exactly(t, v.View(), size[0], size[1]-viewtest.ChromeLines)
				viewtest.Golden(t, file, v.View())
			})
		}
	}
}

// TestLabSizes: the page has exactly its size, and no key breaks that.
func TestLabSizes(t *testing.T) {
	for name, s := range states() {
		v, _ := shown(s, 20, 8)
		draw := func(w, h int) string {
			v.SetSize(w, h)
			return v.View()
		}
		for _, size := range viewtest.Sizes(7, draw) {
			viewtest.Exactly(t, draw(size[0], size[1]), size[0], size[1])
		}
		v.SetSize(70, 20)
		for _, k := range []string{"up", "down", "pgdown", "pgdown", "G", "pgup", "g", "d", "s", "enter"} {
			v.Update(viewtest.Press(k))
			viewtest.Exactly(t, v.View(), 70, 20)
			if title, text := v.Explain(); title == "" || text == "" {
				t.Fatalf("%s explains nothing after %q", name, k)
			}
		}
		for y := range 20 {
			v.Update(tea.MouseClickMsg{X: y, Y: y, Button: tea.MouseLeft})
			viewtest.Exactly(t, v.View(), 70, 20)
		}
	}
}

// TestLabKeys: Enter tries, and goes into the process while it is held; d lets it go on.
func TestLabKeys(t *testing.T) {
	v, b := shown(lab.State{}, 100, 30)
	if v.Poll() != nil {
		t.Error("polls before anything runs")
	}
	v.Update(viewtest.Press("down"))
	v.Update(viewtest.Press("up"))
	v.Update(viewtest.Press("enter"))
	if strings.Join(b.tried, " ") != "et-half-read" {
		t.Fatalf("tried %v", b.tried)
	}
	poll := v.Poll()
	if poll == nil || v.Poll() != nil {
		t.Fatal("one poll at a time while it runs")
	}
	b.state = states()["held"]
	v.Update(poll())
	into := v.Update(viewtest.Press("enter"))
	if into == nil || len(b.tried) != 1 {
		t.Fatalf("held: %v", b.tried)
	}
	if msg, ok := into().(view.OpenProcessMsg); !ok || msg.PID != 4242 {
		t.Errorf("goes to %+v", into())
	}
	v.Update(viewtest.Press("d"))
	if b.released != 1 {
		t.Error("not let go")
	}
	b.state = states()["differs"]
	v.Update(v.Poll()())
	if v.Poll() != nil || !strings.Contains(v.View(), "DIFFERENT") {
		t.Error("the end is not shown, or polled on")
	}
}

// TestCapturedTree: where nothing can be started, the page says so.
func TestCapturedTree(t *testing.T) {
	v := New(view.NewKeyMap()).(*View)
	v.SetSize(100, 20)
	if !strings.Contains(v.View(), "captured tree") || v.Update(viewtest.Press("enter")) != nil {
		t.Error(v.View())
	}
}
