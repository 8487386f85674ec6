// Package cgroup reads what a memory cgroup is charged for kernel memory and sockets,
// how near it is to its limit, and how near the threads of a cgroup are to theirs: the files memory.stat, memory.current and memory.max
// of version 2 and their like of version 1 (mm/memcontrol.c and mm/memcontrol-v1.c in
// the kernel). Which directory is a process's comes from /proc/PID/cgroup and the mounts
// in /proc/self/mountinfo. Checked on Linux 6.18.
package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"

	"github.com/eptop/eptop/internal/kernfile"
	"github.com/eptop/eptop/internal/maybe"
)

// ErrMalformed is wrapped by every error about a file's content, as opposed to a file
// that could not be read.
var ErrMalformed = errors.New("malformed")

// Memory is what the memory cgroup of a process is charged for kernel memory and
// sockets: the cross-check of what sockets are said to cost. It covers all processes
// of the cgroup and its children, and all kernel memory they caused, sockets or not.
// An object is charged to the cgroup that made it, even after the process moved. What
// the kernel does not report is absent.
type Memory struct {
	// Version is 1 or 2. The root cgroup reports on the host.
	Version int
	// Dir is the directory of the cgroup.
	Dir string

	// KernelBytes is all kernel memory: kernel in memory.stat (v2, since Linux 5.18),
	// memory.kmem.usage_in_bytes (v1, where 0 is absent: the root cgroup and a kernel
	// started with cgroup.memory=nokmem count none, and a process always takes some).
	KernelBytes maybe.Of[uint64]
	// SlabBytes is slab in memory.stat (v2). SlabReclaimableBytes is the part of it
	// whose caches are marked reclaimable: inodes and dentries, those of live sockets
	// too.
	SlabBytes            maybe.Of[uint64]
	SlabReclaimableBytes maybe.Of[uint64]
	// SockBytes is buffers of sockets: sock in memory.stat (v2),
	// memory.kmem.tcp.usage_in_bytes (v1, where it counts TCP alone, and nothing
	// until a limit was set: 0 is absent).
	SockBytes maybe.Of[uint64]
}

// ReadMemory reads the memory cgroup of a process. proc is where procfs is. It is
// fs.ErrNotExist when the process ended, when no memory controller is there or
// mounted, or when its cgroup is outside what this program can see; fs.ErrPermission
// when it may not be read.
func ReadMemory(proc string, pid int) (Memory, error) {
	version, dir, err := find(proc, pid, "memory")
	if err != nil {
		return Memory{}, err
	}
	m := Memory{Version: version, Dir: dir}
	if version == 1 {
		return m, m.readV1()
	}
	return m, m.readV2()
}

// find returns the directory of a process's cgroup that a controller is in.
func find(proc string, pid int, controller string) (version int, dir string, err error) {
	cgroups, err := kernfile.ReadFile(proc + "/" + strconv.Itoa(pid) + "/cgroup")
	if err != nil {
		return 0, "", err
	}
	mounts, err := kernfile.ReadFile(proc + "/self/mountinfo")
	if err != nil {
		return 0, "", err
	}
	return controllerCgroup(cgroups, mounts, controller)
}

// Limit is a limit that a process's cgroup comes to first: its own or an ancestor's, the
// one with the least room.
type Limit struct {
	// Used is memory.current (v1: memory.usage_in_bytes) without the file pages that
	// were not used of late (inactive_file): the kernel takes these before it kills
	// anybody. Of threads it is pids.current.
	Used uint64
	// Most is memory.max (v1: memory.limit_in_bytes), or pids.max.
	Most uint64
	// Version of the cgroup is 1 or 2.
	Version int
	// Dir is the directory of the cgroup whose limit it is.
	Dir string
}

// noLimit is where the limits begin that stand for none: v1 prints the largest number
// of whole pages.
const noLimit = 1 << 60

// files are the names of the files of a controller; inactive is a line of memory.stat.
type files struct{ used, limit, inactive string }

var (
	memoryFiles = map[int]files{
		1: {"memory.usage_in_bytes", "memory.limit_in_bytes", "total_inactive_file"},
		2: {"memory.current", "memory.max", "inactive_file"},
	}
	pidsFiles = files{used: "pids.current", limit: "pids.max"} // of both versions
)

// ReadMemoryLimit reads the limit of bytes that a process comes to first, absent where
// there is none. Its errors are those of ReadMemory.
func ReadMemoryLimit(proc string, pid int) (maybe.Of[Limit], error) {
	version, dir, err := find(proc, pid, "memory")
	if err != nil {
		return maybe.Of[Limit]{}, err
	}
	return Dir{version, dir}.MemoryLimit()
}

// ReadPidsLimit reads the limit of threads that a process comes to first (pids_try_charge
// in kernel/cgroup/pids.c), absent where there is none. Its errors are those of
// ReadMemory.
func ReadPidsLimit(proc string, pid int) (maybe.Of[Limit], error) {
	version, dir, err := find(proc, pid, "pids")
	if err != nil {
		return maybe.Of[Limit]{}, err
	}
	return Dir{version, dir}.PidsLimit()
}

// Dir is the directory of a cgroup.
type Dir struct {
	Version int
	Path    string
}

// MemoryLimit reads the limit of bytes that the cgroup comes to first: its own or that of
// one above it.
func (d Dir) MemoryLimit() (maybe.Of[Limit], error) {
	return memoryFiles[d.Version].readNearest(d.Version, d.Path)
}

// PidsLimit does the same for threads.
func (d Dir) PidsLimit() (maybe.Of[Limit], error) { return pidsFiles.readNearest(d.Version, d.Path) }

// Place is where a process is in the hierarchies of cgroups; a zero Dir where it has no such
// controller, or where its cgroup is outside what this program can see.
type Place struct{ Memory, Pids Dir }

// Finder finds the cgroups of many processes: the mounts are read once for all.
type Finder struct {
	proc   string
	mounts []byte
}

// NewFinder reads the mounts that this program sees.
func NewFinder(proc string) (*Finder, error) {
	mounts, err := kernfile.ReadFile(proc + "/self/mountinfo")
	return &Finder{proc, mounts}, err
}

// Find finds the cgroups of a process. The error is fs.ErrNotExist where it has ended.
func (f *Finder) Find(pid int) (at Place, err error) {
	text, err := kernfile.ReadFile(f.proc + "/" + strconv.Itoa(pid) + "/cgroup")
	if err != nil {
		return at, err
	}
	for controller, to := range map[string]*Dir{"memory": &at.Memory, "pids": &at.Pids} {
		version, dir, err := controllerCgroup(text, f.mounts, controller)
		switch {
		case err == nil:
			*to = Dir{version, dir}
		case !errors.Is(err, fs.ErrNotExist):
			return at, err
		}
	}
	return at, nil
}

// readNearest reads the limits of a cgroup and of those above it. One in which the
// controller is off has no files, and neither has the root.
func (f files) readNearest(version int, own string) (nearest maybe.Of[Limit], err error) {
	for dir := own; dir != "/" && dir != "."; dir = path.Dir(dir) {
		most, err := readAmount(path.Join(dir, f.limit))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nearest, err
		}
		if !most.Known || most.Value >= noLimit {
			continue
		}
		used, err := f.readUsed(dir)
		if err != nil {
			return nearest, err
		}
		l := Limit{Used: min(used, most.Value), Most: most.Value, Version: version, Dir: dir}
		if !nearest.Known || l.Most-l.Used < nearest.Value.Most-nearest.Value.Used {
			nearest = maybe.Some(l)
		}
	}
	return nearest, nil
}

// ReadOOMKills reads how many processes of a process's memory cgroup the kernel has killed
// for want of memory: oom_kill in memory.events (v2, those of its children too) or in
// memory.oom_control (v1, since Linux 4.13). Its errors are those of ReadMemory; a kernel
// that does not count them is fs.ErrNotExist.
func ReadOOMKills(proc string, pid int) (uint64, error) {
	version, dir, err := find(proc, pid, "memory")
	if err != nil {
		return 0, err
	}
	name := path.Join(dir, map[int]string{1: "memory.oom_control", 2: "memory.events"}[version])
	n, err := readKey(name, "oom_kill")
	if err == nil && !n.Known {
		err = fmt.Errorf("%s has no oom_kill: %w", name, fs.ErrNotExist)
	}
	return n.Value, err
}

// readKey reads the number of a line "key number", absent where there is no such line.
func readKey(name, key string) (n maybe.Of[uint64], err error) {
	text, err := kernfile.ReadFile(name)
	if err != nil {
		return n, err
	}
	for line := range strings.Lines(string(text)) {
		if k, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " "); k == key {
			number, err := parseAmount(name+": "+key, value)
			return maybe.When(number, err == nil), err
		}
	}
	return n, nil
}

func (f files) readUsed(dir string) (uint64, error) {
	current, err := readAmount(path.Join(dir, f.used))
	if err != nil {
		return 0, err
	}
	used := current.Value
	if f.inactive == "" {
		return used, nil
	}
	inactive, err := readKey(path.Join(dir, "memory.stat"), f.inactive)
	return used - min(inactive.Value, used), err
}

// noLimitV1 is what version 1 printed for no limit before Linux 3.19.
const noLimitV1 = "18446744073709551615"

// readAmount reads a file with one number, absent where it stands for no limit.
func readAmount(name string) (n maybe.Of[uint64], err error) {
	b, err := kernfile.ReadFile(name)
	if err != nil {
		return n, err
	}
	line, whole := kernfile.Line(b)
	text := string(line)
	switch {
	case !whole:
		return n, fmt.Errorf("%w: %s: cut before its newline: %.100q", ErrMalformed, name, b)
	case text == "max", text == noLimitV1:
		return n, nil
	}
	number, err := parseAmount(name, text)
	return maybe.When(number, err == nil), err
}

// parseAmount parses a number of bytes, which fits an int64.
func parseAmount(name, text string) (uint64, error) {
	n, err := strconv.ParseUint(text, 10, 63)
	if err != nil {
		return 0, fmt.Errorf("%w: %s: %w", ErrMalformed, name, err)
	}
	return n, nil
}

func (m *Memory) readV1() error {
	for name, to := range map[string]*maybe.Of[uint64]{
		"memory.kmem.usage_in_bytes":     &m.KernelBytes,
		"memory.kmem.tcp.usage_in_bytes": &m.SockBytes,
	} {
		n, err := readAmount(path.Join(m.Dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		*to = maybe.When(n.Value, n.Value > 0)
	}
	if !m.KernelBytes.Known && !m.SockBytes.Known {
		return &fs.PathError{Op: "open", Path: path.Join(m.Dir, "memory.kmem.usage_in_bytes"), Err: fs.ErrNotExist}
	}
	return nil
}

func (m *Memory) readV2() error {
	name := path.Join(m.Dir, "memory.stat")
	b, err := kernfile.ReadFile(name)
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(b)) {
		key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		var to *maybe.Of[uint64]
		switch key {
		case "kernel":
			to = &m.KernelBytes
		case "slab":
			to = &m.SlabBytes
		case "slab_reclaimable":
			to = &m.SlabReclaimableBytes
		case "sock":
			to = &m.SockBytes
		default:
			continue
		}
		n, err := parseAmount(name+": "+key, value)
		if err != nil {
			return err
		}
		*to = maybe.Some(n)
	}
	return nil
}

// controllerCgroup finds the directory of the cgroup that a controller is in, in the text
// of /proc/PID/cgroup and /proc/self/mountinfo. The controller is either in a hierarchy
// of version 1 or in that of version 2.
func controllerCgroup(cgroups, mounts []byte, controller string) (version int, dir string, err error) {
	var v2 string
	found := false
	for line := range strings.Lines(string(cgroups)) {
		// hierarchy-ID:controller-list:cgroup-path
		parts := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		if len(parts) != 3 {
			return 0, "", fmt.Errorf("%w: cgroup: %q", ErrMalformed, line)
		}
		if hasWord(parts[1], controller) {
			dir, err := cgroupDir(parts[2], mounts, func(m mount) bool {
				return m.fsType == "cgroup" && hasWord(m.options, controller)
			})
			return 1, dir, err
		}
		if parts[0] == "0" {
			v2, found = parts[2], true
		}
	}
	if !found {
		return 0, "", fmt.Errorf("no %s cgroup: %w", controller, fs.ErrNotExist)
	}
	dir, err = cgroupDir(v2, mounts, func(m mount) bool { return m.fsType == "cgroup2" })
	return 2, dir, err
}

// cgroupDir returns the directory of a cgroup below the mount of its hierarchy, which
// may show a part of it only.
func cgroupDir(cgroup string, mounts []byte, want func(mount) bool) (string, error) {
	cgroup = strings.TrimSuffix(cgroup, " (deleted)")
	for line := range strings.Lines(string(mounts)) {
		m, ok := parseMount(line)
		if !ok || !want(m) || strings.HasPrefix(cgroup, "/..") {
			continue
		}
		rest, below := strings.CutPrefix(cgroup, strings.TrimSuffix(m.root, "/"))
		if below && (rest == "" || rest[0] == '/') {
			return path.Join(m.point, rest), nil
		}
	}
	return "", fmt.Errorf("cgroup %q is below no mount of its hierarchy: %w", cgroup, fs.ErrNotExist)
}

// mount is what is wanted of a line of mountinfo, see proc_pid_mountinfo(5).
type mount struct{ root, point, fsType, options string }

func parseMount(line string) (m mount, ok bool) {
	// 36 35 98:0 /root /point rw,noatime master:1 - ext4 /dev/root rw,errors=continue
	before, after, ok := strings.Cut(line, " - ")
	first, last := strings.Fields(before), strings.Fields(after)
	if !ok || len(first) < 5 || len(last) < 3 {
		return m, false
	}
	return mount{unescape(first[3]), unescape(first[4]), last[0], last[2]}, true
}

// unescape undoes mangle_path(): space, tab, newline and backslash are octal.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(s)
}

// hasWord reports whether a list of words separated by commas has one.
func hasWord(list, word string) bool {
	for w := range strings.SplitSeq(list, ",") {
		if w == word {
			return true
		}
	}
	return false
}
