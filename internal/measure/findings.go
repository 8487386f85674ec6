package measure

import (
	"fmt"
	"math"
	"os"
	"slices"
	"strings"

	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/units"
)

func roundOff(x float64) maybe.Of[int64] {
	if math.IsNaN(x) || math.IsInf(x, 0) || math.Abs(x) > 1e15 {
		return maybe.Of[int64]{}
	}
	return maybe.Some(int64(math.Round(x)))
}

// vague is the half interval, as a share of the number, beyond which a number says
// nothing and is left absent.
const vague = 0.2

// reportBytes returns a number of bytes and half its interval, both absent where the number
// is vague.
func reportBytes(bytes, half float64) (n, ci maybe.Of[int64]) {
	if !(bytes > 0 && half <= vague*bytes) {
		return n, ci
	}
	return roundOff(bytes), maybe.Some(interval(half))
}

// interval returns half an interval in whole bytes, and no less than one: bytes are rounded.
func interval(half float64) int64 { return max(1, int64(math.Ceil(half-0.05))) }

// into writes what the analysis has found into m.
func (a *analysis) into(m *model.Measurement) {
	known := a.caches.of(a.parts)
	if len(known) == 0 {
		return
	}
	a.expect(m)
	total := a.bytes()
	m.BytesPerConnection, m.CI95Bytes = reportBytes(total.n, total.half)
	if !m.BytesPerConnection.Known {
		m.Doubt = a.explainVague(total)
		return
	}
	if m.Doubt = a.contradiction(); m.Doubt != "" {
		// A wrong number is worse than none.
		m.BytesPerConnection, m.CI95Bytes = maybe.Of[int64]{}, maybe.Of[int64]{}
		return
	}
	for _, n := range []int64{100_000, 1_000_000, 10_000_000} {
		m.Projection = append(m.Projection, model.Projection{Connections: n, Bytes: int64(total.n * float64(n))})
	}
	if a.staged {
		for s := range stages {
			if !a.has(s) {
				continue
			}
			x := a.stageBytes(s)
			bytes, half := reportBytes(x.n, x.half)
			if bytes.Known {
				m.Stages = append(m.Stages, model.StageCost{Stage: stageNames[s], Bytes: bytes.Value, CI95Bytes: half.Value})
			}
			if s == stageSocket {
				m.BytesPerEnd, m.EndCI95Bytes = bytes, half
			}
		}
	}
	a.watchBytes(m)
	for _, k := range a.parts {
		if p, ok := a.part(k); ok {
			m.Parts = append(m.Parts, p)
		}
	}
	a.others(m, known)
	a.cgroup(m)
}

// expect adds up what was expected of the same caches, to the byte: sums of rounded parts
// differ by some.
func (a *analysis) expect(m *model.Measurement) {
	var all, end, watch float64
	for _, k := range a.parts {
		i, ok := a.caches.index[k.shownAs]
		if !ok {
			return
		}
		all += k.objects() * a.caches.bytes[i]
		if k.stages[stageSocket] {
			end += float64(len(k.names)) * a.caches.bytes[i]
		}
		if k.stages[stageWatch] {
			watch += k.objects() * a.caches.bytes[i]
		}
	}
	if m.ExpectedBytes.Known {
		m.ExpectedBytes = roundOff(all)
	}
	if m.ExpectedEnd.Known {
		m.ExpectedEnd = roundOff(end)
	}
	if m.ExpectedWatch.Known {
		m.ExpectedWatch = roundOff(watch)
	}
}

// explainVague returns why the bytes of a connection are no answer, "" where there are too
// few readings for one.
func (a *analysis) explainVague(total sum) string {
	if !(total.parked <= vague*total.n) {
		most, name := 0.0, ""
		for _, c := range a.caches.of(a.parts) {
			if a.caches.parked[c] > most {
				most, name = a.caches.parked[c], a.caches.names[c]
			}
		}
		if most == 0 {
			return ""
		}
		return fmt.Sprintf("the CPUs may park %.0f free objects of %s, which count as used: some %.0f connections are needed to see what one costs",
			most, name, fewestPerParked*most)
	}
	return fmt.Sprintf("other programs allocated too much at the same time, or the connections are too few: the interval is ± %s B", units.Count(int64(math.Round(total.half))))
}

// fewestPerParked is how many connections for each object that may be parked make the error
// of a count small enough to see a whole number of objects through.
const fewestPerParked = 10

// contradiction returns what cannot be true, in words. A connection has a known number
// of sockets, inodes, files and watches; where their caches grew by another number
// somebody else's objects were counted. Bind buckets may be shared and are not
// checked.
func (a *analysis) contradiction() string {
	for _, k := range a.parts {
		i, ok := a.caches.index[k.shownAs]
		if !ok || sharesCache(a.parts, k) || k.shared || a.caches.bytes[i] < substantial {
			continue
		}
		want := k.objects()
		got := a.measured(i, together)
		if off := math.Abs(got.n() - want); off > 3*got.half() && off > believable*want {
			return fmt.Sprintf("other programs made and closed sockets or files at the same time: %.2f objects of %s for each connection, which has %.0f", got.n(), k.name(), want)
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

// watchBytes adds up the parts of a watch, in whole objects and as counted. Where such a part
// has a cache for itself the growth over all stages counts, which is steadier than that of one.
func (a *analysis) watchBytes(m *model.Measurement) {
	var settled, counted sum
	for _, k := range a.parts {
		if k.stages != setOf(stageWatch) {
			continue
		}
		p, ok := a.part(k)
		if !ok || !a.staged && sharesCache(a.parts, k) {
			return
		}
		settled.n, settled.half = settled.n+p.Bytes, settled.half+p.CI95Bytes
		counted.n, counted.half = counted.n+p.Fitted*p.BytesPerObject, counted.half+p.CI95*p.BytesPerObject
	}
	m.BytesPerWatch, m.WatchCI95Bytes = reportBytes(settled.n, settled.half)
	m.FittedWatch, _ = reportBytes(counted.n, counted.half)
}

// part returns how a known cache grew. Where several parts share a cache each gets the
// growth of its own stages; where the stages are not measured separately the first
// part gets all of it.
func (a *analysis) part(k known) (model.MeasuredPart, bool) {
	i, ok := a.caches.index[k.shownAs]
	if !ok {
		return model.MeasuredPart{}, false
	}
	p := model.MeasuredPart{Cache: k.name(), ShownAs: k.shownAs, Kind: model.PartKnown, BytesPerObject: a.caches.bytes[i]}
	p.ExpectedObjects = k.objects()
	kinds := []stage{together}
	switch shared := sharesCache(a.parts, k); {
	case a.staged && (shared || !a.mostlyTogether):
		kinds = nil
		for s := range stages {
			if a.has(s) && (k.stages[s] || !shared) {
				kinds = append(kinds, s)
			}
		}
	case shared:
		var names []string
		p.ExpectedObjects = 0
		for _, o := range a.parts {
			if o.shownAs == k.shownAs {
				names = append(names, o.name())
				p.ExpectedObjects += o.objects()
			}
		}
		if names[0] != k.name() {
			return model.MeasuredPart{}, false
		}
		p.Cache = strings.Join(names, " + ")
	}
	var settled, counted figure
	for _, kind := range kinds {
		settled.add(a.settle(i, kind))
		counted.add(a.measured(i, kind))
	}
	p.Objects, p.Fitted, p.CI95 = settled.n(), counted.n(), counted.half()
	p.Bytes, p.CI95Bytes = settled.n()*p.BytesPerObject, settled.half()*p.BytesPerObject
	p.ExpectedBytes = p.ExpectedObjects * p.BytesPerObject
	p.Difference = explainDifference(&p, settled.half(), k.shared)
	a.byStage(&p, a.objects(i))
	return p, true
}

func (a *analysis) byStage(p *model.MeasuredPart, g growth) {
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
		g := a.objects(i)
		objects, half := g.all.n, g.all.half()
		if !(math.Abs(objects) >= surely*half && math.Abs(objects)*a.caches.bytes[i] >= leastBytes) {
			continue
		}
		p := model.MeasuredPart{Cache: name, ShownAs: name, Kind: model.PartUnexplained, Objects: objects, Fitted: objects, CI95: half}
		p.BytesPerObject = a.caches.bytes[i]
		p.Bytes, p.CI95Bytes = p.Objects*p.BytesPerObject, p.CI95*p.BytesPerObject
		a.byStage(&p, g)
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
	m.UnexplainedBytes = roundOff(unexplained)
	if len(a.buffers) > 0 {
		m.BufferBytes = roundOff(buffer)
	}
	if len(expected) > 0 {
		m.MemcgBytes = roundOff(memcg)
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

// cgroup is the cross-check by the kernel's own charge, from rest to rest.
func (a *analysis) cgroup(m *model.Measurement) {
	var charged []reading
	for _, r := range a.rows {
		if r.charged {
			charged = append(charged, r)
		}
	}
	var shares []share
	for _, v := range findMoves(charged) {
		if v.kind == together {
			shares = append(shares, share{charged[v.after].cgroup - charged[v.before].cgroup, v.n})
		}
	}
	if len(shares) < fewestMoves {
		return
	}
	batch, n := float64(chargedPages*os.Getpagesize()), 0.0
	j := jack{n: typical(shares, batch, 0)}
	for i := range shares {
		n += shares[i].n
		j.put(i, typical(slices.Delete(slices.Clone(shares), i, i+1), batch, 0))
	}
	m.CgroupBytes, m.CgroupCI95Bytes = roundOff(j.n), roundOff(j.half()+batch/n)
}

// chargedPages is how many pages a CPU charges to a cgroup at once (MEMCG_CHARGE_BATCH in
// include/linux/memcontrol.h: 64, and 32 before Linux 6.1).
const chargedPages = 64

// explainDifference returns in a sentence how a part differs from what the sizes of this
// kernel's objects and the number of them say; "" where it does not.
func explainDifference(p *model.MeasuredPart, half float64, shared bool) string {
	off := p.Objects - p.ExpectedObjects
	if math.Abs(off) <= max(half, leastDifference) {
		return ""
	}
	if shared && off < 0 {
		return fmt.Sprintf("%.1f bind buckets a connection where %.0f were expected: other connections, of other programs or of this run, use the same ports already", p.Objects, p.ExpectedObjects)
	}
	return fmt.Sprintf("%.2f objects of %s a connection where %.0f were expected: who else allocates them is not known", p.Objects, p.Cache, p.ExpectedObjects)
}

// leastDifference is how many objects a connection are worth a sentence.
const leastDifference = 0.02
