package model

import (
	"time"

	"github.com/eptop/eptop/internal/epoll"
	"github.com/eptop/eptop/internal/sock"
)

// maxSuspects bounds the sockets of one namespace, and the watches of one instance, that a
// rule looks at one by one.
const maxSuspects = 1 << 15

// suspectRows are the sockets of a table that rules ask about, found in the one pass over
// it. Cut: there are more than are kept.
type suspectRows struct {
	closing []suspectRow // in CLOSE_WAIT, with a descriptor
	unread  []suspectRow // open, with bytes that nobody has read
	unsent  []suspectRow // TCP, with bytes that were not acknowledged
	cut     bool
}

type suspectRow struct {
	row      uint32
	ino      uint32
	listener int32 // index in survey.Listeners, -1 for none
	queue    uint32
}

func (r *suspectRows) add(row int, s *sock.Socket, listener int) {
	if s.Ino == 0 || s.State == sock.StateListen {
		return
	}
	tcp := s.Kind == sock.TCP4 || s.Kind == sock.TCP6
	keep := func(list *[]suspectRow, queue uint32) {
		if len(*list) == maxSuspects {
			r.cut = true
			return
		}
		*list = append(*list, suspectRow{uint32(row), s.Ino, int32(listener), queue})
	}
	if tcp && s.State == sock.StateCloseWait {
		keep(&r.closing, s.RecvQueue)
	}
	// A FIN that was received counts as a byte.
	if s.HasQueues && s.RecvQueue > 0 && (!tcp || s.State == sock.StateEstablished || s.State == sock.StateCloseWait && s.RecvQueue > 1) {
		keep(&r.unread, s.RecvQueue)
	}
	if tcp && s.HasQueues && s.SendQueue > 0 && s.State != sock.StateSynSent {
		keep(&r.unsent, s.SendQueue)
	}
}

// suspect is a socket that a rule asks about.
type suspect struct {
	suspectRow
	table  *sock.Table
	survey *survey
}

func (s *suspect) socket() sock.Socket { return s.table.At(int(s.row)) }

// suspects are the sockets of one sort in all tables, by inode.
func (r *ruling) suspects(sort func(*suspectRows) []suspectRow) map[uint64]suspect {
	out := map[uint64]suspect{}
	for _, t := range r.tables {
		if v := r.surveys[t]; v != nil {
			for _, row := range sort(&v.suspects) {
				out[uint64(row.ino)] = suspect{row, t, v}
			}
		}
	}
	return out
}

func closingRows(r *suspectRows) []suspectRow { return r.closing }
func unreadRows(r *suspectRows) []suspectRow  { return r.unread }
func unsentRows(r *suspectRows) []suspectRow  { return r.unsent }

// watched is one watch that a rule asks about.
type watched struct {
	in    *InstanceSample
	watch *epoll.Watch
}

// sights is what one pass over all watches has found.
type sights struct {
	unread, closing map[uint64]suspect
	listening       map[uint64]bool

	closed    map[uint64]watched // watches of sockets in closing
	listeners map[uint64][]watched
	pending   []watched // watches of sockets in unread
	writable  []watched // level-triggered, for EPOLLOUT
	empty     []watched // armed for nothing
	blocking  []watched // edge-triggered, of a socket without O_NONBLOCK
	flags     bool      // O_NONBLOCK is known of some
}

// look makes the pass. It is the one that costs time with a million watches.
func (r *ruling) look() *sights {
	if r.seen != nil {
		return r.seen
	}
	s := &sights{
		unread: r.suspects(unreadRows), closing: r.suspects(closingRows), listening: map[uint64]bool{},
		closed: map[uint64]watched{}, listeners: map[uint64][]watched{},
	}
	r.seen = s
	var filter inodeFilter
	for ino := range s.unread {
		filter.add(ino)
	}
	for ino := range s.closing {
		filter.add(ino)
	}
	for _, t := range r.tables {
		if v := r.surveys[t]; v != nil {
			for i := range v.Listeners {
				for _, q := range v.Listeners[i].Queues {
					s.listening[uint64(q.Ino)] = true
					filter.add(uint64(q.Ino))
				}
			}
		}
	}
	r.instances(func(in *InstanceSample) { s.pass(in, &filter) })
	return s
}

// pass looks at the watches of one instance.
func (s *sights) pass(in *InstanceSample, filter *inodeFilter) {
	const notAsked = epoll.Err | epoll.Hup | epoll.Exclusive | epoll.Wakeup | epoll.OneShot | epoll.ET
	writable, pending, empty, blocking := 0, 0, 0, 0
	for i := range in.List {
		w := &in.List[i]
		m := w.Mask
		if w.Kind == epoll.KindSocket && filter.mayHave(w.Ino) {
			s.socket(in, w, &pending)
		}
		if m&^notAsked == 0 && m&(epoll.Err|epoll.Hup) != 0 {
			keepWatch(&s.empty, in, w, &empty)
		}
		if m&(epoll.ET|epoll.OneShot|epoll.Out) == epoll.Out && w.Kind == epoll.KindSocket {
			keepWatch(&s.writable, in, w, &writable)
		}
		if w.Facts&epoll.KnowsFlags != 0 {
			s.flags = true
			if m&epoll.ET != 0 && w.Facts&epoll.IsBlocking != 0 && w.Kind == epoll.KindSocket {
				keepWatch(&s.blocking, in, w, &blocking)
			}
		}
	}
}

// socket sorts a watch of a socket that may be of interest.
func (s *sights) socket(in *InstanceSample, w *epoll.Watch, pending *int) {
	if s.listening[w.Ino] {
		s.listeners[w.Ino] = append(s.listeners[w.Ino], watched{in, w})
		return
	}
	if _, is := s.unread[w.Ino]; is {
		keepWatch(&s.pending, in, w, pending)
	}
	if _, is := s.closing[w.Ino]; is {
		s.closed[w.Ino] = watched{in, w}
	}
}

func keepWatch(list *[]watched, in *InstanceSample, w *epoll.Watch, n *int) {
	if *n < maxSuspects {
		*list = append(*list, watched{in, w})
		*n++
	}
}

// inodeFilter says of most inodes that they are of no interest, without a map.
type inodeFilter [1 << 12]uint64

func (f *inodeFilter) add(ino uint64) { f[ino>>6%uint64(len(f))] |= 1 << (ino & 63) }

func (f *inodeFilter) mayHave(ino uint64) bool {
	return f[ino>>6%uint64(len(f))]&(1<<(ino&63)) != 0
}

// streakKey is a thing at fault, for a rule.
type streakKey struct {
	rule string
	site site
	ino  uint64
}

// streak is for how many looks in a row a thing has been the same.
type streak struct {
	value     uint64
	looks     int
	since, at time.Time
	kept      bool // by this look
}

// streak takes in that a thing is as it is, and returns for how long it has been so: looks
// that did not read it anew are none.
func (r *ruling) streak(where site, ino, value uint64, at time.Time) (looks int, since time.Time) {
	key := streakKey{r.rule.Name, where.key(), ino}
	s, known := r.memory.streaks[key]
	switch {
	case !known || s.value != value:
		s = streak{value: value, looks: 1, since: at}
	case at.After(s.at):
		s.looks++
	}
	s.at, s.kept = at, true
	r.memory.streaks[key] = s
	return s.looks, s.since
}
