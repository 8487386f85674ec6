package sockets

import (
	"fmt"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"

	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/ui/view"
	"github.com/eptop/eptop/internal/ui/viewtest"
)

func TestSocketsGolden(t *testing.T) {
	machines := map[string]func() *model.Snapshot{"rich": viewtest.Rich, "nobody": viewtest.Unprivileged}
	for machine, makeSnapshot := range machines {
		for by := byProcess; by < groupings; by++ {
			for _, size := range [][2]int{{80, 24}, {160, 50}} {
				file := fmt.Sprintf("sockets-%s-by-%s-%dx%d", machine, by, size[0], size[1])
				t.Run(file, func(t *testing.T) {
					w, h := size[0], size[1]-viewtest.ChromeLines
					v := viewtest.Maker(New).Show(makeSnapshot(), w, h).(*View)
					for v.by != by {
						v.Update(viewtest.Press("v"))
					}
					viewtest.Exactly(t, v.View(), w, h)
					viewtest.Golden(t, file, v.View())
				})
			}
		}
	}
}

// socketScreen is what a Sockets view shows, and line the one of its lines with
// a text.
func socketScreen(v view.View) string { return ansi.Strip(v.View()) }

// TestSocketsAbsent: what is not known is a dash or a question mark, never 0.
func TestSocketsAbsent(t *testing.T) {
	s := viewtest.Unprivileged()
	s.Sockets.StructBytes, s.Sockets.TCPMem = maybe.Of[int64]{}, maybe.Of[model.TCPMem]{}
	s.Sockets.TCP = model.TCPTotals{}
	v := viewtest.Maker(New).Show(s, 160, 47).(*View)
	screen := socketScreen(v)
	for _, want := range []string{
		"structures         ?", "buffers            ?", "sockstat could not be read", "in use – · time wait –",
		"✗ without namespace net:[4026532281]: enter", "operation not",
	} {
		if !strings.Contains(screen, want) {
			t.Errorf("%q is not on\n%s", want, screen)
		}
	}
	if line := viewtest.LineWith(screen, "ESTABLISHED"); !strings.Contains(line, "–") {
		t.Errorf("buffers that were not reported: %q", line)
	}
	v.choose(byPort)
	screen = socketScreen(v)
	if line := viewtest.LineWith(screen, "127.0.0.1:8081"); !strings.Contains(line, " 3 500/? ") || !strings.Contains(line, "?") {
		t.Errorf("a backlog that is not known: %q", line)
	}
	if line := viewtest.LineWith(screen, "/run/dbus"); strings.Contains(line, " 0 ") || strings.Count(line, "–") < 4 {
		t.Errorf("a listener whose connections are not told from others: %q", line)
	}
}

// TestCountsOfTCPAreWhole: at 80 columns too, however long they are.
func TestCountsOfTCPAreWhole(t *testing.T) {
	s := viewtest.Rich()
	for timeWait, want := range map[int64]string{7_012: "in use 100 014 · time wait 7 012", 10_007_012: "here in use 100 014"} {
		s.Sockets.TCP.InUse, s.Sockets.TCP.TimeWait = maybe.Some[int64](100_014), maybe.Some(timeWait)
		screen := socketScreen(viewtest.Maker(New).Show(s, 80, 24-viewtest.ChromeLines))
		if line := viewtest.LineWith(screen, "in use"); !strings.Contains(line, want) || strings.Contains(line, "…") {
			t.Errorf("%d: %q", timeWait, line)
		}
	}
}

// TestAcceptQueue: full says so in a word, and what is nearly full too.
func TestAcceptQueue(t *testing.T) {
	for _, c := range []struct {
		waiting, backlog int64
		want             string
	}{{0, 128, "0/128"}, {3, 128, "3/128"}, {104, 128, "near 104/128"}, {128, 128, "near 128/128"}, {129, 128, "FULL 129/128"}, {1, 0, "FULL 1/0"}} {
		r := row{waiting: maybe.Some(c.waiting), backlog: maybe.Some(c.backlog)}
		r.queue = model.QueueStateOf(r.waiting, r.backlog)
		if got := acceptQueue(&r).Text; got != c.want {
			t.Errorf("%d of %d: %q, want %q", c.waiting, c.backlog, got, c.want)
		}
	}
	r := row{waiting: maybe.Some[int64](9), backlog: maybe.Some[int64](8), queue: model.QueueFull, alike: 1, queues: 4}
	if got := acceptQueue(&r).Text; got != "FULL 9/8 in 1 of 4" {
		t.Errorf("one of four queues: %q", got)
	}
	v := viewtest.Maker(New).Show(viewtest.Rich(), 160, 47).(*View)
	v.choose(byPort)
	// The third column is ACCEPTQ: the fullest comes first.
	v.deck.Table.SetOrder(2, true)
	rows := strings.Split(socketScreen(v), "\n")[v.deck.Height+2:]
	if !strings.Contains(rows[0], "127.0.0.1:8097") || !strings.Contains(rows[1], "near 3 500/4 096") {
		t.Errorf("by accept queue:\n%s\n%s", rows[0], rows[1])
	}
}

// TestSocketsCursor walks up into the cards, which explain themselves.
func TestSocketsCursor(t *testing.T) {
	v := viewtest.Maker(New).Show(viewtest.TCPPressure(), 160, 47)
	if title, text := v.Explain(); title != "SOCKETS" || !strings.Contains(text, "By state: ") {
		t.Errorf("the table explains %q: %s", title, text)
	}
	for _, step := range []struct{ key, title string }{
		{"up", "Socket memory"}, {"right", "TCP buffers against tcp_mem"}, {"right", "States of TCP sockets"}, {"down", "What is counted"},
		{"left", "TCP buffers against tcp_mem"}, {"down", "SOCKETS"},
	} {
		v.Update(viewtest.Press(step.key))
		if title, _ := v.Explain(); title != step.title {
			t.Errorf("after %s the cursor explains %q, want %q", step.key, title, step.title)
		}
	}
	for _, want := range []string{"OVER HIGH", "✗ and 1 gap more", "listed 31 s ago, next in 34 s: it took 190 ms", "cgroup of pid 7424 (v2) is charged", "kernel 84.0 MB"} {
		if !strings.Contains(socketScreen(v), want) {
			t.Errorf("%q is not on\n%s", want, socketScreen(v))
		}
	}
}

// TestSocketsThatNoListHas: what a process's sockets take is not 0 only because
// they are of a family that nobody lists.
func TestSocketsThatNoListHas(t *testing.T) {
	p := viewtest.Process(1, 0, "root", "netlink", 5, 1)
	p.KernelBytes.Sockets, p.KernelBytes.Buffers = maybe.Some[int64](0), maybe.Some[int64](0)
	if view.StructsOf(&p).Known || view.BuffersOf(&p).Known {
		t.Error("sockets that no list has take 0 bytes")
	}
	p.Sockets = maybe.Some[int64](0)
	if view.StructsOf(&p) != maybe.Some[int64](0) || view.BuffersOf(&p) != maybe.Some[int64](0) {
		t.Error("no sockets take an unknown number of bytes")
	}
	row := rowOfProcess(&model.Process{PID: 7, Epolls: []model.Epoll{{State: model.Denied}}, Instances: maybe.Some[int64](1), Unread: 1})
	if row.sockets.Known || row.here.Known || row.structs.Known || row.buffers.Known || row.watches.Known {
		t.Errorf("a process whose fds may not be listed: %+v", row)
	}
}

func TestView(t *testing.T) { viewtest.Maker(New).Check(t, "sockets") }

func BenchmarkFrame(b *testing.B) { viewtest.Maker(New).Benchmark(b) }
