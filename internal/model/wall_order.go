package model

import (
	"cmp"
	"slices"
)

// mostNear bounds how many limits of one kind are listed of which much is used: hundreds of
// processes may be at theirs.
const mostNear = 16

// nearestWalls orders limits, and keeps those that somebody needs to see: all of which much is
// used, and of each kind the nearest. Others of that one counts those it stands for.
//
// What is critical comes first, then what is near, and among equals that which leaves the
// fewest connections.
func nearestWalls(walls []Wall) []Wall {
	for i := range walls {
		w := &walls[i]
		w.ConnectionsLeft, w.Level = max(0, w.ConnectionsLeft), levelOf(w.Share())
	}
	slices.SortStableFunc(walls, (Wall).compare)
	kept := map[WallName]int{}
	last := map[WallName]int{} // where the last one of each kind is
	out := walls[:0]
	for _, w := range walls {
		n := kept[w.Name]
		if n > 0 && (w.urgency() == 0 || n >= mostNear) {
			out[last[w.Name]].Others += 1 + w.Others
			continue
		}
		kept[w.Name]++
		last[w.Name] = len(out)
		out = append(out, w)
	}
	return out
}

func (w Wall) compare(o Wall) int {
	return cmp.Or(cmp.Compare(o.urgency(), w.urgency()), cmp.Compare(w.ConnectionsLeft, o.ConnectionsLeft))
}

// urgency orders levels.
func (w *Wall) urgency() int {
	switch w.Level {
	case LevelCritical:
		return 2
	case LevelNear:
		return 1
	}
	return 0
}
