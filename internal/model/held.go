package model

import (
	"slices"

	"github.com/eptop/eptop/internal/epoll"
	"github.com/eptop/eptop/internal/sock"
)

// held is what a process holds of the sockets in the tables, each socket once: several
// fds may refer to one.
type held struct {
	Tally
	// missing are the inodes of those that no table has, in order.
	missing []uint64
	// rows are those that a table has, numbered through all tables.
	rows []uint32
	// Listening are the inodes of those that listen.
	Listening []uint32
	// sockets are all of them, in the order of their first fds.
	sockets []HeldSocket
}

// heldBy joins fds with the sockets of all namespaces.
func (d *Deriver) heldBy(files []epoll.FD) held {
	var h held
	rows := d.rows[:0]
	var missing map[uint64]bool
	at := 0 // the table of the last socket: all of a process are in one as a rule
	for i := range files {
		if files[i].Kind != epoll.KindSocket {
			continue
		}
		row, n, ok := d.find(files[i].Ino, at)
		if !ok {
			if ino := files[i].Ino; !missing[ino] {
				if missing == nil {
					missing = map[uint64]bool{}
				}
				missing[ino] = true
				h.missing = append(h.missing, ino)
				h.sockets = append(h.sockets, HeldSocket{files[i].Num, uint32(ino)})
			}
			continue
		}
		at = n
		table := d.tables[at]
		survey := d.surveys[table]
		number := d.first[at] + row
		if d.seen.has(number) {
			continue
		}
		d.seen.set(number)
		rows = append(rows, uint32(number))
		h.sockets = append(h.sockets, HeldSocket{files[i].Num, uint32(files[i].Ino)})
		s := table.Brief(row)
		s.Ino = uint32(files[i].Ino)
		h.add(&s, 1)
		h.attach(one(survey.bindPorts.has(row)), one(survey.bindAddresses.has(row)), survey.ends.Here(row))
		if s.State == sock.StateListen {
			h.Listening = append(h.Listening, s.Ino)
		}
	}
	for _, number := range rows {
		d.seen.unset(int(number))
	}
	d.rows, h.rows = rows, slices.Clone(rows)
	h.sockets = slices.Clip(h.sockets)
	slices.Sort(h.missing)
	return h
}

func one(is bool) int64 {
	if is {
		return 1
	}
	return 0
}

// share counts for each process the sockets that others hold too, after a fork as a rule.
func (d *Deriver) share() {
	once, again := make(rowSet, len(d.seen)), make(rowSet, len(d.seen))
	for _, h := range d.holdings {
		for _, number := range h.rows {
			if once.has(int(number)) {
				again.set(int(number))
			}
			once.set(int(number))
		}
	}
	for _, h := range d.holdings {
		h.shared = 0
		for _, number := range h.rows {
			h.shared += one(again.has(int(number)))
		}
	}
}
