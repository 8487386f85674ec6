package viewtest

import (
	"time"

	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/model"
)

// Faulty is Rich with something wrong: findings of each severity, one that has ended, and
// rules that could not be judged.
func Faulty() *model.Snapshot {
	s := Rich()
	finding := func(rule string, severity model.Severity, ago time.Duration) model.Finding {
		r, _ := model.RuleNamed(rule)
		return model.Finding{
			ID: r.ID, Rule: r.Name, Severity: severity, Certain: true, Since: s.Time.Add(-ago), Looks: int(ago / time.Second),
			Why: r.Why, Cure: r.Cure, FalseAlarm: r.FalseAlarm,
		}
	}
	queue := finding("accept-queue-full", model.SeverityCritical, 2*time.Minute)
	queue.PID, queue.Comm, queue.Socket, queue.Count = 9010, "redis-server", "0.0.0.0:6379", 9
	queue.Text = "9 of 8 wait, 14 dropped so far"
	stale := finding("stale-watch", model.SeverityWarn, time.Hour)
	stale.PID, stale.Comm, stale.EpollFD, stale.FD, stale.Count = 7424, "exp server", maybe.Some(8), maybe.Some(12), 3
	stale.Text = "3 watches of closed descriptors, kept open by worker[7003] fd 9"
	closing := finding("close-wait", model.SeverityWarn, 9*time.Minute)
	closing.PID, closing.Comm, closing.Count = 4242, "echo", 165
	closing.Text = "165 sockets that the other end has closed, watched by no epoll: forgotten"
	herd := finding("herd", model.SeverityInfo, 30*time.Second)
	herd.PID, herd.Comm, herd.Socket, herd.Count = 812, "nginx", "0.0.0.0:80", 4
	herd.Text = "4 epolls watch it without EXCLUSIVE"
	s.Findings = []model.Finding{queue, stale, closing, herd}
	ended := finding("zone-low", model.SeverityWarn, time.Minute)
	ended.Socket, ended.Text, ended.Ended = "node 0 zone DMA32", "212 pages free; low is 1 204, min 963", maybe.Some(s.Time.Add(-5*time.Second))
	s.FindingsEnded = []model.Finding{ended}
	for _, list := range [][]model.Finding{s.Findings, s.FindingsEnded} {
		for i := range list {
			f := &list[i]
			f.Evidence = "eptop " + f.ID + " " + f.Rule + ": " + f.Place() + ": " + f.Text + "; Linux 6.18.44"
		}
	}
	s.FindingsUnjudged = []model.Unjudged{
		{ID: "EP121", Rule: "et-not-drained", Why: "the ready list is known through BPF alone"},
		{ID: "EP106", Rule: "fd-leak", Why: "needs looks over 30 s, had 12 s"},
	}
	return s
}
