//go:build linux && (amd64 || arm64)

package main

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"reflect"
	"runtime"
	"strings"
	"testing"
)

// TestClosedOutput: what is printed to a standard output that is closed is an error, and
// what is printed to /dev/null is not, however that was opened.
func TestClosedOutput(t *testing.T) {
	name := runtime.FuncForPC(reflect.ValueOf(start).Pointer()).Name()
	entry := "-E main" + name[strings.LastIndexByte(name, '.'):]
	eptop := buildEptop(t, "-ldflags", entry)
	for redirect, want := range map[string]int{">&-": 1, ">/dev/null": 0, "1<>/dev/null": 0, "<&- 2>&-": 0, "<&- >&- 2>&-": 1} {
		for _, args := range []string{"-V", "--help", "snapshot", "completion bash"} {
			cmd := exec.Command("/bin/sh", "-c", `exec "$0" `+args+" "+redirect, eptop)
			var stderr bytes.Buffer
			cmd.Stdout, cmd.Stderr = io.Discard, &stderr
			_ = cmd.Run()
			if code := cmd.ProcessState.ExitCode(); code != want {
				t.Errorf("eptop %s %s: exit status %d, want %d: %s", args, redirect, code, want, &stderr)
			}
		}
	}
	makefile, err := os.ReadFile("../../Makefile")
	if err != nil || !strings.Contains(string(makefile), entry) {
		t.Errorf("the Makefile does not link with the entry: %v", err)
	}
}
