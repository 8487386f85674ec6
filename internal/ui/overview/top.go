package overview

import (
	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/ui/table"
	"github.com/eptop/eptop/internal/ui/view"
)

// columns are the short form of the table of processes.
var columns = []table.Column{
	{Title: "PID", Min: 7},
	{Title: "USER", Min: 8, Max: 14, Weight: 1, Rank: 6},
	{Title: "COMMAND", Min: 22, Weight: 6, Rank: 1},
	{Title: "EPOLLS", Min: 6, Rank: 10},
	{Title: "WATCHES", Min: 10},
	{Title: "SOCKETS", Min: 9, Rank: 3},
	{Title: "FDS", Min: 9, Rank: 7},
	{Title: "Δ/min", Min: 6, Rank: 5},
	{Title: "NOFILE", Min: 7, Rank: 9},
	{Title: "STRUCTS", Min: 9, Rank: 11},
	{Title: "BUFFERS", Min: 9, Rank: 12},
	{Title: "TOTAL", Min: 9, Rank: 4},
	{Title: "10 MIN", Min: 10, Rank: 8},
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
	return table.Cell{Text: view.CommandText(p)}
}

// newTable is the table of the processes, those with most watches on top.
func newTable(keys table.Keys) *table.Model {
	t := table.New(table.Heads(fields), keys)
	t.SetOrder(t.Named("WATCHES"), true)
	return t
}
