package processes

import (
	"github.com/eptop/eptop/internal/ui/table"
	"github.com/eptop/eptop/internal/ui/view"
)

var _ view.ColumnLister = (*View)(nil)

// Columns lists those of the tables, for the man page.
func (v *View) Columns() []view.ColumnList {
	watches := make([]table.Column, len(watchFields))
	for i := range watchFields {
		watches[i] = watchFields[i].Column
	}
	return []view.ColumnList{
		{Title: "Processes", Columns: table.Heads(fields)},
		{Title: "Epolls of a process", Columns: table.Heads(epollFields(false))},
		{Title: "Watches of an epoll", Columns: watches},
	}
}
