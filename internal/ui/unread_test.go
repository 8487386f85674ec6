package ui

import (
	"fmt"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"

	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/ui/viewtest"
)

// allUnread is a machine on which no watch could be read, because each epoll instance is
// in this state.
func allUnread(state model.State) *model.Snapshot {
	s := viewtest.Rich()
	for i := range s.Processes {
		p := &s.Processes[i]
		p.Watches, p.Unread = maybe.Of[int64]{}, int(p.Instances.Value)
		gap := model.Gap{What: model.GapUnread, Count: p.Instances}
		if state == model.Absent {
			p.Waiting, gap.What = p.Unread, model.GapNotRead
		}
		p.Extent = model.ExtentOf(gap)
		p.KernelBytes.Watches = maybe.Of[int64]{}
		p.KernelBytes.Total = maybe.Some(p.KernelBytes.Total.Value)
		p.KernelBytes.AtLeast, p.KernelBytes.LeavesOut = true, []string{"watches"}
		for j := range p.Epolls {
			e := &p.Epolls[j]
			*e = model.Epoll{FD: e.FD, State: state, Problem: "why it is so"}
		}
	}
	n := len(s.Processes)
	s.Epoll.Watches, s.Epoll.Unread, s.Epoll.Instances = maybe.Of[int64]{}, n, maybe.Some(int64(n))
	gap := model.Gap{What: model.GapUnread, Count: maybe.Some(int64(n))}
	if state == model.Absent {
		s.Epoll.Waiting, gap.What = n, model.GapNotRead
	}
	s.Epoll.Extent = model.ExtentOf(gap)
	for i := range s.Epoll.Users {
		u := &s.Epoll.Users[i]
		u.Watches, u.Unread, u.WatchBytes = maybe.Of[int64]{}, u.Instances, maybe.Of[int64]{}
		u.Extent = model.ExtentOf(gap)
	}
	return s
}

// TestUnreadIsNotZero: what could not be read is never a 0 on screen, and is said
// to wait only where it waits.
func TestUnreadIsNotZero(t *testing.T) {
	const waits, fails = "not read yet", "could not be read"
	for state, words := range map[model.State][2]string{model.Absent: {waits, fails}, model.Failed: {fails, waits}, model.Denied: {fails, waits}} {
		for _, size := range []tea.WindowSizeMsg{{Width: 80, Height: 24}, {Width: 160, Height: 50}} {
			r := newRig(t, allUnread(state))
			r.send(size)
			all := []string{r.screen()}
			mark := "–"
			if state == model.Absent {
				mark = "?"
			}
			watch := "watched +208 B" // in the line of what a connection costs
			if size.Width == 160 {
				watch = "a watch 208 B" // which is open there
			}
			r.sees(" in "+mark+" watches", watch)
			r.keys("2")
			all = append(all, r.screen())
			r.sees(mark + " watches in 12 epoll instances")
			r.keys("enter")
			r.settle()
			all = append(all, r.screen())
			r.sees(mark + " watches")
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
			viewtest.Golden(t, fmt.Sprintf("unread-%s-%dx%d", state, size.Width, size.Height), strings.Join(all, "\n"))
		}
	}
}

// TestEpollPaneFits: counts are shown in full in the narrow pane, why somebody is
// charged too, and UNPROVEN where there is any.
func TestEpollPaneFits(t *testing.T) {
	s := viewtest.Rich()
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
	later := viewtest.Rich()
	later.Processes[0].Epolls[0].Counts = model.Counts{Watches: 7, Unproven: 3}
	r.snap = later
	r.keys("r")
	r.settle()
	r.sees("UNPROVEN")
}
