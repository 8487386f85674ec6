package model

import (
	"time"

	"github.com/eptop/eptop/internal/sock"
)

// SocketPast is how long a socket has been seen, and in its present state: moments counted
// from Sockets.PastFrom. It takes 8 bytes, for there are millions.
type SocketPast struct{ Seen, State PastMoment }

// PastMoment is a moment in tenths of a second, counted from 1; 0 is unknown. With
// beforeThat what began there may have begun before.
type PastMoment uint32

const (
	beforeThat PastMoment = 1 << 31
	pastTenth             = 100 * time.Millisecond
)

// SeenFor is how long something has been seen: at least that long where it was there at the
// first look.
type SeenFor struct {
	For     time.Duration
	AtLeast bool
}

// since is how long ago the moment was, false where it is not known.
func (m PastMoment) since(from, now time.Time) (SeenFor, bool) {
	if m&^beforeThat == 0 {
		return SeenFor{}, false
	}
	began := from.Add(time.Duration(m&^beforeThat-1) * pastTenth)
	return SeenFor{For: max(0, now.Sub(began)), AtLeast: m&beforeThat != 0}, true
}

func momentAt(from, at time.Time) PastMoment {
	return PastMoment(min(max(0, at.Sub(from)/pastTenth)+1, time.Duration(beforeThat-1)))
}

// age gives the sockets of new tables their past: that of the same socket in the table
// before, or else this look. What the first look at a namespace saw may be older.
func (d *Deriver) age(s *Sample) {
	at := s.SocketsAt
	if at.IsZero() {
		at = s.Time
	}
	if d.began.IsZero() && len(s.Networks) > 0 {
		d.began = at
	}
	now := momentAt(d.began, at)
	tables := make(map[string]*sock.Table, len(s.Networks))
	for i := range s.Networks {
		n := &s.Networks[i]
		v := d.surveys[n.Table]
		if v == nil {
			continue
		}
		tables[n.ID] = n.Table
		if v.past != nil {
			continue
		}
		before := d.previous[n.ID]
		v.past = pastOf(n.Table, before, d.pasts[before], now)
	}
	d.previous = tables
	d.pasts = make(map[*sock.Table][]SocketPast, len(tables))
	for _, t := range tables {
		d.pasts[t] = d.surveys[t].past
	}
}

// pastOf is the past of each socket of a table.
func pastOf(t, before *sock.Table, was []SocketPast, now PastMoment) []SocketPast {
	past := make([]SocketPast, t.Len())
	guess := 0 // two dumps list most sockets in the same order
	for i := range past {
		ino := t.Ino(i)
		if ino == 0 {
			continue // nothing distinguishes it from others
		}
		if before == nil {
			past[i] = SocketPast{now | beforeThat, now | beforeThat}
			continue
		}
		past[i] = SocketPast{now, now}
		row, ok := guess, guess < before.Len() && before.Ino(guess) == ino
		if !ok {
			row, ok = before.Find(uint64(ino))
		}
		if !ok {
			continue
		}
		guess = row + 1
		a, b := t.Brief(i), before.Brief(row)
		if a.Kind != b.Kind { // another socket has its number by now
			continue
		}
		past[i].Seen = was[row].Seen
		if a.State == b.State {
			past[i].State = was[row].State
		}
	}
	return past
}
