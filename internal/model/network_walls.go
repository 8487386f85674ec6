package model

import "github.com/eptop/eptop/internal/maybe"

// WallOrphans is net.ipv4.tcp_max_orphans: of more sockets that were closed and still
// have bytes to send, the kernel resets the connections (tcp_check_oom).
const WallOrphans WallName = "orphans"

// NetworkLimits are limits of the network namespace that the procfs shows, and of all.
// Each is absent where the kernel does not have it.
type NetworkLimits struct {
	// Conntrack connections are tracked, of at most MostConntrack in a namespace.
	Conntrack, MostConntrack maybe.Of[int64]
	// MostOrphans is net.ipv4.tcp_max_orphans, of all namespaces together.
	MostOrphans maybe.Of[int64]
	// MostBacklog is net.core.somaxconn.
	MostBacklog maybe.Of[int64]
	Ports       maybe.Of[LocalPorts]
}

// networkWalls are the limits of the network. Idle connections have no
// buffers, and none of them is an orphan: those two limits are walls once more than half
// of them is used.
func (b *builder) networkWalls(snap *Snapshot) (out []Wall) {
	s, host := b.sample, &snap.Host
	add := func(w Wall) { out = append(out, w) }
	if k := snap.Sockets; k != nil {
		// The kernel counts pages, whose size is not known of every captured tree.
		used, ok := s.Sockstat.Value.TCP.MemPages.Get()
		if high := int64(s.TCPMem.Value.HighPages); ok && isInUse(used, high) {
			w := Wall{
				Name: WallTCPMem, Unit: UnitPages, Used: used, Limit: high, Scope: "host", RaiseWith: raiseTCPMem(high, host),
				// As many as there are take on average.
				ConnectionsLeft: int64(float64(high-used) / float64(used) * float64(max(1, k.TCP.Alloc.Value))), Origin: Estimated,
			}
			if page, ok := s.Host.PageBytes.Get(); ok {
				w.Unit, w.Used, w.Limit = UnitBytes, used*page, high*page
			}
			add(w)
		}
		orphans, ok := k.TCP.Orphan.Get()
		if most := s.NetworkLimits.MostOrphans.Value; ok && isInUse(orphans, most) {
			add(Wall{
				Name: WallOrphans, Unit: UnitConnections, Used: orphans, Limit: most, ConnectionsLeft: most - orphans, Scope: "host",
				RaiseWith: host.sysctl("net.ipv4.tcp_max_orphans=%d", twice(most)), Origin: Measured,
			})
		}
	}
	// One that tracks nothing is no wall.
	if used, most := s.NetworkLimits.Conntrack.Value, s.NetworkLimits.MostConntrack.Value; used > 0 && most > 0 {
		add(Wall{
			Name: WallConntrack, Unit: UnitConnections, Used: used, Limit: most, ConnectionsLeft: most - used, Scope: "this network namespace",
			RaiseWith: host.sysctl("net.netfilter.nf_conntrack_max=%d", twice(most)), Origin: Measured,
		})
	}
	if w, ok := b.portWall(s); ok {
		add(w)
	}
	return out
}

// raiseTCPMem doubles the marks of tcp_mem, whose last is that many pages.
func raiseTCPMem(pages int64, host *Host) string {
	return host.sysctl(`net.ipv4.tcp_mem="%d %d %d"`, pages, pages*3/2, pages*2)
}
