//go:build vm

package vm

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/eptop/eptop/internal/model"
)

// comparison compares eptop's numbers with those of other programs, and counts them.
type comparison struct {
	t      *testing.T
	others []string // in the order of their first comparison
	counts map[string]int
}

// same compares one value with what another source says of it.
func (c *comparison) same(other, what string, want, got any) {
	c.t.Helper()
	c.count(other)
	if !cmp.Equal(want, got) {
		c.t.Errorf("%s: %s has %v, eptop %v", what, other, want, got)
	}
}

// within compares one value that may lie between two others.
func (c *comparison) within(other, what string, low, high, got int64) {
	c.t.Helper()
	c.count(other)
	if got < low || got > high {
		c.t.Errorf("%s: by %s from %d to %d, eptop has %d", what, other, low, high, got)
	}
}

func (c *comparison) count(other string) {
	if c.counts == nil {
		c.counts = map[string]int{}
	}
	if c.counts[other] == 0 {
		c.others = append(c.others, other)
	}
	c.counts[other]++
}

// atLeast fails where hardly anything was compared: then the tool's output was not
// understood.
func (c *comparison) atLeast(n int, other string) {
	c.t.Helper()
	if c.counts[other] < n {
		c.t.Errorf("only %d values were compared with %s, want %d at least", c.counts[other], other, n)
	}
}

// String is the table's column: who was compared with, and how many values.
func (c *comparison) String() string {
	words := make([]string, 0, len(c.others))
	for _, other := range c.others {
		words = append(words, other+" "+strconv.Itoa(c.counts[other]))
	}
	return strings.Join(words, ", ")
}

// sources checks that eptop could read all that this guest has.
func (c *comparison) sources(g *guest, s *model.Snapshot) {
	c.t.Helper()
	for _, source := range s.Sources {
		want := model.OK
		switch {
		case source.Name == "bpf":
			continue
		case source.Name == "sock_diag" && g.noDiag:
			want = model.Absent
		}
		c.same("sources", source.Name+" ("+source.Detail+")", want, source.State)
	}
	c.atLeast(10, "sources")
}

// expandCPUs turns the kernel's list "0-2,4" into its numbers.
func expandCPUs(t *testing.T, list string) []int {
	t.Helper()
	out := []int{}
	if list == "" {
		return out
	}
	for part := range strings.SplitSeq(list, ",") {
		from, to, ranged := strings.Cut(part, "-")
		first, err := strconv.Atoi(from)
		last := first
		if err == nil && ranged {
			last, err = strconv.Atoi(to)
		}
		if err != nil {
			t.Fatalf("list of CPUs %q: %v", list, err)
		}
		for cpu := first; cpu <= last; cpu++ {
			out = append(out, cpu)
		}
	}
	return out
}

func nodeIDs(s *model.Snapshot) []int {
	var ids []int
	for _, n := range s.Nodes {
		ids = append(ids, n.ID)
	}
	return ids
}

// numactl compares nodes, CPUs, sizes and distances, and checks first of all that the
// guest is the intended one.
func (c *comparison) numactl(g *guest, dir string, s *model.Snapshot) {
	t := c.t
	t.Helper()
	want, err := parseNumactl(string(readResult(t, dir, "frozen/numactl")))
	if err != nil {
		t.Fatal(err)
	}
	if len(want) != len(g.nodes) {
		t.Fatalf("the guest has %d nodes, meant were %d", len(want), len(g.nodes))
	}
	var ids []int
	for i, w := range want {
		ids = append(ids, w.id)
		if len(w.cpus) != g.nodes[i].cpus || (w.sizeMB > 0) != (g.nodes[i].memoryMiB > 0) {
			t.Errorf("the guest's node %d is %+v, meant was %+v", i, w, g.nodes[i])
		}
	}
	c.same("numactl", "nodes", ids, nodeIDs(s))
	for i, n := range s.Nodes {
		if i >= len(want) {
			break
		}
		w, name := want[i], fmt.Sprintf("node %d ", n.ID)
		c.same("numactl", name+"CPUs", w.cpus, expandCPUs(t, n.CPUs.Value))
		c.same("numactl", name+"size in MB", w.sizeMB, n.MemTotalBytes.Value>>20)
		c.same("numactl", name+"free in MB", w.freeMB, n.MemFreeBytes.Value>>20)
		c.same("numactl", name+"distances", w.distances, n.Distances)
		if !n.CPUs.Known || !n.MemTotalBytes.Known || !n.MemFreeBytes.Known {
			t.Errorf("%s: eptop left something out: %+v", name, n)
		}
		for pair, distance := range g.near {
			if pair[0] == i {
				c.same("numactl", name+"distance as meant", distance, n.Distances[pair[1]])
			}
		}
	}
	c.atLeast(1+4*len(g.nodes), "numactl")
}

// numastat compares what numastat -m prints, to its two decimals: every line that
// exists in the kernel's file too.
func (c *comparison) numastat(dir string, s *model.Snapshot) {
	t := c.t
	t.Helper()
	want, err := parseNumastat(string(readResult(t, dir, "frozen/numastat-m")))
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range s.Nodes {
		got := map[string]int64{
			"MemTotal": n.MemTotalBytes.Value, "MemFree": n.MemFreeBytes.Value, "SReclaimable": n.SlabReclaimableBytes.Value,
			"SUnreclaim": n.SlabUnreclaimableBytes.Value, "Slab": n.SlabReclaimableBytes.Value + n.SlabUnreclaimableBytes.Value,
		}
		for name, v := range got {
			c.same("numastat", fmt.Sprintf("node %d %s in MiB", n.ID, name), want[name][n.ID], mib(v))
		}
		for name, v := range n.Meminfo {
			// numastat turns the counts of huge pages into MiB.
			if byNode, ok := want[name]; ok && !strings.HasPrefix(name, "HugePages_") {
				c.same("numastat", fmt.Sprintf("node %d %s in MiB", n.ID, name), byNode[n.ID], mib(v))
			}
		}
	}
	c.atLeast(30*len(s.Nodes), "numastat")
}

// mib writes bytes as numastat does.
func mib(bytes int64) string { return fmt.Sprintf("%.2f", float64(bytes)/(1<<20)) }

// numastatCounters compares what numastat prints without options.
func (c *comparison) numastatCounters(dir string, s *model.Snapshot) {
	t := c.t
	t.Helper()
	want, err := parseNumastatCounters(string(readResult(t, dir, "frozen/numastat")))
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range s.Nodes {
		if n.Numastat == nil {
			t.Errorf("node %d: eptop has no counters", n.ID)
			continue
		}
		for name, got := range map[string]int64{
			"numa_hit": n.Numastat.Hit, "numa_miss": n.Numastat.Miss, "numa_foreign": n.Numastat.Foreign,
			"interleave_hit": n.Numastat.Interleave, "local_node": n.Numastat.Local, "other_node": n.Numastat.Other,
		} {
			c.same("numastat", fmt.Sprintf("node %d %s", n.ID, name), want[name][n.ID], strconv.FormatInt(got, 10))
		}
	}
}

// placement compares where the workload's memory is with numastat -p, and its sockets
// with those that exist. On one node there is nothing to compare.
func (c *comparison) placement(dir string, s *model.Snapshot) {
	t := c.t
	t.Helper()
	if len(s.Nodes) < 2 {
		return
	}
	want, err := parseNumastat(string(readResult(t, dir, "frozen/numastat-p")))
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(string(readResult(t, dir, "workload-pid")))
	if err != nil {
		t.Fatal(err)
	}
	p := s.Process(pid)
	if p == nil || p.Placement == nil {
		t.Fatalf("eptop does not say where process %d is", pid)
	}
	var least, most, threads int64
	for _, n := range p.Placement.Nodes {
		c.same("numastat", fmt.Sprintf("node %d, MiB of the workload", n.Node), want["Total"][n.Node], mib(n.MemoryBytes.Value))
		least += n.SocketsAtLeast.Value
		most += n.SocketsAtMost.Value
		threads += int64(n.Threads)
	}
	c.same("fdinfo", "threads on all nodes", int64(p.Placement.Threads), threads)
	c.within("fdinfo", "sockets on all nodes", least, most, p.Placement.Sockets.Value)
	c.same("fdinfo", "sockets of the placement", p.Sockets.Value, p.Placement.Sockets.Value)
}
