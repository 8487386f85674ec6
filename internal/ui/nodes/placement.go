package nodes

import (
	"cmp"
	"strconv"

	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/ui/draw"
	"github.com/eptop/eptop/internal/units"
)

// placedProcess returns the process whose placement is known, or nil where there is none or the
// machine has one node.
func (v *View) placedProcess() *model.Process {
	for i := range v.snap.Processes {
		if p := &v.snap.Processes[i]; p.Placement != nil {
			return p
		}
	}
	return nil
}

func (v *View) placementTitle() string {
	p := v.placedProcess()
	if p == nil {
		return ""
	}
	return "Where " + strconv.Itoa(p.PID) + " " + draw.Clean(p.Comm) + " is"
}

// placementLines write a column for each node with the process's threads, memory and
// sockets there, and then the warnings about them.
func (v *View) placementLines(w int) []string {
	p := v.placedProcess()
	if p == nil {
		return nil
	}
	at := p.Placement
	of := func(n model.Node) model.NodePlacement {
		for _, row := range at.Nodes {
			if row.Node == n.ID {
				return row
			}
		}
		return model.NodePlacement{}
	}
	m := v.newMatrix(w, false)
	m.head("")
	threads := "threads ran"
	if at.ThreadsMore {
		threads = "first " + units.Count(int64(at.Threads)) + " threads"
	}
	m.row(threads, v.pens.Strong, func(n model.Node) string {
		row := of(n)
		if may, ok := row.MayRun.Get(); ok && !may && row.Threads == 0 {
			return "may not"
		}
		return dashFor0(int64(row.Threads))
	}, "")
	m.numbers("its memory", v.pens.Text, false, units.Bytes, func(n model.Node) (int64, bool) { return of(n).MemoryBytes.Get() })
	if at.Sockets.Known {
		m.row("its sockets", v.pens.Text, func(n model.Node) string { return between(of(n)) }, "")
	}
	lines := m.done()
	note := func(pen draw.Pen, text string) {
		if text == "" {
			return
		}
		for _, line := range draw.Wrap(text, w) {
			lines = append(lines, pen.Ink(line))
		}
	}
	for _, warning := range at.Warnings {
		mark, pen := "! ", v.pens.Crit
		if !warning.Proven {
			mark, pen = "? ", v.pens.Warn
		}
		note(pen, mark+draw.Clean(warning.Text))
	}
	if len(at.Warnings) == 0 {
		note(v.pens.Good, homeWords(at))
	}
	if at.MemoryProblem != "" {
		note(v.pens.Muted, "The nodes of its memory are not known: "+draw.Clean(at.MemoryProblem)+".")
	}
	may := "May run on CPUs " + cmp.Or(draw.Clean(at.CPUsAllowed), "?") + ", allocate on nodes " + cmp.Or(draw.Clean(at.MemsAllowed), "?") + "."
	if at.ThreadsMoved > 0 {
		may = units.Many(int64(at.ThreadsMoved), "thread") + " asleep since its CPUs were changed. " + may
	}
	if n, ok := at.Sockets.Get(); ok {
		may += " The kernel does not report the nodes of its " + units.Many(n, "socket") + ": the bounds follow from the objects of all processes."
	}
	note(v.pens.Muted, may)
	return lines
}

// homeWords say which share of the memory of a process without warnings is on the nodes of
// its threads. They are empty where that is not known.
func homeWords(at *model.Placement) string {
	var home, all int64
	threads := 0
	for _, n := range at.Nodes {
		threads += n.Threads
		all += n.MemoryBytes.Value
		if n.Threads > 0 {
			home += n.MemoryBytes.Value
		}
	}
	switch {
	case threads == 0:
		return ""
	case all > 0:
		return units.Percent(float64(home)/float64(all)) + " of its memory is on nodes where its threads last ran."
	case at.Sockets.Known:
		return "No number shows that it is far from its sockets."
	}
	return ""
}

// between writes how many of the process's sockets are on a node at least and at most: "10–16", "≤ 16" or "20".
func between(row model.NodePlacement) string {
	least, most := row.SocketsAtLeast.Value, row.SocketsAtMost.Value
	switch {
	case least == most:
		return dashFor0(least)
	case least == 0:
		return "≤ " + units.Count(most)
	}
	text := units.Count(least) + "–" + units.Count(most)
	if draw.Width(text) >= matrixCellW {
		return "≥ " + units.Count(least)
	}
	return text
}

func dashFor0(n int64) string {
	if n == 0 {
		return "–"
	}
	return units.Count(n)
}
