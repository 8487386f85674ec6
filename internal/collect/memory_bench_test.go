package collect

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/eptop/eptop/internal/model"
)

// memoryBudget is how much CPU reading slab with the objects of each node, zones and
// nodes may take.
const memoryBudget = 10 * time.Millisecond

// BenchmarkMemory reads slabinfo, the objects of the network's caches for each node,
// zones and nodes, as a look does. cpu-ms is user and system time of it all. A look
// counts the objects of the nodes every five seconds; here each does.
func BenchmarkMemory(b *testing.B) {
	c := newCollector(b, nil)
	if s := snapshotOf(b, c); len(s.Slab) == 0 {
		b.Skip("slabinfo needs root; run as root: go test -bench Memory ./internal/collect")
	}
	began := cpuTime(b)
	runs := 0
	for b.Loop() {
		runs++
		c.perNode = nil
		l := look{ctx: b.Context(), Collector: c, sample: &model.Sample{}, start: c.now()}
		l.memory()
		objects := int64(0)
		for i := range l.sample.Caches {
			if l.sample.Caches[i].Name == "TCP" {
				for _, n := range l.sample.Caches[i].PerNode {
					objects += int64(n.Objs)
				}
			}
		}
		if objects == 0 || len(l.sample.Zones.Zones) == 0 || len(l.sample.Nodes.Nodes) == 0 {
			b.Fatalf("%d objects of TCP, %d zones, %d nodes", objects, len(l.sample.Zones.Zones), len(l.sample.Nodes.Nodes))
		}
	}
	each := (cpuTime(b) - began) / time.Duration(runs)
	b.ReportMetric(each.Seconds()*1e3, "cpu-ms/op")
	if each > memoryBudget {
		b.Errorf("%s of CPU, more than %s", each, memoryBudget)
	}
}

func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var ru unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &ru); err != nil {
		b.Fatal(err)
	}
	return time.Duration(ru.Utime.Nano() + ru.Stime.Nano())
}
