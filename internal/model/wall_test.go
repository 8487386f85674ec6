package model

import (
	"testing"

	"github.com/eptop/eptop/internal/epoll"
	"github.com/eptop/eptop/internal/maybe"
)

func TestNofileWall(t *testing.T) {
	n := maybe.Some[int64]
	process := func(pid int, fds, nofile int64) ProcessSample {
		return ProcessSample{PID: pid, FDs: n(fds), Nofile: n(nofile)}
	}
	listed := func(pid, files int, truncated bool) ProcessSample {
		return ProcessSample{PID: pid, Files: maybe.Some(make([]epoll.FD, files)), Truncated: truncated, Nofile: n(300)}
	}
	wall := func(used, limit, left int64, scope, raise string) Wall {
		return Wall{
			Name: WallNofile, Unit: UnitFiles, Used: used, Limit: limit, ConnectionsLeft: left, Scope: scope, RaiseWith: raise, Origin: Measured,
		}
	}
	atLeast := wall(200, 300, 100, "pid 5", "prlimit --pid 5 --nofile=600")
	atLeast.AtLeast = true
	unseen := wall(10, 20, 10, "pid 7", "prlimit --pid 7 --nofile=40")
	unseen.LeftAtMost = true
	nrOpen := wall(10, 1000, 990, "pid 5", "sysctl fs.nr_open=2000")
	nrOpen.Name = WallNrOpen
	for name, c := range map[string]struct {
		sample Sample
		want   Wall // none where it has no name
	}{
		// A small share of a small limit is nearer than a large share of a large one.
		"the fewest left": {
			Sample{Processes: []ProcessSample{process(7, 19_709, 20_000), process(8, 1000, 1024)}},
			wall(1000, 1024, 24, "pid 8", "prlimit --pid 8 --nofile=2048"),
		},
		"of those that were asked for": {
			Sample{Processes: []ProcessSample{process(7, 19_709, 20_000), process(8, 1000, 1024), process(9, 0, 10_000)}, Asked: []int{7, 9}},
			wall(19_709, 20_000, 291, "pid 7", "prlimit --pid 7 --nofile=40000"),
		},
		"one was asked for that is not known": {
			Sample{Processes: []ProcessSample{process(7, 10, 20), {PID: 8}}, Asked: []int{8}}, wall(10, 20, 10, "pid 7", "prlimit --pid 7 --nofile=40"),
		},
		"some are denied":  {Sample{Processes: []ProcessSample{process(7, 10, 20)}, Coverage: Coverage{Denied: 1}}, unseen},
		"some are hidden":  {Sample{Processes: []ProcessSample{process(7, 10, 20)}, Coverage: Coverage{HidePID: true}}, unseen},
		"some are outside": {Sample{Processes: []ProcessSample{process(7, 10, 20)}, Coverage: Coverage{PIDNamespace: true}}, unseen},
		"some wait":        {Sample{Processes: []ProcessSample{process(7, 10, 20)}, Coverage: Coverage{Waiting: 3}}, unseen},
		"the others do not matter to the one that was asked for": {
			Sample{Processes: []ProcessSample{process(7, 10, 20)}, Asked: []int{7}, Coverage: Coverage{Denied: 1}}, wall(10, 20, 10, "pid 7", "prlimit --pid 7 --nofile=40"),
		},
		"not eptop and its load": {
			Sample{
				Processes: []ProcessSample{process(7, 10, 20), process(1, 19, 20), process(2, 20, 20)}, Self: 1,
				Load: &Load{Status: LoadStatus{Workers: []int{2}}},
			},
			wall(10, 20, 10, "pid 7", "prlimit --pid 7 --nofile=40"),
		},
		"listed, not counted": {Sample{Processes: []ProcessSample{listed(5, 288, false)}}, wall(288, 300, 12, "pid 5", "prlimit --pid 5 --nofile=600")},
		"listed in part":      {Sample{Processes: []ProcessSample{listed(5, 200, true)}}, atLeast},
		"neither":             {Sample{Processes: []ProcessSample{{PID: 5, Nofile: n(300)}}}, Wall{}},
		"no limit":            {Sample{Processes: []ProcessSample{{PID: 5, FDs: n(300)}}}, Wall{}},
		"fs.nr_open first": {
			Sample{Processes: []ProcessSample{process(5, 10, 1<<20)}, NrOpen: n(1 << 20)},
			wall(10, 1<<20, 1<<20-10, "pid 5", "sysctl fs.nr_open=2097152, then prlimit --pid 5 --nofile=2097152"),
		},
		"fs.nr_open is the limit": {Sample{Processes: []ProcessSample{process(5, 10, 1<<20)}, NrOpen: n(1000)}, nrOpen},
		"nothing raises it": {
			Sample{Processes: []ProcessSample{process(5, 10, mostNrOpen)}, NrOpen: n(mostNrOpen)}, wall(10, mostNrOpen, mostNrOpen-10, "pid 5", ""),
		},
		"root without the capability": {
			Sample{Processes: []ProcessSample{process(5, 10, 20)}, NoRaise: true},
			wall(10, 20, 10, "pid 5", "a higher RLIMIT_NOFILE from outside: without CAP_SYS_RESOURCE even root cannot raise it here"),
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, ok := nofileWall(&c.sample)
			if got != c.want || ok != (c.want.Name != "") {
				t.Errorf("%+v, want %+v", got, c.want)
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
	for scope, want := range map[string]string{
		"pid 42": "open files of pid 42", "user www": "open files of www", "host": "open files", "eptop and each of its workers": "open files",
	} {
		if got := (&Wall{Name: WallNofile, Scope: scope}).Title(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
