package ui

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"
	"github.com/charmbracelet/x/ansi"

	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/ui/viewtest"
)

// rig runs a dashboard without a terminal: commands in goroutines, messages in
// the order they come.
type rig struct {
	t    *testing.T
	m    *Model
	msgs chan tea.Msg
	stop context.CancelFunc
	due  chan time.Time // ends the wait for the next look
	poll chan time.Time // ends the wait for the next answer of a load
	aged chan time.Time // ends the wait for the next ages
	now  time.Time      // the clock of ages
	// flying counts the commands under way, waiting those of them that wait for
	// the next look or the next answer of a load; changed tells of a change.
	flying, waiting atomic.Int32
	// polling counts those that wait for the next answer of a load, answers how many came.
	polling, answers atomic.Int32
	changed          chan struct{}

	snap    *model.Snapshot // what Look returns
	err     error
	focuses chan Focus // what Look was asked for
	quit    bool
	suspend bool
}

func newRig(t *testing.T, snap *model.Snapshot, change ...func(*Options)) *rig {
	r := &rig{t: t, snap: snap, msgs: make(chan tea.Msg), focuses: make(chan Focus, 100), due: make(chan time.Time), poll: make(chan time.Time), aged: make(chan time.Time), changed: make(chan struct{}, 1)}
	opts := Options{
		Delay: time.Second, Version: "1.0",
		Look: func(_ context.Context, f Focus) (*model.Snapshot, error) {
			r.focuses <- f
			return viewtest.WithHistory(r.snap), r.err
		},
		Save: func(*model.Snapshot) (string, error) { return "/tmp/eptop-1.json", nil },
	}
	for _, c := range change {
		c(&opts)
	}
	r.m = New(opts)
	r.m.look.after = func(d time.Duration) (<-chan time.Time, func() bool) {
		r.waiting.Add(1)
		r.change()
		if d != pollEvery {
			return r.due, func() bool { r.waiting.Add(-1); return true }
		}
		r.polling.Add(1)
		return r.poll, func() bool {
			r.waiting.Add(-1)
			r.polling.Add(-1)
			r.answers.Add(1)
			r.change()
			return true
		}
	}
	r.m.ages.now = func() time.Time { return r.now }
	r.m.ages.after = func(time.Duration) (<-chan time.Time, func() bool) {
		r.waiting.Add(1)
		r.change()
		return r.aged, func() bool { r.waiting.Add(-1); return true }
	}
	r.m.ctx, r.stop = context.WithCancel(context.Background())
	t.Cleanup(r.stop)
	r.send(tea.WindowSizeMsg{Width: 80, Height: 24})
	r.run(r.m.Init())
	if opts.Version != "no wait" {
		r.until("the first look", func() bool { return !r.m.look.underway })
	}
	return r
}

func (r *rig) run(cmd tea.Cmd) {
	if cmd == nil {
		return
	}
	ctx := r.m.ctx
	r.flying.Add(1)
	go func() {
		msg := cmd()
		if batch, ok := msg.(tea.BatchMsg); ok {
			for _, c := range batch {
				r.run(c)
			}
			msg = nil
		}
		if msg != nil {
			select {
			case r.msgs <- msg:
			case <-ctx.Done():
			}
		}
		r.flying.Add(-1)
		r.change()
	}()
}

func (r *rig) change() {
	select {
	case r.changed <- struct{}{}:
	default:
	}
}

func (r *rig) send(msgs ...tea.Msg) {
	for _, msg := range msgs {
		switch msg.(type) {
		case tea.QuitMsg:
			r.quit = true
		case tea.SuspendMsg:
			r.suspend = true
		default:
			_, cmd := r.m.Update(msg)
			r.run(cmd)
		}
	}
}

// until takes messages until a condition holds.
func (r *rig) until(what string, cond func() bool) {
	r.t.Helper()
	late := time.After(20 * time.Second)
	for !cond() {
		select {
		case msg := <-r.msgs:
			r.send(msg)
		case <-late:
			r.t.Fatalf("waited in vain for %s; the screen:\n%s", what, r.screen())
		}
	}
}

func (r *rig) keys(names ...string) {
	for _, n := range names {
		r.send(viewtest.Press(n))
	}
}

// cursor is the line of the screen under the cursor of a table.
func (r *rig) cursor() string {
	for line := range strings.Lines(r.screen()) {
		if row, ok := strings.CutPrefix(line, "▸"); ok {
			return row
		}
	}
	return ""
}

func (r *rig) screen() string { return ansi.Strip(r.m.View().Content) }

func (r *rig) sees(texts ...string) {
	r.t.Helper()
	for _, text := range texts {
		if !strings.Contains(r.screen(), text) {
			r.t.Errorf("the screen does not say %q:\n%s", text, r.screen())
		}
	}
}

func (r *rig) status() string {
	lines := strings.Split(r.screen(), "\n")
	return lines[len(lines)-1]
}

func TestRootGolden(t *testing.T) {
	screens := map[string][]string{
		"processes": {"2"}, "process": {"p", "4", "2", "4", "2", "enter"}, "shared": {"p", "9", "0", "0", "enter", "right"}, "help": {"2", "?"},
		"explain": {"2", "e"}, "watch": {"p", "9", "0", "0", "enter", "j", "right", "j", "enter"}, "prompt": {"2", "p", "4", "2"},
		"frozen": {"2", "space"}, "choose": {"2", "s", "right"}, "filter": {"2", "/", "n", "g"}, "overview": {}, "sockets": {"3"},
	}
	for name, keys := range screens {
		for _, size := range [][2]int{{80, 24}, {160, 50}} {
			t.Run(fmt.Sprintf("%s-%dx%d", name, size[0], size[1]), func(t *testing.T) {
				r := newRig(t, viewtest.Shared())
				r.send(tea.WindowSizeMsg{Width: size[0], Height: size[1]})
				for _, k := range keys {
					r.keys(k)
					r.settle()
				}
				viewtest.Exactly(t, r.m.View().Content, size[0], size[1])
				viewtest.Golden(t, fmt.Sprintf("root-%s-%dx%d", name, size[0], size[1]), r.m.View().Content)
			})
		}
	}
}

// settle takes what the last key set off until nothing is under way but the
// wait for the next look.
func (r *rig) settle() {
	r.t.Helper()
	late := time.After(20 * time.Second)
	for r.flying.Load() != r.waiting.Load() {
		select {
		case msg := <-r.msgs:
			r.send(msg)
		case <-r.changed:
		case <-late:
			r.t.Fatalf("no end of commands; the screen:\n%s", r.screen())
		}
	}
}

// TestBeforeTheFirstLook: until there is a snapshot every view shows that eptop is
// looking, and no number, whatever is pressed.
func TestBeforeTheFirstLook(t *testing.T) {
	r := newRig(t, nil, func(o *Options) { o.Loader = &viewtest.Loader{} })
	for _, view := range []string{"1", "2", "3", "4", "5", "6"} {
		for _, k := range []string{view, "up", "down", "left", "right", "g", "G", "n", "v", "m", "enter", "esc"} {
			r.keys(k)
			r.settle()
			fills(t, "before the first look", r.m.View().Content, 80, 24)
			lines := strings.Split(r.screen(), "\n")
			body := strings.Join(lines[2:len(lines)-1], "\n")
			if strings.Count(body, "looking…") != 1 || strings.ContainsAny(body, "0123456789") {
				t.Fatalf("before the first look view %s shows after %s:\n%s", view, k, body)
			}
		}
	}
	r.keys("p", "4", "2", "4", "2", "enter")
	r.settle()
	r.sees("looking…")
}

func TestErrorsOfALook(t *testing.T) {
	r := newRig(t, viewtest.Rich())
	r.err, r.snap = errors.New("open /proc: too many open files"), nil
	r.keys("2", "r")
	r.until("the answer", func() bool { return !r.m.look.underway })
	r.keys("j")
	r.sees("✗ open /proc: too many open files", "7425 root")
	r.err, r.snap = nil, viewtest.Rich()
	r.keys("r")
	r.until("the answer", func() bool { return !r.m.look.underway })
	r.keys("j")
	if strings.Contains(r.screen(), "✗") {
		t.Errorf("the error stays after a good look:\n%s", r.screen())
	}
}

func TestPanicInALook(t *testing.T) {
	r := newRig(t, viewtest.Rich(), func(o *Options) {
		o.Look = func(context.Context, Focus) (*model.Snapshot, error) { panic("index out of range") }
	})
	r.sees("✗ looking went wrong inside eptop: index out of range")
}

func TestColourlessTheme(t *testing.T) {
	r := newRig(t, viewtest.Rich())
	r.send(tea.ColorProfileMsg{Profile: colorprofile.ASCII})
	r.keys("2")
	if v := r.m.View().Content; strings.Contains(v, "38;2;") || !strings.Contains(v, "\x1b[7m") {
		t.Errorf("without colours the cursor wants reverse video and no colour at all: %q", v[:400])
	}
	r.send(tea.ColorProfileMsg{Profile: colorprofile.TrueColor})
	if v := r.m.View().Content; !strings.Contains(v, "38;2;") {
		t.Error("no colours on a terminal that has them")
	}
}
