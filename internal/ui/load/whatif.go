package load

import (
	"strings"

	tea "charm.land/bubbletea/v2"

	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/ui/draw"
	"github.com/eptop/eptop/internal/ui/view"
	"github.com/eptop/eptop/internal/units"
)

// whatIf is what a server of this machine needs for as many connections as the form has.
func (v *View) whatIf() model.WhatIf { return v.limits.WhatIf(v.plan.Connections, 0) }

// whatIfLines say what a server needs: memory, the first limit, and the commands.
func (v *View) whatIfLines(w int) []draw.Line {
	p, f := v.pens, v.whatIf()
	var lines []draw.Line
	if n, ok := f.Bytes.Get(); ok {
		lines = append(lines, draw.Line{Text: draw.Spread("kernel memory", p.Strong.Ink(units.Bytes(n)), w)})
	}
	first, short := f.First()
	switch {
	case short:
		lines = append(lines, view.WrapLines(p.Warn, w, 0, "✗ "+units.Count(f.Fits.Value)+" fit now: "+wallName(first.Wall)+" comes first")...)
	case f.Fits.Known:
		lines = append(lines, draw.Line{Text: draw.Fit(p.Good.Ink("✓ ")+"no limit is too low", w)})
	}
	for _, c := range f.Commands {
		for _, l := range draw.Wrap(draw.Clean(c), max(1, w-2)) {
			lines = append(lines, draw.Line{Text: draw.Fit("  "+p.Muted.Ink(l), w), Drop: 2})
		}
	}
	if len(f.Commands) > 0 {
		lines = append(lines, draw.Line{Text: draw.Fit(p.Key.Ink("y")+p.Muted.Ink(" copies these lines"), w), Drop: 3})
	}
	return lines
}

// copyCommands puts the commands into the terminal's clipboard (OSC 52).
func (v *View) copyCommands() tea.Cmd {
	if v.limits == nil {
		return nil
	}
	commands := v.whatIf().Commands
	if len(commands) == 0 {
		return view.Send(view.StatusMsg{Text: "nothing to copy: no limit is too low"})
	}
	for i := range commands {
		commands[i] = draw.Clean(commands[i])
	}
	return tea.Batch(tea.SetClipboard(strings.Join(commands, "\n")+"\n"), view.Send(view.StatusMsg{Text: units.Many(int64(len(commands)), "line") + " copied"}))
}
