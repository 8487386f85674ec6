package ui

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/eptop/eptop/internal/epoll"
	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/sock"
	"github.com/eptop/eptop/internal/ui/viewtest"
)

// TestJoinedGolden: the watches of a process with all of their sockets.
func TestJoinedGolden(t *testing.T) {
	screens := map[string][]string{
		"watches":  {"p", "4", "2", "4", "2", "enter", "right"},
		"listener": {"p", "4", "2", "4", "2", "enter", "right", "enter"},
		"peer":     {"p", "4", "2", "4", "2", "enter", "right", "j", "enter"},
		"sockets":  {"p", "9", "0", "0", "enter", "v"},
		"socket":   {"p", "9", "0", "0", "enter", "v", "enter"},
		// What only the kernel's own structures say.
		"kernel": {"p", "9", "0", "0", "enter"}, "kernel-listener": {"p", "9", "0", "0", "enter", "right", "enter"}, "kernel-about": {"p", "9", "0", "0", "enter", "e"},
	}
	machines := map[string]func() *model.Snapshot{"kernel": viewtest.FromKernel, "kernel-listener": viewtest.FromKernel, "kernel-about": viewtest.FromKernel}
	for name, keys := range screens {
		machine := machines[name]
		if machine == nil {
			machine = viewtest.SharedWithSockets
		}
		for _, size := range [][2]int{{80, 24}, {160, 50}} {
			t.Run(fmt.Sprintf("%s-%dx%d", name, size[0], size[1]), func(t *testing.T) {
				r := newRig(t, machine())
				r.send(tea.WindowSizeMsg{Width: size[0], Height: size[1]})
				for _, k := range keys {
					r.keys(k)
					r.settle()
				}
				viewtest.Exactly(t, r.m.View().Content, size[0], size[1])
				viewtest.Golden(t, fmt.Sprintf("joined-%s-%dx%d", name, size[0], size[1]), r.m.View().Content)
			})
		}
	}
}

// TestSocketsOfAProcess turns to them and back, filters them, and shows them at once where a
// process has no epoll.
func TestSocketsOfAProcess(t *testing.T) {
	r := newRig(t, viewtest.SharedWithSockets())
	r.send(tea.WindowSizeMsg{Width: 160, Height: 50})
	r.keys("p", "9", "0", "0", "enter")
	r.settle()
	r.sees("Epoll instances", "v all sockets")
	r.keys("v")
	r.settle()
	r.sees("Sockets · 30 · 3 in CLOSE_WAIT, 2 of them in no epoll", "WATCHED BY", "v epolls")
	r.keys("/", "n", "o", " ", "e", "p", "o", "l", "l", "enter")
	r.settle()
	r.sees("91010", "no epoll", "row 1 of 1")
	r.keys("enter")
	r.settle()
	r.sees("Socket of fd 40", "No epoll that eptop sees watches it", "process 900 (nginx), fd 40")
	r.keys("esc", "esc", "esc")
	r.settle()
	r.sees("Epoll instances")
	r.keys("enter", "v", "esc")
	r.settle()
	if r.m.shownPID() != 900 {
		t.Error("Esc in the sockets leads out of the process")
	}
	s := viewtest.SharedWithSockets()
	s.Processes[0].Epolls, s.Processes[0].Instances, s.Processes[0].Watches = nil, maybe.Some[int64](0), maybe.Some[int64](0)
	r = newRig(t, s)
	r.keys("p", "9", "0", "0", "enter")
	r.settle()
	r.sees("Sockets · 30", "127.0.0.2:40112")
	r.keys("v")
	r.sees("It holds no epoll instance.")
	r.keys("v", "esc")
	r.settle()
	if r.m.shownPID() != 0 {
		t.Error("Esc does not leave a process without epolls")
	}
}

// TestSocketsKeys switches the grouping with the key and the mouse, keeps each
// table's filter, and goes where Enter leads.
func TestSocketsKeys(t *testing.T) {
	r := newRig(t, viewtest.Shared())
	r.keys("3")
	for _, by := range []string{"process", "port", "remote", "user", "state", "process", "port"} {
		r.keys("v")
		if !r.shows("[" + by + "]") {
			t.Fatalf("v does not lead to %s:\n%s", by, r.screen())
		}
	}
	r.keys("/", "v", "8", "esc", "/", "F", "U", "L", "L", "enter")
	if !r.shows("[port]", "FULL 129/128") || r.shows("127.0.0.1:8080") {
		t.Fatalf("filtered by FULL:\n%s", r.screen())
	}
	r.keys("v")
	if r.shows("/FULL") {
		t.Error("the filter of one grouping is on another")
	}
	lines := strings.Split(r.screen(), "\n")
	for y, line := range lines {
		if i := strings.Index(line, " port "); i >= 0 && strings.Contains(line, "Sockets by") {
			r.send(tea.MouseClickMsg{X: i + 2, Y: y, Button: tea.MouseLeft})
		}
	}
	r.sees("[port]", "/FULL")
	for y, line := range strings.Split(r.screen(), "\n") {
		if i := strings.Index(line, "STRUCTS"); i >= 0 {
			r.send(tea.MouseClickMsg{X: i + 2, Y: y, Button: tea.MouseLeft})
		}
	}
	r.sees("STRUCTS▼")
	r.keys("enter")
	r.settle()
	if r.m.shownPID() != 7425 {
		t.Errorf("Enter on a listener leads to process %d", r.m.shownPID())
	}
	r.keys("esc")
	r.sees("[3 Sockets]", "[port]")
	r.keys("esc", "v", "v", "v", "v", "enter")
	r.settle()
	if r.m.shownPID() != 7424 {
		t.Errorf("Enter on a process leads to %d:\n%s", r.m.shownPID(), r.screen())
	}
	r.keys("esc", "v", "v", "v", "v", "enter")
	r.settle()
	r.sees("tcp ESTABLISHED", "152 000 have their other end", "582 023 316 B, 3 829 B each on")
	r.keys("esc", "v", "v", "/", ":", "2", "2", "enter", "enter")
	r.settle()
	r.sees("tcp 0.0.0.0:22", "0 connections waiting, of a backlog of 128", "Which process listens is not known")
}

// TestBehindAState: Enter on a state opens who holds its sockets, Enter there the sockets of
// the process in that state, Enter there all of one; Esc goes back each step.
func TestBehindAState(t *testing.T) {
	r := newRig(t, viewtest.SharedWithSockets())
	r.send(tea.WindowSizeMsg{Width: 120, Height: 40})
	r.keys("3", "/", "C", "L", "O", "S", "E", "_", "W", "enter", "enter")
	r.settle()
	r.sees("tcp CLOSE_WAIT · 1 socket of 2 processes", "process  900 nginx", "process  4242 known23", "on       127.0.0.1:8080")
	r.keys("enter")
	r.settle()
	r.sees("900 nginx", "Sockets · 30", "row 1 of 1", "203.0.113.9:49153")
	r.keys("enter")
	r.settle()
	r.sees("Socket of fd 19", "process 4242 (known23), fd 19")
	r.keys("esc", "esc", "esc")
	r.settle()
	r.sees("tcp CLOSE_WAIT · 1 socket of 2 processes")
	r.keys("esc")
	r.sees("Sockets by")
	r.keys("enter")
	r.settle()
	r.sees("1 socket of 2 processes")
	// The sockets were listed again: the page follows.
	next := *r.snap
	next.Time = next.Time.Add(time.Minute)
	next.Processes = slices.Clone(next.Processes)
	for i := range next.Processes {
		if next.Processes[i].PID == 4242 {
			next.Processes[i].Held = nil
		}
	}
	r.snap = &next
	r.keys("r")
	r.settle()
	r.sees("tcp CLOSE_WAIT · 1 socket of 1 process")
}

// TestSocketsOwnerUnknown: Enter on a listener of nobody known says so.
func TestSocketsOwnerUnknown(t *testing.T) {
	r := newRig(t, viewtest.Unprivileged())
	r.keys("3", "v", "v", "enter")
	r.settle()
	r.sees("Which process listens is not known", "sudo eptop")
}

// TestWatchOfALiveSocket: a real connection, listed by the kernel, shows its
// addresses and its unread bytes.
func TestWatchOfALiveSocket(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err := net.Dial("tcp4", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	if _, err := client.Write(make([]byte, 777)); err != nil {
		t.Fatal(err)
	}
	spaces, err := sock.NewNamespaces("/proc", 4)
	if err != nil {
		t.Skipf("no network namespaces here: %v; run where /proc/self/ns/net is", err)
	}
	defer spaces.Close()
	table := spaces.Own().Dump(t.Context(), nil, sock.FamilyTCP4)
	for i, s := range table.All() {
		if s.Remote.String() != client.LocalAddr().String() || s.Local.String() != l.Addr().String() {
			continue
		}
		snap := viewtest.Rich()
		list := []epoll.Watch{{TFD: 5, Kind: epoll.KindSocket, Ino: uint64(table.Ino(i)), HasInode: true, Mask: 0x19}}
		snap.Processes = []model.Process{viewtest.Process(77, 0, "root", "live", 1, 1)}
		snap.Processes[0].Epolls[0].List = list
		r := newRig(t, viewtest.WithSocketTable(snap, table))
		r.send(tea.WindowSizeMsg{Width: 160, Height: 50})
		r.keys("p", "7", "7", "enter")
		r.settle()
		row := viewtest.LineWith(r.screen(), client.LocalAddr().String())
		for _, want := range []string{"tcp ", "ESTABLISHED", l.Addr().String(), "⌂ " + client.LocalAddr().String(), " 777 B ", "kB"} {
			if !strings.Contains(row, want) {
				t.Errorf("%q is not in %q", want, row)
			}
		}
		r.keys("right", "enter")
		r.settle()
		r.sees("tcp socket", "a socket of this host too", "777 B received and not read")
		return
	}
	t.Fatalf("the kernel does not list %s", client.LocalAddr())
}
