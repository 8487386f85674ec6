package view

import "github.com/eptop/eptop/internal/model"

// Loader drives the load generator. None of its methods waits for connections.
type Loader interface {
	// Start opens what plan says, measuring while it does. It fails where a load is
	// already there, or the plan makes no sense.
	Start(plan model.LoadPlan) error
	// Set makes n the number of connections that are to be open; 0 drains.
	Set(n int64)
	// Load is how far it is; nil before the first start. It takes a few
	// milliseconds.
	Load() *model.Load
}
