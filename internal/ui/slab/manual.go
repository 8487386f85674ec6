package slab

import (
	"github.com/eptop/eptop/internal/ui/table"
	"github.com/eptop/eptop/internal/ui/view"
)

var _ view.ColumnLister = (*View)(nil)

// Columns lists those of the tables, for the man page.
func (v *View) Columns() []view.ColumnList {
	return []view.ColumnList{{Title: "Slab", Columns: table.Heads(fields(0))}}
}
