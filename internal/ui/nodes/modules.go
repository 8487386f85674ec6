package nodes

import (
	"cmp"
	"slices"
	"strings"

	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/ui/draw"
	"github.com/eptop/eptop/internal/ui/view"
	"github.com/eptop/eptop/internal/units"
)

// moduleLines sum up the modules in a line, and list the slots in the firmware's order.
func (v *View) moduleLines(w int) []string {
	modules := v.snap.MemoryModules
	src, known := view.SourceOf(v.snap, "dmi")
	if len(modules) == 0 {
		if !known {
			return nil
		}
		return draw.Wrap(view.Absence(v.snap, "dmi", "The SMBIOS table names no memory modules."), w)
	}
	lines := draw.Wrap(moduleSum(modules), w)
	if src.State == model.Failed {
		for _, line := range draw.Wrap(view.Absence(v.snap, "dmi", ""), w) {
			lines = append(lines, v.pens.Warn.Ink(line))
		}
	}
	const rowW = 42 // of a slot, with the gap to the next
	columns := max(1, (w+2)/rowW)
	rows := (len(modules) + columns - 1) / columns
	for y := range rows {
		line := ""
		for x := range columns {
			if i := x*rows + y; i < len(modules) {
				line += v.slot(&modules[i], min(w, w/columns-2*min(1, columns-1))) + draw.Spaces(2*min(1, columns-1))
			}
		}
		lines = append(lines, draw.Fit(line, w))
	}
	return lines
}

// slot writes one slot in w cells: its label, its size and its kind of module.
func (v *View) slot(m *model.MemoryModule, w int) string {
	where := strings.TrimSpace(draw.Clean(m.Bank) + " " + draw.Clean(m.Locator))
	size, pen := "?", v.pens.Strong
	if n, ok := m.SizeBytes.Get(); ok {
		size = units.Binary(n)
	} else if m.Empty {
		size, pen = "empty", v.pens.Muted
	}
	return draw.Columns(w, draw.Cell{Text: cmp.Or(where, "unnamed"), W: 0}, draw.Cell{Text: size, W: 8, Right: true, Pen: pen}, draw.Cell{Text: kindOf(m), W: min(16, max(1, w-20)), Pen: v.pens.Muted})
}

// kindOf returns text like "DDR5 4800 MT/s", with the actual speed of a module that runs
// slower than it can.
func kindOf(m *model.MemoryModule) string {
	kind := draw.Clean(m.Type)
	speed, ok := m.SpeedMTs.Get()
	if configured, known := m.ConfiguredMTs.Get(); known {
		speed, ok = configured, true
	}
	if ok && !m.Empty {
		kind += " " + units.Count(speed) + " MT/s"
	}
	return strings.TrimSpace(kind)
}

// moduleSum returns text like "128 GiB in 2 of 4 slots: 2 × 64 GiB DDR5 4 800 MT/s."
func moduleSum(modules []model.MemoryModule) string {
	var total int64
	filled, slower, unknown := 0, 0, 0
	kinds := map[string]int{}
	for i := range modules {
		m := &modules[i]
		if m.Empty {
			continue
		}
		filled++
		size := "unknown size"
		if n, ok := m.SizeBytes.Get(); ok {
			total += n
			size = units.Binary(n)
		} else {
			unknown++
		}
		kinds[strings.TrimSpace(size+" "+kindOf(m))]++
		if speed, ok := m.SpeedMTs.Get(); ok && m.ConfiguredMTs.Known && m.ConfiguredMTs.Value < speed {
			slower++
		}
	}
	text := units.Binary(total)
	if unknown > 0 {
		text = "At least " + text
	}
	names := make([]string, 0, len(kinds))
	for name := range kinds {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(cmp.Compare(kinds[b], kinds[a]), cmp.Compare(a, b)) })
	for i, name := range names {
		names[i] = units.Count(int64(kinds[name])) + " × " + name
	}
	const most = 4
	if len(names) > most {
		names = append(names[:most], "other kinds")
	}
	switch {
	case filled == 0:
		return "Nothing in " + units.Many(int64(len(modules)), "slot") + "."
	case total == 0:
		text = "Unknown size"
	}
	text += " in " + units.Count(int64(filled)) + " of " + units.Many(int64(len(modules)), "slot")
	if len(names) > 0 {
		text += ": " + strings.Join(names, ", ")
	}
	text += "."
	if slower > 0 {
		text += " Slower than it could be: " + units.Many(int64(slower), "module") + "."
	}
	return text
}
