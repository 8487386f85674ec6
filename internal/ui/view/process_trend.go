package view

import (
	"math"
	"path"
	"slices"
	"strings"

	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/ui/draw"
	"github.com/eptop/eptop/internal/ui/table"
	"github.com/eptop/eptop/internal/units"
)

// trendWidth is how many cells the trend of a process takes.
const trendWidth = 10

// growthCell writes how many files more a process has each minute.
func growthCell(p *model.Process) table.Cell {
	growth, ok := p.FDsPerMinute.Get()
	n := int64(math.Round(growth))
	switch {
	case !ok && p.FDs.Known:
		return table.Cell{Text: "?", Role: table.Muted}
	case !ok:
		return table.Cell{Text: "–", Role: table.Muted}
	case n > 0:
		return table.Cell{Text: "+" + fewDigits(n), Role: table.Strong}
	case n < 0:
		return table.Cell{Text: "−" + fewDigits(-n)}
	}
	return table.Cell{Text: "0", Role: table.Muted}
}

// fewDigits writes a number in five cells at most.
func fewDigits(n int64) string {
	if n < 10_000 {
		return units.Count(n)
	}
	return units.Short(n)
}

// trendText draws the files of a process over the last minutes; "" where they are not known.
func trendText(p *model.Process, w int) string {
	fds, ok := p.FDs.Get()
	if !ok {
		return ""
	}
	values := make([]float64, 0, len(p.Trend)+1)
	for _, n := range append(slices.Clone(p.Trend), fds) {
		values = append(values, float64(n))
	}
	lo := slices.Min(values)
	return draw.Spark(draw.Pen{}, w, values, lo, max(slices.Max(values), lo+max(10, lo/10)))
}

// CommandText is the name of a process and its command line, of which what says the same
// again and the directories of the program are left out.
func CommandText(p *model.Process) string {
	line, ok := p.Cmdline.Get()
	if !ok || line == p.Comm {
		return p.Comm
	}
	program, arguments, _ := strings.Cut(line, " ")
	program = path.Base(program)
	whole := strings.TrimSpace(program + " " + arguments)
	switch {
	case p.Comm == "":
		return whole
	case strings.HasPrefix(program, p.Comm), strings.HasPrefix(line, p.Comm):
		return whole
	}
	return p.Comm + "  " + whole
}
