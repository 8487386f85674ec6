package lab

import (
	"bufio"
	"context"
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/cilium/ebpf"
)

// TestExperiments runs every experiment on this kernel.
func TestExperiments(t *testing.T) {
	// What cannot be told everywhere, and the words that say so.
	cannot := map[string]string{
		"watch-limit":       "--heavy makes them",
		"pwait2-timeout":    "Linux 5.11",
		"busy-poll":         "Linux 6.9",
		"call-cost":         "/sys/kernel/slab",
		"sockmap":           "CAP_BPF",
		"wakeup-capability": "capset",
	}
	shown := 0
	list := All()
	RunAll(t.Context(), list, Options{}, func(r Result) {
		e := list[shown]
		shown++
		if r.Name != e.Name {
			t.Errorf("result %d is %s, want %s", shown, r.Name, e.Name)
		}
		switch r.Verdict {
		case Pass:
			if r.Evidence == "" || r.Happened == "" || len(r.Steps) == 0 {
				t.Errorf("%s passes without evidence: %+v", r.Name, r)
			}
			for _, c := range e.Facts {
				if !slices.ContainsFunc(r.Facts, func(f Fact) bool { return f.What == c.What }) {
					t.Errorf("%s did not see: %s", r.Name, c.What)
				}
			}
		case CannotTell:
			if words, ok := cannot[r.Name]; !ok || !strings.Contains(r.Evidence, words) {
				t.Errorf("%s cannot tell: %s", r.Name, r.Evidence)
			}
		default:
			t.Errorf("%s is %s: %s", r.Name, r.Verdict, r.Evidence)
		}
		t.Logf("%-20s %-11s %6d ms  %s", r.Name, r.Verdict.Words(), r.Took.Milliseconds(), r.Evidence)
	})
}

// TestHoldAndKill: an experiment that is killed in the middle cannot tell, and the others go on.
func TestHoldAndKill(t *testing.T) {
	var fds []HeldFD
	pid := 0
	r := Find("et-half-read").Run(t.Context(), Options{Hold: true, Held: func(_ *Experiment, h Held) {
		fds, pid = h.FDs, h.PID
		if !slices.Contains(labProcesses(), h.PID) {
			t.Errorf("process %d is not there while it is held", h.PID)
		}
		_ = syscall.Kill(h.PID, syscall.SIGKILL)
	}})
	if r.Verdict != CannotTell || !strings.Contains(r.Evidence, "killed") || len(fds) == 0 {
		t.Errorf("a killed experiment: %s, %s, fds %v", r.Verdict, r.Evidence, fds)
	}
	if slices.Contains(labProcesses(), pid) {
		t.Errorf("process %d is left", pid)
	}

	list := []*Experiment{Find("et-half-read"), Find("et-half-read")}
	first := true
	results := RunAll(t.Context(), list, Options{Hold: true, Release: closed(), Started: func(*Experiment, int) {},
		Held: func(_ *Experiment, h Held) {}}, func(Result) { first = false })
	if first || results[0].Verdict != Pass || results[1].Verdict != Pass {
		t.Errorf("two experiments, released: %+v", results)
	}
}

func closed() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}

// TestKilledBesideOthers: one of several is killed as soon as it starts.
func TestKilledBesideOthers(t *testing.T) {
	list := []*Experiment{Find("et-half-read"), {Name: "no-such", Facts: []Claim{{What: "nothing"}}}, Find("et-half-read")}
	results := RunAll(t.Context(), list, Options{}, nil)
	if results[0].Verdict != Pass || results[2].Verdict != Pass {
		t.Errorf("the others: %s, %s", results[0].Verdict, results[2].Verdict)
	}
	if results[1].Verdict != CannotTell || !strings.Contains(results[1].Evidence, "status 1") {
		t.Errorf("one that fails: %s, %s", results[1].Verdict, results[1].Evidence)
	}
}

// TestNoBPFLeft: what the experiment with BPF loads is gone with its process.
func TestNoBPFLeft(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("listing BPF maps takes root: run it as root")
	}
	if r := Find("sockmap").Run(t.Context(), Options{}); r.Verdict == Different {
		t.Error(r.Evidence)
	}
	eventually(t, "no BPF map of the lab is left", func() bool { return countMaps(t, "eptop_lab") == 0 })
}

func countMaps(t *testing.T, name string) int {
	n := 0
	for id := ebpf.MapID(0); ; {
		next, err := ebpf.MapGetNextID(id)
		if errors.Is(err, os.ErrNotExist) {
			return n
		}
		if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENOSYS) {
			t.Skip("listing BPF maps is refused: run it as root")
		}
		if err != nil {
			t.Fatal(err)
		}
		id = next
		m, err := ebpf.NewMapFromID(id)
		if err != nil {
			continue // it has gone just now
		}
		if info, err := m.Info(); err == nil && info.Name == name {
			n++
		}
		m.Close()
	}
}

func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	r := Find("et-half-read").Run(ctx, Options{Hold: true, Held: func(*Experiment, Held) { cancel() }})
	if r.Verdict != CannotTell || r.Evidence != "interrupted" {
		t.Errorf("interrupted: %s, %s", r.Verdict, r.Evidence)
	}
}

// keeperEnv turns the test binary into a program that holds an experiment until it is killed.
const keeperEnv = "LAB_TEST_KEEPER"

func keep() {
	Find("et-half-read").Run(context.Background(), Options{Hold: true, Held: func(*Experiment, Held) { os.Stdout.WriteString("held\n") }})
	os.Exit(1)
}

// TestParentKilled: a worker does not outlive whoever started it.
func TestParentKilled(t *testing.T) {
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), keeperEnv+"=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "held\n" {
		t.Errorf("%q, %v", line, err)
	}
	if len(labProcesses()) == 0 {
		t.Error("no worker while it is held")
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	eventually(t, "the worker has ended", func() bool { return len(labProcesses()) == 0 })
}
