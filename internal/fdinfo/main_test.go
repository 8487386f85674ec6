package fdinfo

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/eptop/eptop/internal/epoll"
)

// roleEnv names what this binary does when a test starts it again as a child.
const roleEnv = "FDINFO_TEST_ROLE"

var roles = map[string]func() error{
	"hold":     holdUntilTold,
	"stranger": lookAsStranger,
}

func TestMain(m *testing.M) {
	if role, ok := roles[os.Getenv(roleEnv)]; ok {
		if err := role(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	before, err := openDescriptors()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	if err := goleak.Find(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	if after, err := openDescriptors(); err != nil || after > before {
		fmt.Fprintf(os.Stderr, "%d descriptors were open before the tests and %d after them: %v\n", before, after, err)
		code = 1
	}
	os.Exit(code)
}

// openDescriptors counts the open descriptors of this process. It makes a pipe first,
// so that those the Go runtime keeps for its poller exist already.
func openDescriptors() (int, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	defer r.Close()
	defer w.Close()
	entries, err := os.ReadDir("/proc/self/fd")
	return len(entries), err
}

// readEpoll reads the fdinfo file of an epoll once.
func readEpoll(r *Reader, f *FS, pid, fd int, dst []epoll.Watch) ([]epoll.Watch, time.Duration, error) {
	file, err := f.OpenEpoll(pid, fd)
	if err != nil {
		return dst, 0, err
	}
	defer file.Close()
	return r.ReadFile(file, dst)
}

// judgeAlone judges the watches of an epoll that one process holds, as if there were no
// other. l may be nil.
func judgeAlone(f *FS, pid, epfd int, watches []epoll.Watch, l *Listing, budget time.Duration) JudgeStats {
	return f.JudgeShared([]View{{epoll.Holder{PID: pid, FD: epfd}, l}}, Others{Everybody: true}, watches, budget)
}

// sharing describes who holds an instance, as far as its holders show.
func sharing(i *Instance) string {
	for _, h := range i.Holders {
		if h.PID != i.Holders[0].PID {
			return "shared"
		}
	}
	if !i.Comparable {
		return "unknown"
	}
	return "unshared"
}

// child starts this binary in a role, with files as its descriptors from 3 on.
func child(role string, files ...*os.File) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe")
	// The race detector would let the child sleep a second before it ends.
	cmd.Env = append(os.Environ(), roleEnv+"="+role, "GORACE=atexit_sleep_ms=0")
	cmd.Stderr = os.Stderr
	cmd.ExtraFiles = files
	return cmd
}

// holdUntilTold says that it runs, and ends with its standard input.
func holdUntilTold() error {
	fmt.Println("ready")
	_, err := io.Copy(io.Discard, os.Stdin)
	return err
}

// startHolder starts a child that holds files until the test ends.
func startHolder(t *testing.T, files ...*os.File) (pid int) {
	t.Helper()
	cmd := child("hold", files...)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stdin.Close()
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	})
	ready := make([]byte, len("ready\n"))
	if _, err := io.ReadFull(stdout, ready); err != nil {
		t.Fatal(err)
	}
	return cmd.Process.Pid
}
