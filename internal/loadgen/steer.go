package loadgen

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// step gives the pairs their parts and reads how far they are. It reports whether to
// look again soon.
func (g *Generator) step(now time.Time) (busy bool) {
	g.count()
	g.bookLost()
	g.guard(now)
	g.checkStopped(now)
	g.hire()
	g.deal(now)
	g.endStuck(now)
	busy = g.setPhase(now)
	if busy {
		g.nudge(now)
	}
	return busy
}

// nudgeEach is how often workers that have not reached what is wanted are woken to
// look again: one may have gone to sleep just before the other made the change it
// waits for.
const nudgeEach = 20 * time.Millisecond

func (g *Generator) nudge(now time.Time) {
	if now.Sub(g.nudgeAt) < nudgeEach {
		return
	}
	g.nudgeAt = now
	for _, p := range g.pairs {
		if !p.retiring && !p.hasReached(g.config.Watch != WatchNone) {
			p.server.wake()
			p.client.wake()
		}
	}
}

// hire starts pairs for what is wanted, and retires those that are not needed.
func (g *Generator) hire() {
	room := int64(0)
	opening := 0
	for _, p := range g.pairs {
		if p.retiring {
			continue
		}
		if room >= g.wanted.Sockets {
			p.retire()
			continue
		}
		room += g.room(p)
		if p.page.stages().Sockets < g.room(p) || !p.hasReached(g.config.Watch != WatchNone) {
			opening++
		}
	}
	// One more pair is started than open at once, so that nobody waits for a process.
	if room >= g.wanted.Sockets || opening > atOnce() || g.status.StoppedBy != "" {
		return
	}
	// Those there are fill first; then what keeps others from starting ends the opening.
	if g.full.wall == "" {
		g.full.wall, g.full.reason = g.checkRoom()
	}
	if g.full.wall != "" {
		if opening == 0 {
			g.stop(g.full.wall, g.full.reason)
		}
		return
	}
	if reason := g.checkMemory(); reason != "" {
		if opening == 0 {
			g.stop(WallCgroup, reason)
		}
		return
	}
	p, err := newPair(g.order(), g.log, g.exits)
	if p != nil {
		p.page.avoid(g.taken)
		g.started++
		g.pairs = append(g.pairs, p)
	}
	if err != nil {
		wall := startWall(err)
		if limit, ok := g.tightestTasks(); ok && wall == WallTasks {
			wall = limit.Wall
		}
		g.stop(wall, "no further worker can be started: "+err.Error())
	}
}

// checkRoom returns the limit that leaves no room for one more pair, "" where there is
// room.
func (g *Generator) checkRoom() (wall Wall, reason string) {
	if len(g.pairs) == 0 {
		limits, err := ReadLimits("/proc")
		if !limits.Nofile.Known {
			return WallError, fmt.Sprintf("its limits cannot be read: %v", err)
		}
		if o := limits.Obstacle(g.config.Family); o != (Obstacle{}) {
			return WallLoopback, o.What + ": " + o.Cure
		}
		limits.Files.Value-- // the log, which was not open when others read the limits
		g.most = limits.PairLimits(g.config)[0]
		g.oomKills = readOOMKills()
	}
	if int64(len(g.pairs)) >= g.most.Pairs {
		return g.most.Wall, g.most.explain()
	}
	// Others start threads too. A Go program that can start none ends at once.
	if limit, ok := g.tightestTasks(); ok && limit.Most-limit.Used < PairTasks {
		return limit.Wall, limit.explain()
	}
	return "", ""
}

// checkMemory says why the memory of the cgroup has no room for one more pair, "" where it
// has beside what those there may hold: they fill first.
func (g *Generator) checkMemory() (reason string) {
	c, err := g.cgroups()
	room, ok := c.CgroupRoom(g.config)
	free := int64(len(g.living()))*g.bounds.perPair - g.status.Have.Sockets
	if err == nil && ok && room-g.unborn() < 2*WorkerBytes+max(0, free)*g.mostEach() {
		return c.explainMemory()
	}
	return ""
}

// mostEach is more than a connection takes.
func (g *Generator) mostEach() int64 { return mostEach + 2*g.config.UnreadBytes }

// tightestTasks returns the limit of threads that has the least room now.
func (g *Generator) tightestTasks() (tightest PairLimit, ok bool) {
	var l Limits
	l.UID = os.Getuid()
	l.readCapabilities()
	_ = l.readTasks("/proc") // what cannot be read limits nothing that is known
	l.Cgroups, _ = g.cgroups()
	for _, limit := range l.PairLimits(g.config) {
		if !ok || limit.Most-limit.Used < tightest.Most-tightest.Used {
			tightest, ok = limit, true
		}
	}
	return tightest, ok
}

// startWall is the limit behind an error of this process's own.
func startWall(err error) Wall {
	switch {
	case errors.Is(err, unix.EMFILE):
		return WallNofile
	case errors.Is(err, unix.ENFILE):
		return WallFileMax
	case errors.Is(err, unix.EAGAIN):
		return WallTasks
	case errors.Is(err, unix.ENOMEM):
		return WallMemory
	}
	return WallError
}

// atOnce returns how many pairs open at the same time. Each keeps a client busy, and
// the server half as much.
func atOnce() int { return runtime.NumCPU() }

func (g *Generator) order() order {
	return order{
		Config: g.config, Pair: g.started, Parent: os.Getpid(), Room: g.bounds.perPair,
		Backlog: g.bounds.backlog, Ports: g.bounds.ports,
	}
}

const (
	// patience is how long a worker may do nothing of what is wanted of it. A machine
	// that is that slow holds no load.
	patience = 10 * time.Second
	// longestStep bounds what one step counts for: a generator that was stopped itself
	// has not seen what its workers did.
	longestStep = 100 * time.Millisecond
)

// endStuck kills workers that do nothing of what is wanted of them, as one that
// somebody has stopped. They count as lost then.
func (g *Generator) endStuck(now time.Time) {
	elapsed := min(now.Sub(g.stepAt), longestStep)
	g.stepAt = now
	for _, p := range g.pairs {
		if !p.isStuck(elapsed, g.patience, g.config.Watch != WatchNone) {
			continue
		}
		stuck := p.server
		if s := state(p.client.pid); s == 'T' || s == 't' {
			stuck = p.client
		}
		stuck.why = fmt.Sprintf("did nothing for %v and was killed", g.patience)
		if s := state(stuck.pid); s == 'T' || s == 't' {
			stuck.why = fmt.Sprintf("was stopped by a signal, did nothing for %v and was killed", g.patience)
		}
		stuck.kill()
		p.still = 0
	}
}

// deal gives each pair its part of what is wanted.
func (g *Generator) deal(now time.Time) {
	if g.status.StoppedBy != "" {
		for _, p := range g.pairs {
			p.freeze()
		}
		return
	}
	most := g.wanted.least(All(g.granted))
	if g.config.Rate > 0 {
		most = most.least(All(g.bucket.allowed(now, float64(g.config.Rate), g.status.Open, g.wanted.Sockets)))
	}
	before := int64(0)
	opening := 0
	for _, p := range g.pairs {
		if p.retiring {
			continue
		}
		want := most.clamp(before, g.room(p))
		before += g.room(p)
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

// allowed returns how many connections may be open at now.
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

// guardEach is how often MemAvailable is read while connections are opened: in
// between, the fastest machine opens connections of some megabytes.
const guardEach = 20 * time.Millisecond

// guard stops the opening before memory runs out.
func (g *Generator) guard(now time.Time) {
	if g.status.Phase != Opening || g.status.StoppedBy != "" || now.Sub(g.guardAt) < guardEach && g.granted > g.status.Have.Sockets {
		return
	}
	g.guardAt = now
	available, total, err := memory()
	if err != nil {
		g.stop(startWall(err), "the memory that is left cannot be seen: "+err.Error())
		return
	}
	if available < g.config.FloorOf(total) {
		g.stop(WallMemory, fmt.Sprintf("less than %g %% of the memory is available", 100*g.config.Floor))
		return
	}
	cgroups, err := g.cgroups()
	room, ok := cgroups.CgroupRoom(g.config)
	if err != nil || !ok {
		g.granted = math.MaxInt64
		return
	}
	// No more is asked for than there is room for now: beyond the limit the kernel kills.
	// Those on their way take the rest of theirs yet.
	more := (room-g.unborn())/g.mostEach() - (g.status.Have.Sockets - g.status.Open)
	g.granted = max(g.granted, min(g.status.Have.Sockets+more, int64(len(g.living()))*g.bounds.perPair))
	have, want := g.status.Have, g.wanted.least(All(g.granted))
	if g.config.Watch == WatchNone {
		have.Watches = want.Watches
	}
	if room < 0 || more <= 0 && have == want { // others may have taken it
		g.stop(WallCgroup, cgroups.explainMemory())
	}
}

// unborn returns how many bytes the workers will take that have opened nothing yet.
func (g *Generator) unborn() (bytes int64) {
	for _, p := range g.pairs {
		if !p.retiring && p.page.stages().Accepts == 0 {
			bytes += 2 * WorkerBytes
		}
	}
	return bytes
}

// checkStopped looks for a worker that can open no more.
func (g *Generator) checkStopped(now time.Time) {
	for _, p := range g.pairs {
		c, errno, ok := p.stopCause()
		if !ok || p.retiring || p.again || g.status.StoppedBy != "" {
			continue
		}
		// A server that has just died refuses too: its exit will be reported.
		if isRefusal(errno) {
			if p.refusedAt.IsZero() {
				p.refusedAt = now
			}
			if now.Sub(p.refusedAt) < exitWithin {
				continue
			}
		}
		g.blame(c, errno)
	}
}

// blame stops the opening because of an error in a worker. An error that the state of
// the loopback interface explains is not one of ports.
func (g *Generator) blame(c call, errno unix.Errno) {
	if g.config.Family != UNIX {
		if o := probeLoopback(g.config.Family); o != (Obstacle{}) {
			g.stop(WallLoopback, fmt.Sprintf("%s: %s: %s: %s", callNames[c], unix.ErrnoName(errno), o.What, o.Cure))
			return
		}
	}
	g.stop(wall(c, errno), reason(c, errno))
}

// exitWithin bounds the time from a worker's sockets refusing to the report of its
// exit.
const exitWithin = 500 * time.Millisecond

// isRefusal reports whether an error is that of a client whose server is gone.
func isRefusal(errno unix.Errno) bool {
	return errno == unix.ECONNREFUSED || errno == unix.ECONNRESET
}

func (g *Generator) stop(wall Wall, reason string) {
	g.status.StoppedBy, g.status.Reason = wall, reason
}

// bookExit books the end of a worker. A worker that was not dismissed takes its pair
// along.
func (g *Generator) bookExit(e exit) {
	e.worker.book()
	p := e.pair
	if !p.retiring {
		g.lost += p.open(g.config)
		before := int64(0)
		for _, q := range g.living()[:slices.Index(g.living(), p)] {
			before += g.room(q)
		}
		g.giveUp(g.wanted.clamp(before, g.room(p)).Sockets)
		if c, errno, ok := p.stopCause(); ok && !isRefusal(errno) {
			g.blame(c, errno)
		}
		words := g.lastWords()
		g.status.LastLoss = e.describe() + words
		if e.status.Signaled() && e.status.Signal() == unix.SIGKILL && e.worker.why == "" && readOOMKills() > g.oomKills {
			g.stop(WallCgroup, "the kernel killed a worker because the memory of its cgroup had run out")
		}
		if strings.Contains(words, noThread) {
			if limit, ok := g.tightestTasks(); ok {
				g.stop(limit.Wall, limit.explain())
			}
		}
	}
	p.retire()
	if !p.isOver() {
		return
	}
	g.gone.add(countOf(p.page))
	g.lost += p.page.server.lost.Load()
	g.pairs = slices.DeleteFunc(g.pairs, func(q *pair) bool { return q == p })
	p.page.unmap()
}

// living returns the pairs that are not ending.
func (g *Generator) living() []*pair {
	return slices.DeleteFunc(slices.Clone(g.pairs), func(p *pair) bool { return p.retiring })
}

// noThread is what the Go runtime says last when it cannot start a thread
// (newosproc in runtime/os_linux.go).
const noThread = "failed to create new OS thread"

// lastWords returns the last line that a worker has written, or the first line of a
// crash.
func (g *Generator) lastWords() string {
	text, err := io.ReadAll(io.NewSectionReader(g.log, 0, 1<<20))
	if err != nil {
		return ""
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	last := lines[len(lines)-1]
	for _, l := range lines {
		if strings.Contains(l, noThread) {
			last = l
		}
	}
	if last == "" {
		return ""
	}
	return ": " + last
}
