package loadgen

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"

	"github.com/eptop/eptop/internal/kernfile"
	"github.com/eptop/eptop/internal/maybe"
)

const (
	// PairTasks is how many threads the two workers of a pair have: each has one that
	// works, and three or four of the Go runtime. Some have a sixth: ownTasks leaves room
	// for these.
	PairTasks = 10
	// ownTasks is how many threads this process needs at most. A Go program that can
	// start no further thread ends at once.
	ownTasks = 20
	// ownFiles are this process's own before it has workers, spareFiles those that it
	// may open beside what it has now, filesOfPair those that a pair adds: a socket and a
	// pidfd for each of two processes.
	ownFiles, spareFiles, filesOfPair = 32, 8, 4
)

// PairLimit is a limit that bounds how many pairs of workers there can be.
type PairLimit struct {
	Wall       Wall
	Used, Most int64
	// Dir is the cgroup whose limit it is, "" where it is none of a cgroup.
	Dir string
	// Pairs is how many there can be, where there are none now.
	Pairs int64
}

// explain says for what the limit is too small.
func (p PairLimit) explain() string {
	switch p.Wall {
	case WallNofile:
		return fmt.Sprintf("a process may open %d files here, too few to hold connections or for more workers (ulimit -Hn)", p.Most)
	case WallPorts:
		return fmt.Sprintf("too few local ports: %d (net.ipv4.ip_local_port_range less net.ipv4.ip_local_reserved_ports)", p.Most)
	case WallPids:
		return fmt.Sprintf("cgroup %s may have %d threads (pids.max): no room for more workers", p.Dir, p.Most)
	case WallUserTasks:
		return fmt.Sprintf("this user may have %d threads (ulimit -u): no room for more workers", p.Most)
	}
	return fmt.Sprintf("this host may have %d threads (kernel.pid_max, kernel.threads-max): no room for more workers", p.Most)
}

// PairLimits returns those that are known and hold for a load of that kind, the
// tightest first.
func (l Limits) PairLimits(c Config) []PairLimit {
	var out []PairLimit
	if most, ok := l.Nofile.Get(); ok {
		own := max(ownFiles, l.Files.Value+spareFiles)
		pairs := max(0, most-own) / filesOfPair
		room := l.workerRoom(c)
		if room == 0 {
			pairs = 0
		}
		out = append(out, PairLimit{Wall: WallNofile, Used: min(most, own), Most: most, Pairs: pairs})
		if l.PortLow.Known && c.Family != UNIX && room > 0 {
			limit, _ := l.portLimit(c.Family, room)
			out = append(out, limit)
		}
	}
	for _, t := range []struct {
		wall       Wall
		used, most maybe.Of[int64]
		dir        string
	}{
		{WallPids, l.Pids, l.MostPids, l.PidsDir},
		{WallUserTasks, l.UserTasks, l.MostUserTasks, ""},
		{WallTasks, l.Tasks, l.MostTasks, ""},
	} {
		used, ok1 := t.used.Get()
		most, ok2 := t.most.Get()
		if ok1 && ok2 {
			// Those of this process are counted as what they may become.
			others := max(0, used-l.Threads.Value)
			out = append(out, PairLimit{t.wall, used, most, t.dir, max(0, most-others-ownTasks) / PairTasks})
		}
	}
	slices.SortStableFunc(out, func(a, b PairLimit) int { return cmp.Compare(a.Pairs, b.Pairs) })
	return out
}

// readTasks reads the limits of threads.
func (l *Limits) readTasks(procRoot string) error {
	var errs []error
	var err error
	l.MostTasks, err = readMostTasks(procRoot)
	errs = append(errs, err)
	l.Tasks = readAllTasks(procRoot)
	l.Threads = countEntries(procRoot + "/self/task")
	l.UserTasks, l.MostUserTasks = maybe.Of[int64]{}, maybe.Of[int64]{}
	// The kernel exempts the initial namespace's root, and two capabilities.
	if limit, ok := rlimit(unix.RLIMIT_NPROC); ok && limit.Cur != unix.RLIM_INFINITY && !l.Admin && !l.Resource &&
		(l.UID != 0 || !isInitialUserNamespace()) {
		l.MostUserTasks = maybe.Some(int64(limit.Cur))
		l.UserTasks = maybe.Some(countTasks(procRoot, l.UID))
	}
	return errors.Join(errs...)
}

// ReadTasks reads how many threads the machine has, and how many it may have; each is absent
// where a file cannot be read.
func ReadTasks(procRoot string) (used, most maybe.Of[int64]) {
	most, _ = readMostTasks(procRoot)
	return readAllTasks(procRoot), most
}

// readMostTasks reads kernel.threads-max or kernel.pid_max, the smaller.
func readMostTasks(procRoot string) (most maybe.Of[int64], err error) {
	var errs []error
	for _, name := range []string{"sys/kernel/threads-max", "sys/kernel/pid_max"} {
		n, err := readNumbers(filepath.Join(procRoot, name), 1)
		switch {
		case err == nil && (!most.Known || n[0] < most.Value):
			most = maybe.Some(n[0])
		case err != nil && !errors.Is(err, fs.ErrNotExist):
			errs = append(errs, err)
		}
	}
	return most, errors.Join(errs...)
}

// readAllTasks is how many there are: the second number of loadavg's fourth field,
// 1/234.
func readAllTasks(procRoot string) maybe.Of[int64] {
	b, err := kernfile.ReadFile(filepath.Join(procRoot, "loadavg"))
	fields := strings.Fields(string(b))
	if err != nil || len(fields) < 4 {
		return maybe.Of[int64]{}
	}
	_, all, _ := strings.Cut(fields[3], "/")
	n, err := strconv.ParseInt(all, 10, 64)
	return maybe.When(n, err == nil)
}

// countTasks counts the threads of a real user. Those of other PID namespaces count for
// the kernel too, and are not seen.
func countTasks(procRoot string, uid int) (n int64) {
	files, err := procfs.NewFS(procRoot)
	if err != nil {
		return 0
	}
	all, err := files.AllProcs()
	if err != nil {
		return 0
	}
	for _, p := range all {
		text, err := kernfile.ReadFile(filepath.Join(procRoot, strconv.Itoa(p.PID), "status"))
		if err != nil {
			continue // it has ended
		}
		real, threads := -1, int64(0)
		for line := range bytes.Lines(text) {
			fields := bytes.Fields(line)
			switch {
			case len(fields) < 2:
			case string(fields[0]) == "Uid:":
				real, _ = strconv.Atoi(string(fields[1]))
			case string(fields[0]) == "Threads:":
				threads, _ = strconv.ParseInt(string(fields[1]), 10, 64)
			}
		}
		if real == uid {
			n += threads
		}
	}
	return n
}

// countEntries counts the entries of a directory.
func countEntries(dir string) maybe.Of[int64] {
	list, err := os.ReadDir(dir)
	return maybe.When(int64(len(list)), err == nil)
}

func rlimit(resource int) (unix.Rlimit, bool) {
	var r unix.Rlimit
	err := unix.Getrlimit(resource, &r)
	return r, err == nil
}

// readCapabilities reads which of those that matter this process has in effect. Those
// of another user namespace than the first do not count for limits.
func (l *Limits) readCapabilities() {
	if !isInitialUserNamespace() {
		return
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if unix.Capget(&header, &data[0]) == nil {
		l.Admin = data[0].Effective&(1<<unix.CAP_SYS_ADMIN) != 0
		l.Resource = data[0].Effective&(1<<unix.CAP_SYS_RESOURCE) != 0
	}
}

// CannotRaise reports whether this process is root, and may still raise no hard limit:
// in a container, or for want of CAP_SYS_RESOURCE.
func CannotRaise() bool {
	var l Limits
	l.readCapabilities()
	return os.Geteuid() == 0 && !l.Resource
}

// isInitialUserNamespace compares the namespace with the inode that the first has
// (PROC_USER_INIT_INO in include/linux/proc_ns.h).
func isInitialUserNamespace() bool {
	const first = 0xEFFFFFFD
	var st unix.Stat_t
	return unix.Stat("/proc/self/ns/user", &st) != nil || st.Ino == first
}
