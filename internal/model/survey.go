package model

import (
	"cmp"
	"hash/maphash"
	"net/netip"
	"slices"

	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/sock"
)

// Tally counts sockets and adds up what their buffers take.
type Tally struct {
	// Sockets is how many there are, of every kind and state.
	Sockets int64
	// Objects counts them by what the slab holds for each.
	Objects Objects
	// BindPorts and BindAddresses are the bind buckets that they need: one for each
	// local port of TCP in use, and one for each address with it.
	BindPorts, BindAddresses int64
	// BufferBytes are those of the Measured full sockets, of which sock_diag reported the
	// memory; of the Unmeasured it did not.
	BufferBytes          int64
	Measured, Unmeasured int64
	// Drops are those of the Dropping sockets, of which they are losses.
	Drops, Dropping int64
	// RecvQueue and SendQueue are bytes, without those of the Unqueued.
	RecvQueue, SendQueue int64
	Unqueued             int64
	// EndsHere counts the sockets whose other end is in the same table: one
	// connection with both ends here is two of them.
	EndsHere int64
	// EndsUnknown counts connected UNIX sockets of which nobody knows their other end:
	// /proc/net/unix does not say.
	EndsUnknown int64
}

// add counts n sockets that are like s.
func (t *Tally) add(s *sock.Socket, n int64) {
	t.Sockets += n
	*t.Objects.of(objectOf(s)) += n
	switch {
	case s.HasMem:
		t.Measured += n
		t.BufferBytes += n * int64(s.Mem.BufferBytes(s.Kind))
	case s.Body == sock.BodyFull:
		t.Unmeasured += n
	}
	if s.Kind.IsUnix() && !s.HasMem && s.State == sock.StateEstablished {
		t.EndsUnknown += n
	}
	if drops, ok := dropsOf(s).Get(); ok {
		t.Dropping += n
		t.Drops += n * drops
	}
	switch {
	case s.State == sock.StateListen:
	case s.HasQueues:
		t.RecvQueue += n * int64(s.RecvQueue)
		t.SendQueue += n * int64(s.SendQueue)
	default:
		t.Unqueued += n
	}
}

// dropsOf are the packets that a socket lost. On a TCP connection sk_drops counts
// every segment that needs no more work, each keepalive probe of a healthy idle
// connection among them (tcp_validate_incoming in net/ipv4/tcp_input.c): that is no loss.
func dropsOf(s *sock.Socket) maybe.Of[int64] {
	connection := (s.Kind == sock.TCP4 || s.Kind == sock.TCP6) && s.State != sock.StateListen
	return maybe.When(int64(s.Mem.Drops), s.HasMem && !connection)
}

// merge adds other to t.
func merge(t, other *Tally) {
	t.Sockets += other.Sockets
	for i, n := range other.Objects {
		t.Objects[i] += n
	}
	t.BindPorts += other.BindPorts
	t.BindAddresses += other.BindAddresses
	t.BufferBytes += other.BufferBytes
	t.Unmeasured += other.Unmeasured
	t.Measured += other.Measured
	t.Unqueued += other.Unqueued
	t.RecvQueue += other.RecvQueue
	t.SendQueue += other.SendQueue
	t.Drops += other.Drops
	t.Dropping += other.Dropping
	t.EndsHere += other.EndsHere
	t.EndsUnknown += other.EndsUnknown
}

// survey is what one pass over the sockets of a namespace finds.
type survey struct {
	All Tally
	// Queued of them wait in accept queues of UNIX sockets.
	Queued int64
	States map[string]*Tally // by state, "tcp ESTABLISHED"
	// UIDs are the owners of the sockets that have one.
	UIDs map[int]*Tally
	// Listeners are the listening sockets with the connections accepted on them.
	Listeners []listener
	// Remotes are the other ends' addresses, those with the most sockets first.
	// Beyond maxRemotes addresses, OtherRemotes has the rest.
	Remotes      []remote
	OtherRemotes Tally

	ends sock.Ends
	past []SocketPast
	// bindPorts and bindAddresses have a bit for each open socket to which a bind
	// bucket is put down.
	bindPorts, bindAddresses rowSet

	suspects suspectRows

	serving map[listenerKey]int // index in Listeners
	ports   portSet             // those of listeners
}

// rowSet has a bit for each socket of a table.
type rowSet []uint64

func (b rowSet) has(i int) bool { return b[i/64]&(1<<(i%64)) != 0 }
func (b rowSet) set(i int)      { b[i/64] |= 1 << (i % 64) }
func (b rowSet) unset(i int)    { b[i/64] &^= 1 << (i % 64) }

// remote is one address that sockets are connected to.
type remote struct {
	Addr netip.Addr
	Tally
}

const maxRemotes = 10_000

// newSurvey makes one pass over a table.
func newSurvey(t *sock.Table) *survey {
	words := (t.Len() + 63) / 64
	v := &survey{
		States: map[string]*Tally{}, UIDs: map[int]*Tally{}, serving: map[listenerKey]int{},
		bindPorts: make(rowSet, words), bindAddresses: make(rowSet, words),
	}
	v.listeners(t)
	v.groups(t)
	v.queued()
	v.ends = t.Ends()
	remotes := map[netip.Addr]*Tally{}
	buckets := newBindBuckets()
	for i, s := range t.All() {
		here := v.ends.Here(i)
		listener := v.listenerOf(&s)
		port, address := buckets.add(i, &s, listener >= 0 && s.State != sock.StateListen)
		one := func(tally *Tally) {
			tally.add(&s, 1)
			tally.attach(port, address, here)
		}
		v.All.attach(port, address, here)
		tallyOf(v.States, stateName(&s)).attach(port, address, here)
		if s.HasUID && s.Ino != 0 {
			tallyOf(v.UIDs, int(s.UID)).attach(port, address, here)
		}
		if s.Remote.Port() != 0 {
			one(v.remoteTally(remotes, s.Remote.Addr().Unmap()))
		}
		if listener >= 0 {
			one(&v.Listeners[listener].Tally)
		}
		v.suspects.add(i, &s, listener)
	}
	buckets.mark(v.bindPorts, v.bindAddresses)
	for a, tally := range remotes {
		v.Remotes = append(v.Remotes, remote{a, *tally})
	}
	slices.SortFunc(v.Remotes, func(a, b remote) int {
		return cmp.Or(cmp.Compare(b.Sockets, a.Sockets), a.Addr.Compare(b.Addr))
	})
	v.serving = nil
	return v
}

// groups sums up what the table keeps once for many sockets. Which of them have an
// inode it does not: they are taken for open, and the few that are not are put right.
func (v *survey) groups(t *sock.Table) {
	for g, n := range t.Groups() {
		g.Ino = 1
		v.All.add(&g, int64(n))
		tallyOf(v.States, stateName(&g)).add(&g, int64(n))
		if g.HasUID && g.Body == sock.BodyFull {
			tallyOf(v.UIDs, int(g.UID)).add(&g, int64(n))
		}
	}
	for i := range t.Len() {
		if t.Ino(i) != 0 {
			continue
		}
		s := t.Brief(i)
		if s.Body != sock.BodyFull {
			continue
		}
		open := s
		open.Ino = 1
		if s.HasUID {
			// Nobody's: it waits in an accept queue, or its descriptor was closed.
			tallyOf(v.UIDs, int(s.UID)).add(&open, -1)
		}
		for _, tally := range []*Tally{&v.All, tallyOf(v.States, stateName(&s))} {
			*tally.Objects.of(objectOf(&open))--
			*tally.Objects.of(objectOf(&s))++
		}
	}
}

// queued adds the UNIX connections that wait in accept queues: unix_diag lists only the
// ends that connected, and of a listener how many wait (its sk_receive_queue). Each has
// a socket and no inode yet (unix_stream_connect in net/unix/af_unix.c).
func (v *survey) queued() {
	for i := range v.Listeners {
		l := &v.Listeners[i]
		if !l.Kind.IsUnix() || l.Waiting.Value == 0 {
			continue
		}
		n := l.Waiting.Value
		for _, tally := range []*Tally{&v.All, tallyOf(v.States, l.Kind.String()+" "+stateWaiting), &l.Tally} {
			tally.Sockets += n
			tally.Unmeasured += n
			tally.Unqueued += n
			*tally.Objects.of(SocketObject{Kind: l.Kind, Hold: HoldQueue}) += n
		}
		v.Queued += n
	}
}

// stateWaiting stands for the state of connections that no dump lists.
const stateWaiting = "IN ACCEPT QUEUE"

// stateNames are "tcp ESTABLISHED" and the like, made once.
var stateNames = func() (names [int(sock.UnixSeqpacket) + 1][int(sock.StateClosing) + 1]string) {
	for k := range names {
		for s := range names[k] {
			names[k][s] = sock.Kind(k).String() + " " + sock.State(s).String()
		}
	}
	return names
}()

func stateName(s *sock.Socket) string {
	if s.MPTCP == sock.MPTCPNone && int(s.Kind) < len(stateNames) && int(s.State) < len(stateNames[0]) {
		return stateNames[s.Kind][s.State]
	}
	return s.Protocol() + " " + s.State.String()
}

// attach adds what depends on more than the socket itself.
func (t *Tally) attach(bindPort, bindAddress int64, here bool) {
	t.BindPorts += bindPort
	t.BindAddresses += bindAddress
	if here {
		t.EndsHere++
	}
}

// tallyOf is the tally of a key, a new one the first time.
func tallyOf[K comparable](m map[K]*Tally, key K) *Tally {
	if m[key] == nil {
		m[key] = &Tally{}
	}
	return m[key]
}

func (v *survey) remoteTally(remotes map[netip.Addr]*Tally, a netip.Addr) *Tally {
	if len(remotes) >= maxRemotes && remotes[a] == nil {
		return &v.OtherRemotes
	}
	return tallyOf(remotes, a)
}

// needsBuckets reports whether a socket holds bind buckets at all.
func needsBuckets(s *sock.Socket) bool {
	return (s.Kind == sock.TCP4 || s.Kind == sock.TCP6) && s.Local.Port() != 0 && s.Body != sock.BodyRequest
}

// bindBuckets counts the bind buckets of TCP (net/ipv4/inet_hashtables.c): one for
// each local port in use, and since Linux 6.1 one for each address with it. All sockets
// of a port, whosoever they are, share its buckets. IPv4 and IPv4-mapped IPv6 addresses
// are one (inet_bind2_bucket_addr_match, since Linux 6.9).
type bindBuckets struct {
	seed maphash.Seed
	// at has for each port in use its number in ports, counted from 1.
	at    [1 << 16]uint32
	ports []portBuckets
	// more has by hash the numbers in claims of a port's further addresses.
	more   map[uint64]uint32
	claims []claim
}

// portBuckets are those of one port: most have a single address.
type portBuckets struct {
	port, address claim
	mark          uint32 // a hash of that address
}

// claim is the socket that a bucket is put down to, so that a sum over processes has
// each bucket once. Before all others it is an open one that asked for the port, then one
// that was accepted on it.
type claim struct {
	row  uint32
	rank uint8
}

const (
	rankNone     uint8 = iota // not open
	rankAccepted              // open, on a port that a listener has
	rankOwner                 // a listener, or a client
)

func (c *claim) offer(row uint32, rank uint8) {
	if rank > c.rank {
		*c = claim{row, rank}
	}
}

func newBindBuckets() *bindBuckets {
	return &bindBuckets{seed: maphash.MakeSeed(), more: map[uint64]uint32{}}
}

// add notes the buckets of socket number row, and returns which of them it is the first
// to need: 1 or 0 of each sort.
func (b *bindBuckets) add(row int, s *sock.Socket, accepted bool) (port, address int64) {
	if !needsBuckets(s) {
		return 0, 0
	}
	rank := rankOwner
	switch {
	case s.Ino == 0:
		rank = rankNone
	case accepted:
		rank = rankAccepted
	}
	hash := maphash.Comparable(b.seed, local(s.Local))
	mark := uint32(hash)
	at := &b.at[s.Local.Port()]
	if *at == 0 {
		b.ports = append(b.ports, portBuckets{mark: mark})
		*at = uint32(len(b.ports))
		port, address = 1, 1
	}
	p := &b.ports[*at-1]
	p.port.offer(uint32(row), rank)
	claimed := &p.address
	if p.mark != mark {
		n, known := b.more[hash]
		if !known {
			n, address = uint32(len(b.claims)), 1
			b.claims = append(b.claims, claim{})
			b.more[hash] = n
		}
		claimed = &b.claims[n]
	}
	claimed.offer(uint32(row), rank)
	return port, address
}

// mark sets the bits of the sockets that buckets are put down to.
func (b *bindBuckets) mark(ports, addresses rowSet) {
	set := func(to rowSet, c claim) {
		if c.rank != rankNone {
			to.set(int(c.row))
		}
	}
	for i := range b.ports {
		set(ports, b.ports[i].port)
		set(addresses, b.ports[i].address)
	}
	for _, c := range b.claims {
		set(addresses, c)
	}
}
