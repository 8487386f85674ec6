package report

import (
	"bufio"
	"io"

	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/units"
)

// WhatIfText says what this machine needs for so many more connections: memory, which limit
// stops them first, each that is too low with what it has to be, and a block of commands to
// copy.
func WhatIfText(w io.Writer, f model.WhatIf) error {
	t := &text{w: bufio.NewWriter(w)}
	line := "For " + units.Many(f.Connections, "more connection") + ", one watched end each"
	if n, ok := f.Bytes.Get(); ok {
		line += ": " + units.Bytes(n) + " of kernel memory (" + string(f.Origin) + ")"
	}
	t.line("%s", line)
	switch first, short := f.First(); {
	case short:
		t.line("only %s fit now: %s comes first", units.Count(f.Fits.Value), clean(first.Title()))
	case f.Fits.Known:
		t.line("they fit: no limit is too low")
	default:
		t.line("whether they fit is not known: no limit is")
	}
	if len(f.Limits) > 0 {
		rows := []string{row("", "FIT NOW", "USED", "LIMIT", "NEEDED", "LIMIT OF")}
		for _, n := range f.Limits {
			mark := "ok"
			if n.TooLow {
				mark = "too low"
			}
			rows = append(rows, row(mark, n.LeftMark()+units.Count(n.ConnectionsLeft), amount(n.Wall, n.Used), amount(n.Wall, n.Limit), amount(n.Wall, n.Needed), n.Title()))
		}
		t.table(rows)
	}
	if len(f.Commands) > 0 {
		t.line("")
		for _, c := range f.Commands {
			t.line("%s", clean(c))
		}
	}
	for _, note := range f.Notes {
		t.line("note: %s", clean(note))
	}
	return t.w.Flush()
}
