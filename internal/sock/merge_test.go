package sock

import (
	"context"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func address(text string) netip.AddrPort { return netip.MustParseAddrPort(text) }

// TestMerge: what only the other table has is added, and queues that are not known.
func TestMerge(t *testing.T) {
	held := []Socket{
		{Ino: 7, Kind: TCP4, State: StateEstablished, Local: address("10.0.0.1:80"), Remote: address("10.0.0.2:9"), HasUID: true, HasMem: true, HasQueues: true, RecvQueue: 3},
		{Ino: 8, Kind: UnixStream, State: StateEstablished, Name: "@x", Abstract: true, PeerIno: 9, HasUID: true, HasMem: true},
	}
	others := []Socket{
		{Ino: 7, Kind: TCP4, State: StateCloseWait, Local: address("10.0.0.1:80"), Remote: address("10.0.0.2:9"), HasQueues: true},
		{Ino: 8, Kind: UnixStream, State: StateEstablished, Name: "@x", Abstract: true, PeerIno: 9, HasQueues: true, RecvQueue: 5, SendQueue: 6},
		{Kind: TCP6, State: StateTimeWait, Body: BodyTimeWait, Local: address("[::1]:80"), Remote: address("[::2]:9"), HasQueues: true},
		{Kind: TCP6, State: StateTimeWait, Body: BodyTimeWait, Local: address("[::1]:80"), Remote: address("[::2]:10"), HasQueues: true},
		{Ino: 11, Kind: UnixDgram, State: StateClose, Name: "/run/x", HasQueues: true},
	}
	from := NewBuilder()
	for i := range others {
		from.Add(&others[i])
	}
	b := NewBuilder()
	for i := range held {
		b.Add(&held[i])
	}
	b.Merge(from.Table())
	if n := b.Count(func(s *Socket) bool { return s.State == StateTimeWait }); n != 2 {
		t.Errorf("%d sockets in TIME_WAIT, want 2", n)
	}
	table := b.Table(Outcome{Family: FamilyTCP4, Via: Pass}, Outcome{Family: FamilyTCP6, Via: Pass}, Outcome{Family: FamilyUnix, Via: Pass})
	want := slices.Concat(held, others[2:])
	want[1].RecvQueue, want[1].SendQueue, want[1].HasQueues = 5, 6, true
	var got []Socket
	for _, s := range table.All() {
		got = append(got, s)
	}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	for i, n := range []int{1, 2, 2} {
		if o := table.Outcomes[i]; o.Sockets != n {
			t.Errorf("%v: %d sockets, want %d", o.Family, o.Sockets, n)
		}
	}
	if i, ok := table.Find(11); !ok || table.At(i).Name != "/run/x" {
		t.Error("a socket that was added is not found")
	}
}

// TestSame compares tables built alike and otherwise.
func TestSame(t *testing.T) {
	build := func(port uint16, state State) *Table {
		b := NewBuilder()
		for i := range 5000 {
			s := Socket{Ino: uint32(i + 1), Kind: TCP6, State: StateEstablished, Local: netip.AddrPortFrom(netip.IPv6Loopback(), port)}
			if i == 4999 {
				s.State = state
			}
			b.Add(&s)
		}
		return b.Table()
	}
	a := build(1, StateEstablished)
	for _, tt := range []struct {
		other *Table
		same  bool
	}{{build(1, StateEstablished), true}, {build(2, StateEstablished), false}, {build(1, StateCloseWait), false}, {NewTable(), false}} {
		if a.Same(tt.other) != tt.same || tt.other.Same(a) != tt.same {
			t.Errorf("same: %v, want %v", !tt.same, tt.same)
		}
	}
}

// TestDumpStates: only what was asked for is dumped.
func TestDumpStates(t *testing.T) {
	c, err := OpenOwn("/proc/net")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	l := &mixer{}
	fd, _ := l.listen(unix.AF_INET, loopback(unix.AF_INET), 3)
	defer unix.Close(fd)
	if l.err != nil {
		t.Fatal(l.err)
	}
	listeners := 0
	for _, s := range c.DumpStates(context.Background(), nil, FamilyTCP, 1<<StateListen).All() {
		listeners++
		if s.State != StateListen {
			t.Errorf("%v in a dump of listeners", s.State)
		}
	}
	if listeners == 0 {
		t.Error("the listener is not in the dump")
	}
	for _, s := range c.DumpStates(context.Background(), nil, FamilyTCP, Unheld).All() {
		if s.State == StateListen || s.State == StateEstablished {
			t.Errorf("%v in a dump of what no descriptor holds", s.State)
		}
	}
}
