package model

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// New makes of a sample what it means. It reads nothing and keeps nothing but
// the sample's watches.
func New(s *Sample) *Snapshot {
	costs := sizes{layouts: s.Layouts, structs: s.StructBytes, protocols: s.ProtocolBytes}
	b := builder{sample: s, processes: map[int]*ProcessSample{}, listening: map[uint32][]int{}}
	b.watch, b.headBytes = costs.watch()
	b.instance = costs.instance()
	for i := range s.Processes {
		p := &s.Processes[i]
		b.processes[p.PID] = p
		for _, ino := range p.Held.Value.Listening {
			b.listening[ino] = append(b.listening[ino], p.PID)
		}
	}
	snap := &Snapshot{
		Schema: Schema, Time: s.Time, Took: s.Took, Host: s.Host, Guest: s.Guest, Sources: s.Sources,
		ConnectionCost: costs.connections(), InstanceCost: b.instance, Hidden: s.Hidden,
		Slab:  caches(s.Caches, int(s.Host.PageBytes)),
		Nodes: nodes(s.Nodes, s.Zones, int(s.Host.PageBytes)), Zones: zones(s.Zones),
	}
	if snap.Sources == nil {
		snap.Sources = []Source{}
	}
	sockets := &socketCosts{sizes: costs, known: map[SocketObject]Maybe[Cost]{}}
	b.socketCosts = sockets
	snap.Sockets = b.sockets(sockets)
	snap.networks = s.Networks
	b.epoll(snap)
	snap.Processes = b.processRows()
	snap.Walls = walls(s, snap)
	return snap
}

type builder struct {
	sample    *Sample
	processes map[int]*ProcessSample
	listening map[uint32][]int // the processes that hold a listening socket, by its inode
	watch     Maybe[WatchCost]
	headBytes int64
	instance  Maybe[InstanceCost]
	*socketCosts
}

// watchBytes is the kernel memory of an instance's watches. A watched epoll
// needs no epitems_head (ep_insert in fs/eventpoll.c).
func (b *builder) watchBytes(c Counts) Maybe[int64] {
	w, ok := b.watch.Get()
	if !ok {
		return Maybe[int64]{}
	}
	return Some(c.Watches*w.Bytes - c.Nested*b.headBytes)
}

// epoll fills the host's totals: each instance once.
func (b *builder) epoll(snap *Snapshot) {
	t := EpollTotals{MaxUserWatches: b.sample.MaxUserWatches, Cost: b.watch, Users: []User{}}
	users := map[int]*User{}
	for i := range b.sample.Instances {
		in := &b.sample.Instances[i]
		t.Instances++
		if in.State != OK {
			t.Unread++
		}
		t.Watches += in.Counts.Watches
		uid, sure, _ := b.charged(in)
		if !uid.Known {
			continue
		}
		u := users[uid.Value]
		if u == nil {
			u = &User{UID: uid.Value, User: b.userName(uid.Value), Limit: b.sample.MaxUserWatches}
			users[uid.Value] = u
		}
		u.Instances++
		u.Watches += in.Counts.Watches
		if !sure {
			u.Unsure++
		}
		if bytes, ok := b.watchBytes(in.Counts).Get(); ok {
			u.WatchBytes = Some(u.WatchBytes.Value + bytes)
		}
	}
	for _, u := range users {
		t.Users = append(t.Users, *u)
	}
	slices.SortFunc(t.Users, func(a, b User) int {
		return cmp.Or(cmp.Compare(b.Watches, a.Watches), cmp.Compare(a.UID, b.UID))
	})
	snap.Epoll = t
}

// charged tells whose max_user_watches an instance uses up: the real user of
// the process that created it (ep_alloc takes get_current_user). /proc shows
// only who holds it now, so the oldest holder stands in for the creator.
func (b *builder) charged(in *InstanceSample) (uid Maybe[int], sure bool, why string) {
	sure = true
	for _, h := range in.Holders {
		p := b.processes[h.PID]
		switch {
		case p == nil:
		case !uid.Known:
			uid = Some(p.RealUID)
		case uid.Value != p.RealUID:
			sure = false
		}
	}
	switch {
	case !uid.Known:
		return uid, false, "no holder's user is known"
	case !sure:
		return uid, false, "its holders run as different users; the oldest holder's real user is taken for its creator"
	case len(in.Holders) > 1:
		return uid, true, "the real user of all its holders, unless its creator changed users afterwards"
	}
	return uid, true, "the real user of its holder, unless that process changed users after creating it"
}

func (b *builder) userName(uid int) string {
	for i := range b.sample.Processes {
		if p := &b.sample.Processes[i]; p.UID == uid && p.User != "" {
			return p.User
		}
	}
	return fmt.Sprint(uid)
}

// processRows makes the rows, those with the most watches first.
func (b *builder) processRows() []Process {
	rows := make([]Process, 0, len(b.sample.Processes))
	at := map[int]int{}
	for i := range b.sample.Processes {
		p := &b.sample.Processes[i]
		at[p.PID] = len(rows)
		k := KernelBytes{}
		if held, ok := p.Held.Get(); ok {
			k.Sockets, _ = b.structBytes(&held.Tally)
			k.Buffers = buffers(&held.Tally)
			if held.Missing > 0 {
				k.LeavesOut = append(k.LeavesOut, many(held.Missing, "socket")+" that no dump had")
			}
		}
		rows = append(rows, Process{
			KernelBytes: k, EndsHere: p.Held.Value.EndsHere,
			PID: p.PID, Comm: p.Comm, UID: p.UID, User: p.User, Started: p.Started,
			FDs: p.FDs, Sockets: p.Sockets, FDsSeen: p.FDsSeen, Nofile: p.Nofile,
			ListedAge: b.age(p.ListedAt), Problem: p.Problem, Epolls: []Epoll{},
		})
	}
	for i := range b.sample.Instances {
		in := &b.sample.Instances[i]
		counted := map[int]bool{}
		for _, h := range in.Holders {
			row, ok := at[h.PID]
			if !ok {
				continue
			}
			p := &rows[row]
			p.Epolls = append(p.Epolls, b.epollOf(in, h))
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
		return cmp.Or(cmp.Compare(b.Watches, a.Watches), cmp.Compare(a.PID, b.PID))
	})
	return rows
}

func (b *builder) age(t time.Time) time.Duration {
	if t.IsZero() {
		return 0
	}
	return max(0, b.sample.Time.Sub(t))
}

func (b *builder) epollOf(in *InstanceSample, h Holder) Epoll {
	e := Epoll{
		FD: h.FD, State: in.State, Problem: in.Problem, Counts: in.Counts,
		ReadTook: in.ReadTook, Age: b.age(in.ReadAt), NextRead: max(0, in.NextRead.Sub(b.sample.Time)),
		SharingUnknown: !in.SharingKnown, List: in.List,
	}
	e.ChargedUID, e.ChargedSure, e.ChargedWhy = b.charged(in)
	if in.State == OK {
		e.Bytes = b.watchBytes(in.Counts)
	}
	for _, other := range in.Holders {
		if other != h {
			e.SharedWith = append(e.SharedWith, other)
		}
	}
	return e
}

func (b *builder) addInstance(p *Process, in *InstanceSample) {
	p.Instances++
	p.Watches += in.Counts.Watches
	k := &p.KernelBytes
	if bytes, ok := b.watchBytes(in.Counts).Get(); ok {
		k.Watches = Some(k.Watches.Value + bytes)
	}
	if c, ok := b.instance.Get(); ok {
		k.Instances = Some(k.Instances.Value + c.Bytes)
	}
	if in.State != OK {
		p.Unread++
	}
}

// finish adds up a row's kernel memory and names what the total leaves out.
func finish(p *Process) {
	slices.SortFunc(p.Epolls, func(a, b Epoll) int { return cmp.Compare(a.FD, b.FD) })
	k := &p.KernelBytes
	for _, part := range []struct {
		name  string
		bytes Maybe[int64]
	}{{"sockets", k.Sockets}, {"buffers", k.Buffers}, {"watches", k.Watches}, {"instances", k.Instances}} {
		if n, ok := part.bytes.Get(); ok {
			k.Total = Some(k.Total.Value + n)
		} else if p.Instances > 0 || part.name == "sockets" || part.name == "buffers" {
			k.LeavesOut = append(k.LeavesOut, part.name)
		}
	}
	if p.Unread > 0 {
		k.LeavesOut = append(k.LeavesOut, "watches of "+many(int64(p.Unread), "unread instance"))
	}
}

func many(n int64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
