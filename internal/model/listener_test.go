package model

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/sock"
)

func queued(s sock.Socket, waiting, backlog uint32) sock.Socket {
	s.RecvQueue, s.SendQueue, s.HasQueues, s.HasBacklog, s.HasMem = waiting, backlog, true, true, true
	return s
}

// TestEachQueueOfAGroupIsJudged: the kernel fills the queues of SO_REUSEPORT one by one.
func TestEachQueueOfAGroupIsJudged(t *testing.T) {
	var group []sock.Socket
	for i, waiting := range []uint32{8, 9, 7, 10} {
		group = append(group, queued(tcp(uint32(i+1), sock.StateListen, "127.0.0.1:80", ""), waiting, 9))
	}
	s := sample()
	s.Networks = []NetworkSample{{Own: true, State: OK, Table: tableOf(group...)}}
	g := New(s).Sockets.ByPort[0]
	if g.Waiting != maybe.Some[int64](34) || g.Backlog != maybe.Some[int64](36) || g.QueueState != QueueFull || len(g.Queues) != 4 {
		t.Errorf("group = %+v", g)
	}
	if q, alike := g.Fullest(); q != (AcceptQueue{4, maybe.Some[int64](10), maybe.Some[int64](9), QueueFull}) || alike != 1 {
		t.Errorf("the fullest is %+v, like %d", q, alike)
	}
	if q := g.Queues[3]; q.Ino != 3 || q.State != QueueWaiting {
		t.Errorf("the emptiest is %+v", q)
	}
}

// TestListenersAreDistinguished by interface, kind of name and namespace, and the
// connections accepted on them with them.
func TestListenersAreDistinguished(t *testing.T) {
	on := func(iface uint32, s sock.Socket) sock.Socket {
		s.Interface = iface
		return s
	}
	unix := func(ino uint32, state sock.State, name string, abstract bool) sock.Socket {
		return queued(sock.Socket{Ino: ino, Kind: sock.UnixStream, State: state, Name: name, Abstract: abstract}, 0, 9)
	}
	six := queued(sock.Socket{Ino: 20, Kind: sock.TCP6, State: sock.StateListen, Interface: 3, Local: netip.MustParseAddrPort("[fe80::1]:80")}, 0, 9)
	table := tableOf(
		on(2, tcp(1, sock.StateListen, "0.0.0.0:8080", "")), on(3, tcp(2, sock.StateListen, "0.0.0.0:8080", "")), tcp(3, sock.StateListen, "0.0.0.0:8080", ""),
		on(2, tcp(4, sock.StateEstablished, "10.0.0.1:8080", "10.0.0.9:1")), on(2, tcp(5, sock.StateEstablished, "10.0.0.1:8080", "10.0.0.9:2")),
		on(3, tcp(6, sock.StateEstablished, "10.1.0.1:8080", "10.0.0.9:1")), tcp(7, sock.StateEstablished, "10.2.0.1:8080", "10.0.0.9:1"),
		on(4, tcp(8, sock.StateEstablished, "10.2.0.1:8080", "10.0.0.9:1")), // of an interface that no listener is bound to
		unix(10, sock.StateListen, "@same", true), unix(11, sock.StateListen, "@same", false), unix(12, sock.StateListen, "same", false),
		unix(13, sock.StateEstablished, "@same", true), six,
	)
	s := sample()
	s.Networks = []NetworkSample{
		{ID: "net:[1]", Own: true, State: OK, Table: table, Interfaces: map[uint32]string{2: "va"}},
		{ID: "net:[2]", State: OK, Table: tableOf(tcp(30, sock.StateListen, "0.0.0.0:8080", ""))},
	}
	got := map[string]int64{}
	for _, g := range New(s).Sockets.ByPort {
		got[g.Name] = g.Sockets
		if g.Abstract != (g.Name == "@same") || (g.Interface == "va") != (g.Name == "0.0.0.0%va:8080") {
			t.Errorf("%+v", g)
		}
	}
	if diff := cmp.Diff(map[string]int64{
		"0.0.0.0%va:8080": 3, "0.0.0.0%3:8080": 2, "0.0.0.0:8080": 3, "0.0.0.0:8080 in net:[2]": 1,
		"@same": 2, "./@same": 1, "same": 1, "[fe80::1]%3:80": 1,
	}, got); diff != "" {
		t.Error(diff)
	}
}
