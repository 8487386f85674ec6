package ui

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"
	"github.com/charmbracelet/x/ansi"

	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/ui/viewtest"
)

// FuzzDashboard drives the root as a terminal would, with keys, the mouse, pastes and any
// size, while looks and a load change under it. Nothing panics, and every frame fits the
// terminal and holds no control character but those of colours.
func FuzzDashboard(f *testing.F) {
	f.Add([]byte("\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f"))
	f.Add([]byte("resize to nothing and back while a load runs"))
	f.Add([]byte(strings.Repeat("\x02\x00\x00\x02\x01\x28\x02\x50\x18\x00\x35", 20)))
	seeds := byte(40)
	if viewtest.RaceEnabled {
		seeds = 4
	}
	for seed := range seeds {
		script := make([]byte, 600)
		x := uint32(seed)*2654435761 + 1
		for i := range script {
			x ^= x << 13
			x ^= x >> 17
			x ^= x << 5
			script[i] = byte(x >> 8)
		}
		f.Add(script)
	}
	fuzzMachines() // here, where it counts for no input
	f.Fuzz(func(t *testing.T, script []byte) {
		newDriver(t).run(script)
	})
}

// driver runs a dashboard by a script, in one goroutine: its timers end at once, and the
// commands under way wait in a queue for the script to run them.
type driver struct {
	t      *testing.T
	m      *Model
	loader *viewtest.Loader
	script []byte
	queue  []tea.Cmd
	w, h   int
	snap   *model.Snapshot
	err    error
	now    time.Time
}

func newDriver(t *testing.T) *driver {
	d := &driver{t: t, loader: &viewtest.Loader{}, snap: fuzzMachines()[0]}
	d.m = New(Options{
		Delay: time.Second, Version: "1.0", Loader: d.loader,
		Look: func(context.Context, Focus) (*model.Snapshot, error) { return d.snap, d.err },
		Save: func(*model.Snapshot) (string, error) { return "/tmp/eptop\x1b[2J.json", d.err },
	})
	d.m.look.after = func(time.Duration) (<-chan time.Time, func() bool) {
		end := make(chan time.Time, 1)
		end <- time.Time{}
		return end, func() bool { return true }
	}
	d.m.ages.after = d.m.look.after
	d.m.ages.now = func() time.Time { return d.now }
	d.queue = append(d.queue, d.m.Init())
	return d
}

// fuzzMachines are what looks find. The last ones mean to hurt the terminal.
var fuzzMachines = sync.OnceValue(func() []*model.Snapshot {
	all := []*model.Snapshot{
		viewtest.Rich(), viewtest.Shared(), viewtest.SharedWithSockets(), viewtest.Empty(), viewtest.LockedDown(), viewtest.Nodes8(),
		viewtest.OddNodes(), viewtest.TCPPressure(), viewtest.MisplacedProcess(), viewtest.MemoryModules(), viewtest.ListedWatches(300),
	}
	for _, l := range fuzzLoads() {
		all = append(all, viewtest.RichWithLoad(l))
	}
	const evil = "\x1b[2J\x1b]0;x\a\u202e\u0085\x9b\n\r\x00世界👩‍👩‍👧e\u0301"
	for _, s := range []*model.Snapshot{viewtest.Rich(), viewtest.SharedWithSockets()} {
		s.Host.Hostname, s.Host.Kernel = evil, evil
		for i := range s.Processes {
			p := &s.Processes[i]
			p.Comm, p.User, p.Problem = evil, evil, evil
			for j := range p.Epolls {
				p.Epolls[j].Problem = evil
			}
		}
		for i := range s.Sources {
			s.Sources[i].Detail = evil // Remedy is eptop's own word
		}
		for i := range s.Slab {
			s.Slab[i].Name = evil
		}
		for i := range s.Epoll.Users {
			s.Epoll.Users[i].User = evil
		}
		all = append(all, s)
	}
	for _, s := range all {
		viewtest.WithHistory(s)
	}
	return all
})

func fuzzLoads() []*model.Load {
	return []*model.Load{
		nil, viewtest.LoadOpening(), viewtest.LoadHolding(), viewtest.LoadStopped(), viewtest.LoadDrained(), viewtest.LoadDenied(),
	}
}

// fuzzKeys are the keys that mean something somewhere, and some that do not.
var fuzzKeys = strings.Fields("1 2 3 4 5 6 7 tab shift+tab up down left right pgup pgdown home end enter esc backspace space ctrl+b ctrl+f " +
	"h j k l g G n N v V s S y Y d D + - < > R F e m p r w / ? ! x z 0 9 e é 世 \x00 , . = _ q i")

// next returns the next byte of the script, 0 at its end.
func (d *driver) next() int {
	if len(d.script) == 0 {
		return 0
	}
	b := d.script[0]
	d.script = d.script[1:]
	return int(b)
}

// run follows a script to its end, or for some seconds: go test calls a worker hung when
// one input takes it 10 s, and a niced fuzzer on a busy machine has little of a CPU. A step
// that never ends is still found so.
func (d *driver) run(script []byte) {
	const (
		most    = 1000
		longest = 3 * time.Second
	)
	d.script = script[:min(len(script), most)]
	for start := time.Now(); len(d.script) > 0 && time.Since(start) < longest; {
		d.step()
		d.check()
	}
}

// step does what the next bytes of the script say.
func (d *driver) step() {
	switch n := d.next(); n % 16 {
	case 0, 1, 2, 3, 4, 5, 6:
		d.send(viewtest.Press(fuzzKeys[d.next()%len(fuzzKeys)]))
	case 7, 8:
		small := d.next()
		d.w, d.h = d.next(), d.next()%80
		if small%4 == 0 {
			d.w, d.h = d.w%4, d.h%4
		}
		d.send(tea.WindowSizeMsg{Width: d.w, Height: d.h})
	case 9, 10:
		d.mouse()
	case 11:
		all := fuzzMachines()
		d.snap, d.err = all[d.next()%len(all)], nil
		if n == 11 {
			d.err = errors.New("open /proc: too many\x1b[2J open files")
			if d.next()%2 == 0 {
				d.snap = nil
			}
		}
	case 12:
		loads := fuzzLoads()
		d.loader.SetAnswer(loads[d.next()%len(loads)])
		d.loader.Err = nil
		if n == 12 {
			d.loader.Err = errors.New("no\x1b[2J room")
		}
	case 13:
		d.send(tea.PasteMsg{Content: []string{"42", "\x1b[31mred\n\x00", "nginx", strings.Repeat("世", 300), "-1", "\xff"}[d.next()%6]})
	case 14:
		d.now = d.now.Add(time.Duration(n) * time.Second)
		d.send([]tea.Msg{
			tea.ColorProfileMsg{Profile: colorprofile.ASCII}, tea.ColorProfileMsg{Profile: colorprofile.ANSI}, tea.ColorProfileMsg{Profile: colorprofile.TrueColor},
			tea.FocusMsg{}, tea.BlurMsg{}, tea.ResumeMsg{}, nil,
		}[d.next()%7])
	}
	for range 1 + d.next()%4 {
		d.work()
	}
}

func (d *driver) mouse() {
	m := tea.Mouse{X: d.next() - 4, Y: d.next()%80 - 2, Button: tea.MouseButton(d.next() % 12)}
	if m.X == 100 {
		m.X, m.Y = 99_999, -99_999
	}
	d.send([]tea.Msg{tea.MouseClickMsg(m), tea.MouseWheelMsg(m), tea.MouseMotionMsg(m), tea.MouseReleaseMsg(m)}[d.next()%4])
}

func (d *driver) send(msg tea.Msg) {
	switch msg := msg.(type) {
	case nil, tea.QuitMsg, tea.SuspendMsg:
	case tea.BatchMsg:
		d.queue = append(d.queue, msg...)
	default:
		_, cmd := d.m.Update(msg)
		d.queue = append(d.queue, cmd)
	}
}

// work runs the oldest command.
func (d *driver) work() {
	for len(d.queue) > 0 {
		cmd := d.queue[0]
		d.queue = d.queue[1:]
		if cmd != nil {
			d.send(cmd())
			return
		}
	}
}

var colours = regexp.MustCompile("\x1b\\[[0-9;:]*m")

func (d *driver) check() {
	frame := d.m.View().Content
	if f := d.m.fault; f != nil {
		d.t.Fatalf("%dx%d: %s\n%s", d.w, d.h, f.text, f.stack)
	}
	if d.w == 0 || d.h == 0 {
		if frame != "" {
			d.t.Fatalf("%dx%d: %q", d.w, d.h, frame)
		}
		return
	}
	viewtest.Exactly(d.t, frame, d.w, d.h)
	plain := colours.ReplaceAllString(frame, "")
	bad := func(r rune) bool {
		return r != '\n' && (unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r))
	}
	if i := strings.IndexFunc(plain, bad); i >= 0 {
		d.t.Fatalf("a control character at %dx%d: %q\n%s", d.w, d.h, plain[max(0, i-40):i+8], ansi.Strip(frame))
	}
}
