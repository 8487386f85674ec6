package lab

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"
)

func TestMain(m *testing.M) {
	RunIfWorker()
	if os.Getenv(keeperEnv) != "" {
		keep()
	}
	before := openFDs()
	code := m.Run()
	// A bystander ends a moment after the process that started it.
	late := time.Now().Add(10 * time.Second)
	for len(labProcesses()) > 0 && time.Now().Before(late) {
		time.Sleep(time.Millisecond)
	}
	if left := labProcesses(); len(left) > 0 {
		fmt.Fprintln(os.Stderr, "processes left behind:", left)
		code = 1
	}
	// The runtime's own poller takes two.
	if after := openFDs(); after > before+2 {
		fmt.Fprintf(os.Stderr, "%d fds at the start, %d at the end\n", before, after)
		code = 1
	}
	os.Exit(code)
}

func openFDs() int {
	list, _ := os.ReadDir("/proc/self/fd")
	return len(list)
}

// labProcesses returns the PIDs of all workers of this binary that live.
func labProcesses() []int {
	self, _ := os.Readlink("/proc/self/exe")
	var pids []int
	dirs, _ := os.ReadDir("/proc")
	for _, d := range dirs {
		pid, err := strconv.Atoi(d.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		if exe, _ := os.Readlink("/proc/" + d.Name() + "/exe"); exe != self {
			continue
		}
		if line, _ := os.ReadFile("/proc/" + d.Name() + "/cmdline"); bytes.HasPrefix(line, []byte("eptop: lab ")) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// eventually waits for a condition.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	late := time.After(20 * time.Second)
	for !ok() {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("not within 20 s: %s", what)
		}
	}
}
