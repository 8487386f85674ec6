package model

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/placement"
	"github.com/eptop/eptop/internal/sock"
	"github.com/eptop/eptop/internal/zone"
)

// heldSockets are that many sockets of a kind.
func heldSockets(counts map[sock.Kind]int64) *held {
	var h held
	for kind, n := range counts {
		*h.Objects.of(SocketObject{Kind: kind, Hold: HoldFile}) = n
	}
	return &h
}

// place builds the placement of a process on two nodes, 0 with CPU 0 and 5 with CPU
// 1, a distance of 21 apart.
func place(at PlacementSample, own *held, caches []Cache) *Placement {
	const pid = 42
	b := builder{Deriver: &Deriver{}, socketCosts: &socketCosts{}, sample: &Sample{Nodes: zone.Nodes{Nodes: []zone.Node{
		{ID: 0, CPUs: []int{0}, CPUList: maybe.Some("0")}, {ID: 5, CPUs: []int{1}, CPUList: maybe.Some("1")},
	}}}}
	if own != nil {
		b.tables, b.holdings = []*sock.Table{nil}, map[int]*holding{pid: {held: *own}}
	}
	return b.placement(pid, &at, &Snapshot{Slab: caches, Nodes: []Node{{ID: 0, Distances: []int{10, 21}}, {ID: 5, Distances: []int{21, 10}}}})
}

func onCPU(cpu int) placement.Threads {
	return placement.Threads{Seen: 1, OnCPU: []placement.CPUThreads{{CPU: cpu, Threads: 1}}}
}

func objects(name string, first, second int64, aliases ...string) Cache {
	return Cache{Name: name, Aliases: aliases, Nodes: []NodeObjects{{0, first}, {5, second}}}
}

func TestSocketBounds(t *testing.T) {
	type bounds [2][2]int64 // node, at least and at most
	for _, tt := range []struct {
		name   string
		own    map[sock.Kind]int64
		caches []Cache
		total  maybe.Of[int64]
		want   bounds
	}{
		{"all are its own", map[sock.Kind]int64{sock.TCP4: 10}, []Cache{objects("TCP", 4, 6)}, maybe.Some[int64](10), bounds{{4, 4}, {6, 6}}},
		{"half are others'", map[sock.Kind]int64{sock.TCP4: 10}, []Cache{objects("TCP", 4, 16)}, maybe.Some[int64](10), bounds{{0, 4}, {6, 10}}},
		{"nothing is certain", map[sock.Kind]int64{sock.TCP4: 10}, []Cache{objects("TCP", 50, 50)}, maybe.Some[int64](10), bounds{{0, 10}, {0, 10}}},
		{"more than the slab has now", map[sock.Kind]int64{sock.TCP4: 10}, []Cache{objects("TCP", 3, 5)}, maybe.Some[int64](10), bounds{{3, 3}, {5, 5}}},
		{
			"a cache of two kinds", map[sock.Kind]int64{sock.UnixStream: 4, sock.UnixDgram: 2},
			[]Cache{objects("signal_cache", 6, 2, "UNIX", "UNIX-STREAM")}, maybe.Some[int64](6), bounds{{4, 6}, {0, 2}},
		},
		{
			"two caches add up", map[sock.Kind]int64{sock.TCP4: 1, sock.TCP6: 2},
			[]Cache{objects("TCP", 1, 0), objects("TCPv6", 0, 2)}, maybe.Some[int64](3), bounds{{1, 1}, {2, 2}},
		},
		{"a cache without nodes", map[sock.Kind]int64{sock.TCP4: 1, sock.TCP6: 2}, []Cache{{Name: "TCP"}, objects("TCPv6", 0, 2)}, maybe.Some[int64](2), bounds{{0, 0}, {2, 2}}},
		{"no caches", map[sock.Kind]int64{sock.TCP4: 1}, nil, maybe.Of[int64]{}, bounds{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := place(PlacementSample{Threads: onCPU(0)}, heldSockets(tt.own), tt.caches)
			if got.Sockets != tt.total {
				t.Errorf("bounds are of %+v sockets, want %+v", got.Sockets, tt.total)
			}
			for i, n := range got.Nodes {
				if n.SocketsAtLeast.Known != tt.total.Known || n.SocketsAtMost.Known != tt.total.Known {
					t.Errorf("node %d: %+v", n.Node, n)
				}
				if diff := cmp.Diff(tt.want[i], [2]int64{n.SocketsAtLeast.Value, n.SocketsAtMost.Value}); diff != "" {
					t.Errorf("node %d (-want +got):\n%s", n.Node, diff)
				}
			}
		})
	}
}

func TestPlacementWarnings(t *testing.T) {
	memory := func(a, b uint64) maybe.Of[[]placement.NodeBytes] {
		return maybe.Some([]placement.NodeBytes{{Node: 0, Bytes: a}, {Node: 5, Bytes: b}})
	}
	four := heldSockets(map[sock.Kind]int64{sock.TCP4: 4})
	for _, tt := range []struct {
		name   string
		at     PlacementSample
		own    *held
		caches []Cache
		want   []string // "!" before what is proven
	}{
		{"at home", PlacementSample{Threads: onCPU(1), Memory: memory(24, 76)}, four, []Cache{objects("TCP", 0, 4)}, nil},
		{"memory away", PlacementSample{Threads: onCPU(1), Memory: memory(26, 74)}, nil, nil, []string{"!26 % of its memory is on node 0, where none of its threads last ran, 2.1 × as far from node 5 as its own memory."}},
		{"sockets away", PlacementSample{Threads: onCPU(1)}, four, []Cache{objects("TCP", 3, 1)}, []string{"!At least 3 of its 4 sockets are on node 0"}},
		{"all sockets away", PlacementSample{Threads: onCPU(1)}, four, []Cache{objects("TCP", 5, 0)}, []string{"!All of its 4 sockets are on node 0"}},
		{"sockets perhaps away", PlacementSample{Threads: onCPU(1)}, four, []Cache{objects("TCP", 90, 10)}, []string{"Only 10 % of such socket objects"}},
		{"sockets spread evenly", PlacementSample{Threads: onCPU(1)}, four, []Cache{objects("TCP", 50, 50)}, nil},
		{"no room at home", PlacementSample{Threads: onCPU(1)}, four, []Cache{objects("TCP", 90, 2)}, []string{"!At least 2 of its 4 sockets are on node 0"}},
		{"fewer objects than sockets", PlacementSample{Threads: onCPU(1)}, four, []Cache{objects("TCP", 2, 1)}, []string{"!At least 2 of its 4 sockets are on node 0"}},
		{"most are at home", PlacementSample{Threads: onCPU(1)}, four, []Cache{objects("TCP", 10, 90)}, nil},
		{"a thread on each", PlacementSample{
			Threads: placement.Threads{Seen: 2, OnCPU: []placement.CPUThreads{{CPU: 0, Threads: 1}, {CPU: 1, Threads: 1}}}, Memory: memory(90, 10),
		}, four, []Cache{objects("TCP", 90, 10)}, nil},
		{"on a CPU of no node", PlacementSample{Threads: onCPU(7), Memory: memory(90, 10)}, four, []Cache{objects("TCP", 90, 10)}, nil},
		{"nothing known", PlacementSample{}, nil, nil, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := place(tt.at, tt.own, tt.caches).Warnings
			if len(got) != len(tt.want) {
				t.Fatalf("%+v, want %q", got, tt.want)
			}
			for i, w := range got {
				want, proven := strings.CutPrefix(tt.want[i], "!")
				if w.Proven != proven || !strings.HasPrefix(w.Text, want) {
					t.Errorf("%+v, want %q", w, tt.want[i])
				}
			}
		})
	}
}

// TestPlacementAllowed: a list that is not one leaves unknown what may be run on.
func TestPlacementAllowed(t *testing.T) {
	for list, want := range map[string][2]maybe.Of[bool]{
		"0": {maybe.Some(true), maybe.Some(false)}, "0-1": {maybe.Some(true), maybe.Some(true)}, "3": {maybe.Some(false), maybe.Some(false)}, "": {}, "x": {},
	} {
		got := place(PlacementSample{Allowed: placement.Allowed{CPUs: maybe.When(list, list != "")}}, nil, nil)
		if diff := cmp.Diff(want, [2]maybe.Of[bool]{got.Nodes[0].MayRun, got.Nodes[1].MayRun}); diff != "" {
			t.Errorf("%q (-want +got):\n%s", list, diff)
		}
	}
}
