package loadgen

import (
	"sort"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// portRange is a range of ports, both ends in it.
type portRange struct{ Low, High int64 }

func (r portRange) len() int64 { return max(0, r.High-r.Low+1) }

// option is the range as a value for IP_LOCAL_PORT_RANGE.
func (r portRange) option() int { return int(uint32(r.High)<<16 | uint32(r.Low)) }

// ports are those that a load connects from, and those that it listens on. Where there
// is one address, no listener finds a port that a connection holds: so they have parts of
// the range of their own. Otherwise clients have addresses of their own,
// but connect(2) passes over each port that somebody listens on, whatever the address
// (__inet_hash_connect in net/ipv4/inet_hashtables.c).
type ports struct {
	Client, Listen portRange
	// Clients and Listeners count the ports in them that are not reserved.
	Clients, Listeners int64
	// Own: sockets can have ranges of their own.
	Own bool
	// OneAddress: both ends have the same address.
	OneAddress bool
}

// ports divides net.ipv4.ip_local_port_range.
func (l Limits) ports(family Family) ports {
	all := portRange{l.PortLow.Value, l.PortHigh.Value}
	p := ports{Client: all, Listen: all, Own: l.PortRanges, OneAddress: family == TCP6 || family == TCP4 && l.OneAddress4}
	if p.OneAddress {
		quarter := max(1, l.unreserved(all)/4)
		p.Listen.Low += int64(sort.Search(int(all.len()), func(i int) bool {
			return l.unreserved(portRange{all.Low + int64(i), all.High}) <= quarter
		}))
		// bind(2) passes over the last port of an odd number (inet_csk_find_open_port in
		// net/ipv4/inet_connection_sock.c).
		if n := p.Listen.len(); n > 1 && n%2 == 1 && p.Listen.Low > all.Low {
			p.Listen.Low--
		}
		p.Client.High = p.Listen.Low - 1
	}
	p.Clients, p.Listeners = l.unreserved(p.Client), l.unreserved(p.Listen)
	return p
}

// unreserved counts the ports of a range that are not in
// net.ipv4.ip_local_reserved_ports, a list such as 8080,40100-40999.
func (l Limits) unreserved(r portRange) int64 {
	n := r.len()
	for part := range strings.SplitSeq(l.PortsReserved, ",") {
		first, last, ok := strings.Cut(part, "-")
		if !ok {
			last = first
		}
		low, err1 := strconv.ParseInt(first, 10, 64)
		high, err2 := strconv.ParseInt(last, 10, 64)
		if err1 == nil && err2 == nil {
			n -= portRange{max(low, r.Low), min(high, r.High)}.len()
		}
	}
	return max(0, n)
}

// each returns how many ports of one path connect(2) finds fast: without a range of its
// own it searches those of one parity first and slows down once these are taken. A
// socket that has a range of its own takes one port after the other.
func (p ports) each() int64 {
	if p.Own {
		return max(1, p.Clients*9/10)
	}
	return max(1, p.Clients/2*9/10)
}

// portLimit returns how many pairs of workers find ports, and how many connections each
// of them.
func (l Limits) portLimit(family Family, room int64) (limit PairLimit, each int64) {
	p := l.ports(family)
	if !p.OneAddress {
		// Source addresses abound, and each offers the ports on which nobody listens.
		pairs := max(0, p.Clients-1)
		return PairLimit{Wall: WallPorts, Used: min(1, p.Clients), Most: p.Clients, Pairs: pairs}, min(room, pairs*room)
	}
	listeners := order{Config: Config{Family: family}, Room: room, Ports: p}.listeners()
	each = min(room, listeners*p.Clients)
	if each == 0 {
		return PairLimit{Wall: WallPorts, Most: p.Clients}, 0
	}
	return PairLimit{Wall: WallPorts, Most: p.Listeners, Pairs: p.Listeners / listeners}, each
}

// takesRange reports whether a socket can have a port range of its own: since Linux
// 6.3, commit 91d0b78c5177.
func takesRange(r portRange) bool {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	return unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_LOCAL_PORT_RANGE, r.option()) == nil
}
