// Package placement reads where one process runs on a NUMA machine: the CPUs that its
// threads last ran on, the CPUs and nodes that it may use, and the nodes that hold its
// memory.
//
// Sources:
//
//	/proc/PID/task/TID/stat   processor, field 39; do_task_stat() in fs/proc/array.c
//	/proc/PID/status          Cpus_allowed_list, Mems_allowed_list; same file, cpuset.c
//	/proc/PID/statm           proc_pid_statm(), same file
//	/proc/PID/numa_maps       show_numa_map() in fs/proc/task_mmu.c, CONFIG_NUMA,
//	                          with the right to trace the process
//
// The last one costs the process something: the kernel walks its page tables under its
// mmap lock, 13 ms for each GiB of resident memory on 6.18 (50 ns a page), and mmap,
// munmap and brk of the process wait for that time. The resident size therefore bounds
// [FS.Memory] in advance.
//
// Checked on Linux 6.1, 6.12 and 6.18.
package placement

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/eptop/eptop/internal/kernfile"
	"github.com/eptop/eptop/internal/maybe"
)

// ErrMalformed is wrapped by every error about a file's content, and quotes the line.
// An error without it means that a file could not be read.
var ErrMalformed = errors.New("malformed")

// ErrTooLarge is wrapped where reading would hold the process up for too long.
var ErrTooLarge = errors.New("too large to walk through")

// FS reads below a procfs or a captured tree. Its buffer is reused by the next read.
// It is not safe for concurrent use.
type FS struct {
	root string
	buf  []byte
}

// NewFS returns a reader for a mount point of procfs.
func NewFS(procRoot string) *FS { return &FS{root: procRoot} }

// Threads says where the threads of a process ran.
type Threads struct {
	// Seen is how many threads were looked at; More says that there are others.
	Seen int
	More bool
	// OnCPU counts the threads of Seen by the CPU each is on, or was on last. Ascending.
	OnCPU []CPUThreads
	// Moved counts the threads of Seen that are not in OnCPU: they sleep, and have been
	// moved off the CPU they last ran on, where they may not run any more.
	Moved int
}

// CPUThreads is how many threads last ran on one CPU.
type CPUThreads struct{ CPU, Threads int }

// Threads reads the CPUs of at most that many threads, the oldest first. A thread that
// ends during the reading is not counted. Each thread costs some 11 µs, and an inode
// and a dentry while the kernel keeps them. Where a thread is outside the CPUs that
// the process is allowed, Threads asks which CPUs that very thread is allowed.
func (f *FS) Threads(pid, most int, allowed Allowed) (Threads, error) {
	tids, err := f.threads(pid, most+1)
	if err != nil {
		return Threads{}, err
	}
	out := Threads{More: len(tids) > most}
	counts := map[int]int{}
	for _, tid := range tids[:min(most, len(tids))] {
		b, err := f.read(filepath.Join(strconv.Itoa(pid), "task", tid, "stat"))
		if Gone(err) {
			continue
		}
		if err != nil {
			return Threads{}, err
		}
		cpu, err := ParseProcessor(b)
		if err != nil {
			return Threads{}, fmt.Errorf("task/%s/stat: %w", tid, err)
		}
		out.Seen++
		if !mayRun(allowed.CPUs, cpu) {
			own, err := f.allowed(filepath.Join(strconv.Itoa(pid), "task", tid, "status"))
			if err == nil && !mayRun(own.CPUs, cpu) {
				out.Moved++
				continue
			}
		}
		counts[cpu]++
	}
	for cpu, n := range counts {
		out.OnCPU = append(out.OnCPU, CPUThreads{cpu, n})
	}
	slices.SortFunc(out.OnCPU, func(a, b CPUThreads) int { return a.CPU - b.CPU })
	return out, nil
}

// threads lists at most that many threads.
func (f *FS) threads(pid, most int) (_ []string, err error) {
	dir, err := kernfile.OpenDir(filepath.Join(f.root, strconv.Itoa(pid), "task"))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, dir.Close()) }()
	tids, err := dir.Readdirnames(most)
	if errors.Is(err, io.EOF) { // of a process that has just ended
		err = fs.ErrNotExist
	}
	return tids, err
}

// Gone reports whether an error means that the process or thread has ended.
func Gone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH)
}

// Allowed is what a process may use, each as the kernel's short list ("0-3,8");
// absent where the kernel does not say.
type Allowed struct {
	CPUs maybe.Of[string] // <Cpus_allowed_list>, of the main thread: affinity and cpuset
	Mems maybe.Of[string] // <Mems_allowed_list>: the nodes that its cpuset lets it allocate on
}

// Allowed reads what a process may use.
func (f *FS) Allowed(pid int) (Allowed, error) {
	return f.allowed(filepath.Join(strconv.Itoa(pid), "status"))
}

func (f *FS) allowed(status string) (Allowed, error) {
	b, err := f.read(status)
	if err != nil {
		return Allowed{}, err
	}
	return ParseAllowed(b), nil
}

// ParseAllowed picks the two lists out of /proc/PID/status.
func ParseAllowed(b []byte) Allowed {
	var out Allowed
	for line := range bytes.Lines(b) {
		if !bytes.HasSuffix(line, []byte{'\n'}) {
			break // cut: the list may lack its end
		}
		if v, ok := bytes.CutPrefix(line, []byte("Cpus_allowed_list:")); ok {
			out.CPUs = parseShortList(v)
		} else if v, ok := bytes.CutPrefix(line, []byte("Mems_allowed_list:")); ok {
			out.Mems = parseShortList(v)
		}
	}
	return out
}

// parseShortList returns a list of numbers and ranges, absent where it is something else.
func parseShortList(b []byte) maybe.Of[string] {
	list := string(bytes.TrimSpace(b))
	return maybe.When(list, list != "" && strings.Trim(list, "0123456789,-") == "")
}

// mayRun tells whether a CPU is in a short list; one that says nothing allows all.
func mayRun(list maybe.Of[string], cpu int) bool {
	if !list.Known {
		return true
	}
	for part := range strings.SplitSeq(list.Value, ",") {
		from, to, isRange := strings.Cut(part, "-")
		if !isRange {
			to = from
		}
		first, err := strconv.Atoi(from)
		last, errLast := strconv.Atoi(to)
		if err != nil || errLast != nil || first <= cpu && cpu <= last {
			return true // what is not understood forbids nothing
		}
	}
	return false
}

// processor is the index of that field in stat, counted from the state, which is the
// first field after the command's parenthesis and the third of all.
const processor = 39 - 3

// ParseProcessor returns the CPU in a thread's stat:
//
//	4242 (redis-server) S 1 4242 4242 0 -1 ... 17 3 0 0 ...
func ParseProcessor(b []byte) (int, error) {
	// A command may contain blanks and parentheses; nothing after it does.
	i := bytes.LastIndexByte(b, ')')
	fields := bytes.Fields(b[i+1:])
	if i < 0 || len(fields) <= processor+1 { // the last field may be cut
		return 0, malformed("too few fields", b)
	}
	cpu, err := strconv.ParseUint(string(fields[processor]), 10, 16)
	if err != nil {
		return 0, malformed("processor", b)
	}
	return int(cpu), nil
}

func malformed(why string, line []byte) error {
	return fmt.Errorf("%q: %s: %w", line[:min(len(line), 120)], why, ErrMalformed)
}

// read returns the whole content of a file, valid until the next read.
func (f *FS) read(name string) (_ []byte, err error) {
	f.buf, err = kernfile.Read(filepath.Join(f.root, name), f.buf)
	return f.buf, err
}
