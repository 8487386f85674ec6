package collect

import (
	"cmp"
	"errors"
	"io/fs"
	"path"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/eptop/eptop/internal/cgroup"
	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/model"
)

const (
	// cgroupsEvery is how often the cgroups of processes are looked at: memory.stat makes the
	// kernel add up what all CPUs counted.
	cgroupsEvery = 5 * time.Second
	// mostCgroupProcesses are those with most files; what was asked for comes first.
	mostCgroupProcesses = 64
)

// cgroupLimits are the limits of the cgroups of processes as they were last read.
type cgroupLimits struct {
	at    time.Time
	asked []int
	list  []model.CgroupLimits
	took  time.Duration
	err   error
}

// cgroupLimits reads the limits that the largest processes come to first. Those of a
// captured tree are not in the tree: their paths are of this machine's files.
func (l *look) cgroupLimits() {
	if !l.live {
		return
	}
	c := &l.cgroups
	due := c.at.IsZero() || l.start.Sub(c.at) >= cgroupsEvery || !slices.Equal(c.asked, l.sample.Asked)
	if due && !(l.focus.Quiet && !c.at.IsZero()) {
		c.took = l.timed(func() { c.list, c.err = l.readCgroupLimits() })
		c.at, c.asked = l.start, slices.Clone(l.sample.Asked)
	}
	l.sample.CgroupLimits = c.list
	l.source("cgroups", c.took, c.err)
}

func (l *look) readCgroupLimits() ([]model.CgroupLimits, error) {
	finder, err := cgroup.NewFinder(l.opts.ProcRoot)
	if err != nil {
		return nil, err
	}
	var places []cgroup.Place
	pids := map[cgroup.Place][]int{}
	var errs problems
	for _, pid := range l.largest() {
		at, err := finder.Find(pid)
		switch {
		case errors.Is(err, fs.ErrNotExist): // it has ended, or this kernel has no cgroups
			continue
		case err != nil:
			errs.add(err)
			continue
		}
		if pids[at] == nil {
			places = append(places, at)
		}
		pids[at] = append(pids[at], pid)
	}
	limit := func(l maybe.Of[cgroup.Limit], err error, file string) maybe.Of[model.CgroupLimit] {
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs.add(err)
		}
		v := l.Value
		return maybe.When(model.CgroupLimit{
			Used: int64(v.Used), Most: int64(v.Most), Version: v.Version, Dir: v.Dir,
			ReadOnly: l.Known && unix.Access(path.Join(v.Dir, file), unix.W_OK) != nil,
		}, l.Known && err == nil)
	}
	var out []model.CgroupLimits
	for _, at := range places {
		c := model.CgroupLimits{PIDs: pids[at]}
		if at.Memory.Path != "" {
			n, err := at.Memory.MemoryLimit()
			c.Memory = limit(n, err, map[int]string{1: "memory.limit_in_bytes", 2: "memory.max"}[at.Memory.Version])
		}
		if at.Pids.Path != "" {
			n, err := at.Pids.PidsLimit()
			c.Pids = limit(n, err, "pids.max")
		}
		if c.Memory.Known || c.Pids.Known {
			out = append(out, c)
		}
	}
	return out, errs.join()
}

// largest are the processes that were asked for, and those with most files.
func (l *look) largest() []int {
	files := func(p *model.ProcessSample) int64 {
		list, _ := p.Files.Get()
		return max(p.FDs.Value, int64(len(list)))
	}
	list := make([]*model.ProcessSample, 0, len(l.sample.Processes))
	for i := range l.sample.Processes {
		if p := &l.sample.Processes[i]; p.ThreadOf == 0 && !p.Kernel {
			list = append(list, p)
		}
	}
	slices.SortStableFunc(list, func(a, b *model.ProcessSample) int {
		asked := func(p *model.ProcessSample) int { return slices.Index(l.sample.Asked, p.PID) }
		return cmp.Or(cmp.Compare(min(0, asked(b)), min(0, asked(a))), cmp.Compare(files(b), files(a)))
	})
	var pids []int
	for i, p := range list {
		if i < mostCgroupProcesses || slices.Contains(l.sample.Asked, p.PID) {
			pids = append(pids, p.PID)
		}
	}
	return pids
}
