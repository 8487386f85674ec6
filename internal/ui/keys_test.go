package ui

import (
	"strconv"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"

	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/ui/view"
	"github.com/eptop/eptop/internal/ui/viewtest"
)

// keyChecks says for every key of the help what it must have done. r stands on
// the fifth row of Processes; press presses the key.
var keyChecks = map[string]func(r *rig, press func()) bool{
	"quit; Ctrl-C at once":   func(r *rig, press func()) bool { press(); r.settle(); return r.quit },
	"suspend; fg comes back": func(r *rig, press func()) bool { press(); r.settle(); return r.suspend && !r.quit },
	"help":                   func(r *rig, press func()) bool { press(); return r.shows("Keys", "Everywhere") },
	"explain":                func(r *rig, press func()) bool { press(); return r.shows("WATCHES ·", "ep_show_fdinfo") },
	"next view":              func(r *rig, press func()) bool { press(); return r.shows("[3 Sockets]") },
	"view before":            func(r *rig, press func()) bool { press(); return r.shows("[1 Overview]") },
	"back": func(r *rig, press func()) bool {
		r.keys("4")
		press()
		r.keys("enter")
		r.settle()
		inside := r.m.shownPID() != 0
		press()
		return inside && r.m.shownPID() == 0 && !r.quit && r.shows("[2 Processes]")
	},
	"freeze, go on": func(r *rig, press func()) bool {
		press()
		frozen := r.m.look.frozen && r.shows("FROZEN at 07:30:00")
		n := len(r.focuses)
		press()
		r.settle()
		return frozen && !r.m.look.frozen && len(r.focuses) == n+1
	},
	"look more often": func(r *rig, press func()) bool { press(); return r.shows("every 0.5s") },
	"look less often": func(r *rig, press func()) bool { press(); return r.shows("every 2s") },
	"look again now": func(r *rig, press func()) bool {
		press()
		r.settle()
		var last Focus
		for len(r.focuses) > 0 {
			last = <-r.focuses
		}
		return last.Fresh
	},
	"go to a PID": func(r *rig, press func()) bool {
		press()
		prompt := r.shows("PID: ▏")
		r.keys("4", "2", "4", "2", "enter")
		r.settle()
		return prompt && r.m.shownPID() == 4242 && r.shows("known23")
	},
	"write to a file": func(r *rig, press func()) bool { press(); r.settle(); return r.shows("written to /tmp/eptop-1.json") },
	"mark: compare with now": func(r *rig, press func()) bool {
		press()
		return r.shows("slab changes count from 07:30:00 on")
	},

	"open": func(r *rig, press func()) bool { press(); r.settle(); return r.m.shownPID() == 7428 },
	"filter (! leaves out)": func(r *rig, press func()) bool {
		press()
		r.keys("!", "e", "x", "p")
		return !r.shows("exp server") && r.shows("/!exp▏", "systemd", "6 of 14 rows")
	},
	"sort by…": func(r *rig, press func()) bool {
		press()
		choosing := r.shows("sort by WATCHES? ← → choose, Enter sorts")
		r.keys("right", "enter")
		return choosing && r.shows("ET%▼")
	},
	"sort by column before": func(r *rig, press func()) bool { press(); return r.shows("EPOLLS▼") },
	"sort by column after":  func(r *rig, press func()) bool { press(); return r.shows("ET%▼") },
	"reverse the order":     func(r *rig, press func()) bool { press(); return r.shows("WATCHES▲") && r.row() == 640 },
	"follow the row": func(r *rig, press func()) bool {
		press()
		s := viewtest.Shared()
		s.Processes[6].Watches = maybe.Some[int64](1) // 7428 goes to the end
		r.snap = s
		r.keys("r")
		r.settle()
		return r.row() == 7428 && strings.Contains(r.status(), "following")
	},
	"up":          func(r *rig, press func()) bool { press(); return r.row() == 7427 },
	"down":        func(r *rig, press func()) bool { press(); return r.row() == 7429 },
	"left":        func(r *rig, press func()) bool { r.keys("right"); press(); return r.shows(" USER ") },
	"right":       func(r *rig, press func()) bool { press(); return !r.shows(" USER ") },
	"a page up":   func(r *rig, press func()) bool { press(); return r.row() == 7424 },
	"a page down": func(r *rig, press func()) bool { press(); return r.row() == 640 },
	"first row":   func(r *rig, press func()) bool { press(); return r.row() == 7424 },
	"last row":    func(r *rig, press func()) bool { press(); return r.row() == 640 },
}

// shows reports whether all the texts are on screen.
func (r *rig) shows(texts ...string) bool {
	for _, text := range texts {
		if !strings.Contains(r.screen(), text) {
			return false
		}
	}
	return true
}

// row is the PID under the cursor of Processes.
func (r *rig) row() int {
	pid, _, _ := strings.Cut(strings.TrimSpace(r.cursor()), " ")
	n, err := strconv.Atoi(pid)
	if err != nil {
		r.t.Fatalf("no PID under the cursor: %q\n%s", r.cursor(), r.screen())
	}
	return n
}

// TestEveryKeyOfTheHelp presses each key that the help of Processes lists, in
// each of its spellings, and looks whether it did what the help says.
func TestEveryKeyOfTheHelp(t *testing.T) {
	keys := view.NewKeyMap()
	for _, b := range append(keys.Everywhere(), keys.Keys.Help()...) {
		for _, k := range b.Keys() {
			t.Run(b.Help().Desc+" "+k, func(t *testing.T) {
				t.Parallel()
				check, ok := keyChecks[b.Help().Desc]
				if !ok {
					t.Fatalf("nobody says what %q must do", b.Help().Desc)
				}
				r := newRig(t, viewtest.Shared())
				r.keys("2", "j", "j", "j", "j")
				if !check(r, func() { r.keys(k) }) {
					t.Errorf("%s does not %q:\n%s", k, b.Help().Desc, r.screen())
				}
			})
		}
	}
}

// TestKeysOfEveryViewAreInTheHelp: what a view says of its keys, the help shows.
func TestKeysOfEveryViewAreInTheHelp(t *testing.T) {
	for _, tab := range []string{"1", "2", "3", "4", "5", "6"} {
		r := newRig(t, viewtest.Shared(), func(o *Options) { o.Loader = &viewtest.Loader{} })
		r.send(tea.WindowSizeMsg{Width: 160, Height: 60})
		r.keys(tab)
		keys := r.m.current().Keys()
		r.keys("?")
		for _, b := range append(keys, r.m.globalKeys()...) {
			r.sees(b.Help().Desc)
		}
	}
}

// TestTheTabLeavesAProcess: the key and the tab of Processes go from a process to
// the list of them.
func TestTheTabLeavesAProcess(t *testing.T) {
	r := newRig(t, viewtest.Rich())
	tab := r.m.tabSpans()[1]
	for _, leave := range []tea.Msg{viewtest.Press("2"), tea.MouseClickMsg{X: tab.X + 1, Y: tab.Y, Button: tea.MouseLeft}} {
		r.keys("2", "enter")
		r.settle()
		if r.m.shownPID() == 0 {
			t.Fatal("Enter opens no process")
		}
		r.send(leave)
		if r.m.shownPID() != 0 || !r.shows("in 13 epoll instances") {
			t.Errorf("%v stays inside:\n%s", leave, r.screen())
		}
	}
}

func TestEscNeverQuits(t *testing.T) {
	r := newRig(t, viewtest.Rich())
	r.keys("2", "enter")
	r.settle()
	for range 20 {
		r.keys("esc")
		r.settle()
	}
	if r.quit || r.m.active != 0 {
		t.Errorf("after many Escs: quit %v, view %d", r.quit, r.m.active)
	}
}

func TestPromptRefuses(t *testing.T) {
	r := newRig(t, viewtest.Rich())
	for _, bad := range []string{"", "x", "0", "99999999"} {
		r.keys("p")
		for _, c := range bad {
			r.keys(string(c))
		}
		r.keys("enter")
		r.settle()
		if !strings.Contains(r.status(), "is no PID") || r.m.shownPID() != 0 {
			t.Errorf("PID %q: %q", bad, r.status())
		}
	}
	r.keys("p", "7", "esc")
	r.settle()
	if r.m.shownPID() != 0 || strings.Contains(r.status(), "PID:") {
		t.Error("Esc does not close the prompt")
	}
}

// TestOverlayScrolls goes to the end of the help, which is longer than 24 lines.
func TestOverlayScrolls(t *testing.T) {
	r := newRig(t, viewtest.Rich())
	r.keys("2", "?")
	if r.shows("Mouse") {
		t.Fatal("the help needs no scrolling")
	}
	r.keys("G")
	r.sees("Mouse", "eptop 1.0 looks and touches nothing")
	r.keys("g")
	r.sees("In Processes")
	r.send(tea.MouseWheelMsg{Button: tea.MouseWheelDown})
	if r.shows("In Processes") {
		t.Error("the wheel does not scroll the help")
	}
	if r.keys("q"); !r.shows("Keys") {
		r.settle()
	}
	if r.settle(); !r.quit {
		t.Error("q does not quit over the help")
	}
}

func TestMouse(t *testing.T) {
	r := newRig(t, viewtest.Shared())
	click := func(x, y int) { r.send(tea.MouseClickMsg{X: x, Y: y, Button: tea.MouseLeft}); r.settle() }
	at := func(text string) (x, y int) {
		for y, line := range strings.Split(r.screen(), "\n") {
			if i := strings.Index(line, text); i >= 0 {
				return len([]rune(line[:i])), y
			}
		}
		t.Fatalf("%q is not on screen:\n%s", text, r.screen())
		return 0, 0
	}
	for i, tab := range []string{"2 Processes", "3 Sockets", "4 Slab", "5 Nodes", "1 Overview", "2 Processes"} {
		if click(at(tab)); !r.shows("[" + tab + "]") {
			t.Errorf("click %d on %s shows another view", i, tab)
		}
	}
	click(at("known23"))
	if r.row() != 4242 || r.m.shownPID() != 0 {
		t.Errorf("a click on a row selects %d and opens %d", r.row(), r.m.shownPID())
	}
	click(at("ET%"))
	r.sees("ET%▼")
	click(at("known23"))
	click(at("known23"))
	if r.m.shownPID() != 4242 {
		t.Error("a second click on a row does not open it")
	}
	click(at("16 socket"))
	if !strings.Contains(r.status(), "row 7 of 23") || !r.shows("▸ Watches of") {
		t.Errorf("a click on a watch selects %q:\n%s", r.status(), r.screen())
	}
	click(at("16 socket"))
	r.sees("Watch of fd 16 in epoll 4")
	click(0, 0)
	if r.m.modal != nil {
		t.Error("a click does not close the box")
	}
	r.keys("g")
	r.sees("row 1 of 23")
	r.send(tea.MouseWheelMsg{X: 10, Y: 20, Button: tea.MouseWheelDown})
	if !strings.Contains(r.status(), "row 4 of 23") {
		t.Errorf("the wheel leaves the cursor at %q", r.status())
	}
}

// TestTypingGetsEveryKey: while a filter is typed, q is a letter.
func TestTypingGetsEveryKey(t *testing.T) {
	r := newRig(t, viewtest.Rich())
	r.keys("2", "/", "q", "2", "?", "space", "e")
	r.settle()
	if r.quit || r.m.modal != nil || r.m.look.frozen {
		t.Fatal("a letter of the filter was taken for a key")
	}
	r.sees("/q2? e▏")
	if r.keys("ctrl+c"); !r.quit {
		r.settle()
	}
	if !r.quit {
		t.Error("Ctrl-C does not quit while typing")
	}
}
