package model

import (
	"math/bits"
	"net/netip"
	"slices"

	"github.com/eptop/eptop/internal/sock"
)

// LocalPorts are those that connect(2) chooses from: net.ipv4.ip_local_port_range, both
// ends included, without net.ipv4.ip_local_reserved_ports.
type LocalPorts struct {
	Low      int   `json:"low"`
	High     int   `json:"high"`
	Reserved []int `json:"reserved,omitempty"`
	// ReuseTimeWait is net.ipv4.tcp_tw_reuse: whether connect(2) takes a port that a
	// TIME_WAIT has: 0 never, 1 always, 2 over loopback (tcp_twsk_unique() in
	// net/ipv4/tcp_ipv4.c; 2 is the default, since Linux 4.19).
	ReuseTimeWait int `json:"tcp_tw_reuse"`
}

// reuses reports whether the port of a TIME_WAIT to this address is free again.
func (p *LocalPorts) reuses(to netip.Addr) bool {
	return p.ReuseTimeWait == 1 || p.ReuseTimeWait == 2 && to.IsLoopback()
}

// portSet has a bit for each port.
type portSet [1 << 16 / 64]uint64

func (p *portSet) has(port uint16) bool { return p[port/64]&(1<<(port%64)) != 0 }

// set returns the ports and how many there are.
func (p *LocalPorts) set() (ports portSet, n int64) {
	for port := max(0, p.Low); port <= min(p.High, 1<<16-1); port++ {
		ports[port/64] |= 1 << (port % 64)
	}
	for _, port := range p.Reserved {
		if port >= 0 && port < 1<<16 {
			ports[port/64] &^= 1 << (port % 64)
		}
	}
	for _, word := range ports {
		n += int64(bits.OnesCount64(word))
	}
	return ports, n
}

// route is from where to where connections are.
type route struct {
	from netip.Addr
	to   netip.AddrPort
}

// portWall is the destination to which the most local ports are taken, once that are more
// than half of them. A port that somebody listens on is not chosen, whatever the
// destination (__inet_hash_connect in net/ipv4/inet_hashtables.c), and neither is one that
// a client has bound without IP_BIND_ADDRESS_NO_PORT, which nobody can see: there may be
// fewer left.
func (b *builder) portWall(s *Sample) (Wall, bool) {
	ports, ok := s.NetworkLimits.Ports.Get()
	own := slices.IndexFunc(s.Networks, func(n NetworkSample) bool { return n.Own && n.Table != nil })
	if !ok || own < 0 {
		return Wall{}, false
	}
	v := b.surveys[s.Networks[own].Table]
	free, most := ports.set()
	busy := map[netip.Addr]bool{}
	for _, r := range v.Remotes {
		if r.Sockets > most/2 {
			busy[r.Addr] = true
		}
	}
	if len(busy) == 0 || most <= 0 {
		return Wall{}, false
	}
	at, taken := v.busiest(s.Networks[own].Table, &ports, &free, busy)
	for i := range free {
		taken += int64(bits.OnesCount64(free[i] & v.ports[i]))
	}
	if taken <= most/2 {
		return Wall{}, false
	}
	return Wall{
		Name: WallPorts, Unit: UnitPorts, Used: taken, Limit: most, ConnectionsLeft: max(0, most-taken), Scope: at.from.String() + " to " + at.to.String(),
		RaiseWith: s.Host.sysctl(`net.ipv4.ip_local_port_range="1024 65535"`) + ", or more local addresses", Origin: Derived,
	}, true
}

// busiest is the route from one address to one of the busy ones with the most local ports
// taken.
func (v *survey) busiest(t *sock.Table, ports *LocalPorts, free *portSet, busy map[netip.Addr]bool) (at route, taken int64) {
	routes := map[route]int64{}
	for i := range t.Len() {
		if k := t.Brief(i).Kind; k != sock.TCP4 && k != sock.TCP6 {
			continue
		}
		s := t.At(i)
		to := local(s.Remote)
		if to.Port() == 0 || !busy[to.Addr()] || v.ports.has(s.Local.Port()) || !free.has(s.Local.Port()) || s.Body == sock.BodyTimeWait && ports.reuses(to.Addr()) {
			continue
		}
		r := route{local(s.Local).Addr(), to}
		if routes[r]++; routes[r] > taken {
			at, taken = r, routes[r]
		}
	}
	return at, taken
}
