package slab

import (
	"errors"
	"io/fs"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/eptop/eptop/internal/kernfile"
)

// FS reads the slab allocator of the system whose procfs and sysfs are
// mounted, or were captured, at two directories. It keeps buffers, names and
// sizes between calls and is safe for concurrent use, one call at a time.
type FS struct {
	proc, slab string
	now        func() time.Time

	mu     sync.Mutex
	table  []byte // text of slabinfo
	small  []byte // text of one attribute
	parser Parser
	names  namesState
	attrs  attrStore
}

// slabinfoBytes is a first guess; the file has some 110 bytes a cache.
const slabinfoBytes = 32 << 10

// NewFS takes the mount points of procfs and sysfs, most often "/proc" and
// "/sys". It reads nothing.
func NewFS(procRoot, sysRoot string) *FS {
	return &FS{
		proc:  procRoot,
		slab:  filepath.Join(sysRoot, "kernel", "slab"),
		now:   time.Now,
		table: make([]byte, 0, slabinfoBytes),
		small: make([]byte, 0, 4096),
	}
}

// Caches reads /proc/slabinfo (root only) and adds what /sys/kernel/slab knows
// of each cache: aliases, requested size, reclaimable or not. The order is the
// kernel's, the slice is new. Where names or attributes cannot be read the
// caches stay without them; Names and Cache.AttrErr are the reason.
//
// Malformed lines are left out and reported by an error wrapping ErrMalformed
// beside the caches of all other lines.
//
// The kernel prints slabinfo a page at a time and may be creating or removing
// a cache in between: that one read can then repeat or miss a line.
func (f *FS) Caches() ([]Cache, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var err error
	f.table, err = kernfile.Read(filepath.Join(f.proc, "slabinfo"), f.table)
	if err != nil {
		return nil, err
	}
	caches, err := f.parser.AppendCaches(make([]Cache, 0, len(f.table)/100), f.table)
	f.describe(caches)
	return caches, err
}

// describe adds to the lines of slabinfo what sysfs knows.
func (f *FS) describe(caches []Cache) {
	names, err := f.freshNames(caches)
	if err != nil {
		return
	}
	for i := range caches {
		c := &caches[i]
		id, ok := names.ids[c.Name]
		if !ok {
			continue
		}
		c.Aliases = names.Aliases(c.Name)
		a, err := f.attr(id, basicAttrs)
		if err == nil && a.ObjectBytes != 0 && a.ObjectBytes != c.ObjectBytes {
			// Either the cache was made anew with another size since its attributes
			// were read, or a second cache has the same name.
			f.attrs.forget(id)
			a, err = f.attr(id, basicAttrs)
		}
		if err != nil && !isGone(err) {
			c.AttrErr = err
		}
		if err == nil && a.ObjectBytes == c.ObjectBytes {
			c.RequestedBytes, c.Reclaimable = a.RequestedBytes, a.Reclaimable
		}
	}
}

// isGone is for an attribute that this kernel lacks, or whose cache was destroyed
// before or, ENODEV, after it was opened.
func isGone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENODEV)
}
