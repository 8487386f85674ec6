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

// TestOverviewCursor walks from the table up into the cards and back.
func TestOverviewCursor(t *testing.T) {
	v := viewtest.Maker(New).Show(viewtest.Rich(), 80, 21)
	if title, _ := v.Explain(); title != "WATCHES" {
		t.Errorf("at first the cursor explains %q, not the table's sorted column", title)
	}
	for _, step := range []struct{ key, title string }{
		{"up", "Memory"}, {"right", "Which wall comes first"}, {"up", "Epoll watches per user"},
		{"left", "An idle connection on this kernel"}, {"down", "Memory"}, {"down", "WATCHES"},
	} {
		v.Update(viewtest.Press(step.key))
		if title, _ := v.Explain(); title != step.title {
			t.Errorf("after %s the cursor explains %q, want %q", step.key, title, step.title)
		}
	}
	cmd := v.Update(viewtest.Press("enter"))
	if cmd == nil {
		t.Fatal("Enter opens nothing")
	}
	if msg, ok := cmd().(view.OpenProcessMsg); !ok || msg.PID != 7424 {
		t.Errorf("Enter asks for %v", msg)
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
