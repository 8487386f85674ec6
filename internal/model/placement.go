package model

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/placement"
	"github.com/eptop/eptop/internal/sock"
	"github.com/eptop/eptop/internal/units"
	"github.com/eptop/eptop/internal/zone"
)

// PlacementSample is where one process was found on a machine with several nodes.
type PlacementSample struct {
	Threads placement.Threads
	Allowed placement.Allowed
	// Memory is absent where MemoryProblem says why.
	Memory        maybe.Of[[]placement.NodeBytes]
	MemoryProblem string
	At            time.Time
}

// Placement is where a process is on a machine with several NUMA nodes: which its
// threads run on, and which hold its memory.
type Placement struct {
	// Threads is of how many threads the CPU is known; ThreadsMore: it has others.
	Threads     int  `json:"threads"`
	ThreadsMore bool `json:"threads_more,omitempty"`
	// ThreadsMoved of Threads are on no node: asleep since they were moved off the CPU
	// they last ran on.
	ThreadsMoved int `json:"threads_moved"`
	// CPUsAllowed and MemsAllowed are the kernel's short lists of the CPUs that the
	// main thread may run on and of the nodes that its cpuset lets it allocate on.
	CPUsAllowed string `json:"cpus_allowed,omitempty"`
	MemsAllowed string `json:"mems_allowed,omitempty"`
	// Nodes are those of Snapshot.Nodes, in that order.
	Nodes []NodePlacement `json:"nodes"`
	// MemoryProblem says why no node has MemoryBytes; empty where they have.
	MemoryProblem string `json:"memory_problem,omitempty"`
	// Sockets is how many of its sockets the bounds of the nodes are about; absent where
	// the objects of a node are not known.
	Sockets maybe.Of[int64] `json:"sockets,omitzero"`
	// Warnings say where the process and its memory are apart.
	Warnings []PlacementWarning `json:"warnings"`
	Age      time.Duration      `json:"age_ns"`
}

// NodePlacement is a process's part of one node.
type NodePlacement struct {
	Node int `json:"node"`
	// MayRun: one of the allowed CPUs is on it.
	MayRun maybe.Of[bool] `json:"may_run,omitzero"`
	// Threads last ran on one of its CPUs.
	Threads int `json:"threads"`
	// MemoryBytes is what of the process's mapped memory lies here, pages that it
	// shares with others included.
	MemoryBytes maybe.Of[int64] `json:"memory_bytes,omitzero"`
	// The kernel does not say where the socket of a process lies, only how many
	// objects of all processes a node holds. What follows from that: were all objects of
	// others on this node, SocketsAtLeast of its own would still be; and it cannot have
	// more here than SocketsAtMost. Counts some seconds apart may be off by what came and
	// went between them.
	SocketsAtLeast maybe.Of[int64] `json:"sockets_at_least,omitzero"`
	SocketsAtMost  maybe.Of[int64] `json:"sockets_at_most,omitzero"`
}

// PlacementWarning is one way in which a process is far from its memory.
type PlacementWarning struct {
	// Proven: the numbers leave no other way. Else it is possible: the objects of all
	// processes are elsewhere.
	Proven bool   `json:"proven"`
	Text   string `json:"text"`
}

// placements fills Process.Placement of those processes that were looked at.
func (b *builder) placements(snap *Snapshot) {
	for i := range snap.Processes {
		p := b.processes[snap.Processes[i].PID]
		if p == nil {
			continue
		}
		if at, ok := p.Placement.Get(); ok {
			snap.Processes[i].Placement = b.placement(p.PID, &at, snap)
		}
	}
}

func (b *builder) placement(pid int, at *PlacementSample, snap *Snapshot) *Placement {
	out := &Placement{
		Threads: at.Threads.Seen, ThreadsMore: at.Threads.More, ThreadsMoved: at.Threads.Moved, CPUsAllowed: at.Allowed.CPUs.Value, MemsAllowed: at.Allowed.Mems.Value,
		MemoryProblem: at.MemoryProblem, Warnings: []PlacementWarning{}, Age: b.age(at.At),
	}
	allowed, errAllowed := zone.ParseList([]byte(at.Allowed.CPUs.Value + "\n"))
	for i := range b.sample.Nodes.Nodes {
		n := &b.sample.Nodes.Nodes[i]
		row := NodePlacement{Node: n.ID}
		for _, on := range at.Threads.OnCPU {
			if slices.Contains(n.CPUs, on.CPU) {
				row.Threads += on.Threads
			}
		}
		if errAllowed == nil && at.Allowed.CPUs.Known && n.CPUList.Known {
			row.MayRun = maybe.Some(slices.ContainsFunc(allowed, func(cpu int) bool { return slices.Contains(n.CPUs, cpu) }))
		}
		if memory, ok := at.Memory.Get(); ok {
			row.MemoryBytes = maybe.Some[int64](0)
			for _, m := range memory {
				if m.Node == n.ID {
					row.MemoryBytes = maybe.Some(int64(m.Bytes))
				}
			}
		}
		out.Nodes = append(out.Nodes, row)
	}
	var objects socketObjects
	if h := b.holdings[pid]; h != nil && len(b.tables) > 0 {
		objects = out.boundSockets(&h.held, b.sizes, snap.Slab)
	}
	out.warn(snap.Nodes, objects)
	return out
}

// socketObjects compares a process's sockets with the objects of their caches.
type socketObjects struct {
	// away is how many of its sockets must lie on nodes where none of its threads ran:
	// those for which the others have no room.
	away int64
	// all are the objects of all processes, home those on nodes where its threads ran.
	all, home int64
}

// boundSockets bounds the process's sockets on each node from the objects that the
// caches of its kinds of sockets have there.
func (p *Placement) boundSockets(held *held, here sizes, caches []Cache) (sum socketObjects) {
	own := map[*Cache]int64{} // its objects in a cache, which several kinds may share
	for i, n := range held.Objects {
		o := objectKinds[i]
		if n == 0 || o.Body != sock.BodyFull {
			continue
		}
		name := here.kindHere(ownObject(o)).Cache
		at := slices.IndexFunc(caches, func(c Cache) bool { return c.Name == name || slices.Contains(c.Aliases, name) })
		if at < 0 || len(caches[at].Nodes) == 0 {
			continue
		}
		own[&caches[at]] += n
		p.Sockets = maybe.Some(p.Sockets.Value + n)
	}
	for c, n := range own {
		var total, home int64
		for _, on := range c.Nodes {
			total += on.Objects
		}
		others := max(0, total-n)
		for i := range p.Nodes {
			row, here := &p.Nodes[i], int64(0)
			for _, on := range c.Nodes {
				if on.Node == row.Node {
					here = on.Objects
				}
			}
			row.SocketsAtLeast = maybe.Some(row.SocketsAtLeast.Value + max(0, here-others))
			row.SocketsAtMost = maybe.Some(row.SocketsAtMost.Value + min(n, here))
			if row.Threads > 0 {
				home += here
			}
		}
		sum.away += max(0, min(n, total)-home)
		sum.all, sum.home = sum.all+total, sum.home+home
	}
	return sum
}

// farShare is what a warning needs: nobody would move a process for less of its memory
// or sockets elsewhere.
const farShare = 0.25

// warn compares where the threads ran with where memory and sockets are.
func (p *Placement) warn(nodes []Node, objects socketObjects) {
	var memory, memoryAway int64
	var at, socketsAt []int
	homes := 0
	for _, n := range p.Nodes {
		memory += n.MemoryBytes.Value
		if n.Threads > 0 {
			homes++
			continue
		}
		memoryAway += n.MemoryBytes.Value
		if n.MemoryBytes.Value > 0 {
			at = append(at, n.Node)
		}
		if n.SocketsAtMost.Value > 0 {
			socketsAt = append(socketsAt, n.Node)
		}
	}
	if homes == 0 {
		return // nothing is known about where it runs
	}
	add := func(proven bool, format string, args ...any) {
		p.Warnings = append(p.Warnings, PlacementWarning{proven, fmt.Sprintf(format, args...)})
	}
	if memory > 0 && float64(memoryAway) >= farShare*float64(memory) {
		percent := int(100 * (float64(memoryAway) / float64(memory))) // rounded down: 100 is all of it
		add(true, "%d %% of its memory is on %s, where none of its threads last ran%s.", percent, nodeNames(at), p.far(nodes, at))
	}
	sockets := p.Sockets.Value
	share := float64(objects.home) / float64(max(1, objects.all))
	switch {
	case sockets == 0 || len(socketsAt) == 0:
	case objects.away == sockets:
		add(true, "All of its %s are on %s, where none of its threads last ran%s.", units.Many(sockets, "socket"), nodeNames(socketsAt), p.far(nodes, socketsAt))
	case objects.away > 0 && float64(objects.away) >= farShare*float64(sockets):
		add(true, "At least %d of its %s are on %s, where none of its threads last ran%s.",
			objects.away, units.Many(sockets, "socket"), nodeNames(socketsAt), p.far(nodes, socketsAt))
	case share < 0.5*float64(homes)/float64(len(p.Nodes)):
		// Less than half of what an even spread would put there.
		add(false, "Only %.0f %% of such socket objects, of all processes, are where its threads last ran: its own may be elsewhere too.", 100*share)
	}
}

// far says how far those nodes are from the one that most threads ran on.
func (p *Placement) far(nodes []Node, ids []int) string {
	home := -1
	for i := range p.Nodes {
		if n := p.Nodes[i].Threads; n > 0 && (home < 0 || n > p.Nodes[home].Threads) {
			home = i
		}
	}
	from := slices.IndexFunc(nodes, func(n Node) bool { return n.ID == p.Nodes[home].Node })
	if from < 0 {
		return ""
	}
	most := 0
	for to, n := range nodes {
		if slices.Contains(ids, n.ID) && to < len(nodes[from].Distances) {
			most = max(most, nodes[from].Distances[to])
		}
	}
	if most <= 10 {
		return ""
	}
	upTo := ""
	if len(ids) > 1 {
		upTo = "up to "
	}
	return fmt.Sprintf(", %s%.1f × as far from node %d as its own memory", upTo, float64(most)/10, p.Nodes[home].Node)
}

// nodeNames is "node 1" or "nodes 1, 2 and 3".
func nodeNames(ids []int) string {
	words := make([]string, len(ids))
	for i, id := range ids {
		words[i] = strconv.Itoa(id)
	}
	if len(words) == 1 {
		return "node " + words[0]
	}
	last := len(words) - 1
	return "nodes " + strings.Join(words[:last], ", ") + " and " + words[last]
}
