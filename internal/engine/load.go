package engine

import (
	"context"
	"time"

	"github.com/eptop/eptop/internal/loadgen"
	"github.com/eptop/eptop/internal/model"
)

// opener opens, holds and closes connections: it is a measure.Experiment or an
// unmeasured.
type opener interface {
	// Set makes n the number of connections to hold; Settled waits until that many are
	// open, or until no more can be.
	Set(n int64)
	Settled(ctx context.Context) error
	Status() model.LoadStatus
	Load() *model.Load
	// Close closes all connections, ends all workers and waits for them. It may be
	// called again.
	Close() error
}

// load is the opener behind a pointer that is read and written atomically.
type load struct{ opener }

// unmeasured is a generator alone: it opens as fast as it can, and counts no slab
// objects.
type unmeasured struct {
	*loadgen.Generator
	plan model.LoadPlan
}

func openUnmeasured(plan model.LoadPlan) (opener, error) {
	gen, err := loadgen.New(plan.Config)
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

// isLoaded reports whether there are connections, or connections are wanted.
func isLoaded(s model.LoadStatus) bool { return s.Phase != model.LoadDrained || s.Wanted > 0 }

// isChanging reports whether connections are being opened or closed.
func isChanging(s model.LoadStatus) bool { return isLoaded(s) && s.Phase != model.LoadHolding }
