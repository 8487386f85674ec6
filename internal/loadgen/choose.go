package loadgen

import (
	"sync/atomic"
)

// portSet is a set of ports in the shared page, one bit each.
type portSet [1 << 10]atomic.Uint64

func (s *portSet) has(port int64) bool { return s[port>>6].Load()&(1<<(port&63)) != 0 }

func (s *portSet) add(port int64) { s[port>>6].Or(1 << (port & 63)) }

// AvoidPorts makes workers that are started from now on connect from ports that are not
// taken, as long as there are any: a connection to a port that others use shares their bind
// buckets. It does nothing on a kernel on which a socket has no port range of its own (before
// Linux 6.3), and reports that.
func (g *Generator) AvoidPorts(taken *[1 << 16]bool) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.bounds.ports.Own || g.config.Family == UNIX {
		return false
	}
	g.taken = taken
	return true
}

// avoid gives the client the ports to avoid; it must not be connecting yet.
func (p *page) avoid(taken *[1 << 16]bool) {
	if taken == nil {
		return
	}
	for port, is := range taken {
		if is {
			p.taken.add(int64(port))
		}
	}
	p.choosing.Store(1)
}

// choose returns the range of the next connection: a single port that nobody has, or all
// ports where none is left.
func (c *client) choose() portRange {
	all := c.order.Ports.Client
	if c.page.choosing.Load() == 0 {
		return all
	}
	for c.port = max(c.port, all.Low); c.port <= all.High; c.port++ {
		if !c.page.taken.has(c.port) {
			return portRange{c.port, c.port}
		}
	}
	c.page.choosing.Store(0)
	return all
}

// passPort goes on to the next port after one that was used, or could not be. It reports
// whether it was chosen.
func (c *client) passPort() bool {
	c.port++
	return c.page.choosing.Load() != 0
}
