package sock

import (
	"errors"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// various are sockets of every kind and body, each with an inode of its own or none.
func various() []Socket {
	v4, v6 := netip.MustParseAddrPort, netip.MustParseAddrPort
	mem := MemInfo{RmemAlloc: 1, RcvBuf: 2, WmemAlloc: 3, SndBuf: 4, FwdAlloc: -5, WmemQueued: 6, OptMem: 7, Backlog: 8, Drops: 9}
	return []Socket{
		{Ino: 100, Kind: TCP4, State: StateListen, Local: v4("0.0.0.0:80"), Remote: v4("0.0.0.0:0"), UID: 33, HasUID: true, RecvQueue: 3, SendQueue: 128, HasQueues: true, HasBacklog: true, Mem: mem, HasMem: true},
		{Ino: 101, Kind: TCP4, State: StateEstablished, Local: v4("127.0.0.1:80"), Remote: v4("127.0.0.1:49153"), HasUID: true, HasQueues: true, Interface: 2},
		{Ino: 102, Kind: TCP4, State: StateEstablished, Local: v4("127.0.0.1:49153"), Remote: v4("127.0.0.1:80"), HasUID: true, HasQueues: true, Interface: 2},
		{Kind: TCP4, State: StateTimeWait, Body: BodyTimeWait, Local: v4("127.0.0.1:80"), Remote: v4("10.0.0.1:7")},
		{Kind: TCP6, State: StateSynRecv, Body: BodyRequest, Local: v6("[::1]:443"), Remote: v6("[2001:db8::1]:7")},
		{Ino: 103, Kind: TCP6, State: StateListen, Local: v6("[::]:443"), Remote: v6("[::]:0"), DualStack: true, HasMem: true},
		{Ino: 104, Kind: TCP6, State: StateEstablished, Local: v6("[::ffff:127.0.0.1]:443"), Remote: v6("[::ffff:127.0.0.1]:9")},
		{Ino: 105, Kind: UDP4, State: StateClose, Local: v4("127.0.0.1:53"), Remote: v4("0.0.0.0:0")},
		{Ino: 106, Kind: UDP6, State: StateClose, Local: v6("[::1]:53"), Remote: v6("[::]:0")},
		{Ino: 107, Kind: UnixStream, State: StateListen, Name: "/run/x", HasQueues: true, HasBacklog: true, SendQueue: 5},
		{Ino: 108, Kind: UnixStream, State: StateEstablished, Name: "@y\x00z", Abstract: true, PeerIno: 109},
		{Ino: 109, Kind: UnixDgram, State: StateClose, Name: "@a path", PeerIno: 108},
		{Ino: 110, Kind: UnixSeqpacket, State: StateEstablished},
	}
}

func built(sockets []Socket, outcomes ...Outcome) *Table {
	b := NewBuilder()
	for i := range sockets {
		b.Add(&sockets[i])
	}
	return b.Table(outcomes...)
}

func rowsOf(t *Table) []Socket {
	var all []Socket
	for _, s := range t.All() {
		all = append(all, s)
	}
	return all
}

var compareAddrs = cmp.Options{cmpopts.EquateComparable(netip.AddrPort{}), cmpopts.EquateErrors()}

func TestBuilder(t *testing.T) {
	want := various()
	table := built(want)
	if diff := cmp.Diff(want, rowsOf(table), compareAddrs); diff != "" {
		t.Errorf("(-added +in the table):\n%s", diff)
	}
	if i, ok := table.Find(102); !ok || i != 2 || !table.Ends().Here(2) || !table.Ends().Here(10) || table.Ends().Here(0) {
		t.Errorf("socket 102 is row %d, %v; ends %b", i, ok, table.Ends())
	}
	twice := built(append(want, Socket{Ino: 100, Kind: TCP4, State: StateClose, Local: want[0].Local, Remote: want[0].Remote}))
	if twice.Len() != len(want) || twice.Duplicates != 1 || twice.At(0).State != StateClose {
		t.Errorf("an inode twice: %d sockets, %d duplicates, %v", twice.Len(), twice.Duplicates, twice.At(0))
	}
}

// TestBuilderAgreesWithDump: what a dump found, built again, is the same table.
func TestBuilderAgreesWithDump(t *testing.T) {
	dumped := ReadProcNet(t.Context(), "/proc/net", nil, Families)
	again := built(rowsOf(dumped), dumped.Outcomes...)
	if diff := cmp.Diff(rowsOf(dumped), rowsOf(again), compareAddrs); diff != "" {
		t.Errorf("(-dumped +built):\n%s", diff)
	}
	if !slices.Equal(dumped.Ends(), again.Ends()) {
		t.Error("the ends differ")
	}
}

func TestTableBinary(t *testing.T) {
	for _, table := range []*Table{
		NewTable(),
		built(various(), Outcome{Family: FamilyTCP4, Via: ProcNet, Sockets: 4, Took: 5, Tries: 2, Torn: true, Err: errors.New("refused")}, Outcome{Family: FamilyUnix, State: Absent}),
	} {
		b, err := table.AppendBinary(nil)
		if err != nil {
			t.Fatal(err)
		}
		var again Table
		if err := again.UnmarshalBinary(b); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(rowsOf(table), rowsOf(&again), compareAddrs); diff != "" {
			t.Errorf("(-written +read):\n%s", diff)
		}
		texts := cmp.Comparer(func(a, b error) bool { return (a == nil) == (b == nil) && (a == nil || a.Error() == b.Error()) })
		if diff := cmp.Diff(table.Outcomes, again.Outcomes, texts, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("outcomes (-written +read):\n%s", diff)
		}
		groups := func(t *Table) map[Socket]int {
			m := map[Socket]int{}
			for s, n := range t.Groups() {
				m[s] += n
			}
			return m
		}
		if diff := cmp.Diff(groups(table), groups(&again), compareAddrs); diff != "" {
			t.Errorf("groups (-written +read):\n%s", diff)
		}
		for i := range table.Len() {
			if ino := table.Ino(i); ino != 0 {
				if j, ok := again.Find(uint64(ino)); !ok || j != i {
					t.Errorf("inode %d is row %d, want %d", ino, j, i)
				}
			}
		}
		for n := range b {
			if err := again.UnmarshalBinary(b[:n]); !errors.Is(err, ErrMalformed) {
				t.Errorf("cut at %d of %d: %v", n, len(b), err)
			}
		}
		if err := again.UnmarshalBinary(append(b, 0)); !errors.Is(err, ErrMalformed) {
			t.Errorf("a byte too many: %v", err)
		}
	}
}

// FuzzTableBinary: bytes that are a table can be used as one, and be written and read
// again.
func FuzzTableBinary(f *testing.F) {
	b, _ := built(various(), Outcome{Family: FamilyTCP4, Err: errors.New("x")}).AppendBinary(nil)
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		var table, again Table
		if table.UnmarshalBinary(b) != nil {
			return
		}
		table.Ends()
		want := rowsOf(&table)
		b, _ = table.AppendBinary(nil)
		if err := again.UnmarshalBinary(b); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, rowsOf(&again), compareAddrs); diff != "" {
			t.Errorf("(-first +second):\n%s", diff)
		}
	})
}
