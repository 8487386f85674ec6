package loadgen

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// stop stops processes, and waits until they are.
func stop(t *testing.T, pids ...int) {
	t.Helper()
	for _, pid := range pids {
		if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		eventually(t, fmt.Sprintf("%d is stopped", pid), func() bool { return state(pid) == 'T' })
	}
}

// TestStoppedWorkersEndWithTheGenerator kills a generator whose workers are stopped and
// see nothing of its end: the kernel ends them.
func TestStoppedWorkersEndWithTheGenerator(t *testing.T) {
	cmd, out := start(t, "hold", 0)
	var st Status
	if err := json.NewDecoder(out).Decode(&st); err != nil {
		t.Fatal(err)
	}
	stop(t, st.Workers...)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for _, pid := range st.Workers {
		eventually(t, fmt.Sprintf("worker %d ends", pid), func() bool { return !alive(pid) })
	}
}

// TestStoppedWorkersHoldNothing closes a load whose workers are stopped.
func TestStoppedWorkersHoldNothing(t *testing.T) {
	g := newGenerator(t, config(func(c *Config) { c.PerPair = 100 }))
	st := open(t, g, 300)
	stop(t, st.Workers...)
	if st := open(t, g, 0); st.Phase != Drained || st.Open != 0 {
		t.Errorf("%+v", st)
	}
	for _, pid := range st.Workers {
		if alive(pid) {
			t.Errorf("worker %d lives", pid)
		}
	}
}

// TestStoppedWorkerIsNotWaitedFor stops a worker that is to open or to close more: the
// others do their part, and what it held is lost.
func TestStoppedWorkerIsNotWaitedFor(t *testing.T) {
	for _, role := range []string{"client", "server"} {
		for name, next := range map[string]int64{"grow": 300, "shrink": 210} {
			t.Run(role+"-"+name, func(t *testing.T) {
				g := newGenerator(t, config(func(c *Config) { c.PerPair = 100 }))
				st := open(t, g, 250)
				stopped := workersOf(st, role)[2]
				stop(t, stopped)
				g.mu.Lock()
				g.patience = 20 * time.Millisecond
				g.mu.Unlock()
				g.Set(next)
				eventually(t, "the loss is counted", func() bool { st = g.Status(); return st.LastLoss != "" && st.Phase == Holding })
				if !strings.Contains(st.LastLoss, fmt.Sprintf("the %s worker %d: was stopped by a signal", role, stopped)) || st.Open != 200 || st.Lost == 0 {
					t.Errorf("%+v", st)
				}
			})
		}
	}
}

// TestNoThreadForAWorker counts the threads of a process that waits for many workers.
func TestNoThreadForAWorker(t *testing.T) {
	threads := func() int {
		list, err := os.ReadDir("/proc/self/task")
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	before := threads()
	g := newGenerator(t, config(func(c *Config) { c.PerPair = 1 }))
	if st := open(t, g, 30); len(st.Workers) != 60 {
		t.Fatalf("%+v", st)
	}
	if more := threads() - before; more > 15 {
		t.Errorf("%d more threads for 60 workers", more)
	}
	all := 0
	for _, pid := range g.Status().Workers {
		list, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
		if err != nil {
			t.Fatal(err)
		}
		all += len(list)
	}
	if most := PairTasks * len(g.pairs); all > most {
		t.Errorf("the workers have %d threads, the limits count %d", all, most)
	}
}
