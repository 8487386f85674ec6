package processes

import (
	"sync"

	"github.com/eptop/eptop/internal/model"
)

// What watches are sorted by comes from their sockets, and joining a million of
// them takes a while: it is done once for a column and a source, by whoever asks
// first, which for long lists is a job in the background.

// lazy is a value of every row of a source, made at the first use.
type lazy[T any] struct {
	once sync.Once
	all  []T
}

func (l *lazy[T]) of(r *watchRows, value func(i int, s *model.WatchedSocket) T) []T {
	l.once.Do(func() { l.all = joined(r, value) })
	return l.all
}

// joined makes a value of every row and its socket; of a row without one, of the
// zero value.
func joined[T any](r *watchRows, value func(i int, s *model.WatchedSocket) T) []T {
	all := make([]T, r.Len())
	var s model.WatchedSocket // one for all rows: value keeps none
	for i := range all {
		s, _ = r.socket(i)
		all[i] = value(i, &s)
	}
	return all
}

// word is the text of a row in the columns KIND and STATE.
func (r *watchRows) word(column, i int, s *model.WatchedSocket) string {
	switch {
	case column == watchState:
		return s.State
	case s.Kind != "":
		return s.Kind
	}
	return r.epoll.List[i].Kind.String()
}

// notes are the ranks of all rows' notes.
func (r *watchRows) notes() []int64 {
	return r.remarks.of(r, func(i int, s *model.WatchedSocket) int64 {
		return int64((watchNote(r.epoll, i) | socketNote(s)).rank())
	})
}
