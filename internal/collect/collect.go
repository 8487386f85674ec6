package collect

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"

	"github.com/eptop/eptop/internal/bpf"
	"github.com/eptop/eptop/internal/btf"
	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/placement"
	"github.com/eptop/eptop/internal/slab"
	"github.com/eptop/eptop/internal/zone"
)

// Defaults of Options.
const (
	DefaultMaxStall = 0.01
	DefaultMaxFDs   = 100_000
	DefaultSweep    = 30 * time.Second
)

// Options say where to look and how gently.
type Options struct {
	// ProcRoot and SysRoot are the mount points of procfs and sysfs, or captured
	// trees.
	ProcRoot, SysRoot string
	// Source is where files, watches and sockets come from: SourceProc, SourceBPF, or
	// SourceAuto, the better of those that work here; "" means SourceAuto.
	Source string
	// MaxStall is the share of wall time that looking may hold the lock of one
	// epoll instance, above 0 up to 1.
	MaxStall float64
	// MaxFDs bounds how many fds of one process are listed; 0 is no bound.
	MaxFDs int
	// LookTime bounds the wall time that the first look spends on listing fds and
	// reading epolls; 0 is no bound. Later looks may spend lookShare of the time since
	// the look before, but at most LookTime. Each look lists and reads at least once.
	LookTime time.Duration
	// Sweep is the longest time that a process goes without being listed.
	Sweep time.Duration
}

// Collector looks at the machine. It is not safe for concurrent use.
type Collector struct {
	opts   Options
	now    func() time.Time
	source *chooser
	proc   procfs.FS
	slab   *slab.FS
	zone   *zone.FS
	place  *placement.FS
	live   bool // ProcRoot is the procfs of this kernel

	host       hostInfo
	structs    structSizes
	modules    modules
	cgroups    cgroupLimits
	layouts    layouts
	perNode    map[string]cacheNodes // by name in slabinfo
	users      map[int]string
	lookUpUser func(uid string) (*user.User, error)
	placements map[int]location // by PID, of the processes of the last Focus
	progress   progress
	lastCPU    time.Duration
	lastLook   time.Time
}

// lookShare is the share of wall time that all listing and reading of a dashboard may
// take; what does not fit is left to the next looks. minLookTime is enough for what
// changes on a quiet machine.
const (
	lookShare   = 0.03
	minLookTime = 2 * time.Millisecond
)

// New checks the roots and starts loading what does not change.
func New(opts Options) (*Collector, error) {
	if opts.MaxStall <= 0 || opts.MaxStall > 1 {
		return nil, fmt.Errorf("max stall %g is not above 0 and up to 1", opts.MaxStall)
	}
	proc, err := procfs.NewFS(opts.ProcRoot)
	if err != nil {
		return nil, err
	}
	live := isOn(opts.ProcRoot, unix.PROC_SUPER_MAGIC)
	if !live && isOn(opts.SysRoot, unix.SYSFS_MAGIC) {
		return nil, fmt.Errorf("%s is a captured tree and %s this machine's own sysfs: name the tree's with --path.sysfs, even where it has none", opts.ProcRoot, opts.SysRoot)
	}
	if err := CheckSource(cmp.Or(opts.Source, SourceAuto)); err != nil {
		return nil, fmt.Errorf("source %w", err)
	}
	if opts.Sweep == 0 {
		opts.Sweep = DefaultSweep
	}
	c := &Collector{
		opts: opts, now: time.Now, proc: proc,
		slab: slab.NewFS(opts.ProcRoot, opts.SysRoot), zone: zone.NewFS(opts.ProcRoot, opts.SysRoot),
		place: placement.NewFS(opts.ProcRoot),
		live:  live,
		users: map[int]string{}, lookUpUser: user.LookupId,
	}
	if live && opts.Source != SourceProc && isOn(opts.SysRoot, unix.SYSFS_MAGIC) {
		c.structs.types = make(chan *btf.Types, 1)
	}
	c.structs.load(opts.SysRoot)
	if c.source, err = newChooser(opts, live, c.loadProgram); err != nil {
		<-c.structs.done
		return nil, err
	}
	return c, nil
}

// Close closes the files that are kept open between looks.
func (c *Collector) Close() {
	<-c.structs.done
	c.source.close()
}

// Attach checks that a process can be looked into, before anybody waits for it.
// The errors are ErrGone, ErrKernelThread and ErrDenied, wrapped with the PID.
func (c *Collector) Attach(pid int) error {
	return c.source.attach(&look{ctx: context.Background(), Collector: c, start: c.now()}, pid)
}

// Live reports whether the collector looks at this machine, and not at a captured
// tree.
func (c *Collector) Live() bool { return c.live }

// isOn reports whether a directory is on a file system of the kernel's.
func isOn(root string, magic int64) bool {
	var st unix.Statfs_t
	return unix.Statfs(root, &st) == nil && int64(st.Type) == magic
}

// Look reads the machine once. It fails where the processes themselves cannot be
// listed, and with ctx.Err() where ctx ends before it has read everything; every other
// source that fails is named in Sample.Sources.
func (c *Collector) Look(ctx context.Context, focus model.Focus) (*model.Sample, error) {
	start := c.now()
	s := &model.Sample{Time: start, UserNames: map[int]string{}, Asked: focus.PIDs}
	if c.live {
		s.Self = os.Getpid()
	}
	focus.Quiet = focus.Quiet && !c.lastLook.IsZero()
	l := look{ctx: ctx, Collector: c, sample: s, focus: focus, start: start, budget: c.budget(start)}
	defer l.doing("")
	if err := c.source.look(ctx, &l); err != nil {
		if ctx.Err() != nil {
			c.source.anew()
		}
		return nil, err
	}
	if err := inTurn(ctx, l.step("kernel memory", l.sockstat), l.cgroup, l.cgroupLimits, l.memory, l.hostFacts, l.loadLimits, l.fillPlacements); err != nil {
		return nil, err
	}
	c.lastLook = start
	s.Time = c.now()
	s.Took = s.Time.Sub(start)
	c.cost(s)
	return s, nil
}

// loadProgram loads the program of passes, with the types of the kernel that were decoded
// for the sizes of structures.
func (c *Collector) loadProgram() (*bpf.Scanner, error) {
	var types *btf.Types
	if c.structs.types != nil {
		types = <-c.structs.types
	}
	return bpf.Load(types)
}

// inTurn runs the steps of a look, and stops once ctx has ended.
func inTurn(ctx context.Context, steps ...func()) error {
	for _, step := range steps {
		if err := ctx.Err(); err != nil {
			return err
		}
		step()
	}
	return ctx.Err()
}

// look is one look under way. Once ctx has ended, its steps return as soon as they can, and
// what they have done is not used.
type look struct {
	ctx context.Context
	*Collector
	sample *model.Sample
	focus  model.Focus
	start  time.Time
	budget time.Duration // 0: no bound

	memoryTook time.Duration // of reading /proc/meminfo
	memoryErr  error
	cpuTimes   int // processes whose CPU time was read
}

// budget returns how long a look may spend on listing and reading.
func (c *Collector) budget(start time.Time) time.Duration {
	if c.lastLook.IsZero() || c.opts.LookTime == 0 {
		return c.opts.LookTime
	}
	share := time.Duration(lookShare * float64(start.Sub(c.lastLook)))
	return min(max(share, minLookTime), c.opts.LookTime)
}

// outOfTime reports whether the look has used up a share of its budget, or is cut off.
func (l *look) outOfTime(share float64) bool {
	return l.ctx.Err() != nil || l.budget > 0 && l.now().Sub(l.start) > time.Duration(share*float64(l.budget))
}

func (l *look) isFocused(pid int) bool {
	for _, p := range l.focus.PIDs {
		if p == pid {
			return true
		}
	}
	return false
}

// focusedFirst sorts what a look has to do: first what is on screen, then what was
// done longest ago.
func focusedFirst[T any](due []T, focused func(T) bool, last func(T) time.Time) {
	slices.SortStableFunc(due, func(a, b T) int {
		switch fa, fb := focused(a), focused(b); {
		case fa && !fb:
			return -1
		case fb && !fa:
			return 1
		}
		return last(a).Compare(last(b))
	})
}

// source adds the outcome of reading one source; a nil err means ok.
func (l *look) source(name string, took time.Duration, err error) {
	src := model.Source{Name: name, State: stateOf(err), Took: took}
	if err != nil {
		src.Detail = err.Error()
	}
	if src.State == model.Denied {
		src.Remedy = remedy()
	}
	l.addSource(src)
}

// maxDetail is how many characters a source may say about itself: some lines of a
// screen, however many files were bad.
const maxDetail = 400

// errorList is the errors of several files of a source, whose state is the worst of theirs.
type errorList []error

func (l errorList) Error() string   { return errors.Join(l...).Error() }
func (l errorList) Unwrap() []error { return l }

// joined returns one error made of several, each once; nil where there is none.
func joined(errs ...error) error {
	var out errorList
	for _, err := range errs {
		if err != nil && !slices.ContainsFunc(out, func(other error) bool { return other.Error() == err.Error() }) {
			out = append(out, err)
		}
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

// addSource adds a source with its detail as one line of bounded length.
func (l *look) addSource(src model.Source) {
	src.Detail = strings.ReplaceAll(src.Detail, "\n", "; ") // between joined errors
	if detail := []rune(src.Detail); len(detail) > maxDetail {
		src.Detail = string(detail[:maxDetail]) + "…"
	}
	l.sample.Sources = append(l.sample.Sources, src)
}

// remedy returns the one command that unlocks whatever is denied. Where root is denied
// a capability is missing (CAP_SYS_PTRACE, in a container as a rule), which no command
// run by root would bring.
func remedy() string {
	if os.Geteuid() == 0 {
		return ""
	}
	return "sudo eptop"
}

// stateOf says whether an error means that a source is absent, denied or failed.
func stateOf(err error) model.State {
	if list, ok := errors.AsType[errorList](err); ok {
		state := model.OK
		for _, err := range list {
			state = worse(state, stateOf(err))
		}
		return state
	}
	switch {
	case err == nil:
		return model.OK
	case errors.Is(err, fs.ErrPermission):
		return model.Denied
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, errors.ErrUnsupported):
		return model.Absent
	}
	return model.Failed
}

// userName looks a user up once; the number stands in for a name that cannot be found, and
// for those of a captured tree, whose users this machine does not know. It looks again
// where files were too short to look.
func (c *Collector) userName(uid int) string {
	name, ok := c.users[uid]
	if ok {
		return name
	}
	name = strconv.Itoa(uid)
	if !c.live {
		return name
	}
	u, err := c.lookUpUser(name)
	if err == nil {
		name = u.Username
	}
	if !isShort(err) {
		c.users[uid] = name
	}
	return name
}

// cost writes down what the look itself took.
func (c *Collector) cost(s *model.Sample) {
	var ru unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &ru); err == nil {
		cpu := time.Duration(ru.Utime.Nano() + ru.Stime.Nano())
		s.Guest.CPU = cpu - c.lastCPU
		c.lastCPU = cpu
	}
	s.Guest.MaxStall = c.opts.MaxStall
	s.Guest.RSSBytes = ownRSS()
}
