package collect

import (
	"github.com/eptop/eptop/internal/cgroup"
	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/sock"
)

// sockstat reads the kernel's own sums, which say nothing about structures.
func (l *look) sockstat() {
	start := l.now()
	st, err := sock.ReadSockstat(l.opts.ProcRoot)
	if err == nil {
		l.sample.Sockstat = maybe.Some(st)
		if marks, err := sock.ReadMarks(l.opts.ProcRoot, "tcp_mem"); err == nil {
			l.sample.TCPMem = maybe.Some(marks)
		}
	}
	number := func(name string) maybe.Of[int64] {
		n, err := sock.ReadLimit(l.opts.ProcRoot, name)
		return maybe.When(n, err == nil)
	}
	l.sample.NetworkLimits = model.NetworkLimits{
		Conntrack: number("netfilter/nf_conntrack_count"), MostConntrack: number("netfilter/nf_conntrack_max"), MostOrphans: number("ipv4/tcp_max_orphans"),
	}
	l.source("sockstat", l.now().Sub(start), err)
}

// cgroup reads how much is charged to the memory cgroup of the attached process.
func (l *look) cgroup() {
	if len(l.focus.PIDs) != 1 {
		return
	}
	pid := l.focus.PIDs[0]
	m, err := cgroup.ReadMemory(l.opts.ProcRoot, pid)
	if err != nil {
		return
	}
	amount := func(a maybe.Of[uint64]) maybe.Of[int64] { return maybe.When(int64(a.Value), a.Known) }
	l.sample.Cgroup = maybe.Some(model.Cgroup{
		PID: pid, Version: m.Version, Dir: m.Dir, KernelBytes: amount(m.KernelBytes), SlabBytes: amount(m.SlabBytes), SockBytes: amount(m.SockBytes),
	})
}
