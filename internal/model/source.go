package model

import "time"

// State is what became of a source of data. Absent, denied and failed are
// three things, and none of them is a zero.
type State string

// The states of a source.
const (
	OK     State = "ok"
	Denied State = "denied" // it exists and this user may not read it
	Absent State = "absent" // this kernel or machine does not have it
	Failed State = "failed" // it was read and could not be understood
)

// Source is one place eptop reads from, and how that went.
type Source struct {
	// Name is fdinfo, bpf, sock_diag, sockstat, slabinfo, slab_sysfs, btf,
	// zoneinfo, nodes, dmi, or one of meminfo, protocols and limits.
	Name  string `json:"name"`
	State State  `json:"state"`
	// Detail says in a sentence what is missing or went wrong; empty when all
	// of it was read.
	Detail string `json:"detail,omitempty"`
	// Remedy is the one command that would unlock it; empty where none would.
	Remedy string `json:"remedy,omitempty"`
	// Took is the wall time of the last read.
	Took time.Duration `json:"took_ns"`
	// Used is, of bpf and fdinfo, which of the two the files, watches and sockets come
	// from: bpf or proc.
	Used string `json:"used,omitempty"`
}

// Origin says how a number came about.
type Origin string

// The origins, from the strongest to the weakest.
const (
	// Measured: the running kernel reports this very number: its allocator does, or
	// it lists the things themselves. Or an experiment on this machine gave it.
	Measured Origin = "measured"
	// Derived: computed from numbers that the running kernel reports.
	Derived Origin = "derived"
	// Estimated: at least one part is an assumption about this kernel.
	Estimated Origin = "estimated"
)

// weakest is the origin of a sum: that of its weakest part.
func weakest(a, b Origin) Origin {
	rank := func(o Origin) int {
		switch o {
		case Measured:
			return 0
		case Derived:
			return 1
		}
		return 2
	}
	if rank(a) >= rank(b) {
		return a
	}
	return b
}
