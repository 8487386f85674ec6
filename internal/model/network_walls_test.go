package model

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/sock"
)

// TestNetworkWalls: a server at the end of tcp_mem, orphans and conntrack, and one on
// which they are far away.
func TestNetworkWalls(t *testing.T) {
	look := func(memPages, orphans, tracked int64) *Snapshot {
		s := sample()
		s.Host.PageBytes = maybe.Some[int64](4096)
		s.Networks = []NetworkSample{{Own: true, State: OK, Table: tableOf(tcp(1, sock.StateEstablished, "10.0.0.1:80", "10.0.0.2:1"))}}
		s.Sockstat = maybe.Some(sock.Sockstat{TCP: sock.TCPStat{MemPages: maybe.Some(memPages), Orphan: maybe.Some(orphans), Alloc: maybe.Some[int64](40_002)}})
		s.TCPMem = maybe.Some(sock.Marks{LowPages: 88_000, PressurePages: 117_333, HighPages: 176_000})
		s.NetworkLimits = NetworkLimits{Conntrack: maybe.Some(tracked), MostConntrack: maybe.Some[int64](262_144), MostOrphans: maybe.Some[int64](16_384)}
		return New(s)
	}
	snap := look(175_980, 16_300, 262_140)
	for _, want := range []Wall{
		{Name: WallTCPMem, Used: 175_980 * 4096, Limit: 176_000 * 4096, ConnectionsLeft: 4, RaiseWith: `sysctl net.ipv4.tcp_mem="176000 264000 352000"`},
		{Name: WallConntrack, Used: 262_140, Limit: 262_144, ConnectionsLeft: 4, RaiseWith: "sysctl net.netfilter.nf_conntrack_max=524288"},
		{Name: WallOrphans, Used: 16_300, Limit: 16_384, ConnectionsLeft: 84, RaiseWith: "sysctl net.ipv4.tcp_max_orphans=32768"},
	} {
		got := snap.Walls[slices.IndexFunc(snap.Walls, func(w Wall) bool { return w.Name == want.Name })]
		if got.Used != want.Used || got.Limit != want.Limit || got.ConnectionsLeft != want.ConnectionsLeft || got.RaiseWith != want.RaiseWith || got.Level != LevelCritical {
			t.Errorf("%+v, want %+v", got, want)
		}
	}
	for _, w := range look(400, 3, 0).Walls {
		if strings.Contains("tcp_mem conntrack orphans", string(w.Name)) {
			t.Errorf("a wall that is far away: %+v", w)
		}
	}
	// What the kernel gave beyond its mark leaves no room.
	if w := look(176_100, 0, 0).Walls[0]; w.Name != WallTCPMem || w.ConnectionsLeft != 0 {
		t.Errorf("over high: %+v", w)
	}
}

// TestPortWall: the ports to one destination run out, whatever is connected elsewhere.
func TestPortWall(t *testing.T) {
	reuse := 2
	look := func(clients int, state sock.State, to string) (Wall, bool) {
		sockets := []sock.Socket{tcp(1, sock.StateListen, "0.0.0.0:40003", ""), tcp(2, sock.StateListen, "0.0.0.0:80", "")}
		for i := range clients {
			client := tcp(uint32(10+i), state, fmt.Sprintf("10.0.0.1:%d", 40_010+i), to)
			if state == sock.StateTimeWait {
				client.Ino, client.Body = 0, sock.BodyTimeWait
			}
			sockets = append(sockets, client,
				tcp(uint32(1000+i), sock.StateEstablished, fmt.Sprintf("10.0.0.1:%d", 50_000+i), "10.0.0.2:443"), // not of the range
				tcp(uint32(2000+i), sock.StateEstablished, "10.0.0.1:80", fmt.Sprintf("10.0.0.2:%d", 40_000+i)))  // accepted
		}
		s := sample()
		s.Networks = []NetworkSample{{Own: true, State: OK, Table: tableOf(sockets...)}}
		s.NetworkLimits.Ports = maybe.Some(LocalPorts{Low: 40_000, High: 40_099, Reserved: []int{1, 40_001, 40_002, 70_000}, ReuseTimeWait: reuse})
		walls := New(s).Walls
		i := slices.IndexFunc(walls, func(w Wall) bool { return w.Name == WallPorts })
		if i < 0 {
			return Wall{}, false
		}
		return walls[i], true
	}
	if w, ok := look(60, sock.StateEstablished, "10.0.0.2:443"); !ok || w.Used != 61 || w.Limit != 98 || w.ConnectionsLeft != 37 || w.Scope != "10.0.0.1 to 10.0.0.2:443" {
		t.Errorf("60 of 98 ports, and one of a listener: %+v, %v", w, ok)
	}
	if w, ok := look(20, sock.StateEstablished, "10.0.0.2:443"); ok {
		t.Errorf("a wall that is far away: %+v", w)
	}
	if _, ok := look(60, sock.StateTimeWait, "10.0.0.2:443"); !ok {
		t.Error("TIME_WAIT to another host holds its port")
	}
	if w, ok := look(60, sock.StateTimeWait, "127.0.0.1:443"); ok {
		t.Errorf("TIME_WAIT over loopback gives its port back: %+v", w)
	}
	reuse = 0
	if _, ok := look(60, sock.StateTimeWait, "127.0.0.1:443"); !ok {
		t.Error("TIME_WAIT over loopback holds its port with tcp_tw_reuse=0")
	}
	reuse = 1
	if w, ok := look(60, sock.StateTimeWait, "10.0.0.2:443"); ok {
		t.Errorf("TIME_WAIT to another host gives its port back with tcp_tw_reuse=1: %+v", w)
	}
}
