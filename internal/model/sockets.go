package model

import (
	"cmp"
	"slices"
	"time"

	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/sock"
	"github.com/eptop/eptop/internal/units"
)

// Sockets is all sockets of the network namespaces that were looked into.
type Sockets struct {
	TCP TCPTotals `json:"tcp"`
	// TCPMem are tcp_mem's marks, of buffers over all namespaces.
	TCPMem maybe.Of[TCPMem] `json:"tcp_mem_bytes,omitzero"`
	// TCPMemState is where the buffers are among these marks.
	TCPMemState TCPMemState `json:"tcp_mem_state,omitempty"`
	Total       int64       `json:"total"`
	// Queued of Total are UNIX connections in accept queues, which no dump lists one by
	// one: the lengths of the queues are their number.
	Queued int64 `json:"unix_in_accept_queues,omitempty"`
	// EndsHere counts the sockets whose other end is on this host too: a loopback
	// connection is two of them.
	EndsHere int64 `json:"ends_here"`
	// EndsUnknown are connected UNIX sockets of which sock_diag did not say where the other
	// end is.
	EndsUnknown int64 `json:"ends_unknown,omitempty"`
	// StructBytes is what the slab holds for the sockets: sock, inode, file, dentry,
	// security blobs and bind buckets, without their watches. BufferBytes is what
	// SKMEMINFO reports. Each may be AtLeast for a reason of its own too: parts of unknown
	// size, and sockets whose buffers the kernel did not report.
	StructBytes        maybe.Of[int64] `json:"struct_bytes,omitzero"`
	StructBytesAtLeast bool            `json:"struct_bytes_at_least,omitempty"`
	BufferBytes        maybe.Of[int64] `json:"buffer_bytes,omitzero"`
	BufferBytesAtLeast bool            `json:"buffer_bytes_at_least,omitempty"`
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
	// PastFrom is what Past of Tables counts from.
	PastFrom time.Time `json:"past_from,omitzero"`
	// Tables are the sockets one by one, of each namespace that is in the sums.
	Tables []SocketTable `json:"-"`
}

// StructsExtent is what StructBytes and its reclaimable part leave out.
func (s *Sockets) StructsExtent() Extent { return s.andAtLeast(s.StructBytesAtLeast) }

// BuffersExtent is what BufferBytes leaves out.
func (s *Sockets) BuffersExtent() Extent { return s.andAtLeast(s.BufferBytesAtLeast) }

// SocketTable is the sockets of one network namespace.
type SocketTable struct {
	Namespace string
	Table     *sock.Table
	// Here marks those whose other end is in the table too.
	Here sock.Ends
	// Past says of each how long it has been seen; the zero SocketPast where that is not
	// known. It may be shorter than Table.
	Past []SocketPast
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
	ID  string `json:"id"`
	Own bool   `json:"own"`
	PID int    `json:"pid,omitempty"` // a process in it
	// Sockets is absent where none of its sockets could be read.
	Sockets maybe.Of[int64] `json:"sockets,omitzero"`
	State   State           `json:"state"`
	Detail  string          `json:"detail,omitempty"`
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
	EndsUnknown int64           `json:"ends_unknown,omitempty"` // as in Sockets
	StructBytes maybe.Of[int64] `json:"struct_bytes,omitzero"`
	BufferBytes maybe.Of[int64] `json:"buffer_bytes,omitzero"`
	// The queues are bytes. They and the buffers are of the sockets of which they are
	// known, and absent where that is none. Drops are packets lost by sockets of UDP and
	// UNIX and by listeners: those of a TCP connection count its keepalive probes.
	RecvQueue maybe.Of[int64] `json:"rx_queue,omitzero"`
	SendQueue maybe.Of[int64] `json:"tx_queue,omitzero"`
	Drops     maybe.Of[int64] `json:"drops,omitzero"`
	// Interface is the one that a listener is bound to, its index where its name is not
	// known; Name has it too.
	Interface string `json:"interface,omitempty"`
	// Abstract: Name is an abstract one, and not a path.
	Abstract bool `json:"abstract,omitempty"`
	// Waiting of Backlog connections wait in a listener's accept queues, in all of them
	// together.
	Waiting maybe.Of[int64] `json:"accept_queue,omitzero"`
	Backlog maybe.Of[int64] `json:"backlog,omitzero"`
	// Queues are those of each listening socket on this address (SO_REUSEPORT), the
	// fullest first: the kernel fills each for itself.
	Queues []AcceptQueue `json:"accept_queues,omitempty"`
	// QueueState says how full the fullest of them is.
	QueueState QueueState `json:"accept_queue_state,omitempty"`
	// UID is the owner, where the group is a user's.
	UID maybe.Of[int] `json:"uid,omitzero"`
	// PIDs hold the listening sockets.
	PIDs []int `json:"pids,omitempty"`
}

// AcceptQueue is that of one listening socket: Waiting of Backlog connections wait.
type AcceptQueue struct {
	Ino     uint64          `json:"ino,omitempty"`
	Waiting maybe.Of[int64] `json:"waiting,omitzero"`
	Backlog maybe.Of[int64] `json:"backlog,omitzero"`
	State   QueueState      `json:"state,omitempty"`
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
	// Interfaces are the names of those that listeners are bound to, by index.
	Interfaces map[uint32]string
	// OtherFamilies are sockets that no dump lists, by inode: netlink, packet, raw, …
	OtherFamilies map[uint64]string
	// MPTCPUnknown counts MPTCP sockets that are only known to be there: what they have
	// beside their TCP sockets is in no sum.
	MPTCPUnknown int64
}

// Here is how many of the sockets have their other end on this host; absent where that is
// not known of all.
func (g *SocketGroup) Here() maybe.Of[int64] { return maybe.When(g.EndsHere, g.EndsUnknown == 0) }

// HereMark stands before EndsHere.
func (s *Sockets) HereMark() string { return Mark(s.AtLeast || s.EndsUnknown > 0, s.AtMost) }

// buffers are those of the sockets that were measured; absent where none was.
func buffers(t *Tally) maybe.Of[int64] {
	return maybe.Of[int64]{Value: t.BufferBytes, Known: t.Measured > 0 || t.Unmeasured == 0}
}

func (c *socketCosts) group(name, kind string, t *Tally) SocketGroup {
	bytes, _, _ := c.structBytes(t)
	return SocketGroup{
		Name: name, Kind: kind, Sockets: t.Sockets, EndsHere: t.EndsHere, EndsUnknown: t.EndsUnknown, StructBytes: bytes, BufferBytes: buffers(t),
		RecvQueue: maybe.When(t.RecvQueue, t.Unqueued < t.Sockets || t.Sockets == 0),
		SendQueue: maybe.When(t.SendQueue, t.Unqueued < t.Sockets || t.Sockets == 0),
		Drops:     maybe.When(t.Drops, t.Dropping > 0),
	}
}

// sockets makes the host's picture of all namespaces.
func (b *builder) sockets(costs *socketCosts) *Sockets {
	s := b.sample
	if !slices.ContainsFunc(s.Networks, func(n NetworkSample) bool { return n.Table != nil }) {
		return nil
	}
	out := &Sockets{
		Age: b.age(s.SocketsAt), PastFrom: b.began, NextRead: max(0, s.SocketsNext.Sub(s.Time)), Cgroup: s.Cgroup, Origin: Derived,
		TCP: tcpTotals(s), Namespaces: []NetworkNamespace{}, ByState: []SocketGroup{}, ByPort: []SocketGroup{}, ByRemote: []SocketGroup{}, ByUser: []SocketGroup{},
	}
	page, pageKnown := s.Host.PageBytes.Get()
	if m, ok := s.TCPMem.Get(); ok && pageKnown {
		out.TCPMem = maybe.Some(TCPMem{int64(m.LowPages) * page, int64(m.PressurePages) * page, int64(m.HighPages) * page})
	}
	states, users := map[string]*Tally{}, map[int]*Tally{}
	var all Tally
	mptcp := false // some have sockets of unknown size
	b.tally = &all
	for i := range s.Networks {
		n := &s.Networks[i]
		ns := NetworkNamespace{ID: n.ID, Own: n.Own, PID: n.PID, State: n.State, Detail: n.Detail}
		if v := b.surveys[n.Table]; v != nil {
			out.Tables = append(out.Tables, SocketTable{Namespace: n.ID, Table: n.Table, Here: v.ends, Past: v.past})
			ns.Sockets = maybe.Some(v.All.Sockets)
			out.Queued += v.Queued
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
		if n.MPTCPUnknown > 0 {
			mptcp = true
			out.LeavesOut = append(out.LeavesOut, "what "+units.Many(n.MPTCPUnknown, "MPTCP socket")+" of namespace "+n.ID+" take beside their TCP sockets")
		}
		out.Namespaces = append(out.Namespaces, ns)
	}
	absent := b.absent()
	out.LeavesOut = append(out.LeavesOut, b.unseen(absent)...)
	if n := all.Unmeasured - out.Queued; n > 0 {
		out.LeavesOut = append(out.LeavesOut, "the buffers of "+units.Many(n, "socket")+" that sock_diag did not report")
	}
	if out.Queued > 0 {
		out.LeavesOut = append(out.LeavesOut, "the buffers of "+units.Many(out.Queued, "UNIX connection")+" in accept queues, which are counted by the queues' lengths")
	}
	out.cover(s, unreported(absent), all.Unmeasured)
	out.Total, out.EndsHere, out.EndsUnknown = all.Sockets, all.EndsHere, all.EndsUnknown
	out.StructBytes, out.PinnedReclaimableBytes, out.StructBytesAtLeast = costs.structBytes(&all)
	out.BufferBytes = buffers(&all)
	out.StructBytesAtLeast = out.StructBytesAtLeast || mptcp
	out.BufferBytesAtLeast = all.Unmeasured > 0
	for i, n := range all.Objects {
		if cost, ok := costs.cost(objectKinds[i]).Get(); ok && n > 0 {
			out.Origin = weakest(out.Origin, cost.Origin)
		}
	}
	for name, t := range states {
		out.ByState = append(out.ByState, costs.group(name, "", t))
	}
	for uid, t := range users {
		g := costs.group(b.userName(uid), "", t)
		g.UID = maybe.Some(uid)
		out.ByUser = append(out.ByUser, g)
	}
	for _, list := range [][]SocketGroup{out.ByState, out.ByPort, out.ByRemote, out.ByUser} {
		slices.SortFunc(list, func(a, b SocketGroup) int {
			return cmp.Or(cmp.Compare(b.Sockets, a.Sockets), cmp.Compare(a.Name, b.Name))
		})
	}
	return out
}

// tcpTotals are sockstat's numbers and the states that the dumps counted.
func tcpTotals(s *Sample) TCPTotals {
	out := TCPTotals{States: map[string]int64{}}
	if st, ok := s.Sockstat.Get(); ok {
		// Without IPv6 its sum is absent, and adds nothing.
		out.InUse = maybe.When(st.TCP.InUse.Value+st.TCP6InUse.Value, st.TCP.InUse.Known)
		out.Orphan, out.TimeWait, out.Alloc = st.TCP.Orphan, st.TCP.TimeWait, st.TCP.Alloc
		out.MemBytes = maybe.When(st.TCP.MemPages.Value*s.Host.PageBytes.Value, st.TCP.MemPages.Known && s.Host.PageBytes.Known)
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

// unseen names the sockets that may be missing: those of namespaces that were not looked
// into in full, those of namespaces that were not found, for a namespace is found through a
// process in it, and those that a process holds and no namespace listed.
func (b *builder) unseen(absent []absence) []string {
	var out []string
	for i := range b.sample.Networks {
		if n := &b.sample.Networks[i]; n.State != OK || n.Detail != "" {
			out = append(out, "namespace "+n.ID+": "+cmp.Or(n.Detail, string(n.State)))
		}
	}
	for _, processes := range ExtentOf(b.sample.Coverage.processGaps()...).LeavesOut {
		out = append(out, "network namespaces of "+processes+", unless another process is in them")
	}
	if len(b.sample.Networks) > 0 {
		out = append(out, leftOut(absent)...)
	}
	return out
}
