package model

import (
	"slices"
	"time"

	"github.com/eptop/eptop/internal/epoll"
	"github.com/eptop/eptop/internal/sock"
)

// Deriver makes a Snapshot of each Sample, one after the other: what a look means
// depends on the looks before it too. It does no I/O and reads no clock; the Samples
// carry their times. The zero Deriver has seen no look. It is not safe for concurrent
// use; the Snapshots it made are.
//
// What a look did not read anew is the same memory in its Sample as in the one before:
// a table of sockets, a list of fds or of watches. What followed from it is kept then.
type Deriver struct {
	tables   []*sock.Table           // of the last look
	round    int                     // counts the changes of tables
	surveys  map[*sock.Table]*survey // by table
	holdings map[int]*holding        // by PID
	// first is the number of the first socket of each table, where those of all are
	// numbered through. seen and rows are heldBy's, seen empty between two calls.
	first  []int
	seen   rowSet
	rows   []uint32
	counts map[*epoll.Watch]Counts // of the long lists of watches, by their first
	// began is the time of the first look at sockets. previous are the tables of the
	// last look by namespace, pasts what is known of their sockets.
	began    time.Time
	previous map[string]*sock.Table
	pasts    map[*sock.Table][]SocketPast
	watched  watchedSockets
	past     past
	book     book

	// Thresholds are those of the rules that were set to another number than the default.
	Thresholds Thresholds
}

// Derive says what a look means. The Snapshot keeps the Sample's watches and sockets,
// which must not change any more.
func (d *Deriver) Derive(s *Sample) *Snapshot {
	d.survey(s.Networks)
	d.age(s)
	d.join(s)
	d.count(s.Instances)
	d.watch(s.Instances)
	snap := d.derive(s)
	d.Remember(snap)
	d.book.find(d.ruling(s, snap))
	return snap
}

// Remember takes a Snapshot as the next look: it fills in what follows from its numbers
// and from those of the looks before. Derive has done it; a Snapshot that was put
// together by hand, or that was kept without its history, needs it.
func (d *Deriver) Remember(s *Snapshot) {
	s.judge()
	d.past.add(s)
}

// New says what a single look means, with none before it.
func New(s *Sample) *Snapshot { return new(Deriver).Derive(s) }

// survey surveys the tables of sockets that are new.
func (d *Deriver) survey(networks []NetworkSample) {
	tables := make([]*sock.Table, len(networks))
	surveys := make(map[*sock.Table]*survey, len(networks))
	for i := range networks {
		t := networks[i].Table
		tables[i] = t
		if t == nil {
			continue
		}
		if surveys[t] = d.surveys[t]; surveys[t] == nil {
			surveys[t] = newSurvey(t)
		}
	}
	if !slices.Equal(tables, d.tables) {
		d.round++
		d.first = d.first[:0]
		sockets := 0
		for _, t := range tables {
			d.first = append(d.first, sockets)
			if t != nil {
				sockets += t.Len()
			}
		}
		d.seen = make(rowSet, (sockets+63)/64)
	}
	d.tables, d.surveys = tables, surveys
}

// holding is a process's files joined with the sockets.
type holding struct {
	files []epoll.FD // of this listing
	round int        // and these tables
	held
	absent []absence // of missing, in its order
	shared int64     // sockets that other processes hold too
	// states are those of its sockets, as of the look number counted.
	states  []StateCount
	counted int
}

// hasSockets reports whether a process holds any: most of those with files hold none.
func (h *holding) hasSockets() bool { return h != nil && (h.Sockets > 0 || len(h.missing) > 0) }

// join finds the sockets of each process.
func (d *Deriver) join(s *Sample) {
	holdings := make(map[int]*holding, len(s.Processes))
	changed := false
	for i := range s.Processes {
		p := &s.Processes[i]
		files, listed := p.Files.Get()
		if !listed {
			continue
		}
		h := d.holdings[p.PID]
		if h == nil || h.round != d.round || !sameMemory(h.files, files) {
			before := h
			h = &holding{files: files, round: d.round, held: d.heldBy(files)}
			changed = changed || h.hasSockets() || before.hasSockets()
			h.absent = absences(h.missing, before, s.Networks, s.SocketsAt.Sub(p.ListedAt))
		}
		holdings[p.PID] = h
	}
	for pid, before := range d.holdings {
		changed = changed || holdings[pid] == nil && before.hasSockets()
	}
	if d.holdings = holdings; changed {
		d.share()
	}
}

// longList is from how many watches on their counts are kept between looks.
const longList = 256

// count sums up the long lists of watches that are new.
func (d *Deriver) count(instances []InstanceSample) {
	counts := map[*epoll.Watch]Counts{}
	for i := range instances {
		list := instances[i].List
		if len(list) < longList {
			continue
		}
		c, known := d.counts[&list[0]]
		if !known || c.Watches != int64(len(list)) {
			c = countWatches(list)
		}
		counts[&list[0]] = c
	}
	d.counts = counts
}

// countsOf sums up the watches of an instance that were read, with those on files that no
// process holds: fdinfo lists these too, a pass over the files of processes does not.
func (d *Deriver) countsOf(in *InstanceSample) Counts {
	if in.State != OK {
		return Counts{}
	}
	var c Counts
	if len(in.List) < longList {
		c = countWatches(in.List)
	} else {
		c = d.counts[&in.List[0]]
	}
	c.Watches += in.Kernel.Value.Unheld.Value
	return c
}

// sameMemory reports whether two lists are the same one.
func sameMemory[T any](a, b []T) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}

// countWatches sums up watches.
func countWatches(watches []epoll.Watch) Counts {
	c := Counts{Watches: int64(len(watches))}
	for i := range watches {
		w := &watches[i]
		m := w.Mask
		if m&epoll.ET != 0 {
			c.ET++
		}
		if m&epoll.OneShot != 0 {
			c.OneShot++
			if m.Disarmed() {
				c.Disarmed++
			}
		}
		if m&epoll.Exclusive != 0 {
			c.Exclusive++
		}
		if m&epoll.Wakeup != 0 {
			c.Wakeup++
		}
		switch w.Link {
		case epoll.Stale:
			c.Stale++
		case epoll.Unproven:
			c.Unproven++
		}
		switch w.Kind {
		case epoll.KindEpoll:
			c.Nested++
		case epoll.KindTty:
			c.Terminals++
		case epoll.KindFile:
			c.Paths++
		}
	}
	return c
}
