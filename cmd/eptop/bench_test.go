package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/eptop/eptop/internal/model"
)

// build compiles eptop as the Makefile does: its costs are to be those of the program
// that people run.
func build(b *testing.B) string {
	b.Helper()
	path := filepath.Join(b.TempDir(), "eptop")
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", path, ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	return path
}

// processes starts n processes that do nothing until the benchmark ends.
func processes(b *testing.B, n int) {
	b.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		b.Fatal(err)
	}
	var running []*exec.Cmd
	b.Cleanup(func() {
		_ = w.Close()
		_ = r.Close()
		for _, cmd := range running {
			_ = cmd.Wait()
		}
	})
	for range n {
		cmd := exec.Command("cat")
		cmd.Stdin = r
		if err := cmd.Start(); err != nil {
			b.Fatal(err)
		}
		running = append(running, cmd)
	}
}

// BenchmarkWholeSnapshot compares the CPU time of one snapshot of a machine with
// 300 more processes and no large epoll with that of the tools that see part of
// it. They take turns, so that a noisy machine is noisy for all.
func BenchmarkWholeSnapshot(b *testing.B) {
	eptop := build(b)
	processes(b, 300)
	tools := []struct {
		name string
		args []string
	}{
		{"eptop", []string{eptop, "snapshot", "--json"}},
		{"lsof", []string{"lsof", "-nP"}},
		{"lsfd", []string{"lsfd"}},
		{"slabtop", []string{"slabtop", "-o"}},
	}
	cpu := make([]time.Duration, len(tools))
	runs := 0
	for b.Loop() {
		runs++
		for i, tool := range tools {
			cmd := exec.Command(tool.args[0], tool.args[1:]...)
			var out bytes.Buffer
			cmd.Stdout = &out
			if err := cmd.Run(); err != nil && i == 0 || out.Len() == 0 {
				b.Fatalf("%s: %v, %d bytes (make bench installs what is missing)", tool.name, err, out.Len())
			}
			cpu[i] += cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
			if i == 0 {
				checkSnapshot(b, out.Bytes())
			}
		}
	}
	for i, tool := range tools {
		b.ReportMetric(float64(cpu[i].Microseconds())/1e3/float64(runs), tool.name+"-cpu-ms/op")
		if i > 0 {
			b.ReportMetric(float64(cpu[0])/float64(cpu[i]), "x-of-"+tool.name)
		}
	}
}

func checkSnapshot(b *testing.B, out []byte) {
	b.Helper()
	var s model.Snapshot
	if err := json.Unmarshal(out, &s); err != nil {
		b.Fatal(err)
	}
	if s.Guest.FDsListed < 900 || s.Epoll.Unread != 0 {
		b.Fatalf("%d fds listed, %d epolls unread", s.Guest.FDsListed, s.Epoll.Unread)
	}
}
