package measure

import (
	"context"
	"time"

	"github.com/eptop/eptop/internal/loadgen"
	"github.com/eptop/eptop/internal/sock"
)

const (
	// tooManySockets would take a second or more to list.
	tooManySockets = 500_000
	// listWithin bounds the list: ports that are not on it may turn out to be shared.
	listWithin = 3 * time.Second
)

// avoidPorts looks for the ports that other sockets have: connections that share a port share
// its bind buckets, and would cost less than they do alone. Where that cannot be known or
// avoided, the readings show how many buckets there were.
func avoidPorts(gen *loadgen.Generator, stat *sockstat) {
	if s, err := stat.read(); err != nil || s.used+s.waiting > tooManySockets {
		return
	}
	conn, err := sock.OpenOwn("/proc/net")
	if err != nil {
		return
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(context.Background(), listWithin)
	defer cancel()
	taken := new([1 << 16]bool)
	for _, s := range conn.Dump(ctx, nil, sock.FamilyTCP).All() {
		taken[s.Local.Port()] = true
	}
	gen.AvoidPorts(taken)
}
