package collect

import (
	"errors"
	"io/fs"
	"math"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/sock"
)

// loadLimits reads the limits of eptop itself, of the processes it would start and of
// the network namespace it is in, where they are wanted. A captured tree has no such
// limits.
func (l *look) loadLimits() {
	if !l.live || !l.focus.Limits {
		return
	}
	out := model.LoadLimits{UID: os.Getuid()}
	var errs []error
	number := func(to *maybe.Of[int64], name string, field int) {
		n, err := l.number(name, field)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
		*to = n
	}
	took := l.timed(func() {
		var nofile unix.Rlimit
		if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &nofile); err == nil {
			out.Nofile = maybe.Some(int64(min(nofile.Max, math.MaxInt64)))
		}
		number(&out.PortLow, "sys/net/ipv4/ip_local_port_range", 0)
		number(&out.PortHigh, "sys/net/ipv4/ip_local_port_range", 1)
		number(&out.Backlog, "sys/net/core/somaxconn", 0)
		number(&out.Conntrack, "sys/net/netfilter/nf_conntrack_count", 0)
		number(&out.MostConntrack, "sys/net/netfilter/nf_conntrack_max", 0)
		var pids maybe.Of[int64]
		number(&out.MostTasks, "sys/kernel/threads-max", 0)
		number(&pids, "sys/kernel/pid_max", 0)
		if pids.Known && (!out.MostTasks.Known || pids.Value < out.MostTasks.Value) {
			out.MostTasks = pids
		}
		out.Tasks = l.tasks()
		limit, ok, err := sock.ReadCgroupLimit(l.opts.ProcRoot, os.Getpid())
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
		if ok {
			out.CgroupUsed, out.CgroupLimit = maybe.Some(int64(limit.Used)), maybe.Some(int64(limit.Limit))
		}
	})
	l.sample.LoadLimits = maybe.Some(out)
	l.source("load_limits", took, errors.Join(errs...))
}

// tasks returns how many tasks there are: the second number of loadavg's fourth field,
// 1/234.
func (l *look) tasks() maybe.Of[int64] {
	fields := strings.Fields(l.line("loadavg"))
	if len(fields) < 4 {
		return maybe.Of[int64]{}
	}
	_, all, _ := strings.Cut(fields[3], "/")
	n, err := strconv.ParseInt(all, 10, 64)
	return maybe.Of[int64]{Value: n, Known: err == nil}
}
