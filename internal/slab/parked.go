package slab

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"

	"github.com/eptop/eptop/internal/kernfile"
)

// sheaves are arrays of free objects (struct slab_sheaf in mm/slub.c, since Linux 6.18; of
// every cache since 7.0). A CPU has up to sheavesPerCPU of them: main, spare and rcu_free of
// struct slub_percpu_sheaves. A node keeps MAX_FULL_SHEAVES more in its barn.
const (
	sheavesPerCPU  = 3
	sheavesPerNode = 10
)

// Parked is how many free objects of a cache may be where slabinfo counts them as active.
type Parked struct {
	// Sheaves is objects in the sheaves of all CPUs and nodes; 0 without sheaves.
	Sheaves int64
	// Slabs is objects on the slabs that a CPU keeps for itself: the one it allocates from and
	// its partial ones (cpu_partial). Linux 7.0 has none of these.
	Slabs int64
}

// Parked returns the most free objects of a cache that the CPUs and nodes of a machine may
// park, by sheaf_capacity, cpu_partial and objs_per_slab of /sys/kernel/slab (root only). An
// attribute that this kernel lacks counts as 0. It is fs.ErrNotExist for an unknown cache.
func (f *FS) Parked(cache string, cpus, nodes int) (Parked, error) {
	dir := filepath.Join(f.slab, cache)
	f.mu.Lock()
	defer f.mu.Unlock()
	read := func(name string) (n int64, err error) {
		path := filepath.Join(dir, name)
		if f.small, err = kernfile.Read(path, f.small); err != nil {
			return 0, err
		}
		line, whole := kernfile.Line(f.small)
		n, err = strconv.ParseInt(string(line), 10, 32)
		if err != nil || !whole || n < 0 {
			return 0, fmt.Errorf("%w: %s: %q", ErrMalformed, path, f.small)
		}
		return n, nil
	}
	perSlab, err := read("objs_per_slab")
	if err != nil {
		return Parked{}, err
	}
	capacity, err1 := read("sheaf_capacity")
	partial, err2 := read("cpu_partial")
	for _, err := range []error{err1, err2} {
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return Parked{}, err
		}
	}
	var p Parked
	p.Sheaves = capacity * int64(sheavesPerCPU*cpus+sheavesPerNode*nodes)
	if capacity == 0 && perSlab > 0 {
		// slub_set_cpu_partial() takes slabs to be half full.
		p.Slabs = int64(cpus) * (perSlab + (2*partial+perSlab-1)/perSlab*perSlab)
	}
	return p, nil
}
