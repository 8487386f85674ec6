package sock

import (
	"slices"
	"testing"
)

// TestEndsAreThoseOfPeer compares the one pass, whole and in parts, with the index of
// all pairs, on the sockets that this machine has.
func TestEndsAreThoseOfPeer(t *testing.T) {
	conn, err := OpenOwn("/proc/net")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	table := conn.Dump(t.Context(), nil, Families)
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

// TestEndsInParts finds the ends of more connections than one goroutine searches.
func TestEndsInParts(t *testing.T) {
	table := NewTable()
	const pairs = manyRows
	for i := range uint32(pairs) {
		addr, port := 0x7f000000+i/50_000, uint16(10_000+i%50_000)
		table.add(&row{ino: 2*i + 1, local: addr, localPort: port, remote: 0x7f000001, remotePort: 80}, &trait{kind: TCP4, state: StateEstablished})
		if i%3 != 0 {
			table.add(&row{ino: 2*i + 2, local: 0x7f000001, localPort: 80, remote: addr, remotePort: port}, &trait{kind: TCP4, state: StateEstablished})
		}
	}
	table.seal()
	e := table.Ends()
	if !slices.Equal(e, table.endsOf(0, 1)) {
		t.Error("in parts the ends are others than in one piece")
	}
	here := 0
	for i := range table.Len() {
		if e.Here(i) {
			here++
		}
	}
	if want := 2 * (pairs - (pairs+2)/3); here != want {
		t.Errorf("%d ends are here, want %d", here, want)
	}
}
