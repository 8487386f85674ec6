package model

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/eptop/eptop/internal/epoll"
	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/object"
	"github.com/eptop/eptop/internal/sock"
)

// Sockets is all sockets of the network namespaces that were looked into.
type Sockets struct {
	TCP TCPTotals `json:"tcp"`
	// TCPMem are tcp_mem's marks, of buffers over all namespaces.
	TCPMem maybe.Of[TCPMem] `json:"tcp_mem_bytes,omitzero"`
	// TCPMemState is where the buffers are among these marks.
	TCPMemState TCPMemState `json:"tcp_mem_state,omitempty"`
	Total       int64       `json:"total"`
	// EndsHere counts the sockets whose other end is on this host too: a loopback
	// connection is two of them.
	EndsHere int64 `json:"ends_here"`
	// StructBytes is what the slab holds for the sockets: sock, inode, file, dentry,
	// security blobs and bind buckets, without their watches. BufferBytes is what
	// SKMEMINFO says.
	StructBytes maybe.Of[int64] `json:"struct_bytes,omitzero"`
	BufferBytes maybe.Of[int64] `json:"buffer_bytes,omitzero"`
	// PinnedReclaimableBytes is the part of StructBytes that the kernel counts into
	// SReclaimable and MemAvailable, although live sockets pin it.
	PinnedReclaimableBytes maybe.Of[int64] `json:"pinned_reclaimable_bytes,omitzero"`
	Origin                 Origin          `json:"origin"`
	// Extent is what all these sums leave out.
	Extent
	// Age is how old the dump is.
	Age        time.Duration      `json:"age_ns"`
	NextRead   time.Duration      `json:"next_read_ns"`
	Namespaces []NetworkNamespace `json:"namespaces"`
	ByState    []SocketGroup      `json:"by_state"`
	ByPort     []SocketGroup      `json:"by_port"`
	ByRemote   []SocketGroup      `json:"by_remote"`
	ByUser     []SocketGroup      `json:"by_user"`
	Cgroup     maybe.Of[Cgroup]   `json:"cgroup,omitzero"`
	// Tables are the sockets one by one, of each namespace that is in the sums.
	Tables []SocketTable `json:"-"`
}

// SocketTable is the sockets of one network namespace.
type SocketTable struct {
	Namespace string
	Table     *sock.Table
	// Here marks those whose other end is in the table too.
	Here sock.Ends
}

// tables are those of s, none where sockets were not looked at.
func (s *Sockets) tables() []SocketTable {
	if s == nil {
		return nil
	}
	return s.Tables
}

// TCPTotals are the kernel's own sums of /proc/net/sockstat, and the states.
type TCPTotals struct {
	// InUse and TimeWait are of eptop's own namespace, the others of all.
	InUse    maybe.Of[int64] `json:"in_use,omitzero"`
	Orphan   maybe.Of[int64] `json:"orphan,omitzero"`
	TimeWait maybe.Of[int64] `json:"time_wait,omitzero"`
	Alloc    maybe.Of[int64] `json:"alloc,omitzero"`
	// MemBytes are buffers charged to tcp_mem.
	MemBytes maybe.Of[int64] `json:"mem_bytes,omitzero"`
	// States counts TCP sockets over IPv4 and IPv6.
	States map[string]int64 `json:"states"`
}

// TCPMem are the marks of net.ipv4.tcp_mem in bytes.
type TCPMem struct {
	Low      int64 `json:"low"`
	Pressure int64 `json:"pressure"`
	High     int64 `json:"high"`
}

// NetworkNamespace is one namespace, and whether its sockets are in the sums.
type NetworkNamespace struct {
	ID      string `json:"id"`
	Own     bool   `json:"own"`
	PID     int    `json:"pid,omitempty"` // a process in it
	Sockets int64  `json:"sockets"`
	State   State  `json:"state"`
	Detail  string `json:"detail,omitempty"`
}

// SocketGroup is sockets that have something in common.
type SocketGroup struct {
	Name string `json:"name"`
	Kind string `json:"kind,omitempty"`
	// Namespace is where the address is, if that is another network namespace than
	// eptop's; Name says it too.
	Namespace   string          `json:"namespace,omitempty"`
	Sockets     int64           `json:"sockets"`
	EndsHere    int64           `json:"ends_here"`
	StructBytes maybe.Of[int64] `json:"struct_bytes,omitzero"`
	BufferBytes maybe.Of[int64] `json:"buffer_bytes,omitzero"`
	// The queues are bytes. They, the buffers and the drops are of the sockets of which
	// they are known, and absent where that is none.
	RecvQueue maybe.Of[int64] `json:"rx_queue,omitzero"`
	SendQueue maybe.Of[int64] `json:"tx_queue,omitzero"`
	Drops     maybe.Of[int64] `json:"drops,omitzero"`
	// Waiting of Backlog connections wait in a listener's accept queue.
	Waiting maybe.Of[int64] `json:"accept_queue,omitzero"`
	Backlog maybe.Of[int64] `json:"backlog,omitzero"`
	// QueueState says how full that queue is.
	QueueState QueueState `json:"accept_queue_state,omitempty"`
	// PIDs hold the listening socket.
	PIDs []int `json:"pids,omitempty"`
}

// Cgroup is what the memory cgroup of the attached process is charged: all kernel memory it caused, sockets or not.
type Cgroup struct {
	PID         int             `json:"pid"`
	Version     int             `json:"version"`
	Dir         string          `json:"dir"`
	KernelBytes maybe.Of[int64] `json:"kernel_bytes,omitzero"`
	SlabBytes   maybe.Of[int64] `json:"slab_bytes,omitzero"`
	SockBytes   maybe.Of[int64] `json:"sock_bytes,omitzero"`
}

// NetworkSample is the sockets of one network namespace.
type NetworkSample struct {
	ID  string
	Own bool
	PID int // a process in it, 0 for eptop's own
	// Table is nil where nothing is known of its sockets, which is not the same as none.
	Table  *sock.Table
	State  State
	Detail string
}

// socketCosts answers what the slab holds for a socket.
type socketCosts struct {
	sizes
	known map[SocketObject]maybe.Of[Cost]
}

// cost is what the slab holds for one socket without bind buckets.
func (c *socketCosts) cost(o SocketObject) maybe.Of[Cost] {
	got, ok := c.known[o]
	if !ok {
		got, _ = c.sum(objectParts(o))
		c.known[o] = got
	}
	return got
}

// ownObject is the socket's own structure, or what stands in for it.
func ownObject(o SocketObject) object.Kind {
	v6 := o.Kind == sock.TCP6
	switch {
	case o.Body == sock.BodyTimeWait && v6:
		return object.TimeWaitV6
	case o.Body == sock.BodyTimeWait:
		return object.TimeWait
	case o.Body == sock.BodyRequest && v6:
		return object.RequestV6
	case o.Body == sock.BodyRequest:
		return object.Request
	}
	switch o.Kind {
	case sock.TCP4:
		return object.TCP
	case sock.TCP6:
		return object.TCPv6
	case sock.UDP4:
		return object.UDP
	case sock.UDP6:
		return object.UDPv6
	case sock.UnixStream:
		return object.UNIXStream
	}
	return object.UNIX
}

// objectParts are all objects of a socket.
func objectParts(o SocketObject) []object.Kind {
	own := ownObject(o)
	if o.Body != sock.BodyFull || !o.Open {
		return []object.Kind{own}
	}
	return object.WithFile(own)
}

// structBytes is what the slab holds for the sockets of a tally, and how much of
// that counts as reclaimable, which is absent where the kernel does not say.
func (c *socketCosts) structBytes(t *Tally) (bytes, reclaimable maybe.Of[int64]) {
	var sum, pinned int64
	told := true
	add := func(cost maybe.Of[Cost], n int64) bool {
		if !cost.Known {
			return false
		}
		sum += n * cost.Value.Bytes
		for _, p := range cost.Value.Parts {
			told = told && p.Reclaimable.Known
			if p.Reclaimable.Value {
				pinned += n * p.Bytes
			}
		}
		return true
	}
	for i, n := range t.Objects {
		if n != 0 && !add(c.cost(objectKinds[i]), n) {
			return maybe.Of[int64]{}, maybe.Of[int64]{}
		}
	}
	for _, b := range []struct {
		kind object.Kind
		n    int64
	}{{object.BindPort, t.BindPorts}, {object.BindAddress, t.BindAddresses}} {
		cost, _ := c.sum([]object.Kind{b.kind})
		add(cost, b.n) // a kernel without them has none
	}
	return maybe.Some(sum), maybe.Of[int64]{Value: pinned, Known: told}
}

// buffers are those of the sockets that were measured; absent where none was.
func buffers(t *Tally) maybe.Of[int64] {
	return maybe.Of[int64]{Value: t.BufferBytes, Known: t.Measured > 0 || t.Unmeasured == 0}
}

func (c *socketCosts) group(name, kind string, t *Tally) SocketGroup {
	bytes, _ := c.structBytes(t)
	return SocketGroup{
		Name: name, Kind: kind, Sockets: t.Sockets, EndsHere: t.EndsHere, StructBytes: bytes, BufferBytes: buffers(t),
		RecvQueue: maybe.When(t.RecvQueue, t.Unqueued < t.Sockets || t.Sockets == 0),
		SendQueue: maybe.When(t.SendQueue, t.Unqueued < t.Sockets || t.Sockets == 0),
		Drops:     maybe.When(t.Drops, t.Measured > 0 || t.Unmeasured == 0),
	}
}

// sockets makes the host's picture of all namespaces.
func (b *builder) sockets(costs *socketCosts) *Sockets {
	s := b.sample
	if !slices.ContainsFunc(s.Networks, func(n NetworkSample) bool { return n.Table != nil }) {
		return nil
	}
	out := &Sockets{
		Age: b.age(s.SocketsAt), NextRead: max(0, s.SocketsNext.Sub(s.Time)), Cgroup: s.Cgroup, Origin: Derived,
		TCP: tcpTotals(s), Namespaces: []NetworkNamespace{}, ByState: []SocketGroup{}, ByPort: []SocketGroup{}, ByRemote: []SocketGroup{}, ByUser: []SocketGroup{},
	}
	if m, ok := s.TCPMem.Get(); ok {
		page := s.Host.PageBytes
		out.TCPMem = maybe.Some(TCPMem{int64(m.LowPages) * page, int64(m.PressurePages) * page, int64(m.HighPages) * page})
	}
	states, users := map[string]*Tally{}, map[int]*Tally{}
	var all Tally
	b.tally = &all
	for i := range s.Networks {
		n := &s.Networks[i]
		ns := NetworkNamespace{ID: n.ID, Own: n.Own, PID: n.PID, State: n.State, Detail: n.Detail}
		if v := b.surveys[n.Table]; v != nil {
			out.Tables = append(out.Tables, SocketTable{Namespace: n.ID, Table: n.Table, Here: v.ends})
			ns.Sockets = v.All.Sockets
			merge(&all, &v.All)
			for name, t := range v.States {
				merge(tallyOf(states, name), t)
			}
			for uid, t := range v.UIDs {
				merge(tallyOf(users, uid), t)
			}
			b.listeners(out, n, v, costs)
			remotes(out, n, v, costs)
		}
		if n.Detail != "" {
			out.LeavesOut = append(out.LeavesOut, "namespace "+n.ID+": "+n.Detail)
		}
		out.Namespaces = append(out.Namespaces, ns)
	}
	out.LeavesOut = append(out.LeavesOut, b.unseen()...)
	if all.Unmeasured > 0 {
		out.LeavesOut = append(out.LeavesOut, "the buffers of "+many(all.Unmeasured, "socket")+" that sock_diag did not tell")
	}
	out.cover(s, all.Unmeasured)
	out.Total, out.EndsHere = all.Sockets, all.EndsHere
	out.StructBytes, out.PinnedReclaimableBytes = costs.structBytes(&all)
	out.BufferBytes = buffers(&all)
	for i, n := range all.Objects {
		if cost, ok := costs.cost(objectKinds[i]).Get(); ok && n > 0 {
			out.Origin = weakest(out.Origin, cost.Origin)
		}
	}
	for name, t := range states {
		out.ByState = append(out.ByState, costs.group(name, "", t))
	}
	for uid, t := range users {
		out.ByUser = append(out.ByUser, costs.group(b.userName(uid), "", t))
	}
	for _, list := range [][]SocketGroup{out.ByState, out.ByPort, out.ByRemote, out.ByUser} {
		slices.SortFunc(list, func(a, b SocketGroup) int {
			return cmp.Or(cmp.Compare(b.Sockets, a.Sockets), cmp.Compare(a.Name, b.Name))
		})
	}
	return out
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
	t.EndsHere += other.EndsHere
}

// tcpTotals are sockstat's numbers and the states that the dumps counted.
func tcpTotals(s *Sample) TCPTotals {
	out := TCPTotals{States: map[string]int64{}}
	if st, ok := s.Sockstat.Get(); ok {
		// Without IPv6 its sum is absent, and adds nothing.
		out.InUse = maybe.When(st.TCP.InUse.Value+st.TCP6InUse.Value, st.TCP.InUse.Known)
		out.Orphan, out.TimeWait, out.Alloc = st.TCP.Orphan, st.TCP.TimeWait, st.TCP.Alloc
		out.MemBytes = maybe.When(st.TCP.MemPages.Value*s.Host.PageBytes, st.TCP.MemPages.Known)
	}
	for i := range s.Networks {
		if t := s.Networks[i].Table; t != nil {
			for g, n := range t.Groups() {
				if g.Kind == sock.TCP4 || g.Kind == sock.TCP6 {
					out.States[g.State.String()] += int64(n)
				}
			}
		}
	}
	return out
}

// unseen names the sockets that may be missing because processes were not looked
// into: a namespace is found through a process in it.
func (b *builder) unseen() []string {
	var out []string
	if n := b.sample.Coverage.Denied; n > 0 {
		out = append(out, "network namespaces of "+processes(n)+" whose fds this user may not list, unless another process is in them")
	}
	if n := b.sample.Coverage.Waiting; n > 0 {
		out = append(out, "network namespaces of "+processes(n)+" that wait to be listed")
	}
	missing := int64(0)
	if len(b.sample.Networks) > 0 {
		for _, h := range b.holdings {
			missing += h.Missing
		}
	}
	if missing > 0 {
		out = append(out, many(missing, "socket")+" that processes hold and no dump had: of other families, only bound, or of a namespace without processes")
	}
	return out
}

func processes(n int) string {
	if n == 1 {
		return "1 process"
	}
	return fmt.Sprintf("%d processes", n)
}

// in names the namespace of a group, where it is not eptop's own: the same address
// there is another one.
func (g *SocketGroup) in(n *NetworkSample) {
	if !n.Own {
		g.Namespace = n.ID
		g.Name += " in " + n.ID
	}
}

func (b *builder) listeners(out *Sockets, n *NetworkSample, v *survey, costs *socketCosts) {
	for i := range v.Listeners {
		l := &v.Listeners[i]
		g := costs.group(l.Local, l.Kind.String(), &l.Tally)
		g.Waiting, g.Backlog = l.Waiting, l.Backlog
		g.in(n)
		for _, ino := range l.Inos {
			for _, pid := range b.listening[ino] {
				if !slices.Contains(g.PIDs, pid) {
					g.PIDs = append(g.PIDs, pid)
				}
			}
		}
		out.ByPort = append(out.ByPort, g)
	}
}

func remotes(out *Sockets, n *NetworkSample, v *survey, costs *socketCosts) {
	for i := range v.Remotes {
		r := &v.Remotes[i]
		g := costs.group(r.Addr.String(), "", &r.Tally)
		g.in(n)
		out.ByRemote = append(out.ByRemote, g)
	}
	if v.OtherRemotes.Sockets > 0 {
		out.ByRemote = append(out.ByRemote, costs.group(fmt.Sprintf("more than %d others", maxRemotes), "", &v.OtherRemotes))
	}
}

// WatchedSocket is the socket behind a watch. It is made anew for each row that is
// drawn or sorted, so its ends are no text yet.
type WatchedSocket struct {
	Kind, State string
	Local, Peer SocketEnd
	// RecvQueue and SendQueue are bytes; for a listener the accept queue and its
	// limit.
	RecvQueue, SendQueue maybe.Of[int64]
	// Buffers is in bytes.
	Buffers maybe.Of[int64]
	// PeerHere: the other end is on this host too.
	PeerHere bool
	Drops    maybe.Of[int64]
}

// SocketEnd is one end of a connection. The zero SocketEnd is none.
type SocketEnd struct {
	// Addr is the address and port of an IP socket.
	Addr netip.AddrPort
	// Name is that of a UNIX socket. Of a peer its inode number Ino is known instead.
	Name string
	Ino  uint64
}

// AppendText writes the end as it is shown, nothing where there is none.
func (e SocketEnd) AppendText(dst []byte) []byte {
	switch {
	case e.Addr.IsValid():
		return e.Addr.AppendTo(dst)
	case e.Ino != 0:
		return append(strconv.AppendUint(append(dst, "socket:["...), e.Ino, 10), ']')
	}
	return append(dst, e.Name...)
}

func (e SocketEnd) String() string {
	var b [64]byte // room for every address
	return string(e.AppendText(b[:0]))
}

// Compare orders by address and port, UNIX sockets behind all addresses, and what has no
// end before.
func (e SocketEnd) Compare(o SocketEnd) int {
	switch {
	case e.Addr.IsValid() && o.Addr.IsValid():
		return e.Addr.Compare(o.Addr)
	case e.Addr.IsValid():
		if (o == SocketEnd{}) {
			return 1
		}
		return -1
	case o.Addr.IsValid():
		return -o.Compare(e)
	}
	// None has neither a name nor an inode number, and so comes first.
	return cmp.Or(cmp.Compare(e.Ino, o.Ino), cmp.Compare(e.Name, o.Name))
}

// AcceptQueue is how many connections wait on a listener, of how many that may; absent
// of other sockets.
func (w *WatchedSocket) AcceptQueue() (waiting, backlog maybe.Of[int64]) {
	if w.State != sock.StateListen.String() {
		return waiting, backlog
	}
	if w.SendQueue.Value > 0 {
		backlog = w.SendQueue
	}
	return w.RecvQueue, backlog
}

// SocketOf joins a watch to its socket, by the inode that both know.
func (s *Snapshot) SocketOf(w epoll.Watch) (WatchedSocket, bool) {
	if w.Kind != epoll.KindSocket || !w.HasInode {
		return WatchedSocket{}, false
	}
	for i := range s.Sockets.tables() {
		t := &s.Sockets.Tables[i]
		if row, ok := t.Table.Find(w.Ino); ok {
			return watchedSocket(t.Table, row, t.Here.Here(row)), true
		}
	}
	return WatchedSocket{}, false
}

func watchedSocket(t *sock.Table, i int, peerHere bool) WatchedSocket {
	s := t.At(i)
	out := WatchedSocket{Kind: s.Kind.String(), State: s.State.String(), PeerHere: peerHere}
	if s.Kind.IsUnix() {
		out.Kind = "unix"
	}
	switch {
	case s.Kind.IsUnix():
		out.Local.Name, out.Peer.Ino = s.Name, uint64(s.PeerIno)
	default:
		out.Local.Addr = local(s.Local)
		if s.Remote.Port() != 0 {
			out.Peer.Addr = local(s.Remote)
		}
	}
	if s.HasQueues {
		out.RecvQueue, out.SendQueue = maybe.Some(int64(s.RecvQueue)), maybe.Some(int64(s.SendQueue))
	}
	if s.State == sock.StateListen && !s.HasBacklog {
		out.SendQueue = maybe.Of[int64]{}
	}
	if s.HasMem {
		out.Buffers, out.Drops = maybe.Some(int64(s.Mem.BufferBytes(s.Kind))), maybe.Some(int64(s.Mem.Drops))
	}
	return out
}
