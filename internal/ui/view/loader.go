package view

import "github.com/eptop/eptop/internal/model"

// Loader controls the load generator. None of its methods waits for connections.
type Loader interface {
	// Start opens the connections of a plan, and measures what they cost. It fails if a
	// load is open already, or if the plan is not valid.
	Start(plan model.LoadPlan) error
	// Set changes the number of connections to n, by opening or closing some; 0 drains.
	Set(n int64)
	// Load returns the state of the load, or nil before the first start. It takes a few
	// milliseconds.
	Load() *model.Load
}
