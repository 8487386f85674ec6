package model

import (
	"slices"
	"strings"
	"testing"

	"github.com/eptop/eptop/internal/epoll"
	"github.com/eptop/eptop/internal/maybe"
)

func TestQueueStates(t *testing.T) {
	none := maybe.Of[int64]{}
	for _, tt := range []struct {
		waiting, backlog maybe.Of[int64]
		want             QueueState
	}{
		{none, maybe.Some[int64](8), ""},
		{maybe.Some[int64](0), maybe.Some[int64](8), QueueEmpty},
		{maybe.Some[int64](0), none, QueueEmpty},
		{maybe.Some[int64](7), maybe.Some[int64](8), QueueWaiting},
		{maybe.Some[int64](7000), none, QueueWaiting},
		{maybe.Some[int64](8), maybe.Some[int64](8), QueueNear}, // of 9 that may wait
		{maybe.Some[int64](9), maybe.Some[int64](8), QueueFull},
		{maybe.Some[int64](1), maybe.Some[int64](0), QueueFull},
	} {
		if got := QueueStateOf(tt.waiting, tt.backlog); got != tt.want {
			t.Errorf("%+v of %+v is %q, want %q", tt.waiting, tt.backlog, got, tt.want)
		}
	}
}

func TestTCPMemStates(t *testing.T) {
	marks := maybe.Some(TCPMem{Low: 10, Pressure: 20, High: 30})
	for used, want := range map[int64]TCPMemState{0: TCPMemOK, 10: TCPMemOK, 11: TCPMemAboveLow, 20: TCPMemAboveLow, 21: TCPMemPressure, 30: TCPMemPressure, 31: TCPMemOverHigh} {
		if got := tcpMemState(maybe.Some(used), marks); got != want {
			t.Errorf("%d is %q, want %q", used, got, want)
		}
	}
	if got := tcpMemState(maybe.Of[int64]{}, marks); got != "" {
		t.Errorf("buffers that are not known are %q", got)
	}
}

func TestLevels(t *testing.T) {
	for used, want := range map[int64]Level{79: LevelOK, 80: LevelNear, 94: LevelNear, 95: LevelCritical, 200: LevelCritical} {
		p := Process{FDs: maybe.Some(used), Nofile: maybe.Some[int64](100)}
		if got := levelOf(p.NofileShare()); got != want {
			t.Errorf("%d %% is %q, want %q", used, got, want)
		}
	}
	for _, p := range []Process{{}, {FDs: maybe.Some[int64](7)}, {FDs: maybe.Some[int64](7), Nofile: maybe.Some[int64](0)}} {
		if got := levelOf(p.NofileShare()); got != "" {
			t.Errorf("%+v is %q: its share is not known", p, got)
		}
	}
}

func TestNotes(t *testing.T) {
	w := epoll.Watch{Mask: epoll.OneShot, Link: epoll.Stale, Kind: epoll.KindEpoll}
	full := WatchedSocket{State: "LISTEN", RecvQueue: maybe.Some[int64](9), SendQueue: maybe.Some[int64](8), Drops: maybe.Some[int64](3), PeerHere: true}
	n := NotesOf(&w, &full)
	if want := []string{"stale", "full", "disarmed", "nested", "drops", "peer on this host"}; !slices.Equal(n.Words(), want) {
		t.Errorf("notes %q, want %q", n.Words(), want)
	}
	if quiet := NotesOf(&epoll.Watch{Mask: epoll.In, Link: epoll.Current}, &WatchedSocket{}); quiet != 0 || len(quiet.Words()) != 0 {
		t.Errorf("a watch like all others: %q", quiet.Words())
	}
	// A connection's send queue is no backlog.
	busy := WatchedSocket{State: "ESTABLISHED", RecvQueue: maybe.Some[int64](9), SendQueue: maybe.Some[int64](8)}
	if n := NotesOf(&epoll.Watch{Link: epoll.Current}, &busy); n != 0 {
		t.Errorf("a busy connection: %q", n.Words())
	}
}

// TestDeriverRemembers: what follows from the same memory is made once, and made anew
// where it changed.
func TestDeriverRemembers(t *testing.T) {
	var d Deriver
	s := sample()
	table := mixed(t)
	s.Networks = []NetworkSample{{ID: "net:[1]", Own: true, Table: table, State: OK}}
	files := []epoll.FD{{Num: 3, Kind: epoll.KindSocket, Ino: 101}}
	s.Processes[0].Files = maybe.Some(files)
	d.Derive(s)
	before := d.surveys[table]
	if d.Derive(s); d.surveys[table] != before || d.holdings[10].Sockets != 1 {
		t.Errorf("the same table was surveyed again")
	}
	// The process closed its socket; a process that ended and one that lists nothing
	// any more are forgotten.
	s.Processes[0].Files = maybe.Some([]epoll.FD{})
	if snap := d.Derive(s); snap.Process(10).Sockets != maybe.Some[int64](0) || snap.Process(10).KernelBytes.Sockets != maybe.Some[int64](0) {
		t.Errorf("after it closed its socket: %+v", snap.Process(10))
	}
	s.Processes[0].Files = maybe.Some(files)
	s.Networks[0].Table = tcpTable(t, server+" "+nobody+" 0A 100")
	if snap := d.Derive(s); !strings.Contains(strings.Join(snap.Process(10).KernelBytes.LeavesOut, ""), "1 socket opened or closed meanwhile") || len(d.surveys) != 1 {
		t.Errorf("after another dump: %+v", snap.Process(10).KernelBytes)
	}
	s.Processes = s.Processes[1:]
	if d.Derive(s); len(d.holdings) != 0 {
		t.Errorf("%d processes are remembered", len(d.holdings))
	}
	s.Instances[0].List = watches(1000)
	if got := d.Derive(s).Epoll.Watches.Value; got != 1007 {
		t.Errorf("%d watches", got)
	}
	s.Instances[0].List = s.Instances[0].List[:300]
	if got := d.Derive(s).Epoll.Watches.Value; got != 307 {
		t.Errorf("%d watches after some were removed", got)
	}
}
