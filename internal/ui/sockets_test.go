package ui

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/eptop/eptop/internal/epoll"
	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/sock"
)

func TestSocketsGolden(t *testing.T) {
	machines := map[string]func() *model.Snapshot{"rich": fixtureRich, "nobody": fixtureNobody}
	for machine, fixture := range machines {
		for by := byProcess; by < groupings; by++ {
			for _, size := range [][2]int{{80, 24}, {160, 50}} {
				file := fmt.Sprintf("sockets-%s-by-%s-%dx%d", machine, by, size[0], size[1])
				t.Run(file, func(t *testing.T) {
					w, h := size[0], size[1]-chrome
					v := machineView("sockets", fixture(), w, h).(*sockets)
					for v.by != by {
						v.Update(press("v"))
					}
					exactly(t, v.View(), w, h)
					golden(t, file, v.View())
				})
			}
		}
	}
}

// TestJoinedGolden: the watches of a process with all of their sockets.
func TestJoinedGolden(t *testing.T) {
	screens := map[string][]string{
		"watches":  {"p", "4", "2", "4", "2", "enter", "right"},
		"listener": {"p", "4", "2", "4", "2", "enter", "right", "enter"},
		"peer":     {"p", "4", "2", "4", "2", "enter", "right", "j", "enter"},
	}
	for name, keys := range screens {
		for _, size := range [][2]int{{80, 24}, {160, 50}} {
			t.Run(fmt.Sprintf("%s-%dx%d", name, size[0], size[1]), func(t *testing.T) {
				r := newRig(t, fixtureJoined())
				r.send(tea.WindowSizeMsg{Width: size[0], Height: size[1]})
				for _, k := range keys {
					r.keys(k)
					r.settle()
				}
				exactly(t, r.m.View().Content, size[0], size[1])
				golden(t, fmt.Sprintf("joined-%s-%dx%d", name, size[0], size[1]), r.m.View().Content)
			})
		}
	}
}

// socketScreen is what a Sockets view shows, and line the one of its lines with
// a text.
func socketScreen(v view) string { return ansi.Strip(v.View()) }

func lineWith(screen, text string) string {
	for line := range strings.Lines(screen) {
		if strings.Contains(line, text) {
			return line
		}
	}
	return ""
}

// TestSocketsAbsent: what is not known is a dash or a question mark, never 0.
func TestSocketsAbsent(t *testing.T) {
	s := fixtureNobody()
	s.Sockets.StructBytes, s.Sockets.TCPMem = maybe.Of[int64]{}, maybe.Of[model.TCPMem]{}
	s.Sockets.TCP = model.TCPTotals{}
	v := machineView("sockets", s, 160, 47).(*sockets)
	screen := socketScreen(v)
	for _, want := range []string{
		"structures         ?", "buffers            ?", "sockstat could not be read", "in use – · time wait –",
		"✗ without namespace net:[4026532281]: enter", "operation not",
	} {
		if !strings.Contains(screen, want) {
			t.Errorf("%q is not on\n%s", want, screen)
		}
	}
	if line := lineWith(screen, "ESTABLISHED"); !strings.Contains(line, "–") {
		t.Errorf("buffers that were not told: %q", line)
	}
	v.choose(byPort)
	screen = socketScreen(v)
	if line := lineWith(screen, "127.0.0.1:8081"); !strings.Contains(line, " 3 500/? ") || !strings.Contains(line, "?") {
		t.Errorf("a backlog that is not known: %q", line)
	}
	if line := lineWith(screen, "/run/dbus"); strings.Contains(line, " 0 ") || strings.Count(line, "–") < 4 {
		t.Errorf("a listener whose connections are not told from others: %q", line)
	}
}

// TestAcceptQueue: full says so in a word, and what is nearly full too.
func TestAcceptQueue(t *testing.T) {
	for _, c := range []struct {
		waiting, backlog int64
		want             string
	}{{0, 128, "0/128"}, {3, 128, "3/128"}, {104, 128, "near 104/128"}, {128, 128, "near 128/128"}, {129, 128, "FULL 129/128"}, {1, 0, "FULL 1/0"}} {
		r := socketRow{waiting: maybe.Some(c.waiting), backlog: maybe.Some(c.backlog)}
		if got := acceptQueue(&r).Text; got != c.want {
			t.Errorf("%d of %d: %q, want %q", c.waiting, c.backlog, got, c.want)
		}
	}
	v := machineView("sockets", fixtureRich(), 160, 47).(*sockets)
	v.choose(byPort)
	// The third column is ACCEPTQ: the fullest comes first.
	v.deck.table.SetOrder(2, true)
	rows := strings.Split(socketScreen(v), "\n")[v.deck.height+2:]
	if !strings.Contains(rows[0], "127.0.0.1:8097") || !strings.Contains(rows[1], "near 3 500/4 096") {
		t.Errorf("by accept queue:\n%s\n%s", rows[0], rows[1])
	}
}

// TestSocketsKeys switches the grouping with the key and the mouse, keeps each
// table's filter, and goes where Enter leads.
func TestSocketsKeys(t *testing.T) {
	r := newRig(t, fixtureShared())
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
	if r.m.attached() != 7425 {
		t.Errorf("Enter on a listener leads to process %d", r.m.attached())
	}
	r.keys("esc")
	r.sees("[3 Sockets]", "[port]")
	r.keys("esc", "v", "v", "v", "v", "enter")
	r.settle()
	if r.m.attached() != 7424 {
		t.Errorf("Enter on a process leads to %d:\n%s", r.m.attached(), r.screen())
	}
	r.keys("esc", "v", "v", "v", "v", "enter")
	r.settle()
	r.sees("tcp ESTABLISHED", "152 000 have their other end", "582 023 316 B, 3 829 B each on")
	r.keys("esc", "v", "v", "/", ":", "2", "2", "enter", "enter")
	r.settle()
	r.sees("tcp 0.0.0.0:22", "0 connections waiting, of a backlog of 128", "Which process listens is not known")
}

// TestSocketsOwnerUnknown: Enter on a listener of nobody known says so.
func TestSocketsOwnerUnknown(t *testing.T) {
	r := newRig(t, fixtureNobody())
	r.keys("3", "v", "v", "enter")
	r.settle()
	r.sees("Which process listens is not known", "sudo eptop")
}

// TestSocketsCursor walks up into the cards, which explain themselves.
func TestSocketsCursor(t *testing.T) {
	v := machineView("sockets", fixturePressed(), 160, 47)
	if title, text := v.Explain(); title != "SOCKETS" || !strings.Contains(text, "By state: ") {
		t.Errorf("the table explains %q: %s", title, text)
	}
	for _, step := range []struct{ key, title string }{
		{"up", "Socket memory"}, {"right", "TCP buffers against tcp_mem"}, {"right", "States of TCP sockets"}, {"down", "What is counted"},
		{"left", "TCP buffers against tcp_mem"}, {"down", "SOCKETS"},
	} {
		v.Update(press(step.key))
		if title, _ := v.Explain(); title != step.title {
			t.Errorf("after %s the cursor explains %q, want %q", step.key, title, step.title)
		}
	}
	for _, want := range []string{"OVER HIGH", "✗ and 1 gap more", "dumped 31 s ago, next in 34 s: it took 190 ms", "cgroup of pid 7424 (v2) is charged", "kernel 84.0 MB"} {
		if !strings.Contains(socketScreen(v), want) {
			t.Errorf("%q is not on\n%s", want, socketScreen(v))
		}
	}
}

// TestWatchesOfSockets sorts and filters watches by what their sockets tell.
func TestWatchesOfSockets(t *testing.T) {
	s := fixtureJoined()
	e := &s.Process(4242).Epolls[0]
	m := newWatchTable(newKeyMap().Keys)
	m.SetSize(160, 60)
	m.SetSource(newWatchRows(s, 4242, e))
	first := func(column int, down bool) string {
		m.SetOrder(column, down)
		return ansi.Strip(strings.Split(m.View(), "\n")[1])
	}
	for _, c := range []struct {
		column int
		down   bool
		want   string
	}{
		{watchKind, false, "epoll"}, {watchKind, true, "unix"}, {watchState, true, "LISTEN"}, {watchLocal, true, "@known23"}, {watchPeer, true, "[::1]:54321"},
		{watchRecv, true, "4.6 kB"}, {watchSend, true, "18.0 kB"}, {watchNotes, false, "stale"},
	} {
		if got := first(c.column, c.down); !strings.Contains(got, c.want) {
			t.Errorf("sorted by column %d, down %v, the first row is %q, not of %s", c.column, c.down, got, c.want)
		}
	}
	// Addresses are numbers, not text: port 9000 comes before 40000.
	end := func(addr string) model.SocketEnd { return model.SocketEnd{Addr: netip.MustParseAddrPort(addr)} }
	if end("127.0.0.1:9000").Compare(end("127.0.0.1:40000")) >= 0 || end("9.0.0.1:1").Compare(end("10.0.0.1:1")) >= 0 {
		t.Error("addresses are ordered as text")
	}
	m.SetOrder(-1, false)
	for filter, rows := range map[string]int{"127.0.0.2:": 8, "udp": 1, "⌂": 8, "!⌂": 15, "ESTABLISHED": 10, "203.0.113.9": 1, "/run/known23": 1, "LISTEN": 2} {
		m.SetFilter(filter)
		if m.Len() != rows {
			t.Errorf("the filter %q leaves %d rows, want %d:\n%s", filter, m.Len(), rows, ansi.Strip(m.View()))
		}
	}
}

// TestSameWatches: an order by what sockets tell holds until they are listed
// again, another one as long as the watches are the same.
func TestSameWatches(t *testing.T) {
	s := fixtureJoined()
	e := &s.Process(4242).Epolls[0]
	later := fixtureJoined()
	later.Sockets.Age = 0
	a, b, c := newWatchRows(s, 4242, e), newWatchRows(s, 4242, e), newWatchRows(later, 4242, e)
	for _, column := range []int{-1, watchFD, watchEvents, watchPeer, watchNotes} {
		for _, filtered := range []bool{false, true} {
			if !b.Same(a, column, filtered) {
				t.Errorf("column %d, filtered %v: the same is not", column, filtered)
			}
			if got, want := c.Same(a, column, filtered), !filtered && column != watchPeer && column != watchNotes; got != want {
				t.Errorf("column %d, filtered %v: after another dump Same = %v", column, filtered, got)
			}
		}
	}
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
	table := spaces.Own().Dump(nil, sock.FamilyTCP4)
	for i, s := range table.All() {
		if s.Remote.String() != client.LocalAddr().String() || s.Local.String() != l.Addr().String() {
			continue
		}
		snap := fixtureRich()
		list := []epoll.Watch{{TFD: 5, Kind: epoll.KindSocket, Ino: uint64(table.Ino(i)), HasInode: true, Mask: 0x19}}
		snap.Processes = []model.Process{fixtureProcess(77, 0, "root", "live", 1, 1)}
		snap.Processes[0].Epolls[0].List = list
		r := newRig(t, joinedTo(snap, table))
		r.send(tea.WindowSizeMsg{Width: 160, Height: 50})
		r.keys("p", "7", "7", "enter")
		r.settle()
		row := lineWith(r.screen(), client.LocalAddr().String())
		for _, want := range []string{"tcp ", "ESTABLISHED", l.Addr().String(), "⌂ " + client.LocalAddr().String(), " 777 B ", "kB"} {
			if !strings.Contains(row, want) {
				t.Errorf("%q is not in %q", want, row)
			}
		}
		r.keys("right", "enter")
		r.settle()
		r.sees("tcp socket", "a socket of this host too", "777 B received and not read", "0 packets")
		return
	}
	t.Fatalf("the kernel does not list %s", client.LocalAddr())
}

// BenchmarkJoin is a million watches with their sockets: a frame, a sort by an
// address, a filter.
func BenchmarkJoin(b *testing.B) {
	const n = 1_000_000
	snap := joinedTo(fixtureMillion(n), tableOf(b, procNetTCP(n, 100_000)))
	e := &snap.Processes[0].Epolls[0]
	m := newWatchTable(newKeyMap().Keys)
	m.SetSize(114, 36)
	m.SetSource(newWatchRows(snap, 31337, e))
	if s := ansi.Strip(m.View()); !strings.Contains(s, "ESTABLISHED") || !strings.Contains(s, "127.0.0.1:8080") {
		b.Fatalf("not joined:\n%s", s)
	}
	b.Run("frame", func(b *testing.B) {
		for b.Loop() {
			m.SetSource(newWatchRows(snap, 31337, e))
			m.View()
		}
	})
	b.Run("sort keys", func(b *testing.B) {
		for b.Loop() {
			newWatchRows(snap, 31337, e).Compare(watchPeer, 0, n-1)
		}
	})
	b.Run("filter text", func(b *testing.B) {
		rows := newWatchRows(snap, 31337, e)
		var text []byte
		for b.Loop() {
			for i := range n {
				text = rows.AppendText(text[:0], i)
			}
		}
	})
	for name, ask := range map[string]func(){
		"sort by peer": func() { m.SetOrder(watchPeer, true) }, "sort by fd": func() { m.SetOrder(watchFD, true) }, "filter": func() { m.SetFilter("10.1.2") },
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				m.SetOrder(-1, false)
				m.SetFilter("")
				m.SetSource(newWatchRows(snap, 31337, e))
				began := time.Now()
				ask()
				if d := time.Since(began); d > 10*time.Millisecond {
					b.Fatalf("%s holds the screen up for %s", name, d)
				}
				for m.Busy() {
					finish(m.Update, m.Pending())
				}
			}
		})
	}
}

// finish runs commands and hands their answers on, ticks left out.
func finish[E any](update func(tea.Msg) E, cmd tea.Cmd) {
	if cmd == nil {
		return
	}
	msg := cmd()
	if batch, ok := msg.(tea.BatchMsg); ok {
		for _, c := range batch[:1] { // the first is the job, the second its tick
			finish(update, c)
		}
		return
	}
	update(msg)
}

// TestSocketsThatNoListHas: what a process's sockets take is not 0 only because
// they are of a family that nobody lists.
func TestSocketsThatNoListHas(t *testing.T) {
	p := fixtureProcess(1, 0, "root", "netlink", 5, 1)
	p.KernelBytes.Sockets, p.KernelBytes.Buffers = maybe.Some[int64](0), maybe.Some[int64](0)
	if structsOf(&p).Known || buffersOf(&p).Known {
		t.Error("sockets that no list has take 0 bytes")
	}
	p.Sockets = maybe.Some[int64](0)
	if structsOf(&p) != maybe.Some[int64](0) || buffersOf(&p) != maybe.Some[int64](0) {
		t.Error("no sockets take an unknown number of bytes")
	}
	row := rowOfProcess(&model.Process{PID: 7, Epolls: []model.Epoll{{State: model.Denied}}, Instances: 1, Unread: 1})
	if row.sockets.Known || row.here.Known || row.structs.Known || row.buffers.Known || row.watches.Known {
		t.Errorf("a process whose fds may not be listed: %+v", row)
	}
}
