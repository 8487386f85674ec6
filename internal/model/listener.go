package model

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/sock"
)

// listener is what listens on one address or name: one socket, or several that share
// it (SO_REUSEPORT).
type listener struct {
	listenerKey
	Kind  sock.Kind
	MPTCP bool
	// Queues are those of its sockets, in that order.
	Queues []listenQueue
	// Waiting of Backlog connections wait for accept(2), in all queues together.
	Waiting, Backlog maybe.Of[int64]
	// Tally is of the connections accepted on it, the listening sockets included.
	Tally
	dual bool
}

// listenQueue is one listening socket with its accept queue.
type listenQueue struct {
	Ino              uint32
	Waiting, Backlog maybe.Of[int64]
	// Drops are the connections that it refused, and what else it threw away.
	Drops maybe.Of[int64]
}

// listenerKey is what a listener and its accepted connections have in common.
type listenerKey struct {
	kind  sock.Kind
	local netip.AddrPort
	// iface is the index of the interface that it is bound to (SO_BINDTODEVICE), 0 if
	// none. A connection has its listener's, and over IPv6 that of a link-local address.
	iface    uint32
	name     string
	abstract bool
}

func keyOf(s *sock.Socket) listenerKey {
	return listenerKey{kind: s.Kind, local: s.Local, iface: s.Interface, name: s.Name, abstract: s.Abstract}
}

// listeners finds the listening sockets.
func (v *survey) listeners(t *sock.Table) {
	for i := range t.Len() {
		if brief := t.Brief(i); brief.State != sock.StateListen {
			continue
		}
		s := t.At(i)
		key := keyOf(&s)
		at, known := v.serving[key]
		if !known {
			at = len(v.Listeners)
			if !s.Kind.IsUnix() {
				v.ports[s.Local.Port()/64] |= 1 << (s.Local.Port() % 64)
			}
			v.Listeners = append(v.Listeners, listener{listenerKey: key, Kind: s.Kind})
			v.serving[key] = at
		}
		l := &v.Listeners[at]
		l.MPTCP = l.MPTCP || s.MPTCP != sock.MPTCPNone
		// Without sock_diag it is not known whether an IPv6 listener takes IPv4 as well.
		l.dual = l.dual || s.DualStack || !s.HasMem
		q := listenQueue{Ino: s.Ino, Waiting: maybe.When(int64(s.RecvQueue), s.HasQueues), Drops: dropsOf(&s)}
		if waiting, limit, ok := s.AcceptQueue(); ok {
			q.Backlog = maybe.Some(int64(limit))
			l.Waiting, l.Backlog = maybe.Some(l.Waiting.Value+int64(waiting)), maybe.Some(l.Backlog.Value+int64(limit))
		}
		l.Queues = append(l.Queues, q)
	}
}

// listenerOf is the listener on whose address or name a socket is, -1 for a client.
// An accepted connection is of its listener's kind: over IPv4 on an IPv6 listener it
// is an IPv6 socket with IPv4-mapped addresses.
func (v *survey) listenerOf(s *sock.Socket) int {
	switch s.Kind {
	case sock.TCP4, sock.TCP6:
		if !v.ports.has(s.Local.Port()) {
			return -1
		}
	case sock.UnixStream, sock.UnixSeqpacket:
		if s.Name == "" {
			return -1
		}
	default:
		return -1
	}
	key := keyOf(s)
	if at, ok := v.serving[key]; ok {
		return at
	}
	if s.Kind.IsUnix() || s.State == sock.StateListen {
		return -1
	}
	anyAddress := netip.AddrPortFrom(netip.IPv4Unspecified(), s.Local.Port())
	if s.Kind == sock.TCP6 {
		anyAddress = netip.AddrPortFrom(netip.IPv6Unspecified(), s.Local.Port())
	}
	for _, iface := range [...]uint32{s.Interface, 0} {
		for _, address := range [...]netip.AddrPort{s.Local, anyAddress} {
			key.iface, key.local = iface, address
			at, ok := v.serving[key]
			if ok && (address == s.Local || !s.Local.Addr().Is4In6() || v.Listeners[at].dual) {
				return at
			}
		}
	}
	return -1
}

func local(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }

// title is the address or the name as people read it, with the interface as ss(8) has
// it: 0.0.0.0%eth0:80, [::]%eth0:80.
func (k *listenerKey) title(interfaces map[uint32]string) string {
	if k.kind.IsUnix() {
		return unixName(k.name, k.abstract)
	}
	text := k.local.String()
	if k.iface == 0 {
		return text
	}
	at := strings.LastIndexByte(text, ':')
	return text[:at] + "%" + interfaceName(interfaces, k.iface) + text[at:]
}

// interfaceName is the name, or the number where it is not known.
func interfaceName(interfaces map[uint32]string, index uint32) string {
	if name := interfaces[index]; name != "" {
		return name
	}
	return strconv.FormatUint(uint64(index), 10)
}

// unixName is the name of a UNIX socket, an abstract one behind "@". A path that begins
// with "@" is relative, and written as such.
func unixName(name string, abstract bool) string {
	if !abstract && strings.HasPrefix(name, "@") {
		return "./" + name
	}
	return name
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
		shown := sock.Socket{Kind: l.Kind}
		if l.MPTCP {
			shown.MPTCP = sock.MPTCPSocket
		}
		g := costs.group(l.title(n.Interfaces), shown.Protocol(), &l.Tally)
		g.Abstract = l.abstract
		if l.iface != 0 {
			g.Interface = interfaceName(n.Interfaces, l.iface)
		}
		g.Waiting, g.Backlog = l.Waiting, l.Backlog
		g.in(n)
		for _, q := range l.Queues {
			g.Queues = append(g.Queues, AcceptQueue{Ino: uint64(q.Ino), Waiting: q.Waiting, Backlog: q.Backlog})
			for _, pid := range b.listening[q.Ino] {
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
