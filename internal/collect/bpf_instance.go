package collect

import (
	"cmp"
	"slices"

	"github.com/eptop/eptop/internal/bpf"
	"github.com/eptop/eptop/internal/epoll"
	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/model"
)

// passedEpoll is an epoll as a pass comes to know it: from the fds that are the epoll, and
// from the watches on other files.
type passedEpoll struct {
	id      bpf.ID
	isKnown bool // an fd of it was seen
	kernel  bpf.Epoll
	holders []place
	before  *knownInstance
	// mayLack: watches on a file with too many for a pass may be this epoll's.
	mayLack bool
	// n watches came. list and files are nil as long as all are as before.
	n     int
	list  []epoll.Watch
	files []uint32
}

// knownInstance is what is remembered of an instance between passes.
type knownInstance struct {
	list  []epoll.Watch
	files []uint32
	at    int // in the instances; -1 where nobody holds it any more
	// unlisted is how many watches the epoll counts beyond those on files that were seen.
	unlisted maybe.Of[int64]
	// unheld is how many of them are on files that nobody holds: as many at two passes.
	unheld maybe.Of[int64]
}

// isHeldBy reports whether an fd of a table is the epoll, as far as the pass has come. The
// table that comes now was added last.
func (e *passedEpoll) isHeldBy(table uint32) bool {
	for i := len(e.holders) - 1; i >= 0; i-- {
		if e.holders[i].table == table {
			return true
		}
	}
	return false
}

// add adds a watch. Nothing is stored as long as the watches are those of the pass before.
func (e *passedEpoll) add(w *epoll.Watch, file uint32) {
	if e.list == nil {
		if b := e.before; b != nil && e.n < len(b.list) && b.files[e.n] == file && isSame(&b.list[e.n], w) {
			e.n++
			return
		}
		e.own()
	}
	e.list, e.files = append(e.list, *w), append(e.files, file)
	e.n++
}

// isSame reports whether a watch is as it was. One that is not judged yet may come out so.
func isSame(was, now *epoll.Watch) bool {
	if now.Link != epoll.Unproven {
		return *was == *now
	}
	other := *was
	other.Link = epoll.Unproven
	return other == *now
}

// own gives the epoll a list of its own: a Sample has the one before.
func (e *passedEpoll) own() {
	size := e.n + 1
	if e.isKnown {
		size = max(size, int(min(e.kernel.Watches.Value, maxReserve)))
	}
	e.list, e.files = make([]epoll.Watch, e.n, size), make([]uint32, e.n, size)
	if e.before != nil {
		copy(e.list, e.before.list[:e.n])
		copy(e.files, e.before.files[:e.n])
	}
}

// maxReserve bounds for how many watches there is room at once on the word of an epoll.
const maxReserve = 1 << 22

// setLink judges the at-th watch.
func (e *passedEpoll) setLink(at uint32, link epoll.Link) {
	if e.list == nil {
		if e.before.list[at].Link == link {
			return
		}
		e.own()
	}
	e.list[at].Link = link
}

// forgetReady takes back what was said of ready watches: a thread took events meanwhile.
func (e *passedEpoll) forgetReady() {
	const ready = epoll.KnowsReady | epoll.IsReady
	if e.n == 0 {
		return
	}
	if e.list == nil {
		e.own()
	}
	for i := range e.list {
		e.list[i].Facts &^= ready
	}
}

// judge finds out about the watches that were not judged as they came. A pass over one
// process leaves those as they were that it cannot judge.
func (p *pass) judge(everybody bool) {
	slices.SortFunc(p.places, func(a, b place) int {
		return cmp.Or(cmp.Compare(a.file, b.file), cmp.Compare(a.num, b.num))
	})
	for _, u := range p.unjudged {
		e := &p.epolls[u.epoll]
		first, found := slices.BinarySearchFunc(p.places, u, func(at place, u unjudged) int {
			return cmp.Or(cmp.Compare(at.file, u.file), cmp.Compare(at.num, u.tfd))
		})
		link := epoll.Stale
		if found || !everybody {
			link = epoll.Unproven
		}
		for _, at := range p.places[first:] {
			if at.file != u.file || at.num != u.tfd {
				break
			}
			if e.isHeldBy(at.table) {
				link = epoll.Current
				break
			}
		}
		if p.one && link != epoll.Current && e.list == nil {
			continue
		}
		e.setLink(u.at, link)
	}
}

// adoptInstances makes instances of the epolls of the pass.
func (l bpfLook) adoptInstances() {
	s, p := l.s, &l.s.pass
	p.judge(l.everybodyPassed())
	known := make(map[bpf.ID]*knownInstance, len(p.epolls))
	s.instances = make([]model.InstanceSample, 0, len(p.epolls))
	s.users, s.unlisted = map[int]int64{}, 0
	for i := range p.epolls {
		e := &p.epolls[i]
		if !e.isKnown {
			continue
		}
		s.users[int(e.kernel.UID)] = e.kernel.UserWatches
		e.mayLack = p.cut > 0
		k := e.remember()
		known[e.id] = k
		if in, held := l.instanceOf(e, k); held {
			k.at = len(s.instances)
			s.instances = append(s.instances, in)
			if n, ok := k.unlisted.Get(); ok && !in.Kernel.Value.Unheld.Known {
				s.unlisted += max(n, -n)
			}
		}
	}
	s.known = known
}

// adoptInstancesOf takes over what a pass over one process says of its epolls. Their lists
// are replaced where all of their watches are on files of the process.
func (l bpfLook) adoptInstancesOf() {
	s, p := l.s, &l.s.pass
	p.judge(false)
	for i := range p.epolls {
		e := &p.epolls[i]
		if !e.isKnown {
			continue
		}
		s.users[int(e.kernel.UID)] = e.kernel.UserWatches
		counted, ok := e.counted().Get()
		k := e.before
		whole := ok && counted == int64(e.n)
		switch {
		case k == nil && !whole:
			continue // the next pass over all shows its watches
		case k == nil:
			k = e.remember()
			in, held := l.instanceOf(e, k)
			if !held {
				continue
			}
			k.at = len(s.instances)
			s.known[e.id] = k
			s.instances = append(s.instances, in)
		case k.at >= 0:
			in := &s.instances[k.at]
			kernel := e.inKernel(k)
			if whole {
				list := e.remember()
				k.list, k.files, k.unlisted, k.unheld = list.list, list.files, list.unlisted, list.unheld
				kernel = e.inKernel(k)
				in.List, in.FileIndex, in.ReadAt = k.list, k.files, l.now()
			}
			in.Kernel = maybe.Some(kernel)
		}
	}
}

// instanceOf returns an epoll as the Sample has it; held is false where nobody holds it any
// more.
func (l bpfLook) instanceOf(e *passedEpoll, k *knownInstance) (in model.InstanceSample, held bool) {
	holders := l.holdersOf(e)
	return model.InstanceSample{
		Holders: holders, SharingKnown: true, State: model.OK, List: k.list, FileIndex: k.files,
		Kernel: maybe.Some(e.inKernel(k)), ReadAt: l.now(),
	}, len(holders) > 0
}

// everybodyPassed reports whether the pass saw the files of everybody who may have added a
// watch.
func (l bpfLook) everybodyPassed() bool {
	if l.hidden.byNamespace {
		return false
	}
	const initial = 1 // see seesEverybody
	for _, p := range l.processes {
		if p.fileIndex == nil && p.count.Value > 0 && p.pid != initial {
			return false
		}
	}
	return true
}

// remember returns what the next pass is compared with.
func (e *passedEpoll) remember() *knownInstance {
	if e.kernel.Scanning {
		e.forgetReady()
	}
	k := &knownInstance{list: e.list, files: e.files, at: -1}
	if e.list == nil {
		if e.before != nil {
			k.list, k.files = e.before.list[:e.n:e.n], e.before.files[:e.n:e.n]
		}
		if k.list == nil {
			k.list, k.files = []epoll.Watch{}, []uint32{}
		}
	}
	k.unlisted = maybe.When(e.counted().Value-int64(e.n), e.counted().Known)
	switch n := k.unlisted; {
	case n.Known && n.Value == 0, n.Value > 0 && !e.mayLack && e.before != nil && e.before.unlisted == n:
		k.unheld = n
	}
	return k
}

// counted is how many watches the epoll itself has.
func (e *passedEpoll) counted() maybe.Of[int64] {
	if tree, ok := e.kernel.Tree.Get(); ok && !e.kernel.Watches.Known {
		return maybe.Some(int64(tree.Nodes))
	}
	return e.kernel.Watches
}

// inKernel is what the epoll's structure says.
func (e *passedEpoll) inKernel(now *knownInstance) model.InstanceKernel {
	return model.InstanceKernel{
		UID: int(e.kernel.UID), Watches: e.kernel.Watches, Unheld: now.unheld,
		Waiting: e.kernel.Waiting, Waiters: int64(e.kernel.Waiters),
		Ready: maybe.When(int64(e.kernel.Ready.Value), e.kernel.Ready.Known), BusyPoll: e.kernel.BusyPoll,
	}
}

// holdersOf returns the fds that are an epoll, the oldest process first.
func (l bpfLook) holdersOf(e *passedEpoll) []epoll.Holder {
	holders := make([]epoll.Holder, 0, len(e.holders))
	for _, at := range e.holders {
		if of := l.s.pass.tables[at.table].of; of != nil {
			holders = append(holders, epoll.Holder{PID: of.pid, FD: int(at.num)})
		}
	}
	slices.SortFunc(holders, func(a, b epoll.Holder) int {
		return cmp.Or(cmp.Compare(l.processes[a.PID].StartTicks, l.processes[b.PID].StartTicks),
			cmp.Compare(a.PID, b.PID), cmp.Compare(a.FD, b.FD))
	})
	return holders
}
