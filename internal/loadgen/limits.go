package loadgen

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"
)

// limits are those limits of this host and process that shape how connections are
// opened.
type limits struct {
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

func readLimits(c Config) (limits, error) {
	var nofile unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &nofile); err != nil {
		return limits{}, fmt.Errorf("getrlimit: %w", err)
	}
	l := limits{perPair: PerPair(int64(min(nofile.Max, 1<<40)))}
	if l.perPair < 1 {
		return limits{}, fmt.Errorf("a process may open %d files here, too few to hold connections (ulimit -Hn)", nofile.Max)
	}
	if c.PerPair > 0 {
		l.perPair = c.PerPair
	}
	somaxconn, err := readInts("/proc/sys/net/core/somaxconn", 1)
	if err != nil {
		return limits{}, err
	}
	// The listener asks for a third more than may wait.
	l.backlog = max(1, min(somaxconn[0], mostBacklog)*3/4)
	ports, err := readInts("/proc/sys/net/ipv4/ip_local_port_range", 2)
	if err != nil {
		return limits{}, err
	}
	n := ports[1] - ports[0] + 1
	l.portsEach = portsEach(n)
	if r := uint32(ports[1])<<16 | uint32(ports[0]); takesRange(r) {
		l.portRange, l.portsEach = r, max(1, n*9/10)
	}
	return l, nil
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

func readInts(path string, n int) ([]int64, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	words := strings.Fields(string(text))
	if len(words) != n {
		return nil, fmt.Errorf("%s: %q: not %d numbers", path, text, n)
	}
	out := make([]int64, n)
	for i, w := range words {
		if out[i], err = strconv.ParseInt(w, 10, 64); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	return out, nil
}

// memory returns MemAvailable and MemTotal in bytes.
func memory() (available, total int64, err error) {
	fs, err := procfs.NewDefaultFS()
	if err != nil {
		return 0, 0, err
	}
	m, err := fs.Meminfo()
	if err != nil {
		return 0, 0, err
	}
	if m.MemAvailableBytes == nil || m.MemTotalBytes == nil {
		return 0, 0, fmt.Errorf("/proc/meminfo: no MemAvailable (since Linux 3.14)")
	}
	return int64(*m.MemAvailableBytes), int64(*m.MemTotalBytes), nil
}
