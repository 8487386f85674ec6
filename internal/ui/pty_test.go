package ui

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"go.uber.org/goleak"

	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/ui/viewtest"
)

// childEnv makes the test binary run the dashboard: its value says what a look does.
const childEnv = "EPTOP_UI_CHILD"

func TestMain(m *testing.M) {
	if how := os.Getenv(childEnv); how != "" {
		os.Exit(child(how))
	}
	goleak.VerifyTestMain(m)
}

// child runs a dashboard that shows a made-up machine, whose host name is the PID of the
// child.
func child(how string) int {
	looks := 0
	opts := Options{
		Delay: 50 * time.Millisecond, Version: "test",
		Look: func(context.Context, Focus) (*model.Snapshot, error) {
			if how == "panic" {
				panic("a collector's mistake")
			}
			if looks++; looks > 1 && how == "stuck" {
				select {}
			}
			s := viewtest.Rich()
			s.Host.Hostname = "pid-" + strconv.Itoa(os.Getpid()) + "-"
			return s, nil
		},
		// Nobody may change a snapshot: the next frame falls over it.
		Save: func(s *model.Snapshot) (string, error) {
			s.Processes = s.Processes[:1]
			return "", nil
		},
	}
	switch err := Run(context.Background(), opts); {
	case errors.Is(err, ErrInterrupted):
		return 130
	case err != nil:
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// terminal is a shell in a pseudo-terminal that runs the child.
type terminal struct {
	t    *testing.T
	file *os.File

	mu    sync.Mutex
	out   bytes.Buffer
	more  chan struct{} // something was added to out, or it ended
	ended bool
}

// open runs a shell script in a terminal of 80x24; in it "$0" is the dashboard.
func open(t *testing.T, how, script string) *terminal {
	t.Helper()
	if _, err := exec.LookPath("stty"); err != nil {
		t.Skip("needs stty: install coreutils")
	}
	cmd := exec.Command("/bin/sh", "-c", script, os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+how, "TERM=xterm-256color", "NO_COLOR=")
	file, err := pty.StartWithSize(cmd, &pty.Winsize{Cols: 80, Rows: 24})
	if err != nil {
		t.Fatal(err)
	}
	x := &terminal{t: t, file: file, more: make(chan struct{}, 1)}
	read := make(chan struct{})
	go func() {
		defer close(read)
		x.read()
	}()
	t.Cleanup(func() {
		// On Linux the read ends with an error once the last holder is gone.
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = file.Close()
		<-read
	})
	return x
}

func (x *terminal) read() {
	buf := make([]byte, 1<<16)
	for {
		n, err := x.file.Read(buf)
		x.mu.Lock()
		x.out.Write(buf[:n])
		x.ended = err != nil
		x.mu.Unlock()
		select {
		case x.more <- struct{}{}:
		default:
		}
		if err != nil {
			return
		}
	}
}

// expect waits until all of a pattern's groups came, forgets what came before
// their end, and returns the groups.
func (x *terminal) expect(pattern string) []string {
	x.t.Helper()
	re := regexp.MustCompile(pattern)
	late := time.After(30 * time.Second)
	for {
		x.mu.Lock()
		out, ended := x.out.Bytes(), x.ended
		if at := re.FindSubmatchIndex(out); at != nil {
			var groups []string
			for i := 0; i < len(at); i += 2 {
				groups = append(groups, string(out[at[i]:at[i+1]]))
			}
			x.out.Next(at[1])
			x.mu.Unlock()
			return groups
		}
		rest := string(out)
		x.mu.Unlock()
		if ended {
			x.t.Fatalf("the terminal ended without %q; the rest: %q", pattern, rest)
		}
		select {
		case <-x.more:
		case <-late:
			x.t.Fatalf("waited in vain for %q; the rest: %q", pattern, rest)
		}
	}
}

func (x *terminal) press(keys string) {
	x.t.Helper()
	if _, err := x.file.WriteString(keys); err != nil {
		x.t.Fatal(err)
	}
}

// resize also makes the dashboard draw every line anew, so that words come in
// one piece.
func (x *terminal) resize(cols, rows uint16) {
	x.t.Helper()
	if err := pty.Setsize(x.file, &pty.Winsize{Cols: cols, Rows: rows}); err != nil {
		x.t.Fatal(err)
	}
}

// begun waits for the first frame and returns the terminal's modes before it
// and the child's PID.
func (x *terminal) begun() (modes string, pid int) {
	x.t.Helper()
	modes = x.expect(`MODES ([0-9a-f:]+)`)[1]
	all := x.expect(`(?s)\x1b\[\?1049h.*pid-(\d+)-`)
	if !strings.Contains(all[0], "\x1b[?1002h") {
		x.expect(`\x1b\[\?1002h`)
	}
	pid, err := strconv.Atoi(all[1])
	if err != nil {
		x.t.Fatal(err)
	}
	return modes, pid
}

// over waits for the end and fails unless the terminal is as it was: the
// screen, the mouse, the cursor, the modes.
func (x *terminal) over(modes, word string) {
	x.t.Helper()
	got := x.expect(`(?s)^(.*)` + word + `\s+MODES ([0-9a-f:]+)`)
	if strings.Contains(got[1], "\x1b]2;") || strings.Contains(got[1], "\x1b]0;") {
		x.t.Errorf("the window's title was changed: %q", got[1])
	}
	for _, off := range []string{"\x1b[?1049l", "\x1b[?1002l", "\x1b[?1006l", "\x1b[?25h", "\x1b[?2004l"} {
		if !strings.Contains(got[1], off) {
			x.t.Errorf("%q was not written: %q", off, got[1])
		}
	}
	if i, j := strings.LastIndex(got[1], "\x1b[?1049h"), strings.LastIndex(got[1], "\x1b[?1049l"); i > j {
		x.t.Error("the alternate screen is left on")
	}
	if got[2] != modes {
		x.t.Errorf("the terminal's modes are\n%s and were\n%s", got[2], modes)
	}
}

// plain runs the dashboard between two prints of the terminal's modes.
const plain = `echo MODES $(stty -g); "$0"; echo "ENDED $?" MODES $(stty -g)`

func TestTerminalKeys(t *testing.T) {
	x := open(t, "look", plain)
	modes, _ := x.begun()
	x.press("2")
	x.resize(100, 30)
	x.expect(`known23`)
	x.press(" ")
	x.resize(120, 30)
	x.expect(`FROZEN`)
	x.resize(20, 8)
	x.expect(`60x15`)
	x.resize(80, 24)
	x.expect(`FROZEN`)
	x.press("q")
	x.over(modes, "ENDED 0")
}

func TestTerminalIsRestored(t *testing.T) {
	kill := func(sig syscall.Signal) func(*terminal, int) {
		return func(x *terminal, pid int) {
			if err := syscall.Kill(pid, sig); err != nil {
				x.t.Error(err)
			}
		}
	}
	for name, c := range map[string]struct {
		end  func(*terminal, int)
		word string
	}{
		"q":       {func(x *terminal, _ int) { x.press("q") }, "ENDED 0"},
		"Ctrl-C":  {func(x *terminal, _ int) { x.press("\x03") }, "ENDED 130"},
		"SIGINT":  {kill(syscall.SIGINT), "ENDED 130"},
		"SIGTERM": {kill(syscall.SIGTERM), "ENDED 130"},
		"SIGHUP":  {kill(syscall.SIGHUP), "ENDED 130"},
		"SIGQUIT": {kill(syscall.SIGQUIT), "ENDED 130"},
		"a panic while drawing": {func(x *terminal, _ int) {
			x.press("2w")
			x.expect(`eptop went wrong: runtime error`)
			x.press("q")
		}, `went wrong inside eptop.*ENDED 1`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x := open(t, "look", plain)
			modes, pid := x.begun()
			c.end(x, pid)
			x.over(modes, c.word)
		})
	}
}

func TestTerminalSurvivesAPanicInALook(t *testing.T) {
	x := open(t, "panic", plain)
	modes := x.expect(`MODES ([0-9a-f:]+)`)[1]
	x.expect(`mistake`)
	x.resize(100, 30)
	x.expect(`mistake`)
	x.press("q")
	x.over(modes, "ENDED 0")
}

// TestTerminalSuspends runs the dashboard under a shell with job control:
// Ctrl-Z gives the shell its terminal back, fg draws the dashboard again.
func TestTerminalSuspends(t *testing.T) {
	x := open(t, "look", `set -m; echo MODES $(stty -g); "$0"; echo STOPPED MODES $(stty -g); read x; fg; echo "ENDED $?" MODES $(stty -g)`)
	modes, _ := x.begun()
	x.press("2")
	x.resize(100, 30)
	x.expect(`known23`)
	x.press("\x1a")
	x.over(modes, "STOPPED")
	x.press("\n")
	x.expect(`\x1b\[\?1049h`)
	x.resize(90, 30)
	x.expect(`known23`)
	x.press("q")
	x.over(modes, "ENDED 0")
}

// TestTerminalCloses: a dashboard does not outlive its terminal.
func TestTerminalCloses(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"=look", "TERM=xterm-256color", "NO_COLOR=")
	file, err := pty.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	var out []byte
	for buf := make([]byte, 1<<16); !bytes.Contains(out, []byte("pid-")); {
		n, err := file.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, buf[:n]...)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // the test's own timeout ends a wait in vain
	if code := cmd.ProcessState.ExitCode(); code != 130 {
		t.Errorf("exit status %d, want 130", code)
	}
}

// TestTerminalTwoSignals: where the first signal is not enough, since a look does not end,
// the second one is, and leaves the terminal as it was.
func TestTerminalTwoSignals(t *testing.T) {
	x := open(t, "stuck", plain)
	modes, pid := x.begun()
	for range 2 {
		if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
			t.Error(err)
		}
	}
	x.over(modes, "ENDED 130")
}
