package viewtest

import (
	"time"

	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/model"
)

// Troubled is Rich with faults that rules found, processes that grow, and limits that are
// nearly used up.
func Troubled() *model.Snapshot {
	s := Rich()
	leaking := Process(4411, 1000, "mara", "node", 120, 700)
	leaking.Cmdline = maybe.Some("/usr/bin/node /srv/shop/server.js --port 8080")
	redis := Process(9010, 999, "redis", "redis-server", 3_734, 3_720)
	redis.Cmdline, redis.Nofile = maybe.Some("redis-server *:6379"), maybe.Some[int64](4_000)
	s.Processes = append([]model.Process{redis, leaking}, s.Processes...)
	s.History.Times, s.History.Watches = []time.Time{s.Time.Add(-9 * time.Minute), s.Time}, []int64{150_020, 152_135}
	for i := range 37 {
		s.History.Moments = append(s.History.Moments, s.Time.Add(time.Duration(i-36)*15*time.Second))
		s.Processes[0].Trend = append(s.Processes[0].Trend, 3_727)
		s.Processes[1].Trend = append(s.Processes[1].Trend, int64(271+12*i))
	}
	s.Processes[0].FDsPerMinute, s.Processes[1].FDsPerMinute = maybe.Some(0.0), maybe.Some(48.0)
	s.Findings = []model.Finding{
		{
			ID: "EP103", Rule: "accept-queue-full", Severity: model.SeverityCritical, Certain: true, Since: s.Time.Add(-2 * time.Minute), Looks: 120,
			PID: 9010, Comm: "redis-server", Socket: "0.0.0.0:6379", Count: 9, Text: "9 of 8 wait, 14 overflows a minute", Evidence: "evidence", Why: "why", Cure: "cure",
			FalseAlarm: "none",
		},
		{
			ID: "EP102", Rule: "close-wait", Severity: model.SeverityWarn, Certain: true, Since: s.Time.Add(-9 * time.Minute), Looks: 540,
			PID: 4411, Comm: "node", Count: 165, Text: "165 sockets, +12 a minute, watched by no epoll", Evidence: "evidence", Why: "why", Cure: "cure", FalseAlarm: "none",
		},
		{
			ID: "EP101", Rule: "stale-watch", Severity: model.SeverityWarn, Since: s.Time, Looks: 3,
			PID: 7001, Comm: "worker\x1b[2J", Count: 3, Text: "3 watches of closed fds, kept open by worker[7003]", Evidence: "evidence", Why: "why", Cure: "cure", FalseAlarm: "none",
		},
		{ID: "EP109", Rule: "tcp-mem", Severity: model.SeverityWarn, Certain: true, Since: s.Time.Add(-time.Hour), Socket: "tcp_mem", Text: "above pressure"},
		{ID: "EP130", Rule: "sndq-stuck", Severity: model.SeverityInfo, Certain: true, Since: s.Time.Add(-time.Hour), PID: 812, Comm: "nginx", Text: "9 connections"},
		{ID: "EP125", Rule: "herd", Severity: model.SeverityInfo, Certain: true, Since: s.Time.Add(-time.Hour), PID: 812, Comm: "nginx", Text: "4 epolls"},
	}
	s.Walls = append([]model.Wall{
		{
			Name: model.WallAcceptQueue, Unit: model.UnitConnections, Used: 9, Limit: 8, Scope: "0.0.0.0:6379", PID: 9010, Comm: "redis-server",
			RaiseWith: "a larger backlog in listen(2) of the program, or a program that accepts sooner", Origin: model.Measured,
		},
		{
			Name: model.WallNofile, Unit: model.UnitFiles, Used: 3_727, Limit: 4_000, ConnectionsLeft: 273, Scope: "pid 9010", PID: 9010, Comm: "redis-server",
			RaiseWith: "prlimit --pid 9010 --nofile=8000:", Origin: model.Measured, Others: 11,
		},
	}, s.Walls[1:]...)
	return s
}
