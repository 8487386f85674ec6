//go:build vm

package vm

import (
	"fmt"
	"slices"
	"strings"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/eptop/eptop/internal/model"
)

// bothSources compares what eptop sees through BPF with what it sees through /proc.
func (c *comparison) bothSources(g *guest, dir string) {
	t := c.t
	t.Helper()
	if g.noBPF != "" {
		if said := string(readResult(t, dir, "sources/none")); !strings.HasPrefix(said, g.noBPF) {
			t.Errorf("without BPF eptop says %q, want %q", said, g.noBPF)
		}
		return
	}
	bpf, proc := readSources(c, dir, "sources/bpf"), readSources(c, dir, "sources/proc")
	c.same("proc", "source", "bpf", bpf.used)
	if bpf.Sockets == nil || proc.Sockets == nil {
		t.Fatal("no sockets")
	}
	for pid, p := range proc.processes {
		b := bpf.processes[pid]
		if b == nil {
			t.Errorf("pid %d (%s) is not seen through BPF", pid, p.Comm)
			continue
		}
		what := p.Comm + " "
		c.same("proc", what+"fds", p.FDs, b.FDs)
		c.same("proc", what+"sockets", p.Sockets, b.Sockets)
		c.same("proc", what+"watches", p.Watches, b.Watches)
		// Without sock_diag /proc knows no buffers and no UNIX peers.
		diag := p.KernelBytes.Buffers.Known
		if diag {
			c.same("proc", what+"buffers", p.KernelBytes.Buffers, b.KernelBytes.Buffers)
		}
		c.count("proc")
		if diff := gocmp.Diff(targetsOf(p, diag), targetsOf(b, diag)); diff != "" {
			t.Errorf("the watches of %s (-proc +bpf):\n%s", p.Comm, diff)
		}
	}
	c.atLeast(10, "proc")
}

// sources is a snapshot with its watches, without eptop itself and the guest's init, which
// reads what eptop prints.
type sources struct {
	*model.Snapshot
	used      string
	processes map[int]*model.Process
}

func readSources(c *comparison, dir, name string) sources {
	c.t.Helper()
	s := sources{Snapshot: readSnapshot(c.t, dir, name), processes: map[int]*model.Process{}}
	for _, src := range s.Sources {
		if src.Name == "bpf" {
			s.used = src.Used
		}
	}
	for i := range s.Processes {
		if p := &s.Processes[i]; p.Comm != "eptop" && p.PID != 1 {
			s.processes[p.PID] = p
		}
	}
	return s
}

// targetsOf are the watches of a process, one a line; peers, on request, are the other ends
// of sockets. Their state is left out: what they wait for comes and goes.
func targetsOf(p *model.Process, peers bool) []string {
	var out []string
	for i := range p.Epolls {
		e := &p.Epolls[i]
		for j := range e.Targets {
			w := &e.Targets[j]
			peer := w.Peer
			if !peers {
				peer = ""
			}
			out = append(out, fmt.Sprintf("epoll %d fd %d mask %x data %s ino %v sdev %v %s %s %v",
				e.FD, w.FD, w.Mask, w.Data, w.Ino.Value, w.Sdev.Value, w.Local, peer, slices.Contains(w.Notes, "stale")))
		}
	}
	slices.Sort(out)
	return out
}
