package model

import (
	"strings"

	"github.com/eptop/eptop/internal/epoll"
)

// Note is what is remarkable about a watch and its socket: a set of bits, the worst
// first.
type Note uint8

// The notes.
const (
	NoteStale    Note = 1 << iota // the fd is closed or another file by now
	NoteFull                      // a listener whose accept queue takes no more
	NoteDisarmed                  // a one-shot watch that has fired
	NoteNested                    // the watched file is an epoll itself
	NoteUnproven                  // it is not known whether the watch is stale
	NoteDrops                     // the socket threw packets away
	NoteBlocking                  // edge-triggered, and the watched file lacks O_NONBLOCK
	NotePeerHere                  // the other end is a socket of this host
)

var noteNames = [...]string{"stale", "full", "disarmed", "nested", "unproven", "drops", "blocking", "peer on this host"}

// NotesOf are the notes of a watch; s is the socket behind it, the zero value where
// none is known.
func NotesOf(w *epoll.Watch, s *WatchedSocket) Note {
	var n Note
	set := func(note Note, holds bool) {
		if holds {
			n |= note
		}
	}
	set(NoteStale, w.Link == epoll.Stale)
	set(NoteUnproven, w.Link == epoll.Unproven)
	set(NoteDisarmed, w.Mask.Disarmed())
	set(NoteNested, w.Kind == epoll.KindEpoll)
	waiting, backlog := s.AcceptQueue()
	set(NoteFull, QueueStateOf(waiting, backlog) == QueueFull)
	set(NoteDrops, s.Drops.Value > 0)
	set(NoteBlocking, w.Mask&epoll.ET != 0 && w.Facts&(epoll.KnowsFlags|epoll.IsBlocking) == epoll.KnowsFlags|epoll.IsBlocking)
	set(NotePeerHere, s.PeerHere)
	return n
}

// Words are the names of the notes, the worst first.
func (n Note) Words() []string {
	var words []string
	for i, name := range noteNames {
		if n&(1<<i) != 0 {
			words = append(words, name)
		}
	}
	return words
}

// String joins the Words.
func (n Note) String() string { return strings.Join(n.Words(), ", ") }

// Rank orders notes: the worst weighs most, and more than all others together.
func (n Note) Rank() int {
	rank := 0
	for i := range noteNames {
		rank <<= 1
		if n&(1<<i) != 0 {
			rank++
		}
	}
	return rank
}
