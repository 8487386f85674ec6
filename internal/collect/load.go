package collect

import (
	"errors"
	"io/fs"
	"os"

	"github.com/eptop/eptop/internal/cgroup"
	"github.com/eptop/eptop/internal/loadgen"
	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/model"
)

// loadLimits reads the limits of eptop itself, of the processes it would start and of
// the network namespace it is in, where they are wanted. A captured tree has no such
// limits.
func (l *look) loadLimits() {
	if !l.live || !l.focus.Limits {
		return
	}
	var out model.LoadLimits
	var err, errCgroup error
	took := l.timed(func() {
		out, err = loadgen.ReadLimits(l.opts.ProcRoot)
		var limit maybe.Of[cgroup.Limit]
		limit, errCgroup = cgroup.ReadLimit(l.opts.ProcRoot, os.Getpid())
		if c, ok := limit.Get(); ok {
			out.CgroupUsed, out.CgroupLimit = maybe.Some(int64(c.UsedBytes)), maybe.Some(int64(c.MostBytes))
		}
	})
	l.sample.LoadLimits = maybe.Some(out)
	if errors.Is(errCgroup, fs.ErrNotExist) {
		errCgroup = nil
	}
	l.source("load_limits", took, joined(err, errCgroup))
}
