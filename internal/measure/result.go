package measure

import (
	"fmt"
	"time"

	"github.com/eptop/eptop/internal/loadgen"
	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/units"
)

// freshFor is the age up to which a screen shows a reading.
const freshFor = 200 * time.Millisecond

// mostPoints bounds how many points a chart gets.
const mostPoints = 240

// Status returns how far the connections are.
func (e *Experiment) Status() model.LoadStatus {
	st := e.gen.Status()
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.adjust(st)
}

// adjust turns the generator's status into that of the experiment.
func (e *Experiment) adjust(st loadgen.Status) model.LoadStatus {
	st.Wanted = max(0, e.target-st.GivenUp)
	// Between two steps the generator rests, but the experiment goes on.
	if st.Phase == loadgen.Holding && !e.settled && st.Wanted > st.Open {
		st.Phase = loadgen.Opening
	}
	if st.Phase == loadgen.Opening && st.PerSecond > 0 {
		st.Left = time.Duration(min(float64(max(0, st.Wanted-st.Open))/st.PerSecond, 1e9) * float64(time.Second))
	}
	return st
}

// Load returns how far the experiment is and what it has found.
func (e *Experiment) Load() *model.Load {
	st := e.gen.Status()
	e.mu.Lock()
	stale := e.problem == "" && time.Since(e.start)-e.last.at > freshFor && e.settled
	e.mu.Unlock()
	var problem string
	if stale {
		if err := e.look(); err != nil {
			problem = err.Error()
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	l := &model.Load{Plan: e.plan, Time: time.Now(), Status: e.adjust(st), Problem: e.problem, Found: e.found(st)}
	if l.Problem == "" {
		l.Problem = problem
	}
	if e.base.objects == nil {
		return l
	}
	l.AboveBytes = roundOff(e.above(e.last))
	for _, r := range e.readings {
		if r.have.Sockets == r.have.Watches || e.plan.Watch == loadgen.WatchNone && r.have.Sockets == r.have.Accepts {
			l.Points = append(l.Points, model.LoadPoint{Connections: r.have.Sockets, Bytes: int64(e.above(r))})
		}
	}
	l.Points = thin(l.Points)
	return l
}

// thin drops every other point until few enough are left, but keeps the last.
func thin(points []model.LoadPoint) []model.LoadPoint {
	for len(points) > mostPoints {
		last := points[len(points)-1]
		kept := points[:0]
		for i := 0; i < len(points); i += 2 {
			kept = append(kept, points[i])
		}
		if kept[len(kept)-1] != last {
			kept = append(kept, last)
		}
		points = kept
	}
	return points
}

// Result returns the measurement as it stands.
func (e *Experiment) Result() *model.Measurement {
	st := e.gen.Status()
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.found(st)
}

// above returns how many bytes more the connection's caches have than before.
func (e *Experiment) above(r reading) float64 {
	sum := 0.0
	for _, i := range e.caches.of(e.parts) {
		sum += (r.objects[i] - e.base.objects[i]) * e.caches.bytes[i]
	}
	return sum
}

// found returns what is known by now.
func (e *Experiment) found(st loadgen.Status) *model.Measurement {
	if e.fitted == nil || e.fittedOf != len(e.readings) {
		e.fitted, e.fittedOf = e.fit(), len(e.readings)
	}
	m := *e.fitted
	m.Opening = model.NewOpening(e.plan, m.Kernel, e.opened, st)
	m.Workers, m.WorkerRSSBytes = len(e.opened.Workers), e.opened.WorkerBytes
	m.StoppedBy, m.Reason = e.opened.StoppedBy, e.opened.Reason
	if !m.BytesPerConnection.Known && m.Doubt == "" {
		m.Doubt = explainTooFew(&m)
	}
	if d := e.drain; d.done && e.base.objects != nil {
		// Whether less than the CPUs may keep came back cannot be seen.
		m.DrainedToBaseline = maybe.When(d.left <= d.mayStay, d.peak > d.parked)
		m.LeftBytes, m.MayParkBytes = roundOff(max(0, d.left)), roundOff(d.parked)
		m.DrainSeconds = d.took.Seconds()
	}
	return &m
}

func (e *Experiment) fit() *model.Measurement {
	m := &model.Measurement{
		Schema: model.MeasureSchema, FolkloreBytes: model.FolkloreBytes, Readings: len(e.readings), WarmUpConnections: e.warmUp,
	}
	if e.expected != nil {
		m.Kernel = e.expected.Host.Kernel
		idle := e.plan
		idle.UnreadBytes = 0
		m.ExpectedBytes = e.expected.Preflight(idle).BytesPerConnection
		if end, ok := e.expected.ConnectionCost.Of(e.plan.Family); ok && !end.AtLeast {
			m.ExpectedEnd = maybe.Some(end.Bytes)
		}
		if w, ok := e.expected.Epoll.Cost.Get(); ok && !w.AtLeast && e.plan.Watch != loadgen.WatchNone {
			m.ExpectedWatch = maybe.Some(w.Bytes)
		}
	}
	if a, ok := newAnalysis(e.caches, e.parts, e.readings); ok {
		a.buffers = bufferCaches(e.plan, e.expected)
		a.into(m)
		if e.unparked != "" {
			m.LeavesOut = append(m.LeavesOut, "free objects that the CPUs park, which count as used: "+e.unparked)
		}
		for _, p := range m.Parts {
			if p.Difference != "" {
				m.Differences = append(m.Differences, p.Difference)
			}
		}
	}
	return m
}

// explainTooFew returns why few connections have no cost.
func explainTooFew(m *model.Measurement) string {
	switch {
	case m.StoppedBy == "" && m.Opened == 0:
		return "none was opened"
	case m.StoppedBy == "" || m.Opened >= m.Connections:
		return fmt.Sprintf("%s in %d readings are lost in what the allocator itself rounds", units.Many(m.Opened, "connection"), m.Readings)
	}
	why := string(m.StoppedBy)
	if m.Reason != "" {
		why += ": " + m.Reason
	}
	return fmt.Sprintf("%s of %s could be opened (%s)", units.Count(m.Opened), units.Many(m.Connections, "connection"), why)
}
