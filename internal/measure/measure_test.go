package measure

import (
	"context"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/eptop/eptop/internal/collect"
	"github.com/eptop/eptop/internal/loadgen"
	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/model"
)

func TestMain(m *testing.M) {
	loadgen.RunIfWorker()
	if noise, ok := noises[os.Getenv(noiseEnv)]; ok {
		noise()
	}
	os.Exit(m.Run())
}

// kernel returns the costs of the running kernel.
func kernel(tb testing.TB) *model.Snapshot {
	tb.Helper()
	c, err := collect.New(collect.Options{ProcRoot: "/proc", SysRoot: "/sys", MaxStall: collect.DefaultMaxStall})
	if err != nil {
		tb.Fatal(err)
	}
	defer c.Close()
	s, err := c.Look(tb.Context(), model.Focus{Limits: true})
	if err != nil {
		tb.Fatal(err)
	}
	return model.New(s)
}

func begin(tb testing.TB, plan model.LoadPlan, snap *model.Snapshot) *Experiment {
	tb.Helper()
	e, err := Start(plan, snap)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := e.Close(); err != nil {
			tb.Error(err)
		}
	})
	return e
}

func settle(tb testing.TB, e *Experiment) *model.Load {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	if err := e.Settled(ctx); err != nil {
		tb.Fatal(err)
	}
	return e.Load()
}

func plan(n int64, change ...func(*model.LoadPlan)) model.LoadPlan {
	p := model.DefaultLoadPlan()
	p.Connections, p.Floor = n, 0.02
	for _, f := range change {
		f(&p)
	}
	return p
}

func needRoot(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root, for /proc/slabinfo")
	}
}

// A measurement may be repeated tries times: a disturbance by the rest of the machine
// passes, and a wrong slope is wrong each time. Runs during which others open
// connections by the thousand do not count, up to most.
const (
	tries = 3
	most  = 12
)

// repeat measures until nothing is wrong, or gives up.
func repeat(t *testing.T, once func() (wrong string, e *Experiment)) {
	t.Helper()
	for try, all := 0, 1; ; all++ {
		wrong, e := once()
		if wrong == "" {
			return
		}
		quiet := !e.disturbed()
		if quiet {
			try++
		}
		t.Logf("quiet %v: %s", quiet, wrong)
		if try == tries || all == most {
			t.Fatalf("wrong in each of %d tries, %d of them on a quiet machine", all, try)
		}
	}
}

// disturbed reports whether other programs opened or closed many connections in that
// time.
func (e *Experiment) disturbed() bool {
	least, top := e.last.foreign, e.last.foreign
	for _, r := range append(e.readings, e.base) {
		least, top = min(least, r.foreign), max(top, r.foreign)
	}
	// After draining, the last reading contains nothing of this program.
	return top-least > 500
}

// off returns how far a number is from the wanted one; "" where it is near enough.
func off(what string, got, want maybe.Of[int64], share float64) string {
	if !got.Known || math.Abs(float64(got.Value-want.Value)) > share*float64(want.Value) {
		return fmt.Sprintf("%s: %+v, want %d within %g %%\n", what, got, want.Value, 100*share)
	}
	return ""
}

// expected returns what the sizes of this kernel's objects add up to, with the
// client's bind buckets as they were found: ports on which other programs' connections
// wait already have theirs.
func expected(m *model.Measurement) maybe.Of[int64] {
	want := float64(m.ExpectedBytes.Value)
	for _, p := range m.Parts {
		if strings.Contains(p.Cache, "tcp_bind_bucket") {
			want += p.Bytes - 2*p.BytesPerObject
		}
	}
	return rounded(want)
}

// TestMeasuresThisKernel: the measured costs equal the sum of the sizes of this
// kernel's objects.
func TestMeasuresThisKernel(t *testing.T) {
	needRoot(t)
	snap := kernel(t)
	for _, family := range loadgen.Families() {
		t.Run(string(family), func(t *testing.T) {
			repeat(t, func() (string, *Experiment) { return measureOnce(t, snap, family) })
		})
	}
}

func measureOnce(t *testing.T, snap *model.Snapshot, family loadgen.Family) (wrong string, e *Experiment) {
	e, err := Start(plan(10_000, func(p *model.LoadPlan) { p.Family = family }), snap)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	l := settle(t, e)
	if l.Open != 10_000 || l.Problem != "" || l.Phase != loadgen.Holding {
		t.Fatalf("%+v", l)
	}
	m := l.Found
	wrong += off("a connection", m.BytesPerConnection, expected(m), 0.02)
	// These may be too vague to be reported, but must not be wrong.
	if m.BytesPerWatch.Known {
		wrong += off("a watch", m.BytesPerWatch, m.ExpectedWatch, 0.03)
	}
	if m.BytesPerEnd.Known {
		wrong += off("an end", m.BytesPerEnd, m.ExpectedEnd, 0.05)
	}
	wrong += off("memory above the baseline", l.AboveBytes, maybe.Some(10_000*m.ExpectedBytes.Value), 0.1)
	// Where other programs were at work the stages are withheld, and so is all of it.
	if len(m.Stages) != 4 || len(m.Parts) < 6 {
		wrong += fmt.Sprintf("%d stages, %d parts: %+v\n", len(m.Stages), len(m.Parts), m)
	}
	if len(l.Points) < 10 {
		t.Errorf("%d points", len(l.Points))
	}
	if rate := float64(m.Opened) / m.OpenSeconds; math.Abs(rate-m.PerSecond) > 0.01*rate {
		t.Errorf("%d opened in %g s are not %g a second", m.Opened, m.OpenSeconds, m.PerSecond)
	}
	e.Set(20_000)
	if l := settle(t, e); l.Open != 20_000 {
		t.Fatalf("%+v", l)
	}
	e.Set(0)
	l = settle(t, e)
	if l.Phase != loadgen.Drained || l.Open != 0 || len(l.Workers) != 0 {
		t.Fatalf("%+v", l)
	}
	m = e.Result()
	if m.Opened != 20_000 || !m.DrainedToBaseline.Known {
		t.Errorf("drained %+v with %+v left, %d opened", m.DrainedToBaseline, m.LeftBytes, m.Opened)
	}
	if !m.DrainedToBaseline.Value {
		wrong += fmt.Sprintf("%d bytes did not come back\n", m.LeftBytes.Value)
	}
	return wrong, e
}

func TestMeasuresWithoutWatches(t *testing.T) {
	needRoot(t)
	snap := kernel(t)
	repeat(t, func() (string, *Experiment) {
		e := begin(t, plan(5000, func(p *model.LoadPlan) { p.Watch = loadgen.WatchNone }), snap)
		m := settle(t, e).Found
		if m.BytesPerWatch.Known || m.ExpectedWatch.Known || len(m.Stages) > 3 {
			t.Errorf("%+v", m)
		}
		wrong := off("a connection", m.BytesPerConnection, expected(m), 0.02)
		e.Set(0)
		settle(t, e)
		return wrong, e
	})
}

func TestChangesItsMind(t *testing.T) {
	e := begin(t, plan(400_000), kernel(t))
	deadline := time.Now().Add(time.Minute)
	for e.Load().Open < 1000 {
		if time.Now().After(deadline) {
			t.Fatal("nothing opens")
		}
	}
	e.Set(700)
	if l := settle(t, e); l.Open != 700 || l.Phase != loadgen.Holding || l.Wanted != 700 {
		t.Fatalf("%+v", l)
	}
	e.Set(0)
	if l := settle(t, e); l.Phase != loadgen.Drained {
		t.Fatalf("%+v", l)
	}
	e.Set(300)
	if l := settle(t, e); l.Open != 300 {
		t.Fatalf("%+v", l)
	}
}

func TestStoppedByMemory(t *testing.T) {
	e := begin(t, plan(1_000_000, func(p *model.LoadPlan) { p.Floor = 0.999 }), kernel(t))
	l := settle(t, e)
	if l.StoppedBy != "memory" || l.Found.StoppedBy != "memory" || l.Open >= 1_000_000 || l.Problem != "" {
		t.Errorf("%+v", l)
	}
	// What was opened until then can still be closed.
	e.Set(0)
	if l := settle(t, e); l.Phase != loadgen.Drained {
		t.Errorf("%+v", l)
	}
}

func TestPlanThatMakesNoSense(t *testing.T) {
	for _, n := range []int64{0, -5, 1e12} {
		if _, err := Start(plan(n), nil); err == nil || !strings.Contains(err.Error(), fmt.Sprint(n)) {
			t.Errorf("%d connections: %v", n, err)
		}
	}
	if _, err := Start(plan(1, func(p *model.LoadPlan) { p.Family = "udp" }), nil); err == nil {
		t.Error("family udp: no error")
	}
}

func TestThin(t *testing.T) {
	var points []model.LoadPoint
	for i := range int64(1001) {
		points = append(points, model.LoadPoint{Connections: i, Bytes: i * 8122})
	}
	got := thin(points)
	if len(got) > mostPoints || len(got) < mostPoints/2 || got[0].Connections != 0 || got[len(got)-1].Connections != 1000 {
		t.Errorf("%d points from %d to %d", len(got), got[0].Connections, got[len(got)-1].Connections)
	}
}

// BenchmarkAnalysis prints what one analysis of a run costs: the dashboard does one
// each time it shows a new reading.
func BenchmarkAnalysis(b *testing.B) {
	list, rows := testMachine().run(steps(0, 10_000, 3072, 0))
	for b.Loop() {
		a, ok := newAnalysis(list, testParts, rows)
		if !ok {
			b.Fatal("no analysis")
		}
		m := &model.Measurement{}
		a.into(m)
		if math.Abs(float64(m.BytesPerConnection.Value)-7647) > 60 {
			b.Fatal(m.BytesPerConnection)
		}
	}
}
