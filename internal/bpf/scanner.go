package bpf

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"golang.org/x/sys/unix"

	"github.com/eptop/eptop/internal/epoll"
)

// readBytes is the kernel's buffer of a pass, which each read(2) empties.
const readBytes = 32 << 10

// Scanner is the loaded program. It makes one pass at a time.
type Scanner struct {
	collection *ebpf.Collection
	state      []byte // struct state of kernel/scan.bpf.c
	decoder    decoder
	buf        []byte
	// missesTables: an iterator over one process leaves out threads with tables of their
	// own (before Linux 6.7, c12e785e8648).
	missesTables bool
	// countsWatches: the kernel counts the watches of an epoll (since Linux 6.4).
	countsWatches bool
	// link and iterator are the descriptors of the pass under way.
	link, iterator int
}

// Where the fields of struct state are.
const (
	stateEpollOps = 0
	stateCPUs     = 8
	stateMaxTree  = 12
	stateCgroups  = 16
	stateOnly     = 20
)

// Options choose what a pass reads.
type Options struct {
	// PID restricts the pass to one process, as the reader's PID namespace numbers it; 0 is
	// all. A process that is not there has no files.
	PID int
	// Trees is up to how many watches an epoll's tree is walked, for Epoll.Tree; 0 is not at
	// all. A walk does not reschedule: 4,096 take half a millisecond.
	Trees uint32
	// Cgroups asks for Socket.Cgroup and Socket.Cookie, a quarter more time.
	Cgroups bool
}

// Stats is what a pass was and cost.
type Stats struct {
	Files, Watches int64 // as shown: a watch as often as its file
	Bytes          int64
	// Reads counts read(2), Restarts those after which the kernel had to be asked again
	// because a million files in a row had nothing to show.
	Reads, Restarts int
	// Wall and CPU are the time taken, with visit's. CPU is that of the thread.
	Wall, CPU time.Duration
}

// Load loads the program and learns from the kernel what a pass needs. kernel are the
// types of /sys/kernel/btf/vmlinux; with nil they are read. It takes 65 ms of CPU, and 20
// more with nil: the verifier a third, and a third the library's own reading of the types,
// for which it does not take those at hand. Any error is a *LoadError.
func Load(kernel *btf.Spec) (*Scanner, error) {
	s, err := load(kernel, scanProgScan, scanProgCalibrate)
	if err != nil {
		return nil, err
	}
	if err := s.calibrate(); err != nil {
		s.Close()
		return nil, loadError(err)
	}
	return s, nil
}

// load loads some of the programs.
func load(kernel *btf.Spec, programs ...string) (*Scanner, error) {
	if strconv.IntSize != 64 {
		return nil, &LoadError{Reason: TooOld}
	}
	if kernel == nil {
		var err error
		if kernel, err = btf.LoadKernelSpec(); err != nil {
			return nil, &LoadError{Reason: NoBTF, Err: err}
		}
	}
	spec, err := loadScan()
	if err != nil {
		return nil, loadError(err)
	}
	cpus, err := ebpf.PossibleCPU()
	if err != nil {
		return nil, &LoadError{Reason: Failed, Err: fmt.Errorf("possible CPUs: %w", err)}
	}
	spec.Maps[scanMapCpuOffsets].MaxEntries = uint32(cpus)
	all := spec.Programs
	spec.Programs = make(map[string]*ebpf.ProgramSpec, len(programs))
	for _, name := range programs {
		spec.Programs[name] = all[name]
	}
	c, err := ebpf.NewCollectionWithOptions(spec, ebpf.CollectionOptions{Programs: ebpf.ProgramOptions{KernelTypes: kernel}})
	if err != nil {
		return nil, loadError(err)
	}
	s := &Scanner{collection: c, state: make([]byte, c.Maps[scanMapStates].ValueSize()), buf: make([]byte, 2*readBytes)}
	host.PutUint32(s.state[stateCPUs:], uint32(cpus))
	var eventpoll *btf.Struct
	if kernel.TypeByName("eventpoll", &eventpoll) == nil {
		s.countsWatches = slices.ContainsFunc(eventpoll.Members, func(m btf.Member) bool { return m.Name == "refcount" })
	}
	return s, nil
}

// CountsWatches reports whether Epoll.Watches is known on this kernel. Where it is not,
// Options.Trees finds out.
func (s *Scanner) CountsWatches() bool { return s.countsWatches }

// PassesOne reports whether a pass over one process costs less than one over all.
func (s *Scanner) PassesOne() bool { return !s.missesTables }

// Close unloads the program. Nothing of it stays in the kernel.
func (s *Scanner) Close() { s.collection.Close() }

// Scan makes a pass and calls visit for each file, process by process and each in the order
// of its numbers. What visit gets is valid until it returns. The pass ends with visit's
// error, or with ctx.Err() where ctx ends.
func (s *Scanner) Scan(ctx context.Context, o Options, visit func(*File) error) (Stats, error) {
	host.PutUint32(s.state[stateMaxTree:], o.Trees)
	cgroups := uint32(0)
	if o.Cgroups {
		cgroups = 1
	}
	host.PutUint32(s.state[stateCgroups:], cgroups)
	host.PutUint32(s.state[stateOnly:], uint32(o.PID))
	if err := s.putState(); err != nil {
		return Stats{}, err
	}
	s.decoder.visit = visit
	defer func() { s.decoder.visit = nil }()
	pid := o.PID
	if s.missesTables {
		pid = 0 // the program leaves the others out
	}
	return s.pass(ctx, scanProgScan, pid)
}

func (s *Scanner) putState() error {
	if err := s.collection.Maps[scanMapStates].Put(uint32(0), s.state); err != nil {
		return fmt.Errorf("bpf: options: %w", err)
	}
	return nil
}

// pass runs an iterator to its end.
func (s *Scanner) pass(ctx context.Context, program string, pid int) (Stats, error) {
	runtime.LockOSThread() // for the thread's CPU time
	defer runtime.UnlockOSThread()
	d := &s.decoder
	d.stats, d.open = Stats{}, false
	began, cpu := time.Now(), threadCPU()
	err := s.readPass(ctx, program, pid)
	d.stats.Wall, d.stats.CPU = time.Since(began), threadCPU()-cpu
	return d.stats, err
}

func (s *Scanner) readPass(ctx context.Context, program string, pid int) error {
	it, err := newIterator(s.collection.Programs[program], pid)
	if err != nil {
		return err
	}
	defer it.close()
	fd, err := it.open()
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	s.link, s.iterator = it.fd, fd
	d := &s.decoder
	kept := 0 // bytes of a record whose rest has not been read
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := unix.Read(fd, s.buf[kept:kept+readBytes])
		d.stats.Reads++
		switch {
		case errors.Is(err, unix.EAGAIN):
			// bpf_seq_read() gives up after MAX_ITER_OBJECTS without output.
			d.stats.Restarts++
			continue
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return os.NewSyscallError("bpf: read", err)
		case n == 0:
			return d.finish(s.buf[:kept])
		}
		d.stats.Bytes += int64(n)
		used, err := d.decode(s.buf[:kept+n])
		if err != nil {
			return err
		}
		kept = copy(s.buf, s.buf[used:kept+n])
	}
}

// threadCPU is the CPU time of the calling thread.
func threadCPU() time.Duration {
	var ts unix.Timespec
	if unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts) != nil {
		return 0
	}
	return time.Duration(ts.Nano())
}

// calibrate finds what differs from kernel to kernel and has no name in BTF: where the
// CPUs' memory is, the operations of each kind of file, and whether an iterator over one
// process shows all its tables.
func (s *Scanner) calibrate() error {
	host.PutUint32(s.state[stateOnly:], uint32(os.Getpid()))
	if err := s.putState(); err != nil {
		return err
	}
	nothing := func(*File) error { return nil }
	s.decoder.visit = nothing
	if _, err := s.pass(context.Background(), scanProgCalibrate, os.Getpid()); err != nil {
		return err
	}
	// What calibrate found out is kept by what is put there later.
	if err := s.collection.Maps[scanMapStates].Lookup(uint32(0), &s.state); err != nil {
		return fmt.Errorf("bpf: calibration: %w", err)
	}
	own, err := newSpecimens()
	if err != nil {
		return err
	}
	defer own.Close()
	own.kinds[int32(s.collection.Programs[scanProgScan].FD())] = epoll.KindBPF
	own.kinds[int32(s.collection.Maps[scanMapStates].FD())] = epoll.KindBPF
	threads, err := newOwnTables(2)
	if err != nil {
		return err
	}
	defer threads.close()
	tables := map[ID]bool{}
	d := &s.decoder
	d.kinds = own.devs
	d.visit = func(f *File) error {
		tables[f.Table] = true
		k, ok := own.kinds[f.Num]
		if f.Num == int32(s.link) || f.Num == int32(s.iterator) {
			k, ok = epoll.KindBPF, true
		}
		if ok && f.Socket == nil {
			d.kinds.byOps = append(d.kinds.byOps, opsKind{d.opsKind.ops, k})
			if k == epoll.KindEpoll {
				host.PutUint64(s.state[stateEpollOps:], d.opsKind.ops)
			}
		}
		return nil
	}
	defer func() { d.visit = nothing }()
	if _, err := s.pass(context.Background(), scanProgScan, os.Getpid()); err != nil {
		return err
	}
	d.opsKind = lastKind{}
	s.missesTables = len(tables) < 1+2
	if host.Uint64(s.state[stateEpollOps:]) == 0 {
		return errors.New("bpf: calibration: a pass of eptop itself does not show its epoll")
	}
	return nil
}
