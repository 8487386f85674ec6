package collect

import (
	"context"
	"fmt"
)

// The sources of files, watches and sockets: what --source takes.
const (
	SourceAuto = "auto"
	SourceProc = "proc"
	SourceBPF  = "bpf"
)

// source is where the fds of processes, epoll instances, watches and sockets come
// from. There is only one source of who a process is, and of slab caches, zones and
// limits.
type source interface {
	// look fills in the Sample's Processes, Instances and Networks with the names of
	// their users, AllProcesses, Coverage and what Guest says of listing and reading, and
	// adds to Sources how reading went. It fails only where the processes themselves
	// cannot be listed, and with ctx.Err() where ctx ends. A field that a source has no
	// value for stays absent.
	look(ctx context.Context, l *look) error
	// attach checks that a process can be looked into; see Collector.Attach.
	attach(l *look, pid int) error
	// close closes what is kept open between looks.
	close()
}

// CheckSource returns an error for what is no source.
func CheckSource(name string) error {
	switch name {
	case SourceAuto, SourceProc, SourceBPF:
		return nil
	}
	return fmt.Errorf("%q: not %s, %s or %s", name, SourceAuto, SourceProc, SourceBPF)
}
