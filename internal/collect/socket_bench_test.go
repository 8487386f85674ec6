package collect

import (
	"bytes"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"
)

// BenchmarkSockets looks at a machine with 150,000 sockets whose processes are known.
// sockets-ms is the time for the dump of all sockets with their memory and sums, which
// ss -tm shows; look-ms that of a whole look, which also joins sockets with processes
// and watches. ss -tm takes turns with it and shows the same TCP sockets; lsfd and
// lsof run once, but not with -short. EPTOP_BENCH_SOCKETS asks for another number of
// sockets.
func BenchmarkSockets(b *testing.B) {
	processes, pairs := 9, 8400
	if n, err := strconv.Atoi(os.Getenv("EPTOP_BENCH_SOCKETS")); err == nil {
		processes = max(1, n/2/pairs)
	}
	for range processes {
		start(b, "pairs:"+strconv.Itoa(pairs), 0)
	}
	c := newCollector(b, nil)
	first := snapshotOf(b, c)
	rss := ownRSS().Value
	var look, sockets, ss time.Duration
	runs := 0
	b.ReportAllocs()
	for b.Loop() {
		runs++
		throughProc(c).sockets.next = time.Time{}
		began := time.Now()
		s := snapshotOf(b, c)
		look += time.Since(began)
		sockets += throughProc(c).sockets.took
		if s.Sockets.EndsHere < int64(2*processes*pairs) || !s.Sockets.BufferBytes.Known {
			b.Fatalf("%d sockets have both ends here", s.Sockets.EndsHere)
		}
		ss += run(b, 2*processes*pairs, "ss", "-tm")
	}
	b.ReportMetric(float64(first.Sockets.Total), "sockets")
	b.ReportMetric(look.Seconds()*1e3/float64(runs), "look-ms/op")
	b.ReportMetric(ss.Seconds()*1e3/float64(runs), "ss-tm-ms/op")
	b.ReportMetric(sockets.Seconds()*1e3/float64(runs), "sockets-ms/op")
	b.ReportMetric(sockets.Seconds()/ss.Seconds(), "sockets-x-of-ss")
	b.ReportMetric(look.Seconds()/ss.Seconds(), "look-x-of-ss")
	b.ReportMetric(float64(rss)/float64(first.Sockets.Total), "rss-bytes/socket")
	if testing.Short() {
		return
	}
	b.ReportMetric(run(b, processes*pairs, "lsfd", "-n").Seconds()*1e3, "lsfd-ms")
	b.ReportMetric(run(b, processes*pairs, "lsof", "-nP").Seconds()*1e3, "lsof-ms")
}

// run times a tool that must print at least that many lines.
func run(b *testing.B, lines int, name string, args ...string) time.Duration {
	b.Helper()
	var out bytes.Buffer
	cmd := exec.Command(name, args...)
	cmd.Stdout = &out
	began := time.Now()
	if err := cmd.Run(); err != nil && out.Len() == 0 {
		b.Fatalf("%s: %v (make bench installs what is missing)", name, err)
	}
	took := time.Since(began)
	if got := bytes.Count(out.Bytes(), []byte("\n")); got < lines {
		b.Fatalf("%s printed %d lines, want %d", name, got, lines)
	}
	return took
}
