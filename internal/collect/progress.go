package collect

import (
	"sync/atomic"

	"github.com/eptop/eptop/internal/fdinfo"
	"github.com/eptop/eptop/internal/model"
)

// progress is how far the look under way is. It is read while the look goes on.
type progress struct {
	doing  atomic.Pointer[string]
	all    atomic.Int64 // processes
	listed fdinfo.Count
}

// Progress returns how far the look under way is. It may be called while Look runs.
func (c *Collector) Progress() model.Progress {
	p := &c.progress
	doing := p.doing.Load()
	if doing == nil {
		return model.Progress{}
	}
	return model.Progress{Doing: *doing, Listed: p.listed.Processes.Load(), Processes: p.all.Load(), Files: p.listed.Files.Load()}
}

// doing notes what the look reads now.
func (l *look) doing(what string) { l.progress.doing.Store(&what) }

// step returns f as a step that notes what it reads.
func (l *look) step(what string, f func()) func() {
	return func() {
		l.doing(what)
		f()
	}
}
