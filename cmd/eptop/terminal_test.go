package main

import (
	"fmt"
	"io"
	"math/rand/v2"
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
		{"--help", 0, "Usage"}, {"load --help", 0, "--connections"}, {"help measure", 0, "Usage"},
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

// TestTerminalFuzz drives the program itself with keys, the mouse, pastes, broken escape
// sequences and sizes, for a bounded number of them. It starts loads, which RLIMIT_NOFILE
// keeps small. FuzzDashboard of internal/ui goes further, without a terminal.
func TestTerminalFuzz(t *testing.T) {
	const events = 600
	r := rand.New(rand.NewPCG(uint64(events), 10))
	cmd := exec.Command("/bin/sh", "-c", `ulimit -n 250; exec "$0" --delay 0.1`, buildEptop(t))
	cmd.Env = append(os.Environ(), "NO_COLOR=", "TERM=xterm-256color")
	cmd.Dir = t.TempDir() // the key w writes files
	file, err := pty.StartWithSize(cmd, &pty.Winsize{Cols: 120, Rows: 40})
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var text strings.Builder
	more := make(chan string, 1<<14) // so that reading never waits for writing
	go func() {
		defer close(more)
		for buf := make([]byte, 1<<16); ; {
			n, err := file.Read(buf)
			if n > 0 {
				more <- string(buf[:n])
			}
			if err != nil {
				return
			}
		}
	}()
	// drawn waits for what is drawn next.
	drawn := func() bool {
		s, ok := <-more
		text.WriteString(s)
		return ok
	}
	resize := func(cols, rows int) {
		if err := pty.Setsize(file, &pty.Winsize{Cols: uint16(cols), Rows: uint16(rows)}); err != nil {
			t.Fatal(err)
		}
	}
	for !strings.Contains(text.String(), "\x1b[?1049h") && drawn() {
	}
	keys := []string{
		"1", "2", "3", "4", "5", "6", "6s", "y", "\r", "+", "-", "d", "300", "\x7f\x7f", "\t", "\x1b[Z", "\x1b[A", "\x1b[B", "\x1b[C", "\x1b[D", "\x1b[5~", "\x1b[6~",
		"g", "G", "\x1b", "p", "/", "s", "<", ">", "R", "e", "m", "n", "v", " ", "r", "F", "?", "j", "k", "x", "0", "1e9", "é世", "\xff", "\x00", "\x1b[", "\x1bO",
		"\x1b[999~", "\x1b]0;x\x07", "\x1b[200~paste\n\x1b[31m\x1b[201~", "\x1b[I", "\x1b[O", "\x1b[?1;2c", "\x1b[12;40R", "\x1b]11;rgb:ffff/ffff/ffff\x1b\\", "\x1b[?2026;2$y",
		"\x1b[1;5A", "w", strings.Repeat("a", 50),
	}
	write := func(keys string) {
		if _, err := file.WriteString(keys); err != nil {
			t.Fatal(err)
		}
	}
	for i := range events {
		switch r.IntN(10) {
		case 0:
			resize(r.IntN(200), r.IntN(70))
		case 1:
			resize(r.IntN(4), r.IntN(4))
		case 2:
			write(fmt.Sprintf("\x1b[<%d;%d;%d%c", []int{0, 1, 2, 32, 64, 65, 128, 999}[r.IntN(8)], r.IntN(210), r.IntN(80), "Mm"[r.IntN(2)]))
		default:
			write(keys[r.IntN(len(keys))])
		}
		if i%10 == 0 {
			resize(100+i%20, 40) // which is drawn, whatever is on screen
			drawn()
		}
	}
	// Whatever it is in the middle of, Ctrl-C leaves.
	resize(120, 40)
	write("\x1b\\\x1b[201~\x03")
	for drawn() {
	}
	_ = cmd.Wait()
	printed := text.String()
	if code := cmd.ProcessState.ExitCode(); code != exitInterrupted || strings.Contains(printed, "went wrong") || strings.Contains(printed, "goroutine ") {
		t.Errorf("exit status %d; the end of what it printed: %s", code, printed[max(0, len(printed)-4000):])
	}
	for _, off := range []string{"\x1b[?1049l", "\x1b[?1002l", "\x1b[?25h", "\x1b[?2004l"} {
		if !strings.Contains(printed, off) {
			t.Errorf("%q was not written at the end", off)
		}
	}
}
