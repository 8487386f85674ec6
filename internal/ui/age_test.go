package ui

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/ui/viewtest"
)

// pass lets time pass, and draws the ages anew.
func (r *rig) pass(d time.Duration) {
	r.t.Helper()
	r.now = r.now.Add(d)
	select {
	case r.aged <- r.now:
	case <-time.After(20 * time.Second):
		r.t.Fatalf("nobody waits for the next ages; the screen:\n%s", r.screen())
	}
	turn := r.m.ages.turn
	r.until("the ages", func() bool { return r.m.ages.turn != turn })
	r.settle()
}

// TestAgesGrowWithoutLooks: where looks fail, the screen says so, and no age stands still.
func TestAgesGrowWithoutLooks(t *testing.T) {
	r := newRig(t, viewtest.Rich())
	r.send(tea.WindowSizeMsg{Width: 160, Height: 50})
	r.keys("2")
	r.settle()
	if got := viewtest.LineWith(r.screen(), "▸"); !strings.Contains(got, " 2.0 s ") {
		t.Fatalf("the first row is %q", got)
	}
	r.err, r.snap = errors.New("open /proc: too many open files"), nil
	r.due <- time.Time{}
	r.until("a look that fails", func() bool { return r.m.look.failing })
	r.pass(10 * time.Second)
	if got := viewtest.LineWith(r.screen(), "▸"); !strings.Contains(got, " 12 s ") {
		t.Errorf("after 10 s the first row is %q", got)
	}
	r.sees("NO LOOK FOR 10 s", "✗ open /proc: too many open files")
	// What just happened covers the error until the next key, but not that looks fail.
	r.keys("w")
	r.settle()
	r.pass(time.Minute)
	r.sees("NO LOOK FOR 70 s", "written to")
	r.keys("space")
	r.settle()
	r.sees("FROZEN at")
	r.err, r.snap = nil, viewtest.Rich()
	r.keys("space")
	r.settle()
	if got := viewtest.LineWith(r.screen(), "▸"); !strings.Contains(got, " 2.0 s ") || strings.Contains(r.screen(), "NO LOOK") {
		t.Errorf("after a look that works the first row is %q:\n%s", got, r.screen())
	}
}

// TestProgressOfTheFirstLook: until there is something to show, the screen says how far the
// look is.
func TestProgressOfTheFirstLook(t *testing.T) {
	now := model.Progress{Doing: "files", Listed: 57, Processes: 366, Files: 1_234_567}
	hold := make(chan struct{})
	r := newRig(t, nil, func(o *Options) {
		o.Version = "no wait"
		o.Progress = func() model.Progress { return now }
		o.Look = func(context.Context, Focus) (*model.Snapshot, error) {
			<-hold
			return viewtest.WithHistory(viewtest.Rich()), nil
		}
	})
	r.sees("looking…")
	turn := r.m.ages.turn
	r.aged <- time.Time{}
	r.until("the progress", func() bool { return r.m.ages.turn != turn })
	r.sees("looking… listed 57 of 366 processes, 1 234 567 files")
	now = model.Progress{Doing: "sockets"}
	turn = r.m.ages.turn
	r.aged <- time.Time{}
	r.until("the progress", func() bool { return r.m.ages.turn != turn })
	r.sees("looking… reading sockets")
	close(hold)
	r.until("the look", func() bool { return r.m.snap != nil })
	r.sees("Look here", "a TCP connection's end")
}
