package model

import "slices"

// Restrict returns a snapshot whose Processes are only those that keep accepts.
// Everything about the host, its users and their sums stays whole.
func (s *Snapshot) Restrict(keep func(*Process) bool) *Snapshot {
	out := *s
	out.Processes = make([]Process, 0, len(s.Processes))
	for i := range s.Processes {
		if keep(&s.Processes[i]) {
			out.Processes = append(out.Processes, s.Processes[i])
		}
	}
	return &out
}

// Cache returns the slab cache that has a name, its own or one that SLUB merged into
// it; nil where there is none.
func (s *Snapshot) Cache(name string) *Cache {
	for i := range s.Slab {
		if c := &s.Slab[i]; c.Name == name || slices.Contains(c.Aliases, name) {
			return c
		}
	}
	return nil
}

// Process returns the row of a PID, nil where there is none.
func (s *Snapshot) Process(pid int) *Process {
	for i := range s.Processes {
		if s.Processes[i].PID == pid {
			return &s.Processes[i]
		}
	}
	return nil
}
