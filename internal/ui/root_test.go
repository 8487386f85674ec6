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

	"github.com/eptop/eptop/internal/epoll"
	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/model"
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
	// flying counts the commands under way, waiting those of them that wait for
	// the next look or the next answer of a load; changed tells of a change.
	flying, waiting atomic.Int32
	changed         chan struct{}

	snap    *model.Snapshot // what Look returns
	err     error
	focuses chan Focus // what Look was asked for
	quit    bool
	suspend bool
}

func newRig(t *testing.T, snap *model.Snapshot, change ...func(*Options)) *rig {
	r := &rig{t: t, snap: snap, msgs: make(chan tea.Msg), focuses: make(chan Focus, 100), due: make(chan time.Time), poll: make(chan time.Time), changed: make(chan struct{}, 1)}
	opts := Options{
		Delay: time.Second, Version: "1.0",
		Look: func(_ context.Context, f Focus) (*model.Snapshot, error) {
			r.focuses <- f
			return r.snap, r.err
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
		end := r.due
		if d == pollEvery {
			end = r.poll
		}
		return end, func() bool { r.waiting.Add(-1); return true }
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
		r.send(stroke(n))
	}
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

// stroke is a key by the name that bindings use.
func stroke(name string) tea.KeyPressMsg {
	named := map[string]tea.KeyPressMsg{
		"tab": {Code: tea.KeyTab}, "shift+tab": {Code: tea.KeyTab, Mod: tea.ModShift}, "space": {Code: tea.KeySpace, Text: " "},
		"ctrl+c": {Code: 'c', Mod: tea.ModCtrl}, "ctrl+z": {Code: 'z', Mod: tea.ModCtrl}, "ctrl+b": {Code: 'b', Mod: tea.ModCtrl},
		"ctrl+f": {Code: 'f', Mod: tea.ModCtrl}, "home": {Code: tea.KeyHome}, "end": {Code: tea.KeyEnd},
		"backspace": {Code: tea.KeyBackspace},
	}
	if msg, ok := named[name]; ok {
		return msg
	}
	return press(name)
}

// fixtureShared is a machine with a process of several instances: one shared
// with a child, one that waits for its turn, one denied; anonymous inodes and a
// pipe; a process called by a terminal's control sequence.
func fixtureShared() *model.Snapshot {
	s := fixtureRich()
	p := fixtureProcess(900, 33, "www-data", "nginx", 23, 30)
	first := fixture23(900).Epolls[0]
	first.SharedWith, first.SharedCount = []epoll.Holder{{PID: 901, FD: 4}}, 1
	first.ChargedUID, first.ChargedSure, first.ChargedWhy = maybe.Some(0), false, "its holders run as several users"
	second := model.Epoll{FD: 9, State: model.OK, Counts: model.Counts{Watches: 4, ET: 1, Unproven: 1}, ReadTook: 9000, Age: 12 * time.Second, SharingUnknown: true}
	for i, kind := range []epoll.Kind{epoll.KindEventfd, epoll.KindPipe, epoll.KindSocket, epoll.KindTimerfd} {
		w := epoll.Watch{TFD: int32(10 + i), Kind: kind, Mask: 0x19, Ino: uint64(90_000 + i), Sdev: 8, HasInode: true, Link: epoll.Current, Data: 0x55d0_1234_5678}
		if kind == epoll.KindPipe {
			w.Ino, w.Sdev = 5150, 13
		}
		if kind == epoll.KindTimerfd {
			w.Link = epoll.Unproven
		}
		second.List = append(second.List, w)
	}
	third := second
	third.FD, third.SharingUnknown = 10, false
	p.Epolls = []model.Epoll{
		first, second, third,
		{FD: 30, State: model.Absent, NextRead: 3 * time.Second},
		{FD: 31, State: model.Denied, Problem: "fdinfo of fd 31: permission denied"},
	}
	p.Instances, p.Watches, p.Unread, p.Problem = 5, 31, 2, ""
	p.KernelBytes.LeavesOut = []string{"watches of 2 unread instances"}
	child := fixtureProcess(901, 33, "www-data", "\x1b[2Jevil\x1b]0;x\a", 23, 30)
	child.Epolls[0] = first
	child.Epolls[0].SharedWith = []epoll.Holder{{PID: 900, FD: 4}}
	s.Processes = append([]model.Process{p, child}, s.Processes...)
	s.Epoll.Unread, s.Hidden = 2, 41
	return s
}

// million is a process with a million listed watches.
func fixtureMillion(n int) *model.Snapshot {
	s := fixtureHuge()
	e := &s.Processes[0].Epolls[0]
	e.List = make([]epoll.Watch, n)
	for i := range e.List {
		e.List[i] = epoll.Watch{
			TFD: int32(i + 5), Kind: epoll.KindSocket, Mask: 0x80002019, Data: uint64(i) * 2654435761 % 1_000_003,
			Ino: uint64(100_000 + i), Sdev: 8, HasInode: true, Link: epoll.Current,
		}
	}
	e.Counts = model.Counts{Watches: int64(n), ET: int64(n)}
	return s
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
				r := newRig(t, fixtureShared())
				r.send(tea.WindowSizeMsg{Width: size[0], Height: size[1]})
				for _, k := range keys {
					r.keys(k)
					r.settle()
				}
				exactly(t, r.m.View().Content, size[0], size[1])
				golden(t, fmt.Sprintf("root-%s-%dx%d", name, size[0], size[1]), r.m.View().Content)
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

func TestErrorsOfALook(t *testing.T) {
	r := newRig(t, fixtureRich())
	r.err, r.snap = errors.New("open /proc: too many open files"), nil
	r.keys("2", "r")
	r.until("the answer", func() bool { return !r.m.look.underway })
	r.keys("j")
	r.sees("✗ open /proc: too many open files", "7425 root")
	r.err, r.snap = nil, fixtureRich()
	r.keys("r")
	r.until("the answer", func() bool { return !r.m.look.underway })
	r.keys("j")
	if strings.Contains(r.screen(), "✗") {
		t.Errorf("the error stays after a good look:\n%s", r.screen())
	}
}

func TestPanicInALook(t *testing.T) {
	r := newRig(t, fixtureRich(), func(o *Options) {
		o.Look = func(context.Context, Focus) (*model.Snapshot, error) { panic("index out of range") }
	})
	r.sees("✗ looking went wrong inside eptop: index out of range")
}

func TestColourlessTheme(t *testing.T) {
	r := newRig(t, fixtureRich())
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
