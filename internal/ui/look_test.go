package ui

import (
	"context"
	"errors"
	"fmt"
	"image/color"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/charmbracelet/x/ansi"

	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/ui/viewtest"
)

// TestOnlyAnAnswerArmsTheNextLook: no second look while one is under way,
// whatever is pressed, and one after it.
func TestOnlyAnAnswerArmsTheNextLook(t *testing.T) {
	begun, answer := make(chan Focus, 10), make(chan *model.Snapshot)
	r := newRig(t, nil, func(o *Options) {
		o.Look = func(ctx context.Context, f Focus) (*model.Snapshot, error) {
			begun <- f
			select {
			case s := <-answer:
				return s, nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
	}, waitForNothing)
	<-begun
	r.keys("r", "r", "+", "-", "space", "space")
	if n := len(begun); n != 0 {
		t.Fatalf("%d looks begun while one is under way", n)
	}
	answer <- viewtest.Rich()
	r.until("the answer", func() bool { return r.m.snap != nil })
	// r was pressed meanwhile: one more look, and it is a fresh one.
	if f := <-begun; !f.Fresh {
		t.Error("r asked for no sweep")
	}
	answer <- viewtest.Rich()
	r.until("the second answer", func() bool { return !r.m.look.underway })
	r.settle()
	if n := len(begun); n != 0 {
		t.Fatalf("%d looks begun without a timer", n)
	}
	r.due <- time.Time{}
	r.until("the look that was due", func() bool { return r.m.look.underway })
	<-begun
	answer <- viewtest.Rich()
	r.until("its answer", func() bool { return !r.m.look.underway })
}

// waitForNothing makes newRig return with the first look still under way.
func waitForNothing(o *Options) { o.Version = "no wait" }

func TestFrozenShowsNothingNew(t *testing.T) {
	r := newRig(t, viewtest.Rich())
	r.keys("2", "space")
	r.settle()
	old := r.m.snap
	next := viewtest.Rich()
	next.Processes[0].Comm = "newcomer"
	// The answer to a look that was under way when Space was pressed.
	r.send(lookedMsg{snap: next})
	r.settle()
	if r.m.snap != old || r.shows("newcomer") {
		t.Error("a frozen screen changed")
	}
	if r.m.look.cancel != nil {
		t.Error("a frozen screen waits for the next look")
	}
	r.snap = next
	r.keys("r")
	r.settle()
	if !r.shows("newcomer", "FROZEN") {
		t.Errorf("r on a frozen screen does not take one look:\n%s", r.screen())
	}
	if strings.Contains(r.status(), lookingText) {
		t.Errorf("after the answer the status is %q", r.status())
	}
	r.keys("j", "k", "s", "esc", "4", "2") // everything stays navigable
	r.keys("space")
	r.settle()
	r.sees("every 1s")
}

func TestIntervalSteps(t *testing.T) {
	r := newRig(t, viewtest.Rich(), func(o *Options) { o.Delay = 3 * time.Second })
	r.keys("+")
	r.sees("every 5s", "looking every 5s")
	for range 20 {
		r.keys("+")
	}
	r.sees("every 60s", "no step beyond that")
	for range 20 {
		r.keys("-")
	}
	r.sees("every 0.1s")
}

func TestProcessEnds(t *testing.T) {
	r := newRig(t, viewtest.Rich(), func(o *Options) { o.PID = 4242 })
	r.send(tea.WindowSizeMsg{Width: 100, Height: 30})
	r.sees("4242 known23", "disarmed")
	look := func(s *model.Snapshot, err error) {
		r.snap, r.err = s, err
		r.keys("r")
		r.settle()
		r.keys("j")
	}
	gone := viewtest.Rich()
	gone.Processes, gone.Time = gone.Processes[:11], gone.Time.Add(time.Minute)
	look(gone, errors.New("process 4242 has ended"))
	r.sees("4242 known23 · ENDED: this is the last that was seen of it", "disarmed", "✗ process 4242 has ended", "last seen 07:30:00, 60 s ago", "read at 07:29:58")
	for _, stopped := range []string{"h ago", "read again", "next in"} {
		if r.shows(stopped) {
			t.Errorf("of an ended process stands %q:\n%s", stopped, r.screen())
		}
	}
	// Another process gets the PID: the two are not mixed up.
	reused := viewtest.Rich()
	p := &reused.Processes[11]
	p.Comm, p.Started, p.Epolls[0].List = "stranger", p.Started.Add(time.Hour), nil
	look(reused, nil)
	r.sees("4242 known23 · ENDED: another process has its PID now", "disarmed")
	r.keys("p", "4", "2", "4", "2", "enter")
	r.settle()
	r.sees("4242 stranger")
	if r.shows("ENDED") {
		t.Error("the new process is shown as ended")
	}
}

func TestProcessThatNeverWas(t *testing.T) {
	r := newRig(t, viewtest.Unprivileged(), func(o *Options) { o.PID = 999 })
	r.settle()
	r.sees("There is no process 999 to look at", "sudo eptop")
	r.keys("esc")
	r.sees("[1 Overview]")
	if r.m.shownPID() != 0 {
		t.Error("still attached")
	}
	r.keys("2")
	r.sees("[2 Processes]", "41 processes hidden")
}

func TestSaveProblems(t *testing.T) {
	r := newRig(t, viewtest.Rich(), func(o *Options) {
		o.Save = func(*model.Snapshot) (string, error) { return "", errors.New("disk full") }
	})
	r.keys("w")
	r.settle()
	r.sees("! not written: disk full")
	r = newRig(t, viewtest.Rich(), func(o *Options) {
		o.Save = func(*model.Snapshot) (string, error) { panic("oh") }
	})
	r.keys("w")
	r.settle()
	r.sees("writing went wrong inside eptop: oh")
	r = newRig(t, viewtest.Rich(), func(o *Options) { o.Save = nil })
	r.keys("w")
	r.sees("cannot write")
}

func TestLightBackground(t *testing.T) {
	r := newRig(t, viewtest.Rich())
	dark := r.m.View().Content
	r.send(tea.BackgroundColorMsg{Color: color.White})
	if light := r.m.View().Content; light == dark || r.m.theme.Dark {
		t.Error("a light background changes nothing")
	}
}

// TestFramesFit: at every size every view, with and without a box over it,
// fills the terminal exactly.
func TestFramesFit(t *testing.T) {
	machines := map[string]*model.Snapshot{
		"shared": viewtest.Shared(), "denied": viewtest.LockedDown(), "empty": viewtest.Empty(), "million": viewtest.ListedWatches(3000), "joined": viewtest.SharedWithSockets(), "kernel": viewtest.FromKernel(), "nothing yet": nil,
		"loading": viewtest.RichWithLoad(viewtest.LoadHolding()),
	}
	for name, snap := range machines {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			loader := &viewtest.Loader{}
			if snap != nil && snap.Load != nil {
				loader.SetAnswer(snap.Load)
			}
			r := newRig(t, snap, func(o *Options) { o.Loader = loader })
			step := 9
			switch {
			case viewtest.RaceEnabled:
				step = 27 // make test draws at all the sizes without the race detector
			case name == "shared":
				step = 1
			}
			for _, keys := range [][]string{{}, {"2"}, {"2", "/", "n"}, {"2", "s"}, {"p", "9", "0", "0", "enter", "right"}, {"p", "9", "0", "0", "enter", "v"}, {"p", "9", "0", "0", "enter", "v", "enter"}, {"3"}, {"3", "v", "v", "enter"}, {"4"}, {"5"}, {"6"}, {"6", "s"}, {"?"}, {"e"}, {"p"}} {
				r.keys("esc", "esc", "esc", "esc", "1")
				r.settle()
				r.send(tea.WindowSizeMsg{Width: 80, Height: 24})
				r.keys(keys...)
				r.settle()
				for w := 20; w <= 200; w += step * (1 + w/40) {
					for h := 8; h <= 60; h += 1 + (step+h/16)/2 {
						r.send(tea.WindowSizeMsg{Width: w, Height: h})
						fills(t, fmt.Sprint(keys), r.m.View().Content, w, h)
					}
				}
				// A terminal has any size, and changes it at once.
				widths, heights := []int{0, 1, 2, 3, 5, 8, 13, 21, 34, 59, 200}, []int{0, 1, 2, 3, 5, 8, 14, 60}
				if viewtest.RaceEnabled {
					widths, heights = []int{0, 1, 2, 59}, []int{0, 2, 60}
				}
				for _, w := range widths {
					for _, h := range heights {
						for _, size := range [][2]int{{w, h}, {61, 16}, {h, w}} {
							r.send(tea.WindowSizeMsg{Width: size[0], Height: size[1]})
							if size[0] > 0 && size[1] > 0 {
								fills(t, fmt.Sprint(keys), r.m.View().Content, size[0], size[1])
							} else if frame := r.m.View().Content; frame != "" {
								t.Fatalf("%v at %v: %q", keys, size, frame)
							}
						}
					}
				}
			}
			if f := r.m.fault; f != nil {
				t.Errorf("%s\n%s", f.text, f.stack)
			}
		})
	}
}

// fills fails unless a frame is exactly h lines of exactly w cells.
func fills(t *testing.T, what, frame string, w, h int) {
	t.Helper()
	lines := strings.Split(frame, "\n")
	if len(lines) != h {
		t.Fatalf("%s at %dx%d: %d lines", what, w, h, len(lines))
	}
	viewtest.Exactly(t, frame, w, h)
}

func TestTooSmall(t *testing.T) {
	r := newRig(t, viewtest.Rich())
	r.send(tea.WindowSizeMsg{Width: 20, Height: 8})
	if !r.shows("eptop needs a", "60x15", "20x8") {
		t.Errorf("at 20x8:\n%s", r.screen())
	}
	r.keys("2", "?")
	if r.keys("q"); !r.quit {
		r.settle()
	}
	if !r.quit {
		t.Error("q does not quit a terminal that is too small")
	}
	r.send(tea.WindowSizeMsg{Width: 60, Height: 15})
	r.sees("[1 Overview]")
}

// BenchmarkKeyEcho is one key and the frame after it over a million watches.
func BenchmarkKeyEcho(b *testing.B) {
	const n = 1_000_000
	for _, bench := range []struct {
		name   string
		keys   []string
		status string // at the end of the line, before and after
	}{{"plain", nil, "row 1 of 1 000 000"}, {"sorting", []string{"s", "right", "right", "right", "enter"}, "sorting 1 000 000 rows: 0 %"}, {"filtering", []string{"/", "7"}, "filtering 1 000 000 rows: 0 %"}} {
		b.Run(bench.name, func(b *testing.B) {
			m := New(Options{PID: 31337, Delay: time.Second})
			m.Update(tea.WindowSizeMsg{Width: 160, Height: 50})
			m.Update(lookedMsg{snap: viewtest.ListedWatches(n), pid: 31337})
			m.Update(viewtest.Press("right"))
			for _, k := range bench.keys {
				m.Update(viewtest.Press(k)) // the job is never run to its end: the old order stays
			}
			// check fails unless the table has all the rows, is idle or busy as it should
			// be, and the cursor is on the row of an fd.
			check := func(when, fd string) {
				screen := ansi.Strip(m.View().Content)
				lines := strings.Split(screen, "\n")
				status := strings.TrimSpace(lines[len(lines)-1])
				row := viewtest.LineWith(screen, fmt.Sprintf("▸%7s socket", fd))
				if !strings.HasSuffix(status, bench.status) || row == "" {
					b.Fatalf("%s: not the row of fd %s and %q:\n%s", when, fd, bench.status, screen)
				}
			}
			check("before the first key", "5")
			keys := []tea.KeyPressMsg{viewtest.Press("down"), viewtest.Press("pgdown"), viewtest.Press("up"), viewtest.Press("pgup")}
			presses := 0
			press := func() {
				m.Update(keys[presses%len(keys)])
				presses++
			}
			for b.Loop() {
				press()
				if frame := m.View().Content; len(frame) < 160*50 {
					b.Fatal("no frame")
				}
			}
			for presses%len(keys) != 0 {
				press()
			}
			check("after the last key", "5")
		})
	}
}

// BenchmarkFrame is one new snapshot and the frame of a view.
func BenchmarkFrame(b *testing.B) {
	for _, tab := range []string{"1", "2", "3", "4", "5", "6"} {
		b.Run(tab, func(b *testing.B) {
			m := New(Options{Delay: time.Second, Loader: &viewtest.Loader{}})
			m.Update(tea.WindowSizeMsg{Width: 160, Height: 50})
			m.Update(viewtest.Press(tab))
			snap := viewtest.Shared()
			if tab == "6" {
				snap = viewtest.RichWithLoad(viewtest.LoadHolding())
			}
			for b.Loop() {
				m.Update(lookedMsg{snap: snap})
				if frame := m.View().Content; len(frame) < 160*50 {
					b.Fatal("no frame")
				}
			}
		})
	}
}
