package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/eptop/eptop/internal/model"
)

// buildEptop builds the program that users run.
func buildEptop(t *testing.T, flags ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "eptop")
	if out, err := exec.Command("go", append(append([]string{"build"}, flags...), "-o", path, ".")...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return path
}

// TestInterruptedLoadHasAResult: Ctrl-C closes all connections, prints the result, and
// leaves no process behind.
func TestInterruptedLoadHasAResult(t *testing.T) {
	eptop := buildEptop(t)
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		t.Run(signal.String(), func(t *testing.T) {
			var stdout bytes.Buffer
			cmd := exec.Command(eptop, "load", "-c", "230", "--json")
			cmd.Stdout = &stdout
			stderr, err := cmd.StderrPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			said := readUntil(t, stderr, "Ctrl-C closes them")
			workers := workersOf(cmd.Process.Pid)
			if len(workers) != 2 {
				t.Errorf("workers %v", workers)
			}
			if err := cmd.Process.Signal(signal); err != nil {
				t.Fatal(err)
			}
			said += readUntil(t, stderr, "")
			_ = cmd.Wait()
			if code := cmd.ProcessState.ExitCode(); code != exitInterrupted {
				t.Errorf("exit status %d, want %d\n%s", code, exitInterrupted, said)
			}
			var r model.LoadResult
			if err := json.Unmarshal(stdout.Bytes(), &r); err != nil {
				t.Fatalf("%v: %q", err, stdout.String())
			}
			if r.Opened != 230 || r.StoppedBy != "" || r.Workers != 2 || r.WorkerRSSBytes == 0 || r.HeldSeconds <= 0 {
				t.Errorf("%+v", r)
			}
			for _, pid := range workers {
				waitGone(t, pid)
			}
		})
	}
}

// TestKilledEptopLeavesNoWorker: the workers notice that eptop is gone.
func TestKilledEptopLeavesNoWorker(t *testing.T) {
	eptop := buildEptop(t)
	for _, args := range [][]string{{"load", "-c", "5000"}, {"measure", "-c", "5000", "--hold", "1h"}} {
		t.Run(args[0], func(t *testing.T) {
			if args[0] == "measure" && os.Getuid() != 0 {
				t.Skip("needs root, for /proc/slabinfo")
			}
			cmd := exec.Command(eptop, args...)
			stderr, err := cmd.StderrPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			readUntil(t, stderr, "5 000 connections open")
			workers := workersOf(cmd.Process.Pid)
			if len(workers) != 2 {
				t.Errorf("workers %v", workers)
			}
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			_ = cmd.Wait()
			for _, pid := range workers {
				waitGone(t, pid)
			}
		})
	}
}

// readUntil reads until text has appeared, or to the end where text is empty.
func readUntil(t *testing.T, r interface{ Read([]byte) (int, error) }, text string) string {
	t.Helper()
	var all []byte
	buf := make([]byte, 4096)
	for text == "" || !strings.Contains(string(all), text) {
		n, err := r.Read(buf)
		all = append(all, buf[:n]...)
		if err != nil {
			if text != "" {
				t.Fatalf("no %q in %q", text, all)
			}
			break
		}
	}
	return string(all)
}

// workersOf returns the load workers of an eptop.
func workersOf(parent int) []int {
	var out []int
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		stat, err := os.ReadFile(dir + "/stat")
		var pid, ppid int
		var state string
		before, after, ok := strings.Cut(string(stat), " (")
		if err != nil || !ok {
			continue
		}
		_, after, _ = strings.Cut(after, ") ")
		if _, err := fmt.Sscan(before, &pid); err != nil {
			continue
		}
		if _, err := fmt.Sscan(after, &state, &ppid); err == nil && ppid == parent {
			out = append(out, pid)
		}
	}
	return out
}

// waitGone waits until a process has ended.
func waitGone(t *testing.T, pid int) {
	t.Helper()
	waitFor(t, fmt.Sprintf("the end of worker %d", pid), func() bool {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		return err != nil || strings.Contains(string(stat), ") Z ")
	})
}
