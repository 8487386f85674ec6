package loadgen

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Generator opens, holds and closes connections. Its methods may be called from any
// goroutine.
type Generator struct {
	config Config
	guards []Guard
	limits limits
	log    *os.File // what workers write when they fail

	wake  chan struct{}
	exits chan exit
	ended chan struct{}

	mu sync.Mutex
	// changed is closed and made anew whenever something happened.
	changed chan struct{}
	wanted  Stages
	closing bool
	pairs   []*pair
	started int64 // pairs ever
	bucket  bucket
	status  Status
	// gone is what pairs that have ended had counted.
	gone    tally
	phaseAt time.Time // when the phase was last looked at
	wasOpen int64     // connections open then
	opened  int64     // connections opened since all was drained
	guardAt time.Time
	nudgeAt time.Time
}

// tally is what workers count over their lives.
type tally struct {
	failures       map[string]int64
	failed         int64
	echoes, unread int64
}

// Guard is asked again and again while connections are opened whether to go on: it
// names the wall that is near, in the words of Status.StoppedBy, and says why; wall ""
// goes on.
type Guard func() (wall, reason string)

// New makes a generator that holds nothing yet; no process is started before
// connections are wanted. Besides MemAvailable it heeds guards.
func New(c Config, guards ...Guard) (*Generator, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	l, err := readLimits(c)
	if err != nil {
		return nil, err
	}
	fd, err := unix.MemfdCreate("eptop-load-log", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("memfd_create: %w", err)
	}
	g := &Generator{
		config: c, guards: guards, limits: l, log: os.NewFile(uintptr(fd), "eptop-load-log"),
		wake: make(chan struct{}, 1), exits: make(chan exit), ended: make(chan struct{}), changed: make(chan struct{}),
		gone:   tally{failures: map[string]int64{}},
		status: Status{Phase: Drained},
	}
	go g.run()
	return g, nil
}

// Backlog is how many connections may have come to one stage and not to the next.
func (g *Generator) Backlog() int64 { return g.limits.backlog }

// Set makes n the number of connections that are to be open, more or fewer than are.
// It lets a generator that was stopped by a limit try again.
func (g *Generator) Set(n int64) { g.SetStages(All(n)) }

// SetStages does it for each stage apart. Stages may only grow from one call to the
// next, until all are the same again.
func (g *Generator) SetStages(s Stages) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closing || s == g.wanted && g.status.StoppedBy == "" {
		return
	}
	now := time.Now()
	if s.Sockets < g.wanted.Sockets {
		g.bucket = bucket{}
	}
	g.wanted = s
	g.status.Wanted = s.Sockets
	g.status.StoppedBy, g.status.Reason = "", ""
	for _, p := range g.pairs {
		p.retry()
	}
	g.setPhase(now)
	g.poke()
}

// Add adds n connections to those wanted, or takes some away, and says how many
// are wanted then.
func (g *Generator) Add(n int64) int64 {
	g.mu.Lock()
	wanted := min(max(0, g.wanted.Sockets+n), MaxConnections)
	g.mu.Unlock()
	g.Set(wanted)
	return wanted
}

func (g *Generator) poke() {
	select {
	case g.wake <- struct{}{}:
	default:
	}
}

// Status is how far it is now.
func (g *Generator) Status() Status {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.count()
	st := g.status
	st.Failures = maps.Clone(st.Failures)
	st.Workers = nil
	for _, p := range g.pairs {
		for _, w := range []*worker{p.server, p.client} {
			if !w.gone {
				st.Workers = append(st.Workers, w.cmd.Process.Pid)
			}
		}
	}
	st.WorkerBytes = resident(st.Workers)
	return st
}

// Have is how far the connections are, read without any system call.
func (g *Generator) Have() Stages {
	g.mu.Lock()
	defer g.mu.Unlock()
	var s Stages
	for _, p := range g.pairs {
		s.add(p.page.stages())
	}
	return s
}

// Settled waits until what was wanted is there or cannot be had.
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

// Close closes all connections and ends all workers, and waits for that. It may be
// called again.
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

// tick is how often it looks while something changes: nothing beside the work that is
// done meanwhile.
func (g *Generator) tick() time.Duration {
	if g.config.Rate > 0 {
		return 10 * time.Millisecond
	}
	return 2 * time.Millisecond
}

func (g *Generator) run() {
	defer close(g.ended)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-g.wake:
		case e := <-g.exits:
			g.mu.Lock()
			g.exited(e)
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

// step gives the pairs their part and sees how far they are; it says whether to look
// again soon.
func (g *Generator) step(now time.Time) (busy bool) {
	g.count()
	g.guard(now)
	g.checkStopped()
	g.hire()
	g.deal(now)
	busy = g.setPhase(now)
	if busy {
		g.nudge(now)
	}
	return busy
}

// nudgeEach is how often workers that are not where they should be are told to look
// again: one may have gone to sleep before the other changed what it would have seen.
const nudgeEach = 20 * time.Millisecond

func (g *Generator) nudge(now time.Time) {
	if now.Sub(g.nudgeAt) < nudgeEach {
		return
	}
	g.nudgeAt = now
	for _, p := range g.pairs {
		if !p.retiring && !p.reached(g.config.Watch != WatchNone) {
			p.server.wake()
			p.client.wake()
		}
	}
}

// hire starts pairs for what is wanted, and retires those nothing is wanted of.
func (g *Generator) hire() {
	need := (g.wanted.Sockets + g.limits.perPair - 1) / g.limits.perPair
	live := int64(0)
	opening := 0
	for _, p := range g.pairs {
		if p.retiring {
			continue
		}
		live++
		if live > need {
			p.retire()
			continue
		}
		if p.page.stages().Sockets < g.limits.perPair {
			opening++
		}
	}
	// One pair is started ahead, so that nobody waits for a process to start.
	if live >= need || opening > atOnce() || g.status.StoppedBy != "" {
		return
	}
	p, err := newPair(g.order(), g.log, g.exits)
	if err != nil {
		g.stop("error", err.Error())
		return
	}
	g.started++
	g.pairs = append(g.pairs, p)
}

// atOnce is how many pairs open at the same time. Each keeps a client busy, and the
// server half as much.
func atOnce() int { return runtime.NumCPU() }

func (g *Generator) order() order {
	room := g.limits.perPair
	return order{
		Config: g.config, Pair: g.started, Parent: os.Getpid(), Room: room,
		Backlog: g.limits.backlog, PortsEach: g.limits.portsEach,
	}
}

// deal gives each pair its part.
func (g *Generator) deal(now time.Time) {
	if g.status.StoppedBy != "" {
		for _, p := range g.pairs {
			p.freeze()
		}
		return
	}
	most := g.wanted
	if g.config.Rate > 0 {
		most = most.least(All(g.bucket.allowed(now, float64(g.config.Rate), g.status.Open, g.wanted.Sockets)))
	}
	before := int64(0)
	opening := 0
	for _, p := range g.pairs {
		if p.retiring {
			continue
		}
		want := most.clamp(before, g.limits.perPair)
		before += g.limits.perPair
		if p.page.stages().Connects < want.Connects {
			if opening++; opening > atOnce() && p.want == (Stages{}) {
				continue
			}
		}
		p.ask(want)
	}
}

// bucket lets connections through at a rate.
type bucket struct {
	from time.Time
	base int64
}

// allowed is how many may be open at now.
func (b *bucket) allowed(now time.Time, rate float64, open, wanted int64) int64 {
	if open >= wanted {
		*b = bucket{}
		return wanted
	}
	if b.from.IsZero() {
		*b = bucket{from: now, base: open}
	}
	return min(wanted, b.base+1+int64(now.Sub(b.from).Seconds()*rate))
}

// guardEach is how often MemAvailable is looked at while connections are opened: the
// fastest machine opens some tens of megabytes meanwhile.
const guardEach = 50 * time.Millisecond

// guard stops the opening before memory runs out.
func (g *Generator) guard(now time.Time) {
	if g.status.Phase != Opening || g.status.StoppedBy != "" || now.Sub(g.guardAt) < guardEach {
		return
	}
	g.guardAt = now
	available, total, err := memory()
	if err != nil {
		g.stop("error", "the memory that is left cannot be seen: "+err.Error())
		return
	}
	if float64(available) < g.config.Floor*float64(total) {
		g.stop("memory", fmt.Sprintf("less than %g %% of the memory is available", 100*g.config.Floor))
		return
	}
	for _, guard := range g.guards {
		if wall, reason := guard(); wall != "" {
			g.stop(wall, reason)
			return
		}
	}
}

// checkStopped looks whether a worker can open no more.
func (g *Generator) checkStopped() {
	for _, p := range g.pairs {
		if c, errno, ok := p.stopped(); ok && !p.retiring && g.status.StoppedBy == "" {
			g.stop(wall(c, errno), reason(c, errno))
		}
	}
}

func (g *Generator) stop(wall, reason string) {
	g.status.StoppedBy, g.status.Reason = wall, reason
}

// exited books the end of a worker. One that was not dismissed takes its pair along.
func (g *Generator) exited(e exit) {
	e.worker.gone = true
	e.worker.dismiss()
	p := e.pair
	if !p.retiring {
		lost := p.open(g.config)
		g.status.Lost += lost
		// What it was to hold is not tried again: who ended it had a reason.
		share := g.wanted.clamp(g.limits.perPair*int64(slices.Index(g.living(), p)), g.limits.perPair)
		g.wanted.Sockets -= share.Sockets
		g.wanted.Connects -= share.Connects
		g.wanted.Accepts -= share.Accepts
		g.wanted.Watches -= share.Watches
		if c, errno, ok := p.stopped(); ok {
			g.stop(wall(c, errno), reason(c, errno))
		}
		g.status.LastLoss = e.describe() + g.lastWords()
	}
	p.retire()
	if !p.server.gone || !p.client.gone {
		return
	}
	g.keep(p.page)
	g.pairs = slices.DeleteFunc(g.pairs, func(q *pair) bool { return q == p })
	p.page.unmap()
}

// living are the pairs that are not about to end.
func (g *Generator) living() []*pair {
	return slices.DeleteFunc(slices.Clone(g.pairs), func(p *pair) bool { return p.retiring })
}

// lastWords is the last line that a worker has written.
func (g *Generator) lastWords() string {
	text, err := io.ReadAll(io.NewSectionReader(g.log, 0, 1<<20))
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	if err != nil || lines[len(lines)-1] == "" {
		return ""
	}
	return ": " + lines[len(lines)-1]
}

// open is how many whole connections the pair holds.
func (p *pair) open(c Config) int64 {
	if p.retiring {
		return 0
	}
	if c.Watch == WatchNone {
		return p.page.server.accepts.Load()
	}
	return p.page.server.watches.Load()
}

// count sums up what the pairs have and had.
func (g *Generator) count() {
	st := &g.status
	st.Open, st.Have = 0, Stages{}
	st.Failed, st.Echoes, st.UnreadBytes = g.gone.failed, g.gone.echoes, g.gone.unread
	st.Failures = maps.Clone(g.gone.failures)
	for _, p := range g.pairs {
		st.Have.add(p.page.stages())
		st.Open += p.open(g.config)
		t := countOf(p.page)
		st.Failed += t.failed
		st.Echoes += t.echoes
		st.UnreadBytes += t.unread
		for name, n := range t.failures {
			st.Failures[name] += n
		}
	}
	st.Peak = max(st.Peak, st.Open)
}

func countOf(p *page) tally {
	t := tally{failures: map[string]int64{}, echoes: p.client.echoes.Load(), unread: p.client.unread.Load()}
	for _, side := range []*trouble{&p.client.trouble, &p.server.trouble} {
		for i := range side.failed {
			n := side.failed[i].Load()
			if n == 0 {
				continue
			}
			name := "other"
			if i < len(failures) {
				name = unix.ErrnoName(failures[i])
			}
			t.failures[name] += n
			t.failed += n
		}
	}
	return t
}

// keep remembers what a pair that has ended had counted.
func (g *Generator) keep(p *page) {
	t := countOf(p)
	g.gone.failed += t.failed
	g.gone.echoes += t.echoes
	g.gone.unread += t.unread
	for name, n := range t.failures {
		g.gone.failures[name] += n
	}
}

// setPhase sees how far it is, and says whether something is still changing.
func (g *Generator) setPhase(now time.Time) (busy bool) {
	was, phase := g.status.Phase, g.phase()
	g.pace(now, was == Opening)
	if was == Drained && phase == Opening {
		g.status.OpenTook, g.opened, g.status.PerSecond = 0, 0, 0
	}
	g.status.Phase = phase
	return phase == Opening || phase == Draining
}

func (g *Generator) phase() Phase {
	retiring, reached, quiet := false, true, true
	room := int64(0)
	watched := g.config.Watch != WatchNone
	for _, p := range g.pairs {
		if p.retiring {
			retiring = true
			continue
		}
		want := g.wanted.clamp(room, g.limits.perPair)
		room += g.limits.perPair
		reached = reached && p.want == want && p.reached(watched)
		quiet = quiet && p.quiet(watched)
	}
	switch {
	case g.wanted == (Stages{}) && len(g.pairs) == 0:
		return Drained
	case retiring:
		return Draining
	case g.status.StoppedBy != "" && quiet:
		return Holding
	case g.status.StoppedBy != "":
		return Opening
	case reached && room >= g.wanted.Sockets:
		return Holding
	case g.status.Have.Sockets > g.wanted.Sockets:
		return Draining
	}
	return Opening
}

// pace measures how fast it opens, over all the time it did.
func (g *Generator) pace(now time.Time, opening bool) {
	st := &g.status
	if opening {
		st.OpenTook += now.Sub(g.phaseAt)
		g.opened += max(0, st.Open-g.wasOpen)
		if st.OpenTook > 0 {
			st.PerSecond = float64(g.opened) / st.OpenTook.Seconds()
		}
	}
	g.phaseAt, g.wasOpen = now, st.Open
	st.Left = 0
	if rest := g.wanted.Sockets - st.Open; rest > 0 && st.PerSecond > 0 && st.StoppedBy == "" {
		st.Left = time.Duration(min(float64(rest)/st.PerSecond, 1e9) * float64(time.Second))
	}
}

// resident is what processes have in memory, by /proc/PID/statm.
func resident(pids []int) int64 {
	sum := int64(0)
	for _, pid := range pids {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
		var size, rss int64
		if err == nil {
			if _, err := fmt.Sscan(string(text), &size, &rss); err == nil {
				sum += rss * int64(os.Getpagesize())
			}
		}
	}
	return sum
}
