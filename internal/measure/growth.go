package measure

import (
	"math"
	"slices"
)

// A move is what lies between two readings: connections passed one stage, or all of them, or
// nothing but time passed.
type move struct {
	before, after int
	kind          stage
	// n is how many connections passed, 0 in a rest.
	n float64
	// block is the number of the cycle, or of the step of a load that is opened in bulk.
	block int
}

// The kinds of moves that are no stage.
const (
	together = stages
	atRest   = stages + 1
)

// findMoves divides the readings into moves and blocks. A block ends with a rest, and with
// each move of all stages together.
func findMoves(rows []reading) []move {
	var moves []move
	block := 0
	for i := 1; i < len(rows); i++ {
		was, is := each(rows[i-1].have), each(rows[i].have)
		moved, first, back := 0, atRest, false
		for s := range stages {
			if is[s] == was[s] {
				continue
			}
			if moved++; moved == 1 {
				first = s
			}
			back = back || is[s] < was[s]
		}
		m := move{before: i - 1, after: i, kind: first, block: block}
		switch {
		case back:
			continue
		case moved == 1:
			m.n = float64(is[first] - was[first])
		case moved > 1:
			m.kind, m.n = together, float64(is[stageAccept]-was[stageAccept])
			if m.n <= 0 {
				continue
			}
		}
		moves = append(moves, m)
		if m.kind >= together {
			block++
		}
	}
	return moves
}

// growth is how many objects of a cache a connection makes, at each stage and in all.
type growth struct {
	stage [stages]jack
	all   jack
}

// grow returns the growth of a cache. others are the disturbances that may make its objects.
func (a *analysis) grow(cache int, others []int) growth {
	slab := a.caches.perSlab[cache]
	d := make([]float64, len(a.moves))
	still := true
	for i, m := range a.moves {
		d[i] = a.rows[m.after].objects[cache] - a.rows[m.before].objects[cache]
		still = still && d[i] == 0
	}
	if still {
		others = nil
	}
	drifts := a.drifts(d)
	var g growth
	for _, out := range append([]int{everything}, a.stageBlocks...) {
		if !a.staged {
			break
		}
		own := a.own(d, out, others, drifts)
		for s := range stages {
			if a.has(s) {
				g.stage[s].put(out, typical(a.shares(own, s, out), slab, a.shareable(cache, s)))
			}
		}
	}
	for s := range stages {
		g.all.add(g.stage[s], 1)
	}
	if a.mostlyTogether {
		g.all = jack{}
		for _, out := range append([]int{everything}, a.bulkBlocks...) {
			g.all.put(out, typical(a.shares(a.own(d, out, others, drifts), together, out), slab, a.shareable(cache, together)))
		}
	}
	return g
}

// everything is the number of no block: nothing is left out.
const everything = -1

// shares returns the moves of a kind, those of one block left out.
func (a *analysis) shares(d []float64, kind stage, out int) []share {
	var shares []share
	for i, m := range a.moves {
		if m.kind == kind && m.block != out {
			shares = append(shares, share{d[i], m.n})
		}
	}
	return shares
}

// own returns the moves without what others allocate, as the blocks show it that are not left
// out.
func (a *analysis) own(d []float64, out int, others []int, drifts bool) []float64 {
	pace := a.pace(d, out, others, drifts)
	if pace == nil {
		return d
	}
	own := slices.Clone(d)
	for i := range own {
		for j, p := range pace {
			own[i] -= p * a.clock(i, j, others)
		}
	}
	return own
}

// pace returns how much y grows with each of the clocks that others go by: their sockets, and
// the time where it drifts. Rests show that as they are, other moves by what they differ from
// the mean of their kind.
func (a *analysis) pace(d []float64, out int, others []int, drifts bool) []float64 {
	clocks := len(others)
	if drifts {
		clocks++
	}
	for ; clocks > 0; clocks-- {
		var mean [stages + 1][]float64
		var n [stages + 1]float64
		for i, m := range a.moves {
			if m.kind == atRest || m.block == out {
				continue
			}
			if mean[m.kind] == nil {
				mean[m.kind] = make([]float64, clocks+1)
			}
			n[m.kind] += m.n
			mean[m.kind][clocks] += d[i]
			for j := range clocks {
				mean[m.kind][j] += a.clock(i, j, others)
			}
		}
		var x [][]float64
		var y []float64
		for i, m := range a.moves {
			if m.block == out {
				continue
			}
			row, grown := make([]float64, clocks), d[i]
			for j := range row {
				row[j] = a.clock(i, j, others)
			}
			if m.kind != atRest {
				grown -= m.n * mean[m.kind][clocks] / n[m.kind]
				for j := range row {
					row[j] -= m.n * mean[m.kind][j] / n[m.kind]
				}
			}
			x, y = append(x, row), append(y, grown)
		}
		if pace := regress(x, y); pace != nil {
			return pace
		}
	}
	return nil
}

// clock returns by how much a clock went on in a move: others lists the disturbances, and the
// time follows them.
func (a *analysis) clock(i, j int, others []int) float64 {
	before, after := a.rows[a.moves[i].before], a.rows[a.moves[i].after]
	if j == len(others) {
		return (after.at - before.at).Seconds()
	}
	f := disturbances[others[j]]
	return f(after) - f(before)
}

// surelyDrifts is how many standard errors the growth at rest must be off 0 to be taken for a
// steady one. Otherwise the correction would bring more noise than it takes away.
const surelyDrifts = 3

// drifts reports whether something grew or shrank steadily while nothing was opened.
func (a *analysis) drifts(d []float64) bool {
	var rates []float64
	mean := 0.0
	for i, m := range a.moves {
		if m.kind == atRest {
			rates = append(rates, d[i]/a.clock(i, 0, nil))
			mean += rates[len(rates)-1]
		}
	}
	n := float64(len(rates))
	if n < fewestMoves {
		return false
	}
	mean /= n
	rest := 0.0
	for _, r := range rates {
		rest += (r - mean) * (r - mean)
	}
	return math.Abs(mean) > surelyDrifts*math.Sqrt(rest/(n-1)/n)
}

// disturbances are those doings of other programs that allocate what connections
// allocate.
var disturbances = []func(reading) float64{
	func(r reading) float64 { return r.any },
	func(r reading) float64 { return r.foreign },
	func(r reading) float64 { return r.waiting },
}

// waits is the index of the sockets in TIME_WAIT: of what a connection has they keep the bind
// buckets alone.
const waits = 2

// stir is how many sockets of others must come or go to be worth a regressor.
const stir = 20

// varies reports whether a disturbance came or went during the readings.
func (a *analysis) varies(f func(reading) float64) bool {
	least, most := math.Inf(1), math.Inf(-1)
	for _, r := range a.rows {
		least, most = min(least, f(r)), max(most, f(r))
	}
	return most-least > stir
}
