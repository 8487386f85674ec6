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
)

// drift is how far sums over the whole machine may be from those at another moment:
// other programs come and go while the test runs. They may be ten times as much above,
// for what others open is really there.
const drift = 2000

// manyEpolls has 2 000 instances, which take long to compare.
func manyEpolls() {
	for range 2000 {
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
	truth := lookAt(t)

	e, err := engine.New(engine.Options{Options: collect.Options{
		ProcRoot: "/proc", SysRoot: "/sys", MaxStall: collect.DefaultMaxStall, MaxFDs: collect.DefaultMaxFDs, LookTime: time.Millisecond,
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	keys := view.NewKeyMap()
	first, list := overview.New(keys), processlist.New(keys)
	for _, v := range []view.View{first, list} {
		v.SetTheme(theme.New(true))
		v.SetSize(160, 400) // so that no row is below the screen
	}
	c := checker{t: t, truth: truth, known: known}
	frames, looks := 0, 0
	for before := (model.Coverage{Files: -1}); ; {
		looks++
		s, err := e.Look(t.Context(), model.Focus{})
		if err != nil {
			t.Fatal(err)
		}
		done := !s.Epoll.Pending() && s.Sockets != nil
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
	exact, marked, unknown int
}

var marked = regexp.MustCompile(`^([≥≤≈]?) ?([\d ]+)$`)

// number compares one number as it is shown.
func (c *checker) number(what, text string, truth, slack int64) {
	c.t.Helper()
	text = strings.TrimSpace(text)
	if text == "?" {
		c.unknown++
		return
	}
	parts := marked.FindStringSubmatch(text)
	if parts == nil {
		c.t.Errorf("%s: %s is %q", c.frame, what, text)
		return
	}
	n, err := strconv.ParseInt(strings.ReplaceAll(parts[2], " ", ""), 10, 64)
	if err != nil {
		c.t.Errorf("%s: %s is %q: %v", c.frame, what, text, err)
		return
	}
	switch off := n - truth; {
	case parts[1] == "" && (off > 10*slack || off < -slack):
		c.t.Errorf("%s: %s is %q, and %d in truth", c.frame, what, text, truth)
	case parts[1] == "≥" && off > 10*slack:
		c.t.Errorf("%s: %s is %q, and only %d in truth", c.frame, what, text, truth)
	case parts[1] == "":
		c.exact++
	default:
		c.marked++
	}
}

// snapshot checks what no frame of the test shows.
func (c *checker) snapshot(s *model.Snapshot) {
	off := func(n, truth int64) bool { return n > truth+10*drift || n < truth-drift }
	for _, n := range s.History.Watches {
		if off(n, c.truth.Epoll.Watches.Value) {
			c.t.Errorf("%s: the trend has %d watches", c.frame, n)
		}
	}
	for _, w := range s.Walls {
		if w.Name == model.WallUserWatches && w.Scope == "user root" && !w.AtLeast && off(w.Used, c.truth.Epoll.Users[0].Watches.Value) {
			c.t.Errorf("%s: %+v", c.frame, w)
		}
	}
	if cache := s.Cache("eventpoll_epi"); cache != nil {
		for _, u := range cache.ExplainedBy {
			if u.Cache == "eventpoll_epi" && !u.AtLeast && off(u.Objects, c.truth.Epoll.Watches.Value) {
				c.t.Errorf("%s: %+v", c.frame, u)
			}
		}
	}
}

var (
	userLine   = regexp.MustCompile(`│ root +([≥≤≈]? ?(?:\d[\d ]*|\?))`)
	trendLine  = regexp.MustCompile(`│ watches .*?([≥≤≈]? ?(?:\d[\d ]*|\?))\s*│`)
	socketLine = regexp.MustCompile(`│ ([≥≤≈]? ?[\d ]+) sockets`)
	totalsLine = regexp.MustCompile(`^ ([≥≤≈]? ?[\d ?]+) watch(?:es)? in ([≥≤≈]? ?[\d ?]+) epoll`)
)

func (c *checker) overview(frame string) {
	e := &c.truth.Epoll
	for _, m := range userLine.FindAllStringSubmatch(frame, -1) {
		c.number("watches of root", m[1], e.Users[0].Watches.Value, drift)
	}
	for _, m := range trendLine.FindAllStringSubmatch(frame, -1) {
		c.number("watches of the trend", m[1], e.Watches.Value, drift)
	}
	for _, m := range socketLine.FindAllStringSubmatch(frame, -1) {
		c.number("sockets", m[1], c.truth.Sockets.Total, drift)
	}
	c.rows(frame)
}

func (c *checker) processes(frame string) {
	m := totalsLine.FindStringSubmatch(frame)
	if m == nil {
		c.t.Errorf("%s: no line of totals in\n%s", c.frame, frame)
		return
	}
	c.number("all watches", m[1], c.truth.Epoll.Watches.Value, drift)
	c.number("all instances", m[2], c.truth.Epoll.Instances.Value, drift)
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
			c.number(fmt.Sprintf("%s of %d %s", column, pid, p.Comm), cell(column), truth, 0)
		}
	}
}
