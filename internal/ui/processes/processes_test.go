package processes

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/eptop/eptop/internal/epoll"
	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/ui/view"
	"github.com/eptop/eptop/internal/ui/viewtest"
)

// TestManyHolders: of a thousand holders 32 are named, and all are counted.
func TestManyHolders(t *testing.T) {
	e := &model.Epoll{SharedCount: 1000}
	for pid := range 32 {
		e.SharedWith = append(e.SharedWith, epoll.Holder{PID: 100 + pid, FD: 4})
	}
	if got := sharedWith(e); got != "shared with 100/4, 101/4, 102/4, 997 more" {
		t.Error(got)
	}
}

// TestWatchesOfSockets sorts and filters watches by what their sockets tell.
func TestWatchesOfSockets(t *testing.T) {
	s := viewtest.SharedWithSockets()
	e := &s.Process(4242).Epolls[0]
	m := newWatchTable(view.NewKeyMap().Keys)
	m.SetSize(160, 60)
	m.SetSource(newWatchRows(s, 4242, e))
	first := func(column string, down bool) string {
		m.SetOrder(m.Named(column), down)
		return ansi.Strip(strings.Split(m.View(), "\n")[1])
	}
	for _, c := range []struct {
		column string
		down   bool
		want   string
	}{
		{"KIND", false, "epoll"}, {"KIND", true, "unix"}, {"STATE", true, "LISTEN"}, {"LOCAL", true, "@known23"}, {"PEER", true, "[::1]:54321"},
		{"RXQ", true, "4.6 kB"}, {"TXQ", true, "18.0 kB"}, {"NOTES", false, "stale"},
	} {
		if got := first(c.column, c.down); !strings.Contains(got, c.want) {
			t.Errorf("sorted by %s, down %v, the first row is %q, not of %s", c.column, c.down, got, c.want)
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
	s := viewtest.SharedWithSockets()
	e := &s.Process(4242).Epolls[0]
	later := viewtest.SharedWithSockets()
	later.Sockets.Age = 0
	a, b, c := newWatchRows(s, 4242, e), newWatchRows(s, 4242, e), newWatchRows(later, 4242, e)
	m := newWatchTable(view.NewKeyMap().Keys)
	for _, title := range []string{"", "FD", "EVENTS", "PEER", "NOTES"} {
		column := m.Named(title)
		for _, filtered := range []bool{false, true} {
			if !b.Same(a, column, filtered) {
				t.Errorf("column %q, filtered %v: the same is not", title, filtered)
			}
			if got, want := c.Same(a, column, filtered), !filtered && title != "PEER" && title != "NOTES"; got != want {
				t.Errorf("column %q, filtered %v: after another dump Same = %v", title, filtered, got)
			}
		}
	}
}

// BenchmarkJoin is a million watches with their sockets: a frame, a sort by an
// address, a filter.
func BenchmarkJoin(b *testing.B) {
	const n = 1_000_000
	snap := viewtest.WithSocketTable(viewtest.ListedWatches(n), viewtest.ReadTable(b, viewtest.ProcNetTCP(n, 100_000)))
	e := &snap.Processes[0].Epolls[0]
	m := newWatchTable(view.NewKeyMap().Keys)
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
			newWatchRows(snap, 31337, e).Compare(m.Named("PEER"), 0, n-1)
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
		"sort by peer": func() { m.SetOrder(m.Named("PEER"), true) }, "sort by fd": func() { m.SetOrder(m.Named("FD"), true) }, "filter": func() { m.SetFilter("10.1.2") },
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
					finishJob(m.Update, m.Pending())
				}
			}
		})
	}
}

// BenchmarkHeld is a process with a million sockets, each watched: a frame, a key, a sort, a
// filter.
func BenchmarkHeld(b *testing.B) {
	const n = 1_000_000
	snap := viewtest.WithSocketTable(viewtest.ListedWatches(n), viewtest.ReadTable(b, viewtest.ProcNetTCP(n, 100_000)))
	p := &snap.Processes[0]
	p.Held = make([]model.HeldSocket, n)
	for i := range p.Held {
		p.Held[i] = model.HeldSocket{FD: int32(i + 5), Ino: uint32(100_000 + i)}
	}
	v := newProcess(view.NewKeyMap())
	v.SetSize(160, 47)
	v.attach(p.PID, snap)
	v.Update(viewtest.Press("v"))
	finishJob(v.Update, tea.Batch(v.link()))
	if s := ansi.Strip(v.View()); !strings.Contains(s, "ESTABLISHED") || !strings.Contains(s, "4 IN|RDHUP|ET") {
		b.Fatalf("not linked:\n%s", s)
	}
	b.Run("frame", func(b *testing.B) {
		for b.Loop() {
			v.SetSnapshot(snap)
			v.View()
		}
	})
	b.Run("key", func(b *testing.B) {
		for b.Loop() {
			v.Update(viewtest.Press("down"))
			v.View()
		}
	})
	b.Run("links", func(b *testing.B) {
		for b.Loop() {
			model.NewLinks(snap).IndexWatchers()
		}
	})
	m := v.sockets
	for name, ask := range map[string]func(){
		"sort by peer": func() { m.SetOrder(m.Named("PEER"), true) }, "sort by epoll": func() { m.SetOrder(m.Named("WATCHED BY"), true) }, "filter": func() { m.SetFilter("no epoll") },
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				m.SetOrder(-1, false)
				m.SetFilter("")
				began := time.Now()
				ask()
				if d := time.Since(began); d > 10*time.Millisecond {
					b.Fatalf("%s holds the screen up for %s", name, d)
				}
				for m.Busy() {
					finishJob(m.Update, m.Pending())
				}
			}
		})
	}
}

// finishJob runs commands and hands their answers on, ticks left out.
func finishJob[E any](update func(tea.Msg) E, cmd tea.Cmd) {
	if cmd == nil {
		return
	}
	msg := cmd()
	if batch, ok := msg.(tea.BatchMsg); ok {
		for _, c := range batch[:1] { // the first is the job, the second its tick
			finishJob(update, c)
		}
		return
	}
	update(msg)
}
