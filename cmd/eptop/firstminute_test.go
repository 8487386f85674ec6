package main

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"
	"golang.org/x/sys/unix"

	"github.com/eptop/eptop/internal/collect"
	"github.com/eptop/eptop/internal/engine"
	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/ui/overview"
	processlist "github.com/eptop/eptop/internal/ui/processes"
	"github.com/eptop/eptop/internal/ui/theme"
	"github.com/eptop/eptop/internal/ui/view"
	"github.com/eptop/eptop/internal/units"
)

// drift is how far sums over the whole machine may be from those at another moment:
// other programs come and go while the test runs.
const drift = 2000

// manyEpolls has so many instances that they take long to compare and to read.
func manyEpolls() {
	for range 500 {
		must(unix.EpollCreate1(unix.EPOLL_CLOEXEC))
	}
	idle()
}

// TestNoFrameIsWrongWithoutItsMark draws every frame in which a dashboard gets to know a
// machine with 50 000 connections, slowly, and compares each number with the truth: it
// is right, or has its mark, or is not there yet.
func TestNoFrameIsWrongWithoutItsMark(t *testing.T) {
	if testing.Short() {
		t.Skip("opens 50 000 connections: run without -short")
	}
	eptop := buildEptop(t)
	load := exec.Command(eptop, "load", "-c", "50000", "--hold", "20m")
	stderr, err := load.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	launchQuietly(t, load)
	readUntil(t, stderr, "holding")
	known := workersOf(load.Process.Pid)
	for _, program := range []string{"manyepolls", "hold23", "hold23"} {
		known = append(known, ready(t, program))
	}
	truth := look(t)

	// Through /proc: a pass of BPF sees everything in the first frame.
	e, err := engine.New(engine.Options{Options: collect.Options{
		Source: collect.SourceProc, ProcRoot: "/proc", SysRoot: "/sys", MaxStall: collect.DefaultMaxStall, MaxFDs: collect.DefaultMaxFDs, LookTime: 5 * time.Millisecond,
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	keys := view.NewKeyMap()
	first, list := overview.New(keys), processlist.New(keys)
	for _, v := range []view.View{first, list} {
		v.SetTheme(theme.New(true))
		v.SetSize(160, 150) // so that no row is below the screen
	}
	c := checker{t: t, truth: truth, known: known, ranges: map[string][2]int64{}}
	frames, looks := 0, 0
	for before := (model.Coverage{Files: -1}); ; {
		looks++
		s, err := e.Look(t.Context(), model.Focus{})
		if err != nil {
			t.Fatal(err)
		}
		// Others may start processes for ever.
		done := s.Sockets != nil && !slices.ContainsFunc(known, func(pid int) bool { p := s.Process(pid); return p == nil || p.Pending() })
		if s.Coverage == before && !done {
			continue // the same frame again
		}
		before = s.Coverage
		first.SetSnapshot(s)
		list.SetSnapshot(s)
		c.frame = fmt.Sprintf("frame %d, %s", frames, strings.Join(view.Progress(&s.Coverage), " "))
		c.snapshot(s)
		c.overview(ansi.Strip(first.View()))
		c.processes(ansi.Strip(list.View()))
		frames++
		if done || t.Failed() {
			break
		}
	}
	t.Logf("%d looks, %d frames, %d numbers compared: %v", looks, frames, c.exact+c.marked+c.unknown, map[string]int{"exact": c.exact, "marked": c.marked, "unknown": c.unknown})
	if frames < 10 || c.exact == 0 || c.marked == 0 || c.unknown == 0 {
		t.Error("there was next to nothing to compare")
	}
}

// look looks at the machine once and at everything.
func look(t *testing.T) *model.Snapshot {
	t.Helper()
	e, err := engine.New(engine.Options{Once: true, Options: collect.Options{ProcRoot: "/proc", SysRoot: "/sys", MaxStall: collect.DefaultMaxStall, MaxFDs: collect.DefaultMaxFDs}})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	s, err := e.Look(t.Context(), model.Focus{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// ready starts a program of this test binary and returns its PID once it is ready.
func ready(t *testing.T, program string) int {
	t.Helper()
	cmd := exec.Command(program)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stdin.Close() })
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	launchQuietly(t, cmd)
	readUntil(t, stdout, "ready")
	return cmd.Process.Pid
}

// launchQuietly starts a program whose output the test reads, and ends it with the test.
func launchQuietly(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
	})
}

// checker compares what is shown with the truth.
type checker struct {
	t                      *testing.T
	truth                  *model.Snapshot
	known                  []int // PIDs that do not change
	frame                  string
	ranges                 map[string][2]int64 // of sums over the whole machine, by what they count
	exact, marked, unknown int
}

var marked = regexp.MustCompile(`^([≥≤≈]?) ?([\d ]+)$`)

// sum compares a sum over the whole machine. What does not fit the truth as it was at the
// beginning may be what others have opened or closed since.
func (c *checker) sum(what, text string, of func(*model.Snapshot) int64) {
	c.t.Helper()
	r, known := c.ranges[what]
	if !known {
		r = [2]int64{of(c.truth) - drift, of(c.truth) + drift}
	}
	if n, ok := shown(text); ok && (n < r[0] || n > r[1]) {
		now := of(look(c.t))
		r = [2]int64{min(r[0], now-drift), max(r[1], now*3/2)} // less than if all were counted twice
	}
	c.ranges[what] = r
	c.number(what, text, r[0], r[1])
}

// shown returns the number in a text.
func shown(text string) (int64, bool) {
	parts := marked.FindStringSubmatch(strings.TrimSpace(text))
	if parts == nil {
		return 0, false
	}
	n, err := strconv.ParseInt(strings.ReplaceAll(parts[2], " ", ""), 10, 64)
	return n, err == nil
}

// number compares one number as it is shown with what it is in truth.
func (c *checker) number(what, text string, least, most int64) {
	c.t.Helper()
	text = strings.TrimSpace(text)
	if text == "?" {
		c.unknown++
		return
	}
	parts := marked.FindStringSubmatch(text)
	n, ok := shown(text)
	if !ok {
		c.t.Errorf("%s: %s is %q", c.frame, what, text)
		return
	}
	switch {
	case n > most || parts[1] == "" && n < least:
		c.t.Errorf("%s: %s is %q, and %d to %d in truth", c.frame, what, text, least, most)
	case parts[1] == "":
		c.exact++
	default:
		c.marked++
	}
}

func watchesOf(s *model.Snapshot) int64     { return s.Epoll.Watches.Value }
func watchesOfRoot(s *model.Snapshot) int64 { return s.Epoll.Users[0].Watches.Value }

// snapshot checks what no frame of the test shows.
func (c *checker) snapshot(s *model.Snapshot) {
	for _, n := range s.History.Watches {
		c.sum("watches in the trend", units.Count(n), watchesOf)
	}
	for _, w := range s.Walls {
		if w.Name == model.WallUserWatches && w.Scope == "user root" && !w.AtLeast {
			c.sum("watches against their limit", units.Count(w.Used), watchesOfRoot)
		}
	}
	if cache := s.Cache("eventpoll_epi"); cache != nil {
		for _, u := range cache.ExplainedBy {
			if u.Cache == "eventpoll_epi" && !u.AtLeast {
				c.sum("objects of watches", units.Count(u.Objects), watchesOf)
			}
		}
	}
}

var (
	userLine   = regexp.MustCompile(`│ root +([≥≤≈]? ?(?:\d[\d ]*|\?))`)
	trendLine  = regexp.MustCompile(`│ watches   .*?([≥≤≈]? ?(?:\d[\d ]*|\?))\s*│`)
	socketLine = regexp.MustCompile(`│ ([≥≤≈]? ?[\d ]+) sockets`)
	lookedLine = regexp.MustCompile(`^ Look here .* in ([≥≤≈]? ?(?:\d[\d ]*|\?|–)) watches(?:, ([≥≤≈]? ?\d[\d ]*) sockets)?`)
	totalsLine = regexp.MustCompile(`^ ([≥≤≈]? ?[\d ?]+) watch(?:es)? in ([≥≤≈]? ?[\d ?]+) epoll`)
)

func (c *checker) overview(frame string) {
	for _, m := range userLine.FindAllStringSubmatch(frame, -1) {
		c.sum("watches of root", m[1], watchesOfRoot)
	}
	for _, m := range trendLine.FindAllStringSubmatch(frame, -1) {
		c.sum("watches of the trend", m[1], watchesOf)
	}
	for _, m := range socketLine.FindAllStringSubmatch(frame, -1) {
		c.sum("sockets", m[1], func(s *model.Snapshot) int64 { return s.Sockets.Total })
	}
	for line := range strings.Lines(frame) {
		m := lookedLine.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		c.sum("watches looked at", m[1], watchesOf)
		if m[2] != "" {
			c.sum("sockets looked at", m[2], func(s *model.Snapshot) int64 { return s.Sockets.Total })
		}
	}
	c.rows(frame)
}

// lastNumber is a number with its mark at the end of a text: a column on the left may reach
// up to it.
var lastNumber = regexp.MustCompile(`(?:^|  |[^\d ] )([≥≤≈]?\d{1,3}(?: \d{3})*|\?|–)$`)

func (c *checker) processes(frame string) {
	m := totalsLine.FindStringSubmatch(frame)
	if m == nil {
		c.t.Errorf("%s: no line of totals in\n%s", c.frame, frame)
		return
	}
	c.sum("all watches", m[1], watchesOf)
	c.sum("all instances", m[2], func(s *model.Snapshot) int64 { return s.Epoll.Instances.Value })
	c.rows(frame)
}

// rows compares the rows of known processes in a table: its columns end where their
// heads do.
func (c *checker) rows(frame string) {
	lines := strings.Split(frame, "\n")
	head := slices.IndexFunc(lines, func(l string) bool { return strings.Contains(l, "EPOLLS") && strings.Contains(l, "PID") })
	if head < 0 {
		c.t.Errorf("%s: no table in\n%s", c.frame, frame)
		return
	}
	ends := map[string][2]int{} // first and last cell of each column
	at := 0
	for _, field := range regexp.MustCompile(`\S+`).FindAllStringIndex(lines[head], -1) {
		end := len([]rune(lines[head][:field[1]]))
		ends[strings.TrimRight(lines[head][field[0]:field[1]], "▼▲")] = [2]int{at, end}
		at = end
	}
	for _, line := range lines[head+1:] {
		cells := []rune(line + strings.Repeat(" ", 200))
		cell := func(column string) string {
			return strings.Trim(string(cells[ends[column][0]:ends[column][1]]), " ▸!")
		}
		pid, err := strconv.Atoi(cell("PID"))
		if err != nil || !slices.Contains(c.known, pid) {
			continue
		}
		p := c.truth.Process(pid)
		for column, truth := range maps.All(map[string]int64{"EPOLLS": p.Instances.Value, "WATCHES": p.Watches.Value, "SOCKETS": p.Sockets.Value}) {
			text := cell(column)
			if m := lastNumber.FindStringSubmatch(text); m != nil {
				text = m[1]
			}
			c.number(fmt.Sprintf("%s of %d %s", column, pid, p.Comm), text, truth, truth)
		}
	}
}
