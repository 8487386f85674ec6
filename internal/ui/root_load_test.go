package ui

import (
	"errors"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/ui/viewtest"
)

// newLoadRig is a dashboard on its Load view.
func newLoadRig(t *testing.T, change ...func(*Options)) (*rig, *viewtest.Loader) {
	t.Helper()
	f := &viewtest.Loader{}
	r := newRig(t, viewtest.RichWithLoad(nil), append([]func(*Options){func(o *Options) { o.Loader = f }}, change...)...)
	r.send(tea.WindowSizeMsg{Width: 160, Height: 50})
	r.keys("6")
	r.settle()
	return r, f
}

// begin starts the form's load and answers with l.
func (r *rig) begin(f *viewtest.Loader, l *model.Load) {
	r.t.Helper()
	f.SetAnswer(l)
	r.keys("s", "y")
	r.settle()
}

// answer ends the wait for the next answer of the load, which is l.
func (r *rig) answer(f *viewtest.Loader, l *model.Load) {
	r.t.Helper()
	f.SetAnswer(l)
	before, late := r.answers.Load(), time.After(20*time.Second)
	select {
	case r.poll <- time.Time{}:
	case <-late:
		r.t.Fatalf("nobody waits for an answer; the screen:\n%s", r.screen())
	}
	for r.answers.Load() == before {
		select {
		case <-r.changed:
		case <-late:
			r.t.Fatalf("no answer of the load; the screen:\n%s", r.screen())
		}
	}
	r.settle()
}

// polls reports whether somebody waits for the next answer.
func (r *rig) polls() bool { return r.polling.Load() > 0 }

// TestLoadFromStartToEnd is the way of a new user: start, see the answer, add some,
// drain, see the memory come back.
func TestLoadFromStartToEnd(t *testing.T) {
	r, f := newLoadRig(t)
	r.sees("✓ 10 000 connections fit", "≈ 81.2 MB", "20 000", "2 processes")
	if r.polls() {
		t.Error("it polls although there is no load")
	}
	r.keys("s")
	r.sees("Open 10 000 connections?", "20 000 sockets", "81.2 MB, 8 122 B for each (derived)", "2 worker processes")
	r.keys("esc")
	r.settle()
	f.Expect(t)
	r.begin(f, viewtest.LoadOpening())
	f.Expect(t, "start 10000 tcp4 et rate 0 active 0 unread 0")
	r.sees("Load · opening", "3 420 of 10 000", "8 550 a second, 770 ms left", "settling: 3 readings so far")
	if !r.polls() {
		t.Fatal("it does not poll while it opens")
	}
	r.answer(f, viewtest.LoadHolding())
	r.sees("Load · holding", "✓ held: opened in 527 ms", "8 110 B ± 20", "3 829 B ± 12", "208 B ± 1", "we are at 113 %", "slope 8 110 B", "slab of this machine, with others': +81.2 MB")
	r.answer(f, viewtest.LoadHolding()) // the same again: it has settled
	if r.polls() {
		t.Error("it polls although nothing changes")
	}
	r.keys(">")
	r.settle()
	f.Expect(t, "set 20000")
	r.sees("‹ 20 000 ›", "changing…")
	more := viewtest.LoadHolding()
	more.Time, more.Wanted, more.Open, more.Phase = more.Time.Add(time.Second), 20_000, 15_000, model.LoadOpening
	r.answer(f, more)
	r.sees("15 000 of 20 000")
	r.keys("d")
	r.settle()
	f.Expect(t, "set 0")
	closing := viewtest.LoadDrained()
	closing.Phase, closing.Open, closing.Found.DrainedToBaseline = model.LoadDraining, 4_000, maybe.Of[bool]{}
	r.answer(f, closing)
	r.sees("Load · draining", "closing…")
	onItsWay := viewtest.LoadDrained()
	onItsWay.Found.DrainedToBaseline = maybe.Of[bool]{}
	r.answer(f, onItsWay)
	r.sees("the memory is on its way back", "[ Start ]")
	r.answer(f, viewtest.LoadDrained())
	r.sees("✓ drained in 0.41 s, the memory came back: slab", "8 110 B ± 20")
	if r.polls() {
		t.Error("it polls although all is over")
	}
}

// TestLoadForm: each field takes its values by the arrows, numbers are typed.
func TestLoadForm(t *testing.T) {
	r, f := newLoadRig(t)
	r.keys("right", "down", "right", "right", "down", "left", "down", "right", "right", "down", "right", "down", "right")
	r.sees("20 000", "unix", "stream sockets", "none", "no epoll", "200 a second", "1 %", "1 B")
	r.sees("✗ active connections need a watch")
	r.keys("s")
	r.settle()
	r.sees("! active connections need a watch")
	if r.m.modal != nil {
		t.Error("a plan that makes no sense is asked about")
	}
	r.keys("up", "left", "g", "enter", "2", "5", "k", "q", "x", "enter")
	r.settle()
	r.sees("25 000")
	r.keys("down", "down", "down", "enter", "7", "0", "0", "enter", "down", "down", "enter", "9", "backspace", "1", "2", "enter")
	l := viewtest.LoadOpening()
	l.Wanted = 25_000
	r.begin(f, l)
	f.Expect(t, "start 25000 unix none rate 700 active 0 unread 12")
}

// TestLoadNumbers: the keys for more and fewer, and what is refused.
func TestLoadNumbers(t *testing.T) {
	r, _ := newLoadRig(t)
	want := func(n string) {
		t.Helper()
		r.settle()
		if !r.shows("✓ " + n + " connection") {
			t.Errorf("not %s connections:\n%s", n, r.screen())
		}
	}
	for _, step := range []struct{ key, n string }{
		{"+", "11 000"}, {"=", "12 000"}, {"-", "11 000"}, {">", "21 000"}, {"<", "11 000"}, {"<", "1 000"}, {"-", "1"}, {"+", "1 000"}, {">", "11 000"}, {"left", "10 000"}, {"left", "5 000"},
	} {
		r.keys(step.key)
		want(step.n)
	}
	if r.m.look.delay != time.Second {
		t.Error("+ and - changed the interval")
	}
	for _, typed := range []string{"0", "9999999999", "1.2.3", "k", "1000M"} {
		r.keys("enter")
		for _, c := range typed {
			r.keys(string(c))
		}
		r.keys("enter")
		want("5 000")
		if !strings.HasPrefix(r.status(), "! ") || !r.m.isTyping() {
			t.Errorf("typing %s says %q", typed, r.status())
		}
		r.keys("esc")
	}
	if !r.shows("[6 Load]") {
		t.Error("Esc while typing leaves the view")
	}
	r.keys("enter", "enter")
	want("5 000")
	// In another view they are the interval's.
	r.keys("1", "+")
	r.sees("every 2s")
}

// TestLoadWhileOpen: only the number changes; what is asked last counts, and one
// change is under way at a time.
func TestLoadWhileOpen(t *testing.T) {
	r, f := newLoadRig(t)
	r.begin(f, viewtest.LoadHolding())
	f.TakeCalls()
	r.keys("s")
	r.settle()
	r.sees("a load is open already")
	release := f.Block()
	r.keys("+", "+", "+", "<", ">", ">")
	release()
	r.settle()
	f.Expect(t, "set 11000", "set 23000")
	r.keys("enter", "5", "k", "enter")
	r.settle()
	f.Expect(t, "set 5000")
	r.keys("<")
	r.settle()
	f.Expect(t, "set 0")
	r.keys("down")
	if here, _ := r.m.current().Explain(); here != "start and drain" {
		t.Errorf("below the number comes %s", here)
	}
	r.keys("enter")
	r.settle()
	f.Expect(t, "set 0")
}

func TestLoadThatDoesNotStart(t *testing.T) {
	r, f := newLoadRig(t)
	f.Err = errors.New("getrlimit: operation not permitted")
	r.begin(f, nil)
	r.sees("! the load: getrlimit: operation not permitted", "[ Start ]")
	if r.polls() || r.m.openConnections() != 0 {
		t.Error("a load that did not start is waited for")
	}
}

// TestOldAnswers: an answer that is older than what is on screen is not shown.
func TestOldAnswers(t *testing.T) {
	r, f := newLoadRig(t)
	r.begin(f, viewtest.LoadHolding())
	r.snap = viewtest.RichWithLoad(viewtest.LoadOpening())
	r.keys("r")
	r.settle()
	r.sees("Load · holding")
	r.snap = viewtest.RichWithLoad(viewtest.LoadDrained())
	r.keys("r")
	r.settle()
	r.sees("the memory came back")
}

// TestQuitAsks: with connections open, q asks first, and Ctrl-C does not.
func TestQuitAsks(t *testing.T) {
	r, f := newLoadRig(t)
	r.begin(f, viewtest.LoadHolding())
	r.keys("2", "q")
	r.settle()
	r.sees("Close 10 000 connections and quit?", "[2 Processes]")
	r.keys("q", "esc")
	r.settle()
	if r.quit || r.m.modal != nil {
		t.Fatalf("after q and Esc: quit %v", r.quit)
	}
	r.sees("holds 10 000 connections")
	r.keys("q", "y")
	r.settle()
	if !r.quit || r.m.interrupted {
		t.Errorf("after y: quit %v, interrupted %v", r.quit, r.m.interrupted)
	}
	for name, before := range map[string][]string{"a view": nil, "the question": {"q"}, "a prompt": {"p"}, "a filter": {"2", "/"}, "the form": {"6", "enter"}} {
		r, f = newLoadRig(t)
		r.begin(f, viewtest.LoadHolding())
		r.keys(before...)
		r.keys("ctrl+c")
		r.settle()
		if !r.quit || !r.m.interrupted {
			t.Errorf("Ctrl-C over %s: quit %v, interrupted %v", name, r.quit, r.m.interrupted)
		}
	}
	r, f = newLoadRig(t)
	r.begin(f, viewtest.LoadDrained())
	r.keys("q")
	r.settle()
	if !r.quit {
		t.Error("q asks although all is drained")
	}
}

// TestLoadElsewhere: on another view nobody polls, and coming back goes on.
func TestLoadElsewhere(t *testing.T) {
	r, f := newLoadRig(t)
	r.begin(f, viewtest.LoadOpening())
	r.keys("1")
	r.answer(f, viewtest.LoadOpening()) // that one was under way
	if r.polls() {
		t.Error("it polls while another view is on screen")
	}
	r.keys("6")
	r.settle()
	if !r.polls() {
		t.Error("it does not poll after coming back")
	}
	r.keys("space")
	r.answer(f, viewtest.LoadOpening())
	if r.polls() {
		t.Error("it polls although all is frozen")
	}
	r.keys("+")
	r.settle()
	if r.m.look.frozen || !r.polls() {
		t.Errorf("changing the load does not end the freeze:\n%s", r.screen())
	}
}

// TestLoadFocus: looks read the limits of a load at first, and while it is planned.
func TestLoadFocus(t *testing.T) {
	r, _ := newLoadRig(t)
	if first := <-r.focuses; !first.Limits {
		t.Error("the first look reads no limits")
	}
	for tab, want := range map[string]bool{"6": true, "2": false} {
		r.keys(tab, "r")
		r.settle()
		var last Focus
		for len(r.focuses) > 0 {
			last = <-r.focuses
		}
		if last.Limits != want {
			t.Errorf("on view %s a look reads limits: %v", tab, last.Limits)
		}
	}
}

// TestLoadAtOnce is eptop --load 5000.
func TestLoadAtOnce(t *testing.T) {
	f := &viewtest.Loader{Answer: viewtest.LoadOpening()}
	r := newRig(t, viewtest.RichWithLoad(nil), func(o *Options) { o.Loader, o.Load = f, 5_000 })
	r.settle()
	r.sees("[6 Load]", "Load · opening")
	if got := f.TakeCalls(); len(got) == 0 || got[0] != "start 5000 tcp4 et rate 0 active 0 unread 0" {
		t.Errorf("asked for %q", got)
	}
}

func TestNoLoader(t *testing.T) {
	r := newRig(t, viewtest.Rich())
	r.keys("6", "s", "enter", "d", "+", "e", "esc")
	r.settle()
	r.sees("No load can be opened from here", "every 2s")
}

func TestLoadMouse(t *testing.T) {
	r, _ := newLoadRig(t)
	click := func(text string) {
		t.Helper()
		for y, line := range strings.Split(r.screen(), "\n") {
			if i := strings.Index(line, text); i >= 0 {
				r.send(tea.MouseClickMsg{X: len([]rune(line[:i])), Y: y, Button: tea.MouseLeft})
				r.settle()
				return
			}
		}
		t.Fatalf("%q is not on screen:\n%s", text, r.screen())
	}
	click("family")
	if here, _ := r.m.current().Explain(); here != "family" {
		t.Errorf("a click on the family goes to %s", here)
	}
	click("family")
	r.sees("tcp6", "over ::1")
	click("What this machine can hold")
	r.keys("e")
	r.sees("The number of connections at which each limit stops a load", "sysctl fs.file-max=4932354")
	r.keys("esc")
	click("[ Start ]")
	r.sees("Open 10 000 connections?")
}

// TestLoadPanics: a generator that panics is a line on the screen.
func TestLoadPanics(t *testing.T) {
	r := newRig(t, viewtest.RichWithLoad(nil), func(o *Options) { o.Loader = panicLoader{} })
	r.keys("6", "s", "y")
	r.settle()
	r.sees("starting a load went wrong inside eptop: index out of range")
}

type panicLoader struct{}

func (panicLoader) Start(model.LoadPlan) error { panic("index out of range") }

func (panicLoader) Set(int64) {}

func (panicLoader) Load() *model.Load { return nil }

// TestTooSmallObeysNoKey: on a terminal too small for a view no key, paste or click
// changes what is not shown, whatever is there.
func TestTooSmallObeysNoKey(t *testing.T) {
	for name, before := range map[string][]string{
		"the load": {"6"}, "the form": {"6", "enter"}, "a number": {"6", "n"}, "the question": {"q"}, "the help": {"?"},
		"a prompt": {"p"}, "a filter": {"2", "/"}, "frozen": {"space"}, "a process": {"2", "enter"},
	} {
		t.Run(name, func(t *testing.T) {
			r, f := newLoadRig(t)
			r.begin(f, viewtest.LoadHolding())
			r.keys(before...)
			r.settle()
			want := r.screen()
			f.TakeCalls()
			r.send(tea.WindowSizeMsg{Width: 3, Height: 3})
			r.keys("2", "6", "enter", "esc", "1", "3", "4", "5", "?", "e", "tab", "shift+tab", "s", "y", "+", "-", "up", "down", "left", "right", "x",
				"space", "space", "p", "backspace", "enter", "/", "a", "enter", "w", "m", "d", "R")
			r.send(tea.PasteMsg{Content: "26"}, tea.MouseClickMsg{X: 1, Y: 1, Button: tea.MouseLeft}, tea.MouseWheelMsg{X: 1, Y: 2, Button: tea.MouseWheelDown})
			r.settle()
			r.send(tea.WindowSizeMsg{Width: 160, Height: 50})
			if got := r.screen(); got != want {
				t.Errorf("it became\n%s\nand was\n%s", got, want)
			}
			f.Expect(t)
			if r.quit {
				t.Error("it has quit")
			}
		})
	}
}
