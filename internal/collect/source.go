package collect

import (
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
	// themselves cannot be listed. It leaves out what only it could know: a field that
	// a source has no value for is absent.
	look(l *look) error
	// attach checks that a process can be looked into; see Collector.Attach.
	attach(l *look, pid int) error
	// close gives back what is kept open between looks.
	close()
}

// newSource opens the source that was asked for.
func newSource(opts Options) (source, error) {
	switch opts.Source {
	case "", SourceAuto, SourceProc:
		return newProcSource(opts.ProcRoot)
	case SourceBPF:
		return nil, fmt.Errorf("source bpf: %w", noBPF{})
	}
	return nil, fmt.Errorf("source %q: not %s, %s or %s", opts.Source, SourceAuto, SourceProc, SourceBPF)
}
