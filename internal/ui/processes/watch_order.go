package processes

import (
	"cmp"
	"sync"

	"github.com/eptop/eptop/internal/epoll"
	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/model"
)

// What watches are sorted by comes from their sockets, and joining a million of
// them takes a while: it is done once for a column and a source, by whoever asks
// first, which for long lists is a job in the background.

// ordering orders two rows by their numbers.
type ordering func(i, j int) int

// lazyOrdering is an ordering whose keys are made at the first use.
type lazyOrdering struct {
	once sync.Once
	made ordering
}

func (l *lazyOrdering) of(r joinedRows, from func(joinedRows) ordering) ordering {
	l.once.Do(func() { l.made = from(r) })
	return l.made
}

// joinedRows are rows that join fills in: the watch of row i, or what stands for it, and its
// socket, where one is known.
type joinedRows interface {
	Len() int
	join(i int, w *epoll.Watch, s *model.WatchedSocket) (joined bool)
}

// keyed orders rows by a key of each watch and its socket, the zero socket where none
// is known. The key of every row is made once for a source.
func keyed[T any](key func(*epoll.Watch, *model.WatchedSocket) T, compare func(a, b T) int) func(joinedRows) ordering {
	return func(r joinedRows) ordering {
		keys := make([]T, r.Len())
		var w epoll.Watch
		var s model.WatchedSocket // one for all rows: key keeps none
		for i := range keys {
			r.join(i, &w, &s)
			keys[i] = key(&w, &s)
		}
		return func(i, j int) int { return compare(keys[i], keys[j]) }
	}
}

// keyedNumber orders rows by a number of their sockets, absent ones first.
func keyedNumber(number func(*model.WatchedSocket) maybe.Of[int64]) func(joinedRows) ordering {
	return keyed(func(_ *epoll.Watch, s *model.WatchedSocket) int64 {
		if n := number(s); n.Known {
			return n.Value
		}
		return -1
	}, cmp.Compare[int64])
}
