// Package table is a virtual table: it asks its source for the rows that are
// on screen and no others, so that a million rows cost what forty do.
//
// Order and filter are an index of row numbers. Small tables are ordered at once. Large
// ones are ordered by a command in the background, while the table continues to show the
// order that it has. A newer request cancels the older one.
//
// When new data arrives, the window stays where it is, and the cursor stays on its row (by
// Source.Key) if that row is still in the window; otherwise it stays on its line. In
// follow mode the window scrolls with the row, which so keeps its line on screen.
package table

// Role is what a cell means. Its colour follows from that.
type Role uint8

// The roles.
const (
	Plain Role = iota
	Muted
	Strong
	Accent
	Good
	Warn
	Crit
	roles
)

// Cell is one value of one row.
type Cell struct {
	Text string
	Role Role
}

// Key identifies a row, also in a later source. A source sets the fields that distinguish
// its rows; two rows are the same if their keys are equal.
type Key struct {
	Num  [3]uint64
	Text string
}

// Source is a list of rows. It never changes once a table has it, and is read
// by the table and by a command in the background at the same time.
type Source interface {
	Len() int
	// Row fills in the cells of row i, one for each of the table's columns.
	Row(i int, dst []Cell)
	Key(i int) Key
	// Compare orders two rows by a column: negative when a comes first.
	Compare(column, a, b int) int
	// AppendText appends the text of row i that a filter searches.
	AppendText(dst []byte, i int) []byte
}

// same is implemented by sources that can quickly report whether another source has the
// same rows, and whether sorting by a column (-1: none) and, if filtered is true,
// filtering give the same result. The order made for one is then kept for the other.
type same interface {
	Same(other Source, column int, filtered bool) bool
}

// Empty is a source without rows.
type Empty struct{}

// Len returns 0.
func (Empty) Len() int { return 0 }

// Row is never called.
func (Empty) Row(int, []Cell) {}

// Key is never called.
func (Empty) Key(int) Key { return Key{} }

// Compare is never called.
func (Empty) Compare(int, int, int) int { return 0 }

// Same reports whether the other is empty too.
func (Empty) Same(s Source, _ int, _ bool) bool { return s.Len() == 0 }

// AppendText is never called.
func (Empty) AppendText(dst []byte, _ int) []byte { return dst }
