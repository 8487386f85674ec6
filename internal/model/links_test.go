package model

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/eptop/eptop/internal/epoll"
	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/sock"
)

// herd is a listener that three processes hold and two epolls watch, one exclusively, and
// CLOSE_WAIT sockets of the first process, one of which an epoll of the second watches.
func herd() *Sample {
	s := sample()
	listener := tcp(50, sock.StateListen, "0.0.0.0:80", "")
	sockets := []sock.Socket{listener}
	forgotten := []uint64{50}
	for i := range 23 {
		sockets = append(sockets, tcp(uint32(100+i), sock.StateCloseWait, "10.0.0.1:80", "10.0.0.2:7"))
		forgotten = append(forgotten, uint64(100+i))
	}
	s.Networks = []NetworkSample{{ID: "net:[1]", Own: true, State: OK, Table: tableOf(sockets...)}}
	s.Processes[0].Files = maybe.Some(fdsOf(append(forgotten, 50, 100)...))
	s.Processes[1].Files = maybe.Some(fdsOf(50))
	s.Processes[2].Files = maybe.Some(fdsOf(999, 50))
	watch := func(ino uint64, fd int32, mask epoll.Mask) epoll.Watch {
		return epoll.Watch{TFD: fd, Ino: ino, HasInode: true, Kind: epoll.KindSocket, Mask: mask}
	}
	s.Instances[0].List = []epoll.Watch{watch(50, 3, epoll.In|epoll.Exclusive)}
	s.Instances[1].List = []epoll.Watch{watch(50, 1, epoll.In), watch(100, 9, epoll.In|epoll.ET)}
	return s
}

// TestLinks: who holds a socket and which epolls watch it, each once.
func TestLinks(t *testing.T) {
	for name, restricted := range map[string]bool{"all": false, "one process": true} {
		t.Run(name, func(t *testing.T) {
			snap := New(herd())
			if restricted {
				snap = snap.Restrict(func(p *Process) bool { return p.PID == 20 })
			}
			l := NewLinks(snap)
			holders := slices.SortedFunc(l.Holders(SocketFile(50)), func(a, b epoll.Holder) int { return a.PID - b.PID })
			if want := []epoll.Holder{{PID: 10, FD: 0}, {PID: 11, FD: 0}, {PID: 20, FD: 1}}; !cmp.Equal(holders, want) {
				t.Errorf("held by %v", holders)
			}
			watchers := slices.SortedFunc(l.Watchers(SocketFile(50)), func(a, b Watcher) int { return a.PID - b.PID })
			if len(watchers) != 2 || watchers[0].PID != 10 || !watchers[0].Exclusive || watchers[0].SharedCount != 2 || watchers[1].EpollFD != 3 || watchers[1].Exclusive || watchers[1].FD != 1 {
				t.Errorf("watched by %+v", watchers)
			}
			for pid, want := range map[int]epoll.Holder{10: {PID: 10, FD: 4}, 11: {PID: 11, FD: 4}, 20: {PID: 20, FD: 3}} {
				if h, w, n := l.FirstWatcher(SocketFile(50), pid); h != want || n != 2 || w.Ino != 50 {
					t.Errorf("for process %d it is watched by %v, of %d", pid, h, n)
				}
			}
			if n := len(slices.Collect(l.Watchers(SocketFile(101)))); n != 0 {
				t.Errorf("a forgotten socket has %d watches", n)
			}
			if n := len(slices.Collect(l.Holders(0))); n != 0 {
				t.Errorf("no file has %d holders", n)
			}
		})
	}
}

// TestLinksOfOpenFiles: of what is no socket the number of the open file says who holds it.
func TestLinksOfOpenFiles(t *testing.T) {
	snap := New(kernelSample())
	l := NewLinks(snap)
	e := &snap.Process(10).Epolls[0]
	holders := slices.SortedFunc(l.Holders(e.FileOf(0)), func(a, b epoll.Holder) int { return a.PID - b.PID })
	if want := []epoll.Holder{{PID: 10, FD: 10}, {PID: 20, FD: 5}}; !cmp.Equal(holders, want) {
		t.Errorf("the eventfd is held by %v", holders)
	}
	if f := New(sample()).Process(10).Epolls[0].FileOf(0); f != 0 {
		t.Errorf("from /proc an eventfd is file %d", f)
	}
}

// TestTargetsAndSocketsForPrograms: each names the others, and not itself.
func TestTargetsAndSocketsForPrograms(t *testing.T) {
	snap := New(herd())
	l := NewLinks(snap)
	p := snap.Process(20)
	e := &p.Epolls[0]
	got := l.Target(p, e, 0)
	if got.WatchedByCount != maybe.Some[int64](1) || got.WatchedBy[0].PID != 10 || got.HeldByCount != maybe.Some[int64](2) {
		t.Errorf("the listener's watch: %+v", got.Others)
	}
	got = l.Target(p, e, 1) // a socket that only another process holds
	if got.WatchedByCount != maybe.Some[int64](0) || !cmp.Equal(got.HeldBy, []epoll.Holder{{PID: 10, FD: 1}}) {
		t.Errorf("the connection's watch: %+v", got.Others)
	}
	server := snap.Process(10)
	listed := l.Listed(server, server.Held[1])
	if listed.State != "CLOSE_WAIT" || listed.WatchedByCount != maybe.Some[int64](1) || listed.WatchedBy[0].EpollFD != 3 || listed.HeldByCount != maybe.Some[int64](0) || !listed.SeenAtLeast {
		t.Errorf("%+v", listed)
	}
	unlisted := l.Listed(p, p.Held[0])
	if unlisted.Kind != "socket" || unlisted.State != "" || unlisted.Seen.Known {
		t.Errorf("%+v", unlisted)
	}
	other := New(sample())
	if o := NewLinks(other).Target(other.Process(10), &other.Process(10).Epolls[0], 0).Others; o.HeldByCount.Known || o.WatchedByCount.Known {
		t.Errorf("from /proc a file that is no socket: %+v", o)
	}
}

// TestAHolderWithoutEpollsAndSockets is named too.
func TestAHolderWithoutEpollsAndSockets(t *testing.T) {
	s := kernelSample()
	s.Processes = append(s.Processes, ProcessSample{PID: 30, State: OK, Files: maybe.Some([]epoll.FD{{Num: 6, Kind: epoll.KindEventfd}}), FileIndex: []uint32{7}})
	snap := New(s)
	if snap.Process(30) != nil {
		t.Error("it has a row")
	}
	p := snap.Process(10)
	if got := NewLinks(snap).Target(p, &p.Epolls[0], 0).HeldBy; !slices.Contains(got, epoll.Holder{PID: 30, FD: 6}) {
		t.Errorf("held by %v", got)
	}
}

// TestLinksStayTheSame: as long as no list is read anew.
func TestLinksStayTheSame(t *testing.T) {
	s := herd()
	var d Deriver
	l := NewLinks(d.Derive(s))
	if !l.From(d.Derive(s)) {
		t.Error("nothing was read, and the links are others")
	}
	list := s.Instances[1].List
	s.Instances[1].List = slices.Clone(list)
	if l.From(d.Derive(s)) {
		t.Error("watches were read anew")
	}
	s.Instances[1].List = list
	s.Processes[0].Files = maybe.Some(fdsOf(50))
	if l.From(d.Derive(s)) {
		t.Error("files were listed anew")
	}
	if (*Links)(nil).From(d.Derive(s)) {
		t.Error("no links are those of a snapshot")
	}
}

// TestStatesOfAProcess: 23 CLOSE_WAIT sockets, of which one is watched, by an epoll of
// another process.
func TestStatesOfAProcess(t *testing.T) {
	s := herd()
	var d Deriver
	snap := d.Derive(s)
	want := []StateCount{{State: "tcp CLOSE_WAIT", Sockets: 23, Watched: 1}, {State: "tcp LISTEN", Sockets: 1, Watched: 1}}
	if got := snap.Process(10).States; !cmp.Equal(got, want) {
		t.Errorf("%+v", got)
	}
	if n, unwatched := snap.Process(10).StateSockets("CLOSE_WAIT"); n != 23 || unwatched != 22 {
		t.Errorf("%d in CLOSE_WAIT, %d of them unwatched", n, unwatched)
	}
	if n, _ := snap.Process(10).StateSockets("WAIT"); n != 0 {
		t.Errorf("%d in a state that is none", n)
	}
	if held := snap.Process(10).Held; len(held) != 24 || held[0] != (HeldSocket{0, 50}) || held[23] != (HeldSocket{23, 122}) {
		t.Errorf("%d sockets: %v", len(held), held)
	}
	if held := snap.Process(20).Held; !cmp.Equal(held, []HeldSocket{{0, 999}, {1, 50}}) {
		t.Errorf("a socket that no list has: %v", held)
	}
	s.Instances[1].List = slices.Clone(s.Instances[1].List[:1])
	if got := d.Derive(s).Process(10).States[0].Watched; got != 0 {
		t.Errorf("the watch is gone, and %d are watched", got)
	}
}

// TestHowLongASocketWasSeen: since the first look that saw it, and in this state.
func TestHowLongASocketWasSeen(t *testing.T) {
	s := herd()
	began := s.Time
	var d Deriver
	look := func(after time.Duration, sockets ...sock.Socket) *Snapshot {
		s.Time, s.SocketsAt = began.Add(after), began.Add(after)
		s.Networks[0].Table = tableOf(sockets...)
		return d.Derive(s)
	}
	a := func(state sock.State) sock.Socket { return tcp(7, state, "10.0.0.1:80", "10.0.0.2:1") }
	b := func(state sock.State) sock.Socket { return tcp(8, state, "10.0.0.1:80", "10.0.0.2:2") }
	check := func(snap *Snapshot, ino uint64, seen, state SeenFor) {
		t.Helper()
		so, ok := snap.SocketWith(ino)
		if !ok || so.Seen != maybe.Some(seen) || so.InState != maybe.Some(state) {
			t.Errorf("socket %d: %+v, %+v", ino, so.Seen, so.InState)
		}
	}
	snap := look(0, a(sock.StateEstablished))
	check(snap, 7, SeenFor{0, true}, SeenFor{0, true})
	snap = look(10*time.Second, a(sock.StateEstablished), b(sock.StateEstablished))
	check(snap, 7, SeenFor{10 * time.Second, true}, SeenFor{10 * time.Second, true})
	check(snap, 8, SeenFor{0, false}, SeenFor{0, false})
	snap = look(70*time.Second, b(sock.StateEstablished), a(sock.StateCloseWait))
	check(snap, 7, SeenFor{70 * time.Second, true}, SeenFor{0, false})
	check(snap, 8, SeenFor{60 * time.Second, false}, SeenFor{60 * time.Second, false})
	snap = look(75*time.Second, b(sock.StateEstablished), a(sock.StateCloseWait))
	check(snap, 7, SeenFor{75 * time.Second, true}, SeenFor{5 * time.Second, false})
	check(snap.Later(time.Second), 7, SeenFor{76 * time.Second, true}, SeenFor{6 * time.Second, false})
	// TIME_WAIT has no inode: it cannot be told from another one.
	if past := snap.Sockets.Tables[0].Past; len(past) != 2 {
		t.Errorf("%d pasts", len(past))
	}
}

// BenchmarkLinks finds who holds and who watches a million sockets.
func BenchmarkLinks(b *testing.B) {
	const n = 1_000_000
	p := Process{PID: 1, Held: make([]HeldSocket, n), Epolls: []Epoll{{List: make([]epoll.Watch, n)}}}
	for i := range n {
		p.Held[i] = HeldSocket{int32(i), uint32(1_000 + i*3)}
		p.Epolls[0].List[i] = epoll.Watch{TFD: int32(i), Ino: uint64(1_000 + (n-1-i)*3), HasInode: true, Kind: epoll.KindSocket}
	}
	s := &Snapshot{Processes: []Process{p}}
	b.ReportAllocs()
	for b.Loop() {
		l := NewLinks(s)
		if _, w, count := l.FirstWatcher(SocketFile(1_000+3*77), 1); count != 1 || w.TFD != n-1-77 {
			b.Fatalf("%d watches, %+v", count, w)
		}
	}
}

// BenchmarkAMillionHeld derives a machine on which one process holds and watches a million
// sockets that were listed anew: how long each was seen, its states, which are watched.
func BenchmarkAMillionHeld(b *testing.B) {
	const n = 1_000_000
	table := func() *sock.Table {
		builder := sock.NewBuilder()
		for i := range n {
			so := sock.Socket{Ino: uint32(1_000 + i*3), Kind: sock.TCP4, State: sock.StateEstablished, HasMem: true, HasQueues: true, Local: addrPort(127<<24|1, 8080), Remote: addrPort(127<<24|uint32(2+i/40_000), uint16(1024+i%40_000))}
			builder.Add(&so)
		}
		return builder.Table()
	}
	s := sample()
	files, list := make([]epoll.FD, n), make([]epoll.Watch, n)
	for i := range n {
		files[i] = epoll.FD{Num: int32(i), Kind: epoll.KindSocket, Ino: uint64(1_000 + i*3)}
		list[i] = epoll.Watch{TFD: int32(i), Ino: uint64(1_000 + i*3), HasInode: true, Kind: epoll.KindSocket}
	}
	s.Processes[0].Files, s.Instances[0].List = maybe.Some(files), list
	s.Networks = []NetworkSample{{ID: "net:[1]", Own: true, State: OK}}
	tables := [...]*sock.Table{table(), table()}
	parts := map[string]func(*Deriver){
		"all": func(d *Deriver) { d.Derive(s) }, "age": func(d *Deriver) { d.age(s) }, "join": func(d *Deriver) { d.join(s) }, "watched": func(d *Deriver) { d.watch(s.Instances) },
	}
	for _, name := range []string{"all", "age", "join", "watched"} {
		b.Run(name, func(b *testing.B) {
			var d Deriver
			for i := 0; b.Loop(); i++ {
				s.Networks[0].Table = tables[i%2]
				if name == "all" {
					parts[name](&d)
					continue
				}
				b.StopTimer()
				d.survey(s.Networks)
				if name != "age" {
					d.age(s)
				}
				b.StartTimer()
				parts[name](&d)
			}
		})
	}
}
