package sock

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"
)

// TestMain fails the run when a goroutine or a descriptor is left over. A program
// that was started again by a test does what it is told instead (workerMain).
func TestMain(m *testing.M) {
	if role := os.Getenv(workerEnv); role != "" {
		workerMain(role)
		return
	}
	before := openFDs()
	code := m.Run()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, "leaked goroutine:", err)
			code = 1
		}
		// The runtime opens an epoll and an eventfd the first time it waits for
		// a descriptor, and keeps them.
		const ofTheRuntime = 2
		if after := openFDs(); len(after) > len(before)+ofTheRuntime {
			fmt.Fprintf(os.Stderr, "leaked descriptors: %v before, %v after\n", before, after)
			code = 1
		}
	}
	os.Exit(code)
}

func openFDs() []string {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return nil
	}
	var out []string
	for _, e := range entries {
		if link, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil {
			out = append(out, link)
		}
	}
	return out
}
