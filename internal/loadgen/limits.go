package loadgen

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"

	"github.com/eptop/eptop/internal/cgroup"
	"github.com/eptop/eptop/internal/kernfile"
	"github.com/eptop/eptop/internal/maybe"
)

// Limits are those of this host and process that a load runs into. What the kernel does
// not say is absent, and so is a limit that does not hold for this process.
type Limits struct {
	UID int `json:"uid"`
	// Admin and Resource: this process has CAP_SYS_ADMIN, CAP_SYS_RESOURCE, in the
	// initial user namespace. fs.file-max does not hold for the former
	// (alloc_empty_file in fs/file_table.c), and without the latter no hard limit can
	// be raised (do_prlimit in kernel/sys.c).
	Admin    bool `json:"cap_sys_admin"`
	Resource bool `json:"cap_sys_resource"`
	// Nofile is the hard RLIMIT_NOFILE of this process, which its workers inherit, or
	// fs.nr_open where that is smaller. Files are those it has open.
	Nofile maybe.Of[int64] `json:"nofile,omitzero"`
	NrOpen maybe.Of[int64] `json:"nr_open,omitzero"`
	Files  maybe.Of[int64] `json:"own_files,omitzero"`
	// PortLow and PortHigh are net.ipv4.ip_local_port_range, PortsReserved is
	// net.ipv4.ip_local_reserved_ports as it is written.
	PortLow       maybe.Of[int64] `json:"port_low,omitzero"`
	PortHigh      maybe.Of[int64] `json:"port_high,omitzero"`
	PortsReserved string          `json:"ports_reserved,omitempty"`
	// PortRanges: a socket can have a port range of its own.
	PortRanges bool `json:"own_port_ranges"`
	// Backlog is net.core.somaxconn.
	Backlog maybe.Of[int64] `json:"backlog,omitzero"`
	// NoLoopback4 and NoLoopback6 say why nothing can connect to 127.0.0.1 and to ::1.
	NoLoopback4 Obstacle `json:"no_loopback4,omitzero"`
	NoLoopback6 Obstacle `json:"no_loopback6,omitzero"`
	// OneAddress4: the loopback interface has not the whole of 127.0.0.0/8, so that
	// connections come from 127.0.0.1 alone.
	OneAddress4 bool `json:"one_loopback4_address"`
	// Threads are those of this process.
	Threads maybe.Of[int64] `json:"own_threads,omitzero"`
	// Tasks run now of MostTasks: kernel.threads-max or kernel.pid_max, the smaller.
	Tasks     maybe.Of[int64] `json:"tasks,omitzero"`
	MostTasks maybe.Of[int64] `json:"tasks_limit,omitzero"`
	// UserTasks are the threads of this user, MostUserTasks is RLIMIT_NPROC; absent for
	// whom it does not hold (copy_process in kernel/fork.c).
	UserTasks     maybe.Of[int64] `json:"user_tasks,omitzero"`
	MostUserTasks maybe.Of[int64] `json:"user_tasks_limit,omitzero"`
	// Conntrack is the number of tracked connections; absent where conntrack is not
	// loaded.
	Conntrack     maybe.Of[int64] `json:"conntrack,omitzero"`
	MostConntrack maybe.Of[int64] `json:"conntrack_limit,omitzero"`
	Cgroups
}

// Cgroups are the limits of the cgroups this process is in: of each kind that of its own
// or of an ancestor, whichever has the least room; absent where there is none.
type Cgroups struct {
	// CgroupUsed and CgroupLimit are bytes of memory.
	CgroupUsed  maybe.Of[int64] `json:"cgroup_used_bytes,omitzero"`
	CgroupLimit maybe.Of[int64] `json:"cgroup_limit_bytes,omitzero"`
	// CgroupDir and PidsDir are the directories of the cgroups that have these limits.
	CgroupDir string `json:"cgroup_dir,omitempty"`
	PidsDir   string `json:"pids_dir,omitempty"`
	// CgroupVersion is that of the memory cgroup. Version 2 charges buffers of sockets
	// too, and a server's socket when it is accepted (since Linux 6.13,
	// kmem_cache_charge in __inet_accept); before and in version 1 the softirq that makes
	// it is charged for nothing.
	CgroupVersion int `json:"cgroup_version,omitempty"`
	// Pids and MostPids are pids.current and pids.max: threads, whatever the name says.
	Pids     maybe.Of[int64] `json:"pids,omitzero"`
	MostPids maybe.Of[int64] `json:"pids_limit,omitzero"`
}

// Obstacle is what is in the way of all connections of a family, and what removes it;
// empty where nothing is.
type Obstacle struct {
	What string `json:"what"`
	Cure string `json:"cure"`
}

// ReadLimits reads them below a procfs, which has to be that of this kernel. A file that
// is not there leaves its limit absent; the error names those that cannot be read, and
// all others are returned with it.
func ReadLimits(procRoot string) (Limits, error) {
	l := Limits{UID: os.Getuid()}
	var errs []error
	read := func(name string, most int) []int64 {
		numbers, err := readNumbers(filepath.Join(procRoot, name), most)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
		return numbers
	}
	number := func(name string) maybe.Of[int64] {
		if numbers := read(name, 1); numbers != nil {
			return maybe.Some(numbers[0])
		}
		return maybe.Of[int64]{}
	}
	l.readCapabilities()
	l.NrOpen = number("sys/fs/nr_open")
	if nofile, ok := rlimit(unix.RLIMIT_NOFILE); ok {
		l.Nofile = maybe.Some(int64(min(nofile.Max, math.MaxInt64)))
		if n, ok := l.NrOpen.Get(); ok { // expand_files in fs/file.c heeds it too
			l.Nofile.Value = min(l.Nofile.Value, n)
		}
	}
	l.Files = countEntries(procRoot + "/self/fd")
	if ports := read("sys/net/ipv4/ip_local_port_range", 2); ports != nil {
		l.PortLow, l.PortHigh = maybe.Some(ports[0]), maybe.Some(ports[1])
		l.PortRanges = takesRange(portRange{ports[0], ports[1]})
	}
	reserved, err := kernfile.ReadFile(filepath.Join(procRoot, "sys/net/ipv4/ip_local_reserved_ports"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		errs = append(errs, err)
	}
	l.PortsReserved = strings.TrimSpace(string(reserved))
	l.Backlog = number("sys/net/core/somaxconn")
	l.NoLoopback4, l.NoLoopback6 = probeLoopback(TCP4), probeLoopback(TCP6)
	l.OneAddress4 = l.NoLoopback4 == (Obstacle{}) && !hasSources()
	l.Conntrack = number("sys/net/netfilter/nf_conntrack_count")
	l.MostConntrack = number("sys/net/netfilter/nf_conntrack_max")
	errs = append(errs, l.readTasks(procRoot))
	l.Cgroups, err = readCgroups(procRoot)
	if l.isSmall() {
		debug.FreeOSMemory() // the garbage of the look before is not what a load leaves in use
		l.Cgroups, err = readCgroups(procRoot)
	}
	errs = append(errs, err)
	return l, errors.Join(errs...)
}

// readCgroups reads the limits of this process's cgroups. A controller that is not there
// sets no limit, and is no error.
func readCgroups(procRoot string) (Cgroups, error) {
	var out Cgroups
	var errs []error
	for _, c := range []struct {
		read       func(procRoot string, pid int) (maybe.Of[cgroup.Limit], error)
		used, most *maybe.Of[int64]
		dir        *string
	}{
		{cgroup.ReadMemoryLimit, &out.CgroupUsed, &out.CgroupLimit, &out.CgroupDir},
		{cgroup.ReadPidsLimit, &out.Pids, &out.MostPids, &out.PidsDir},
	} {
		limit, err := c.read(procRoot, os.Getpid())
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
		if l, ok := limit.Get(); ok {
			*c.used, *c.most = maybe.Some(int64(l.Used)), maybe.Some(int64(l.Most))
			*c.dir = l.Dir
			if c.most == &out.CgroupLimit {
				out.CgroupVersion = l.Version
			}
		}
	}
	return out, errors.Join(errs...)
}

// bounds are what follows from the limits for how connections are opened.
type bounds struct {
	perPair int64
	backlog int64
	ports   ports
}

const (
	// mostPerPair bounds how many connections are lost when a worker dies.
	mostPerPair = 50_000
	// workerFiles are those that a worker needs for itself, beside its listeners: its
	// runtime's, the control socket, the epoll.
	workerFiles = 12
	// mostBacklog is what a listener asks for; somaxconn bounds it.
	mostBacklog = 4096
)

// newBounds derives them from the limits of this host.
func newBounds(c Config, l Limits) (bounds, error) {
	somaxconn, ok1 := l.Backlog.Get()
	if !ok1 || !l.Nofile.Known || !l.PortLow.Known {
		return bounds{}, errors.New("RLIMIT_NOFILE, net.core.somaxconn or net.ipv4.ip_local_port_range cannot be read")
	}
	// The listener asks for a third more than may wait.
	return bounds{perPair: l.PerPair(c), backlog: max(1, min(somaxconn, mostBacklog)*3/4), ports: l.ports(c.Family)}, nil
}

// PerPair returns how many connections a pair of workers holds at most; 0 where a
// process may open too few files, or where there are too few ports.
func (l Limits) PerPair(c Config) int64 {
	room := l.workerRoom(c)
	if c.Family == UNIX || room == 0 {
		return room
	}
	_, each := l.portLimit(c.Family, room)
	return each
}

// workerRoom returns how many connections the files of a worker are enough for.
func (l Limits) workerRoom(c Config) int64 {
	own := int64(workerFiles + 1)
	if l.ports(c.Family).OneAddress {
		own = workerFiles + maxListeners
	}
	most := int64(mostPerPair)
	if c.PerPair > 0 {
		most = c.PerPair
	}
	return max(0, min(most, l.Nofile.Value-own))
}

// readNumbers reads a file of n numbers.
func readNumbers(path string, n int) ([]int64, error) {
	text, err := kernfile.ReadFile(path)
	if err != nil {
		return nil, err
	}
	words := strings.Fields(string(text))
	if len(words) != n {
		return nil, fmt.Errorf("%s: malformed: %q", path, text)
	}
	out := make([]int64, n)
	for i, w := range words {
		if out[i], err = strconv.ParseInt(w, 10, 64); err != nil {
			return nil, fmt.Errorf("%s: malformed: %w", path, err)
		}
	}
	return out, nil
}

// memory is MemAvailable and MemTotal, which are looked at again and again while
// connections are opened.
func memory() (available, total int64, err error) {
	proc, err := procfs.NewDefaultFS()
	if err != nil {
		return 0, 0, err
	}
	m, err := proc.Meminfo()
	if err != nil {
		return 0, 0, err
	}
	if m.MemAvailableBytes == nil || m.MemTotalBytes == nil {
		return 0, 0, fmt.Errorf("/proc/meminfo: no MemAvailable (since Linux 3.14)")
	}
	return int64(*m.MemAvailableBytes), int64(*m.MemTotalBytes), nil
}
