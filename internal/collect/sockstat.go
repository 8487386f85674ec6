package collect

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"

	"github.com/eptop/eptop/internal/cgroup"
	"github.com/eptop/eptop/internal/kernfile"
	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/sock"
	"github.com/eptop/eptop/internal/zone"
)

// sockstat reads the kernel's own sums, which say nothing about structures.
func (l *look) sockstat() {
	start := l.now()
	st, err := sock.ReadSockstat(l.opts.ProcRoot)
	l.sample.Sockstat = maybe.When(st, err == nil || st.TCP.InUse.Known)
	marks, errMarks := sock.ReadMarks(l.opts.ProcRoot, "tcp_mem")
	l.sample.TCPMem = maybe.When(marks, errMarks == nil)
	if errors.Is(errMarks, fs.ErrNotExist) { // in all namespaces but the first
		errMarks = nil
	}
	number := func(name string) maybe.Of[int64] {
		n, err := sock.ReadLimit(l.opts.ProcRoot, name)
		return maybe.When(n, err == nil)
	}
	l.sample.NetworkLimits = model.NetworkLimits{
		Conntrack: number("netfilter/nf_conntrack_count"), MostConntrack: number("netfilter/nf_conntrack_max"), MostOrphans: number("ipv4/tcp_max_orphans"),
		MostBacklog: number("core/somaxconn"),
		Ports:       l.localPorts(),
	}
	l.source("sockstat", l.now().Sub(start), joined(err, errMarks))
}

// localPorts reads those that connect(2) chooses from in this network namespace.
func (l *look) localPorts() maybe.Of[model.LocalPorts] {
	read := func(name string) ([]byte, error) {
		return kernfile.ReadFile(filepath.Join(l.opts.ProcRoot, "sys/net/ipv4", name))
	}
	var out model.LocalPorts
	b, err := read("ip_local_port_range")
	line, whole := kernfile.Line(b)
	if n, errScan := fmt.Sscan(string(line), &out.Low, &out.High); !whole || err != nil || errScan != nil || n != 2 || out.Low < 1 || out.High > 65535 || out.Low > out.High {
		return maybe.Of[model.LocalPorts]{}
	}
	if b, err = read("ip_local_reserved_ports"); err == nil {
		out.Reserved, err = zone.ParseList(b)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return maybe.Of[model.LocalPorts]{}
	}
	b, err = read("tcp_tw_reuse")
	if line, whole = kernfile.Line(b); err == nil && whole {
		out.ReuseTimeWait, err = strconv.Atoi(string(line))
	}
	return maybe.When(out, err == nil)
}

// cgroup reads how much is charged to the memory cgroup of the attached process. That of a
// captured tree is not in the tree: its path is one of this machine's files.
func (l *look) cgroup() {
	if len(l.focus.PIDs) != 1 || !l.live {
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
