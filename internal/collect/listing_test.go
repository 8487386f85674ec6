package collect

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/eptop/eptop/internal/fdinfo"
	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/model"
)

// TestACheapListingWaitsForNoDearOne: how long a process is left alone follows from what
// listing it takes now, not from what it took when it had many fds.
func TestACheapListingWaitsForNoDearOne(t *testing.T) {
	listed := time.Date(2026, 11, 25, 9, 0, 0, 0, time.UTC)
	p := process{listedAt: listed, nextList: listed.Add(26 * time.Second), listing: fdinfo.Listing{Took: 260 * time.Millisecond}}
	for count, want := range map[maybe.Of[int64]]time.Duration{
		{}:                      26 * time.Second, // not counted before Linux 6.2
		maybe.Some[int64](14e3): 5600 * time.Millisecond,
		maybe.Some[int64](7):    2800 * time.Microsecond,
		maybe.Some[int64](1e6):  26 * time.Second,
	} {
		p.count = count
		if got := p.mayList().Sub(listed); got != want {
			t.Errorf("%v fds: listed again after %v, want %v", count, got, want)
		}
	}
	p.count = maybe.Some[int64](7)
	if p.cost() != 28*time.Microsecond {
		t.Errorf("7 fds cost %v", p.cost())
	}
}

// TestWhatChangesWithoutTheFds: prlimit(1) changes a limit, and exec a name, while the fds
// stay as they are.
func TestWhatChangesWithoutTheFds(t *testing.T) {
	w := start(t, "watches:5", 0)
	pid := w.pids[0]
	c := newCollector(t, nil)
	clock := time.Now()
	c.now = func() time.Time { return clock }
	look := func() *model.ProcessSample {
		s, err := c.Look(t.Context(), model.Focus{})
		if err != nil {
			t.Fatal(err)
		}
		return processOf(t, s, pid)
	}
	before := look()
	limit := unix.Rlimit{Cur: 321, Max: 4321}
	if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, &limit, nil); err != nil {
		t.Fatal(err)
	}
	throughProc(c).processes[pid].Comm = "before exec"
	clock = clock.Add(time.Second)
	if p := look(); p.Nofile != maybe.Some[int64](321) || p.Comm != "before exec" || !p.ListedAt.Equal(before.ListedAt) {
		t.Errorf("after a second: %+v", p)
	}
	clock = clock.Add(nameAge)
	if p := look(); p.Comm != before.Comm || !p.ListedAt.Equal(before.ListedAt) {
		t.Errorf("after %v it is called %q, and was listed again: %v", nameAge, p.Comm, !p.ListedAt.Equal(before.ListedAt))
	}
}
