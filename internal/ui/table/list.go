package table

// Field is a column as data: its head, width and explanation, how a row of type R shows
// in it, and how two rows compare.
type Field[R any] struct {
	Column
	Show    func(R) Cell
	Compare func(a, b R) int // negative when a comes first
}

// Heads returns the columns of fields, for New.
func Heads[R any](fields []Field[R]) []Column {
	heads := make([]Column, len(fields))
	for i := range fields {
		heads[i] = fields[i].Column
	}
	return heads
}

// List is a Source whose rows are of type R, most often a pointer or an index: At is
// called for every row on screen and for every comparison.
type List[R any] struct {
	Fields []Field[R]
	Count  int
	At     func(i int) R
	KeyOf  func(R) Key
	// Search appends the text of a row that a filter searches.
	Search func(dst []byte, r R) []byte
}

// Len returns how many rows there are.
func (l *List[R]) Len() int { return l.Count }

// Row fills in the cells of row i.
func (l *List[R]) Row(i int, dst []Cell) {
	r := l.At(i)
	for c := range dst {
		dst[c] = l.Fields[c].Show(r)
	}
}

// Key identifies row i.
func (l *List[R]) Key(i int) Key { return l.KeyOf(l.At(i)) }

// Compare orders two rows by a column.
func (l *List[R]) Compare(column, a, b int) int { return l.Fields[column].Compare(l.At(a), l.At(b)) }

// AppendText appends the text of row i that a filter searches.
func (l *List[R]) AppendText(dst []byte, i int) []byte { return l.Search(dst, l.At(i)) }

// Named returns the number of the column with a title, -1 for "". It panics if there is
// none, because titles are constants of the program.
func (m *Model) Named(title string) int {
	if title == "" {
		return -1
	}
	for i := range m.columns {
		if m.columns[i].Title == title {
			return i
		}
	}
	panic("no column " + title)
}

// Find returns the number of the column with a title, and whether there is one.
func (m *Model) Find(title string) (column int, has bool) {
	for i := range m.columns {
		if m.columns[i].Title == title {
			return i, true
		}
	}
	return -1, false
}
