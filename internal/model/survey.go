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
	// BufferBytes and Drops are those of the Measured full sockets, of which sock_diag
	// told the memory; of the Unmeasured it did not.
	BufferBytes, Drops   int64
	Measured, Unmeasured int64
	// RecvQueue and SendQueue are bytes, without those of the Unqueued.
	RecvQueue, SendQueue int64
	Unqueued             int64
	// EndsHere counts the sockets whose other end is in the same table: one
	// connection with both ends here is two of them.
	EndsHere int64
}

// SocketObject is a kind of socket as far as its slab objects depend on it.
type SocketObject struct {
	Kind sock.Kind
	Body sock.Body
	// Open: it has an inode, a dentry and a file. One that waits in an accept queue,
	// or whose descriptor was closed, has none.
	Open bool
}

// Objects has a count for each SocketObject.
type Objects [len(objectKinds)]int64

// objectKinds are all there can be, in the order of Objects.
var objectKinds = func() (all [(int(sock.UnixSeqpacket) + 1) * 3 * 2]SocketObject) {
	for i := range all {
		all[i] = SocketObject{Kind: sock.Kind(i / 6), Body: sock.Body(i / 2 % 3), Open: i%2 == 1}
	}
	return all
}()

func (o *Objects) of(k SocketObject) *int64 {
	i := int(k.Kind)*6 + int(k.Body)*2
	if k.Open {
		i++
	}
	return &o[i]
}

// add counts n sockets that are like s.
func (t *Tally) add(s *sock.Socket, n int64, open bool) {
	t.Sockets += n
	*t.Objects.of(SocketObject{s.Kind, s.Body, open}) += n
	switch {
	case s.HasMem:
		t.Measured += n
		t.BufferBytes += n * int64(s.Mem.BufferBytes(s.Kind))
		t.Drops += n * int64(s.Mem.Drops)
	case s.Body == sock.BodyFull:
		t.Unmeasured += n
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

// survey is what one pass over the sockets of a namespace finds.
type survey struct {
	All    Tally
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
	// owners has a bit for each socket that needs bind buckets of its own: clients and
	// listeners, for accepted connections share their listener's.
	owners []uint64

	serving map[listenerKey]int  // index in Listeners
	ports   [1 << 16 / 64]uint64 // a bit for each port that a listener has
}

// listener is what listens on one address or name: one socket, or several that share
// it (SO_REUSEPORT).
type listener struct {
	Kind  sock.Kind
	Local string
	Inos  []uint32
	// Waiting of Backlog connections wait for accept(2), in all queues together.
	Waiting, Backlog maybe.Of[int64]
	// Tally is of the connections accepted on it, the listening sockets included.
	Tally
	dual bool
}

// listenerKey is what a listener and its accepted connections have in common.
type listenerKey struct {
	kind  sock.Kind
	local netip.AddrPort
	name  string
}

// remote is one address that sockets are connected to.
type remote struct {
	Addr netip.Addr
	Tally
}

const maxRemotes = 10_000

// newSurvey makes one pass over a table.
func newSurvey(t *sock.Table) *survey {
	v := &survey{States: map[string]*Tally{}, UIDs: map[int]*Tally{}, serving: map[listenerKey]int{}, owners: make([]uint64, (t.Len()+63)/64)}
	v.listeners(t)
	v.groups(t)
	v.ends = t.Ends()
	remotes := map[netip.Addr]*Tally{}
	buckets := newBindBuckets()
	for i, s := range t.All() {
		open, here := s.Ino != 0, v.ends.Here(i)
		port, address := buckets.add(&s)
		one := func(tally *Tally) {
			tally.add(&s, 1, open)
			tally.attach(port, address, here)
		}
		v.All.attach(port, address, here)
		tallyOf(v.States, stateName(&s)).attach(port, address, here)
		if s.HasUID && open {
			tallyOf(v.UIDs, int(s.UID)).attach(port, address, here)
		}
		if s.Remote.Port() != 0 {
			one(v.remoteTally(remotes, s.Remote.Addr().Unmap()))
		}
		listener := v.listenerOf(&s)
		if listener >= 0 {
			one(&v.Listeners[listener].Tally)
		}
		if (listener < 0 || s.State == sock.StateListen) && needsBuckets(&s) {
			v.owners[i/64] |= 1 << (i % 64)
		}
	}
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
		v.All.add(&g, int64(n), g.Body == sock.BodyFull)
		tallyOf(v.States, stateName(&g)).add(&g, int64(n), g.Body == sock.BodyFull)
		if g.HasUID && g.Body == sock.BodyFull {
			tallyOf(v.UIDs, int(g.UID)).add(&g, int64(n), true)
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
		tallies := []*Tally{&v.All, tallyOf(v.States, stateName(&s))}
		if s.HasUID {
			// Nobody's: it waits in an accept queue, or its descriptor was closed.
			tallyOf(v.UIDs, int(s.UID)).add(&s, -1, true)
		}
		for _, tally := range tallies {
			*tally.Objects.of(SocketObject{s.Kind, s.Body, true})--
			*tally.Objects.of(SocketObject{s.Kind, s.Body, false})++
		}
	}
}

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
	if int(s.Kind) < len(stateNames) && int(s.State) < len(stateNames[0]) {
		return stateNames[s.Kind][s.State]
	}
	return s.Kind.String() + " " + s.State.String()
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

// listeners finds the listening sockets.
func (v *survey) listeners(t *sock.Table) {
	for i := range t.Len() {
		if brief := t.Brief(i); brief.State != sock.StateListen {
			continue
		}
		s := t.At(i)
		key := listenerKey{kind: s.Kind, local: s.Local, name: s.Name}
		at, known := v.serving[key]
		if !known {
			at = len(v.Listeners)
			l := listener{Kind: s.Kind, Local: s.Name}
			if !s.Kind.IsUnix() {
				l.Local = s.Local.String()
				v.ports[s.Local.Port()/64] |= 1 << (s.Local.Port() % 64)
			}
			v.Listeners = append(v.Listeners, l)
			v.serving[key] = at
		}
		l := &v.Listeners[at]
		l.Inos = append(l.Inos, s.Ino)
		// Without sock_diag nothing tells whether an IPv6 listener takes IPv4 as well.
		l.dual = l.dual || s.DualStack || !s.HasMem
		if waiting, limit, ok := s.AcceptQueue(); ok {
			l.Waiting, l.Backlog = maybe.Some(l.Waiting.Value+int64(waiting)), maybe.Some(l.Backlog.Value+int64(limit))
		}
	}
}

func local(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }

// listenerOf is the listener on whose address or name a socket is, -1 for a client.
// An accepted connection is of its listener's kind: over IPv4 on an IPv6 listener it
// is an IPv6 socket with IPv4-mapped addresses.
func (v *survey) listenerOf(s *sock.Socket) int {
	key := listenerKey{kind: s.Kind, local: s.Local, name: s.Name}
	switch s.Kind {
	case sock.TCP4, sock.TCP6:
		if p := s.Local.Port(); v.ports[p/64]&(1<<(p%64)) == 0 {
			return -1
		}
	case sock.UnixStream, sock.UnixSeqpacket:
		if s.Name == "" {
			return -1
		}
	default:
		return -1
	}
	if at, ok := v.serving[key]; ok {
		return at
	}
	switch s.Kind {
	case sock.TCP4:
		key.local = netip.AddrPortFrom(netip.IPv4Unspecified(), s.Local.Port())
	case sock.TCP6:
		key.local = netip.AddrPortFrom(netip.IPv6Unspecified(), s.Local.Port())
	}
	at, ok := v.serving[key]
	if !ok || s.Local.Addr().Is4In6() && !v.Listeners[at].dual {
		return -1
	}
	return at
}

// needsBuckets reports whether a socket holds bind buckets at all.
func needsBuckets(s *sock.Socket) bool {
	return (s.Kind == sock.TCP4 || s.Kind == sock.TCP6) && s.Local.Port() != 0 && s.Body != sock.BodyRequest
}

// bindBuckets counts the bind buckets of TCP (net/ipv4/inet_hashtables.c): one for
// each local port in use, and since Linux 6.1 one for each address with it. Accepted
// connections share those of their port.
type bindBuckets struct {
	seed maphash.Seed
	// first has, for each port in use, a hash of the first address with it; most
	// ports have no other. more has the hashes of the others.
	first [1 << 16]uint32
	more  map[uint64]struct{}
}

func newBindBuckets() *bindBuckets {
	return &bindBuckets{seed: maphash.MakeSeed(), more: map[uint64]struct{}{}}
}

// add tells which buckets a socket is the first to need: 1 or 0 of each sort.
func (b *bindBuckets) add(s *sock.Socket) (port, address int64) {
	if !needsBuckets(s) {
		return 0, 0
	}
	hash := maphash.Comparable(b.seed, s.Local)
	first := &b.first[s.Local.Port()]
	mark := uint32(hash) | 1
	switch *first {
	case 0:
		*first = mark
		return 1, 1
	case mark:
		return 0, 0
	}
	if _, seen := b.more[hash]; seen {
		return 0, 0
	}
	b.more[hash] = struct{}{}
	return 0, 1
}
