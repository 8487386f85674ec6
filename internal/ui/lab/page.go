package lab

import (
	"fmt"
	"strings"
	"time"

	"github.com/eptop/eptop/internal/lab"
	"github.com/eptop/eptop/internal/ui/draw"
	"github.com/eptop/eptop/internal/units"
)

// page writes what is known of the experiment under the cursor, for a width.
func (v *View) page(w int) []string {
	e := v.list[v.here]
	out := v.wrap(v.pens.Strong, e.Title, w)
	r, tried := v.state.Results[e.Name]
	current := v.state.Name == e.Name
	switch {
	case current && v.state.Held != nil:
		out = append(out, v.timeline(v.state.Steps, w)...)
		out = append(out, v.held(e, v.state.Held, w)...)
	case current && v.state.Running():
		out = append(out, v.timeline(v.state.Steps, w)...)
		out = append(out, v.pens.Muted.Ink("running"))
	case tried:
		out = append(out, v.outcome(r, w)...)
		out = append(out, v.timeline(r.Steps, w)...)
	default:
		out = append(out, "", v.pens.Muted.Ink("not tried yet: Enter"))
	}
	out = append(out, "")
	out = append(out, v.paragraph("The manual", e.Promise+" ("+e.Section+")", w)...)
	out = append(out, v.paragraph("In a server", e.Advice, w)...)
	return append(out, v.paragraph("Kernel", e.Function+", since Linux "+e.Since, w)...)
}

// timeline writes who did what, when. A wait that returned with an event has a mark.
func (v *View) timeline(steps []lab.Step, w int) []string {
	whoWidth := 0
	for _, s := range steps {
		whoWidth = max(whoWidth, draw.Width(s.Who))
	}
	whenWidth := 9
	if w < 60 {
		whenWidth = 0 // the order says enough
	}
	whoWidth = min(whoWidth, w/3)
	indent := whenWidth + 2 + whoWidth + 1
	var out []string
	for _, s := range steps {
		mark, pen := " ", v.pens.Text
		switch {
		case s.Woke:
			mark, pen = "●", v.pens.Good
		case strings.HasSuffix(s.Did, "no event"):
			mark, pen = "○", v.pens.Warn
		}
		for i, line := range draw.Wrap(s.Did, max(1, w-indent)) {
			head := draw.Spaces(indent)
			if i == 0 {
				head = pen.Ink(mark) + " " + v.pens.Key.Ink(draw.Fit(s.Who, whoWidth)) + " "
				if whenWidth > 0 {
					head = v.pens.Muted.Ink(draw.FitRight(units.Duration(s.At), whenWidth-1)) + " " + head
				}
			}
			out = append(out, head+pen.Ink(line))
		}
	}
	return out
}

// held says where to look while the experiment is held.
func (v *View) held(e *lab.Experiment, h *lab.Held, w int) []string {
	out := []string{"", v.pens.Title.Ink(draw.Fit(fmt.Sprintf("Held at its turning point: process %d", h.PID), w))}
	for _, fd := range h.FDs {
		out = append(out, v.hanging(fmt.Sprintf("fd %-3d ", fd.FD), fd.What, w)...)
	}
	out = append(out, v.paragraph("Enter", "goes into it: "+e.Shows+".", w)...)
	return append(out, v.paragraph("d", "lets it go on", w)...)
}

// outcome writes the verdict, what was seen, and what was measured.
func (v *View) outcome(r lab.Result, w int) []string {
	pen := v.pens.Good
	switch r.Verdict {
	case lab.Different:
		pen = v.pens.Crit
	case lab.CannotTell:
		pen = v.pens.Warn
	}
	out := v.wrap(pen, r.Verdict.Words()+": "+r.Evidence, w)
	for _, f := range r.Facts {
		mark, text := "= ", f.What+": "+f.Seen
		switch {
		case f.Differs:
			mark, text = "≠ ", text+", promised is "+f.Promised
		case f.Promised == "":
			mark = "· "
		}
		out = append(out, v.hanging(mark, text, w)...)
	}
	out = append(out, v.bars(r.Series, w)...)
	return append(out, "")
}

// bars draws measured values; the longest of each unit takes what the words leave.
func (v *View) bars(list []lab.Series, w int) []string {
	most, nameWidth, valueWidth := map[string]float64{}, 0, 0
	for _, s := range list {
		for _, p := range s.Points {
			most[s.Unit] = max(most[s.Unit], p.Value)
			nameWidth = max(nameWidth, draw.Width(s.Name+", "+p.At))
			valueWidth = max(valueWidth, draw.Width(value(p.Value, s.Unit)))
		}
	}
	var out []string
	for _, s := range list {
		for _, p := range s.Points {
			share := 0.0
			if most[s.Unit] > 0 {
				share = p.Value / most[s.Unit]
			}
			line := draw.Fit(s.Name+", "+p.At, nameWidth) + " " + draw.FitRight(value(p.Value, s.Unit), valueWidth)
			if room := w - draw.Width(line) - 1; room > 3 {
				line = v.pens.Text.Ink(line) + " " + draw.Bar(v.pens.Bar, room, share)
			}
			out = append(out, line)
		}
	}
	return out
}

// value writes a measured value.
func value(n float64, unit string) string {
	switch unit {
	case "ns":
		return units.Duration(time.Duration(n))
	case "bytes":
		return units.Bytes(int64(n))
	case "bytes_per_second":
		return units.Bytes(int64(n)) + "/s"
	}
	return units.Count(int64(n))
}

// paragraph writes a text behind a head.
func (v *View) paragraph(head, text string, w int) []string {
	const headWidth = 12
	return v.hanging(draw.Fit(head, headWidth), text, w)
}

// hanging wraps a text behind a head, whose width the following lines are indented by.
func (v *View) hanging(head, text string, w int) []string {
	indent := draw.Width(head)
	var out []string
	for i, line := range draw.Wrap(draw.Clean(text), max(1, w-indent)) {
		before := draw.Spaces(indent)
		if i == 0 {
			before = v.pens.Muted.Ink(head)
		}
		out = append(out, before+v.pens.Text.Ink(line))
	}
	return out
}

func (v *View) wrap(pen draw.Pen, text string, w int) []string {
	var out []string
	for _, line := range draw.Wrap(draw.Clean(text), w) {
		out = append(out, pen.Ink(line))
	}
	return out
}
