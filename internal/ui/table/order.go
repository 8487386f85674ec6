package table

import (
	"bytes"
	"slices"
	"strings"
	"sync/atomic"
	"time"
	"unicode"

	tea "charm.land/bubbletea/v2"
)

// ask describes the index that is wanted.
type ask struct {
	src    Source
	column int // -1: the source's own order
	down   bool
	filter string
}

// trivial reports whether all rows are wanted in the source's own order, for which no index
// is needed.
func (a ask) trivial() bool { return a.column < 0 && !a.down && a.filter == "" }

// job makes one index. Its command runs in a goroutine of its own and shares only the
// atomic fields with the table.
type job struct {
	ask
	why        cause
	key        Key // the row whose place is wanted
	hasKey     bool
	generation int
	stop       atomic.Bool
	done       atomic.Int64 // steps taken
}

// cause is the reason for a new order. It decides where the cursor goes.
type cause uint8

const (
	refreshed cause = iota // new data, or nothing to do with order
	sorted                 // the user chose another order
	filtered               // the user typed a filter
)

// doneMsg carries the result of a job, and tickMsg redraws its progress. Both name their
// table, because every table receives them.
type (
	doneMsg struct {
		table *Model
		job   *job
		index []int32
		at    int // place of the wanted row in the index, or -1
	}
	tickMsg struct {
		table *Model
		job   *job
	}
)

const (
	// inPlace is the number of rows that can be ordered within Update, in about a
	// millisecond.
	inPlace = 2048
	// chunk is how many rows are sorted or searched between two checks of stop.
	chunk = 1 << 14
	// progressEvery is how often progress is drawn.
	progressEvery = 100 * time.Millisecond
)

// run makes the index. It returns nil and false if it was stopped.
func (j *job) run() (index []int32, ok bool) {
	if index, ok = j.match(); !ok {
		return nil, false
	}
	if j.column >= 0 {
		return j.sort(index)
	}
	if j.down {
		slices.Reverse(index)
	}
	return index, !j.stop.Load()
}

// match returns the numbers of the rows that pass the filter.
func (j *job) match() ([]int32, bool) {
	n := j.src.Len()
	want, not := strings.CutPrefix(j.filter, "!")
	index := make([]int32, 0, n)
	// A capital letter in the filter makes case matter: ET does not find socket.
	fold := !strings.ContainsFunc(want, unicode.IsUpper)
	needle := []byte(want)
	var text []byte
	for i := range n {
		if i%chunk == 0 {
			if j.stop.Load() {
				return nil, false
			}
			j.done.Store(int64(i))
		}
		if want != "" {
			text = j.src.AppendText(text[:0], i)
			if fold {
				lower(text)
			}
			if bytes.Contains(text, needle) == not {
				continue
			}
		}
		index = append(index, int32(i))
	}
	return index, true
}

// lower makes ASCII capitals lower case, in place.
func lower(b []byte) {
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
}

// passes returns how often sort goes through n rows.
func passes(n int) int {
	p := 1
	for run := chunk; run < n; run *= 2 {
		p++
	}
	return p
}

// sort orders the index: runs of chunk rows first, then pairs of runs merged,
// so that it can stop and report its progress. Equal rows keep their order.
func (j *job) sort(index []int32) ([]int32, bool) {
	less := func(a, b int32) int {
		c := j.src.Compare(j.column, int(a), int(b))
		if j.down {
			c = -c
		}
		if c == 0 {
			return int(a) - int(b)
		}
		return c
	}
	for part := range slices.Chunk(index, chunk) {
		if j.stop.Load() {
			return nil, false
		}
		slices.SortFunc(part, less)
		j.done.Add(int64(len(part)))
	}
	from, to := index, make([]int32, len(index))
	for run := chunk; run < len(index); run *= 2 {
		for i := 0; i < len(from); i += 2 * run {
			if j.stop.Load() {
				return nil, false
			}
			mid, end := min(i+run, len(from)), min(i+2*run, len(from))
			merge(to[i:end], from[i:mid], from[mid:end], less)
			j.done.Add(int64(end - i))
		}
		from, to = to, from
	}
	return from, !j.stop.Load()
}

func merge(dst, a, b []int32, less func(a, b int32) int) {
	for k := range dst {
		if len(b) == 0 || len(a) > 0 && less(a[0], b[0]) <= 0 {
			dst[k], a = a[0], a[1:]
		} else {
			dst[k], b = b[0], b[1:]
		}
	}
}

// share returns how much of the job is done, from 0 to 1.
func (j *job) share() float64 {
	n := j.src.Len()
	if n == 0 {
		return 1
	}
	total := n
	if j.column >= 0 {
		total += n * passes(n)
	}
	return min(1, float64(j.done.Load())/float64(total))
}

// find returns the place in index of the row with a key, or -1. It tries the rows around
// guess first, because most rows stay where they were.
func find(src Source, index []int32, key Key, guess int) int {
	row := findRow(src, key, guess)
	if row < 0 || index == nil {
		return row
	}
	return slices.Index(index, int32(row))
}

func findRow(src Source, key Key, guess int) int {
	n := src.Len()
	if guess >= 0 && guess < n {
		for d := range 64 {
			if i := guess - d; i >= 0 && src.Key(i) == key {
				return i
			}
			if i := guess + d; i < n && src.Key(i) == key {
				return i
			}
		}
	}
	for i := range n {
		if src.Key(i) == key {
			return i
		}
	}
	return -1
}

// start runs a job in the background and draws its progress.
func (m *Model) start(j *job) {
	guess := m.rowAt(m.cursor)
	m.later(func() tea.Msg {
		index, ok := j.run()
		if !ok {
			return nil
		}
		at := -1
		if j.hasKey {
			at = find(j.src, index, j.key, guess)
		}
		return doneMsg{table: m, job: j, index: index, at: at}
	})
	m.tick(j)
}

func (m *Model) tick(j *job) {
	m.later(tea.Tick(progressEvery, func(time.Time) tea.Msg { return tickMsg{m, j} }))
}

func (m *Model) later(c tea.Cmd) { m.pending = append(m.pending, c) }
