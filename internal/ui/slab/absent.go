package slab

import (
	"slices"

	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/ui/draw"
	"github.com/eptop/eptop/internal/ui/view"
	"github.com/eptop/eptop/internal/units"
)

// withoutCaches says why there is no table, and shows what is known of single
// objects all the same.
func (v *View) withoutCaches() []string {
	p := v.pens
	w := max(1, v.w-2)
	var lines []string
	add := func(pen draw.Pen, text string) {
		for _, l := range draw.Wrap(text, w) {
			lines = append(lines, " "+pen.Ink(l))
		}
	}
	add(p.Warn, view.Absence(v.snap, "slabinfo", "The kernel shows no slab caches."))
	parts := knownParts(v.snap)
	if len(parts) == 0 {
		add(p.Text, "The size of single objects is not known either: "+view.Absence(v.snap, "btf", "BTF does not describe them."))
		return lines
	}
	lines = append(lines, "")
	add(p.Text, "What one object takes is known without it:")
	lines = append(lines, "", " "+draw.Columns(w,
		draw.Cell{Text: "CACHE", Pen: p.Header}, draw.Cell{Text: "SIZEOF", W: 7, Right: true, Pen: p.Header},
		draw.Cell{Text: "EACH", W: 7, Right: true, Pen: p.Header}, draw.Cell{Text: "ORIGIN", W: 10, Pen: p.Header}))
	for _, part := range parts {
		name := draw.Clean(part.Cache)
		if part.ShownAs != "" && part.ShownAs != part.Cache {
			name = draw.Clean(part.ShownAs) + " = " + name
		}
		lines = append(lines, " "+draw.Columns(w,
			draw.Cell{Text: name}, draw.Cell{Text: view.CountOrDash(part.ObjectBytes), W: 7, Right: true, Pen: p.Muted},
			draw.Cell{Text: units.Count(part.Bytes), W: 7, Right: true, Pen: p.Strong}, draw.Cell{Text: string(part.Origin), W: 10}))
	}
	if slices.ContainsFunc(parts, func(part model.Part) bool { return part.ShownAs == "" }) {
		lines = append(lines, "")
		add(p.Muted, "Which of them slabinfo counts under another cache's name is not known.")
	}
	return lines
}

// knownParts are the objects of all costs, each cache once.
func knownParts(s *model.Snapshot) []model.Part {
	var parts []model.Part
	seen := map[string]bool{}
	add := func(ps []model.Part) {
		for _, p := range ps {
			if !seen[p.Cache] {
				seen[p.Cache] = true
				parts = append(parts, p)
			}
		}
	}
	add(s.ConnectionCost.TCP4.Value.Parts)
	add(s.ConnectionCost.TCP6.Value.Parts)
	add(s.ConnectionCost.Unix.Value.Parts)
	add(s.Epoll.Cost.Value.Parts)
	add(s.InstanceCost.Value.Parts)
	return parts
}
