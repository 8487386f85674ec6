package collect

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/eptop/eptop/internal/kernfile"
	"github.com/eptop/eptop/internal/loadgen"
	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/zone"
)

// hostInfo is what does not change while eptop runs.
type hostInfo struct {
	known    bool
	hostname string
	kernel   string
	cpus     int
	boot     time.Time
}

func (c *Collector) facts() *hostInfo {
	h := &c.host
	if h.known {
		return h
	}
	var err1, err2 error
	h.hostname, err1 = c.line("sys/kernel/hostname")
	h.kernel, err2 = c.line("sys/kernel/osrelease")
	h.cpus = c.onlineCPUs()
	var err3 error
	h.boot, err3 = c.readBoot()
	h.known = !isShort(errors.Join(err1, err2, err3))
	return h
}

// readBoot returns when the machine was started; the zero time where /proc/stat does not
// say.
func (c *Collector) readBoot() (time.Time, error) {
	b, err := kernfile.ReadFile(filepath.Join(c.opts.ProcRoot, "stat"))
	if err != nil {
		return time.Time{}, err
	}
	for line := range bytes.Lines(b) {
		if digits, ok := bytes.CutPrefix(line, []byte("btime ")); ok {
			text, whole := kernfile.Line(digits)
			if n, err := strconv.ParseUint(string(text), 10, 40); err == nil && whole && n > 0 {
				return time.Unix(int64(n), 0), nil
			}
		}
	}
	return time.Time{}, nil
}

func (c *Collector) bootTime() (time.Time, bool) {
	boot := c.facts().boot
	return boot, !boot.IsZero()
}

// onlineCPUs counts the machine's CPUs, not those eptop may run on.
func (c *Collector) onlineCPUs() int {
	b, err := kernfile.ReadFile(filepath.Join(c.opts.SysRoot, "devices/system/cpu/online"))
	if err == nil {
		if cpus, err := zone.ParseList(b); err == nil {
			return len(cpus)
		}
	}
	if c.live {
		return runtime.NumCPU()
	}
	return 0
}

// line returns the text of a one-line file below procfs; "" where it cannot be read.
func (c *Collector) line(name string) (string, error) {
	b, err := kernfile.ReadFile(filepath.Join(c.opts.ProcRoot, name))
	if err != nil {
		return "", err
	}
	line, _ := kernfile.Line(b)
	return string(line), nil
}

// limit returns a field of a one-line file of numbers below procfs. One that is larger than
// any number eptop reckons with is the largest of these.
func (c *Collector) limit(name string, field int) (maybe.Of[int64], error) {
	b, err := kernfile.ReadFile(filepath.Join(c.opts.ProcRoot, name))
	if err != nil {
		return maybe.Of[int64]{}, err
	}
	line, whole := kernfile.Line(b)
	fields := bytes.Fields(line)
	if !whole || field >= len(fields) {
		return maybe.Of[int64]{}, fmt.Errorf("%s: malformed: %.100q", name, b)
	}
	n, err := strconv.ParseUint(string(fields[field]), 10, 64)
	if err != nil {
		return maybe.Of[int64]{}, fmt.Errorf("%s: malformed: %w", name, err)
	}
	return maybe.Some(int64(min(n, math.MaxInt64))), nil
}

// count does the same for a number of things, of which there are never that many.
func (c *Collector) count(name string, field int) (maybe.Of[int64], error) {
	n, err := c.limit(name, field)
	if n.Value > 1<<32 {
		return maybe.Of[int64]{}, fmt.Errorf("%s: malformed: %d is more than there can be", name, n.Value)
	}
	return n, err
}

// optionalCount does the same; a missing file is no error.
func (c *Collector) optionalCount(name string, field int) (maybe.Of[int64], error) {
	n, err := c.count(name, field)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return n, err
}

// hostMemory reads /proc/meminfo.
func (l *look) hostMemory() {
	host := &l.sample.Host
	l.memoryTook = l.timed(func() {
		m, err := l.zone.Meminfo()
		l.memoryErr = err
		if m.MemTotalBytes == 0 {
			return
		}
		amounts := map[string]*maybe.Of[int64]{
			"MemTotal": &host.MemTotalBytes, "MemAvailable": &host.MemAvailableBytes,
			"SReclaimable": &host.SReclaimableBytes, "SUnreclaim": &host.SUnreclaimBytes,
		}
		if available := m.Get("MemAvailable"); available.Value > m.MemTotalBytes {
			l.memoryErr = joined(l.memoryErr, fmt.Errorf("meminfo: more MemAvailable than MemTotal: %w", zone.ErrMalformed))
			delete(amounts, "MemAvailable")
		}
		for name, to := range amounts {
			n := m.Get(name)
			*to = maybe.When(int64(n.Value), n.Known && n.Value <= math.MaxInt64)
		}
	})
}

// hostFacts fills in the machine and its limits.
func (l *look) hostFacts() {
	h, host := l.facts(), &l.sample.Host
	host.Hostname, host.Kernel, host.CPUs, host.Captured = h.hostname, h.kernel, h.cpus, !l.live
	var mount unix.Statfs_t
	host.SysctlReadOnly = l.live && unix.Statfs(filepath.Join(l.opts.ProcRoot, "sys"), &mount) == nil && mount.Flags&unix.ST_RDONLY != 0
	l.source("meminfo", l.memoryTook, l.memoryErr)

	start := l.now()
	var errs [6]error
	l.sample.MaxUserWatches, errs[0] = l.limit("sys/fs/epoll/max_user_watches", 0)
	l.sample.OpenFiles, errs[1] = l.count("sys/fs/file-nr", 0)
	l.sample.MaxFiles, errs[2] = l.limit("sys/fs/file-nr", 2)
	l.sample.UnusedDentries, errs[3] = l.optionalCount("sys/fs/dentry-state", 1)
	l.sample.AllInodes, errs[4] = l.optionalCount("sys/fs/inode-nr", 0)
	l.sample.NrOpen, errs[5] = l.optionalCount("sys/fs/nr_open", 0)
	l.sample.Tasks, l.sample.MostTasks = loadgen.ReadTasks(l.opts.ProcRoot)
	l.sample.NoRaise = l.live && loadgen.CannotRaise()
	l.source("limits", l.now().Sub(start), joined(errs[:]...))
}

// ownRSS returns eptop's own resident memory in bytes.
func ownRSS() maybe.Of[int64] {
	b, err := kernfile.ReadFile("/proc/self/statm")
	if err != nil {
		return maybe.Of[int64]{}
	}
	fields := bytes.Fields(b)
	if len(fields) < 2 {
		return maybe.Of[int64]{}
	}
	pages, err := strconv.ParseInt(string(fields[1]), 10, 64)
	if err != nil {
		return maybe.Of[int64]{}
	}
	return maybe.Some(pages * int64(os.Getpagesize()))
}
