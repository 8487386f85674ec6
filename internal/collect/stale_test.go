package collect

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/eptop/eptop/internal/model"
)

// seesAll skips a test of what can be proven where this user does not see all processes.
func seesAll(t *testing.T, c *Collector) {
	t.Helper()
	s := sampleOf(t, c, model.Focus{})
	l := procLook{&look{Collector: c, sample: s, start: c.now()}, throughProc(c)}
	if !l.seesEverybody() {
		t.Skipf("some processes are not seen (%+v): run the tests as root in the host's PID namespace", s.Coverage)
	}
}

// staleOf returns the counts of the one epoll of a process with so many watches.
func staleOf(t *testing.T, c *Collector, pid int, watches int64) model.Counts {
	t.Helper()
	return counted(t, snapshotOf(t, c), pid, watches).Counts
}

// wantStale waits for a look during which no process hides what it has open: others may
// come and go.
func wantStale(t *testing.T, pid int, watches int64) {
	t.Helper()
	var got model.Counts
	for range 100 {
		if got = staleOf(t, newCollector(t, nil), pid, watches); got.Stale == watches && got.Unproven == 0 {
			return
		}
	}
	t.Errorf("never were all watches stale: %+v", got)
}

// TestAClosedFDIsStale: the ordinary case, one holder that keeps a duplicate under another
// number.
func TestAClosedFDIsStale(t *testing.T) {
	w := start(t, "stale:23", 0)
	c := newCollector(t, nil)
	seesAll(t, c)
	wantStale(t, w.pids[0], 23)
}

// TestAWatchOfAFormerHolder: who added the watches has closed the epoll since, or passed
// it on, and has the files open under the numbers of the watches.
func TestAWatchOfAFormerHolder(t *testing.T) {
	for _, kind := range []string{"sockets", "eventfds"} {
		w := start(t, "passed-"+kind+":23", 0)
		c := newCollector(t, nil)
		holder := w.pids[1]
		if got := staleOf(t, c, holder, 23); got.Stale != 0 || got.Unproven != 23 {
			t.Errorf("%s: %+v", kind, got)
		}
		// Once the files are closed there, though something keeps them open.
		seesAll(t, c)
		w.do(t, "close")
		wantStale(t, holder, 23)
	}
}

// TestAWatchOfSomebodyDenied: as another user, who sees the holder and not the process
// that passed the epoll on.
func TestAWatchOfSomebodyDenied(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("becoming another user needs root: run the tests with sudo")
	}
	w := start(t, "stale:23", 65534)
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=looks:%d", workloadEnv, w.pids[0]), "GORACE=atexit_sleep_ms=0")
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var e model.Epoll
	if err := json.Unmarshal(out, &e); err != nil {
		t.Fatal(err)
	}
	if e.Watches != 23 || e.Stale != 0 || e.Unproven != 23 {
		t.Errorf("%+v", e.Counts)
	}
}

// playLooks prints the last epoll of a process.
func playLooks(pid int) {
	c, err := New(Options{ProcRoot: "/proc", SysRoot: "/sys", MaxStall: DefaultMaxStall})
	check(err)
	defer c.Close()
	s, err := c.Look(context.Background(), model.Focus{})
	check(err)
	epolls := model.New(s).Process(pid).Epolls
	check(json.NewEncoder(os.Stdout).Encode(epolls[len(epolls)-1]))
}
