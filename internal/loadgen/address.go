package loadgen

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// A path is a way to connect: over IPv4 a source address of its own; where the loopback
// interface has one address of the family, as always over IPv6, a listener of its own. Each
// path offers all ports of ip_local_port_range again.

func (o order) domain() int {
	switch o.Config.Family {
	case TCP6:
		return unix.AF_INET6
	case UNIX:
		return unix.AF_UNIX
	}
	return unix.AF_INET
}

// needPaths returns how many paths the pair's connections take.
func (o order) needPaths() int64 {
	if o.Config.Family == UNIX {
		return 1
	}
	return (o.Room + o.Ports.each() - 1) / o.Ports.each()
}

// listeners returns how many sockets the server listens on.
func (o order) listeners() int64 {
	if !o.Ports.OneAddress {
		return 1
	}
	return min(o.needPaths(), maxListeners, max(1, o.Ports.Listeners))
}

// maxPaths is how many source addresses of 127.0.0.0/8 a pair uses at most: more than
// it has connections.
const maxPaths = 1 << 20

// paths returns how many paths may be used, and how many of them in a row show that
// there is no port to be had. A port that one source address lacks because somebody
// listens on it, all lack.
func (o order) paths(p *page) (all, barren int) {
	if o.Config.Family == TCP4 && !o.Ports.OneAddress {
		return maxPaths, 3
	}
	n := int(p.ready.Load())
	return n, n
}

// path returns where connection n of a pair comes from, nil to leave that to the
// kernel, and where it goes to.
func (o order) path(p *page, n int) (from, to unix.Sockaddr) {
	switch o.Config.Family {
	case TCP6:
		return nil, &unix.SockaddrInet6{Port: int(p.addresses[n].Load()), Addr: [16]byte{15: 1}}
	case UNIX:
		return nil, &unix.SockaddrUnix{Name: o.unixName(p.addresses[0].Load())}
	}
	if o.Ports.OneAddress {
		return nil, &unix.SockaddrInet4{Port: int(p.addresses[n].Load()), Addr: [4]byte{127, 0, 0, 1}}
	}
	return &unix.SockaddrInet4{Addr: source(n)}, &unix.SockaddrInet4{Port: int(p.addresses[0].Load()), Addr: [4]byte{127, 0, 0, 1}}
}

// source returns source address n over IPv4. They start at 127.1.0.1, where nobody listens
// by habit. All pairs use the same, each to a listener of its own, and so share the
// kernel's bind buckets.
func source(n int) [4]byte {
	a := uint32(127<<24|1<<16) + uint32(n) + 1
	return [4]byte{byte(a >> 24), byte(a >> 16), byte(a >> 8), byte(a)}
}

// unixName returns a name in the abstract namespace, which needs no file system.
func (o order) unixName(n int64) string {
	return fmt.Sprintf("@eptop-load-%d-%d-%d", o.Parent, o.Pair, n)
}

// listenAddress returns the address that listener n binds.
func (o order) listenAddress(n int64) unix.Sockaddr {
	switch o.Config.Family {
	case TCP6:
		return &unix.SockaddrInet6{Addr: [16]byte{15: 1}}
	case UNIX:
		return &unix.SockaddrUnix{Name: o.unixName(n)}
	}
	return &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}
}
