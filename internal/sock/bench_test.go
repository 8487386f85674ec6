package sock

import (
	"bytes"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"
)

// benchSockets is how many sockets the benchmarks open: EPTOP_BENCH_SOCKETS, or a
// number that two processes can hold under usual limits.
func benchSockets(b *testing.B) int {
	n := 38_000
	if s := os.Getenv("EPTOP_BENCH_SOCKETS"); s != "" {
		var err error
		if n, err = strconv.Atoi(s); err != nil {
			b.Fatal(err)
		}
	}
	return startWorkers(b, n)
}

// BenchmarkDump dumps all sockets of all families, and runs `ss -tmn` and `ss -tm`
// beside it in the same loop, so that both meet the same machine.
func BenchmarkDump(b *testing.B) {
	made := benchSockets(b)
	c, err := OpenOwn("")
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	ss, lookErr := exec.LookPath("ss")
	var t *Table
	t = c.Dump(b.Context(), t, Families)
	var own, byNumber, byName time.Duration
	b.ReportAllocs()
	for b.Loop() {
		start := time.Now()
		t = c.Dump(b.Context(), t, Families)
		own += time.Since(start)
		b.StopTimer()
		tcp := 0
		for _, o := range t.Outcomes {
			if o.State != OK {
				b.Fatalf("%v: %v", o.Family, o.Err)
			}
			if o.Family&FamilyTCP != 0 {
				tcp += o.Sockets
			}
		}
		if tcp < made {
			b.Fatalf("%d TCP sockets, %d were made", tcp, made)
		}
		if lookErr == nil {
			byNumber += timeSS(b, ss, made, "-tmn")
			byName += timeSS(b, ss, made, "-tm")
		}
		b.StartTimer()
	}
	n := float64(b.N)
	b.ReportMetric(float64(t.Len())*n/own.Seconds(), "sockets/s")
	b.ReportMetric(float64(t.Bytes())/float64(t.Len()), "B/socket")
	if lookErr != nil {
		b.Log("no ss to compare with: apt-get install iproute2")
		return
	}
	b.ReportMetric(byNumber.Seconds()/n*1e3, "ss-tmn-ms")
	b.ReportMetric(byName.Seconds()/n*1e3, "ss-tm-ms")
	b.ReportMetric(own.Seconds()/n*1e3, "own-ms")
	b.ReportMetric(100*own.Seconds()/byNumber.Seconds(), "%of-ss")
}

// timeSS runs ss and checks that it saw the sockets.
func timeSS(b *testing.B, ss string, made int, flags ...string) time.Duration {
	b.Helper()
	cmd := exec.Command(ss, flags...)
	var out bytes.Buffer
	cmd.Stdout = &out
	start := time.Now()
	if err := cmd.Run(); err != nil {
		b.Fatal(err)
	}
	took := time.Since(start)
	if got := bytes.Count(out.Bytes(), []byte("skmem:")); got < made {
		b.Fatalf("ss %v shows %d sockets, %d were made", flags, got, made)
	}
	return took
}

// BenchmarkProcNet reads the same sockets from /proc/net/tcp.
func BenchmarkProcNet(b *testing.B) {
	made := benchSockets(b)
	var t *Table
	b.ReportAllocs()
	for b.Loop() {
		t = ReadProcNet(b.Context(), "/proc/net", t, FamilyTCP4)
		if o := t.Outcomes[0]; o.State != OK || o.Sockets < made {
			b.Fatalf("%+v, %d were made", o, made)
		}
	}
	b.ReportMetric(float64(t.Len())*float64(b.N)/b.Elapsed().Seconds(), "sockets/s")
}

// BenchmarkReference runs the programs that show sockets today beside the same
// sockets. lsof and lsfd know which process has each and nothing of its memory.
func BenchmarkReference(b *testing.B) {
	made := benchSockets(b)
	for _, c := range []struct {
		name, mark, pkg string
		args            []string
	}{
		{"ss", "skmem:", "iproute2", []string{"-tmn"}},
		{"ss", "skmem:", "iproute2", []string{"-tm"}},
		{"lsfd", "\n", "util-linux-extra", []string{"-n"}},
		{"lsof", "TCP", "lsof", []string{"-nP", "-iTCP"}},
	} {
		b.Run(c.name+c.args[0], func(b *testing.B) {
			path, err := exec.LookPath(c.name)
			if err != nil {
				b.Skipf("no %s: apt-get install %s", c.name, c.pkg)
			}
			for b.Loop() {
				out, err := exec.Command(path, c.args...).Output()
				if err != nil {
					b.Fatal(err)
				}
				if got := bytes.Count(out, []byte(c.mark)); got < made {
					b.Fatalf("%s %v shows %d sockets, %d were made", c.name, c.args, got, made)
				}
			}
		})
	}
}

// BenchmarkEmptyNamespace dumps a namespace with one socket beside one with many:
// TCP's hash table is common to all namespaces, so that the kernel passes all
// sockets of the machine.
func BenchmarkEmptyNamespace(b *testing.B) {
	n := openNamespaces(b, 1)
	c, err := n.Conn(startCell(b).pid)
	if err != nil {
		b.Fatal(err)
	}
	made := benchSockets(b)
	var t *Table
	for b.Loop() {
		if t = c.Dump(b.Context(), t, FamilyTCP); t.Len() != 1 {
			b.Fatalf("%d sockets, want the listener alone", t.Len())
		}
	}
	b.ReportMetric(b.Elapsed().Seconds()/float64(b.N)/float64(made)*1e9, "ns/foreign-socket")
}
