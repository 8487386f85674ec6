package report

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/units"
)

// Result writes a result as one line of JSON.
func Result(w io.Writer, result any) error { return json.NewEncoder(escaper{w}).Encode(result) }

// PreflightText says in a line or two what a load will open, and how many connections
// this machine can hold.
func PreflightText(w io.Writer, p model.LoadPlan, f model.Preflight) error {
	t := &text{w: bufio.NewWriter(w)}
	watch := "without watches"
	if p.Watch != "none" {
		watch = fmt.Sprintf("watched %s", p.Watch)
	}
	line := fmt.Sprintf("%s over %s, %s: %s sockets", units.Many(p.Connections, "connection"), p.Family, watch, units.Count(2*p.Connections))
	if each, ok := f.BytesPerConnection.Get(); ok {
		line += fmt.Sprintf(", some %s of kernel memory (%s)", units.Bytes(each*p.Connections), f.Origin)
	}
	if f.Pairs > 0 {
		line += fmt.Sprintf(", %s worker processes", units.Count(2*f.Pairs))
	}
	t.line("%s", line)
	if len(f.Walls) == 0 {
		t.line("how many connections this machine can hold is not known")
		return t.w.Flush()
	}
	wall, short := f.Short(p)
	if !short {
		wall = f.Walls[0]
	}
	raise := ""
	if wall.RaiseWith != "" {
		raise = "; raise it with: " + clean(wall.RaiseWith)
	}
	amounts := clean(wall.Scope)
	if wall.Limit > 0 {
		amounts = fmt.Sprintf("%s of %s, %s", amount(wall, wall.Used), amount(wall, wall.Limit), amounts)
	}
	switch {
	case short && wall.ConnectionsLeft == 0:
		t.line("none will fit: %s leaves no room (%s)%s", clean(wall.Title()), amounts, raise)
	case short:
		t.line("only %s will fit: %s comes first (%s)%s", units.Count(wall.ConnectionsLeft), clean(wall.Title()), amounts, raise)
	default:
		t.line("this machine can hold %s; %s is the first limit%s", units.Many(wall.ConnectionsLeft, "connection"), clean(wall.Title()), raise)
	}
	return t.w.Flush()
}

// amount writes what a wall counts.
func amount(w model.Wall, n int64) string {
	if w.Unit == model.UnitBytes {
		return units.Bytes(n)
	}
	return units.Count(n)
}

// LoadText writes the result of a load for people.
func LoadText(w io.Writer, r *model.LoadResult) error {
	t := &text{w: bufio.NewWriter(w)}
	if r.Opened == 0 {
		t.line("none of %s was opened over %s", units.Many(r.Connections, "connection"), r.Family)
		t.trouble(r.Opening, r.StoppedBy, r.Reason)
		return t.w.Flush()
	}
	t.line("%s of %s opened over %s in %s, %s a second, by %s", units.Count(r.Opened), units.Many(r.Connections, "connection"), r.Family,
		seconds(r.OpenSeconds), units.Count(int64(r.PerSecond)), workers(r.Workers, r.WorkerRSSBytes))
	t.trouble(r.Opening, r.StoppedBy, r.Reason)
	if r.Echoes > 0 {
		t.line("%s echoes came back", units.Count(r.Echoes))
	}
	if r.UnreadBytes > 0 {
		t.line("%s were left unread", units.Bytes(r.UnreadBytes))
	}
	if r.Lost > 0 {
		t.line("%s were open at the end", units.Count(r.OpenAtEnd))
	}
	held := ""
	if r.HeldSeconds > 0 {
		held = "held for " + seconds(r.HeldSeconds) + ", "
	}
	t.line("%sclosed in %s", held, seconds(r.DrainSeconds))
	return t.w.Flush()
}

func workers(n int, bytes int64) string {
	return fmt.Sprintf("%s worker processes with %s resident", units.Count(int64(n)), units.Bytes(bytes))
}

func seconds(s float64) string { return units.Duration(time.Duration(s * float64(time.Second))) }

// trouble says what went wrong, one line for each thing.
func (t *text) trouble(o model.Opening, stoppedBy model.WallName, reason string) {
	if stoppedBy != "" {
		t.line("stopped by %s: %s", clean(model.WallTitle(stoppedBy)), clean(cmp.Or(reason, "no reason given")))
	}
	if o.Failed > 0 {
		var parts []string
		for _, name := range slices.Sorted(maps.Keys(o.Failures)) {
			parts = append(parts, fmt.Sprintf("%s %s", name, units.Count(o.Failures[name])))
		}
		t.line("%s failed: %s", units.Many(o.Failed, "attempt"), strings.Join(parts, ", "))
	}
	if o.Lost > 0 || o.LastLoss != "" {
		t.line("%s lost: %s", units.Many(o.Lost, "connection"), clean(o.LastLoss))
	}
}

// MeasureText writes a measurement for people.
func MeasureText(w io.Writer, m *model.Measurement) error {
	t := &text{w: bufio.NewWriter(w)}
	bytes, ok := m.BytesPerConnection.Get()
	if ok {
		watched := "the server's watched " + m.Watch
		if m.Watch == "none" {
			watched = "not watched"
		}
		t.line("An idle %s connection takes %s B of kernel memory on Linux %s (± %s B, 95 %%): both ends, %s.",
			m.Family, units.Count(bytes), clean(cmp.Or(m.Kernel, absent)), count(m.CI95Bytes), watched)
		t.answers(m)
		t.measuredParts(m)
		t.notInSum(m)
	} else {
		t.line("What a connection takes could not be measured: %s", whyUnmeasured(m))
	}
	t.title("%s of %s opened in %s, %s a second, by %s", units.Count(m.Opened), units.Many(m.Connections, "connection"),
		seconds(m.OpenSeconds), units.Count(int64(m.PerSecond)), workers(m.Workers, m.WorkerRSSBytes))
	t.trouble(m.Opening, m.StoppedBy, m.Reason)
	t.reportDrain(m)
	if len(m.Projection) > 0 {
		var parts []string
		for _, p := range m.Projection {
			parts = append(parts, fmt.Sprintf("%s %s", units.Count(p.Connections), units.Bytes(p.Bytes)))
		}
		t.line("at that price: %s", strings.Join(parts, " · "))
	}
	return t.w.Flush()
}

// Unmeasured returns the error of a measurement that says nothing, nil where it has a result.
func Unmeasured(m *model.Measurement) error {
	if m.BytesPerConnection.Known {
		return nil
	}
	return errors.New("what a connection takes could not be measured: " + whyUnmeasured(m))
}

func whyUnmeasured(m *model.Measurement) string {
	if m.Opened == 0 || m.StoppedBy != "" && m.Opened < m.Connections {
		return clean(m.Doubt)
	}
	return fmt.Sprintf("%s; repeat it with more connections, -c %d, or when the machine is quieter", clean(m.Doubt), max(10_000, 2*m.Connections))
}

// answers compares the ends and the watch with what was expected and with folklore.
func (t *text) answers(m *model.Measurement) {
	rows := []string{row("", "MEASURED", "±", "EXPECTED", "")}
	add := func(name string, got, half, expected maybe.Of[int64], note string) {
		if got.Known {
			rows = append(rows, row(name, got, half, expected, note))
		}
	}
	add("a connection", m.BytesPerConnection, m.CI95Bytes, m.ExpectedBytes, "expected: from the sizes of this kernel's objects")
	end := ""
	if got, ok := m.BytesPerEnd.Get(); ok && m.FolkloreBytes > 0 && m.Family != "unix" {
		end = fmt.Sprintf("folklore %s B (Linux 3.10): this kernel is at %.0f %%", units.Count(m.FolkloreBytes), 100*float64(got)/float64(m.FolkloreBytes))
	}
	add("one end", m.BytesPerEnd, m.EndCI95Bytes, m.ExpectedEnd, end)
	watch := ""
	if m.FittedWatch != m.BytesPerWatch {
		watch = fmt.Sprintf("in whole objects; counted were %s B", count(m.FittedWatch))
		if !m.FittedWatch.Known {
			watch = "in whole objects; what was counted is too vague"
		}
	}
	add("a watch", m.BytesPerWatch, m.WatchCI95Bytes, m.ExpectedWatch, watch)
	for _, s := range m.Stages {
		rows = append(rows, row(s.Stage+"()", s.Bytes, s.CI95Bytes, "", ""))
	}
	fmt.Fprintln(t.w)
	t.table(rows)
}

func (t *text) measuredParts(m *model.Measurement) {
	fmt.Fprintln(t.w)
	rows := []string{row("BYTES", "±", "OBJECTS", "COUNTED", "±", "EXPECTED", "B EACH", "SLAB CACHE")}
	for _, p := range m.Parts {
		name := p.Cache
		if p.ShownAs != p.Cache {
			name += ", in slabinfo " + p.ShownAs
		}
		switch p.Kind {
		case model.PartMemcg:
			name += ": the memory cgroup's notes on charged objects (estimated), not in the sum"
		case model.PartBuffer:
			name += ": bytes left unread, not in the sum"
		case model.PartUnexplained:
			name += ": unexplained, not in the sum"
		}
		expected := ""
		if p.Kind == model.PartKnown {
			expected = fmt.Sprintf("%.2f", p.ExpectedObjects)
		}
		rows = append(rows, row(fmt.Sprintf("%.1f", p.Bytes), fmt.Sprintf("%.1f", p.CI95Bytes), fmt.Sprintf("%.2f", p.Objects),
			fmt.Sprintf("%.2f", p.Fitted), fmt.Sprintf("%.2f", p.CI95), expected, fmt.Sprintf("%.0f", p.BytesPerObject), name))
	}
	t.table(rows)
	for _, d := range m.Differences {
		t.line("differs: %s", clean(d))
	}
}

// notInSum says what the sum leaves out, and what another way of counting says.
func (t *text) notInSum(m *model.Measurement) {
	fmt.Fprintln(t.w)
	for _, l := range m.LeavesOut {
		t.line("left out: %s", clean(l))
	}
	if n, ok := m.MemcgBytes.Get(); ok && n != 0 {
		t.line("not in the sum: %s B of the memory cgroup's own notes (estimated)", units.Count(n))
	}
	if n, ok := m.BufferBytes.Get(); ok {
		t.line("not in the sum: %s B of objects for the bytes left unread; longer ones are in pages that no slab counts", units.Count(n))
	}
	if n, ok := m.UnexplainedBytes.Get(); ok {
		t.line("not in the sum: %s B unexplained", units.Count(n))
	}
	if n, ok := m.CgroupBytes.Get(); ok {
		t.line("cross-check: eptop's cgroup was charged %s B for each (± %s B); the charge includes neither the waste of slabs nor what a softirq allocates, such as the server's socket",
			units.Count(n), count(m.CgroupCI95Bytes))
	}
	t.line("from %s after a warm-up of %s", units.Many(int64(m.Readings), "reading"), units.Many(m.WarmUpConnections, "connection"))
}

func (t *text) reportDrain(m *model.Measurement) {
	left, ok := m.LeftBytes.Get()
	if !ok {
		return
	}
	back, ok := m.DrainedToBaseline.Get()
	switch {
	case !ok:
		t.line("closed in %s; whether the memory came back cannot be seen: free objects that the CPUs keep count as used, up to %s",
			seconds(m.DrainSeconds), units.Bytes(m.MayParkBytes.Value))
	case back:
		t.line("closed in %s, and the memory came back: %s are left", seconds(m.DrainSeconds), units.Bytes(max(0, left)))
	default:
		t.line("closed in %s, and %s did not come back", seconds(m.DrainSeconds), units.Bytes(max(0, left)))
	}
}
