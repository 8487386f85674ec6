package view_test

import (
	"testing"

	"github.com/eptop/eptop/internal/epoll"
	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/ui/view"
	"github.com/eptop/eptop/internal/ui/viewtest"
)

func TestGapWords(t *testing.T) {
	s := viewtest.Shared()
	if g := view.HostGap(s); g != (view.Gap{Waiting: 1, Failed: 1}) {
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
	g := view.HostGap(&model.Snapshot{Processes: shared, Epoll: model.EpollTotals{Instances: 2, Unread: 2}})
	if g != (view.Gap{Waiting: 1, Failed: 1}) {
		t.Errorf("of a shared instance: %+v", g)
	}
	for want, g := range map[string]view.Gap{
		"without 1 instance not read yet":                     {Waiting: 1},
		"without 2 instances that could not be read":          {Failed: 2},
		"without 2 that could not be read and 1 not read yet": {Failed: 2, Waiting: 1},
	} {
		if got := g.Words()[0]; got != want {
			t.Errorf("%q instead of %q", got, want)
		}
	}
}
