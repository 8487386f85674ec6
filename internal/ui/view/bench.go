package view

import "github.com/eptop/eptop/internal/lab"

// Bench tries epoll's rules, one experiment after another. None of its methods waits for one.
type Bench interface {
	// Try ends the experiment that runs and starts another one.
	Try(*lab.Experiment)
	// Release lets a held experiment go on.
	Release()
	State() lab.State
}

// BenchUser is implemented by the view that tries experiments.
type BenchUser interface {
	// SetBench is called once, before the first look.
	SetBench(Bench)
}

// OpenLabMsg brings the view of the experiments on screen.
type OpenLabMsg struct{}
