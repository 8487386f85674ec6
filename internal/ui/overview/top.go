package overview

import (
	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/ui/table"
	"github.com/eptop/eptop/internal/ui/view"
)

// columns are the short form of the table of processes.
var columns = []table.Column{
	{Title: "PID", Min: 7},
	{Title: "USER", Min: 8, Max: 14, Weight: 1, Rank: 5},
	{Title: "EPOLLS", Min: 6, Rank: 6},
	{Title: "WATCHES", Min: 10},
	{Title: "ET%", Min: 4, Rank: 8},
	{Title: "SOCKETS", Min: 9, Rank: 3},
	{Title: "FDS", Min: 11, Rank: 9},
	{Title: "NOFILE", Min: 7, Rank: 10},
	{Title: "STRUCTS", Min: 9, Rank: 7},
	{Title: "BUFFERS", Min: 9, Rank: 8},
	{Title: "WATCH-MEM", Min: 9, Rank: 11},
	{Title: "TOTAL", Min: 9, Rank: 4},
	{Title: "COMMAND", Min: 10, Max: 60, Weight: 3, Rank: 1},
}

// fields are the columns; the command has to say what NOTES says in the long form.
var fields = func() []view.ProcessField {
	fields := view.ProcessFields(columns)
	for i := range fields {
		if fields[i].Title == "COMMAND" {
			fields[i].Show = commandCell
		}
	}
	return fields
}()

func commandCell(p *model.Process) table.Cell {
	if p.Problem != "" {
		return table.Cell{Text: p.Comm + " ✗ " + p.Problem, Role: table.Warn}
	}
	return table.Cell{Text: p.Comm}
}

// newTable is the table of the processes, those with most watches on top.
func newTable(keys table.Keys) *table.Model {
	t := table.New(table.Heads(fields), keys)
	t.SetOrder(t.Named("WATCHES"), true)
	return t
}
