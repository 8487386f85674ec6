package fdinfo

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/eptop/eptop/internal/kernfile"
	"github.com/eptop/eptop/internal/maybe"
)

// Identity is who a process is, or one thread of it.
type Identity struct {
	Comm string
	// StartTicks is when it was started, in clock ticks after boot. Two tasks that had one
	// PID after the other differ in it.
	StartTicks uint64
	// Kernel: it is a kernel thread, which has no files.
	Kernel bool
	// Ended: it is a zombie, whose files are closed. Other threads of the process may live.
	Ended bool
	// Threads counts those of the process.
	Threads int
	// UID is the effective user, RealUID the one whom the kernel charges for what the
	// process creates. Of what follows all is absent for kernel threads and zombies.
	UID, RealUID maybe.Of[int]
	// FDSize is how many fds the table has room for: at least as many as are open.
	FDSize maybe.Of[int64]
	// Nofile is the soft RLIMIT_NOFILE, HardNofile what the process may raise it to by
	// itself; each is absent where it is unlimited too. NofileProblem says why they could
	// not be read; it is empty where there is nothing to read.
	Nofile, HardNofile maybe.Of[int64]
	NofileProblem      string
}

// Identity reads stat, status and limits (do_task_stat() and proc_pid_status() in
// fs/proc/array.c, proc_pid_limits() in fs/proc/base.c). What status and limits lack is
// absent; without a stat that can be read nothing is known.
func (p *Process) Identity() (Identity, error) {
	var id Identity
	pooled := p.fs.buffers.Get().(*[]byte)
	defer p.fs.buffers.Put(pooled)
	// The system call takes a fraction of the time of the file. A stat that can be read
	// afterwards proves that the PID was still that of this process.
	nofile, hard, limited := p.fs.nofile(p.pid)
	stat, err := p.read("stat", *pooled)
	if err != nil {
		return id, err
	}
	if err := id.parseStat(stat); err != nil {
		return id, fmt.Errorf("parse %s: %w", p.fs.path(p.pid, "stat"), err)
	}
	if id.Kernel || id.Ended {
		return id, nil
	}
	status, err := p.read("status", *pooled)
	if err != nil {
		return id, err
	}
	id.parseStatus(status)
	if !limited {
		limits, err := p.read("limits", *pooled)
		// The file of a process that has just ended is empty. A captured tree may lack it.
		gone := isGone(err) || err == nil && len(limits) == 0 && p.fs.samePIDs
		if gone && p.fs.samePIDs {
			return id, pathError("read", p.fs.path(p.pid, "limits"), fs.ErrNotExist)
		}
		if err == nil {
			if nofile, hard, err = parseNofile(limits); err != nil {
				err = fmt.Errorf("parse %s: %w", p.fs.path(p.pid, "limits"), err)
			}
		}
		if err != nil && !gone {
			id.NofileProblem = err.Error()
		}
	}
	id.Nofile, id.HardNofile = nofile, hard
	return id, nil
}

// Nofile returns the soft RLIMIT_NOFILE of a process as it is now, or was where it may not
// be asked for.
func (f *FS) Nofile(pid int, was maybe.Of[int64]) maybe.Of[int64] {
	if now, _, ok := f.nofile(pid); ok {
		return now
	}
	return was
}

// nofile asks the kernel for RLIMIT_NOFILE (prlimit(2), since Linux 2.6.36). It reports
// false where it may not: of another user's process without CAP_SYS_RESOURCE.
func (f *FS) nofile(pid int) (soft, hard maybe.Of[int64], ok bool) {
	var limit unix.Rlimit
	if !f.samePIDs || unix.Prlimit(pid, unix.RLIMIT_NOFILE, nil, &limit) != nil {
		return soft, hard, false
	}
	return maybe.When(int64(limit.Cur), limit.Cur <= math.MaxInt64), maybe.When(int64(limit.Max), limit.Max <= math.MaxInt64), true
}

// mostCmdline is how much of a command line is read.
const mostCmdline = 512

// Cmdline reads the beginning of the process's command line (proc_pid_cmdline_read in
// fs/proc/base.c), with a blank for each zero byte. It is absent where the process has none,
// and where it may not be read.
func (p *Process) Cmdline() maybe.Of[string] {
	fd, err := openRelative(p.dir, "cmdline", unix.O_NONBLOCK|unix.O_NOFOLLOW)
	if err != nil {
		return maybe.Of[string]{}
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if unix.Fstat(fd, &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFREG {
		return maybe.Of[string]{}
	}
	buf := make([]byte, mostCmdline)
	n, err := unix.Read(fd, buf)
	text := bytes.TrimRight(buf[:max(0, n)], "\x00\n")
	if err != nil || len(text) == 0 {
		return maybe.Of[string]{}
	}
	return maybe.Some(strings.ToValidUTF8(string(bytes.ReplaceAll(text, []byte{0}, []byte{' '})), "?"))
}

// pfKthread is PF_KTHREAD in include/linux/sched.h.
const pfKthread = 0x00200000

// parseStat parses "7 (comm) S 1 …". A comm may have blanks and parentheses.
func (id *Identity) parseStat(text []byte) error {
	open, end := bytes.IndexByte(text, '('), bytes.LastIndexByte(text, ')')
	if open < 0 || end < open {
		return fmt.Errorf("%w: %.60q has no comm", ErrMalformed, text)
	}
	// The numbers are those of proc(5) less 3, for state is its third field.
	const state, flags, threads, start = 0, 6, 17, 19
	fields := bytes.Fields(text[end+1:])
	if len(fields) <= start {
		return fmt.Errorf("%w: %.60q is cut off", ErrMalformed, text)
	}
	ticks, err1 := strconv.ParseUint(string(fields[start]), 10, 64)
	bits, err2 := strconv.ParseUint(string(fields[flags]), 10, 64)
	count, err3 := strconv.Atoi(string(fields[threads]))
	if err := errors.Join(err1, err2, err3); err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	id.Comm, id.StartTicks, id.Threads = string(text[open+1:end]), ticks, max(count, 0)
	id.Kernel = bits&pfKthread != 0
	id.Ended = bytes.ContainsAny(fields[state], "ZXx")
	return nil
}

func (id *Identity) parseStatus(text []byte) {
	for line := range bytes.Lines(text) {
		name, value, _ := bytes.Cut(line, []byte{':'})
		fields := bytes.Fields(value)
		switch string(name) {
		case "Uid":
			if len(fields) == 4 { // real, effective, saved, of the file system
				id.RealUID, id.UID = parseID(fields[0]), parseID(fields[1])
			}
		case "FDSize":
			if len(fields) == 1 {
				n, err := strconv.ParseInt(string(fields[0]), 10, 64)
				id.FDSize = maybe.When(n, err == nil && n >= 0)
			}
		}
	}
}

func parseID(text []byte) maybe.Of[int] {
	n, err := strconv.ParseUint(string(text), 10, 32)
	return maybe.When(int(n), err == nil)
}

// parseNofile parses the line "Max open files            1024                 524288
// files". Of an unlimited one the number is absent.
func parseNofile(text []byte) (soft, hard maybe.Of[int64], err error) {
	for line := range bytes.Lines(text) {
		if value, found := bytes.CutPrefix(line, []byte("Max open files ")); found {
			fields := bytes.Fields(value)
			if len(fields) != 3 {
				return soft, hard, fmt.Errorf("%w: %.60q is cut off", ErrMalformed, line)
			}
			soft, err1 := parseRlimit(fields[0])
			hard, err2 := parseRlimit(fields[1])
			if err := errors.Join(err1, err2); err != nil {
				return maybe.Of[int64]{}, maybe.Of[int64]{}, err
			}
			return soft, hard, nil
		}
	}
	return soft, hard, fmt.Errorf("%w: no line of open files", ErrMalformed)
}

// parseRlimit parses a number of limits; an unlimited one is absent.
func parseRlimit(text []byte) (maybe.Of[int64], error) {
	if string(text) == "unlimited" {
		return maybe.Of[int64]{}, nil
	}
	n, err := strconv.ParseUint(string(text), 10, 64)
	if err != nil {
		return maybe.Of[int64]{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return maybe.When(int64(n), n <= math.MaxInt64), nil
}

// read reads a small file of the process into buf. Of a longer one, such as the status
// of somebody in thousands of groups, it returns the lines that buf has room for.
func (p *Process) read(name string, buf []byte) ([]byte, error) {
	path := p.fs.path(p.pid, name)
	fd, err := openRelative(p.dir, name, unix.O_NONBLOCK|unix.O_NOFOLLOW)
	if err != nil {
		return nil, pathError("open", path, err)
	}
	defer unix.Close(fd)
	if !p.fs.samePIDs { // a captured tree may have anything there
		var st unix.Stat_t
		if err := unix.Fstat(fd, &st); err != nil {
			return nil, pathError("stat", path, err)
		}
		if st.Mode&unix.S_IFMT != unix.S_IFREG {
			return nil, pathError("read", path, kernfile.ErrNotRegular)
		}
	}
	for size := 0; ; {
		var n int
		err := retryEINTR(func() (err error) {
			n, err = unix.Read(fd, buf[size:])
			return err
		})
		if err != nil {
			return nil, pathError("read", path, err)
		}
		size += n
		switch {
		case n == 0:
			return buf[:size], nil
		case size == len(buf):
			return buf[:bytes.LastIndexByte(buf, '\n')+1], nil
		}
	}
}
