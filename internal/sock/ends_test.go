package sock

import "testing"

// TestEndsAreThoseOfPeer compares the one pass with the index of all pairs, on the
// sockets that this machine has, loopback pairs of every family among them.
func TestEndsAreThoseOfPeer(t *testing.T) {
	conn, err := OpenOwn("/proc/net")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	table := conn.Dump(nil, Families)
	e := table.Ends()
	for i, s := range table.All() {
		if _, here := table.Peer(i); s.Body == BodyFull && here != e.Here(i) {
			t.Errorf("socket %d %+v: other end here %v, want %v", i, s, e.Here(i), here)
		}
	}
	if e.Here(table.Len() + 64) {
		t.Error("a socket that is not there has its other end here")
	}
}
