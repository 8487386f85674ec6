package processes

import (
	"slices"

	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/ui/table"
	"github.com/eptop/eptop/internal/ui/view"
)

// fields are the columns of the Processes view.
var fields = view.ProcessFields([]table.Column{
	{Title: "PID", Min: 7},
	{Title: "USER", Min: 8, Max: 14, Weight: 1, Rank: 4},
	{Title: "EPOLLS", Min: 7, Rank: 3},
	{Title: "WATCHES", Min: 10},
	{Title: "ET%", Min: 4, Rank: 6},
	{Title: "ONESHOT", Min: 8, Rank: 9},
	{Title: "STALE", Min: 6, Rank: 5},
	{Title: "FDS", Min: 11, Rank: 8},
	{Title: "SOCKETS", Min: 10, Rank: 7},
	{Title: closeWait, Min: 11, Rank: 8, Hidden: true},
	{Title: "STRUCTS", Min: 9, Rank: 3},
	{Title: "BUFFERS", Min: 9, Rank: 7},
	{Title: "WATCH-MEM", Min: 9, Rank: 2},
	{Title: "AGE", Min: 7, Rank: 10},
	{Title: "COMMAND", Min: 11, Max: 40, Weight: 2, Rank: 1},
	{Title: "NOTES", Min: 8, Weight: 3, Rank: 11},
})

// newTable is the table of the processes, those with most watches on top.
func newTable(keys table.Keys) *table.Model {
	t := table.New(table.Heads(fields), keys)
	t.SetOrder(t.Named("WATCHES"), true)
	return t
}

// roomForProcesses shows the column of sockets in CLOSE_WAIT where there are any.
func roomForProcesses(t *table.Model, s *model.Snapshot) {
	column := t.Named(closeWait)
	c := t.Columns()[column]
	t.SetRoom(column, c.Min, c.Rank, !slices.ContainsFunc(s.Processes, func(p model.Process) bool {
		n, _ := p.StateSockets(closeWait)
		return n > 0
	}))
}
