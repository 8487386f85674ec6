package model

import (
	"iter"
	"slices"
)

// Restrict returns a snapshot whose Processes are only those that keep accepts.
// Findings about other processes are left out too. Everything about the host, its users
// and their sums stays whole.
func (s *Snapshot) Restrict(keep func(*Process) bool) *Snapshot {
	out := *s
	foreign := func(f Finding) bool {
		if f.PID == 0 {
			return false
		}
		p := s.Process(f.PID)
		return p == nil || !keep(p)
	}
	out.Findings = slices.DeleteFunc(slices.Clone(s.Findings), foreign)
	out.FindingsEnded = slices.DeleteFunc(slices.Clone(s.FindingsEnded), foreign)
	out.Processes, out.Others = make([]Process, 0, len(s.Processes)), slices.Clone(s.Others)
	for i := range s.Processes {
		if keep(&s.Processes[i]) {
			out.Processes = append(out.Processes, s.Processes[i])
		} else {
			out.Others = append(out.Others, s.Processes[i])
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

// all iterates over the processes, those that Restrict left out among them.
func (s *Snapshot) all() iter.Seq[*Process] {
	return func(yield func(*Process) bool) {
		for _, list := range [][]Process{s.Processes, s.Others} {
			for i := range list {
				if !yield(&list[i]) {
					return
				}
			}
		}
	}
}
