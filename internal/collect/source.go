package collect

import (
	"cmp"
	"context"
	"fmt"
)

// The sources of files, watches and sockets: what --source takes.
const (
	SourceAuto = "auto"
	SourceProc = "proc"
	SourceBPF  = "bpf"
)

// source is where the files of processes, epoll instances, watches and sockets come
// from. Who a process is, slab caches, zones and limits have one source alone.
type source interface {
	// look fills in the Sample's Processes, Instances and Networks with the names of
	// their users, AllProcesses, Hidden and what Guest says of listing and reading,
	// and adds how reading went to Sources. It fails only where the processes
	// themselves cannot be listed, and with ctx.Err() where ctx ends. It leaves out what only it could know: a field that
	// a source has no value for is absent.
	look(ctx context.Context, l *look) error
	// attach checks that a process can be looked into; see Collector.Attach.
	attach(l *look, pid int) error
	// close gives back what is kept open between looks.
	close()
}

// CheckSource says why a source cannot be had, whatever the machine.
func CheckSource(name string) error {
	switch name {
	case SourceAuto, SourceProc:
		return nil
	case SourceBPF:
		return fmt.Errorf("%s: %w", name, noBPF{})
	}
	return fmt.Errorf("%q: not %s, %s or %s", name, SourceAuto, SourceProc, SourceBPF)
}

// newSource opens the source that was asked for.
func newSource(opts Options) (source, error) {
	if err := CheckSource(cmp.Or(opts.Source, SourceAuto)); err != nil {
		return nil, fmt.Errorf("source %w", err)
	}
	return newProcSource(opts.ProcRoot)
}
