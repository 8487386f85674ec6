package load

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/ui/draw"
	"github.com/eptop/eptop/internal/ui/view"
	"github.com/eptop/eptop/internal/units"
)

// progressLines write the progress of the load that is open, and what went wrong.
func (v *View) progressLines(w int) []draw.Line {
	p, l := v.pens, v.run.now
	lines := []draw.Line{v.addStop(itemConnections, v.fieldLine(itemConnections, w))}
	lines = append(lines, draw.Line{Text: p.Muted.Ink(draw.Fit("  "+planWords(v.plan), w)), Drop: 2})
	if l == nil || v.run.starting {
		return append(lines, draw.Line{Text: p.Muted.Ink(draw.Fit("  starting its workers…", w))})
	}
	lines = append(lines, v.barLine(w), draw.Line{Text: draw.Fit("  "+v.paceWords(w-2), w)})
	if above, ok := l.AboveBytes.Get(); ok {
		lines = append(lines, draw.Line{Text: p.Muted.Ink(draw.Fit("  "+sinceStart(w-2, above), w)), Drop: 1})
	}
	if n := len(l.Workers); n > 0 {
		text := view.Longest(w-2, units.Many(int64(n), "worker")+", "+units.Bytes(l.WorkerBytes)+": eptop-client, eptop-server", units.Many(int64(n), "worker")+", "+units.Bytes(l.WorkerBytes))
		lines = append(lines, draw.Line{Text: p.Muted.Ink(draw.Fit("  "+text, w)), Drop: 3})
	}
	if l.Phase == model.LoadOpening {
		lines = append(lines, draw.Line{Text: p.Muted.Ink(draw.Fit("  "+view.Longest(w-2, "processes and sockets are not read while it opens", "fds are not read while it opens"), w)), Drop: 5})
	}
	if l.Echoes > 0 {
		lines = append(lines, draw.Line{Text: p.Muted.Ink(draw.Fit("  "+units.Count(l.Echoes)+" echoes came back", w)), Drop: 4})
	}
	if l.UnreadBytes > 0 {
		lines = append(lines, draw.Line{Text: p.Muted.Ink(draw.Fit("  "+units.Bytes(l.UnreadBytes)+" sent to stay unread", w)), Drop: 4})
	}
	lines = append(lines, v.troubleLines(w)...)
	return append(lines, v.addStop(itemButton, v.buttonLine(w, "Drain", v.keys.Drain, "closes all connections", "closes all")))
}

// barLine shows how many of the wanted connections are open.
func (v *View) barLine(w int) draw.Line {
	p, l := v.pens, v.run.now
	whole := max(v.run.target, l.Open)
	if l.Phase == model.LoadDraining {
		whole = max(whole, l.Peak)
	}
	share := 0.0
	if whole > 0 {
		share = float64(l.Open) / float64(whole)
	}
	pen := p.Bar
	if l.StoppedBy != "" {
		pen = p.Warn
	}
	right := units.Count(l.Open) + view.Longest(w-24, " of "+units.Count(v.run.target), "")
	bar := w - 2 - draw.Width(right) - 1
	if bar < 4 {
		return draw.Line{Text: draw.Fit("  "+p.Strong.Ink(right), w)}
	}
	return draw.Line{Text: draw.Fit("  "+p.Gauge(pen, bar, share)+" "+p.Strong.Ink(right), w)}
}

// paceWords say how fast connections are opened, and how long it will take.
func (v *View) paceWords(w int) string {
	p, l := v.pens, v.run.now
	rate := units.Count(int64(l.PerSecond)) + " a second"
	switch {
	case l.Wanted != v.run.target:
		return p.Muted.Ink("changing…")
	case l.StoppedBy != "":
		return p.Warn.Ink("stopped")
	case l.Phase == model.LoadOpening && l.PerSecond > 0:
		return rate + p.Muted.Ink(view.Longest(w-draw.Width(rate), ", "+units.Duration(l.Left)+" left"))
	case l.Phase == model.LoadOpening:
		return p.Muted.Ink("opening…")
	case l.Phase == model.LoadDraining:
		return p.Muted.Ink("closing…")
	case l.GivenUp > 0:
		return p.Warn.Ink("held, except those that were lost")
	case l.PerSecond > 0:
		took := " opened in " + units.Duration(l.OpenTook)
		return p.Good.Ink("✓ held") + p.Muted.Ink(view.Longest(w-6, ":"+took+", "+rate, ":"+took, ""))
	}
	return p.Good.Ink("✓ held")
}

// troubleLines say what stopped the opening, what failed and what was lost.
func (v *View) troubleLines(w int) []draw.Line {
	p, l := v.pens, v.run.now
	var lines []draw.Line
	say := func(text string) { lines = append(lines, view.WrapLines(p.Warn, w, 0, "✗ "+draw.Clean(text))...) }
	if l.StoppedBy != "" {
		say("stopped at " + units.Count(l.Open) + " of " + units.Count(v.run.target) + " by " + model.WallTitle(l.StoppedBy) + ": " + l.Reason)
		for _, wall := range v.preflight().Walls {
			if wall.Name == l.StoppedBy && wall.RaiseWith != "" {
				lines = append(lines, view.WrapLines(p.Muted, w, 1, "to go further: "+draw.Clean(wall.RaiseWith))...)
			}
		}
	}
	if l.Lost > 0 {
		text := units.Many(l.Lost, "connection") + " lost"
		if l.LastLoss != "" {
			text += ": " + l.LastLoss
		}
		say(text)
	}
	if l.Failed > 0 {
		say(units.Many(l.Failed, "attempt") + " failed" + failureWords(l.Failures))
	}
	return lines
}

// failureWords are the errors that attempts failed with, the most frequent first.
func failureWords(failures map[string]int64) string {
	names := slices.SortedFunc(maps.Keys(failures), func(a, b string) int {
		if failures[a] != failures[b] {
			return int(failures[b] - failures[a])
		}
		return strings.Compare(a, b)
	})
	var words []string
	for _, name := range names {
		words = append(words, name+" "+units.Count(failures[name]))
	}
	if len(words) == 0 {
		return ""
	}
	return ": " + strings.Join(words, ", ")
}

// sinceStart writes by how much slab memory has changed since the load began. It is that of
// the whole machine: no cost of the connections, and less than nothing where others free.
func sinceStart(w int, bytes int64) string {
	sign := ""
	if bytes > 0 {
		sign = "+"
	}
	n := sign + units.Bytes(bytes)
	return view.Longest(w, "all slab of this machine since the start: "+n+", others' included", "slab of this machine, with others': "+n, "whole machine's slab: "+n)
}

// drainedLines say whether the memory came back after the connections were closed.
func (v *View) drainedLines(w int) []draw.Line {
	p, l := v.pens, v.run.now
	if l == nil || v.run.busy() {
		return nil
	}
	lines := v.troubleLines(w)
	if l.Found == nil {
		return lines
	}
	back, ok := l.Found.DrainedToBaseline.Get()
	left := units.Bytes(l.Found.LeftBytes.Value)
	drained := "drained in " + formatSeconds(l.Found.DrainSeconds)
	switch parked, known := l.Found.MayParkBytes.Get(); {
	case !ok && known:
		lines = append(lines, view.WrapLines(p.Muted, w, 0, drained+"; whether the memory came back cannot be seen: free objects that the CPUs keep count as used, up to "+units.Bytes(parked))...)
	case !ok && l.Problem == "":
		above := ""
		if n, known := l.AboveBytes.Get(); known {
			above = ": " + sinceStart(w, n)
		}
		lines = append(lines, view.WrapLines(p.Muted, w, 0, "drained, the memory is on its way back"+above)...)
	case ok && back:
		lines = append(lines, view.WrapLines(p.Good, w, 0, "✓ "+drained+", the memory came back: "+sinceStart(w, l.Found.LeftBytes.Value))...)
	case ok:
		lines = append(lines, view.WrapLines(p.Warn, w, 0, "✗ "+drained+", but "+left+" did not come back: free objects on per-CPU slabs, or another program's")...)
	default:
		lines = append(lines, view.WrapLines(p.Good, w, 0, "✓ "+drained)...)
	}
	return lines
}

// formatSeconds writes seconds as a duration.
func formatSeconds(s float64) string { return strconv.FormatFloat(s, 'f', 2, 64) + " s" }
