package sock

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"github.com/prometheus/procfs"

	"github.com/eptop/eptop/internal/maybe"
)

// Sockstat is the kernel's own sums, /proc/net/sockstat and sockstat6, printed by
// sockstat_seq_show() in net/ipv4/proc.c and sockstat6_seq_show() in
// net/ipv6/proc.c:
//
//	sockets: used 12
//	TCP: inuse 1 orphan 0 tw 0 alloc 1 mem 91
//
// They mix two scopes, of which the fields say theirs. The buffers are all they
// know: what the sockets' structures take is not in them.
type Sockstat struct {
	// Used is all sockets of every family, accepted or not (of the namespace).
	Used maybe.Of[int64]
	// TCP and UDP are over IPv4 alone for InUse, over both for the rest.
	TCP TCPStat
	UDP ProtoStat
	// TCP6InUse and UDP6InUse are of IPv6 (of the namespace). Absent on a kernel
	// without IPv6.
	TCP6InUse maybe.Of[int64]
	UDP6InUse maybe.Of[int64]
	// RawInUse and Raw6InUse are raw sockets (of the namespace).
	RawInUse  maybe.Of[int64]
	Raw6InUse maybe.Of[int64]
	// FragBytes and Frag6Bytes are packets waiting for their other fragments, in
	// bytes (of the namespace).
	FragBytes  maybe.Of[int64]
	Frag6Bytes maybe.Of[int64]
}

// TCPStat is the line TCP of sockstat.
type TCPStat struct {
	InUse    maybe.Of[int64] // full sockets in the hash tables, over IPv4 (of the namespace)
	TimeWait maybe.Of[int64] // TIME_WAIT structures, IPv4 and IPv6 (of the namespace)
	Orphan   maybe.Of[int64] // sockets without a descriptor (of all namespaces)
	Alloc    maybe.Of[int64] // all TCP sockets, bound or not (of all namespaces)
	MemPages maybe.Of[int64] // buffers charged to tcp_mem, in pages (of all namespaces)
}

// ProtoStat is the line UDP of sockstat.
type ProtoStat struct {
	InUse    maybe.Of[int64] // sockets with a port, over IPv4 (of the namespace)
	MemPages maybe.Of[int64] // buffers charged to udp_mem, in pages (of all namespaces)
}

// ReadSockstat reads the sums for a namespace: dir is "/proc" for this program's
// own, "/proc/PID" for that of a process. No privilege is needed.
func ReadSockstat(dir string) (Sockstat, error) {
	var s Sockstat
	f, err := procfs.NewFS(dir)
	if err != nil {
		return s, fmt.Errorf("sockstat: %w", err)
	}
	v4, err := f.NetSockstat()
	if err != nil {
		return s, sockstatError(err)
	}
	s.add(v4)
	v6, err := f.NetSockstat6()
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return s, sockstatError(err)
	}
	if err == nil {
		s.add(v6)
	}
	if !s.TCP.InUse.Known {
		return s, fmt.Errorf("%w: sockstat: no line of TCP", ErrMalformed)
	}
	return s, nil
}

func sockstatError(err error) error {
	if AvailabilityOf(kindOf(err)) == Failed {
		return fmt.Errorf("%w: sockstat: %w", ErrMalformed, err)
	}
	return fmt.Errorf("sockstat: %w", kindOf(err))
}

func (s *Sockstat) add(n *procfs.NetSockstat) {
	set := func(to *maybe.Of[int64], from *int) {
		if from != nil {
			*to = maybe.Some(int64(*from))
		}
	}
	set(&s.Used, n.Used)
	for _, p := range n.Protocols {
		switch p.Protocol {
		case "TCP":
			set(&s.TCP.InUse, &p.InUse)
			set(&s.TCP.TimeWait, p.TW)
			set(&s.TCP.Orphan, p.Orphan)
			set(&s.TCP.Alloc, p.Alloc)
			set(&s.TCP.MemPages, p.Mem)
		case "UDP":
			set(&s.UDP.InUse, &p.InUse)
			set(&s.UDP.MemPages, p.Mem)
		case "TCP6":
			set(&s.TCP6InUse, &p.InUse)
		case "UDP6":
			set(&s.UDP6InUse, &p.InUse)
		case "RAW":
			set(&s.RawInUse, &p.InUse)
		case "RAW6":
			set(&s.Raw6InUse, &p.InUse)
		case "FRAG":
			set(&s.FragBytes, p.Memory)
		case "FRAG6":
			set(&s.Frag6Bytes, p.Memory)
		}
	}
}

// Marks are the three marks of tcp_mem or udp_mem, in pages, over all namespaces:
// below Low TCP does not regulate its buffers, above Pressure it saves memory until
// it is below Low again, and above High it refuses more.
type Marks struct{ LowPages, PressurePages, HighPages uint64 }

// ReadMarks reads /proc/sys/net/ipv4/tcp_mem (or udp_mem, as name says) of a procfs.
// The files are only in the first network namespace, and absent in others.
func ReadMarks(proc, name string) (Marks, error) {
	path := proc + "/sys/net/ipv4/" + name
	b, err := os.ReadFile(path)
	if err != nil {
		return Marks{}, err
	}
	fields := strings.Fields(string(b))
	var m Marks
	if len(fields) != 3 {
		return m, fmt.Errorf("%w: %s: %q has not three numbers", ErrMalformed, path, b)
	}
	for i, to := range [...]*uint64{&m.LowPages, &m.PressurePages, &m.HighPages} {
		if *to, err = strconv.ParseUint(fields[i], 10, 64); err != nil {
			return Marks{}, fmt.Errorf("%w: %s: %w", ErrMalformed, path, err)
		}
	}
	return m, nil
}

// ReadLimit reads a file of one number below /proc/sys/net of a procfs, like
// ipv4/tcp_max_orphans or netfilter/nf_conntrack_count. A file that is not there is
// fs.ErrNotExist: the kernel, or a namespace that is not the first one, does not have it.
func ReadLimit(proc, name string) (int64, error) {
	path := proc + "/sys/net/" + name
	b, err := readRegular(path, 64)
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
	if err != nil || n < 0 || !strings.HasSuffix(string(b), "\n") {
		return 0, fmt.Errorf("%w: %s: %.40q", ErrMalformed, path, b)
	}
	return n, nil
}
