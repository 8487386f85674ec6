package nodes

import (
	"slices"
	"strconv"
	"strings"

	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/ui/draw"
	"github.com/eptop/eptop/internal/ui/view"
	"github.com/eptop/eptop/internal/units"
)

// words tell what the tables mean: first the machine, then what is odd about it, then
// what is not as it should be.
func (v *View) words() []string {
	s := v.snap
	var words []string
	if w := distanceWords(s.Nodes); w != "" {
		words = append(words, w)
	}
	words = append(words, nodeWords(s.Nodes, s.NodesGone)...)
	if w := v.socketWords(); w != "" {
		words = append(words, w)
	}
	words = append(words, missWords(s.Nodes)...)
	words = append(words, pressureWords(s.Zones)...)
	if src, ok := view.SourceOf(s, "nodes"); ok && src.State == model.Failed {
		words = append(words, view.Absence(s, "nodes", ""))
	}
	if len(s.Nodes) > 1 && v.placed() == nil {
		words = append(words, "Attach to a process (p) to see on which nodes it runs and where its memory is.")
	}
	return words
}

// distanceWords says how far the nodes are apart.
func distanceWords(ns []model.Node) string {
	least, most := 0, 0
	for i, n := range ns {
		for j, d := range n.Distances {
			if i == j || j >= len(ns) {
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
func (v *View) socketWords() string {
	cache, _ := cacheOf(v.snap, socketInodes)
	if cache == nil || len(v.snap.Nodes) < 2 {
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
	if all < few || share < 1.5/float64(len(v.snap.Nodes)) {
		return ""
	}
	return "Node " + strconv.Itoa(node) + " holds " + units.Percent(share) + " of all sockets' inodes: sockets lie where they were made."
}

// missWords names the node whose pages had to come from elsewhere most often.
func missWords(ns []model.Node) []string {
	const worth = 0.05
	worst, most, others := 0, 0.0, 0
	for _, n := range ns {
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
func pressureWords(zones []model.Zone) []string {
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
		text := "Zone " + draw.Clean(z.Name) + " of node " + strconv.Itoa(z.Node)
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
func nodeWords(ns []model.Node, gone []int) []string {
	var words []string
	if len(ns) == 1 {
		words = append(words, "One node: all memory is equally far from every CPU.")
	}
	missing := []string{}
	for i, n := range ns {
		words = append(words, lackWords(ns, i)...)
		next := 0
		if i > 0 {
			next = ns[i-1].ID + 1
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
func lackWords(ns []model.Node, i int) []string {
	n := &ns[i]
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
	near, d := nearest(ns, i)
	if near < 0 {
		return []string{id + " has no memory."}
	}
	return []string{id + " has no memory: its CPUs take it from node " + strconv.Itoa(near) + " (distance " + strconv.Itoa(d) + ")."}
}

// nearest is the closest node with memory, seen from the node at index i.
func nearest(ns []model.Node, i int) (id, distance int) {
	id = -1
	for j, n := range ns {
		if total, ok := n.MemTotalBytes.Get(); j == i || j >= len(ns[i].Distances) || ok && total == 0 {
			continue
		}
		if d := ns[i].Distances[j]; id < 0 || d < distance {
			id, distance = n.ID, d
		}
	}
	return id, distance
}
