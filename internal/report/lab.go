package report

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"

	"github.com/eptop/eptop/internal/lab"
	"github.com/eptop/eptop/internal/units"
)

// Lab is the JSON of eptop lab.
type Lab struct {
	Schema      string       `json:"schema"`
	Kernel      string       `json:"kernel"`
	Experiments []lab.Result `json:"experiments"`
}

// LabJSON writes what came out of experiments as one line of JSON.
func LabJSON(w io.Writer, kernel string, results []lab.Result) error {
	return Result(w, Lab{Schema: "eptop.lab/1", Kernel: kernel, Experiments: results})
}

// nameWidth is the width of the longest name of an experiment.
func nameWidth() int {
	w := 0
	for _, e := range lab.All() {
		w = max(w, len(e.Name))
	}
	return w
}

// LabList writes one line for each experiment.
func LabList(w io.Writer) error {
	t := &text{w: bufio.NewWriter(w)}
	for _, e := range lab.All() {
		t.line("%-*s  %s", nameWidth(), e.Name, e.Title)
	}
	return t.w.Flush()
}

// LabLine writes the verdict of an experiment and its evidence in one line.
func LabLine(w io.Writer, r lab.Result) error {
	t := &text{w: bufio.NewWriter(w)}
	t.line("%-*s  %-11s  %s", nameWidth(), r.Name, r.Verdict.Words(), clean(r.Evidence))
	t.series(r.Series)
	return t.w.Flush()
}

// series writes measured values as bars: the longest of each unit has barWidth cells.
func (t *text) series(list []lab.Series) {
	const barWidth = 24
	most, nameWidth, atWidth, valueWidth := map[string]float64{}, 0, 0, 0
	for _, s := range list {
		nameWidth = max(nameWidth, ansi.StringWidth(s.Name))
		for _, p := range s.Points {
			most[s.Unit] = max(most[s.Unit], p.Value)
			atWidth = max(atWidth, ansi.StringWidth(p.At))
			valueWidth = max(valueWidth, ansi.StringWidth(LabValue(p.Value, s.Unit)))
		}
	}
	for _, s := range list {
		for _, p := range s.Points {
			bar := 0
			if most[s.Unit] > 0 {
				bar = int(p.Value/most[s.Unit]*barWidth + 0.5)
			}
			t.line("  %s  %s  %s %s", padRight(s.Name, nameWidth), padLeft(p.At, atWidth), padLeft(LabValue(p.Value, s.Unit), valueWidth),
				strings.Repeat("█", bar))
		}
	}
}

func padRight(s string, w int) string { return s + strings.Repeat(" ", max(0, w-ansi.StringWidth(s))) }
func padLeft(s string, w int) string  { return strings.Repeat(" ", max(0, w-ansi.StringWidth(s))) + s }

// LabValue writes a measured value with its unit.
func LabValue(v float64, unit string) string {
	switch unit {
	case "ns":
		return units.Duration(time.Duration(v))
	case "bytes":
		return units.Bytes(int64(v))
	case "bytes_per_second":
		return units.Bytes(int64(v)) + "/s"
	}
	return units.Counted(units.Count(int64(v)), strings.TrimSuffix(unit, "s"))
}

// LabSummary says how many experiments came out how.
func LabSummary(w io.Writer, kernel string, results []lab.Result) error {
	count := map[lab.Verdict]int{}
	for _, r := range results {
		count[r.Verdict]++
	}
	_, err := fmt.Fprintf(w, "%d as the manual says, %d different, %d cannot tell, on Linux %s\n",
		count[lab.Pass], count[lab.Different], count[lab.CannotTell], clean(kernel))
	return err
}

// LabStep writes one step of an experiment.
func LabStep(w io.Writer, s lab.Step) error {
	mark := " "
	if s.Woke {
		mark = "!"
	}
	_, err := fmt.Fprintf(w, "  %8s  %s %-22s %s\n", units.Duration(s.At), mark, clean(s.Who), clean(s.Did))
	return err
}

// LabIntroduction says what an experiment is about.
func LabIntroduction(w io.Writer, e *lab.Experiment) error {
	t := &text{w: bufio.NewWriter(w)}
	t.line("%s", e.Title)
	t.paragraph("The manual", e.Promise+" ("+e.Section+"; since Linux "+e.Since+")")
	t.line("")
	return t.w.Flush()
}

// LabHeld says what to look at while an experiment is held.
func LabHeld(w io.Writer, e *lab.Experiment, h lab.Held) error {
	t := &text{w: bufio.NewWriter(w)}
	t.line("")
	t.line("Held: process %d.", h.PID)
	for _, fd := range h.FDs {
		t.line("  fd %-3d  %s", fd.FD, fd.What)
	}
	if e.Shows != "" {
		t.paragraph("Look", fmt.Sprintf("eptop --pid %d: %s.", h.PID, e.Shows))
	}
	t.paragraph("In a server", e.Advice)
	t.paragraph("In the kernel", e.Function)
	t.line("Enter lets it go on.")
	return t.w.Flush()
}

// LabOutcome writes the verdict with what was promised and seen.
func LabOutcome(w io.Writer, r lab.Result) error {
	t := &text{w: bufio.NewWriter(w)}
	t.line("")
	for _, f := range r.Facts {
		mark, promised := "  ", ""
		if f.Promised != "" {
			mark, promised = "= ", ""
		}
		if f.Differs {
			mark, promised = "≠ ", ", promised is "+f.Promised
		}
		t.line("  %s%s: %s%s", mark, f.What, f.Seen, promised)
	}
	t.line("%s: %s", r.Verdict.Words(), clean(r.Evidence))
	return t.w.Flush()
}

// paragraph writes a text under a head, wrapped to a page.
func (t *text) paragraph(head, words string) {
	const width, indent = 96, 15
	line := fmt.Sprintf("%-*s", indent, head)
	empty := true
	for word := range strings.FieldsSeq(clean(words)) {
		if !empty && len([]rune(line))+1+len([]rune(word)) > width {
			t.line("%s", line)
			line, empty = strings.Repeat(" ", indent), true
		}
		if !empty {
			line += " "
		}
		line += word
		empty = false
	}
	t.line("%s", line)
}
