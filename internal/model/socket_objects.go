package model

import (
	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/object"
	"github.com/eptop/eptop/internal/sock"
)

// SocketObject is a kind of socket as far as its slab objects depend on it.
type SocketObject struct {
	Kind sock.Kind
	Body sock.Body
	// Hold says what keeps a full socket; the small bodies have HoldNone.
	Hold Hold
	// MPTCP: it is the TCP socket of an MPTCP socket.
	MPTCP sock.MPTCP
}

// Hold is what keeps a full socket alive.
type Hold uint8

// The holds.
const (
	// HoldNone: no descriptor holds it any more, and the kernel still closes it.
	HoldNone Hold = iota
	// HoldFile: it is open, and has an inode, a dentry and a file.
	HoldFile
	// HoldQueue: it waits in an accept queue and has no inode yet. TCP keeps the
	// request of the handshake with it.
	HoldQueue
)

// objectOf is a socket of a table. A subflow that joined an MPTCP socket later has no
// inode of its own, and is HoldNone.
func objectOf(s *sock.Socket) SocketObject {
	o := SocketObject{Kind: s.Kind, Body: s.Body, MPTCP: s.MPTCP}
	switch {
	case s.Body != sock.BodyFull || s.MPTCP == sock.MPTCPJoined:
	case s.Ino != 0:
		o.Hold = HoldFile
	case s.Waiting():
		o.Hold = HoldQueue
	}
	return o
}

// Objects has a count for each SocketObject.
type Objects [len(objectKinds)]int64

// The bodies of a socket in Objects: the full ones by hold, then the small ones.
const (
	objectBodies = int(HoldQueue) + int(sock.BodyRequest) + 1
	plainObjects = (int(sock.UnixSeqpacket) + 1) * objectBodies
	// mptcpObjects are those of TCP over IPv4 and IPv6: an MPTCP socket by hold, and a
	// subflow that joined it.
	mptcpObjects = 2 * (int(HoldQueue) + 2)
)

// objectKinds are all there can be, in the order of Objects.
var objectKinds = func() (all [plainObjects + mptcpObjects]SocketObject) {
	for kind := range sock.UnixSeqpacket + 1 {
		for hold := range HoldQueue + 1 {
			for _, o := range []SocketObject{
				{Kind: kind, Hold: hold}, {Kind: kind, Body: sock.BodyTimeWait}, {Kind: kind, Body: sock.BodyRequest},
				{Kind: kind, Hold: hold, MPTCP: sock.MPTCPSocket}, {Kind: kind, MPTCP: sock.MPTCPJoined},
			} {
				if o.MPTCP == 0 || kind == sock.TCP4 || kind == sock.TCP6 {
					all[o.index()] = o
				}
			}
		}
	}
	return all
}()

// index is where a SocketObject stands in Objects.
func (o SocketObject) index() int {
	switch {
	case o.Body != sock.BodyFull:
		return int(o.Kind)*objectBodies + int(HoldQueue) + int(o.Body)
	case o.MPTCP == sock.MPTCPJoined:
		return plainObjects + int(o.Kind-sock.TCP4)*mptcpObjects/2 + int(HoldQueue) + 1
	case o.MPTCP == sock.MPTCPSocket:
		return plainObjects + int(o.Kind-sock.TCP4)*mptcpObjects/2 + int(o.Hold)
	}
	return int(o.Kind)*objectBodies + int(o.Hold)
}

func (o *Objects) of(k SocketObject) *int64 { return &o[k.index()] }

// ownObject is the socket's own structure, or what stands in for it.
func ownObject(o SocketObject) object.Kind {
	v6 := o.Kind == sock.TCP6
	switch o.Body {
	case sock.BodyTimeWait:
		return either(v6, object.TimeWaitV6, object.TimeWait)
	case sock.BodyRequest:
		return either(v6, object.RequestV6, object.Request)
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

func either(first bool, a, b object.Kind) object.Kind {
	if first {
		return a
	}
	return b
}

// sockObjects are the objects that a socket has as a socket, its own first.
func sockObjects(o SocketObject) []object.Kind {
	parts := []object.Kind{ownObject(o)}
	v6 := o.Kind == sock.TCP6
	if o.Kind == sock.UDP4 || o.Kind == sock.UDP6 {
		parts = append(parts, object.UDPQueue)
	}
	if o.MPTCP != 0 {
		parts = append(parts, object.Subflow)
	}
	if o.MPTCP == sock.MPTCPSocket {
		parts = append(parts, either(v6, object.MPTCPv6, object.MPTCP))
	}
	if o.Hold == HoldQueue && !o.Kind.IsUnix() {
		request := either(v6, object.RequestV6, object.Request)
		if o.MPTCP != 0 {
			request = either(v6, object.SubflowRequestV6, object.SubflowRequest)
		}
		parts = append(parts, request)
	}
	return parts
}

// objectParts are all objects of a socket, those of its file among them.
func objectParts(o SocketObject) []object.Kind {
	parts := sockObjects(o)
	if o.Hold == HoldFile {
		parts = append(parts, object.WithFile(parts[0])[1:]...)
	}
	return parts
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

// structBytes is what the slab holds for the sockets of a tally, and how much of
// that counts as reclaimable, which is absent where the kernel does not say. Both are
// lower bounds where the size of a part is not known.
func (c *socketCosts) structBytes(t *Tally) (bytes, reclaimable maybe.Of[int64], atLeast bool) {
	var sum, pinned int64
	known := true
	add := func(cost maybe.Of[Cost], n int64) bool {
		if !cost.Known {
			return false
		}
		sum += n * cost.Value.Bytes
		atLeast = atLeast || n > 0 && cost.Value.AtLeast
		for _, p := range cost.Value.Parts {
			known = known && p.Reclaimable.Known
			if p.Reclaimable.Value {
				pinned += n * p.Bytes
			}
		}
		return true
	}
	for i, n := range t.Objects {
		if n != 0 && !add(c.cost(objectKinds[i]), n) {
			return maybe.Of[int64]{}, maybe.Of[int64]{}, false
		}
	}
	for _, b := range []struct {
		kind object.Kind
		n    int64
	}{{object.BindPort, t.BindPorts}, {object.BindAddress, t.BindAddresses}} {
		cost, _ := c.sum([]object.Kind{b.kind})
		add(cost, b.n) // a kernel without them has none
	}
	return maybe.Some(sum), maybe.Of[int64]{Value: pinned, Known: known}, atLeast
}
