package ui

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
	"github.com/google/go-cmp/cmp"

	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/model"
)

// newLoadRig is a dashboard on its Load view.
func newLoadRig(t *testing.T, change ...func(*Options)) (*rig, *fakeLoader) {
	t.Helper()
	f := &fakeLoader{}
	r := newRig(t, fixtureLoad(nil), append([]func(*Options){func(o *Options) { o.Loader = f }}, change...)...)
	r.send(tea.WindowSizeMsg{Width: 160, Height: 50})
	r.keys("6")
	r.settle()
	return r, f
}

// begin starts the form's load and answers with l.
func (r *rig) begin(f *fakeLoader, l *model.Load) {
	r.t.Helper()
	f.is(l)
	r.keys("s", "y")
	r.settle()
}

// answer ends the wait for the next answer of the load, which is l.
func (r *rig) answer(f *fakeLoader, l *model.Load) {
	r.t.Helper()
	f.is(l)
	select {
	case r.poll <- time.Time{}:
	case <-time.After(20 * time.Second):
		r.t.Fatalf("nobody waits for an answer; the screen:\n%s", r.screen())
	}
	r.until("the answer", func() bool { return r.loadView().run.now == l })
	r.settle()
}

// polls reports whether somebody waits for the next answer.
func (r *rig) polls() bool { return r.loadView().run.polling }

func (r *rig) loadView() *load {
	for _, v := range r.m.views {
		if l, ok := v.(*load); ok {
			return l
		}
	}
	return nil
}

func (f *fakeLoader) expect(t *testing.T, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, f.asked()); diff != "" {
		t.Errorf("the loader was asked (-want +got):\n%s", diff)
	}
}

func TestLoadGolden(t *testing.T) {
	loads := map[string]func() *model.Load{
		"idle": nil, "opening": loadOpening, "holding": loadHolding, "stopped": loadStopped, "drained": loadDrained, "denied": loadDenied,
	}
	for name, l := range loads {
		for _, size := range [][2]int{{60, 15}, {80, 24}, {100, 40}, {160, 50}, {140, 30}} {
			file := fmt.Sprintf("load-%s-%dx%d", name, size[0], size[1])
			t.Run(file, func(t *testing.T) {
				w, h := size[0], size[1]-chrome
				v := loadOf(l, w, h)
				screen := v.View()
				exactly(t, screen, w, h)
				golden(t, file, screen)
			})
		}
	}
}

// loadOf is a Load view that shows a load.
func loadOf(l func() *model.Load, w, h int) *load {
	v := newLoad(newKeyMap()).(*load)
	v.Drive(&fakeLoader{}, 0)
	v.SetSize(w, h)
	if l == nil {
		v.SetSnapshot(fixtureLoad(nil))
		return v
	}
	now := l()
	v.run.target = now.Wanted
	v.SetSnapshot(fixtureLoad(now))
	return v
}

// TestLoadSizes: the view has exactly its size, whatever is the matter, and no key
// breaks that.
func TestLoadSizes(t *testing.T) {
	loads := []func() *model.Load{nil, loadOpening, loadHolding, loadStopped, loadDrained, loadDenied, func() *model.Load { return &model.Load{} }}
	for i, l := range loads {
		v := loadOf(l, 20, 8)
		for w := 20; w <= 200; w += 3 {
			for h := 8; h <= 60; h += 2 {
				v.SetSize(w, h)
				exactly(t, v.View(), w, h)
			}
		}
		for _, k := range []string{"up", "down", "left", "right", "g", "G", "enter", "5", "x", "backspace", "esc", "+", "-", "<", ">", "s", "d", "down", "down", "down", "enter", "up"} {
			v.Update(stroke(k))
			exactly(t, v.View(), 200, 60)
			if title, text := v.Explain(); title == "" || text == "" {
				t.Fatalf("load %d explains nothing after %q", i, k)
			}
		}
		for y := range 60 {
			v.Update(tea.MouseClickMsg{X: 3 * y, Y: y, Button: tea.MouseLeft})
			exactly(t, v.View(), 200, 60)
		}
	}
}

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
	f.expect(t)
	r.begin(f, loadOpening())
	f.expect(t, "start 10000 tcp4 et rate 0 active 0 unread 0")
	r.sees("Load · opening", "3 420 of 10 000", "8 550 a second, 770 ms left", "settling: 3 readings so far")
	if !r.polls() {
		t.Fatal("it does not poll while it opens")
	}
	r.answer(f, loadHolding())
	r.sees("Load · holding", "✓ held: opened in 527 ms", "8 110 B ± 20", "3 829 B ± 12", "208 B ± 1", "we are at 113 %", "slope 8 110 B", "81.2 MB of kernel memory above the start")
	r.answer(f, loadHolding()) // the same again: it has settled
	if r.polls() {
		t.Error("it polls although nothing changes")
	}
	r.keys(">")
	r.settle()
	f.expect(t, "set 20000")
	r.sees("‹ 20 000 ›", "changing…")
	more := loadHolding()
	more.Time, more.Wanted, more.Open, more.Phase = more.Time.Add(time.Second), 20_000, 15_000, model.LoadOpening
	r.answer(f, more)
	r.sees("15 000 of 20 000")
	r.keys("d")
	r.settle()
	f.expect(t, "set 0")
	closing := loadDrained()
	closing.Phase, closing.Open, closing.Found.DrainedToBaseline = model.LoadDraining, 4_000, maybe.Of[bool]{}
	r.answer(f, closing)
	r.sees("Load · draining", "closing…")
	onItsWay := loadDrained()
	onItsWay.Found.DrainedToBaseline = maybe.Of[bool]{}
	r.answer(f, onItsWay)
	r.sees("the memory is on its way back: 257.0", "[ Start ]")
	r.answer(f, loadDrained())
	r.sees("✓ drained in 0.41 s, the memory came back: 257.0", "8 110 B ± 20")
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
	l := loadOpening()
	l.Wanted = 25_000
	r.begin(f, l)
	f.expect(t, "start 25000 unix none rate 700 active 0 unread 12")
}

// TestLoadNumbers: the keys for more and fewer, and what is refused.
func TestLoadNumbers(t *testing.T) {
	r, _ := newLoadRig(t)
	want := func(n string) {
		t.Helper()
		r.settle()
		if got := r.loadView().plan.Connections; fmt.Sprint(got) != n {
			t.Errorf("%d connections, want %s\n%s", got, n, r.screen())
		}
	}
	for _, step := range []struct{ key, n string }{
		{"+", "11000"}, {"=", "12000"}, {"-", "11000"}, {">", "21000"}, {"<", "11000"}, {"<", "1000"}, {"-", "1"}, {"+", "1000"}, {">", "11000"}, {"left", "10000"}, {"left", "5000"},
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
		want("5000")
		if !strings.HasPrefix(r.status(), "! ") || !r.loadView().typing {
			t.Errorf("typing %s says %q", typed, r.status())
		}
		r.keys("esc")
	}
	if !r.shows("[6 Load]") {
		t.Error("Esc while typing leaves the view")
	}
	r.keys("enter", "enter")
	want("5000")
	// In another view they are the interval's.
	r.keys("1", "+")
	r.sees("every 2s")
}

func TestParseNumber(t *testing.T) {
	for text, want := range map[string]float64{"10000": 10_000, "10 000": 10_000, "10k": 10_000, "1.5M": 1_500_000, "2m": 2_000_000, "0": 0, "0.5": 0.5} {
		if got, err := parseNumber(text); err != nil || got != want {
			t.Errorf("parseNumber(%q) = %g, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "k", "-1", "1e9x", "NaN", "inf", "9999999999999999", "1kk"} {
		if got, err := parseNumber(text); err == nil || math.IsNaN(got) {
			t.Errorf("parseNumber(%q) = %g without an error", text, got)
		}
	}
}

// TestLoadWhileOpen: only the number changes; what is asked last counts, and one
// change is under way at a time.
func TestLoadWhileOpen(t *testing.T) {
	r, f := newLoadRig(t)
	r.begin(f, loadHolding())
	f.asked()
	r.keys("s")
	r.settle()
	r.sees("a load is open already")
	f.mu.Lock()
	f.hold = make(chan struct{})
	f.mu.Unlock()
	r.keys("+", "+", "+", "<", ">", ">")
	close(f.hold)
	r.settle()
	f.expect(t, "set 11000", "set 23000")
	r.keys("enter", "5", "k", "enter")
	r.settle()
	f.expect(t, "set 5000")
	r.keys("<")
	r.settle()
	f.expect(t, "set 0")
	if r.keys("down"); r.loadView().here != itemButton {
		t.Errorf("below the number comes %v", r.loadView().here)
	}
	r.keys("enter")
	r.settle()
	f.expect(t, "set 0")
}

// TestLoadKeysWhileStarting: what is pressed before the start has ended is sent
// after it.
func TestLoadKeysWhileStarting(t *testing.T) {
	r, f := newLoadRig(t)
	f.is(loadOpening())
	v := r.loadView()
	cmd := v.run.start(v.plan)
	r.keys("+", ">")
	f.expect(t)
	r.run(cmd)
	r.settle()
	f.expect(t, "start 10000 tcp4 et rate 0 active 0 unread 0", "set 21000")
}

func TestLoadThatDoesNotStart(t *testing.T) {
	r, f := newLoadRig(t)
	f.err = errors.New("getrlimit: operation not permitted")
	r.begin(f, nil)
	r.sees("! the load: getrlimit: operation not permitted", "[ Start ]")
	if r.polls() || r.loadView().Open() != 0 {
		t.Error("a load that did not start is waited for")
	}
}

// TestOldAnswers: an answer that is older than what is on screen is not shown.
func TestOldAnswers(t *testing.T) {
	r, f := newLoadRig(t)
	r.begin(f, loadHolding())
	r.snap = fixtureLoad(loadOpening())
	r.keys("r")
	r.settle()
	r.sees("Load · holding")
	r.snap = fixtureLoad(loadDrained())
	r.keys("r")
	r.settle()
	r.sees("the memory came back")
}

// TestQuitAsks: with connections open, q and Ctrl-C ask first.
func TestQuitAsks(t *testing.T) {
	r, f := newLoadRig(t)
	r.begin(f, loadHolding())
	for _, k := range []string{"q", "ctrl+c"} {
		r.keys("2", k)
		r.settle()
		r.sees("Close 10 000 connections and quit?", "[2 Processes]")
		r.keys("q", "esc")
		r.settle()
		if r.quit || r.m.modal != nil {
			t.Fatalf("after %s and Esc: quit %v", k, r.quit)
		}
	}
	r.sees("holds 10 000 connections")
	r.keys("q", "y")
	r.settle()
	if !r.quit {
		t.Error("y does not quit")
	}
	r, f = newLoadRig(t)
	r.begin(f, loadHolding())
	r.keys("ctrl+c", "ctrl+c")
	r.settle()
	if !r.quit {
		t.Error("Ctrl-C over the question does not quit")
	}
	r, f = newLoadRig(t)
	r.begin(f, loadDrained())
	r.keys("q")
	r.settle()
	if !r.quit {
		t.Error("q asks although all is drained")
	}
}

// TestLoadElsewhere: on another view nobody polls, and coming back goes on.
func TestLoadElsewhere(t *testing.T) {
	r, f := newLoadRig(t)
	r.begin(f, loadOpening())
	r.keys("1")
	r.answer(f, loadOpening()) // that one was under way
	if r.polls() {
		t.Error("it polls while another view is on screen")
	}
	r.keys("6")
	r.settle()
	if !r.polls() {
		t.Error("it does not poll after coming back")
	}
	r.keys("space")
	r.answer(f, loadOpening())
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
	if first := <-r.focuses; !first.Load {
		t.Error("the first look reads no limits")
	}
	for tab, want := range map[string]bool{"6": true, "2": false} {
		r.keys(tab, "r")
		r.settle()
		var last Focus
		for len(r.focuses) > 0 {
			last = <-r.focuses
		}
		if last.Load != want {
			t.Errorf("on view %s a look reads limits: %v", tab, last.Load)
		}
	}
}

// TestLoadAtOnce is eptop --load 5000.
func TestLoadAtOnce(t *testing.T) {
	f := &fakeLoader{load: loadOpening()}
	r := newRig(t, fixtureLoad(nil), func(o *Options) { o.Loader, o.Load = f, 5_000 })
	r.settle()
	r.sees("[6 Load]", "Load · opening")
	if got := f.asked(); len(got) == 0 || got[0] != "start 5000 tcp4 et rate 0 active 0 unread 0" {
		t.Errorf("asked for %q", got)
	}
}

func TestNoLoader(t *testing.T) {
	r := newRig(t, fixtureRich())
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
	if r.loadView().here != itemFamily {
		t.Errorf("a click on the family goes to %v", r.loadView().here)
	}
	click("family")
	r.sees("tcp6", "over ::1")
	click("How far this machine goes")
	r.keys("e")
	r.sees("At how many connections each limit ends a load", "sysctl fs.file-max=4932354")
	r.keys("esc")
	click("[ Start ]")
	r.sees("Open 10 000 connections?")
}

// TestLoadColourless: without colours the cursor and the state are told by signs.
func TestLoadColourless(t *testing.T) {
	v := loadOf(loadStopped, 160, 47)
	plain := ansi.Strip(v.View())
	for _, want := range []string{"▸ connections", "✗ stopped at 8 200 of 10 000 by file_max", "to go further: sysctl fs.file-max=4932354", "✗ 800 connections lost: the client worker 4712:", "signal: killed", "✗ 12 attempts failed: ENFILE 10, ECONNREFUSED 2"} {
		if !strings.Contains(plain, want) {
			t.Errorf("the screen does not say %q:\n%s", want, plain)
		}
	}
}

// TestLoadPanics: a generator that panics is a line on the screen.
func TestLoadPanics(t *testing.T) {
	r := newRig(t, fixtureLoad(nil), func(o *Options) { o.Loader = panicLoader{} })
	r.keys("6", "s", "y")
	r.settle()
	r.sees("starting a load went wrong inside eptop: index out of range")
}

type panicLoader struct{}

func (panicLoader) Start(model.LoadPlan) error { panic("index out of range") }
func (panicLoader) Set(int64)                  {}
func (panicLoader) Load() *model.Load          { return nil }

// TestLoadWallsByUnit: the explanation of the limits writes bytes as bytes.
func TestLoadWallsByUnit(t *testing.T) {
	text := loadWalls(model.Preflight{Walls: []model.Wall{
		{Name: model.WallMemory, Unit: model.UnitBytes, Used: 2_515_316_736, Limit: 22_748_859_188, Scope: "host"},
		{Name: model.WallFileMax, Unit: model.UnitFiles, Used: 1200, Limit: 400_000, Scope: "host"},
	}})
	for _, want := range []string{"(host): 2.5 GB of 22.7 GB used", "(host): 1 200 of 400 000 used"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in:%s", want, text)
		}
	}
}
