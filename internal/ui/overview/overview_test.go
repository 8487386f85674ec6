package overview

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"

	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/ui/view"
	"github.com/eptop/eptop/internal/ui/viewtest"
)

// walk presses keys, and compares what the cursor explains after each.
func walk(t *testing.T, v view.View, steps ...[2]string) {
	t.Helper()
	for _, step := range steps {
		if step[0] != "" {
			v.Update(viewtest.Press(step[0]))
		}
		if title, _ := v.Explain(); title != step[1] {
			t.Fatalf("after %s the cursor explains %q, want %q:\n%s", step[0], title, step[1], ansi.Strip(v.View()))
		}
	}
}

// opens presses Enter and returns what the view asks the root for.
func opens(v view.View) any {
	if cmd := v.Update(viewtest.Press("enter")); cmd != nil {
		return cmd()
	}
	return nil
}

// TestOverviewCursor walks from the table up to the first line and back, and opens and
// closes what is there.
func TestOverviewCursor(t *testing.T) {
	v := viewtest.Maker(New).Show(viewtest.Troubled(), 80, 21)
	const limits, cost = "Which limit comes next", "An idle connection on this kernel"
	walk(t, v, [][2]string{{"", "WATCHES"}, {"up", "Socket memory"}, {"up", limits}, {"up", cost}, {"up", "stale watches"}, {"up", "CLOSE_WAIT"}, {"down", "stale watches"}, {"down", cost}, {"down", limits}}...)
	if strings.Contains(ansi.Strip(v.View()), "connections left") {
		t.Fatal("the limits are open at first")
	}
	if msg := opens(v); msg != nil || !strings.Contains(ansi.Strip(v.View()), "╭▸Which limit comes next") {
		t.Fatalf("Enter does not open the limits: %v\n%s", msg, ansi.Strip(v.View()))
	}
	walk(t, v, [][2]string{{"", limits}, {"down", "accept queue of redis-server[9010] 0.0.0.0:6379"}, {"down", "open files of redis-server[9010]"}}...)
	if msg, ok := opens(v).(view.OpenProcessMsg); !ok || msg.PID != 9010 {
		t.Errorf("Enter on a limit of a process asks for %v", msg)
	}
	walk(t, v, [][2]string{{"down", "watches of root"}}...)
	if msg, ok := opens(v).(view.OpenViewMsg); !ok || msg.Title != "Processes" {
		t.Errorf("Enter on the limit of watches asks for %v", msg)
	}
	walk(t, v, [][2]string{{"up", "open files of redis-server[9010]"}, {"up", "accept queue of redis-server[9010] 0.0.0.0:6379"}, {"up", limits}}...)
	if opens(v); strings.Contains(ansi.Strip(v.View()), "connections left") {
		t.Errorf("Enter does not close the limits:\n%s", ansi.Strip(v.View()))
	}
	walk(t, v, [][2]string{{"", limits}, {"down", "Socket memory"}, {"down", "WATCHES"}}...)
	if msg, ok := opens(v).(view.OpenProcessMsg); !ok || msg.PID != 7424 {
		t.Errorf("Enter in the table asks for %v", msg)
	}
}

// TestLookHere: the worst findings are on top, and Enter goes where they are.
func TestLookHere(t *testing.T) {
	v := viewtest.Maker(New).Show(viewtest.Troubled(), 120, 37)
	screen := ansi.Strip(v.View())
	for _, want := range []string{
		"Look here · 6 findings, the worst 5", "✗ accept queue full", "redis-server[9010] 0.0.0.0:6379", "9 of 8 wait, 14 overflows a minute", "for 2 min", "! likely stale watches", "just now",
	} {
		if !strings.Contains(screen, want) {
			t.Errorf("no %q in\n%s", want, screen)
		}
	}
	for range 30 {
		v.Update(viewtest.Press("up"))
	}
	walk(t, v, [2]string{"", "accept queue full"})
	for _, want := range []any{view.OpenProcessMsg{PID: 9010}, view.OpenProcessMsg{PID: 4411, Sockets: true, Filter: "CLOSE"}, view.OpenProcessMsg{PID: 7001}, view.OpenViewMsg{Title: "Sockets"}} {
		if msg := opens(v); msg != want {
			t.Errorf("Enter asks for %v, want %v", msg, want)
		}
		v.Update(viewtest.Press("down"))
	}
	quiet := ansi.Strip(viewtest.Maker(New).Show(viewtest.Rich(), 120, 37).View())
	if !strings.Contains(quiet, "nothing found in 152 135 watches") {
		t.Errorf("what was looked at is not said:\n%s", quiet)
	}
}

// TestTheTableHasHalf: on a machine with many processes the table has half of 120x40 at
// least, and rows at 80x24; on one with few the cards open, and little stays empty.
func TestTheTableHasHalf(t *testing.T) {
	many := viewtest.Troubled()
	for i := range 60 {
		many.Processes = append(many.Processes, viewtest.Process(20_000+i, 0, "root", "php-fpm", 1, 2))
	}
	few := viewtest.Rich()
	few.Processes = few.Processes[8:10]
	for _, c := range []struct {
		s            *model.Snapshot
		w, h         int
		least, empty int
	}{{many, 120, 37, 20, 0}, {many, 80, 21, 10, 0}, {few, 120, 37, 3, 8}, {few, 160, 47, 3, 12}} {
		screen := ansi.Strip(viewtest.Maker(New).Show(c.s, c.w, c.h).View())
		_, table, _ := strings.Cut(screen, "\n     PID ")
		lines := strings.Split(table, "\n")
		empty := 0
		for _, line := range lines {
			if strings.TrimSpace(line) == "" {
				empty++
			}
		}
		if len(lines) < c.least || empty > c.empty {
			t.Errorf("%dx%d: the table has %d lines, %d of them empty:\n%s", c.w, c.h, len(lines), empty, screen)
		}
	}
}

// TestOverviewTrend: the chart grows with the looks, and the same look twice
// counts once.
func TestOverviewTrend(t *testing.T) {
	v := viewtest.Maker(New).Show(nil, 160, 47).(*View)
	var d model.Deriver
	for i := range 300 {
		s := viewtest.Rich()
		s.Time = s.Time.Add(time.Duration(i) * time.Second)
		s.Epoll.Watches = maybe.Some(int64(i))
		d.Remember(s)
		v.SetSnapshot(s)
	}
	if screen := ansi.Strip(v.View()); !strings.Contains(screen, "Trend · the last 5 min") {
		t.Errorf("no trend of five minutes:\n%s", screen)
	}
}

// TestPartsAddUp: whatever the screen, the parts of a connection that are listed
// come to its total, or none is listed.
func TestPartsAddUp(t *testing.T) {
	for _, w := range []int{60, 80, 100, 160} {
		for h := 12; h < 50; h++ {
			v := viewtest.Maker(New).Show(viewtest.Rich(), w, h)
			v.(*View).opened[partCost] = true
			v.SetSize(w, h)
			var total, sum int64
			inside := false
			for line := range strings.Lines(ansi.Strip(v.View())) {
				f := strings.Split(line, "│")
				if len(f) < 2 {
					continue
				}
				name, _, _ := strings.Cut(f[1], " B")
				at := strings.LastIndex(name, "  ")
				if at < 0 {
					continue
				}
				n, err := strconv.ParseInt(strings.ReplaceAll(name[at+2:], " ", ""), 10, 64)
				switch {
				case err != nil:
				case strings.HasPrefix(f[1], " one TCP end"):
					total, inside = n, true
				case inside && strings.HasPrefix(f[1], "   "):
					sum += n
				default:
					inside = false
				}
			}
			if sum != 0 && sum != total {
				t.Errorf("%dx%d: the parts come to %d of %d:\n%s", w, h, sum, total, ansi.Strip(v.View()))
			}
			if w == 80 && h == 21 && sum == 0 {
				t.Error("no part is listed at 80x24")
			}
		}
	}
}

// TestAPartOfACostIsALowerBound: a cost with parts of unknown size is no exact number, and
// nothing is projected from it.
func TestAPartOfACostIsALowerBound(t *testing.T) {
	s := viewtest.Rich()
	end, watch := s.ConnectionCost.TCP4.Value, s.Epoll.Cost.Value
	end.Bytes, end.LeavesOut, end.AtLeast = 2731, []string{"sock_inode_cache", "filp"}, true
	watch.Bytes, watch.LeavesOut, watch.AtLeast = 144, []string{"eventpoll_pwq"}, true
	s.ConnectionCost.TCP4, s.Epoll.Cost = maybe.Some(end), maybe.Some(watch)
	screen := ansi.Strip(viewtest.Maker(New).Show(s, 160, 50).View())
	for want, there := range map[string]bool{
		"≥  2 731 B": true, "≥ 144 B": true, "sock_inode_cache, filp": true, "a million": false, "we are at": false, "at the limit": false,
	} {
		if strings.Contains(screen, want) != there {
			t.Errorf("%q is there: %v:\n%s", want, !there, screen)
		}
	}
}

// TestWallsKeepTheirDestination: of the limit of local ports it is half of the name.
func TestWallsKeepTheirDestination(t *testing.T) {
	s := viewtest.Rich()
	s.Walls = []model.Wall{{
		Name: model.WallPorts, Unit: model.UnitPorts, Used: 28_000, Limit: 28_232, ConnectionsLeft: 232, Scope: "127.1.20.30 to 127.0.0.1:8080",
	}}
	screen := ansi.Strip(viewtest.Maker(New).Show(s, 160, 50).View())
	if line := viewtest.LineWith(screen, "ports "); !strings.Contains(line, "127.1.20.30→127.0.0.1:8080") && !strings.Contains(line, "127.1.20.30 to 127.0.0.1:8080") {
		t.Errorf("%q in\n%s", line, screen)
	}
}

func TestView(t *testing.T) { viewtest.Maker(New).Check(t, "overview") }

func BenchmarkFrame(b *testing.B) { viewtest.Maker(New).Benchmark(b) }
