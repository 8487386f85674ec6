package nodes

import (
	"slices"
	"strconv"
	"strings"

	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/ui/draw"
	"github.com/eptop/eptop/internal/ui/view"
	"github.com/eptop/eptop/internal/units"
)

// watermarks is the share of a zone's bar that shows the pages up to the highest watermark.
// The marks lie within a few percent of the zone, and on an even scale all of them would
// fall into one cell.
const watermarks = 0.4

// zoneScale returns a function that places a number of pages on the bar of a zone.
func zoneScale(z model.Zone) func(pages int64) float64 {
	top := z.High
	if promo, ok := z.Promo.Get(); ok {
		top = max(top, promo)
	}
	return func(pages int64) float64 {
		switch {
		case z.Managed <= 0:
			return 0
		case top <= 0 || top >= z.Managed:
			return float64(pages) / float64(z.Managed)
		case pages <= top:
			return watermarks * float64(pages) / float64(top)
		}
		return watermarks + (1-watermarks)*float64(pages-top)/float64(z.Managed-top)
	}
}

// zonesLines write two lines for each zone that has pages, and one that names the others.
func (v *View) zonesLines(w int) []string {
	if len(v.snap.Zones) == 0 {
		return draw.Wrap(view.Absence(v.snap, "zoneinfo", "This kernel shows no zones."), w)
	}
	var lines []string
	var empty []string
	marks, boosted := "min ┃ low ┃ high", ""
	for _, z := range v.snap.Zones {
		if boost, ok := z.Boost.Get(); ok && boost > 0 {
			boosted = " " + boostMark + " is min before it was boosted."
		}
		if promo, ok := z.Promo.Get(); ok && promo > z.High {
			marks = "min ┃ low ┃ high ┃ promo"
		}
		if z.Managed == 0 {
			if name := draw.Clean(z.Name); !slices.Contains(empty, name) && !hasPages(v.snap.Zones, z.Name) {
				empty = append(empty, name)
			}
			continue
		}
		lines = append(lines, v.zoneLines(w, z)...)
	}
	if len(lines) > 0 {
		for _, line := range draw.Wrap("The bar is free memory; ┃ "+marks+", the part below them drawn wider. Below low the kernel starts to reclaim."+boosted, w) {
			lines = append(lines, v.pens.Muted.Ink(line))
		}
	}
	if len(empty) > 0 {
		lines = append(lines, v.pens.Muted.Ink(draw.Fit("without pages: "+strings.Join(empty, ", "), w)))
	}
	return lines
}

// hasPages reports whether a zone has pages on any node.
func hasPages(zones []model.Zone, name string) bool {
	return slices.ContainsFunc(zones, func(z model.Zone) bool { return z.Name == name && z.Managed > 0 })
}

func (v *View) zoneLines(w int, z model.Zone) []string {
	p := v.pens
	at := zoneScale(z)
	marks := zoneMarks(z, at)
	words, pen := v.headroom(z)
	name := draw.Cell{Text: strconv.Itoa(z.Node) + " " + draw.Clean(z.Name), W: 9, Pen: p.Strong}
	if w < 64 {
		bar := max(1, w-10)
		second := v.pages(z.Free) + " free, " + words
		return []string{
			draw.Columns(w, name, draw.Cell{Text: p.Marked(pen, bar, at(z.Free), marks...), W: bar}),
			draw.Columns(w, draw.Cell{W: min(9, max(1, w-34))}, draw.Cell{Text: second, Pen: pen}),
		}
	}
	const right = 34
	bar := max(1, w-10-right-1)
	return []string{
		draw.Columns(w, name, draw.Cell{Text: p.Marked(pen, bar, at(z.Free), marks...), W: bar},
			draw.Cell{Text: v.pages(z.Free) + " free", W: 13, Right: true}, draw.Cell{Text: words, W: right - 14, Right: true, Pen: pen}),
		draw.Columns(w, draw.Cell{W: 9}, draw.Cell{Text: v.marksText(z, w-10), Pen: p.Muted}),
	}
}

// zoneMarks returns the watermarks on the bar of a zone. A boost raises all of them, so min
// without the boost has a mark of its own.
func zoneMarks(z model.Zone, at func(int64) float64) []draw.Mark {
	if z.High <= 0 {
		return nil
	}
	var marks []draw.Mark
	add := func(pages int64, glyph string) { marks = append(marks, draw.Mark{At: at(pages), Glyph: glyph}) }
	if boost, ok := z.Boost.Get(); ok && boost > 0 {
		add(max(0, z.Min-boost), boostMark)
	}
	add(z.Min, "┃")
	add(z.Low, "┃")
	add(z.High, "┃")
	if promo, ok := z.Promo.Get(); ok && promo > z.High {
		add(promo, "┃")
	}
	return marks
}

const boostMark = "┆"

// headroom says how far the free pages are above or below the marks, and what that means.
func (v *View) headroom(z model.Zone) (string, draw.Pen) {
	p := v.pens
	switch {
	case z.High <= 0:
		return "no marks", p.Muted
	case z.Free < z.Min:
		return v.pages(z.Min-z.Free) + " below min", p.Crit
	case z.Free < z.Low:
		return v.pages(z.Low-z.Free) + " below low", p.Crit
	case z.Free < z.High:
		return v.pages(z.High-z.Free) + " below high", p.Warn
	}
	return v.pages(z.Free-z.High) + " above high", p.Good
}

// marksText writes a zone's marks in at most w cells. The last are the least important.
func (v *View) marksText(z model.Zone, w int) string {
	parts := []string{"min " + v.pages(z.Min), "low " + v.pages(z.Low), "high " + v.pages(z.High)}
	if boost, ok := z.Boost.Get(); ok && boost > 0 {
		parts = append(parts, "boosted by "+v.pages(boost))
	}
	if promo, ok := z.Promo.Get(); ok {
		parts = append(parts, "promo "+v.pages(promo))
	}
	parts = append(parts, "managed "+v.pages(z.Managed))
	for len(parts) > 1 && draw.Width(strings.Join(parts, " · ")) > w {
		parts = parts[:len(parts)-1]
	}
	return strings.Join(parts, " · ")
}

// pages writes a number of pages in bytes, or in pages where the size of a
// page is not known.
func (v *View) pages(n int64) string {
	page, ok := v.snap.Host.PageBytes.Get()
	if !ok {
		return units.Many(n, "page")
	}
	return units.Bytes(n * page)
}
