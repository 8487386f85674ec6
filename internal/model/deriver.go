package model

// Deriver makes a Snapshot of each Sample, one after the other: what a look means
// depends on the looks before it too. It does no I/O and reads no clock; the Samples
// carry their times. The zero Deriver has seen no look. It is not safe for concurrent
// use; the Snapshots it made are.
type Deriver struct{}

// Derive says what a look means.
func (d *Deriver) Derive(s *Sample) *Snapshot { return derive(s) }

// New says what a single look means, with none before it.
func New(s *Sample) *Snapshot { return new(Deriver).Derive(s) }
