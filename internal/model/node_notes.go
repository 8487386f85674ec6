package model

import (
	"slices"
	"strconv"
	"strings"

	"github.com/eptop/eptop/internal/object"
	"github.com/eptop/eptop/internal/units"
)

// nodeNotes are sentences on what the numbers of the nodes mean: first the machine,
// then what is odd about it, then what is not as it should be.
func nodeNotes(s *Snapshot) []string {
	var words []string
	add := func(w string) {
		if w != "" {
			words = append(words, w)
		}
	}
	add(containerWords(s))
	add(distanceWords(s.Nodes))
	words = append(words, nodeWords(s.Nodes, s.NodesGone)...)
	add(socketWords(s))
	words = append(words, missWords(s.Nodes)...)
	return append(words, pressureWords(s.Zones)...)
}

// containerWords says where /proc/meminfo and the nodes disagree. It may be a container's
// own, as lxcfs makes it, beside the nodes of the host: their managed pages are never more
// than MemTotal. Where the nodes have less, not all of their memory is counted. A quarter is
// more than memory that was taken away between two readings.
func containerWords(s *Snapshot) string {
	nodes := int64(0)
	for i := range s.Nodes {
		nodes += s.Nodes[i].MemTotalBytes.Value
	}
	total, ok := s.Host.MemTotalBytes.Get()
	if !ok || nodes == 0 || total >= nodes-nodes/4 && nodes >= total-total/4 {
		return ""
	}
	both := "/proc/meminfo has " + units.Bytes(total) + ", the nodes have " + units.Bytes(nodes)
	if nodes < total {
		return both + ": a kernel that initialises memory only when it is needed does not count the rest in a node's meminfo yet, and a sandbox may show a part of the nodes."
	}
	return both + ": the former is a container's share (lxcfs), nodes, zones and slab caches are the whole host's."
}

// distanceWords says how far the nodes are apart.
func distanceWords(nodes []Node) string {
	least, most := 0, 0
	for i, n := range nodes {
		for j, d := range n.Distances {
			if i == j || j >= len(nodes) {
				continue
			}
			if least == 0 || d < least {
				least = d
			}
			most = max(most, d)
		}
	}
	times := func(d int) string { return strconv.FormatFloat(float64(d)/10, 'f', 1, 64) }
	switch {
	case most <= 10:
		return ""
	case least == most:
		return "A CPU's own node is nearest to it; the firmware calls every other " + times(most) + " × as far."
	}
	return "A CPU's own node is nearest to it; the firmware calls the others " + times(least) + " to " + times(most) + " × as far."
}

// socketWords names the node that holds far more than its share of the sockets.
func socketWords(s *Snapshot) string {
	cache := s.Cache(object.SocketInode.Cache)
	if cache == nil || len(s.Nodes) < 2 {
		return ""
	}
	var all, most int64
	node := 0
	for _, n := range cache.Nodes {
		if all += n.Objects; n.Objects > most {
			node, most = n.Node, n.Objects
		}
	}
	// A few sockets lie anywhere by chance.
	const few = 1000
	share := float64(most) / float64(max(1, all))
	if all < few || share < 1.5/float64(len(s.Nodes)) {
		return ""
	}
	return "Node " + strconv.Itoa(node) + " holds " + units.Percent(share) + " of all sockets' inodes: sockets lie where they were made."
}

// missWords names the node whose pages had to come from elsewhere most often.
func missWords(nodes []Node) []string {
	const worth = 0.05
	worst, most, others := 0, 0.0, 0
	for _, n := range nodes {
		a := n.Numastat
		if a == nil || a.Hit+a.Foreign <= 0 {
			continue
		}
		share := float64(a.Foreign) / float64(a.Hit+a.Foreign)
		if share < worth {
			continue
		}
		others++
		if share > most {
			worst, most = n.ID, share
		}
	}
	if others == 0 {
		return nil
	}
	text := units.Percent(most) + " of the pages wanted on node " + strconv.Itoa(worst) + " since boot came from another, for want of room"
	if others > 1 {
		text += "; " + units.Many(int64(others-1), "more node") + " had to refuse some too"
	}
	return []string{text + "."}
}

// pressureWords names the zones below a mark, a few of them.
func pressureWords(zones []Zone) []string {
	const most = 3
	var words []string
	more := 0
	for _, z := range zones {
		if z.Managed <= 0 || z.High <= 0 || z.Free >= z.Low {
			continue
		}
		if len(words) == most {
			more++
			continue
		}
		text := "Zone " + z.Name + " of node " + strconv.Itoa(z.Node)
		if z.Free < z.Min {
			words = append(words, text+" is below its min mark: whoever allocates there has to reclaim memory first.")
		} else {
			words = append(words, text+" is below its low mark: kswapd reclaims memory there.")
		}
	}
	if more > 0 {
		words = append(words, units.Many(int64(more), "more zone")+" below low.")
	}
	return words
}

// nodeWords says what is easily overlooked in the picture. Nodes that are gone are no
// gap in the numbering.
func nodeWords(nodes []Node, gone []int) []string {
	var words []string
	if len(nodes) == 1 {
		words = append(words, "One node: all memory is equally far from every CPU.")
	}
	missing := []string{}
	for i, n := range nodes {
		words = append(words, lackWords(nodes, i)...)
		next := 0
		if i > 0 {
			next = nodes[i-1].ID + 1
		}
		for ; next < n.ID && len(missing) < 9; next++ {
			if !slices.Contains(gone, next) {
				missing = append(missing, strconv.Itoa(next))
			}
		}
	}
	switch len(missing) {
	case 0:
	case 1:
		words = append(words, "There is no node "+missing[0]+": the numbering has a gap.")
	default:
		words = append(words, "There are no nodes "+strings.Join(missing, ", ")+": the numbering has gaps.")
	}
	return words
}

// lackWords says what the node at index i lacks of CPUs and memory.
func lackWords(nodes []Node, i int) []string {
	n := &nodes[i]
	id := "Node " + strconv.Itoa(n.ID)
	total, okTotal := n.MemTotalBytes.Get()
	cpus, okCPUs := n.CPUs.Get()
	noMemory, noCPUs := okTotal && total == 0, okCPUs && cpus == ""
	switch {
	case noMemory && noCPUs:
		return []string{id + " has neither CPUs nor memory."}
	case noCPUs:
		return []string{id + " has no CPUs: its memory is remote for every CPU."}
	case !noMemory:
		return nil
	}
	near, d := nearest(nodes, i)
	if near < 0 {
		return []string{id + " has no memory."}
	}
	return []string{id + " has no memory: its CPUs take it from node " + strconv.Itoa(near) + " (distance " + strconv.Itoa(d) + ")."}
}

// nearest is the closest node with memory, seen from the node at index i.
func nearest(nodes []Node, i int) (id, distance int) {
	id = -1
	for j, n := range nodes {
		if total, ok := n.MemTotalBytes.Get(); j == i || j >= len(nodes[i].Distances) || ok && total == 0 {
			continue
		}
		if d := nodes[i].Distances[j]; id < 0 || d < distance {
			id, distance = n.ID, d
		}
	}
	return id, distance
}
