package sockets

import (
	"github.com/eptop/eptop/internal/ui/table"
	"github.com/eptop/eptop/internal/ui/view"
)

var _ view.ColumnLister = (*View)(nil)

// Columns lists those of the tables, for the man page.
func (v *View) Columns() []view.ColumnList {
	var out []view.ColumnList
	for by := range groupings {
		out = append(out, view.ColumnList{Title: "Sockets by " + by.String(), Columns: table.Heads(fields(by))})
	}
	return out
}
