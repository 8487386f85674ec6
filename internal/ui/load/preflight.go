package load

import (
	"fmt"
	"strings"

	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/ui/draw"
	"github.com/eptop/eptop/internal/ui/view"
	"github.com/eptop/eptop/internal/units"
)

// preflight returns what the load of the form would take, and the limits of this machine.
func (v *View) preflight() model.Preflight {
	if v.limits == nil {
		return model.Preflight{}
	}
	return v.limits.Preflight(v.plan)
}

// describePlan says what will be opened if the user confirms.
func (v *View) describePlan() string {
	plan, f := v.plan, v.preflight()
	n := plan.Connections
	where := map[model.LoadFamily]string{
		"tcp4": "over 127.0.0.0/8", "tcp6": "over ::1", "unix": "over abstract UNIX names",
	}[plan.Family]
	var b strings.Builder
	fmt.Fprintf(&b, "%s on this machine and nowhere else, %s: %s, both ends of each.\n", units.Many(n, "connection"), where, units.Many(2*n, "socket"))
	if each, ok := f.BytesPerConnection.Get(); ok {
		fmt.Fprintf(&b, "Kernel memory: about %s, %s B for each (%s).\n", units.Bytes(n*each), units.Count(each), f.Origin)
	} else {
		b.WriteString("Kernel memory: how much is not known here.\n")
	}
	if f.Pairs > 0 {
		fmt.Fprintf(&b, "%s of eptop's own hold them, and end with it.\n", units.Many(2*f.Pairs, "worker process"))
	}
	if wall, short := f.Short(plan); short {
		fmt.Fprintf(&b, "\nOnly %s fit: the limit is %s. Reaching it is a result too.%s\n", view.ConnectionsLeft(wall), wallName(wall), toRaise(wall))
	}
	b.WriteString("\nNo other process and no sysctl is changed. d closes all, and so does quitting.")
	return b.String()
}

// forecastLines write what the load of the form will take.
func (v *View) forecastLines(w int) []draw.Line {
	p, plan, f := v.pens, v.plan, v.preflight()
	row := func(name, value string, drop int, notes ...string) draw.Line {
		line := draw.Fit(name, 14) + p.Strong.Ink(value)
		if note := view.Longest(w-14-draw.Width(value)-1, append(notes, "")...); note != "" {
			line += p.Muted.Ink(" " + note)
		}
		return draw.Line{Text: draw.Fit(line, w), Drop: drop}
	}
	lines := []draw.Line{}
	if each, ok := f.BytesPerConnection.Get(); ok {
		lines = append(lines,
			row("kernel memory", "≈ "+units.Bytes(each*plan.Connections), 0),
			row("for each", units.Count(each)+" B", 1, "expected, "+string(f.Origin), string(f.Origin)))
	} else {
		lines = append(lines, view.WrapLines(p.Warn, w, 0, "What a connection takes is not known here.")...)
	}
	lines = append(lines, row("sockets", units.Count(2*plan.Connections), 2, "both ends are here", "both ends here"))
	if f.Pairs > 0 {
		lines = append(lines, row("workers", units.Many(2*f.Pairs, "process"), 3, "that end with eptop"))
	}
	if t := v.explainMissing("slabinfo"); t != "" {
		lines = append(lines, view.WrapLines(p.Warn, w, 0, "✗ It can be opened, but not measured: "+t)...)
	}
	return lines
}

// explainMissing says why a source cannot be read. It is empty where it can be.
func (v *View) explainMissing(source string) string {
	if src, ok := view.SourceOf(v.snap, source); !ok || src.State == model.OK {
		return ""
	}
	return view.Absence(v.snap, source, "")
}

// limitLines list how many connections each limit of this machine allows, and what raises
// it.
func (v *View) limitLines(w int) []draw.Line {
	p := v.pens
	f := v.preflight()
	if len(f.Walls) == 0 || f.PerPair == 0 {
		return view.WrapLines(p.Muted, w, 0, "How many connections this machine can hold is not known yet.")
	}
	first := f.Walls[0]
	var lines []draw.Line
	_, short := f.Short(v.plan)
	switch {
	case v.run.busy():
		lines = append(lines, draw.Line{Text: draw.Fit("room for "+p.Strong.Ink(view.ConnectionsLeft(first))+" more", w)})
	case short:
		lines = append(lines, view.WrapLines(p.Warn, w, 0, "✗ "+units.Many(v.plan.Connections, "connection")+" do not all fit")...)
	default:
		lines = append(lines, draw.Line{Text: draw.Fit(p.Good.Ink("✓ ")+units.Many(v.plan.Connections, "connection")+" fit", w)})
	}
	leftW := 0
	for _, wall := range f.Walls {
		leftW = max(leftW, draw.Width(view.ConnectionsLeft(wall)))
	}
	known := v.measurement() != nil || v.run.busy()
	for i, wall := range f.Walls {
		if i > 0 && known && !v.roomy() {
			return lines
		}
		pen := p.Text
		switch {
		case short && wall.ConnectionsLeft < v.plan.Connections && !v.run.busy():
			pen = p.Warn
		case i == 0:
			pen = p.Strong
		}
		lines = append(lines, draw.Line{
			Text: draw.Columns(w, draw.Cell{Text: wallName(wall), Pen: pen}, draw.Cell{Text: view.ConnectionsLeft(wall), W: leftW, Right: true, Pen: pen}),
			Drop: min(i, 1) * (4 + i),
		})
		// The command that raises the first limit is always shown, and in full: half a
		// command helps nobody.
		for _, l := range draw.Wrap(draw.Clean(wall.RaiseWith), max(1, w-2)) {
			lines = append(lines, draw.Line{Text: draw.Fit("  "+p.Muted.Ink(l), w), Drop: 3 + 9*min(i, 1)})
		}
	}
	for _, note := range f.Notes {
		lines = append(lines, view.WrapLines(p.Muted, w, 13, note)...)
	}
	return lines
}

func wallName(w model.Wall) string { return draw.Clean(w.Title()) }

// toRaise is a sentence, empty where nothing raises the limit.
func toRaise(w model.Wall) string {
	if w.RaiseWith == "" {
		return ""
	}
	return " To raise it: " + draw.Clean(w.RaiseWith)
}

// wallAmount writes an amount in the unit of a limit.
func wallAmount(w model.Wall, n int64) string {
	if w.Unit == model.UnitBytes {
		return units.Bytes(n)
	}
	return units.Count(n)
}

// describeWalls lists the limits with all that is known about them.
func describeWalls(f model.Preflight) string {
	var b strings.Builder
	for _, w := range f.Walls {
		fmt.Fprintf(&b, "\n%s (%s): %s of %s used, enough for %s connections.%s", wallName(w), draw.Clean(w.Scope),
			wallAmount(w, w.Used), wallAmount(w, w.Limit), view.ConnectionsLeft(w), toRaise(w))
	}
	for _, n := range f.Notes {
		b.WriteString("\n" + n)
	}
	return b.String()
}
