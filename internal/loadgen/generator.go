package loadgen

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Generator opens, holds and closes connections. Its methods may be called from any
// goroutine.
type Generator struct {
	config Config
	bounds bounds
	taken  *[1 << 16]bool // ports that workers avoid; nil where they choose none
	log    *os.File       // what workers write when they fail

	wake  chan struct{}
	exits chan exit
	ended chan struct{}

	mu sync.Mutex
	// changed is closed and made anew whenever something has happened.
	changed chan struct{}
	wanted  Stages
	closing bool
	pairs   []*pair
	started int64 // pairs started so far
	bucket  bucket
	status  Status
	// gone is what the pairs that have ended had counted.
	gone tally
	// lost counts the connections that ended with a worker, and those that pairs which have
	// ended had lost before.
	lost    int64
	phaseAt time.Time // when the phase was last looked at
	wasOpen int64     // connections open then
	opened  int64     // connections opened since all was drained
	guardAt time.Time
	// granted is how many connections memory was seen to have room for.
	granted int64
	// oomKills is how many the kernel had killed in this cgroup before the first pair.
	oomKills uint64
	nudgeAt  time.Time
	stepAt   time.Time
	// most is the limit of pairs that was nearest when the first was started.
	most PairLimit
	// full is why no further pair can be started; wall is "" where one can.
	full struct {
		wall   Wall
		reason string
	}
	// patience is how long a pair may do nothing of what is wanted of it.
	patience time.Duration
	cgroups  func() (Cgroups, error)
}

// New makes a generator that holds nothing yet; it starts no process before
// connections are wanted.
func New(c Config) (*Generator, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	limits, errLimits := ReadLimits("/proc")
	b, err := newBounds(c, limits)
	if err != nil {
		return nil, errors.Join(err, errLimits)
	}
	fd, err := unix.MemfdCreate("eptop-load-log", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("memfd_create: %w", err)
	}
	g := &Generator{
		config: c, bounds: b, log: os.NewFile(uintptr(fd), "eptop-load-log"),
		wake: make(chan struct{}, 1), exits: make(chan exit), ended: make(chan struct{}), changed: make(chan struct{}),
		gone: newTally(), patience: patience, cgroups: func() (Cgroups, error) { return readCgroups("/proc") },
		status: Status{Phase: Drained},
	}
	go g.run()
	return g, nil
}

// Backlog is how many connections may have come to one stage and not to the next.
func (g *Generator) Backlog() int64 { return g.bounds.backlog }

// Set makes n the number of connections to hold, which may be more or fewer than are
// open. A generator that a limit had stopped tries again.
func (g *Generator) Set(n int64) {
	g.Begin()
	g.SetStages(All(n))
}

// Begin forgets what was given up with workers that died: the next wish counts in
// full.
func (g *Generator) Begin() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.status.GivenUp = 0
}

// SetStages is Set with a number for each stage. What was given up since Begin is
// subtracted. From one call to the next stages may only grow, until all are equal
// again.
func (g *Generator) SetStages(s Stages) {
	g.mu.Lock()
	defer g.mu.Unlock()
	s = s.less(g.status.GivenUp)
	if g.closing || s == g.wanted && g.status.StoppedBy == "" {
		return
	}
	now := time.Now()
	if s.Sockets < g.wanted.Sockets {
		g.bucket, g.granted = bucket{}, min(g.granted, s.Sockets)
	}
	g.wanted = s
	g.status.Wanted = s.Sockets
	g.status.StoppedBy, g.status.Reason = "", ""
	g.full.wall = ""
	for _, p := range g.pairs {
		p.retry()
	}
	g.setPhase(now)
	g.poke()
}

func (g *Generator) poke() {
	select {
	case g.wake <- struct{}{}:
	default:
	}
}

// Status returns how far the connections are now.
func (g *Generator) Status() Status {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.count()
	if slices.ContainsFunc(g.pairs, func(p *pair) bool { return p.page.server.lost.Load() != p.lost }) {
		g.poke() // workers report nothing by themselves
	}
	st := g.status
	st.Failures = maps.Clone(st.Failures)
	st.Workers = nil
	for _, p := range g.pairs {
		for _, w := range p.workers() {
			if !w.gone {
				st.Workers = append(st.Workers, w.pid)
			}
		}
	}
	st.WorkerBytes = resident(st.Workers)
	return st
}

// Have returns how many connections have reached each stage. It makes no system call.
func (g *Generator) Have() Stages {
	g.mu.Lock()
	defer g.mu.Unlock()
	var s Stages
	for _, p := range g.pairs {
		s.add(p.page.stages())
	}
	return s
}

// Stopped reports whether a limit has ended the opening. Unlike Status it reads
// nothing about the workers.
func (g *Generator) Stopped() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.status.StoppedBy != ""
}

// Settled waits until all that was wanted is open, or until no more can be.
func (g *Generator) Settled(ctx context.Context) error {
	for {
		g.mu.Lock()
		phase, changed := g.status.Phase, g.changed
		g.mu.Unlock()
		if phase == Holding || phase == Drained {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		}
	}
}

// Close closes all connections, ends all workers and waits for them. It may be called
// again.
func (g *Generator) Close() error {
	g.mu.Lock()
	first := !g.closing
	g.closing = true
	g.wanted = Stages{}
	g.status.Wanted = 0
	g.mu.Unlock()
	g.poke()
	<-g.ended
	if first {
		return g.log.Close()
	}
	return nil
}

// tick returns how often to look while something changes: seldom enough to cost
// nothing compared with the work done in between.
func (g *Generator) tick() time.Duration {
	if g.config.Rate > 0 {
		return 10 * time.Millisecond
	}
	return 2 * time.Millisecond
}

func (g *Generator) run() {
	// The kernel kills workers when the thread that started them ends. This thread is
	// kept for that, and ends with this goroutine, when all workers are gone.
	runtime.LockOSThread()
	defer close(g.ended)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-g.wake:
		case e := <-g.exits:
			g.mu.Lock()
			g.bookExit(e)
			g.mu.Unlock()
		case <-timer.C:
		}
		g.mu.Lock()
		busy := g.step(time.Now())
		over := g.closing && len(g.pairs) == 0
		close(g.changed)
		g.changed = make(chan struct{})
		g.mu.Unlock()
		if over {
			return
		}
		if busy {
			timer.Reset(g.tick())
		} else {
			timer.Stop()
		}
	}
}
