package table

import (
	tea "charm.land/bubbletea/v2"

	"github.com/eptop/eptop/internal/ui/input"
	"github.com/eptop/eptop/internal/ui/theme"
	"github.com/eptop/eptop/internal/units"
)

// Model is the table. It is not safe for use by several goroutines; its
// background jobs do not touch it.
type Model struct {
	columns []Column
	keys    Keys
	focused bool
	empty   string // shown in a table without rows

	w, h  int
	skip  int // columns scrolled away on the left
	slots []slot
	// hidden is how many columns are not on screen.
	hidden int

	// What is shown: rows of src in the order of index (nil: all rows in their own order),
	// which is the answer to have.
	src   Source
	index []int32
	have  ask
	// What is wanted: the latest source and the order that was asked for. job is working
	// on it.
	next Source
	want ask
	job  *job
	// generation counts sources, which shows whether a result belongs to the latest one.
	generation int

	cursor, top int // places in the index
	follow      bool
	typing      bool       // a filter is being typed
	line        input.Line // the filter as it is typed
	heading     bool       // a column is being chosen
	head        int        // that column

	pending []tea.Cmd
	pens    [states][roles]theme.Pen
	heads   headPens
	cells   []Cell
	buf     []byte
}

// New returns an empty table of these columns, sorted by none.
func New(columns []Column, keys Keys) *Model {
	m := &Model{
		columns: columns, keys: keys, focused: true, src: Empty{}, next: Empty{},
		want: ask{column: -1}, have: ask{column: -1}, line: input.New(0, nil),
		cells: make([]Cell, len(columns)),
	}
	m.SetTheme(theme.New(true))
	return m
}

// SetSize gives the table w by h cells, the header's line among them.
func (m *Model) SetSize(w, h int) {
	m.w, m.h = max(0, w), max(0, h)
	m.arrange()
	m.clamp()
}

// arrange chooses the columns on screen.
func (m *Model) arrange() {
	m.slots, m.hidden = layout(m.columns, m.w, m.skip)
}

// SetRoom gives a column a new Min and Rank, or hides it.
func (m *Model) SetRoom(column, least, rank int, hidden bool) {
	c := &m.columns[column]
	if c.Min != least || c.Rank != rank || c.Hidden != hidden {
		c.Min, c.Rank, c.Hidden = least, rank, hidden
		m.arrange()
	}
}

// SetFocused says whether the keys go to this table: its cursor then shows.
func (m *Model) SetFocused(on bool) { m.focused = on }

// SetEmpty sets the line that a table without rows shows.
func (m *Model) SetEmpty(text string) { m.empty = text }

// SetOrder sorts by a column, or for -1 shows the source's own order.
func (m *Model) SetOrder(column int, down bool) {
	m.want.column, m.want.down = column, down
	m.reorder(sorted)
}

// Order returns the column that the table is sorted by (-1: none), and whether the largest
// value is on top.
func (m *Model) Order() (column int, down bool) { return m.want.column, m.want.down }

// Ordered is Order with the column's title, "" for none.
func (m *Model) Ordered() (title string, down bool) {
	if m.want.column < 0 {
		return "", m.want.down
	}
	return m.columns[m.want.column].Title, m.want.down
}

// SetFilter shows the rows with the text only; with a ! before it, all others.
// A capital letter in it makes case matter.
func (m *Model) SetFilter(text string) {
	if text == m.want.filter {
		return
	}
	m.want.filter = text
	if m.line.Value() != text {
		m.line.SetValue(text)
	}
	m.reorder(filtered)
}

// Filter returns the filter in use.
func (m *Model) Filter() string { return m.want.filter }

// SetSource shows new rows. While a job is making an order, its result is shown first, so
// that data which arrives faster than it can be sorted is shown too.
func (m *Model) SetSource(src Source) {
	m.next = src
	m.generation++
	if m.job == nil {
		m.refresh(refreshed)
	}
}

// reorder stops the job under way, and begins with the order that is wanted now.
func (m *Model) reorder(why cause) {
	if m.job != nil {
		m.job.stop.Store(true)
		m.job = nil
	}
	m.refresh(why)
}

// refresh makes what is wanted be shown: at once where that is cheap, otherwise in the
// background.
func (m *Model) refresh(why cause) {
	want := m.want
	want.src = nil
	if m.have == want && sameRows(m.src, m.next, want) {
		m.src = m.next
		return
	}
	want.src = m.next
	j := &job{ask: want, why: why, generation: m.generation}
	if row, ok := m.Row(); ok {
		j.key, j.hasKey = m.src.Key(row), true
	}
	switch {
	case want.trivial():
		m.apply(j, nil, -2)
	case want.src.Len() <= inPlace:
		index, _ := j.run()
		m.apply(j, index, -2)
	default:
		m.job = j
		m.start(j)
	}
}

// sameRows reports whether an order found for a holds for b.
func sameRows(a, b Source, order ask) bool {
	s, ok := b.(same)
	return ok && s.Same(a, order.column, order.filter != "")
}

// apply shows the result of a job. at is the place of the row with the cursor, -1 where it
// is gone, -2 where it was not searched for yet.
func (m *Model) apply(j *job, index []int32, at int) {
	key, hasKey := Key{}, false
	guess, line := m.rowAt(m.cursor), m.cursor-m.top
	if guess >= 0 {
		key, hasKey = m.src.Key(guess), true
	}
	if at == -2 || !hasKey || key != j.key {
		at = -1
		if hasKey {
			at = find(j.src, index, key, guess)
		}
	}
	m.src, m.index = j.src, index
	m.have = j.ask
	m.have.src = nil
	switch {
	case at >= 0 && m.follow:
		m.cursor, m.top = at, at-line
	case j.why == sorted:
		m.cursor, m.top = 0, 0
	case j.why == filtered:
		m.cursor = max(0, at)
	case at >= m.top && at < m.top+m.rows():
		m.cursor = at
	default:
		m.cursor = m.top + line
	}
	m.clamp()
}

// Pending returns the work that the last calls left to do, or nil. The view that embeds
// the table runs it and gives every resulting message to Update.
func (m *Model) Pending() tea.Cmd {
	p := m.pending
	m.pending = nil
	return tea.Batch(p...)
}

// Len returns how many rows pass the filter.
func (m *Model) Len() int {
	if m.index != nil {
		return len(m.index)
	}
	return m.src.Len()
}

// Source returns the source of the rows on screen. A newer one may still be being sorted.
func (m *Model) Source() Source { return m.src }

// Row returns the number, in Source, of the row under the cursor.
func (m *Model) Row() (row int, ok bool) {
	row = m.rowAt(m.cursor)
	return row, row >= 0
}

// OnScreen returns the numbers, in Source, of the visible rows.
func (m *Model) OnScreen() []int {
	rows := make([]int, 0, m.rows())
	for place := m.top; place < m.Len() && len(rows) < m.rows(); place++ {
		rows = append(rows, m.rowAt(place))
	}
	return rows
}

func (m *Model) rowAt(place int) int {
	if place < 0 || place >= m.Len() {
		return -1
	}
	if m.index != nil {
		return int(m.index[place])
	}
	return place
}

// Select puts the cursor on the row of a key and reports whether there is one.
func (m *Model) Select(key Key) bool {
	at := find(m.src, m.index, key, m.rowAt(m.cursor))
	if at < 0 {
		return false
	}
	m.cursor = at
	m.clamp()
	return true
}

// Busy reports whether a job is making an order.
func (m *Model) Busy() bool { return m.job != nil }

// Column returns the column that the user is on: the one being chosen, or the one sorted
// by, or the first.
func (m *Model) Column() Column {
	switch {
	case m.heading:
		return m.columns[m.head]
	case m.want.column >= 0:
		return m.columns[m.want.column]
	}
	return m.columns[0]
}

// Columns returns the table's columns.
func (m *Model) Columns() []Column { return m.columns }

// Status returns a text for the status line: the row under the cursor, or the progress of
// sorting or filtering.
func (m *Model) Status() string {
	if m.job != nil {
		what := "filtering "
		if m.job.column >= 0 {
			what = "sorting "
		}
		return what + units.Count(int64(m.next.Len())) + " rows: " + units.Count(int64(m.job.share()*100)) + " %"
	}
	if m.heading {
		return "sort by " + m.columns[m.head].Title + "? ← → choose, Enter sorts"
	}
	if m.Len() == 0 {
		return ""
	}
	text := "row " + units.Count(int64(m.cursor+1)) + " of " + units.Count(int64(m.Len()))
	if m.follow {
		text = "following · " + text
	}
	return text
}
