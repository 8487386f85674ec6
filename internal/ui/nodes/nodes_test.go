package nodes

import (
	"slices"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"

	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/ui/viewtest"
)

func TestNodesScroll(t *testing.T) {
	v := viewtest.Maker(New).Show(viewtest.Nodes8(), 80, 21).(*View)
	if v.Status() != "lines 1–21 of 82" {
		t.Errorf("Status = %q", v.Status())
	}
	v.Update(viewtest.Press("G"))
	if screen := ansi.Strip(v.View()); !strings.Contains(screen, "refused, too full") || strings.Contains(screen, "Nodes ─") {
		t.Errorf("the end is not in sight:\n%s", screen)
	}
	v.Update(viewtest.Press("g"))
	v.Update(viewtest.Press("right"))
	if title, _ := v.Explain(); title != "Distances" {
		t.Errorf("right of Nodes comes %q", title)
	}
}

// TestNodesExplain: every card that is there can be reached by keys, and explains
// itself.
func TestNodesExplain(t *testing.T) {
	for _, size := range [][2]int{{80, 21}, {120, 37}, {160, 47}} {
		v := viewtest.Maker(New).Show(viewtest.MisplacedProcess(), size[0], size[1]).(*View)
		var titles []string
		for range 10 {
			title, _ := v.Explain()
			titles = append(titles, title)
			v.Update(viewtest.Press("right"))
		}
		slices.Sort(titles)
		want := []string{"Distances", "Memory modules", "Nodes", "What fills each node", "Where a process is", "Zones"}
		if got := slices.Compact(titles); !slices.Equal(got, want) {
			t.Errorf("%dx%d: %q, want %q", size[0], size[1], got, want)
		}
	}
}

// TestNodesDetached: the card of a process goes when no process is open any more,
// and the cursor that was on it to the first card.
func TestNodesDetached(t *testing.T) {
	v := viewtest.Maker(New).Show(viewtest.MisplacedProcess(), 160, 47).(*View)
	v.here = cardPlacement
	if title, _ := v.Explain(); title != "Where a process is" {
		t.Fatal(title)
	}
	v.SetSnapshot(viewtest.Nodes4())
	if title, _ := v.Explain(); title != "Nodes" {
		t.Errorf("the cursor is on %q", title)
	}
	if screen := ansi.Strip(v.View()); strings.Contains(screen, "Where 7424") || !strings.Contains(screen, "Open a process (p)") {
		t.Errorf("after detaching:\n%s", screen)
	}
}

func TestModuleSum(t *testing.T) {
	dimm := model.MemoryModule{SizeBytes: maybe.Some[int64](64 << 30), Type: "DDR5", SpeedMTs: maybe.Some[int64](4800), ConfiguredMTs: maybe.Some[int64](4400)}
	for _, tt := range []struct {
		modules []model.MemoryModule
		want    string
	}{
		{[]model.MemoryModule{dimm, {Empty: true}, dimm, {Empty: true}}, "128 GiB in 2 of 4 slots: 2 × 64 GiB DDR5 4 400 MT/s. Slower than it could be: 2 modules."},
		{[]model.MemoryModule{{Empty: true}}, "Nothing in 1 slot."},
		{[]model.MemoryModule{{Type: "RAM"}}, "Unknown size in 1 of 1 slot: 1 × unknown size RAM."},
	} {
		if got := moduleSum(tt.modules); got != tt.want {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
}

func TestBetween(t *testing.T) {
	for want, bounds := range map[string][2]int64{
		"–": {0, 0}, "7": {7, 7}, "≤ 7": {0, 7}, "3–7": {3, 7}, "≥ 12 500": {12_500, 19_002},
	} {
		row := model.NodePlacement{SocketsAtLeast: maybe.Some(bounds[0]), SocketsAtMost: maybe.Some(bounds[1])}
		if got := between(row); got != want {
			t.Errorf("between(%v) = %q, want %q", bounds, got, want)
		}
	}
}

func TestHomeWords(t *testing.T) {
	row := func(threads int, memory maybe.Of[int64]) model.NodePlacement {
		return model.NodePlacement{Threads: threads, MemoryBytes: memory}
	}
	none := maybe.Of[int64]{}
	for _, tt := range []struct {
		at   model.Placement
		want string
	}{
		{model.Placement{Nodes: []model.NodePlacement{row(2, maybe.Some[int64](300)), row(0, maybe.Some[int64](100))}}, "75.0 % of its memory is on nodes where its threads last ran."},
		{model.Placement{Nodes: []model.NodePlacement{row(2, none), row(0, none)}, Sockets: maybe.Some[int64](3)}, "No number shows that it is far from its sockets."},
		{model.Placement{Nodes: []model.NodePlacement{row(2, none), row(0, none)}}, ""},
		{model.Placement{Nodes: []model.NodePlacement{row(0, maybe.Some[int64](300))}, Sockets: maybe.Some[int64](3)}, ""},
	} {
		if got := homeWords(&tt.at); got != tt.want {
			t.Errorf("%+v: %q, want %q", tt.at, got, tt.want)
		}
	}
}

// TestDistancesWithoutAGoneNode draws what is left of four nodes under the right
// numbers.
func TestDistancesWithoutAGoneNode(t *testing.T) {
	s := viewtest.Nodes4()
	rows := [][]int{{10, 31, 31}, nil, {31, 10, 21}, {31, 21, 10}}
	for i := range s.Nodes {
		s.Nodes[i].Distances = rows[i]
	}
	s.Nodes, s.NodesGone = slices.Delete(s.Nodes, 1, 2), []int{1}
	v := viewtest.Maker(New).Show(s, 160, 47).(*View)
	var got []string
	for _, line := range v.distanceLines()[:4] {
		got = append(got, strings.Join(strings.Fields(ansi.Strip(line)), " "))
	}
	if want := []string{"node 0 2 3", "0 10 31 31", "2 31 10 21", "3 31 21 10"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if words := strings.Join(v.words(), " "); !strings.Contains(words, "2.1 to 3.1 × as far") || strings.Contains(words, "gap") {
		t.Errorf("%q", words)
	}
}

// TestContentsLeaveNothingOut: each line of meminfo that is not 0 has a row, but for
// the sums and what the card of nodes shows.
func TestContentsLeaveNothingOut(t *testing.T) {
	s := viewtest.Nodes4()
	for _, name := range []string{"Active(anon)", "Inactive(anon)", "Active(file)", "Inactive(file)", "Unevictable", "KReclaimable", "Bounce"} {
		s.Nodes[0].Meminfo[name] = 4096
	}
	s.Nodes[0].Meminfo["Bounce"] = 0
	v := viewtest.Maker(New).Show(s, 80, 21).(*View)
	screen := ansi.Strip(strings.Join(v.contentLines(76), "\n"))
	for _, name := range []string{"Active(anon)", "Inactive(anon)", "Active(file)", "Inactive(file)", "Unevictable", "KReclaimable"} {
		if !strings.Contains(screen, name) {
			t.Errorf("no %s in\n%s", name, screen)
		}
	}
	if strings.Contains(screen, "Bounce") {
		t.Error("a line that is 0 has a row")
	}
	v.Update(viewtest.Press("G"))
	if last := ansi.Strip(v.View()); v.height <= v.h || !strings.Contains(last, "╰") {
		t.Errorf("the end cannot be scrolled to:\n%s", last)
	}
}

func TestView(t *testing.T) { viewtest.Maker(New).Check(t, "nodes") }

func BenchmarkFrame(b *testing.B) { viewtest.Maker(New).Benchmark(b) }
