package ui

import (
	"testing"

	"github.com/eptop/eptop/internal/epoll"
	"github.com/eptop/eptop/internal/model"
)

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
