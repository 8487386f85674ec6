// Package zone reads where the machine's memory is: its NUMA nodes and the
// zones the page allocator keeps in each of them.
//
// Sources, all readable without root:
//
//	/proc/zoneinfo                               zoneinfo_show_print() in mm/vmstat.c
//	/sys/devices/system/node/{online,possible,
//	    has_memory,has_cpu}                      print_nodes_state() in drivers/base/node.c
//	/sys/devices/system/node/nodeN/cpulist       cpulist_show(), same file
//	/sys/devices/system/node/nodeN/distance      node_read_distance(), same file
//	/sys/devices/system/node/nodeN/meminfo       node_read_meminfo(), same file
//	/sys/devices/system/node/nodeN/numastat      node_read_numastat(), same file
//	/sys/devices/system/node/nodeN/vmstat        node_read_vmstat(), same file
//
// Checked on Linux 6.1, 6.12 and 6.18, with 1, 2 and 4 nodes.
//
// A kernel without CONFIG_NUMA has no /sys/devices/system/node, but its
// /proc/zoneinfo is complete and calls everything node 0.
package zone

import (
	"errors"
	"io/fs"
	"path/filepath"

	"github.com/eptop/eptop/internal/kernfile"
)

// ErrMalformed is wrapped by every error about a file's content, as opposed to
// a file that could not be read. The error quotes the line and its number.
var ErrMalformed = errors.New("malformed")

// Stat is one named kernel counter, under the name the kernel prints.
type Stat struct {
	Name  string
	Value uint64
}

// FS reads zones and nodes below a procfs and a sysfs. Its buffers are reused
// by the next read, but nothing that it returns shares memory with them.
// It is not safe for concurrent use.
type FS struct {
	procRoot, sysRoot string

	buf   []byte
	names names
	open  func(path string, buf []byte) ([]byte, error) // kernfile.Read, except in tests
}

// NewFS returns a reader for the given mount points of procfs and sysfs,
// which may as well be captured trees. Nothing is opened before the first read.
func NewFS(procRoot, sysRoot string) *FS {
	return &FS{procRoot: procRoot, sysRoot: sysRoot, names: make(names), open: kernfile.Read}
}

// Zoneinfo reads /proc/zoneinfo: every zone of every online node. What could be read is
// returned beside an error about a line that no zone needs.
func (f *FS) Zoneinfo() (Zoneinfo, error) {
	b, err := f.read(filepath.Join(f.procRoot, "zoneinfo"))
	if err != nil {
		return Zoneinfo{}, err
	}
	return parseZoneinfo(b, f.names)
}

// read returns the whole content of a file, valid until the next read.
func (f *FS) read(path string) (_ []byte, err error) {
	f.buf, err = f.open(path, f.buf)
	return f.buf, err
}

// isAbsent tells a file that is not there from one that cannot be read.
func isAbsent(err error) bool { return errors.Is(err, fs.ErrNotExist) }
