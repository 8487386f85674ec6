package engine

import (
	"context"
	"time"

	"github.com/eptop/eptop/internal/loadgen"
	"github.com/eptop/eptop/internal/measure"
	"github.com/eptop/eptop/internal/model"
)

// opener opens, holds and closes connections: a measure.Experiment, or an unmeasured.
type opener interface {
	// Set makes n the number of connections that are to be open; Settled waits until
	// they are, or cannot be.
	Set(n int64)
	Settled(ctx context.Context) error
	Status() model.LoadStatus
	Load() *model.Load
	// Close closes all connections, ends all workers, and waits for that. It may be
	// called again.
	Close() error
}

// load is the opener behind a pointer that is read and written atomically.
type load struct{ opener }

// unmeasured is a generator alone: it opens as fast as it goes, and counts no slab
// objects meanwhile.
type unmeasured struct {
	*loadgen.Generator
	plan model.LoadPlan
}

func openUnmeasured(plan model.LoadPlan) (opener, error) {
	gen, err := loadgen.New(plan.Config, measure.CgroupGuard(plan.Floor))
	if err != nil {
		return nil, err
	}
	gen.Set(plan.Connections)
	return unmeasured{gen, plan}, nil
}

// Load returns how far the connections are.
func (u unmeasured) Load() *model.Load {
	return &model.Load{Plan: u.plan, Time: time.Now(), Status: u.Status()}
}

// loaded reports whether there are connections, or there are to be.
func loaded(s model.LoadStatus) bool { return s.Phase != model.LoadDrained || s.Wanted > 0 }

// changing reports whether connections are being opened or closed.
func changing(s model.LoadStatus) bool { return loaded(s) && s.Phase != model.LoadHolding }
