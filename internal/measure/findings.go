package measure

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/model"
)

func rounded(x float64) maybe.Of[int64] {
	if math.IsNaN(x) || math.IsInf(x, 0) || math.Abs(x) > 1e15 {
		return maybe.Of[int64]{}
	}
	return maybe.Some(int64(math.Round(x)))
}

// vague is the half interval, as a share of the slope, beyond which a number says
// nothing and is left absent.
const vague = 0.2

// reportSlope returns the slope and half its interval, both absent where the slope is
// vague.
func reportSlope(slope, half float64) (bytes, ci maybe.Of[int64]) {
	// A slope without any spread comes from counts that did not move.
	if !(half > 0 && half <= vague*slope) {
		return bytes, ci
	}
	return rounded(slope), rounded(half)
}

// into writes what the fits have found into m.
func (a *analysis) into(m *model.Measurement) {
	known := a.caches.of(a.parts)
	if len(known) == 0 {
		return
	}
	total := a.bytes()
	slope, half := total.along(a.all()...)
	m.BytesPerConnection, m.CI95Bytes = reportSlope(slope, half)
	if !m.BytesPerConnection.Known {
		if len(a.rows) >= cycles && half > 0 {
			m.Doubt = fmt.Sprintf("other programs allocated too much at the same time, or the connections are too few: the interval is ± %.0f B", half)
		}
		return
	}
	if m.Doubt = a.contradiction(); m.Doubt != "" {
		// A wrong number is worse than none.
		m.BytesPerConnection, m.CI95Bytes = maybe.Of[int64]{}, maybe.Of[int64]{}
		return
	}
	for _, n := range []int64{100_000, 1_000_000, 10_000_000} {
		m.Projection = append(m.Projection, model.Projection{Connections: n, Bytes: int64(slope * float64(n))})
	}
	if a.staged {
		for s := range stages {
			if s == stageWatch && !a.watched() {
				continue
			}
			x := total.stage[s]
			m.Stages = append(m.Stages, model.StageCost{
				Stage: stageNames[s], Bytes: int64(math.Round(x.n)), CI95Bytes: int64(math.Round(x.half)),
			})
			if s == stageSocket {
				m.BytesPerEnd, m.EndCI95Bytes = reportSlope(x.n, x.half)
			}
		}
	}
	a.checkStages(m, slope, half)
	a.watchBytes(m)
	for _, k := range a.parts {
		if p, ok := a.part(k); ok {
			m.Parts = append(m.Parts, p)
		}
	}
	a.others(m, known)
	a.cgroup(m)
}

// nearWhole is how far a growth may be from a whole number of objects to be taken for
// it, whatever its interval.
const nearWhole = 0.15

// wholeObjects returns the whole number that a growth of objects is; false where its
// interval leaves a doubt. An object is made whole or not at all: a growth of 0.9 ±
// 0.2 objects is one.
func wholeObjects(objects, half float64) (n float64, ok bool) {
	n = math.Round(objects)
	off := math.Abs(objects - n)
	return n, off <= max(half, nearWhole) && off+half < 0.5
}

// checkStages leaves out the stages where they do not add up to the whole.
func (a *analysis) checkStages(m *model.Measurement, slope, half float64) {
	sum, variance := 0.0, half*half
	for _, s := range m.Stages {
		sum += float64(s.Bytes)
		variance += float64(s.CI95Bytes) * float64(s.CI95Bytes)
	}
	if off := math.Abs(sum - slope); len(m.Stages) > 0 && off > 2*math.Sqrt(variance) && off > 0.03*slope {
		m.Stages, m.BytesPerEnd, m.EndCI95Bytes = nil, maybe.Of[int64]{}, maybe.Of[int64]{}
	}
}

// contradiction returns what cannot be true, in words. A connection has a known number
// of sockets, inodes, files and watches; where their caches grew by another number
// somebody else's objects were counted. Bind buckets may be shared and are not
// checked.
func (a *analysis) contradiction() string {
	for _, k := range a.parts {
		i, ok := a.caches.index[k.shownAs]
		if !ok || sharesCache(a.parts, k) || k.stages == setOf(stageConnect) || a.caches.bytes[i] < substantial {
			continue
		}
		want := k.objects()
		got := a.whole(a.fitObjects(i))
		if off := math.Abs(got.n - want); off > 3*got.half && off > believable*want {
			return fmt.Sprintf("other programs made and closed sockets or files at the same time: %.2f objects of %s for each connection, which has %.0f", got.n, k.name(), want)
		}
	}
	return ""
}

const (
	// substantial is how many bytes an object must have for its number to be worth a
	// doubt.
	substantial = 100
	// believable is how far off that number may be, as a share.
	believable = 0.1
)

// watchBytes adds up the parts of a watch. Where such a part has a cache for itself
// the whole growth of the cache counts, which is steadier than that of one stage.
func (a *analysis) watchBytes(m *model.Measurement) {
	fitted, bytes, variance := 0.0, 0.0, 0.0
	whole, found := true, false
	for _, k := range a.parts {
		if k.stages != setOf(stageWatch) {
			continue
		}
		p, ok := a.part(k)
		if !ok || !a.staged && sharesCache(a.parts, k) {
			return
		}
		found = true
		fitted += p.Bytes
		variance += p.CI95Bytes * p.CI95Bytes
		n, ok := wholeObjects(p.Objects, p.CI95)
		bytes += n * p.BytesPerObject
		whole = whole && ok && n > 0
	}
	if !found {
		return
	}
	m.FittedWatch, m.WatchCI95Bytes = reportSlope(fitted, math.Sqrt(variance))
	if m.BytesPerWatch = m.FittedWatch; whole {
		m.BytesPerWatch = rounded(bytes)
	}
}

// part returns how a known cache grew. Where several parts share a cache each gets the
// growth of its own stages; where the stages are not measured separately the first
// part gets all of it.
func (a *analysis) part(k known) (model.MeasuredPart, bool) {
	i, ok := a.caches.index[k.shownAs]
	if !ok {
		return model.MeasuredPart{}, false
	}
	p := model.MeasuredPart{Cache: k.name(), ShownAs: k.shownAs, Kind: model.PartKnown}
	g := a.fitObjects(i)
	objects := a.whole(g)
	if sharesCache(a.parts, k) {
		if a.staged {
			objects = amount{}
			for s := range stages {
				if k.stages[s] {
					objects = objects.add(g.stage[s])
				}
			}
		} else {
			first := slices.IndexFunc(a.parts, func(o known) bool { return o.shownAs == k.shownAs })
			if a.parts[first].name() != k.name() {
				return model.MeasuredPart{}, false
			}
			for _, o := range a.parts[first+1:] {
				if o.shownAs == k.shownAs {
					p.Cache += " + " + o.name()
				}
			}
		}
	}
	// A watch's parts grow at one stage alone, where the growth is often sharper.
	if at := g.stage[stageWatch]; a.staged && k.stages == setOf(stageWatch) && at.half < objects.half {
		objects = at
	}
	a.grow(&p, i, g, objects)
	return p, true
}

// whole returns the growth over all stages.
func (a *analysis) whole(g growth) (x amount) {
	x.n, x.half = g.along(a.all()...)
	return x
}

func (a *analysis) grow(p *model.MeasuredPart, cache int, g growth, objects amount) {
	p.Objects, p.CI95 = objects.n, objects.half
	p.BytesPerObject = a.caches.bytes[cache]
	p.Bytes, p.CI95Bytes = p.Objects*p.BytesPerObject, p.CI95*p.BytesPerObject
	if a.staged {
		for s := range stages {
			p.ByStage = append(p.ByStage, g.stage[s].n)
		}
	}
}

// surely is how many times its 95 % interval a growth must be to be believed of a
// cache that nobody expected to grow: hundreds of caches are tried.
const surely = 2

// leastBytes is how many bytes a connection are worth a line.
const leastBytes = 1

// others looks at every cache that a connection is not known to be made of.
func (a *analysis) others(m *model.Measurement, known []int) {
	memcg, buffer, unexplained := 0.0, 0.0, 0.0
	expected := a.memcgVectors()
	for i, name := range a.caches.names {
		if slices.Contains(known, i) || slices.Contains(a.caches.files, i) {
			continue
		}
		g := a.fitObjects(i)
		grown := a.whole(g)
		objects, half := grown.n, grown.half
		if math.Abs(objects) < surely*half || math.Abs(objects)*a.caches.bytes[i] < leastBytes {
			continue
		}
		p := model.MeasuredPart{Cache: name, ShownAs: name, Kind: model.PartUnexplained}
		a.grow(&p, i, g, grown)
		want := expected[i]
		switch {
		case a.buffers[name]:
			p.Kind = model.PartBuffer
			buffer += p.Bytes
		case want > 0 && objects > 0 && objects-half <= 1.5*want:
			p.Kind = model.PartMemcg
			memcg += p.Bytes
		default:
			unexplained += p.Bytes
		}
		m.Parts = append(m.Parts, p)
	}
	if len(a.caches.files) > 0 {
		m.LeavesOut = append(m.LeavesOut, "inodes of files (proc_inode_cache and the like), and as many objects of "+
			strings.Join(madeWithInode, " and ")+": whoever opens files or looks into /proc/PID grows them, eptop too")
	}
	m.UnexplainedBytes = rounded(unexplained)
	if len(a.buffers) > 0 {
		m.BufferBytes = rounded(buffer)
	}
	if len(expected) > 0 {
		m.MemcgBytes = rounded(memcg)
	}
}

// memcgVectors returns, by kmalloc cache, how many objects the memory cgroup needs for
// a connection: each slab of a charged cache comes with a vector that has a pointer
// for each of its objects (alloc_slab_obj_exts in mm/slub.c;
// memcg_alloc_page_obj_cgroups before Linux 5.16).
func (a *analysis) memcgVectors() map[int]float64 {
	const pointer = 8
	out := map[int]float64{}
	for _, k := range a.parts {
		i, ok := a.caches.index[k.shownAs]
		if !ok || !k.charged {
			continue
		}
		for _, size := range kmallocSizes {
			if j, ok := a.caches.index[size.name]; ok && size.bytes >= pointer*a.caches.perSlab[i] {
				out[j] += k.objects() / a.caches.perSlab[i]
				break
			}
		}
	}
	return out
}

// kmallocSizes are the caches of kmalloc(), smallest first (kmalloc_info in
// mm/slab_common.c).
var kmallocSizes = []struct {
	name  string
	bytes float64
}{
	{"kmalloc-64", 64}, {"kmalloc-96", 96}, {"kmalloc-128", 128}, {"kmalloc-192", 192}, {"kmalloc-256", 256},
	{"kmalloc-512", 512}, {"kmalloc-1k", 1024}, {"kmalloc-2k", 2048},
}

// cgroup is the cross-check by the kernel's own charge.
func (a *analysis) cgroup(m *model.Measurement) {
	y := make([]float64, len(a.rows))
	for i, r := range a.rows {
		if !r.charged {
			return
		}
		y[i] = r.cgroup
	}
	slope, half := a.design.fit(y).along(a.all()...)
	m.CgroupBytes, m.CgroupCI95Bytes = rounded(slope), rounded(half)
}
