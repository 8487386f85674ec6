package loadgen

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"

	"github.com/eptop/eptop/internal/kernfile"
	"github.com/eptop/eptop/internal/maybe"
)

// Limits are those of this host and process that a load runs into. What the kernel does
// not say is absent.
type Limits struct {
	UID int `json:"uid"`
	// Nofile is the hard RLIMIT_NOFILE of this process, which its workers inherit.
	Nofile maybe.Of[int64] `json:"nofile,omitzero"`
	// PortLow and PortHigh are net.ipv4.ip_local_port_range.
	PortLow  maybe.Of[int64] `json:"port_low,omitzero"`
	PortHigh maybe.Of[int64] `json:"port_high,omitzero"`
	// Backlog is net.core.somaxconn.
	Backlog maybe.Of[int64] `json:"backlog,omitzero"`
	// Tasks run now of MostTasks: kernel.threads-max or kernel.pid_max, the smaller.
	Tasks     maybe.Of[int64] `json:"tasks,omitzero"`
	MostTasks maybe.Of[int64] `json:"tasks_limit,omitzero"`
	// Conntrack is the number of tracked connections; absent where conntrack is not
	// loaded.
	Conntrack     maybe.Of[int64] `json:"conntrack,omitzero"`
	MostConntrack maybe.Of[int64] `json:"conntrack_limit,omitzero"`
	// CgroupUsed and CgroupLimit are bytes of the memory cgroup this process is in, the
	// limit the smallest of it and its ancestors; absent where there is none. ReadLimits
	// leaves them to its caller, who has a reader of cgroups.
	CgroupUsed  maybe.Of[int64] `json:"cgroup_used_bytes,omitzero"`
	CgroupLimit maybe.Of[int64] `json:"cgroup_limit_bytes,omitzero"`
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
	var nofile unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &nofile); err == nil {
		l.Nofile = maybe.Some(int64(min(nofile.Max, math.MaxInt64)))
	}
	if ports := read("sys/net/ipv4/ip_local_port_range", 2); ports != nil {
		l.PortLow, l.PortHigh = maybe.Some(ports[0]), maybe.Some(ports[1])
	}
	l.Backlog = number("sys/net/core/somaxconn")
	l.Conntrack = number("sys/net/netfilter/nf_conntrack_count")
	l.MostConntrack = number("sys/net/netfilter/nf_conntrack_max")
	l.MostTasks = number("sys/kernel/threads-max")
	if pids := number("sys/kernel/pid_max"); pids.Known && (!l.MostTasks.Known || pids.Value < l.MostTasks.Value) {
		l.MostTasks = pids
	}
	l.Tasks = readTasks(procRoot)
	return l, errors.Join(errs...)
}

// readTasks is how many there are: the second number of loadavg's fourth field, 1/234.
func readTasks(procRoot string) maybe.Of[int64] {
	b, err := kernfile.ReadFile(filepath.Join(procRoot, "loadavg"))
	fields := strings.Fields(string(b))
	if err != nil || len(fields) < 4 {
		return maybe.Of[int64]{}
	}
	_, all, _ := strings.Cut(fields[3], "/")
	n, err := strconv.ParseInt(all, 10, 64)
	return maybe.When(n, err == nil)
}

// bounds are what follows from the limits for how connections are opened.
type bounds struct {
	perPair   int64
	backlog   int64
	portsEach int64
	// portRange is the value for IP_LOCAL_PORT_RANGE: net.ipv4.ip_local_port_range, or
	// 0.
	portRange uint32
}

const (
	// mostPerPair bounds how many connections are lost when a worker dies.
	mostPerPair = 50_000
	// ownFDs are those that a worker needs for itself: its runtime's, listeners, the
	// epoll.
	ownFDs = 24 + maxListeners
	// mostBacklog is what a listener asks for; somaxconn bounds it.
	mostBacklog = 4096
)

// newBounds reads the limits of this host, of which it needs these.
func newBounds(c Config) (bounds, error) {
	l, err := ReadLimits("/proc")
	nofile, ok1 := l.Nofile.Get()
	somaxconn, ok2 := l.Backlog.Get()
	low, ok3 := l.PortLow.Get()
	high, ok4 := l.PortHigh.Get()
	if !ok1 || !ok2 || !ok3 || !ok4 {
		return bounds{}, errors.Join(errors.New("RLIMIT_NOFILE, net.core.somaxconn or net.ipv4.ip_local_port_range cannot be read"), err)
	}
	// The listener asks for a third more than may wait.
	b := bounds{perPair: PerPair(nofile), backlog: max(1, min(somaxconn, mostBacklog)*3/4)}
	if b.perPair < 1 {
		return bounds{}, fmt.Errorf("a process may open %d files here, too few to hold connections (ulimit -Hn)", nofile)
	}
	if c.PerPair > 0 {
		b.perPair = c.PerPair
	}
	n := high - low + 1
	b.portsEach = portsEach(n)
	if r := uint32(high)<<16 | uint32(low); takesRange(r) {
		b.portRange, b.portsEach = r, max(1, n*9/10)
	}
	return b, nil
}

// portsEach returns how many of n ports connect(2) finds fast: it searches those of
// one parity first and slows down once these are taken (__inet_hash_connect in
// net/ipv4/inet_hashtables.c). A socket that has a range of its own takes one port
// after the other.
func portsEach(n int64) int64 { return max(1, n/2*9/10) }

// takesRange reports whether a socket can have a port range of its own (since Linux
// 6.3, commit 91d0b78c5177).
func takesRange(r uint32) bool {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	return unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_LOCAL_PORT_RANGE, int(r)) == nil
}

// PortsOfPair returns how many connections a pair of workers finds ports for, in a
// range of that many.
func PortsOfPair(ports, perPair int64, family Family) int64 {
	o := order{Config: Config{Family: family}, Room: perPair, PortsEach: portsEach(ports)}
	if family == TCP6 {
		return o.listeners() * ports
	}
	return 2 * o.needPaths() * ports
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
