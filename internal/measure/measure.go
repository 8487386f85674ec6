// Package measure is the experiment: it opens connections with the load generator in
// cycles, counts the objects of every slab cache after each step, and finds by how much they
// grow for one connection. How far that varies from cycle to cycle is its interval. What the
// rest of the machine allocates in that time shows in rests, in its sockets, and in moves
// that are unlike all others.
//
// In each cycle the four system calls that make a connection run one after another:
// some sockets are made, then connected, then accepted, then watched, with a reading
// after each call. So the growth shows what each of them allocates, and which part of a
// merged cache belongs to which.
//
// While connections are opened only slabinfo, sockstat and the cgroup's own count are read:
// listing fds would grow the very caches that are counted. Other programs may list
// fds; what that grows is known by its proc inodes, and subtracted.
package measure

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"time"

	"github.com/eptop/eptop/internal/cgroup"
	"github.com/eptop/eptop/internal/loadgen"
	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/slab"
)

// Experiment is a load that is measured while it grows. Its methods may be called
// from any goroutine.
type Experiment struct {
	plan     model.LoadPlan
	expected *model.Snapshot
	parts    []known
	gen      *loadgen.Generator
	slab     *slab.FS
	start    time.Time
	ended    chan struct{}
	closed   chan struct{} // closed by Close

	sockstat *sockstat

	mu sync.Mutex
	// target is how many are to be open; moved is closed and made anew when it changes.
	target int64
	moved  chan struct{}
	// settled: all there was to do for target is done.
	settled bool
	caches  cacheList
	// base is the reading before anything was opened.
	base     reading
	readings []reading
	last     reading
	warmUp   int64
	problem  string
	unparked string         // why it is not known what the CPUs park
	opened   loadgen.Status // when the opening had ended, kept after all is closed
	drain    drain
	fitted   *model.Measurement // of so many readings
	fittedOf int
}

// drain is how the closing of all connections went.
type drain struct {
	done bool
	took time.Duration
	// Bytes: peak is what the connections took, left what of it is not free yet, parked what
	// the CPUs may keep of freed objects, mayStay what may be left of memory that came back.
	peak, left, parked, mayStay float64
}

// Start begins to open what plan says. expected has the kernel's costs, which say
// which caches a connection is made of. Start fails where the plan makes no sense or
// the host cannot be read. An unreadable slabinfo is no such error: connections are
// opened all the same.
func Start(plan model.LoadPlan, expected *model.Snapshot) (*Experiment, error) {
	if err := plan.Check(); err != nil {
		return nil, err
	}
	gen, err := loadgen.New(plan.Config)
	if err != nil {
		return nil, err
	}
	stat, err := openSockstat("/proc/net/sockstat")
	if err != nil {
		return nil, errors.Join(err, gen.Close())
	}
	if plan.Family != loadgen.UNIX {
		avoidPorts(gen, stat)
	}
	e := &Experiment{
		sockstat: stat,
		plan:     plan, expected: expected, parts: knownParts(plan, expected), gen: gen, slab: slab.NewFS("/proc", "/sys"), start: time.Now(),
		ended: make(chan struct{}), closed: make(chan struct{}), target: plan.Connections, moved: make(chan struct{}),
	}
	if e.base, err = e.read(); err != nil {
		e.problem = problem(err)
	} else if err := e.caches.park(e.parts, e.parked); err != nil {
		e.unparked = err.Error()
	}
	e.last = e.base
	go e.run()
	return e, nil
}

// parked returns how many free objects of a cache the CPUs and nodes of this machine may park.
func (e *Experiment) parked(cache string) (slab.Parked, error) {
	cpus, nodes := runtime.NumCPU(), 1
	if e.expected != nil {
		cpus, nodes = max(cpus, e.expected.Host.CPUs), max(1, len(e.expected.Nodes))
	}
	return e.slab.Parked(cache, cpus, nodes)
}

func problem(err error) string {
	if errors.Is(err, os.ErrPermission) {
		return "/proc/slabinfo is for root only: run as root to measure what connections cost"
	}
	return err.Error()
}

// Set makes n the number of connections to hold.
func (e *Experiment) Set(n int64) {
	n = min(max(0, n), loadgen.MaxConnections)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.target, e.settled = n, false
	if n > 0 {
		e.drain = drain{}
	}
	close(e.moved)
	e.moved = make(chan struct{})
}

// Settled waits until what was asked for last is done, or cannot be.
func (e *Experiment) Settled(ctx context.Context) error {
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	for {
		e.mu.Lock()
		settled := e.settled
		e.mu.Unlock()
		if settled {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-e.ended:
			return nil
		case <-poll.C:
		}
	}
}

// Close closes all connections, ends all workers and waits for them.
func (e *Experiment) Close() error {
	e.mu.Lock()
	select {
	case <-e.closed:
	default:
		close(e.closed)
	}
	e.mu.Unlock()
	<-e.ended
	e.sockstat.close()
	return e.gen.Close()
}

// stillWithin bounds how long Start waits until what was there before is freed in
// full.
const stillWithin = time.Second

// waitStill takes the base anew until the caches of a connection have stopped
// shrinking: those of a load that has just ended are freed a little later.
func (e *Experiment) waitStill() {
	poll := time.NewTicker(25 * time.Millisecond)
	defer poll.Stop()
	for start := time.Now(); time.Since(start) < stillWithin; {
		select {
		case <-e.closed:
			return
		case <-poll.C:
		}
		r, err := e.read()
		if err != nil {
			return
		}
		e.mu.Lock()
		fell := -e.above(r)
		e.base, e.last = r, r
		e.mu.Unlock()
		if fell < stillBytes {
			return
		}
	}
}

// stillBytes may be freed between two looks at a machine that counts as still.
const stillBytes = 64 << 10

// run moves to target, again and again.
func (e *Experiment) run() {
	defer close(e.ended)
	if e.problemNow() == "" {
		e.waitStill()
	}
	for {
		e.mu.Lock()
		target, moved := e.target, e.moved
		e.mu.Unlock()
		ctx, cancel := context.WithCancel(context.Background())
		go func() {
			select {
			case <-moved:
			case <-e.closed:
			case <-ctx.Done():
			}
			cancel()
		}()
		err := e.move(ctx, target)
		cancel()
		e.mu.Lock()
		if target == e.target {
			e.settled = true
			if err != nil && !errors.Is(err, context.Canceled) {
				e.problem = err.Error()
			}
		}
		e.mu.Unlock()
		select {
		case <-moved:
		case <-e.closed:
			return
		}
	}
}

func (e *Experiment) move(ctx context.Context, target int64) error {
	if open := e.gen.Have().Sockets; target > open {
		return e.climb(ctx, open, target)
	}
	start := time.Now()
	e.gen.Set(target)
	if err := e.gen.Settled(ctx); err != nil {
		return err
	}
	if target > 0 {
		return e.look()
	}
	return e.comeBack(ctx, start)
}

// climb opens connections in steps and takes a reading after each.
func (e *Experiment) climb(ctx context.Context, from, to int64) error {
	e.gen.Begin()
	for _, s := range steps(from, to, e.gen.Backlog(), e.plan.Rate) {
		if err := e.step(ctx, s); err != nil || e.gen.Stopped() {
			e.note()
			return err
		}
	}
	e.note()
	return nil
}

func (e *Experiment) step(ctx context.Context, s step) error {
	if s.rest > 0 {
		if err := pause(ctx, s.rest); err != nil {
			return err
		}
	} else {
		e.gen.SetStages(s.stages)
	}
	for {
		wait, cancel := ctx, func() {}
		if s.every > 0 {
			wait, cancel = context.WithTimeout(ctx, s.every)
		}
		err := e.gen.Settled(wait)
		cancel()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if s.warmUp {
			e.warm()
		} else if err := e.observe(ctx, s.rest > 0); err != nil {
			return err
		}
		if err == nil {
			return nil
		}
	}
}

// warm notes how many connections filled what the caches had free; the analysis leaves them
// out.
func (e *Experiment) warm() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.warmUp = e.gen.Have().Sockets
}

const (
	// settling is the time from the last call of a stage to its first reading: what RCU has
	// still to free counts as active, as at the end of a rest.
	settling = 10 * time.Millisecond
	// A reading is the mean of readEach counts, readApart after one another: freed objects
	// come and go by the hundred beside programs that open and close sockets.
	readEach  = 4
	readApart = 3 * time.Millisecond
)

// observe takes a reading for the analysis.
func (e *Experiment) observe(ctx context.Context, rested bool) error {
	if e.problemNow() != "" {
		return nil
	}
	wait := settling
	if rested {
		wait = 0
	}
	var counts []reading
	for range readEach {
		if err := pause(ctx, wait); err != nil {
			return err
		}
		wait = readApart
		r, err := e.read()
		if err != nil {
			return err
		}
		counts = append(counts, r)
	}
	r := mean(counts)
	// The cgroup is several files to open, whose objects would be counted in a cycle.
	if h := r.have; h.Sockets == h.Accepts && (h.Watches == h.Accepts || h.Watches == 0) {
		if m, err := cgroup.ReadMemory("/proc", os.Getpid()); err == nil && m.KernelBytes.Known {
			r.cgroup, r.charged = float64(m.KernelBytes.Value), true
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.last = counts[len(counts)-1]
	e.readings = append(e.readings, r)
	return nil
}

// pause waits, unless ctx ends before.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// look takes a reading for the screen alone.
func (e *Experiment) look() error {
	if e.problemNow() != "" {
		return nil
	}
	r, err := e.read()
	if err == nil {
		e.mu.Lock()
		e.last = r
		e.mu.Unlock()
	}
	return err
}

func (e *Experiment) problemNow() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.problem
}

// note keeps the status at the end of the opening.
func (e *Experiment) note() {
	st := e.gen.Status()
	e.mu.Lock()
	defer e.mu.Unlock()
	e.opened = st
}

const (
	// backWithin is how long freed objects may take to be counted as free: RCU and
	// delayed work release them late.
	backWithin = 5 * time.Second
	// backShare of what the connections took may stay, and what the CPUs may keep of it: free
	// objects on per-CPU slabs and in sheaves count as used. Where that cannot be read it is
	// taken for backBytes.
	backShare = 0.02
	backBytes = 1 << 20
)

// comeBack waits for the memory to come back and notes whether it did.
func (e *Experiment) comeBack(ctx context.Context, start time.Time) error {
	took := time.Since(start)
	poll := time.NewTicker(50 * time.Millisecond)
	defer poll.Stop()
	for {
		if err := e.look(); err != nil {
			return err
		}
		e.mu.Lock()
		d := e.drained(took)
		e.drain = d
		e.mu.Unlock()
		if d.left <= d.mayStay || time.Since(start) > took+backWithin {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-poll.C:
		}
	}
}

// drained returns how the closing went by the last reading.
func (e *Experiment) drained(took time.Duration) drain {
	d := drain{done: true, took: took, left: e.above(e.last)}
	for _, r := range e.readings {
		d.peak = max(d.peak, e.above(r))
	}
	for _, i := range e.caches.of(e.parts) {
		d.parked += e.caches.mayStay[i] * e.caches.bytes[i]
	}
	if d.parked == 0 {
		d.parked = backBytes
	}
	d.mayStay = max(backShare*d.peak, d.parked)
	return d
}

// read counts the objects of all caches.
func (e *Experiment) read() (reading, error) {
	cs, err := e.slab.Caches()
	if err != nil {
		return reading{}, fmt.Errorf("count slab objects: %w", err)
	}
	r := reading{at: time.Since(e.start), have: e.gen.Have()}
	if st, err := e.sockstat.read(); err == nil {
		r.foreign, r.waiting = float64(st.alloc), float64(st.waiting)
		r.any = float64(st.used - r.have.Sockets - r.have.Connects)
		if e.plan.Family != loadgen.UNIX {
			r.foreign -= float64(r.have.Sockets + r.have.Connects)
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.caches.names == nil {
		e.caches = newCacheList(cs, os.Getpagesize())
	}
	r.objects = e.caches.objects(cs)
	return r, nil
}
