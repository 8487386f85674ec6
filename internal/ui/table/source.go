// Package table is a virtual table: it asks its source for the rows that are
// on screen and no others, so that a million rows cost what forty do.
//
// Order and filter live in an index of row numbers. Small tables are ordered
// at once; large ones by a command in the background, over the source they
// were asked for, while the table goes on showing the order it has. A newer
// question cancels the older one.
//
// Where the cursor stays when new data arrives: the window stays where it is
// and the cursor stays on its row (by Source.Key) as long as that row is still
// in the window; else it stays on its line. In follow mode the window scrolls
// along, so that the row keeps its line wherever it goes.
package table

// Role is what a cell means, from which its colour follows.
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

// Key is what makes a row the same row in a later source. Use whichever parts
// identify it; comparing two keys must mean comparing two rows.
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
	// AppendText appends what a filter searches in row i.
	AppendText(dst []byte, i int) []byte
}

// same is implemented by sources that can tell at once that another source has
// the same rows, and that sorting by a column (-1: none) and, when filtered, a
// filter finds the same in both: the order found for one is then kept.
type same interface {
	Same(other Source, column int, filtered bool) bool
}

// Empty is a source without rows.
type Empty struct{}

// Len is 0.
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
