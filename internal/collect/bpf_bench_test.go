package collect

import (
	"bytes"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/eptop/eptop/internal/model"
)

// BenchmarkPassOfOne looks each time at one process of 19,954 fds, as an attached dashboard
// does: its CPU time, and the inodes that looking makes the kernel create.
func BenchmarkPassOfOne(b *testing.B) {
	const files, most = 19_954, 20 * time.Millisecond
	c := newBPFCollector(b)
	own := start(b, "none", 0).pids[0]
	had := len(processIn(b, c, own).Files.Value)
	w := start(b, "watches:"+strconv.Itoa(files-had-1), 0)
	if _, err := c.Look(b.Context(), model.Focus{}); err != nil {
		b.Fatal(err)
	}
	inodes := procInodes(b)
	var cpu time.Duration
	looks := 0
	for b.Loop() {
		c.source.bpf.next = time.Now().Add(time.Hour)
		c.source.bpf.processes[w.pids[0]].nextPass = time.Time{}
		s, err := c.Look(b.Context(), model.Focus{PIDs: w.pids})
		if err != nil {
			b.Fatal(err)
		}
		if n := len(c.source.bpf.processes[w.pids[0]].listing.FDs); n != files {
			b.Fatalf("%d files, want %d", n, files)
		}
		cpu += s.Guest.CPU
		looks++
	}
	each := cpu / time.Duration(looks)
	b.ReportMetric(float64(each.Microseconds())/1e3, "cpu-ms/look")
	b.ReportMetric(float64(procInodes(b)-inodes), "proc-inodes")
	if each > 2*most { // with all else that a look reads
		b.Errorf("a look takes %v of CPU", each)
	}
}

func processIn(b *testing.B, c *Collector, pid int) *model.ProcessSample {
	b.Helper()
	s, err := c.Look(b.Context(), model.Focus{PIDs: []int{pid}})
	if err != nil {
		b.Fatal(err)
	}
	for i := range s.Processes {
		if s.Processes[i].PID == pid {
			return &s.Processes[i]
		}
	}
	b.Fatalf("no process %d", pid)
	return nil
}

// procInodes counts the inodes of /proc that the kernel has.
func procInodes(b *testing.B) int64 {
	b.Helper()
	text, err := os.ReadFile("/proc/slabinfo")
	if err != nil {
		b.Fatal(err)
	}
	for line := range bytes.Lines(text) {
		if fields := bytes.Fields(line); len(fields) > 2 && string(fields[0]) == "proc_inode_cache" {
			n, err := strconv.ParseInt(string(fields[1]), 10, 64)
			if err != nil {
				b.Fatal(err)
			}
			return n
		}
	}
	return 0
}
