package sock

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/eptop/eptop/internal/kernfile"
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

// maxPages bounds a number of pages: their bytes fit an int64 whatever the size of a page.
// maxNumber bounds bytes and sockets.
const (
	maxPages  = math.MaxInt64 >> 18
	maxNumber = 1 << 52
)

// ReadSockstat reads the sums for a namespace: dir is "/proc" for this program's
// own, "/proc/PID" for that of a process. No privilege is needed. What could be read is
// returned beside an error about a line.
func ReadSockstat(dir string) (Sockstat, error) {
	var s Sockstat
	b, err := kernfile.ReadFile(filepath.Join(dir, "net/sockstat"))
	if err != nil {
		return s, err
	}
	err = s.parse("sockstat", b)
	if !s.TCP.InUse.Known && err == nil {
		err = fmt.Errorf("%w: sockstat: no line of TCP", ErrMalformed)
	}
	b, err6 := kernfile.ReadFile(filepath.Join(dir, "net/sockstat6"))
	switch {
	case err6 == nil:
		err = errors.Join(err, s.parse("sockstat6", b))
	case !errors.Is(err6, fs.ErrNotExist):
		err = errors.Join(err, fmt.Errorf("sockstat6: %w", err6))
	}
	return s, err
}

// parse adds the numbers of a file. A line that does not parse is left out, and the first of
// them is the error. Lines and names that are not known are passed over.
func (s *Sockstat) parse(file string, b []byte) (err error) {
	for number := 1; len(b) > 0; number++ {
		line, rest, whole := bytes.Cut(b, []byte{'\n'})
		b = rest
		why := "cut before its newline"
		if whole {
			why = s.parseLine(line)
		}
		if why != "" && err == nil {
			err = fmt.Errorf("%w: %s line %d: %s: %q", ErrMalformed, file, number, why, line[:min(len(line), maxQuote)])
		}
	}
	return err
}

// parseLine parses "TCP: inuse 1 orphan 0 tw 0 alloc 1 mem 91".
func (s *Sockstat) parseLine(line []byte) (why string) {
	key, rest := cutField(line)
	fields := s.fields(string(key))
	var read [5]maybe.Of[int64]
	for i := 0; ; {
		name, after := cutField(rest)
		if len(name) == 0 && i == 0 && fields != nil {
			return "number missing"
		}
		if len(name) == 0 {
			break
		}
		i++
		var digits []byte
		digits, rest = cutField(after)
		at := slices.IndexFunc(fields, func(f sockstatField) bool { return f.name == string(name) })
		if at < 0 {
			continue
		}
		n, err := strconv.ParseUint(string(digits), 10, 63)
		if err != nil || n > maxNumber || fields[at].pages && n > maxPages {
			return "not a number that can be"
		}
		read[at] = maybe.Some(int64(n))
	}
	for i, f := range fields {
		*f.to = read[i]
	}
	return ""
}

// sockstatField is a number of a line.
type sockstatField struct {
	name  string
	to    *maybe.Of[int64]
	pages bool
}

// fields returns those of the line that begins with a key; nil for one that is not known.
func (s *Sockstat) fields(key string) []sockstatField {
	inUse := func(to *maybe.Of[int64]) []sockstatField { return []sockstatField{{"inuse", to, false}} }
	switch key {
	case "sockets:":
		return []sockstatField{{"used", &s.Used, false}}
	case "TCP:":
		t := &s.TCP
		return []sockstatField{{"inuse", &t.InUse, false}, {"orphan", &t.Orphan, false}, {"tw", &t.TimeWait, false}, {"alloc", &t.Alloc, false}, {"mem", &t.MemPages, true}}
	case "UDP:":
		return []sockstatField{{"inuse", &s.UDP.InUse, false}, {"mem", &s.UDP.MemPages, true}}
	case "TCP6:":
		return inUse(&s.TCP6InUse)
	case "UDP6:":
		return inUse(&s.UDP6InUse)
	case "RAW:":
		return inUse(&s.RawInUse)
	case "RAW6:":
		return inUse(&s.Raw6InUse)
	case "FRAG:":
		return []sockstatField{{"memory", &s.FragBytes, false}}
	case "FRAG6:":
		return []sockstatField{{"memory", &s.Frag6Bytes, false}}
	}
	return nil
}

// Marks are the three marks of tcp_mem or udp_mem, in pages, over all namespaces:
// below Low TCP does not regulate its buffers, above Pressure it saves memory until
// it is below Low again, and above High it refuses more.
type Marks struct{ LowPages, PressurePages, HighPages uint64 }

// ReadMarks reads /proc/sys/net/ipv4/tcp_mem (or udp_mem, as name says) of a procfs.
// The files are only in the first network namespace, and absent in others.
func ReadMarks(proc, name string) (Marks, error) {
	path := proc + "/sys/net/ipv4/" + name
	b, err := kernfile.ReadFile(path)
	if err != nil {
		return Marks{}, err
	}
	line, whole := kernfile.Line(b)
	fields := strings.Fields(string(line))
	var m Marks
	if len(fields) != 3 || !whole {
		return m, fmt.Errorf("%w: %s: %q is not a line of three numbers", ErrMalformed, path, b[:min(len(b), maxQuote)])
	}
	for i, to := range [...]*uint64{&m.LowPages, &m.PressurePages, &m.HighPages} {
		n, err := strconv.ParseUint(fields[i], 10, 64)
		if err != nil {
			return Marks{}, fmt.Errorf("%w: %s: %w", ErrMalformed, path, err)
		}
		*to = min(n, maxPages) // more than any memory: no limit
	}
	return m, nil
}

// ReadLimit reads a file of one number below /proc/sys/net of a procfs, like
// ipv4/tcp_max_orphans or netfilter/nf_conntrack_count. A file that is not there is
// fs.ErrNotExist: the kernel, or a namespace that is not the first one, does not have it.
func ReadLimit(proc, name string) (int64, error) {
	path := proc + "/sys/net/" + name
	b, err := kernfile.ReadFile(path)
	if err != nil {
		return 0, err
	}
	line, whole := kernfile.Line(b)
	n, err := strconv.ParseUint(string(line), 10, 63)
	if err != nil || !whole {
		return 0, fmt.Errorf("%w: %s: %.40q", ErrMalformed, path, b)
	}
	return int64(n), nil
}
