// Command eptop shows what epoll and sockets cost in kernel memory. This package
// parses flags and wires an engine to the front ends; it knows nothing else.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"syscall"

	"github.com/eptop/eptop/internal/collect"
	"github.com/eptop/eptop/internal/lab"
	"github.com/eptop/eptop/internal/loadgen"
)

// version and date, of the commit, are set by the Makefile.
var (
	version = "dev"
	date    string
)

// Exit codes other programs may rely on.
const (
	exitFailed      = 1
	exitUsage       = 2
	exitTarget      = 3 // the target is gone or may not be read
	exitBreached    = 4 // a check is breached, or the kernel differs from the manual
	exitInterrupted = 130
)

func main() {
	loadgen.RunIfWorker()
	lab.RunIfWorker()
	loadgen.SpareMemory()
	os.Exit(run())
}

func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	// The first signal asks, the second one ends eptop wherever it is.
	context.AfterFunc(ctx, stop)
	out := &output{w: os.Stdout}
	if stdoutFlags < 0 {
		out.w = closed{}
	}
	root := newRoot()
	root.SetOut(out)
	err := root.ExecuteContext(ctx)
	if out.err != nil {
		err = out.err
	}
	printError(os.Stderr, err)
	return exitCode(ctx, err)
}

// output is standard output. It remembers the first error, since cobra drops what
// writing a help, a version or a completion script returned.
type output struct {
	w   io.Writer
	err error
}

// closed is a standard output that is none.
type closed struct{}

func (closed) Write([]byte) (int, error) {
	return 0, &fs.PathError{Op: "write", Path: "/dev/stdout", Err: fs.ErrClosed}
}

func (o *output) Write(b []byte) (int, error) {
	n, err := o.w.Write(b)
	if o.err == nil {
		o.err = err
	}
	return n, err
}

// printError writes one plain line: scripts and logs read it too. Whoever stopped
// eptop, or stopped reading it, knows.
func printError(w io.Writer, err error) {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, syscall.EPIPE) || errors.As(err, &breachError{}) {
		return
	}
	fmt.Fprintf(w, "eptop: %v\n", err)
}

// usageError marks an error in how eptop was called.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error {
	return usageError{fmt.Errorf(format, args...)}
}

func exitCode(ctx context.Context, err error) int {
	var usage usageError
	switch {
	case err == nil && ctx.Err() == nil:
		return 0
	case ctx.Err() != nil, errors.Is(err, context.Canceled):
		return exitInterrupted
	case errors.As(err, &usage):
		return exitUsage
	case errors.As(err, &breachError{}):
		return exitBreached
	case errors.Is(err, collect.ErrGone), errors.Is(err, collect.ErrDenied), errors.Is(err, collect.ErrKernelThread):
		return exitTarget
	case errors.Is(err, errDifferent):
		return exitBreached
	}
	return exitFailed
}
