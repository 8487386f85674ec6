package model

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/eptop/eptop/internal/epoll"
	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/sock"
)

// tcpTable makes a table of lines as /proc/net/tcp has them: "local remote state
// inode", addresses as the kernel prints them.
func tcpTable(t testing.TB, lines ...string) *sock.Table {
	t.Helper()
	text := "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
	for i, line := range lines {
		f := strings.Fields(line)
		timer := "00"
		if f[2] == "06" {
			timer = "03" // what stands for a TIME_WAIT structure
		}
		text += fmt.Sprintf("%4d: %s %s %s 00000000:00000000 %s:00000000 00000000  1000        0 %s 1 0000000000000000 100 0 0 10 0\n", i, f[0], f[1], f[2], timer, f[3])
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "tcp"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	table := sock.ReadProcNet(t.Context(), dir, nil, sock.FamilyTCP4)
	if o := table.Outcomes[0]; o.State != sock.OK || table.Len() != len(lines) {
		t.Fatalf("%d sockets of %d: %+v", table.Len(), len(lines), o)
	}
	return table
}

// The addresses 127.0.0.1:8000, and clients of it.
const (
	server  = "0100007F:1F40"
	clientA = "0100007F:C001"
	clientB = "0200007F:C001" // the same port on 127.0.0.2
	other   = "0A00000A:01BB" // 10.0.0.10:443
	nobody  = "00000000:0000"
)

func mixed(t testing.TB) *sock.Table {
	return tcpTable(t,
		server+" "+nobody+" 0A 100",      // LISTEN
		server+" "+clientA+" 01 101",     // accepted
		clientA+" "+server+" 01 102",     // its other end
		server+" "+clientB+" 01 0",       // waits in the accept queue
		clientB+" "+server+" 01 103",     // its other end
		"0100007F:C002 "+other+" 08 104", // CLOSE_WAIT to another host
		"0100007F:C003 "+other+" 06 0",   // TIME_WAIT
		"0100007F:C004 "+other+" 04 0",   // FIN_WAIT1 of an orphan
	)
}

func TestSurvey(t *testing.T) {
	v := newSurvey(mixed(t))
	objects := map[SocketObject]int64{}
	for i, n := range v.All.Objects {
		if n != 0 {
			objects[objectKinds[i]] = n
		}
	}
	if diff := cmp.Diff(map[SocketObject]int64{
		{Kind: sock.TCP4, Hold: HoldFile}: 5, {Kind: sock.TCP4, Hold: HoldQueue}: 1, {Kind: sock.TCP4}: 1, {Kind: sock.TCP4, Body: sock.BodyTimeWait}: 1,
	}, objects); diff != "" || v.All.Sockets != 8 {
		t.Errorf("%d sockets: %s", v.All.Sockets, diff)
	}
	if v.All.EndsHere != 4 {
		t.Errorf("%d ends here", v.All.EndsHere)
	}
	// Ports 8000, c001 to c004; c001 with two addresses.
	if v.All.BindPorts != 5 || v.All.BindAddresses != 6 {
		t.Errorf("%d ports and %d addresses are bound", v.All.BindPorts, v.All.BindAddresses)
	}
	states := map[string]int64{}
	for name, tally := range v.States {
		states[name] = tally.Sockets
	}
	want := map[string]int64{"tcp LISTEN": 1, "tcp ESTABLISHED": 4, "tcp CLOSE_WAIT": 1, "tcp TIME_WAIT": 1, "tcp FIN_WAIT1": 1}
	if diff := cmp.Diff(want, states); diff != "" {
		t.Error(diff)
	}
	if len(v.Listeners) != 1 || v.Listeners[0].title(nil) != "127.0.0.1:8000" || v.Listeners[0].Sockets != 3 || v.Listeners[0].Queues[0].Ino != 100 {
		t.Errorf("listeners = %+v", v.Listeners)
	}
	remotes := map[string]int64{}
	for _, r := range v.Remotes {
		remotes[r.Addr.String()] = r.Sockets
	}
	if diff := cmp.Diff(map[string]int64{"127.0.0.1": 3, "127.0.0.2": 1, "10.0.0.10": 3}, remotes); diff != "" {
		t.Error(diff)
	}
	if owned := v.UIDs[1000]; owned.Sockets != 5 {
		t.Errorf("uid 1000 owns %d sockets", owned.Sockets)
	}
}

func TestHeld(t *testing.T) {
	fds := []epoll.FD{
		{Num: 0, Kind: epoll.KindFile}, {Num: 3, Kind: epoll.KindSocket, Ino: 100}, {Num: 4, Kind: epoll.KindSocket, Ino: 101},
		{Num: 5, Kind: epoll.KindSocket, Ino: 999}, {Num: 6, Kind: epoll.KindPipe, Ino: 102},
	}
	table := mixed(t)
	var d Deriver
	d.survey([]NetworkSample{{State: Denied}, {Table: table}})
	h := d.heldBy(fds)
	if h.Sockets != 2 || !cmp.Equal(h.missing, []uint64{999}) || !cmp.Equal(h.Listening, []uint32{100}) || h.EndsHere != 1 {
		t.Errorf("held = %+v", h)
	}
}

func TestSocketSums(t *testing.T) {
	s := sample()
	table := mixed(t)
	s.Networks = []NetworkSample{
		{ID: "net:[1]", Own: true, Table: table, State: OK},
		{ID: "net:[2]", PID: 20, State: Denied, Detail: "may not be entered"},
	}
	s.Processes[0].Files = maybe.Some([]epoll.FD{{Kind: epoll.KindSocket, Ino: 100}, {Kind: epoll.KindSocket, Ino: 999}})
	s.Layouts["tw_sock_TCP"] = Layout{SlabBytes: maybe.Some[int64](4096), ObjsPerSlab: maybe.Some[int64](16), Reclaimable: maybe.Some(false)}
	s.Layouts["tcp_bind_bucket"] = Layout{SlabBytes: maybe.Some[int64](4096), ObjsPerSlab: maybe.Some[int64](32), Reclaimable: maybe.Some(false)}
	s.Layouts["tcp_bind2_bucket"] = Layout{SlabBytes: maybe.Some[int64](4096), ObjsPerSlab: maybe.Some[int64](32), Reclaimable: maybe.Some(false)}
	snap := New(s)
	k := snap.Sockets
	if want := int64(5*3829 + 2*2521 + 256 + 5*128 + 6*128); k.StructBytes != maybe.Some(want) || k.Total != 8 {
		t.Errorf("%d sockets take %+v, want %d", k.Total, k.StructBytes, want)
	}
	if k.PinnedReclaimableBytes != maybe.Some[int64](5*(862+195)) {
		t.Errorf("pinned = %+v", k.PinnedReclaimableBytes)
	}
	// /proc/net/tcp says nothing of buffers: they are absent, not 0.
	if k.BufferBytes.Known || k.TCP.States["ESTABLISHED"] != 4 || !cmp.Equal(k.LeavesOut, []string{
		"namespace net:[2]: may not be entered",
		"1 socket that sock_diag does not report: of other families, not bound, in a namespace that was not looked into, or closed since the fds were listed",
		"the buffers of 7 sockets that sock_diag did not report",
	}) {
		t.Errorf("sockets = %+v", k)
	}
	if !cmp.Equal(k.ByPort[0].PIDs, []int{10}) {
		t.Errorf("the listener is held by %v", k.ByPort[0].PIDs)
	}
	kb := snap.Process(10).KernelBytes
	if kb.Sockets != maybe.Some[int64](3829+256) || kb.Buffers.Known || !cmp.Equal(kb.LeavesOut, []string{k.LeavesOut[1], "buffers"}) {
		t.Errorf("process = %+v", kb)
	}
	w, ok := snap.SocketOf(epoll.Watch{Ino: 101, HasInode: true, Kind: epoll.KindSocket})
	if !ok || w.State != "ESTABLISHED" || w.Local.String() != "127.0.0.1:8000" || w.Peer.String() != "127.0.0.1:49153" || !w.PeerHere || w.Buffers.Known {
		t.Errorf("watched socket = %+v, %v", w, ok)
	}
	if _, ok := snap.SocketOf(epoll.Watch{Ino: 101, HasInode: true, Kind: epoll.KindPipe}); ok {
		t.Error("a pipe was joined with a socket")
	}
}

// TestListenersOfBothFamilies: a connection belongs to the listener of its own kind,
// over IPv4 to an IPv6 one only if that takes IPv4, and listeners that share an address
// are one row.
func TestListenersOfBothFamilies(t *testing.T) {
	listening := func(kind sock.Kind, addr string, dual bool) sock.Socket {
		return sock.Socket{Kind: kind, State: sock.StateListen, Local: netip.MustParseAddrPort(addr), DualStack: dual, HasMem: true}
	}
	v := &survey{serving: map[listenerKey]int{}}
	for i, l := range []sock.Socket{
		listening(sock.TCP4, "0.0.0.0:80", false), listening(sock.TCP6, "[::]:80", false), listening(sock.TCP6, "[::]:81", true),
		{Kind: sock.UnixStream, State: sock.StateListen, Name: "/run/x"},
	} {
		v.Listeners = append(v.Listeners, listener{dual: l.DualStack})
		v.serving[keyOf(&l)] = i
		v.ports[l.Local.Port()/64] |= 1 << (l.Local.Port() % 64)
	}
	for _, tt := range []struct {
		kind sock.Kind
		addr string
		name string
		want int
	}{
		{sock.TCP4, "127.0.0.1:80", "", 0},
		{sock.TCP6, "[::1]:80", "", 1},
		{sock.TCP6, "[::ffff:127.0.0.1]:80", "", -1},
		{sock.TCP6, "[::ffff:127.0.0.1]:81", "", 2},
		{sock.TCP4, "127.0.0.1:81", "", -1},
		{sock.TCP4, "127.0.0.1:82", "", -1},
		{sock.UDP4, "127.0.0.1:80", "", -1},
		{sock.UnixStream, "", "/run/x", 3},
		{sock.UnixStream, "", "", -1},
	} {
		s := sock.Socket{Kind: tt.kind, State: sock.StateEstablished, Name: tt.name}
		if tt.addr != "" {
			s.Local = netip.MustParseAddrPort(tt.addr)
		}
		if got := v.listenerOf(&s); got != tt.want {
			t.Errorf("%v %s%s belongs to listener %d, want %d", tt.kind, tt.addr, tt.name, got, tt.want)
		}
	}
}

func TestListenersThatShareAnAddressAreOneRow(t *testing.T) {
	v := newSurvey(tcpTable(t, server+" "+nobody+" 0A 100", server+" "+nobody+" 0A 101", server+" "+clientA+" 01 102"))
	if len(v.Listeners) != 1 || v.Listeners[0].Sockets != 3 || len(v.Listeners[0].Queues) != 2 || v.Listeners[0].Queues[1].Ino != 101 {
		t.Errorf("listeners = %+v", v.Listeners)
	}
}

func TestPinnedMemoryIsAbsentWithoutRoot(t *testing.T) {
	c := &socketCosts{sizes: sizes{structs: structs618()}, known: map[SocketObject]maybe.Of[Cost]{}}
	var tally Tally
	*tally.Objects.of(SocketObject{Kind: sock.TCP4, Hold: HoldFile}) = 3
	if bytes, pinned, _ := c.structBytes(&tally); !bytes.Known || pinned.Known {
		t.Errorf("structures %+v, pinned %+v", bytes, pinned)
	}
}

// TestSocketEndOrder: no end, then addresses by number, then UNIX sockets.
func TestSocketEndOrder(t *testing.T) {
	at := func(addr string) SocketEnd { return SocketEnd{Addr: netip.MustParseAddrPort(addr)} }
	order := []SocketEnd{
		{}, at("9.0.0.1:9000"), at("9.0.0.1:40000"), at("10.0.0.1:1"), at("[::1]:1"), {Name: "/run/a"}, {Name: "@b"}, {Ino: 9}, {Ino: 10},
	}
	for i, a := range order {
		for j, b := range order {
			want := max(-1, min(1, i-j))
			if got := a.Compare(b); got != want {
				t.Errorf("%v beside %v: %d, want %d", a, b, got, want)
			}
		}
	}
}
