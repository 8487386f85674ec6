package collect

import (
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
	var err error
	took := l.timed(func() { out, err = loadgen.ReadLimits(l.opts.ProcRoot) })
	l.sample.LoadLimits = maybe.Some(out)
	l.source("load_limits", took, err)
}
