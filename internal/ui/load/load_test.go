package load

import (
	"fmt"
	"math"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/ui/view"
	"github.com/eptop/eptop/internal/ui/viewtest"
)

func TestLoadGolden(t *testing.T) {
	loads := map[string]func() *model.Load{
		"idle": nil, "opening": viewtest.LoadOpening, "holding": viewtest.LoadHolding, "stopped": viewtest.LoadStopped, "drained": viewtest.LoadDrained, "denied": viewtest.LoadDenied,
	}
	for name, l := range loads {
		for _, size := range [][2]int{{60, 15}, {80, 24}, {100, 40}, {160, 50}, {140, 30}} {
			file := fmt.Sprintf("load-%s-%dx%d", name, size[0], size[1])
			t.Run(file, func(t *testing.T) {
				w, h := size[0], size[1]-viewtest.ChromeLines
				v := shown(l, w, h)
				screen := v.View()
				viewtest.Exactly(t, screen, w, h)
				viewtest.Golden(t, file, screen)
			})
		}
	}
}

// shown is a Load view that shows a load.
func shown(l func() *model.Load, w, h int) *View {
	v := New(view.NewKeyMap()).(*View)
	v.SetLoader(&viewtest.Loader{}, 0)
	v.SetSize(w, h)
	if l == nil {
		v.SetSnapshot(viewtest.RichWithLoad(nil))
		return v
	}
	now := l()
	v.run.target = now.Wanted
	v.SetSnapshot(viewtest.RichWithLoad(now))
	return v
}

// TestLoadSizes: the view has exactly its size, whatever is the matter, and no key
// breaks that.
func TestLoadSizes(t *testing.T) {
	loads := []func() *model.Load{nil, viewtest.LoadOpening, viewtest.LoadHolding, viewtest.LoadStopped, viewtest.LoadDrained, viewtest.LoadDenied, func() *model.Load { return &model.Load{} }}
	for i, l := range loads {
		v := shown(l, 20, 8)
		draw := func(w, h int) string {
			v.SetSize(w, h)
			return v.View()
		}
		for _, size := range viewtest.Sizes(3, draw) {
			viewtest.Exactly(t, draw(size[0], size[1]), size[0], size[1])
		}
		v.SetSize(200, 60)
		for _, k := range []string{"up", "down", "left", "right", "g", "G", "enter", "5", "x", "backspace", "esc", "+", "-", "<", ">", "s", "d", "down", "down", "down", "enter", "up"} {
			v.Update(viewtest.Press(k))
			viewtest.Exactly(t, v.View(), 200, 60)
			if title, text := v.Explain(); title == "" || text == "" {
				t.Fatalf("load %d explains nothing after %q", i, k)
			}
		}
		for y := range 60 {
			v.Update(tea.MouseClickMsg{X: 3 * y, Y: y, Button: tea.MouseLeft})
			viewtest.Exactly(t, v.View(), 200, 60)
		}
	}
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

// TestLoadKeysWhileStarting: what is pressed before the start has ended is sent
// after it.
func TestLoadKeysWhileStarting(t *testing.T) {
	v, f := shown(nil, 160, 47), &viewtest.Loader{Answer: viewtest.LoadOpening()}
	v.SetLoader(f, 0)
	cmd := v.run.start(v.plan)
	v.Update(viewtest.Press("+"))
	v.Update(viewtest.Press(">"))
	f.Expect(t)
	finish(v, cmd)
	f.Expect(t, "start 10000 tcp4 et rate 0 active 0 unread 0", "set 21000")
}

// TestLoadColourless: without colours the cursor and the state are told by signs.
func TestLoadColourless(t *testing.T) {
	v := shown(viewtest.LoadStopped, 160, 47)
	plain := ansi.Strip(v.View())
	for _, want := range []string{"▸ connections", "✗ stopped at 8 200 of 10 000 by fs.file-max", "to go further: sysctl fs.file-max=4932354", "✗ 800 connections lost: the client worker 4712:", "signal: killed", "✗ 12 attempts failed: ENFILE 10, ECONNREFUSED 2"} {
		if !strings.Contains(plain, want) {
			t.Errorf("the screen does not say %q:\n%s", want, plain)
		}
	}
}

// finish runs a command and what follows from its answer.
func finish(v view.View, cmd tea.Cmd) {
	if cmd == nil {
		return
	}
	msg := cmd()
	batch, ok := msg.(tea.BatchMsg)
	if !ok {
		finish(v, v.Update(msg))
	}
	for _, c := range batch {
		finish(v, c)
	}
}

// TestLoadWallsByUnit: the explanation of the limits writes bytes as bytes.
func TestLoadWallsByUnit(t *testing.T) {
	text := describeWalls(model.Preflight{Walls: []model.Wall{
		{Name: model.WallMemory, Unit: model.UnitBytes, Used: 2_515_316_736, Limit: 22_748_859_188, Scope: "host"},
		{Name: model.WallFileMax, Unit: model.UnitFiles, Used: 1200, Limit: 400_000, Scope: "host"},
	}})
	for _, want := range []string{"(host): 2.5 GB of 22.7 GB used", "(host): 1 200 of 400 000 used"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in:%s", want, text)
		}
	}
}

// TestWhatCannotBeSeen: a load that took less than the CPUs may keep says that nobody sees
// whether its memory came back, and what differs from the expectation has its sentence.
func TestWhatCannotBeSeen(t *testing.T) {
	v := shown(func() *model.Load {
		l := viewtest.LoadDrained()
		l.Found.DrainedToBaseline, l.Found.MayParkBytes = maybe.Of[bool]{}, maybe.Some[int64](950_000)
		l.Found.Differences = []string{"0.0 bind buckets a connection where 2 were expected"}
		return l
	}, 160, 60)
	text := strings.Join(strings.Fields(ansi.Strip(v.View())), " ")
	for _, want := range []string{"whether the memory", "0.0 bind buckets a connection"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, ansi.Strip(v.View()))
		}
	}
}

// TestSinceStart: what the whole machine's slab did is no cost of the connections.
func TestSinceStart(t *testing.T) {
	for _, c := range []struct {
		w     int
		bytes int64
		want  string
	}{
		{80, 401_300_000, "all slab of this machine since the start: +401.3 MB, others' included"},
		{50, -16_900_000, "slab of this machine, with others': -16.9 MB"},
		{34, 401_300_000, "whole machine's slab: +401.3 MB"},
	} {
		if got := sinceStart(c.w, c.bytes); got != c.want {
			t.Errorf("%d bytes in %d cells: %q, want %q", c.bytes, c.w, got, c.want)
		}
	}
}

// TestWhatIfIsCopied: y puts the commands into the clipboard, one a line, and says so.
func TestWhatIfIsCopied(t *testing.T) {
	v := shown(nil, 120, 47)
	v.plan.Connections = 8_000_000
	v.SetSnapshot(v.snap)
	screen := ansi.Strip(v.View())
	for _, want := range []string{"What a server needs for as many", "19 936 fit now: open files comes first", "sysctl -w fs.epoll.max_user_watches=8152100", "ulimit -n 8000064"} {
		if !strings.Contains(screen, want) {
			t.Errorf("no %q in\n%s", want, screen)
		}
	}
	batch, ok := v.copyCommands()().(tea.BatchMsg)
	if !ok || len(batch) != 2 {
		t.Fatalf("y does %v", batch)
	}
	if text := fmt.Sprint(batch[0]()); strings.Count(text, "\n") != len(v.whatIf().Commands) || !strings.Contains(text, "sysctl -w fs.file-max=8153216\n") {
		t.Errorf("copied %q", text)
	}
}
