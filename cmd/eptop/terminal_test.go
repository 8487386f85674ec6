package main

import (
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/creack/pty"
)

// onTerminal runs eptop on a terminal that answers nothing, and returns what it printed
// and its exit status.
func onTerminal(t *testing.T, eptop string, env, args []string) (string, int) {
	t.Helper()
	cmd := exec.Command(eptop, args...)
	cmd.Env = append(append(os.Environ(), "NO_COLOR=", "TERM=xterm-256color"), env...)
	file, err := pty.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	text, _ := io.ReadAll(file) // ends with an error once the terminal has no other side
	_ = cmd.Wait()
	return string(text), cmd.ProcessState.ExitCode()
}

// TestTerminalIsNotAsked: a help, a version and an error are plain text. A terminal that
// never answers a query would keep them waiting.
func TestTerminalIsNotAsked(t *testing.T) {
	eptop := buildEptop(t)
	for _, c := range []struct {
		args string
		code int
		text string
	}{
		{"--help", 0, "USAGE"}, {"load --help", 0, "--connections"}, {"help measure", 0, "USAGE"},
		{"-V", 0, "eptop "}, {"completion bash", 0, "complete"}, {"man", 0, ".TH EPTOP"},
		{"bogus", 2, "unknown command"}, {"--nix", 2, "unknown flag"}, {"--pid x", 2, "not a process number"},
		{"--pid 1073741824", 3, "no such process"}, {"snapshot --pid 1073741824", 3, "no such process"},
		{"load -c 0", 2, "connections"}, {"--path.procfs /nowhere", 1, "no such file"},
		{"snapshot", 0, "epoll"}, {"snapshot --json", 0, "eptop.snapshot"},
	} {
		for _, env := range []string{"TERM=xterm-256color", "TERM=dumb", "NO_COLOR=1"} {
			text, code := onTerminal(t, eptop, []string{env}, strings.Fields(c.args))
			if code != c.code || !strings.Contains(text, c.text) {
				t.Errorf("%s: eptop %s: exit status %d, want %d\n%s", env, c.args, code, c.code, text)
			}
			// Progress of a slow look may rewrite its line.
			if rest := strings.ReplaceAll(text, "\r\x1b[K", ""); strings.Contains(rest, "\x1b") {
				t.Errorf("%s: eptop %s writes escape sequences: %q", env, c.args, text)
			}
		}
	}
}
