package ui

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"

	tea "charm.land/bubbletea/v2"

	"github.com/eptop/eptop/internal/epoll"
	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/model"
)

// fixtureUnread is a machine on which no watch could be read, each instance in the
// same state.
func fixtureUnread(state model.State) *model.Snapshot {
	s := fixtureRich()
	for i := range s.Processes {
		p := &s.Processes[i]
		p.Watches, p.Unread = 0, p.Instances
		p.KernelBytes.Watches = maybe.Of[int64]{}
		p.KernelBytes.Total = maybe.Some(p.KernelBytes.Total.Value)
		p.KernelBytes.LeavesOut = []string{"watches"}
		for j := range p.Epolls {
			e := &p.Epolls[j]
			*e = model.Epoll{FD: e.FD, State: state, Problem: "why it is so"}
		}
	}
	n := len(s.Processes)
	s.Epoll.Watches, s.Epoll.Unread, s.Epoll.Instances = 0, n, n
	for i := range s.Epoll.Users {
		u := &s.Epoll.Users[i]
		u.Watches, u.Unread, u.WatchBytes = 0, u.Instances, maybe.Of[int64]{}
	}
	return s
}

// TestUnreadIsNotZero: what could not be read is never a 0 on screen, and is said
// to wait only where it waits.
func TestUnreadIsNotZero(t *testing.T) {
	const waits, fails = "not read yet", "could not be read"
	for state, words := range map[model.State][2]string{model.Absent: {waits, fails}, model.Failed: {fails, waits}, model.Denied: {fails, waits}} {
		for _, size := range []tea.WindowSizeMsg{{Width: 80, Height: 24}, {Width: 160, Height: 50}} {
			r := newRig(t, fixtureUnread(state))
			r.send(size)
			all := []string{r.screen()}
			r.sees("?  ", "a watch 208 B")
			r.keys("2")
			all = append(all, r.screen())
			r.sees("? watches in 12 epoll instances")
			r.keys("enter")
			r.settle()
			all = append(all, r.screen())
			r.sees("? watches")
			screens := strings.Join(all, "\n")
			for _, zero := range []string{" 0 watches", " 0 B", "0.0 kB now", "all 0", " 0.0 % │"} {
				for line := range strings.Lines(screens) {
					if strings.Contains(line, zero) && !strings.Contains(line, "buffers") {
						t.Errorf("%s: %q is on screen: %s", state, zero, line)
					}
				}
			}
			if size.Width == 160 && (!strings.Contains(strings.ToLower(screens), words[0]) || strings.Contains(strings.ToLower(screens), words[1])) {
				t.Errorf("%s: not %q, or %q:\n%s", state, words[0], words[1], screens)
			}
			golden(t, fmt.Sprintf("unread-%s-%dx%d", state, size.Width, size.Height), strings.Join(all, "\n"))
		}
	}
}

func TestGapWords(t *testing.T) {
	s := fixtureShared()
	if g := hostGap(s); g != (gap{waiting: 1, failed: 1}) {
		t.Errorf("hostGap = %+v", g)
	}
	// Three processes that share one instance make one that waits.
	shared := []model.Process{}
	for pid := range 3 {
		p := model.Process{PID: 10 + pid, Instances: 1, Unread: 1}
		e := model.Epoll{FD: 4, State: model.Absent, SharedCount: 2}
		for other := range 3 {
			if other != pid {
				e.SharedWith = append(e.SharedWith, epoll.Holder{PID: 10 + other, FD: 4})
			}
		}
		p.Epolls = []model.Epoll{e}
		shared = append(shared, p)
	}
	g := hostGap(&model.Snapshot{Processes: shared, Epoll: model.EpollTotals{Instances: 2, Unread: 2}})
	if g != (gap{waiting: 1, failed: 1}) {
		t.Errorf("of a shared instance: %+v", g)
	}
	for want, g := range map[string]gap{
		"without 1 instance not read yet":                     {waiting: 1},
		"without 2 instances that could not be read":          {failed: 2},
		"without 2 that could not be read and 1 not read yet": {failed: 2, waiting: 1},
	} {
		if got := g.words()[0]; got != want {
			t.Errorf("%q instead of %q", got, want)
		}
	}
}

// TestEpollPaneFits: counts are shown in full in the narrow pane, why somebody is
// charged too, and UNPROVEN where there is any.
func TestEpollPaneFits(t *testing.T) {
	s := fixtureRich()
	e := &s.Processes[0].Epolls[0]
	e.Counts = model.Counts{Watches: 200_000, ET: 200_000, Exclusive: 200_000}
	e.ChargedSure, e.ChargedWhy = false, "its holders run as different users; the oldest holder's real user is taken for its creator"
	r := newRig(t, s, func(o *Options) { o.PID = 7424 })
	r.send(tea.WindowSizeMsg{Width: 160, Height: 50})
	if line := "200 000  200 000"; !r.shows(line) || !r.shows("EXCL") || r.shows("UNPROVEN") || r.shows("200 …") {
		t.Errorf("the counts are cut:\n%s", r.screen())
	}
	if !r.shows("creator)") || !r.shows("its holders run as different users") {
		t.Errorf("the reason is cut:\n%s", r.screen())
	}
	later := fixtureRich()
	later.Processes[0].Epolls[0].Counts = model.Counts{Watches: 7, Unproven: 3}
	r.snap = later
	r.keys("r")
	r.settle()
	r.sees("UNPROVEN")
}

// TestPartsAddUp: whatever the screen, the parts of a connection that are listed
// come to its total, or none is listed.
func TestPartsAddUp(t *testing.T) {
	for _, w := range []int{60, 80, 100, 160} {
		for h := 12; h < 50; h++ {
			v := machineView("overview", fixtureRich(), w, h)
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

// TestManyHolders: of a thousand holders 32 are named, and all are counted.
func TestManyHolders(t *testing.T) {
	e := &model.Epoll{SharedCount: 1000}
	for pid := range 32 {
		e.SharedWith = append(e.SharedWith, epoll.Holder{PID: 100 + pid, FD: 4})
	}
	if got := sharedWith(e); got != "shared with 100/4, 101/4, 102/4, 997 more" {
		t.Error(got)
	}
}
