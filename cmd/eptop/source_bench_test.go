package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/eptop/eptop/internal/model"
)

// BenchmarkSources compares a snapshot through BPF, one through /proc and `ss -tmn` on a
// machine with 100,000 connections, or a million (make bench-million): CPU and wall time of
// whole programs, in turns, and what eptop holds in memory.
func BenchmarkSources(b *testing.B) {
	if os.Geteuid() != 0 {
		b.Skip("needs root: run make bench with sudo")
	}
	connections := int64(100_000)
	if os.Getenv("EPTOP_BENCH_MILLION") != "" {
		connections = 1_000_000
	}
	eptop := build(b)
	base := maxRSS(b, eptop, "snapshot", "--source", "bpf", "--json")
	hold(b, eptop, connections)
	tools := []struct {
		name string
		args []string
	}{
		{"bpf", []string{eptop, "snapshot", "--source", "bpf", "--json"}},
		{"proc", []string{eptop, "snapshot", "--source", "proc", "--json", "--max-fds", "0"}},
		{"ss", []string{"ss", "-tmn"}},
	}
	cpu, wall := map[string]time.Duration{}, map[string]time.Duration{}
	var pass model.Pass
	rss := int64(0)
	for b.Loop() {
		for _, tool := range tools {
			cmd := exec.Command(tool.args[0], tool.args[1:]...)
			var out bytes.Buffer
			cmd.Stdout = &out
			began := time.Now()
			if err := cmd.Run(); err != nil {
				b.Fatalf("%s: %v (make bench installs what is missing)", tool.name, err)
			}
			wall[tool.name] += time.Since(began)
			cpu[tool.name] += cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
			if tool.name == "ss" {
				if n := int64(bytes.Count(out.Bytes(), []byte("ESTAB"))); n < 2*connections {
					b.Fatalf("ss lists %d connections, want %d", n, 2*connections)
				}
				continue
			}
			s := readConnections(b, tool.name, out.Bytes(), connections)
			if tool.name == "bpf" {
				pass = s.Guest.Pass.Value
				rss = max(rss, peak(cmd.ProcessState))
			}
		}
	}
	for _, tool := range tools {
		b.ReportMetric(cpu[tool.name].Seconds()/float64(b.N), tool.name+"-cpu-s/op")
		b.ReportMetric(wall[tool.name].Seconds()/float64(b.N), tool.name+"-wall-s/op")
	}
	b.ReportMetric(float64(cpu["bpf"])/float64(cpu["ss"]), "bpf/ss-cpu")
	b.ReportMetric(float64(cpu["bpf"])/float64(cpu["proc"]), "bpf/proc-cpu")
	b.ReportMetric(float64(wall["bpf"])/float64(wall["ss"]), "bpf/ss-wall")
	b.ReportMetric(pass.CPU.Seconds(), "pass-cpu-s")
	b.ReportMetric(float64(pass.CPU.Nanoseconds())/float64(pass.Files), "pass-ns/file")
	b.ReportMetric(float64(rss-base)/float64(2*connections), "peak-MB/million-sockets")
}

// hold holds connections until the benchmark ends.
func hold(b *testing.B, eptop string, connections int64) {
	b.Helper()
	load := exec.Command(eptop, "load", "-c", strconv.FormatInt(connections, 10), "--hold", "2h")
	stderr, err := load.StderrPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := load.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = load.Process.Signal(syscall.SIGINT)
		_ = load.Wait()
	})
	var said []byte
	for buf := make([]byte, 4096); !bytes.Contains(said, []byte("holding")); {
		n, err := stderr.Read(buf)
		said = append(said, buf[:n]...)
		if err != nil {
			b.Fatalf("eptop load: %s", said)
		}
	}
}

// readConnections checks that a snapshot has all connections: one end of each is watched.
func readConnections(b *testing.B, source string, out []byte, connections int64) *model.Snapshot {
	b.Helper()
	s := &model.Snapshot{}
	if err := json.Unmarshal(out, s); err != nil {
		b.Fatal(err)
	}
	if n := s.Epoll.Watches.Value; n < connections {
		b.Fatalf("%s: %d watches, want %d at least", source, n, connections)
	}
	if n := s.Sockets.TCP.States["ESTABLISHED"]; n < 2*connections {
		b.Fatalf("%s: %d connections, want %d at least", source, n, 2*connections)
	}
	return s
}

func maxRSS(b *testing.B, args ...string) int64 {
	b.Helper()
	cmd := exec.Command(args[0], args[1:]...)
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Skipf("%v: %s", err, out)
	}
	return peak(cmd.ProcessState)
}

// peak is the most memory that a program had, in bytes.
func peak(state *os.ProcessState) int64 {
	return state.SysUsage().(*syscall.Rusage).Maxrss << 10
}
