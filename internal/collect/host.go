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

	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/model"
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
	stat, err := c.proc.Stat()
	if err == nil && stat.BootTime > 0 {
		h.boot = time.Unix(int64(stat.BootTime), 0)
	}
	h.known = !isShort(errors.Join(err, err1, err2))
	return h
}

func (c *Collector) bootTime() (time.Time, bool) {
	boot := c.facts().boot
	return boot, !boot.IsZero()
}

// onlineCPUs counts the machine's CPUs, not those eptop may run on.
func (c *Collector) onlineCPUs() int {
	b, err := os.ReadFile(filepath.Join(c.opts.SysRoot, "devices/system/cpu/online"))
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
	b, err := os.ReadFile(filepath.Join(c.opts.ProcRoot, name))
	if err != nil {
		return "", err
	}
	return string(bytes.TrimSpace(b)), nil
}

// number returns a field of a one-line file of numbers below procfs.
func (c *Collector) number(name string, field int) (maybe.Of[int64], error) {
	b, err := os.ReadFile(filepath.Join(c.opts.ProcRoot, name))
	if err != nil {
		return maybe.Of[int64]{}, err
	}
	fields := bytes.Fields(b)
	if field >= len(fields) {
		return maybe.Of[int64]{}, fmt.Errorf("%s: malformed: %q", name, b)
	}
	n, err := strconv.ParseInt(string(fields[field]), 10, 64)
	if err != nil {
		return maybe.Of[int64]{}, fmt.Errorf("%s: malformed: %w", name, err)
	}
	return maybe.Some(n), nil
}

// optionalNumber does the same; a missing file is no error.
func (c *Collector) optionalNumber(name string, field int) (maybe.Of[int64], error) {
	n, err := c.number(name, field)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return n, err
}

// hostFacts fills in the machine and its limits.
func (l *look) hostFacts() {
	h := l.facts()
	host := model.Host{Hostname: h.hostname, Kernel: h.kernel, CPUs: h.cpus, PageBytes: int64(os.Getpagesize())}
	start := l.now()
	info, err := l.proc.Meminfo()
	if err == nil {
		host.MemTotalBytes = bytesOf(info.MemTotalBytes)
		host.MemAvailableBytes = bytesOf(info.MemAvailableBytes)
		host.SReclaimableBytes = bytesOf(info.SReclaimableBytes)
		host.SUnreclaimBytes = bytesOf(info.SUnreclaimBytes)
	}
	l.source("meminfo", l.now().Sub(start), err)
	l.sample.Host = host

	start = l.now()
	var err2, err3 error
	l.sample.MaxUserWatches, err = l.number("sys/fs/epoll/max_user_watches", 0)
	l.sample.OpenFiles, err2 = l.number("sys/fs/file-nr", 0)
	l.sample.MaxFiles, err3 = l.number("sys/fs/file-nr", 2)
	var err4, err5 error
	l.sample.UnusedDentries, err4 = l.optionalNumber("sys/fs/dentry-state", 1)
	l.sample.AllInodes, err5 = l.optionalNumber("sys/fs/inode-nr", 0)
	for _, other := range []error{err2, err3, err4, err5} {
		if err == nil {
			err = other
		}
	}
	l.source("limits", l.now().Sub(start), err)
	l.source("bpf", 0, noBPF{})
}

// noBPF says why there is no BPF source.
type noBPF struct{}

func (noBPF) Error() string        { return "this version of eptop looks through /proc alone" }
func (noBPF) Is(target error) bool { return target == errors.ErrUnsupported }

func bytesOf(n *uint64) maybe.Of[int64] {
	if n == nil || *n > math.MaxInt64 {
		return maybe.Of[int64]{}
	}
	return maybe.Some(int64(*n))
}

// ownRSS returns eptop's own resident memory in bytes.
func ownRSS() maybe.Of[int64] {
	b, err := os.ReadFile("/proc/self/statm")
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
