package model

import (
	"slices"
	"strings"
	"testing"

	"github.com/eptop/eptop/internal/maybe"
)

func TestDistanceWords(t *testing.T) {
	ns := func(rows ...[]int) (out []Node) {
		for i, d := range rows {
			out = append(out, Node{ID: i, Distances: d})
		}
		return out
	}
	for _, tt := range []struct {
		nodes []Node
		want  string
	}{
		{ns([]int{10}), ""},
		{ns(nil, nil), ""},
		{ns([]int{10, 21}, []int{21, 10}), "every other 2.1 × as far"},
		{ns([]int{10, 21, 31}, nil, []int{31, 21, 10}), "the others 2.1 to 3.1 × as far"},
		{ns([]int{10, 10}, []int{10, 10}), ""},
	} {
		if got := distanceWords(tt.nodes); !strings.Contains(got, tt.want) || tt.want == "" && got != "" {
			t.Errorf("%v: %q, want %q", tt.nodes, got, tt.want)
		}
	}
}

func TestMissWords(t *testing.T) {
	node := func(id int, hit, foreign int64) Node {
		return Node{ID: id, Numastat: &Numastat{Hit: hit, Foreign: foreign}}
	}
	for _, tt := range []struct {
		nodes []Node
		want  []string
	}{
		{[]Node{node(0, 100, 0), {ID: 1}}, nil},
		{[]Node{node(0, 0, 0), node(1, 960, 40)}, nil},
		{[]Node{node(0, 90, 10), node(3, 80, 20)}, []string{"20.0 % of the pages wanted on node 3 since boot came from another, for want of room; 1 more node had to refuse some too."}},
	} {
		if got := missWords(tt.nodes); !slices.Equal(got, tt.want) {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
}

func TestPressureWords(t *testing.T) {
	zone := func(free int64) Zone {
		return Zone{Node: 1, Name: "Normal", Free: free, Min: 100, Low: 200, High: 300, Managed: 9000}
	}
	for _, tt := range []struct {
		zones []Zone
		want  []string
	}{
		{[]Zone{zone(200), zone(8000), {Node: 1, Name: "Movable"}}, nil},
		{[]Zone{zone(199)}, []string{"Zone Normal of node 1 is below its low mark: kswapd reclaims memory there."}},
		{[]Zone{zone(99)}, []string{"Zone Normal of node 1 is below its min mark: whoever allocates there has to reclaim memory first."}},
	} {
		if got := pressureWords(tt.zones); !slices.Equal(got, tt.want) {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
	if got := pressureWords(slices.Repeat([]Zone{zone(1)}, 9)); len(got) != 4 || got[3] != "6 more zones below low." {
		t.Errorf("%q", got)
	}
}

// TestNodeWords: what a node lacks, and which numbers are free; a node that went away
// is no gap.
func TestNodeWords(t *testing.T) {
	node := func(id int, cpus string, total int64, distances ...int) Node {
		return Node{ID: id, CPUs: maybe.Some(cpus), MemTotalBytes: maybe.Some(total), Distances: distances}
	}
	for _, tt := range []struct {
		nodes []Node
		gone  []int
		want  []string
	}{
		{[]Node{node(0, "0", 1, 10, 31), node(2, "1", 1, 31, 10)}, []int{1}, nil},
		{[]Node{node(0, "0", 1, 10, 31), node(3, "1", 1, 31, 10)}, []int{1}, []string{"There is no node 2: the numbering has a gap."}},
		{[]Node{node(0, "0", 1, 10, 31, 21), node(2, "1", 0, 31, 10, 22), node(3, "", 1, 21, 22, 10)}, []int{1}, []string{
			"Node 2 has no memory: its CPUs take it from node 3 (distance 22).",
			"Node 3 has no CPUs: its memory is remote for every CPU.",
		}},
		{[]Node{node(0, "0", 1, 10, 31), node(1, "", 0, 31, 10)}, nil, []string{"Node 1 has neither CPUs nor memory."}},
		{[]Node{{ID: 0}, {ID: 1}}, nil, nil},
	} {
		if got := nodeWords(tt.nodes, tt.gone); !slices.Equal(got, tt.want) {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
}

// TestContainerWords: a meminfo that has much less than the nodes is a container's, and
// nodes that have much less than it are not whole.
func TestContainerWords(t *testing.T) {
	nodes := []Node{{MemTotalBytes: maybe.Some[int64](32 << 30)}, {ID: 1, MemTotalBytes: maybe.Some[int64](32 << 30)}, {ID: 2}}
	if got := containerWords(&Snapshot{Host: Host{MemTotalBytes: maybe.Some[int64](1 << 30)}, Nodes: []Node{{}}}); got != "" {
		t.Errorf("nodes whose memory is not known: %q", got)
	}
	for total, want := range map[maybe.Of[int64]]string{
		maybe.Some[int64](2 << 30):   "/proc/meminfo has 2.1 GB, the nodes have 68.7 GB: the former is a container's share",
		maybe.Some[int64](103 << 30): "/proc/meminfo has 110.6 GB, the nodes have 68.7 GB: a kernel that initialises",
		maybe.Some[int64](60 << 30):  "", maybe.Some[int64](65 << 30): "", {}: "",
	} {
		s := &Snapshot{Host: Host{MemTotalBytes: total}, Nodes: nodes}
		if got := containerWords(s); !strings.HasPrefix(got, want) || want == "" && got != "" {
			t.Errorf("%v: %q, want %q", total, got, want)
		}
	}
}
