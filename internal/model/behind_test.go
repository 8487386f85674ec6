package model

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/sock"
)

// group is the group of a name.
func group(t *testing.T, groups []SocketGroup, name string) *SocketGroup {
	t.Helper()
	for i := range groups {
		if groups[i].Name == name {
			return &groups[i]
		}
	}
	t.Fatalf("no group %q in %+v", name, groups)
	return nil
}

// TestBehind: who holds the sockets of a state, a port, a remote and a user, and where they go.
func TestBehind(t *testing.T) {
	s := herd()
	client := tcp(200, sock.StateEstablished, "10.0.0.1:40000", "10.0.0.9:443")
	client.UID, client.HasUID = 1000, true
	orphan := tcp(0, sock.StateCloseWait, "10.0.0.1:80", "10.0.0.3:9")
	var sockets []sock.Socket
	for _, so := range s.Networks[0].Table.All() {
		sockets = append(sockets, so)
	}
	s.Networks[0].Table = tableOf(append(sockets, client, orphan)...)
	other := tcp(300, sock.StateCloseWait, "10.0.0.1:80", "10.0.0.2:7") // the same address in another namespace
	s.Networks = append(s.Networks, NetworkSample{ID: "net:[2]", State: OK, Table: tableOf(other)})
	s.Processes[2].Files = maybe.Some(fdsOf(999, 50, 200, 300))
	snap := New(s)
	l := NewLinks(snap)
	k := snap.Sockets
	server, fork, me := BehindProcess{PID: 10, Comm: "server"}, BehindProcess{PID: 11, Comm: "server"}, BehindProcess{PID: 20, Comm: "client"}
	with := func(p BehindProcess, sockets, watched int64) BehindProcess {
		p.Sockets, p.Watched = sockets, watched
		return p
	}
	for _, tt := range []struct {
		by    Grouping
		group *SocketGroup
		want  Behind
	}{
		{GroupState, group(t, k.ByState, "tcp CLOSE_WAIT"), Behind{
			Sockets: 25, Nobodys: 1, Processes: []BehindProcess{with(server, 23, 1), with(me, 1, 0)},
			Ends: []BehindEnd{{"0.0.0.0:80", true, 24, 1}, {"10.0.0.2:7", false, 1, 0}},
		}},
		{GroupPort, group(t, k.ByPort, "0.0.0.0:80"), Behind{
			Sockets: 25, Nobodys: 1, Processes: []BehindProcess{with(server, 24, 2), with(fork, 1, 1), with(me, 1, 1)},
			Ends: []BehindEnd{{"10.0.0.2", false, 23, 1}, {"0.0.0.0:80", true, 1, 1}, {"10.0.0.3", false, 1, 0}},
		}},
		{GroupRemote, group(t, k.ByRemote, "10.0.0.9"), Behind{Sockets: 1, Processes: []BehindProcess{with(me, 1, 0)}, Ends: []BehindEnd{{"10.0.0.9:443", false, 1, 0}}}},
		{GroupRemote, group(t, k.ByRemote, "10.0.0.2 in net:[2]"), Behind{Sockets: 1, Processes: []BehindProcess{with(me, 1, 0)}, Ends: []BehindEnd{{"10.0.0.2:7", false, 1, 0}}}},
		{GroupUser, group(t, k.ByUser, "me"), Behind{Sockets: 1, Processes: []BehindProcess{with(me, 1, 0)}, Ends: []BehindEnd{{"10.0.0.9:443", false, 1, 0}}}},
		{GroupRemote, &SocketGroup{Name: "more than 10000 others"}, Behind{}},
	} {
		got := l.Behind(tt.by, tt.group)
		if tt.by == GroupPort {
			if got.WatcherCount != 2 || len(got.Watchers) != 2 || got.Watchers[0].Exclusive == got.Watchers[1].Exclusive || got.Herd == "" {
				t.Errorf("the listener's herd: %+v, %q", got.Watchers, got.Herd)
			}
			got.Watchers, got.WatcherCount, got.Herd = nil, 0, ""
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s %s (-want +got):\n%s", tt.by, tt.group.Name, diff)
		}
	}
}
