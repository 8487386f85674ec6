package model

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/eptop/eptop/internal/epoll"
	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/sock"
)

// tableOf makes a table of sockets.
func tableOf(sockets ...sock.Socket) *sock.Table {
	b := sock.NewBuilder()
	for i := range sockets {
		b.Add(&sockets[i])
	}
	return b.Table()
}

// tcp is a measured TCP socket over IPv4.
func tcp(ino uint32, state sock.State, from, to string) sock.Socket {
	s := sock.Socket{Ino: ino, Kind: sock.TCP4, State: state, Local: netip.MustParseAddrPort(from), HasMem: true, HasQueues: true}
	if state == sock.StateListen {
		s.HasBacklog, s.SendQueue = true, 128
	}
	if to != "" {
		s.Remote = netip.MustParseAddrPort(to)
	}
	return s
}

// fdsOf are fds of sockets.
func fdsOf(inodes ...uint64) []epoll.FD {
	var fds []epoll.FD
	for i, ino := range inodes {
		fds = append(fds, epoll.FD{Num: int32(i), Kind: epoll.KindSocket, Ino: ino})
	}
	return fds
}

// TestASocketCountsOnce: however many fds of a process refer to one.
func TestASocketCountsOnce(t *testing.T) {
	var d Deriver
	d.survey([]NetworkSample{
		{Table: tableOf(tcp(7, sock.StateEstablished, "10.0.0.1:5", "10.0.0.2:6"))},
		{Table: tableOf(tcp(8, sock.StateListen, "10.0.0.1:80", ""), tcp(9, sock.StateEstablished, "10.0.0.1:80", "10.0.0.2:6"))},
	})
	for _, fds := range [][]uint64{{7, 8, 9, 99}, {9, 9, 8, 7, 99, 9, 8, 99, 7}, {99, 7, 7, 7, 8, 8, 9}} {
		h := d.heldBy(fdsOf(fds...))
		if h.Sockets != 3 || !cmp.Equal(h.missing, []uint64{99}) || !cmp.Equal(h.Listening, []uint32{8}) || h.BindPorts != 2 || h.BindAddresses != 2 {
			t.Errorf("%v: %+v", fds, h)
		}
	}
}

// TestSharedSockets: what a parent and its child hold is said of both, look by look.
func TestSharedSockets(t *testing.T) {
	s := sample()
	s.Networks = []NetworkSample{{Own: true, State: OK, Table: tableOf(tcp(1, sock.StateListen, "10.0.0.1:80", ""), tcp(2, sock.StateEstablished, "10.0.0.1:80", "10.0.0.2:1"))}}
	parent, child := s.Processes[0].PID, s.Processes[1].PID
	var d Deriver
	for i, want := range [][2]int64{{1, 1}, {2, 2}, {0, 0}} {
		s.Processes[0].Files = maybe.Some(fdsOf(1, 1, 2))
		s.Processes[1].Files = maybe.Some(fdsOf([][]uint64{{1, 1}, {2, 1}, {7}}[i]...))
		snap := d.Derive(s)
		if got := [2]int64{snap.Process(parent).SharedSockets, snap.Process(child).SharedSockets}; got != want {
			t.Errorf("look %d: %v, want %v", i, got, want)
		}
	}
	s.Processes[1].Files = maybe.Some(fdsOf(1))
	d.Derive(s)
	s.Processes = s.Processes[:1]
	if snap := d.Derive(s); snap.Process(parent).SharedSockets != 0 {
		t.Error("the child has ended, and the socket is still shared")
	}
}

// TestBindBucketsAreShared: sockets of one port and address have one pair of buckets,
// and sums over processes have each once.
func TestBindBucketsAreShared(t *testing.T) {
	var sockets []sock.Socket
	var clients, servers, others []uint64
	sockets = append(sockets, sock.Socket{Kind: sock.TCP4, Body: sock.BodyTimeWait, State: sock.StateTimeWait,
		Local: netip.MustParseAddrPort("127.0.0.1:33333"), Remote: netip.MustParseAddrPort("127.0.0.9:9")})
	add := func(list *[]uint64, s sock.Socket) {
		s.Ino = uint32(len(sockets) + 100)
		sockets = append(sockets, s)
		*list = append(*list, uint64(s.Ino))
	}
	// An accepted connection may come before its listener.
	add(&servers, tcp(0, sock.StateEstablished, "127.0.0.1:8000", "127.0.0.1:33333"))
	add(&servers, tcp(0, sock.StateListen, "0.0.0.0:8000", ""))
	for i := range 50 {
		add(&clients, tcp(0, sock.StateEstablished, "127.0.0.1:33333", fmt.Sprintf("127.0.1.%d:8000", i)))
	}
	add(&clients, tcp(0, sock.StateEstablished, "127.0.0.2:33333", "127.0.1.1:8000"))
	add(&others, tcp(0, sock.StateEstablished, "127.0.0.1:33333", "127.0.2.1:8000"))
	var d Deriver
	d.survey([]NetworkSample{{Table: tableOf(sockets...)}})
	var all *survey
	for _, v := range d.surveys {
		all = v
	}
	if all.All.BindPorts != 2 || all.All.BindAddresses != 4 {
		t.Errorf("all have %d and %d buckets", all.All.BindPorts, all.All.BindAddresses)
	}
	for _, tt := range []struct {
		name             string
		fds              []uint64
		ports, addresses int64
	}{
		{"clients", clients, 1, 2},
		{"servers", servers, 1, 2}, // 0.0.0.0, and 127.0.0.1 of the connection
		{"another client of the port", others, 0, 0},
	} {
		if h := d.heldBy(fdsOf(tt.fds...)); h.BindPorts != tt.ports || h.BindAddresses != tt.addresses {
			t.Errorf("%s: %d and %d buckets, want %d and %d", tt.name, h.BindPorts, h.BindAddresses, tt.ports, tt.addresses)
		}
	}
}

// TestMappedAddressesShareABucket: an IPv4 address and the same one mapped are one.
func TestMappedAddressesShareABucket(t *testing.T) {
	six := sock.Socket{Ino: 2, Kind: sock.TCP6, State: sock.StateEstablished, HasMem: true,
		Local: netip.MustParseAddrPort("[::ffff:10.0.0.1]:80"), Remote: netip.MustParseAddrPort("[::ffff:10.0.0.2]:1")}
	v := newSurvey(tableOf(tcp(1, sock.StateListen, "10.0.0.1:80", ""), six))
	if v.All.BindPorts != 1 || v.All.BindAddresses != 1 {
		t.Errorf("%d and %d buckets", v.All.BindPorts, v.All.BindAddresses)
	}
}

// TestDropsAreLosses: of listeners, UDP and UNIX; on a TCP connection they count
// keepalive probes.
func TestDropsAreLosses(t *testing.T) {
	drop := func(s sock.Socket) sock.Socket {
		s.Mem.Drops = 5
		return s
	}
	idle := drop(tcp(1, sock.StateEstablished, "10.0.0.1:80", "10.0.0.2:1"))
	listening := drop(tcp(2, sock.StateListen, "10.0.0.1:80", ""))
	udp := drop(sock.Socket{Ino: 3, Kind: sock.UDP4, State: sock.StateClose, Local: netip.MustParseAddrPort("0.0.0.0:53"), HasMem: true, HasQueues: true})
	s := sample()
	s.Networks = []NetworkSample{{Own: true, State: OK, Table: tableOf(idle, listening, udp)}}
	snap := New(s)
	got := map[string]maybe.Of[int64]{}
	for _, list := range [][]SocketGroup{snap.Sockets.ByState, snap.Sockets.ByPort, snap.Sockets.ByRemote} {
		for _, g := range list {
			got[g.Name] = g.Drops
		}
	}
	if diff := cmp.Diff(map[string]maybe.Of[int64]{
		"tcp ESTABLISHED": {}, "tcp LISTEN": maybe.Some[int64](5), "udp CLOSE": maybe.Some[int64](5), "10.0.0.1:80": maybe.Some[int64](5), "10.0.0.2": {},
	}, got); diff != "" {
		t.Error(diff)
	}
	for ino, want := range map[uint64]bool{1: false, 2: true, 3: true} {
		w := epoll.Watch{Ino: ino, HasInode: true, Kind: epoll.KindSocket}
		so, ok := snap.SocketOf(w)
		if noted := NotesOf(&w, &so)&NoteDrops != 0; !ok || noted != want || so.Drops.Known != want {
			t.Errorf("socket %d: %+v, noted %v", ino, so.Drops, noted)
		}
	}
}

// TestWhySocketsAreMissing: a family that /proc/net names, what came or went between
// two lists, and what is missing look after look.
func TestWhySocketsAreMissing(t *testing.T) {
	s := sample()
	look := func(d *Deriver, inodes ...uint64) []string {
		s.Networks = []NetworkSample{{Own: true, State: OK, Table: tableOf(tcp(1, sock.StateEstablished, "10.0.0.1:80", "10.0.0.2:1")),
			OtherFamilies: map[uint64]string{20: "netlink", 21: "netlink", 22: "packet"}}}
		s.Processes[0].Files, s.Processes[1].Files = maybe.Some(fdsOf(inodes...)), maybe.Some(fdsOf(inodes...))
		snap := d.Derive(s)
		if diff := cmp.Diff(snap.Sockets.LeavesOut, snap.Process(s.Processes[0].PID).KernelBytes.LeavesOut[:len(snap.Sockets.LeavesOut)]); diff != "" {
			t.Errorf("host and process differ: %s", diff)
		}
		return snap.Sockets.LeavesOut
	}
	var d Deriver
	families := "3 sockets of other families: netlink 2, packet 1"
	for i, tt := range []struct {
		inodes []uint64
		want   []string
	}{
		{[]uint64{1, 20, 21, 22, 30, 31}, []string{families, "2 sockets that sock_diag does not report: of other families, not bound, in a namespace that was not looked into, or closed since the fds were listed"}},
		{[]uint64{1, 20, 21, 22, 30, 40, 41}, []string{families, "2 sockets opened or closed meanwhile: fds and sockets are listed one after the other", "1 socket that sock_diag does not report: of other families, not bound, or in a namespace that was not looked into"}},
		{[]uint64{1}, nil},
	} {
		if diff := cmp.Diff(tt.want, look(&d, tt.inodes...)); diff != "" {
			t.Errorf("look %d: %s", i, diff)
		}
	}
}

// TestUnreportedSocketsAreAGap: the sums over sockets do not have what a process holds and
// nobody reports. A socket of another family is in no sum anyway.
func TestUnreportedSocketsAreAGap(t *testing.T) {
	for name, c := range map[string]struct {
		families map[uint64]string
		atLeast  bool
	}{"not bound, say": {nil, true}, "netlink": {map[uint64]string{77: "netlink"}, false}} {
		s := sample()
		s.Processes = []ProcessSample{{
			PID: 7, State: OK, FDs: maybe.Some[int64](1), Files: maybe.Some([]epoll.FD{{Num: 3, Kind: epoll.KindSocket, Ino: 77}}),
		}}
		s.Networks = []NetworkSample{{ID: "net:[1]", Own: true, State: OK, Table: tableOf(tcp(1, sock.StateListen, "127.0.0.1:80", "")), OtherFamilies: c.families}}
		k := New(s).Sockets
		if k.AtLeast != c.atLeast || k.Has(GapNotBound) != c.atLeast || len(k.LeavesOut) != 1 {
			t.Errorf("%s: %+v", name, k.Extent)
		}
	}
}

// TestEndsOfUnixSocketsWithoutSockDiag: /proc/net/unix does not say where the other ends
// are, which is not the same as elsewhere.
func TestEndsOfUnixSocketsWithoutSockDiag(t *testing.T) {
	for _, diag := range []bool{false, true} {
		end := sock.Socket{Ino: 5, Kind: sock.UnixStream, State: sock.StateEstablished, HasMem: diag, HasUID: true}
		s := sample()
		s.Processes = []ProcessSample{{
			PID: 7, State: OK, FDs: maybe.Some[int64](1), Files: maybe.Some([]epoll.FD{{Num: 3, Kind: epoll.KindSocket, Ino: 5}}),
		}}
		s.Networks = []NetworkSample{{ID: "net:[1]", Own: true, State: OK, Table: tableOf(end)}}
		snap := New(s)
		k := snap.Sockets
		if k.ByState[0].Here().Known != diag || k.ByUser[0].Here().Known != diag || (k.HereMark() == "") != diag || (snap.Processes[0].EndsUnknown == 0) != diag {
			t.Errorf("with sock_diag %v: %+v, %d of the process", diag, k.ByState[0], snap.Processes[0].EndsUnknown)
		}
	}
}

// TestMissingUnderChurn: where the sockets were listed long after the fds, most of what is
// missing was closed since then.
func TestMissingUnderChurn(t *testing.T) {
	missing := make([]uint64, 11_205)
	for i := range missing {
		missing[i] = uint64(i)
	}
	for after, want := range map[time.Duration]string{
		time.Second:      "11 205 sockets that sock_diag does not report: closed since the fds were listed, of other",
		time.Millisecond: "11 205 sockets that sock_diag does not report: of other families, not bound,",
	} {
		if got := leftOut(absences(missing, nil, nil, after)); len(got) != 1 || !strings.HasPrefix(got[0], want) {
			t.Errorf("%v: %q, want %q", after, got, want)
		}
	}
}

// TestUnixBefore514: one cache for stream and datagram sockets, in every sum.
func TestUnixBefore514(t *testing.T) {
	layouts := layouts618()
	layouts["UNIX"] = layouts["UNIX-STREAM"]
	delete(layouts, "UNIX-STREAM")
	stream := sock.Socket{Ino: 5, Kind: sock.UnixStream, State: sock.StateEstablished, HasMem: true, HasQueues: true}
	for name, structs := range map[string]map[string]int64{"without BTF": nil, "with BTF": {"unix_sock": 1024}} {
		s := sample()
		s.Layouts, s.StructBytes = layouts, structs
		s.Networks = []NetworkSample{{Own: true, State: OK, Table: tableOf(stream)}}
		s.Processes[0].Files = maybe.Some(fdsOf(5))
		snap := New(s)
		want := snap.ConnectionCost.Unix
		if !want.Known || want.Value.Parts[0].Cache != "UNIX" || want.Value.Parts[0].Origin != Measured {
			t.Errorf("%s: a UNIX stream takes %+v", name, want)
		}
		if k := snap.Sockets; k.StructBytes != maybe.Some(want.Value.Bytes) || k.ByState[0].StructBytes != k.StructBytes || k.Origin != Derived ||
			snap.Process(s.Processes[0].PID).KernelBytes.Sockets != k.StructBytes {
			t.Errorf("%s: %+v", name, k)
		}
	}
}

// TestUnixConnectionsInAcceptQueues: no dump lists them, the queue's length counts them.
func TestUnixConnectionsInAcceptQueues(t *testing.T) {
	listening := sock.Socket{Ino: 5, Kind: sock.UnixStream, State: sock.StateListen, Name: "/run/a", HasMem: true, HasQueues: true, HasBacklog: true, RecvQueue: 3, SendQueue: 10}
	client := sock.Socket{Ino: 6, Kind: sock.UnixStream, State: sock.StateEstablished, HasMem: true, HasQueues: true}
	s := sample()
	s.Networks = []NetworkSample{{Own: true, State: OK, Table: tableOf(listening, client)}}
	snap := New(s)
	k := snap.Sockets
	open, own := snap.ConnectionCost.Unix.Value.Bytes, snap.ConnectionCost.Unix.Value.Parts[0].Bytes
	if k.Total != 5 || k.Queued != 3 || k.StructBytes != maybe.Some(2*open+3*own) || k.BufferBytes != maybe.Some[int64](0) {
		t.Errorf("%+v", k)
	}
	if g := k.ByState[0]; g.Name != "unix IN ACCEPT QUEUE" || g.Sockets != 3 || g.StructBytes != maybe.Some(3*own) || g.BufferBytes.Known {
		t.Errorf("waiting: %+v", g)
	}
	if g := k.ByPort[0]; g.Sockets != 4 || g.Waiting != maybe.Some[int64](3) {
		t.Errorf("listener: %+v", g)
	}
	if !strings.Contains(strings.Join(k.LeavesOut, "; "), "the buffers of 3 UNIX connections in accept queues") {
		t.Errorf("left out: %q", k.LeavesOut)
	}
}

// TestTCPConnectionsInAcceptQueues keep the request of their handshake.
func TestTCPConnectionsInAcceptQueues(t *testing.T) {
	c := &socketCosts{sizes: sizes{structs: map[string]int64{"tcp_sock": 2304, "tcp_request_sock": 304}}, known: map[SocketObject]maybe.Of[Cost]{}}
	for state, want := range map[sock.State]int64{sock.StateEstablished: 2304 + 304, sock.StateCloseWait: 2304 + 304, sock.StateFinWait1: 2304, sock.StateLastAck: 2304} {
		s := tcp(0, state, "10.0.0.1:80", "10.0.0.2:1")
		var tally Tally
		tally.add(&s, 1)
		if bytes, _, _ := c.structBytes(&tally); bytes != maybe.Some(want) {
			t.Errorf("%v: %+v bytes, want %d", state, bytes, want)
		}
	}
}

// TestObjectKinds: each place in Objects is that of its kind.
func TestObjectKinds(t *testing.T) {
	for i, k := range objectKinds {
		if k.index() != i {
			t.Errorf("%+v at %d has index %d", k, i, k.index())
		}
	}
}

// BenchmarkHeldBy joins a process's 100,000 sockets, each with one fd and each with two.
func BenchmarkHeldBy(b *testing.B) {
	const n = 100_000
	sockets := make([]sock.Socket, n)
	var inodes []uint64
	for i := range sockets {
		sockets[i] = tcp(uint32(i+1), sock.StateEstablished, "10.0.0.1:80", fmt.Sprintf("10.%d.%d.9:9", i/250%250, i%250))
		inodes = append(inodes, uint64((i*7919)%n+1))
	}
	var d Deriver
	d.survey([]NetworkSample{{Table: tableOf(sockets...)}})
	for name, fds := range map[string][]epoll.FD{"distinct": fdsOf(inodes...), "twice": fdsOf(append(inodes, inodes...)...)} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if h := d.heldBy(fds); h.Sockets != n {
					b.Fatal(h.Sockets)
				}
			}
		})
	}
}

// BenchmarkSurvey makes one pass over 200,000 sockets, the ends of 100,000 connections.
func BenchmarkSurvey(b *testing.B) {
	var sockets []sock.Socket
	sockets = append(sockets, tcp(1, sock.StateListen, "10.0.0.1:80", ""))
	for i := range 100_000 {
		client := fmt.Sprintf("10.1.0.%d:%d", i/28000, 32768+i%28000)
		sockets = append(sockets, tcp(uint32(2*i+2), sock.StateEstablished, "10.0.0.1:80", client), tcp(uint32(2*i+3), sock.StateEstablished, client, "10.0.0.1:80"))
	}
	table := tableOf(sockets...)
	for b.Loop() {
		if v := newSurvey(table); v.All.BindAddresses != 100_001 {
			b.Fatal(v.All.BindAddresses)
		}
	}
}
