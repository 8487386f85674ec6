package measure

import (
	"math"
	"slices"
)

// analysis finds in readings what a connection is made of.
type analysis struct {
	caches cacheList
	parts  []known
	rows   []reading
	// buffers are the caches that hold bytes left unread, by slabinfo's names.
	buffers map[string]bool

	moves []move
	// stageBlocks and bulkBlocks are the blocks with moves of single stages, and of all
	// together. passed is how many connections passed in the moves of each kind.
	stageBlocks, bulkBlocks []int
	passed                  [stages + 1]float64
	// staged: each stage was measured alone. mostlyTogether: more connections were opened
	// without stages, so that the sum is theirs.
	staged, mostlyTogether bool
	disturbed              []int // indices of the disturbances that came or went
	fitted                 map[int]growth
}

// fewestMoves is how many moves of a stage are needed to know what it allocates.
const fewestMoves = 5

// newAnalysis prepares an analysis. It returns false where there are too few readings.
func newAnalysis(caches cacheList, parts []known, rows []reading) (*analysis, bool) {
	a := &analysis{caches: caches, parts: parts, rows: rows, fitted: map[int]growth{}}
	a.moves = findMoves(rows)
	var count [stages + 1]int
	for _, m := range a.moves {
		blocks := &a.stageBlocks
		switch m.kind {
		case atRest:
			continue
		case together:
			blocks = &a.bulkBlocks
		}
		count[m.kind]++
		a.passed[m.kind] += m.n
		if !slices.Contains(*blocks, m.block) {
			*blocks = append(*blocks, m.block)
		}
	}
	a.staged = true
	for s := range stages {
		a.staged = a.staged && (count[s] >= fewestMoves || !a.has(s))
	}
	a.mostlyTogether = !a.staged || a.passed[together] > a.passed[stageSocket]
	if !a.staged && count[together] < fewestMoves {
		return nil, false
	}
	if a.mostlyTogether && count[together] < fewestMoves {
		a.mostlyTogether = false
	}
	for i, f := range disturbances {
		if a.varies(f) {
			a.disturbed = append(a.disturbed, i)
		}
	}
	return a, true
}

// has reports whether connections pass a stage: not all are watched.
func (a *analysis) has(s stage) bool {
	return s != stageWatch || len(a.rows) > 0 && a.rows[len(a.rows)-1].have.Watches > 0
}

// objects returns the growth of a cache, by slabinfo's order.
func (a *analysis) objects(cache int) growth {
	if g, ok := a.fitted[cache]; ok {
		return g
	}
	others := slices.DeleteFunc(slices.Clone(a.disturbed), func(i int) bool { return i == waits && a.shareable(cache, stageConnect) == 0 })
	g := a.grow(cache, others)
	a.fitted[cache] = g
	return g
}

// figure is a number of objects for a connection. What is known to be a whole number
// of objects is exact; the rest is vague, and may also be off by what the CPUs park.
type figure struct {
	exact  float64
	vague  jack
	parked float64
}

func (f *figure) add(g figure) {
	f.exact += g.exact
	f.vague.add(g.vague, 1)
	f.parked += g.parked
}

func (f figure) n() float64 { return f.exact + f.vague.n }

// half returns half of the 95 % interval.
func (f figure) half() float64 {
	if f.vague.left == nil {
		return f.parked
	}
	return f.vague.half() + f.parked
}

// settle returns the growth of a cache at a stage, or over all (kind together), as a whole
// number of objects where that leaves no doubt.
func (a *analysis) settle(cache int, kind stage) figure {
	f := a.measured(cache, kind)
	if n, ok := wholeObjects(f.n(), f.half()); ok && a.shareable(cache, kind) == 0 {
		return figure{exact: n}
	}
	return f
}

// measured returns the growth of a cache as it was counted.
func (a *analysis) measured(cache int, kind stage) figure {
	g := a.objects(cache)
	j, passed := g.all, a.passed[stageSocket]
	if a.mostlyTogether {
		passed = a.passed[together]
	}
	if kind < stages {
		j, passed = g.stage[kind], a.passed[kind]
	}
	// A count is off by what the CPUs park, and by a slab.
	return figure{vague: j, parked: (a.caches.parked[cache] + a.caches.perSlab[cache]) / passed}
}

// shareable returns how many objects of a cache a connection makes at a stage, or in all (kind
// together), where connections may share some: the bind buckets of a port. Otherwise it is 0.
func (a *analysis) shareable(cache int, kind stage) float64 {
	all, shared := 0.0, false
	for _, k := range a.parts {
		for s := range stages {
			if k.shownAs == a.caches.names[cache] && k.stages[s] && (kind == s || kind == together) {
				all += float64(len(k.names))
				shared = shared || k.shared
			}
		}
	}
	if !shared {
		return 0
	}
	return all
}

// nearWhole is how far a growth may be from a whole number of objects to be taken for
// it, whatever its interval.
const nearWhole = 0.1

// wholeObjects returns the whole number that a growth of objects is. It returns false unless
// every other whole number is further away than the interval reaches, by half of the interval
// again: an object is made whole or not at all, so a growth of 0.9 ± 0.15 objects is one.
func wholeObjects(objects, half float64) (n float64, ok bool) {
	n = math.Round(objects)
	off := math.Abs(objects - n)
	return n, off <= max(half, nearWhole) && off+2*half < 0.5
}

// sum is a number of bytes with half of its 95 % interval, and what of that is due to parked
// objects.
type sum struct{ n, half, parked float64 }

// add adds objects of a cache. Others' doings move several caches alike, in a way that so few
// blocks do not show well, so the intervals are added up.
func (s *sum) add(objects figure, bytes float64) {
	s.n += objects.n() * bytes
	s.half += objects.half() * bytes
	s.parked += objects.parked * bytes
}

// stageBytes returns the memory that a stage allocates of all that a connection is made of.
func (a *analysis) stageBytes(s stage) (total sum) {
	for _, c := range a.caches.of(a.parts) {
		total.add(a.settle(c, s), a.caches.bytes[c])
	}
	return total
}

// bytes returns the memory of a connection.
func (a *analysis) bytes() (total sum) {
	for _, c := range a.caches.of(a.parts) {
		if a.mostlyTogether {
			total.add(a.settle(c, together), a.caches.bytes[c])
			continue
		}
		var objects figure
		for s := range stages {
			if a.has(s) {
				objects.add(a.settle(c, s))
			}
		}
		total.add(objects, a.caches.bytes[c])
	}
	return total
}
