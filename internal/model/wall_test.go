package model

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/eptop/eptop/internal/epoll"
	"github.com/eptop/eptop/internal/maybe"
)

// TestNofileWalls: the nearest process and all that are nearly out of files, each with a
// command that works.
func TestNofileWalls(t *testing.T) {
	n := maybe.Some[int64]
	process := func(pid int, fds, nofile int64) ProcessSample {
		return ProcessSample{PID: pid, Comm: "srv", FDs: n(fds), Nofile: n(nofile)}
	}
	hard := func(p ProcessSample, limit int64) ProcessSample {
		p.HardNofile = n(limit)
		return p
	}
	listed := func(pid, files int, truncated bool) ProcessSample {
		return ProcessSample{PID: pid, Comm: "srv", Files: maybe.Some(make([]epoll.FD, files)), Truncated: truncated, Nofile: n(300)}
	}
	wall := func(pid int, used, limit int64, level Level, raise string) Wall {
		return Wall{
			Name: WallNofile, Unit: UnitFiles, Used: used, Limit: limit, ConnectionsLeft: limit - used, Scope: fmt.Sprintf("pid %d", pid),
			PID: pid, Comm: "srv", RaiseWith: raise, Origin: Measured, Level: level,
		}
	}
	with := func(w Wall, change func(*Wall)) Wall {
		change(&w)
		return w
	}
	lowered := process(7, 16, 20) // 13 of its fds are above the limit
	lowered.Files.Known = true
	for i := range int32(16) {
		num := i
		if i >= 3 {
			num += 100
		}
		lowered.Files.Value = append(lowered.Files.Value, epoll.FD{Num: num})
	}
	near := []ProcessSample{process(7, 10, 20), process(8, 9, 100), process(9, 30, 200)}
	first := wall(7, 10, 20, LevelOK, "prlimit --pid 7 --nofile=40")
	unseen := with(first, func(w *Wall) { w.Others, w.LeftAtMost = 2, true })
	for name, c := range map[string]struct {
		sample Sample
		want   []Wall
	}{
		"the fewest left for the others too": {Sample{Processes: near}, []Wall{with(first, func(w *Wall) { w.Others = 2 })}},
		"all that are nearly full, and the nearest of the others": {
			Sample{Processes: append([]ProcessSample{process(3, 19_709, 20_000), process(4, 850, 1024), process(5, 1000, 1024)}, near...)},
			[]Wall{
				wall(5, 1000, 1024, LevelCritical, "prlimit --pid 5 --nofile=2048"),
				wall(3, 19_709, 20_000, LevelCritical, "prlimit --pid 3 --nofile=40000"),
				with(wall(4, 850, 1024, LevelNear, "prlimit --pid 4 --nofile=2048"), func(w *Wall) { w.Others = 3 }),
			},
		},
		"of those that were asked for": {
			Sample{Processes: []ProcessSample{process(7, 19_709, 20_000), process(8, 1000, 1024), process(9, 0, 10_000)}, Asked: []int{7, 9}},
			[]Wall{with(wall(7, 19_709, 20_000, LevelCritical, "prlimit --pid 7 --nofile=40000"), func(w *Wall) { w.Others = 1 })},
		},
		"one was asked for that is not known": {Sample{Processes: []ProcessSample{process(7, 10, 20), {PID: 8}}, Asked: []int{8}}, []Wall{first}},
		"fds above a lowered limit take no number below it": {
			Sample{Processes: []ProcessSample{lowered}}, []Wall{wall(7, 3, 20, LevelOK, "prlimit --pid 7 --nofile=40")},
		},
		"some are denied":  {Sample{Processes: near, Coverage: Coverage{Denied: 1}}, []Wall{unseen}},
		"some are hidden":  {Sample{Processes: near, Coverage: Coverage{HidePID: true}}, []Wall{unseen}},
		"some are outside": {Sample{Processes: near, Coverage: Coverage{PIDNamespace: true}}, []Wall{unseen}},
		"some wait":        {Sample{Processes: near, Coverage: Coverage{Waiting: 3}}, []Wall{unseen}},
		"the others do not matter to the one that was asked for": {
			Sample{Processes: near, Asked: []int{7}, Coverage: Coverage{Denied: 1}}, []Wall{first},
		},
		"not eptop and its load": {
			Sample{
				Processes: []ProcessSample{process(7, 10, 20), process(1, 19, 20), process(2, 20, 20)}, Self: 1,
				Load: &Load{Status: LoadStatus{Workers: []int{2}}},
			},
			[]Wall{first},
		},
		"listed, not counted": {Sample{Processes: []ProcessSample{listed(5, 288, false)}}, []Wall{wall(5, 288, 300, LevelCritical, "prlimit --pid 5 --nofile=600")}},
		"listed in part": {
			Sample{Processes: []ProcessSample{listed(5, 200, true)}},
			[]Wall{with(wall(5, 200, 300, LevelOK, "prlimit --pid 5 --nofile=600"), func(w *Wall) { w.AtLeast = true })},
		},
		"neither":  {Sample{Processes: []ProcessSample{{PID: 5, Nofile: n(300)}}}, nil},
		"no limit": {Sample{Processes: []ProcessSample{{PID: 5, FDs: n(300)}}}, nil},
		"fs.nr_open first": {
			Sample{Processes: []ProcessSample{hard(process(5, 10, 1<<20), 1<<20)}, NrOpen: n(1 << 20)},
			[]Wall{wall(5, 10, 1<<20, LevelOK, "sysctl fs.nr_open=2097152, then prlimit --pid 5 --nofile=2097152")},
		},
		"fs.nr_open first, from outside": {
			Sample{Processes: []ProcessSample{process(5, 10, 1<<20)}, NrOpen: n(1 << 20), Host: Host{SysctlReadOnly: true}},
			[]Wall{wall(5, 10, 1<<20, LevelOK, "sysctl fs.nr_open=2097152, outside of this container: its /proc/sys is read-only, then prlimit --pid 5 --nofile=2097152")},
		},
		"fs.nr_open is the limit": {
			Sample{Processes: []ProcessSample{process(5, 10, 1<<20)}, NrOpen: n(1000)},
			[]Wall{with(wall(5, 10, 1000, LevelOK, "sysctl fs.nr_open=2000"), func(w *Wall) { w.Name = WallNrOpen })},
		},
		"nothing raises it": {Sample{Processes: []ProcessSample{process(5, 10, mostNrOpen)}, NrOpen: n(mostNrOpen)}, []Wall{wall(5, 10, mostNrOpen, LevelOK, "")}},
		"its own user may, up to the hard limit": {
			Sample{Processes: []ProcessSample{hard(process(5, 10, 1024), 4096)}, NrOpen: n(1 << 20)}, []Wall{wall(5, 10, 1024, LevelOK, "prlimit --pid 5 --nofile=2048:")},
		},
		"beyond the hard limit": {
			Sample{Processes: []ProcessSample{hard(process(5, 10, 1024), 1500)}, NrOpen: n(1 << 20)}, []Wall{wall(5, 10, 1024, LevelOK, "prlimit --pid 5 --nofile=2048")},
		},
		"a hard limit above fs.nr_open is refused": {
			Sample{Processes: []ProcessSample{hard(process(5, 10, 1024), 1<<20)}, NrOpen: n(4096)}, []Wall{wall(5, 10, 1024, LevelOK, "prlimit --pid 5 --nofile=2048")},
		},
		"root without the capability": {
			Sample{Processes: []ProcessSample{hard(process(5, 10, 20), 20)}, NoRaise: true},
			[]Wall{wall(5, 10, 20, LevelOK, "a higher RLIMIT_NOFILE from outside: without CAP_SYS_RESOURCE even root cannot raise it here")},
		},
		"root without the capability, below the hard limit": {
			Sample{Processes: []ProcessSample{hard(process(5, 10, 20), 30)}, NoRaise: true}, []Wall{wall(5, 10, 20, LevelOK, "prlimit --pid 5 --nofile=30:")},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, nearestWalls(nofileWalls(&c.sample)), cmpopts.EquateEmpty()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestEveryWallHasWords: whatever can stop a load or be seen coming has a title, and one
// of a process or user says whose it is.
func TestEveryWallHasWords(t *testing.T) {
	for _, name := range []WallName{
		"nofile", "nr_open", "file_max", "user_watches", "ports", "tcp_mem", "memory", "cgroup", "conntrack", "orphans", "pids", "accept_queue",
		"tasks", "nproc", "loopback", "error",
	} {
		if _, ok := wallTitles[name]; !ok {
			t.Errorf("%s has no words", name)
		}
	}
	for want, w := range map[string]Wall{
		"open files of redis-server[42]":                {Name: WallNofile, Scope: "pid 42", PID: 42, Comm: "redis-server"},
		"open files of pid 42":                          {Name: WallNofile, Scope: "pid 42", PID: 42},
		"watches of any user":                           {Name: WallUserWatches, Scope: "user www", Others: 2, Level: LevelOK},
		"watches of www":                                {Name: WallUserWatches, Scope: "user www", Others: 2, Level: LevelNear},
		"accept queue of redis-server[42] 0.0.0.0:6379": {Name: WallAcceptQueue, Scope: "0.0.0.0:6379", PID: 42, Comm: "redis-server"},
		"cgroup memory of redis-server[42]":             {Name: WallCgroup, Scope: "cgroup /a", PID: 42, Comm: "redis-server"},
		"memory of cgroup /sys/fs/cgroup/kubepods":      {Name: WallCgroup, Scope: "cgroup /sys/fs/cgroup/kubepods"},
	} {
		if got := w.Title(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	for scope, want := range map[string]string{
		"pid 42": "open files of pid 42", "user www": "open files of www", "host": "open files", "eptop and each of its workers": "open files",
	} {
		if got := (&Wall{Name: WallNofile, Scope: scope}).Title(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
