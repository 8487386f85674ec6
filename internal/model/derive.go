package model

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/eptop/eptop/internal/epoll"
	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/object"
)

// derive makes of a sample what it means.
func (d *Deriver) derive(s *Sample) *Snapshot {
	costs := sizes{layouts: s.Layouts, structs: s.StructBytes, protocols: s.ProtocolBytes, nodes: nodeNumbers(s.Nodes)}
	b := builder{Deriver: d, sample: s, processes: map[int]*ProcessSample{}, listening: map[uint32][]int{}}
	b.watch, b.headBytes = costs.watch()
	if pwq, ok := costs.part(object.EppollEntry); ok {
		b.pwqBytes = pwq.Bytes
	}
	b.instance = costs.instance()
	for i := range s.Processes {
		p := &s.Processes[i]
		b.processes[p.PID] = p
		if h := d.holdings[p.PID]; h != nil {
			for _, ino := range h.Listening {
				b.listening[ino] = append(b.listening[ino], p.PID)
			}
		}
	}
	snap := &Snapshot{
		Schema: Schema, Time: s.Time, Took: s.Took, Host: s.Host, Guest: s.Guest, Sources: s.Sources,
		ConnectionCost: costs.connections(), InstanceCost: b.instance, Coverage: s.Coverage, Hidden: s.Coverage.Denied,
		Slab:  caches(s.Caches, int(s.Host.PageBytes.Value)),
		Nodes: nodes(s.Nodes, s.Zones, s.Host.PageBytes), NodesGone: s.Nodes.Gone, Zones: zones(s.Zones),
		MemoryModules: modules(s.Modules),
	}
	if snap.Sources == nil {
		snap.Sources = []Source{}
	}
	sockets := &socketCosts{sizes: costs, known: map[SocketObject]maybe.Of[Cost]{}}
	b.socketCosts = sockets
	if snap.Sockets = b.sockets(sockets); snap.Sockets == nil {
		snap.Sockstat = maybe.When(tcpTotals(s), s.Sockstat.Known)
	}
	snap.Load, snap.LoadLimits, snap.OpenFiles, snap.MaxFiles = s.Load, s.LoadLimits, s.OpenFiles, s.MaxFiles
	snap.NrOpen, snap.LocalPorts = s.NrOpen, s.NetworkLimits.Ports
	for _, p := range []object.Kind{object.BindPort, object.BindAddress} {
		if got, ok := costs.part(p); ok {
			snap.BindBuckets = append(snap.BindBuckets, got)
		}
	}
	b.epoll(snap)
	b.explain(snap)
	snap.SlabTotals, snap.SlabNetwork = SumSlab(snap.Slab, true), SumSlab(snap.Slab, false)
	snap.Processes, snap.Others = b.processRows()
	b.placements(snap)
	snap.Walls = b.walls(snap)
	return snap
}

// builder makes one Snapshot.
type builder struct {
	*Deriver
	sample    *Sample
	processes map[int]*ProcessSample
	listening map[uint32][]int // the processes that hold a listening socket, by its inode
	watch     maybe.Of[WatchCost]
	headBytes int64 // of an epitems_head
	pwqBytes  int64 // of an eppoll_entry
	instance  maybe.Of[InstanceCost]
	tally     *Tally // of all sockets; nil where they were not looked at
	*socketCosts
}

// watchBytes is the kernel memory of an instance's watches. A watched epoll
// needs no epitems_head (ep_insert in fs/eventpoll.c), and a terminal a second eppoll_entry.
func (b *builder) watchBytes(c Counts) maybe.Of[int64] {
	w, ok := b.watch.Get()
	if !ok {
		return maybe.Of[int64]{}
	}
	return maybe.Some(c.Watches*w.Bytes - c.Nested*b.headBytes + c.Terminals*b.pwqBytes)
}

// epoll fills the host's totals: each instance once.
func (b *builder) epoll(snap *Snapshot) {
	t := EpollTotals{MaxUserWatches: b.sample.MaxUserWatches, Cost: b.watch, Users: []User{}}
	users := map[int]*User{}
	var all, unsharable, unowned int64
	for i := range b.sample.Instances {
		in := &b.sample.Instances[i]
		t.Instances.Value++
		if in.State != OK {
			t.Unread++
		}
		if in.State == Absent {
			t.Waiting++
		}
		if !in.SharingKnown {
			unsharable++
		}
		counts := b.countsOf(in)
		all += counts.Watches
		t.MaybeLarger += counts.Paths + counts.Terminals
		if in.State == OK {
			t.Age = max(t.Age, b.age(in.ReadAt))
		}
		who := b.charged(in)
		if !who.uid.Known {
			unowned++
			continue
		}
		u := users[who.uid.Value]
		if u == nil {
			u = &User{UID: who.uid.Value, User: b.userName(who.uid.Value), Limit: b.sample.MaxUserWatches}
			users[who.uid.Value] = u
		}
		u.add(in, counts, b.watchBytes(counts), who.doubt)
	}
	for uid := range b.sample.UserWatches { // all of whose instances are somewhere else
		if users[uid] == nil {
			users[uid] = &User{UID: uid, User: b.userName(uid), Limit: b.sample.MaxUserWatches}
		}
	}
	t.leave(b.sample.Coverage.gaps()...)
	if len(b.sample.Instances) > 1 { // a single one can be counted only once
		t.leave(Gap{What: GapSharing, Count: maybe.Some(unsharable)})
	}
	t.Instances = t.known(t.Instances.Value)
	everybodys := append(slices.Clone(t.Gaps), Gap{What: GapNoUser, Count: maybe.Some(unowned)})
	t.leave(unreadGaps(t.Unread, t.Waiting)...)
	t.Watches = t.known(all)
	for _, u := range users {
		if n, ok := b.sample.UserWatches[u.UID]; ok {
			u.Counted = maybe.Some(n)
			u.leave(Gap{What: GapUnseen, Count: maybe.Some(n - u.Watches.Value)})
		} else {
			u.leave(everybodys...)
			u.leave(unreadGaps(u.Unread, u.Waiting)...)
		}
		u.Watches = u.known(u.Watches.Value)
		u.WatchBytesAtLeast = u.WatchBytesAtLeast || u.AtLeast || t.Cost.Value.AtLeast
		t.Users = append(t.Users, *u)
	}
	slices.SortFunc(t.Users, func(a, b User) int {
		x, _ := a.Charged()
		y, _ := b.Charged()
		return cmp.Or(maybe.Compare(y, x), cmp.Compare(a.UID, b.UID))
	})
	snap.Epoll = t
}

// unreadGaps are the instances whose watches are not known: those that wait for their
// first read, and those that could not be read.
func unreadGaps(unread, waiting int) []Gap {
	return []Gap{gap(GapNotRead, waiting), gap(GapUnread, unread-waiting)}
}

// add counts an instance that the user pays for.
func (u *User) add(in *InstanceSample, counts Counts, bytes maybe.Of[int64], doubt bool) {
	u.Instances++
	if doubt {
		u.Unsure++
	}
	if in.State == Absent {
		u.Waiting++
	}
	if in.State != OK {
		u.Unread++
		return
	}
	u.Watches.Value += counts.Watches
	u.WatchBytesAtLeast = u.WatchBytesAtLeast || counts.Paths > 0
	if n, ok := bytes.Get(); ok {
		u.WatchBytes = maybe.Some(u.WatchBytes.Value + n)
	}
}

// charge is whose max_user_watches an instance uses up.
type charge struct {
	uid   maybe.Of[int]
	sure  bool // the kernel says so
	doubt bool // something speaks against it
	why   string
}

// charged returns whom the kernel charges for an instance: the real user of the process
// that created it (ep_alloc() takes get_current_user()), which the instance itself records.
// /proc shows neither who that was nor who he is: the creator may have passed the epoll on,
// or changed users since. There the oldest holder stands in for the creator, and nothing is
// sure.
func (b *builder) charged(in *InstanceSample) charge {
	if k, ok := in.Kernel.Get(); ok {
		return charge{uid: maybe.Some(k.UID), sure: true, why: "the kernel records who made it"}
	}
	var c charge
	for _, h := range in.Holders {
		p := b.processes[h.PID]
		switch {
		case p == nil || !p.RealUID.Known:
			c.doubt = true
		case !c.uid.Known:
			c.uid = p.RealUID
		case c.uid != p.RealUID:
			c.doubt = true
		}
	}
	switch {
	case !c.uid.Known:
		c.doubt, c.why = true, "no holder's user is known"
	case c.doubt:
		c.why = "its holders run as different users, or some user is not known; the oldest holder's real user is taken for its creator"
	case len(in.Holders) > 1:
		c.why = "the real user of all its holders, unless another process created it, or its creator changed users afterwards"
	default:
		c.why = "the real user of its holder, unless another process created it, or this one changed users afterwards"
	}
	return c
}

func (b *builder) userName(uid int) string {
	if name, ok := b.sample.UserNames[uid]; ok {
		return name
	}
	return fmt.Sprint(uid)
}

// processRows makes the rows, those with the most watches first.
func (b *builder) processRows() (rows, others []Process) {
	rows = make([]Process, 0, len(b.sample.Processes))
	holds := map[int]bool{}
	for i := range b.sample.Instances {
		for _, h := range b.sample.Instances[i].Holders {
			holds[h.PID] = true
		}
	}
	at := map[int]int{}
	for i := range b.sample.Processes {
		p := &b.sample.Processes[i]
		if !holds[p.PID] && !b.shown(p) {
			if files, ok := p.Files.Get(); ok && p.FileIndex != nil {
				others = append(others, Process{
					PID: p.PID, ThreadOf: p.ThreadOf, Comm: p.Comm, UID: p.UID, User: p.User, Started: p.Started, State: p.State, FDs: p.FDs, Epolls: []Epoll{},
					Files: files, FileIndex: p.FileIndex,
				})
			}
			continue
		}
		at[p.PID] = len(rows)
		row := Process{
			PID: p.PID, ThreadOf: p.ThreadOf, Comm: p.Comm, Cmdline: p.Cmdline, UID: p.UID, User: p.User, Started: p.Started, State: p.State,
			FDs: p.FDs, Nofile: p.Nofile, ListedAge: b.age(p.ListedAt), Problem: p.Problem, Epolls: []Epoll{},
		}
		if h := b.holdings[p.PID]; h != nil {
			b.addHolding(&row, p, h)
		}
		if limit, ok := p.Nofile.Get(); ok {
			row.FDsAbove = p.above(limit)
		}
		row.FDsChanged = p.FDs.Value - p.FDsThen.Value
		if !p.FDs.Known || !p.FDsThen.Known || p.Truncated {
			row.FDsChanged = 0
		}
		row.leave(rowGaps(p)...)
		rows = append(rows, row)
	}
	for i := range b.sample.Instances {
		in := &b.sample.Instances[i]
		counted := map[int]bool{}
		who := b.charged(in)
		for _, h := range in.Holders {
			row, ok := at[h.PID]
			if !ok {
				continue
			}
			p := &rows[row]
			p.Epolls = append(p.Epolls, b.epollOf(in, h, who))
			if !counted[h.PID] {
				counted[h.PID] = true
				b.addInstance(p, in)
			}
		}
	}
	for i := range rows {
		finish(&rows[i])
	}
	slices.SortFunc(rows, func(a, b Process) int {
		return cmp.Or(maybe.Compare(b.Watches, a.Watches), maybe.Compare(b.FDs, a.FDs), cmp.Compare(a.PID, b.PID))
	})
	return rows, others
}

// rowGaps are what is not known of one process's files.
func rowGaps(p *ProcessSample) []Gap {
	var gaps []Gap
	switch p.State {
	case Absent:
		gaps = append(gaps, Gap{What: GapNotListed, Count: maybe.Some[int64](1), Files: p.FDs})
	case Denied:
		gaps = append(gaps, gap(GapDenied, 1))
	case Failed:
		gaps = append(gaps, gap(GapFailed, 1))
	}
	if p.Truncated {
		files, _ := p.Files.Get()
		gaps = append(gaps, Gap{What: GapBeyondMax, Count: maybe.When(p.FDs.Value-int64(len(files)), p.FDs.Known && p.FDs.Value > int64(len(files)))})
	}
	return append(gaps, gap(GapNotCompared, p.EpollsWaiting))
}

// shown reports whether a process that holds no instance has a row: one that was asked
// for, has sockets or epolls, waits to be listed (the large ones alone are in a Sample
// then), or could not be.
func (b *builder) shown(p *ProcessSample) bool {
	return b.holdings[p.PID].hasSockets() || p.Asked || p.EpollsWaiting > 0 || p.State == Absent || p.State == Failed
}

// addHolding adds what a process's list of fds says.
func (b *builder) addHolding(row *Process, p *ProcessSample, h *holding) {
	row.Held, row.States = h.sockets, b.states(h)
	if p.FileIndex != nil {
		row.Files, row.FileIndex = h.files, p.FileIndex
	}
	row.Sockets, row.SharedSockets = maybe.Some(h.Sockets+int64(len(h.missing))), h.shared
	seen := maybe.Some(int64(len(h.files)))
	switch {
	case p.Truncated:
		row.FDsSeen = seen
	case !row.FDs.Known:
		row.FDs = seen // as old as the list
	}
	if len(b.sample.Networks) == 0 {
		return
	}
	row.EndsHere, row.EndsUnknown = h.EndsHere, h.EndsUnknown
	k := &row.KernelBytes
	if h.Sockets > 0 || len(h.missing) == 0 {
		k.Sockets, _, k.SocketsAtLeast = b.structBytes(&h.Tally)
		k.Buffers = buffers(&h.Tally)
	}
	if k.SocketsAtLeast {
		k.LeavesOut = append(k.LeavesOut, "parts of sockets"+ofUnknownSize)
	}
	k.SocketsAtLeast = k.SocketsAtLeast || len(h.missing) > 0 || p.Truncated
	k.LeavesOut = append(k.LeavesOut, leftOut(h.absent)...)
}

// ofUnknownSize ends the words for parts that a cost leaves out.
const ofUnknownSize = " whose size this kernel does not report"

func (b *builder) age(t time.Time) time.Duration {
	if t.IsZero() {
		return 0
	}
	return max(0, b.sample.Time.Sub(t))
}

// maxShared bounds the holders that are named for each: with a thousand children of
// one parent, all of each would be a million.
const maxShared = 32

func (b *builder) epollOf(in *InstanceSample, h epoll.Holder, who charge) Epoll {
	e := Epoll{
		FD: h.FD, State: in.State, Problem: in.Problem, Counts: b.countsOf(in),
		ReadTook: in.ReadTook, Age: b.age(in.ReadAt), NextRead: max(0, in.NextRead.Sub(b.sample.Time)),
		SharingUnknown: !in.SharingKnown, List: in.List, FileIndex: in.FileIndex,
	}
	e.ChargedUID, e.ChargedSure, e.ChargedWhy = who.uid, who.sure, who.why
	if k, ok := in.Kernel.Get(); ok {
		e.Unheld, e.Counted, e.Waiters, e.Ready, e.BusyPoll = k.Unheld, k.Watches, maybe.Some(k.Waiters), k.Ready, k.BusyPoll
	}
	if in.State == OK {
		e.Bytes = b.watchBytes(e.Counts)
	}
	e.SharedCount = len(in.Holders) - 1
	for _, other := range in.Holders[:min(len(in.Holders), maxShared+1)] {
		if other != h && len(e.SharedWith) < maxShared {
			e.SharedWith = append(e.SharedWith, other)
		}
	}
	return e
}

func (b *builder) addInstance(p *Process, in *InstanceSample) {
	p.Instances.Value++
	counts := b.countsOf(in)
	p.Watches.Value += counts.Watches
	k := &p.KernelBytes
	if bytes, ok := b.watchBytes(counts).Get(); ok && in.State == OK {
		k.Watches = maybe.Some(k.Watches.Value + bytes)
		k.WatchesAtLeast = k.WatchesAtLeast || b.watch.Value.AtLeast || counts.Paths > 0
	}
	if c, ok := b.instance.Get(); ok {
		k.Instances = maybe.Some(k.Instances.Value + c.Bytes)
	}
	const parts = "parts of watches and epoll instances" + ofUnknownSize
	if (b.watch.Value.AtLeast || b.instance.Value.AtLeast) && !slices.Contains(k.LeavesOut, parts) {
		k.LeavesOut = append(k.LeavesOut, parts)
	}
	if counts.Paths > 0 && !slices.Contains(k.LeavesOut, secondQueues) {
		k.LeavesOut = append(k.LeavesOut, secondQueues)
	}
	if in.State != OK {
		p.Unread++
	}
	if in.State == Absent {
		p.Waiting++
	}
}

// secondQueues is what a sum over watches of files with a path may leave out.
const secondQueues = "second wait queues of FIFOs, terminals and devices"

// sharingGap are a process's instances that may be one: each of its fds is one then.
func sharingGap(p *Process) Gap {
	n := 0
	for i := range p.Epolls {
		if p.Epolls[i].SharingUnknown {
			n++
		}
	}
	if len(p.Epolls) < 2 { // a single one can be counted only once
		n = 0
	}
	return gap(GapSharing, n)
}

// finish adds up a row's kernel memory and names what the sums leave out.
func finish(p *Process) {
	p.leave(sharingGap(p))
	p.Instances = p.known(p.Instances.Value)
	p.leave(unreadGaps(p.Unread, p.Waiting)...)
	p.Watches = p.known(p.Watches.Value)
	slices.SortFunc(p.Epolls, func(a, b Epoll) int { return cmp.Compare(a.FD, b.FD) })
	k := &p.KernelBytes
	sum := int64(0)
	for _, part := range []struct {
		name  string
		bytes maybe.Of[int64]
	}{{"sockets", k.Sockets}, {"buffers", k.Buffers}, {"watches", k.Watches}, {"instances", k.Instances}} {
		if n, ok := part.bytes.Get(); ok {
			sum += n
		} else if p.Instances.Value > 0 || part.name == "sockets" || part.name == "buffers" {
			k.LeavesOut = append(k.LeavesOut, part.name)
		}
	}
	for _, g := range p.without(GapNotListed, GapDenied, GapFailed) { // then there is no total
		k.LeavesOut = append(k.LeavesOut, g.String())
	}
	if g := p.changed(); g.Count.Value != 0 && k.Sockets.Known {
		k.LeavesOut = append(k.LeavesOut, g.String())
		k.AtMost = true
	}
	k.AtLeast = len(k.LeavesOut) > 0
	// A sum of nothing is 0 only where nothing is left out.
	if sum > 0 || len(k.LeavesOut) == 0 {
		k.Total = maybe.Some(sum)
	}
}
