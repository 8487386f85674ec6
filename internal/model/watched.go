package model

import (
	"cmp"
	"slices"

	"github.com/eptop/eptop/internal/epoll"
	"github.com/eptop/eptop/internal/sock"
)

// watchedSockets are the sockets that an epoll watches.
type watchedSockets struct {
	lists []*epoll.Watch // the lists of watches that were looked through, by their firsts
	round int            // and the tables
	rows  rowSet         // of all tables, numbered through
	// look counts how often rows have changed.
	look int
}

// watch finds the sockets that any instance watches, unless the lists of watches and the
// tables are those of the look before.
func (d *Deriver) watch(instances []InstanceSample) {
	var lists []*epoll.Watch
	for i := range instances {
		if list := instances[i].List; len(list) > 0 {
			lists = append(lists, &list[0])
		}
	}
	w := &d.watched
	if w.look > 0 && w.round == d.round && slices.Equal(w.lists, lists) {
		return
	}
	w.lists, w.round = lists, d.round
	w.look++
	w.rows = make(rowSet, len(d.seen))
	for i := range instances {
		at := 0
		for j := range instances[i].List {
			watch := &instances[i].List[j]
			if watch.Kind != epoll.KindSocket || !watch.HasInode {
				continue
			}
			if row, n, ok := d.find(watch.Ino, at); ok {
				at = n
				w.rows.set(d.first[n] + row)
			}
		}
	}
}

// find finds the socket with an inode: its row in table n. It tries table at first, for all
// sockets of a process are in one as a rule.
func (d *Deriver) find(ino uint64, at int) (row, n int, ok bool) {
	for try := range d.tables {
		n = (at + try) % len(d.tables)
		if d.tables[n] == nil {
			continue
		}
		if row, ok = d.tables[n].Find(ino); ok {
			return row, n, true
		}
	}
	return 0, at, false
}

// states counts the sockets of a process by state, the commonest first.
func (d *Deriver) states(h *holding) []StateCount {
	if h.counted == d.watched.look && h.counted > 0 {
		return h.states
	}
	h.counted = d.watched.look
	type key struct {
		kind  sock.Kind
		state sock.State
		mptcp sock.MPTCP
	}
	at := map[key]int{}
	var last key
	place := -1
	out := []StateCount{}
	table := 0
	for _, number := range h.rows {
		table = d.tableOf(int(number), table)
		s := d.tables[table].Brief(int(number) - d.first[table])
		if k := (key{s.Kind, s.State, s.MPTCP}); place < 0 || k != last {
			known := false
			if place, known = at[k]; !known {
				place = len(out)
				at[k] = place
				out = append(out, StateCount{State: stateName(&s)})
			}
			last = k
		}
		out[place].Sockets++
		out[place].Watched += one(d.watched.rows.has(int(number)))
	}
	slices.SortFunc(out, func(a, b StateCount) int {
		return cmp.Or(cmp.Compare(b.Sockets, a.Sockets), cmp.Compare(a.State, b.State))
	})
	if len(out) == 0 {
		out = nil
	}
	h.states = out
	return out
}

// tableOf is the table that has the socket of a number; guess is tried first.
func (d *Deriver) tableOf(number, guess int) int {
	has := func(n int) bool {
		return d.tables[n] != nil && d.first[n] <= number && number < d.first[n]+d.tables[n].Len()
	}
	if guess < len(d.tables) && has(guess) {
		return guess
	}
	for n := range d.tables {
		if has(n) {
			return n
		}
	}
	return 0
}

// StateSockets is how many sockets of a process are in a state of any protocol, "CLOSE_WAIT",
// and how many of them no epoll watches that was read.
func (p *Process) StateSockets(state string) (sockets, unwatched int64) {
	for _, c := range p.States {
		if len(c.State) > len(state) && c.State[len(c.State)-len(state)-1:] == " "+state {
			sockets += c.Sockets
			unwatched += c.Sockets - c.Watched
		}
	}
	return sockets, unwatched
}
