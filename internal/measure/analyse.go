package measure

import (
	"math"
)

// analysis fits readings.
type analysis struct {
	caches cacheList
	parts  []known
	rows   []reading
	// buffers are the caches that hold bytes left unread, by slabinfo's names.
	buffers map[string]bool

	design *design
	// moves are the pairs of readings between which one stage alone moved: their
	// difference is what the stage allocates, undisturbed by anything before.
	moves [stages][]move
	// staged: every stage has such pairs, and each stage is a regressor. timed: time is
	// a regressor too.
	staged, timed bool
	// disturbances is how many of them are regressors: not all where they move alike.
	disturbances int
	fitted       map[int]growth // by cache
}

// move is the readings before and after n connections passed one stage.
type move struct {
	before, after int
	n             float64
}

// sharp is half of an interval, as a share of the slope, up to which the time is kept
// as a regressor. Where connections came at an even rate their growth cannot be
// distinguished from growth in time; the time is left out then, and what others
// allocate counts as what connections do.
const sharp = 0.05

// newAnalysis prepares fits. It returns false where there are too few readings.
func newAnalysis(caches cacheList, parts []known, rows []reading) (*analysis, bool) {
	if len(rows) == 0 {
		return nil, false
	}
	var best *analysis
	least := math.Inf(1)
	for _, timed := range []bool{true, false} {
		a := &analysis{caches: caches, parts: parts, rows: rows, timed: timed, fitted: map[int]growth{}}
		a.findMoves()
		if !a.makeDesign() {
			continue
		}
		slope, half := a.bytes().along(a.all()...)
		if width := half / math.Abs(slope); best == nil || width < least {
			best, least = a, width
		}
		if least < sharp {
			break
		}
	}
	return best, best != nil
}

func (a *analysis) makeDesign() bool {
	for a.disturbances = len(disturbances); a.disturbances >= 0; a.disturbances-- {
		var err error
		if a.design, err = newDesign(a.regressors()); err == nil {
			return true
		}
	}
	return false
}

// fewestMoves is how many moves of a stage are needed to know what it allocates.
const fewestMoves = 5

func (a *analysis) findMoves() {
	for i := 1; i < len(a.rows); i++ {
		was, is := each(a.rows[i-1].have), each(a.rows[i].have)
		moved := stages
		for s := range stages {
			if is[s] == was[s] {
				continue
			}
			if moved != stages || is[s] < was[s] {
				moved = -1
				break
			}
			moved = s
		}
		if moved >= 0 && moved < stages {
			a.moves[moved] = append(a.moves[moved], move{i - 1, i, float64(is[moved] - was[moved])})
		}
	}
	a.staged = true
	for s := range stages {
		if len(a.moves[s]) < fewestMoves && (s != stageWatch || a.watched()) {
			a.staged = false
		}
	}
}

func (a *analysis) regressors() [][]float64 {
	x := make([][]float64, len(a.rows))
	for i, r := range a.rows {
		x[i] = []float64{float64(r.have.Accepts)}
		if a.staged {
			x[i] = []float64{float64(r.have.Sockets), float64(r.have.Connects), float64(r.have.Accepts), float64(r.have.Watches)}
			if !a.watched() {
				x[i] = x[i][:stageWatch]
			}
		}
		if a.timed {
			x[i] = append(x[i], r.at.Seconds())
		}
	}
	for _, others := range disturbances[:a.disturbances] {
		if a.varies(others) {
			for i, r := range a.rows {
				x[i] = append(x[i], others(r))
			}
		}
	}
	return x
}

// disturbances are those doings of other programs that allocate what connections
// allocate.
var disturbances = []func(reading) float64{
	func(r reading) float64 { return r.waiting },
	func(r reading) float64 { return r.any },
	func(r reading) float64 { return r.foreign },
}

// stir is how many sockets of others must come or go to be worth a regressor.
const stir = 20

func (a *analysis) varies(f func(reading) float64) bool {
	least, most := math.Inf(1), math.Inf(-1)
	for _, r := range a.rows {
		least, most = min(least, f(r)), max(most, f(r))
	}
	return most-least > stir
}

func (a *analysis) watched() bool { return a.rows[len(a.rows)-1].have.Watches > 0 }

// growth is how a cache, or a sum of caches, grew: by its line through all readings,
// and by the moves of each stage.
type growth struct {
	line
	stage [stages]amount
}

// amount is a number with half of its 95 % interval.
type amount struct{ n, half float64 }

func (x amount) add(y amount) amount { return amount{x.n + y.n, math.Hypot(x.half, y.half)} }

func (x amount) times(f float64) amount { return amount{x.n * f, x.half * math.Abs(f)} }

// fitObjects fits a cache's objects, once.
func (a *analysis) fitObjects(cache int) growth {
	if g, ok := a.fitted[cache]; ok {
		return g
	}
	y := make([]float64, len(a.rows))
	for i, r := range a.rows {
		y[i] = r.objects[cache]
	}
	g := a.fit(y)
	a.fitted[cache] = g
	return g
}

func (a *analysis) fit(y []float64) growth {
	g := growth{line: a.design.fit(y)}
	if !a.staged {
		return g
	}
	for s := range stages {
		var shares []float64
		for _, m := range a.moves[s] {
			grown := y[m.after] - y[m.before]
			// The part of the growth that others allocated in that time.
			for j := a.ownRegressors(); j < len(g.slopes); j++ {
				grown -= g.slopes[j] * (a.design.rows[m.after][j] - a.design.rows[m.before][j])
			}
			shares = append(shares, grown/m.n)
		}
		if len(shares) > 0 {
			g.stage[s].n, g.stage[s].half = center(shares)
		}
	}
	return g
}

// ownRegressors returns how many regressors are connections; the others follow them.
func (a *analysis) ownRegressors() int {
	switch {
	case !a.staged:
		return 1
	case a.watched():
		return int(stages)
	}
	return int(stages) - 1
}

// all returns the direction of one more connection, through all its stages.
func (a *analysis) all() []float64 {
	w := make([]float64, len(a.design.rows[0]))
	for i := range a.ownRegressors() {
		w[i] = 1
	}
	return w
}

// bytes returns the growth of the memory of all that a connection is made of.
func (a *analysis) bytes() growth {
	var sum growth
	for _, c := range a.caches.of(a.parts) {
		g := a.fitObjects(c)
		sum.add(g.line, a.caches.bytes[c])
		for s := range stages {
			sum.stage[s] = sum.stage[s].add(g.stage[s].times(a.caches.bytes[c]))
		}
	}
	return sum
}
