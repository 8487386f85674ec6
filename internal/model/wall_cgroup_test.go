package model

import (
	"slices"
	"testing"

	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/sock"
)

// wallNamed is the limit of a kind; false where there is none.
func wallNamed(s *Snapshot, name WallName) (Wall, bool) {
	i := slices.IndexFunc(s.Walls, func(w Wall) bool { return w.Name == name })
	if i < 0 {
		return Wall{}, false
	}
	return s.Walls[i], true
}

// TestCgroupWalls: the memory of the cgroup that a server is in, over what it is charged for
// a connection.
func TestCgroupWalls(t *testing.T) {
	const (
		mib  = 1 << 20
		all  = 2304 + 768 + 184 + 192 + 32 + 24 + 120 + 64 + 16 + 9*8 // the objects of a watched end, with a pointer each
		idle = all - 2304 - 8                                         // without the socket
	)
	look := func(version int, readOnly bool, pids ...int) *Snapshot {
		s := sample()
		s.Self = 11
		limit := CgroupLimit{Used: 40 * mib, Most: 100 * mib, Version: version, Dir: "/sys/fs/cgroup/a", ReadOnly: readOnly}
		threads := CgroupLimit{Used: 90, Most: 100, Version: version, Dir: "/sys/fs/cgroup/a"}
		s.CgroupLimits = []CgroupLimits{{PIDs: pids, Memory: maybe.Some(limit), Pids: maybe.Some(threads)}, {PIDs: []int{20}, Memory: maybe.Some(limit)}}
		return New(s)
	}
	w, ok := wallNamed(look(2, false, 10), WallCgroup)
	want := Wall{
		Name: WallCgroup, Unit: UnitBytes, Used: 40 * mib, Limit: 100 * mib, ConnectionsLeft: 60 * mib / all, Scope: "cgroup /sys/fs/cgroup/a",
		PID: 10, Comm: "server", RaiseWith: "echo 209715200 > /sys/fs/cgroup/a/memory.max", Origin: Estimated, Level: LevelOK,
	}
	if !ok || w != want {
		t.Errorf("%+v, want %+v", w, want)
	}
	w, _ = wallNamed(look(1, true, 10, 20), WallCgroup)
	if w.ConnectionsLeft != 60*mib/idle || w.PID != 0 || w.RaiseWith != "a higher memory.limit_in_bytes of cgroup /sys/fs/cgroup/a, outside of this container: its cgroups are read-only" {
		t.Errorf("version 1, of two processes, in a container: %+v", w)
	}
	if w, ok := wallNamed(look(2, false, 10), WallPids); !ok || w.ConnectionsLeft != 10 || w.Level != LevelNear || w.RaiseWith != "echo 200 > /sys/fs/cgroup/a/pids.max" {
		t.Errorf("%+v, %v", w, ok)
	}
	if w, ok := wallNamed(look(2, false, 11), WallPids); ok {
		t.Errorf("eptop's own cgroup: %+v", w)
	}
}

func TestTaskWall(t *testing.T) {
	s := sample()
	s.Tasks, s.MostTasks = maybe.Some[int64](600), maybe.Some[int64](1000)
	if w, ok := wallNamed(New(s), WallTasks); !ok || w.ConnectionsLeft != 400 || w.RaiseWith != "sysctl kernel.threads-max=2000 kernel.pid_max=2000" {
		t.Errorf("%+v, %v", w, ok)
	}
	s.Tasks.Value = 400
	if w, ok := wallNamed(New(s), WallTasks); ok {
		t.Errorf("a wall that is far away: %+v", w)
	}
}

// TestQueueWall: the fullest accept queue, with which of its two limits is the smaller.
func TestQueueWall(t *testing.T) {
	look := func(waiting uint32, somaxconn int64) (Wall, bool) {
		listen := tcp(7, sock.StateListen, "0.0.0.0:6379", "")
		listen.RecvQueue, listen.SendQueue, listen.HasQueues = waiting, 8, true
		s := sample()
		s.Networks = []NetworkSample{{Own: true, State: OK, Table: tableOf(listen)}}
		s.Processes[0].Files = maybe.Some(fdsOf(7))
		s.NetworkLimits.MostBacklog = maybe.Some(somaxconn)
		return wallNamed(New(s), WallAcceptQueue)
	}
	w, ok := look(9, 4096)
	want := Wall{
		Name: WallAcceptQueue, Unit: UnitConnections, Used: 9, Limit: 8, Scope: "0.0.0.0:6379", PID: 10, Comm: "server",
		RaiseWith: "a larger backlog in listen(2) of the program, or a program that accepts sooner", Origin: Measured, Level: LevelCritical,
	}
	if !ok || w != want {
		t.Errorf("%+v, want %+v", w, want)
	}
	if w, ok := look(5, 8); !ok || w.ConnectionsLeft != 4 || w.RaiseWith != "sysctl net.core.somaxconn=16, and the program listens again with as large a backlog" {
		t.Errorf("%+v, %v", w, ok)
	}
	if w, ok := look(3, 8); ok {
		t.Errorf("a wall that is far away: %+v", w)
	}
}
