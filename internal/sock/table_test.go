package sock

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

func TestSizes(t *testing.T) {
	if got := unsafe.Sizeof(row{}); got != rowBytes {
		t.Errorf("a row has %d bytes, not %d", got, rowBytes)
	}
	if got := unsafe.Sizeof(trait{}); got != traitBytes {
		t.Errorf("a trait has %d bytes, not %d", got, traitBytes)
	}
	if got := unsafe.Sizeof(addr{}); got != addrBytes {
		t.Errorf("an address has %d bytes, not %d", got, addrBytes)
	}
}

// fill adds n connections, both ends of each, and returns what was added by inode.
func fill(table *Table, pairs int, r *rand.Rand) map[uint32]uint32 {
	peer := map[uint32]uint32{}
	for i := range pairs {
		a := tcpMsg(uint32(2*i + 1))
		a.localPort, a.remotePort = uint16(i), uint16(i>>16+1)
		binary.BigEndian.PutUint32(a.local[:], r.Uint32())
		binary.BigEndian.PutUint32(a.remote[:], uint32(i%200))
		a.uid, a.mem.RmemAlloc = r.Uint32N(5), r.Uint32N(50)
		b := a
		b.ino = a.ino + 1
		b.local, b.remote, b.localPort, b.remotePort = a.remote, a.local, a.remotePort, a.localPort
		if b.remotePort == 0 {
			a.localPort, b.remotePort = 1, 1
		}
		table.addInet(TCP4, &a)
		switch r.IntN(3) {
		case 0: // the other end is an IPv6 socket with mapped addresses
			b.family = unix.AF_INET6
			b.local, b.remote = mapped16(b.local), mapped16(b.remote)
			table.addInet(TCP6, &b)
		case 1:
			table.addInet(TCP4, &b)
		default: // is elsewhere, and the same addresses belong to another protocol
			table.addInet(UDP4, &b)
			continue
		}
		peer[a.ino], peer[b.ino] = b.ino, a.ino
	}
	return peer
}

func mapped16(v4 [16]byte) (b [16]byte) {
	b[10], b[11] = 0xff, 0xff
	copy(b[12:], v4[:4])
	return b
}

// TestTableAgain fills a table over and over, larger and smaller, and finds
// everything in it each time.
func TestTableAgain(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	table := NewTable()
	for _, pairs := range []int{0, 1, 5000, 3, 20_000, 20_000, 100, 0, 7} {
		table = emptied(table)
		peer := fill(table, pairs, r)
		table.seal()
		if table.Len() != 2*pairs || table.Duplicates != 0 {
			t.Fatalf("%d sockets and %d duplicates of %d pairs", table.Len(), table.Duplicates, pairs)
		}
		for i := range table.Len() {
			ino := table.Ino(i)
			if at, ok := table.Find(uint64(ino)); !ok || at != i {
				t.Fatalf("inode %d is at %d (%v), want %d", ino, at, ok, i)
			}
			j, ok := table.Peer(i)
			if want, has := peer[ino]; ok != has || ok && table.Ino(j) != want {
				t.Fatalf("%+v has peer %d (%v), want %d (%v)", table.At(i), j, ok, want, has)
			}
		}
		if _, ok := table.Find(uint64(2*pairs + 1)); ok {
			t.Error("found what is not there")
		}
		checkGroups(t, table)
	}
}

// TestDuplicates keeps the later of two reports of a socket, in the counts as well.
func TestDuplicates(t *testing.T) {
	table := NewTable()
	table.Outcomes = []Outcome{{Family: FamilyTCP4, Sockets: 4}}
	for _, uid := range []uint32{1, 2, 3, 4} {
		m := tcpMsg(77)
		if uid == 2 {
			m.ino = 78
		}
		m.uid = uid
		table.addInet(TCP4, &m)
	}
	table.seal()
	if table.Len() != 2 || table.Duplicates != 2 || table.Outcomes[0].Sockets != 2 {
		t.Errorf("%d sockets, %d duplicates, %+v", table.Len(), table.Duplicates, table.Outcomes)
	}
	seen := map[uint32]bool{}
	for _, s := range table.All() {
		seen[s.Ino] = true
	}
	if !seen[77] || !seen[78] {
		t.Errorf("%v", seen)
	}
	checkGroups(t, table)
}

// TestSelfConnected has no other end.
func TestSelfConnected(t *testing.T) {
	m := tcpMsg(5)
	m.remote, m.remotePort = m.local, m.localPort
	table := NewTable()
	table.addInet(TCP4, &m)
	table.seal()
	if j, ok := table.Peer(0); ok {
		t.Errorf("peer %d", j)
	}
}

// TestBufferBytes counts every byte once.
func TestBufferBytes(t *testing.T) {
	m := MemInfo{RmemAlloc: 1, RcvBuf: 1 << 20, WmemAlloc: 10, SndBuf: 1 << 20, FwdAlloc: 100, WmemQueued: 1000, OptMem: 10_000, Backlog: 100_000, Drops: 9}
	for kind, want := range map[Kind]uint64{TCP4: 111_101, TCP6: 111_101, UDP4: 110_111, UDP6: 110_111, UnixStream: 10_011, UnixDgram: 10_011} {
		if got := m.BufferBytes(kind); got != want {
			t.Errorf("%v: %d, want %d", kind, got, want)
		}
	}
	if got := (&MemInfo{FwdAlloc: -50, RmemAlloc: 3}).BufferBytes(TCP4); got != 0 {
		t.Errorf("negative: %d", got)
	}
}

func TestNames(t *testing.T) {
	for _, c := range []struct{ got, want fmt.Stringer }{{TCP4, text("tcp")}, {Kind(99), text("kind 99")}, {StateListen, text("LISTEN")},
		{State(99), text("STATE_99")}, {BodyTimeWait, text("time-wait")}, {Body(9), text("body 9")}, {FamilyUnix, text("unix")},
		{Denied, text("denied")}, {ProcNet, text("proc")}, {NSID{1, 2}, text("net:[2]")}} {
		if c.got.String() != c.want.String() {
			t.Errorf("%v, want %v", c.got, c.want)
		}
	}
}

type text string

func (s text) String() string { return string(s) }

// BenchmarkTable fills a table with a million idle sockets and says what it costs.
// Two of them, one being read and one being filled, and the index of pairs have to
// fit into 64 MB.
func BenchmarkTable(b *testing.B) {
	const n = 1_000_000
	const limitMB = 64
	table := NewTable()
	payloads := make([][]byte, n/500)
	for i := range payloads {
		payloads[i] = encodeInet(tcpMsg(0))
	}
	var m inetMsg
	b.ReportAllocs()
	for b.Loop() {
		table = emptied(table)
		for i := range uint32(n) {
			if err := parseInet(payloads[i%uint32(len(payloads))], &m); err != nil {
				b.Fatal(err)
			}
			m.ino, m.remotePort = i+1, uint16(i)
			binary.BigEndian.PutUint32(m.remote[:], i>>16)
			table.addInet(TCP4, &m)
		}
		table.seal()
	}
	if table.Len() != n || table.Duplicates != 0 {
		b.Fatalf("%d sockets, %d met twice", table.Len(), table.Duplicates)
	}
	filled := table.Bytes()
	table.Peer(1)
	b.ReportMetric(float64(filled)/n, "B/socket")
	b.ReportMetric(float64(table.Bytes())/n, "B/socket-with-pairs")
	if two := (filled + table.Bytes()) >> 20; two > limitMB {
		b.Errorf("two tables take %d MB, more than %d", two, limitMB)
	}
	b.ReportMetric(b.Elapsed().Seconds()/float64(b.N)*1e9/n, "ns/socket")
}

// BenchmarkFind finds each of a million inodes, in no order.
func BenchmarkFind(b *testing.B) {
	const n = 1_000_000
	table := NewTable()
	for i := range uint32(n) {
		m := tcpMsg(i + 1)
		table.addInet(TCP4, &m)
	}
	table.seal()
	ino := uint64(1)
	for b.Loop() {
		if _, ok := table.Find(ino); !ok {
			b.Fatalf("inode %d is not found", ino)
		}
		ino = (ino+7919*31)%n + 1
	}
}

// TestNamesOfUnix shares names, and tells an abstract one from a path.
func TestNamesOfUnix(t *testing.T) {
	table := NewTable()
	for range 2 {
		table = emptied(table)
		for i := range uint32(1000) {
			for j := range uint32(3) {
				m := unixMsg{family: unix.AF_UNIX, sort: unix.SOCK_STREAM, ino: 3*i + j + 1, name: fmt.Appendf(nil, "\x00n%d", i)}
				if i%2 == 0 {
					m.name[0] = '@'
				}
				table.addUnix(&m)
			}
		}
		table.seal()
		for i, s := range table.All() {
			if s.Name != fmt.Sprintf("@n%d", i/3) || s.Abstract != (i/3%2 == 1) || s.Kind != UnixStream || s.HasUID || s.HasQueues || s.HasMem {
				t.Fatalf("%d: %+v", i, s)
			}
			if _, ok := table.Peer(i); ok {
				t.Errorf("%+v has a peer", s)
			}
		}
		if n := len(table.names.ends); n != 1000 {
			t.Errorf("%d names, want 1000", n)
		}
	}
}

func TestOrphan(t *testing.T) {
	for s, want := range map[Socket]bool{
		{Kind: TCP4, State: StateFinWait1}:                     true,
		{Kind: TCP6, State: StateLastAck}:                      true,
		{Kind: TCP4, State: StateFinWait2, Body: BodyTimeWait}: false,
		{Kind: TCP4, State: StateFinWait1, Ino: 7}:             false,
		{Kind: TCP4, State: StateEstablished}:                  false, // in an accept queue
	} {
		if got := s.Orphan(); got != want {
			t.Errorf("%+v: %v, want %v", s, got, want)
		}
	}
}

// TestFamilyOfKind: each kind comes from one dump, and each dump has a name.
func TestFamilyOfKind(t *testing.T) {
	var all Family
	for kind := TCP4; kind <= UnixSeqpacket; kind++ {
		f := kind.Family()
		if f == 0 || f.String() == "" || f != FamilyUnix && f.kind() != kind {
			t.Errorf("%v comes from %v", kind, f)
		}
		all |= f
	}
	if all|FamilyMPTCP != Families || Kind(0).Family() != 0 {
		t.Errorf("the kinds come from %v", all)
	}
}
