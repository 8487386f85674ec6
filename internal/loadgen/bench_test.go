package loadgen

import (
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"
)

// BenchmarkOpen opens 19 000 watched connections and closes them. For comparison it
// opens as many as its own process may hold with Go's net package, with a goroutine
// and a net.Conn for each end.
func BenchmarkOpen(b *testing.B) {
	for _, family := range Families() {
		b.Run(string(family), func(b *testing.B) {
			for b.Loop() {
				benchmarkOpen(b, config(func(c *Config) { c.Family = family }), 19_000)
			}
		})
	}
	b.Run("reference-net", func(b *testing.B) {
		for b.Loop() {
			benchmarkNet(b, 8000)
		}
	})
}

// BenchmarkMillion opens 1 000 000, and 19 000 before and after in the same run: make
// bench-million.
func BenchmarkMillion(b *testing.B) {
	if os.Getenv("EPTOP_BENCH_MILLION") == "" {
		b.Skip("takes 10 GB of memory: make bench-million")
	}
	for _, n := range []int64{19_000, 1_000_000, 19_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				benchmarkOpen(b, config(func(c *Config) { c.Floor = 0.1 }), n)
			}
		})
	}
}

func benchmarkOpen(b *testing.B, c Config, n int64) {
	g, err := New(c)
	if err != nil {
		b.Fatal(err)
	}
	start := time.Now()
	g.Set(n)
	if err := g.Settled(context.Background()); err != nil {
		b.Fatal(err)
	}
	took := time.Since(start)
	st := g.Status()
	if st.Open != n || st.Failed != 0 {
		b.Fatalf("%+v", st)
	}
	share := proportional(st.Workers)
	start = time.Now()
	if err := g.Close(); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(took.Seconds(), "s/open")
	b.ReportMetric(float64(took.Microseconds())/float64(n), "µs/connection")
	b.ReportMetric(time.Since(start).Seconds(), "s/drain")
	b.ReportMetric(float64(len(st.Workers)), "processes")
	b.ReportMetric(float64(st.WorkerBytes)/1e6, "MB-RSS")
	b.ReportMetric(float64(share)/1e6, "MB-PSS")
	// 200 bytes a connection and 10 MB a process are the budget.
	b.ReportMetric(float64(st.WorkerBytes)/float64(200*n+10e6*int64(len(st.Workers))), "RSS/budget")
	if left := children(os.Getpid()); len(left) > 0 {
		b.Fatalf("left behind: %v", left)
	}
	b.ReportMetric(0, "ns/op")
}

// proportional returns the memory of processes, with shared pages counted once.
func proportional(pids []int) (bytes int64) {
	for _, pid := range pids {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
		if err != nil {
			continue
		}
		_, after, _ := strings.Cut(string(text), "\nPss:")
		var kb int64
		if _, err := fmt.Sscan(after, &kb); err == nil {
			bytes += kb << 10
		}
	}
	return bytes
}

// benchmarkNet opens n connections in the usual way.
func benchmarkNet(b *testing.B, n int) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	accepted := make(chan net.Conn)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			accepted <- c
		}
	}()
	before := ownRSS()
	start := time.Now()
	var all []net.Conn
	for range n {
		c, err := net.Dial("tcp4", l.Addr().String())
		if err != nil {
			b.Fatal(err)
		}
		s := <-accepted
		all = append(all, c, s)
		// Somebody must read to notice the end of an idle connection.
		for _, end := range []net.Conn{c, s} {
			go func() { _, _ = end.Read(make([]byte, 1)) }()
		}
	}
	took := time.Since(start)
	b.ReportMetric(took.Seconds(), "s/open")
	b.ReportMetric(float64(took.Microseconds())/float64(n), "µs/connection")
	b.ReportMetric(float64(ownRSS()-before)/float64(n), "B-RSS/connection")
	for _, c := range all {
		_ = c.(*net.TCPConn).SetLinger(0)
		_ = c.Close()
	}
	b.ReportMetric(0, "ns/op")
}

func ownRSS() int64 { return resident([]int{os.Getpid()}) }
