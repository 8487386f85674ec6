package collect

import (
	"fmt"
	"testing"

	"github.com/eptop/eptop/internal/epoll"
	"github.com/eptop/eptop/internal/fdinfo"
	"github.com/eptop/eptop/internal/model"
)

// TestTheMainThreadHasEnded: what the other threads hold is the process's still.
func TestTheMainThreadHasEnded(t *testing.T) {
	w := start(t, "zombie:23", 0)
	c := newCollector(t, nil)
	if err := c.Attach(w.pids[0]); err != nil {
		t.Error(err)
	}
	for range 2 { // by a listing, and by what is known
		s := sampleOf(t, c, model.Focus{})
		p := processOf(t, s, w.pids[0])
		if p.State != model.OK || p.FDs.Value < 24 || len(p.Files.Value) < 24 || !p.Nofile.Known || p.User == "" || p.ThreadOf != 0 {
			t.Errorf("%+v", p)
		}
		if e := counted(t, model.New(s), w.pids[0], 23); e.State != model.OK || e.Stale+e.Unproven != 0 || e.SharingUnknown {
			t.Errorf("%+v, %s", e.Counts, e.State)
		}
	}
}

// TestThreadsWithTablesOfTheirOwn: each has a row, and what all tables share is counted
// once.
func TestThreadsWithTablesOfTheirOwn(t *testing.T) {
	const threads = 200
	w := start(t, fmt.Sprintf("tables:%d", threads), 0)
	pid, tids := w.pids[0], w.pids[1:]
	c := newCollector(t, nil)
	for range 2 {
		s := sampleOf(t, c, model.Focus{})
		if p := throughProc(c).processes[pid]; p.unchecked || p.tablesDue {
			t.Errorf("its threads were not compared: %+v", s.Coverage)
		}
		snap := model.New(s)
		for i, tid := range tids {
			row := snap.Process(tid)
			if i%2 == 0 {
				if row != nil {
					t.Errorf("a thread without a table of its own has the row of %d fds", row.FDs.Value)
				}
				continue
			}
			if row == nil || row.ThreadOf != pid {
				t.Fatalf("thread %d (%d) has a row: %v", tid, i, row != nil)
			}
			if e := counted(t, snap, tid, int64(i)); e.Stale != 0 || e.SharedCount != 0 {
				t.Errorf("%+v, shared with %d", e.Counts, e.SharedCount)
			}
		}
		// An epoll from before is in all tables, and one instance.
		shared := 0
		for i := range s.Instances {
			holds := map[int]bool{}
			for _, h := range s.Instances[i].Holders {
				holds[h.PID] = true
			}
			if holds[pid] {
				shared++
				if len(holds) != 1+threads/2 {
					t.Errorf("an epoll of the process has %d holders", len(holds))
				}
			}
		}
		if shared != 1 {
			t.Errorf("the process has %d epolls", shared)
		}
		if asked := sampleOf(t, c, model.Focus{PIDs: []int{pid}}); !processOf(t, asked, tids[1]).Asked {
			t.Error("a thread of a process that was asked for is not")
		}
	}
}

// TestThreadsThatCannotBeCompared are counted: nobody knows what tables they have.
func TestThreadsThatCannotBeCompared(t *testing.T) {
	w := start(t, "tables:3", 0)
	c := newCollector(t, nil)
	s := sampleOf(t, c, model.Focus{})
	p := throughProc(c).processes[w.pids[0]]
	before := s.Coverage.ThreadsUnchecked
	if p.unchecked {
		t.Fatalf("unchecked although kcmp works: %+v", s.Coverage)
	}
	l := procLook{&look{Collector: c, sample: s, start: c.now()}, throughProc(c)}
	l.tablesBy(p, func(_, _ epoll.Holder) (fdinfo.Order, error) { return fdinfo.Unordered, fmt.Errorf("no kcmp") })
	if got := l.coverage().ThreadsUnchecked; got != before+1 {
		t.Errorf("%d processes are unchecked, %d before", got, before)
	}
	if throughProc(c).processes[w.pids[2]] == nil {
		t.Error("a table that was known is forgotten")
	}
}

func BenchmarkThreads(b *testing.B) {
	w := start(b, "tables:0", 0)
	c := newCollector(b, nil)
	s, err := c.Look(b.Context(), model.Focus{})
	if err != nil {
		b.Fatal(err)
	}
	l := procLook{&look{Collector: c, sample: s, start: c.now()}, throughProc(c)}
	p := throughProc(c).processes[w.pids[0]]
	for b.Loop() {
		l.compareTables(p)
	}
	b.ReportMetric(float64(p.Threads), "threads")
}
