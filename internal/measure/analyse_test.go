package measure

import (
	"encoding/json"
	"errors"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/eptop/eptop/internal/loadgen"
	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/slab"
)

// machine is an invented kernel: it says what each stage of a connection adds to each
// cache, and what other programs add a second.
type machine struct {
	caches []slab.Cache
	stages map[string][stages]float64
	drift  map[string]float64
}

func cache(name string, perSlab, pages uint32) slab.Cache {
	return slab.Cache{Name: name, ObjsPerSlab: perSlab, PagesPerSlab: pages, ActiveObjs: 10_000}
}

func testMachine() machine {
	return machine{
		caches: []slab.Cache{
			cache("TCP", 13, 8), cache("sock_inode_cache", 19, 4), cache("dentry", 21, 1), cache("proc_inode_cache", 23, 4),
			cache("eventpoll_epi", 32, 1), cache("anon_vma_chain", 64, 1), cache("kmalloc-192", 21, 1), cache("odd", 8, 1), cache("idle", 8, 1),
		},
		stages: map[string][stages]float64{
			"TCP": {1, 1}, "sock_inode_cache": {1, 0, 1}, "dentry": {1, 0, 1}, "eventpoll_epi": {0, 2, 0, 1}, "anon_vma_chain": {0, 0, 0, 1},
			"kmalloc-192": {2. / 21, 0, 2. / 21}, "odd": {0, 0.5},
		},
		drift: map[string]float64{"dentry": 5000, "proc_inode_cache": 5000, "eventpoll_epi": -700, "idle": 400},
	}
}

// run returns the readings that an experiment would take on the machine.
func (m machine) run(plan []step) (cacheList, []reading) {
	list := newCacheList(m.caches, 4096)
	var rows []reading
	at := 0.0
	have := loadgen.Stages{}
	rnd := rand.New(rand.NewPCG(5, 6))
	for _, s := range plan {
		at += 0.03
		if s.rest > 0 {
			at += s.rest.Seconds()
		} else {
			have = s.stages
		}
		var now []slab.Cache
		for _, c := range m.caches {
			by := m.stages[c.Name]
			objects := float64(c.ActiveObjs) + by[0]*float64(have.Sockets) + by[1]*float64(have.Connects) +
				by[2]*float64(have.Accepts) + by[3]*float64(have.Watches) + m.drift[c.Name]*at
			// Per-CPU slabs come and go.
			c.ActiveObjs = uint64(objects) + rnd.Uint64N(31)
			now = append(now, c)
		}
		if !s.warmUp {
			rows = append(rows, reading{at: time.Duration(at * 1e9), have: have, objects: list.objects(now)})
		}
	}
	return list, rows
}

var testParts = []known{
	{names: []string{"TCP"}, shownAs: "TCP", stages: setOf(stageSocket, stageConnect), charged: true},
	{names: []string{"sock_inode_cache"}, shownAs: "sock_inode_cache", stages: setOf(stageSocket, stageAccept), charged: true},
	{names: []string{"dentry"}, shownAs: "dentry", stages: setOf(stageSocket, stageAccept), charged: true},
	{names: []string{"tcp_bind_bucket", "tcp_bind2_bucket"}, shownAs: "eventpoll_epi", stages: setOf(stageConnect), charged: true, shared: true},
	{names: []string{"eventpoll_epi"}, shownAs: "eventpoll_epi", stages: setOf(stageWatch), charged: true},
	{names: []string{"eventpoll_pwq"}, shownAs: "anon_vma_chain", stages: setOf(stageWatch), charged: true},
}

func near(t *testing.T, what string, got maybe.Of[int64], want, within float64) {
	t.Helper()
	if !got.Known || math.Abs(float64(got.Value)-want) > within {
		t.Errorf("%s: %+v, want %.0f ± %.0f", what, got, want, within)
	}
}

const (
	tcpBytes   = 8 * 4096 / 13.
	inodeBytes = 4 * 4096 / 19.
	smallBytes = 4096 / 21.
)

func TestAnalysisTellsStagesAndDriftApart(t *testing.T) {
	list, rows := testMachine().run(steps(0, 10_000, 3072, 0))
	a, ok := newAnalysis(list, testParts, rows)
	if !ok || !a.staged {
		t.Fatalf("%v: %+v", ok, a)
	}
	m := &model.Measurement{}
	a.into(m)
	whole := 2*tcpBytes + 2*inodeBytes + 2*smallBytes + 3*128 + 64
	near(t, "a connection", m.BytesPerConnection, whole, 0.005*whole)
	near(t, "an end", m.BytesPerEnd, tcpBytes+inodeBytes+smallBytes, 40)
	near(t, "a watch", m.BytesPerWatch, 192, 0)
	near(t, "memcg", m.MemcgBytes, 4./21*smallBytes, 8)
	near(t, "unexplained", m.UnexplainedBytes, 256, 5)
	if len(m.Projection) != 3 || m.Projection[1].Connections != 1_000_000 {
		t.Errorf("%+v", m.Projection)
	}
	text, err := json.Marshal(m)
	if err != nil || !strings.Contains(string(text), `"stages":[{"stage":"socket","bytes":`) {
		t.Errorf("%s, %v", text, err)
	}
	byName := map[string]model.MeasuredPart{}
	for _, p := range m.Parts {
		byName[p.Cache] = p
	}
	for name, objects := range map[string]float64{
		"TCP": 2, "dentry": 2, "tcp_bind_bucket + tcp_bind2_bucket": 2, "eventpoll_epi": 1, "eventpoll_pwq": 1, "odd": 0.5,
	} {
		if p := byName[name]; math.Abs(p.Objects-objects) > 0.03 {
			t.Errorf("%s: %.3f objects, want %g", name, p.Objects, objects)
		}
	}
	if k := byName["odd"].Kind; k != model.PartUnexplained {
		t.Errorf("odd is %q", k)
	}
	if k := byName["kmalloc-192"].Kind; k != model.PartMemcg {
		t.Errorf("kmalloc-192 is %q", k)
	}
	if _, ok := byName["idle"]; ok {
		t.Error("what other programs allocate is a part of a connection")
	}
	if len(m.LeavesOut) != 1 {
		t.Errorf("left out: %q", m.LeavesOut)
	}
}

func TestAnalysisOfAWalker(t *testing.T) {
	// Somebody lists the fds: with each socket come one more proc inode and dentry.
	m := testMachine()
	m.stages["proc_inode_cache"] = [stages]float64{1, 0, 1}
	m.stages["dentry"] = [stages]float64{2, 0, 2}
	list, rows := m.run(steps(0, 10_000, 3072, 0))
	a, ok := newAnalysis(list, testParts, rows)
	if !ok {
		t.Fatal("no analysis")
	}
	out := &model.Measurement{}
	a.into(out)
	whole := 2*tcpBytes + 2*inodeBytes + 2*smallBytes + 3*128 + 64
	near(t, "a connection", out.BytesPerConnection, whole, 0.005*whole)
}

func TestAnalysisWithoutStages(t *testing.T) {
	var plan []step
	for n := int64(500); n <= 10_000; n += 500 {
		plan = append(plan, step{stages: loadgen.All(n)})
	}
	list, rows := testMachine().run(plan)
	a, ok := newAnalysis(list, testParts, rows)
	if !ok || a.staged {
		t.Fatalf("%v: %+v", ok, a)
	}
	m := &model.Measurement{}
	a.into(m)
	whole := 2*tcpBytes + 2*inodeBytes + 2*smallBytes + 3*128 + 64
	near(t, "a connection", m.BytesPerConnection, whole, 0.01*whole)
	// Then nobody knows which part of the merged cache belongs to what.
	if m.BytesPerWatch.Known || m.BytesPerEnd.Known || len(m.Stages) > 0 {
		t.Errorf("%+v", m)
	}
	for _, p := range m.Parts {
		if p.ShownAs == "eventpoll_epi" && p.Cache != "tcp_bind_bucket + tcp_bind2_bucket + eventpoll_epi" {
			t.Errorf("%+v", p)
		}
	}
}

func TestAnalysisOfTooLittle(t *testing.T) {
	list, rows := testMachine().run(steps(0, 23, 3072, 0))
	a, ok := newAnalysis(list, testParts, rows)
	if !ok {
		return
	}
	m := &model.Measurement{}
	a.into(m)
	if m.BytesPerConnection.Known {
		t.Errorf("23 connections give %d ± %d B", m.BytesPerConnection.Value, m.CI95Bytes.Value)
	}
}

func TestSteps(t *testing.T) {
	for _, c := range []struct {
		name                    string
		from, to, backlog, rate int64
		staged                  bool
		most                    int
	}{
		{"ten thousand", 0, 10_000, 3072, 0, true, 90},
		{"more", 10_000, 20_000, 3072, 0, true, 90},
		{"a million", 0, 1_000_000, 3072, 0, true, 120},
		{"one", 0, 1, 3072, 0, false, 3},
		{"slow", 0, 10_000, 3072, 100, false, 40},
		{"small backlog", 0, 10_000, 10, 0, true, 130},
	} {
		t.Run(c.name, func(t *testing.T) {
			plan := steps(c.from, c.to, c.backlog, c.rate)
			if len(plan) > c.most {
				t.Errorf("%d steps", len(plan))
			}
			last, staged := loadgen.All(c.from), false
			for _, s := range plan {
				if s.rest > 0 {
					continue
				}
				g := s.stages
				if g.Sockets < last.Sockets || g.Connects < last.Connects || g.Accepts < last.Accepts || g.Watches < last.Watches {
					t.Fatalf("%+v after %+v: a stage shrinks", g, last)
				}
				if g.Sockets < g.Connects || g.Connects < g.Accepts || g.Accepts < g.Watches {
					t.Fatalf("%+v: out of order", g)
				}
				if g != loadgen.All(g.Sockets) {
					staged = true
					if g.Connects-g.Accepts > c.backlog {
						t.Fatalf("%+v: more than a backlog waits", g)
					}
				}
				last = g
			}
			if last != loadgen.All(c.to) || staged != c.staged {
				t.Errorf("ends at %+v, staged %v", last, staged)
			}
		})
	}
}

func TestWholeObjects(t *testing.T) {
	for _, c := range []struct {
		objects, half float64
		want          float64
		ok            bool
	}{
		{1, 0.01, 1, true}, {0.9, 0.15, 1, true}, {1.09, 0.01, 1, true}, {2.02, 0.2, 2, true}, {0.85, 0.16, 1, true},
		{1.14, 0.01, 1, false}, {1.14, 0.13, 1, false}, {1.3, 0.3, 1, false}, {1, 0.25, 1, false}, {1, 0.6, 1, false}, {0, 0, 0, true},
	} {
		if n, ok := wholeObjects(c.objects, c.half); n != c.want || ok != c.ok {
			t.Errorf("%g ± %g: %g, %v", c.objects, c.half, n, ok)
		}
	}
}

// TestContradiction: a connection has two sockets; where four grew, two belong to
// somebody else, and no number is reported.
func TestContradiction(t *testing.T) {
	m := testMachine()
	m.stages["sock_inode_cache"] = [stages]float64{2, 0, 2}
	list, rows := m.run(steps(0, 10_000, 3072, 0))
	a, ok := newAnalysis(list, testParts, rows)
	if !ok {
		t.Fatal("no analysis")
	}
	out := &model.Measurement{}
	a.into(out)
	if out.BytesPerConnection.Known || len(out.Projection) > 0 || !strings.Contains(out.Doubt, "sock_inode_cache") {
		t.Errorf("%+v", out)
	}
}

// TestOthersSockets: what other programs open at the same time, of another family and
// at no even rate, is not counted as the connection's.
func TestOthersSockets(t *testing.T) {
	m := testMachine()
	list, rows := m.run(steps(0, 10_000, 3072, 0))
	inodes, dentries := list.index["sock_inode_cache"], list.index["dentry"]
	for i := range rows {
		others := 0.0
		if i > 20 {
			others = 300 * float64(min(i, 60)-20)
		}
		rows[i].any = 40 + others
		rows[i].objects[inodes] += others
		rows[i].objects[dentries] += others
	}
	a, ok := newAnalysis(list, testParts, rows)
	if !ok {
		t.Fatal("no analysis")
	}
	out := &model.Measurement{}
	a.into(out)
	whole := 2*tcpBytes + 2*inodeBytes + 2*smallBytes + 3*128 + 64
	near(t, "a connection", out.BytesPerConnection, whole, 0.01*whole)
	near(t, "an end", out.BytesPerEnd, tcpBytes+inodeBytes+smallBytes, 80)
}

// TestParked: what the CPUs may park in sheaves is an error of each count. Too few
// connections for it have no number and a reason; enough have whole objects.
func TestParked(t *testing.T) {
	measured := func(n int64, objects float64) *model.Measurement {
		list, rows := testMachine().run(steps(0, n, 3072, 0))
		for i := range list.parked {
			list.parked[i] = objects
		}
		a, ok := newAnalysis(list, testParts, rows)
		if !ok {
			t.Fatal("no analysis")
		}
		m := &model.Measurement{}
		a.into(m)
		return m
	}
	whole := 2*tcpBytes + 2*inodeBytes + 2*smallBytes + 3*128 + 64
	if m := measured(10_000, 800); math.Abs(float64(m.BytesPerConnection.Value)-whole) > 0.01*whole || m.EndCI95Bytes.Value != 1 {
		t.Errorf("10 000 connections: %+v ± %+v, want %.0f", m.BytesPerConnection, m.CI95Bytes, whole)
	}
	// Bind buckets need not be whole, so their interval has what may be parked.
	got := measured(30_000, 4400)
	if parked := 4400. / 24_576 * 128; !got.BytesPerConnection.Known || float64(got.CI95Bytes.Value) < parked || float64(got.CI95Bytes.Value) > 2*parked {
		t.Errorf("30 000 connections: %+v ± %+v, want ± %.0f", got.BytesPerConnection, got.CI95Bytes, parked)
	}
	few := measured(10_000, 25_600)
	if few.BytesPerConnection.Known || few.BytesPerWatch.Known || len(few.Stages) > 0 || !strings.Contains(few.Doubt, "may park 25600 free objects of TCP") ||
		!strings.Contains(few.Doubt, "some 256000 connections") {
		t.Errorf("%+v", few)
	}
}

// TestDifferences: connections that find their ports in use share the bind buckets of these,
// and only that differs.
func TestDifferences(t *testing.T) {
	m := testMachine()
	m.stages["eventpoll_epi"] = [stages]float64{0, 0.75, 0, 1}
	list, rows := m.run(steps(0, 10_000, 3072, 0))
	a, ok := newAnalysis(list, testParts, rows)
	if !ok {
		t.Fatal("no analysis")
	}
	out := &model.Measurement{}
	a.into(out)
	whole := 2*tcpBytes + 2*inodeBytes + 2*smallBytes + 1.75*128 + 64
	near(t, "a connection", out.BytesPerConnection, whole, float64(out.CI95Bytes.Value)+1)
	near(t, "a watch", out.BytesPerWatch, 192, 0)
	for _, p := range out.Parts {
		if p.Kind != model.PartKnown {
			continue
		}
		want := ""
		if strings.HasPrefix(p.Cache, "tcp_bind_bucket") {
			want = "0.8 bind buckets a connection where 2 were expected"
			if math.Abs(p.Objects-0.75) > p.CI95 {
				t.Errorf("%.3f ± %.3f bind buckets", p.Objects, p.CI95)
			}
		}
		if !strings.HasPrefix(p.Difference, want) || (want == "") != (p.Difference == "") || p.ExpectedObjects == 0 {
			t.Errorf("%s: %g objects, expected %g: %q", p.Cache, p.Objects, p.ExpectedObjects, p.Difference)
		}
	}
}

// TestFullSlabs: each stage opens as many connections as fill whole slabs of the small caches.
func TestFullSlabs(t *testing.T) {
	for _, to := range []int64{3000, 4000, 10_000, 50_000, 1_000_000} {
		var last loadgen.Stages
		for _, s := range steps(0, to, 3072, 0) {
			if s.rest > 0 {
				continue
			}
			if moved := s.stages.Sockets - last.Sockets; s.stages != loadgen.All(s.stages.Sockets) && moved%fullSlabs != 0 {
				t.Fatalf("%d connections: a stage of %d", to, moved)
			}
			last = s.stages
		}
	}
}

// TestDrained: less memory than the CPUs may park has not come back in a way that is seen.
func TestDrained(t *testing.T) {
	list, _ := testMachine().run(nil)
	objects := func(tcp float64) reading {
		return reading{objects: append([]float64{tcp}, make([]float64, len(list.names)-1)...)}
	}
	for _, c := range []struct {
		name                string
		peak, left, mayStay float64
		known, back         bool
	}{
		{"all came back", 20_000, 0, 130, true, true},
		{"2 % stay", 20_000, 390, 130, true, true},
		{"5 % stay", 20_000, 1000, 130, true, false},
		{"sheaves hold 5 %", 20_000, 1000, 1500, true, true},
		{"too few to see", 100, 50, 130, false, false},
		{"without sysfs", 300, 50, 0, false, false},
	} {
		list.mayStay = append([]float64{c.mayStay}, make([]float64, len(list.names)-1)...)
		e := &Experiment{caches: list, parts: testParts, base: objects(0), readings: []reading{objects(c.peak)}, last: objects(c.left)}
		e.drain = e.drained(time.Second)
		m := e.found(loadgen.Status{})
		if m.DrainedToBaseline != maybe.When(c.back, c.known) || m.MayParkBytes.Value < int64(c.mayStay*tcpBytes) {
			t.Errorf("%s: %+v of %+v", c.name, m.DrainedToBaseline, e.drain)
		}
	}
}

func TestParseSockstat(t *testing.T) {
	const text = "sockets: used 283\nTCP: inuse 35 orphan 0 tw 4 alloc 59 mem 22\nUDP: inuse 13 mem 6\nFRAG: inuse 0 memory 0\n"
	if got, err := parseSockstat([]byte(text)); err != nil || got != (sockets{used: 283, alloc: 59, waiting: 4}) {
		t.Errorf("%+v, %v", got, err)
	}
	for _, bad := range []string{"", "sockets: used 283\n", strings.Replace(text, "59", "many", 1), strings.Replace(text, "tw 4", "", 1)} {
		if got, err := parseSockstat([]byte(bad)); err == nil {
			t.Errorf("%q: %+v", bad, got)
		}
	}
}

// TestPark: what the CPUs park is read of the caches of a connection alone; a kernel without
// these files parks nothing, and what may not be read is an error.
func TestPark(t *testing.T) {
	list := newCacheList(testMachine().caches, 4096)
	of := map[string]slab.Parked{"TCP": {Sheaves: 10, Slabs: 5}, "dentry": {Slabs: 7}, "odd": {Sheaves: 99}}
	read := func(cache string) (slab.Parked, error) {
		if p, ok := of[cache]; ok {
			return p, nil
		}
		return slab.Parked{}, fs.ErrNotExist
	}
	if err := list.park(testParts, read); err != nil {
		t.Fatal(err)
	}
	for name, i := range list.index {
		p := of[name]
		if name == "odd" {
			p = slab.Parked{} // no part of a connection
		}
		if list.parked[i] != float64(p.Sheaves) || list.mayStay[i] != float64(p.Sheaves+p.Slabs) {
			t.Errorf("%s: %g, %g of %+v", name, list.parked[i], list.mayStay[i], p)
		}
	}
	denied := func(string) (slab.Parked, error) { return slab.Parked{}, fs.ErrPermission }
	if err := list.park(testParts, denied); !errors.Is(err, fs.ErrPermission) {
		t.Error("denied:", err)
	}
}

// TestCgroup: the kernel charges whole batches of pages, one cycle more of them than another.
func TestCgroup(t *testing.T) {
	list, rows := testMachine().run(steps(0, 10_000, 3072, 0))
	batch := float64(chargedPages * os.Getpagesize())
	for i := range rows {
		if h := rows[i].have; h.Sockets == h.Watches {
			rows[i].cgroup, rows[i].charged = math.Ceil(5500*float64(h.Watches)/batch)*batch, true
		}
	}
	a, ok := newAnalysis(list, testParts, rows)
	if !ok {
		t.Fatal("no analysis")
	}
	m := &model.Measurement{}
	a.into(m)
	if half := float64(m.CgroupCI95Bytes.Value); math.Abs(float64(m.CgroupBytes.Value)-5500) > half || half > 200 {
		t.Errorf("%+v ± %+v, want 5500", m.CgroupBytes, m.CgroupCI95Bytes)
	}
}
