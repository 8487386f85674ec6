package slab

import (
	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/ui/draw"
	"github.com/eptop/eptop/internal/ui/view"
	"github.com/eptop/eptop/internal/units"
)

// headLines is how many lines of sums stand above the table.
func (v *View) headLines() int {
	switch {
	case v.h < 8:
		return 1
	case v.h < 14:
		return 2
	}
	return 3
}

// chip is the filter in force, and the key that changes it.
func (v *View) chip() string {
	if v.all {
		return "[n: all caches]"
	}
	return "[n: network and epoll only]"
}

// head sums up the caches that pass the filter: what they take and how that
// changes, what slabtop has in its head, and what no object uses or may be freed.
func (v *View) head() []string {
	p := v.pens
	all, t := v.snap.SlabTotals.Value, v.snap.SlabNetwork.Value
	if v.all {
		t = all
	}
	pen := p.Selected
	if v.all {
		pen = p.Passive
	}
	sums := v.parts(v.w-draw.Width(v.chip()), v.sumWords(&t, &all))
	last := v.parts(v.w, unusedWords(&t))
	// Sums of what could be read are worth less than to know that they are.
	if src, ok := view.SourceOf(v.snap, "slabinfo"); ok && src.State != model.OK {
		last = p.Warn.Ink(" Not in full: " + draw.Clean(src.Detail))
		if v.headLines() == 1 {
			sums = last
		}
	}
	head := pen.Ink(v.chip()) + sums
	return [][]string{{head}, {head, last}, {head, v.parts(v.w, slabtopWords(&t)), last}}[v.headLines()-1]
}

// word is a part of a line: what it is, and the number that matters.
type word struct{ before, number, after string }

// parts sets words side by side, as many as fit.
func (v *View) parts(w int, words []word) string {
	p := v.pens
	line, room := "", w
	for i, word := range words {
		sep := " · "
		if i == 0 {
			sep = " "
		}
		if room -= draw.Width(sep + word.before + word.number + word.after); room < 0 {
			break
		}
		line += p.Muted.Ink(sep+word.before) + p.Strong.Ink(word.number) + p.Muted.Ink(word.after)
	}
	return line
}

func (v *View) sumWords(t, all *model.SlabTotals) []word {
	caches, of := units.Many(t.Caches, "cache"), ""
	if !v.all {
		caches, of = units.Count(t.Caches)+" of "+units.Many(all.Caches, "cache"), " of "+units.Bytes(all.Bytes)
	}
	var change int64
	var rate float64
	known := false
	for i := range v.snap.Slab {
		c := &v.snap.Slab[i]
		if !v.all && !c.Network {
			continue
		}
		change += v.mark.change(c).bytes
		growth, ok := c.Growth.Get()
		rate += growth.BytesPerSecond
		known = known || ok
	}
	words := []word{{number: units.Bytes(t.Bytes), after: of}, {number: signed(change, units.Bytes), after: " " + v.mark.since()}}
	if known {
		words = append(words, word{number: signed(int64(rate), units.Bytes) + "/s"})
	}
	return append(words, word{after: caches}, word{after: "m marks this moment"})
}

// slabtopWords are the sums that slabtop has in its head.
func slabtopWords(t *model.SlabTotals) []word {
	words := []word{
		{"active ", units.Count(t.Active), " of " + units.Many(t.Objects, "object") + shareWords(t.Active, t.Objects)},
		{"", units.Bytes(t.ActiveBytes), " of " + units.Bytes(t.ObjectsBytes) + shareWords(t.ActiveBytes, t.ObjectsBytes)},
		{"", units.Count(t.ActiveSlabs), " of " + units.Many(t.Slabs, "slab")},
		{"", units.Count(t.ActiveCaches), " of " + units.Many(t.Caches, "cache")},
	}
	if average, ok := t.AverageObjectBytes.Get(); ok {
		words = append(words, word{"objects of " + units.Bytes(t.MinObjectBytes.Value) + " to " + units.Bytes(t.MaxObjectBytes.Value) + ", ", units.Bytes(average), " on average"})
	}
	return words
}

// unusedWords are the slab bytes that no object uses, and those that reclaim may free.
func unusedWords(t *model.SlabTotals) []word {
	words := []word{{"free ", units.Bytes(t.FreeBytes), ""}, {"padding ", units.Bytes(t.PaddingBytes), ""}}
	switch {
	case t.ReclaimUnknown == 0:
		words = append(words, word{"reclaimable ", units.Bytes(t.ReclaimableBytes), ""})
	case t.ReclaimUnknown == t.Caches:
		words = append(words, word{"reclaimable ", "–", ""})
	default:
		words = append(words, word{"reclaimable ", "≥ " + units.Bytes(t.ReclaimableBytes), ", not known of " + units.Many(t.ReclaimUnknown, "cache")})
	}
	if pinned, ok := t.PinnedBytes.Get(); ok {
		words = append(words, word{"≥ ", units.Bytes(pinned), " pinned"})
	}
	return words
}

func shareWords(part, of int64) string {
	if of <= 0 {
		return ""
	}
	return " (" + units.Percent(float64(part)/float64(of)) + ")"
}
