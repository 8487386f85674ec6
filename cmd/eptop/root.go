package main

import (
	"fmt"
	"os"
	"os/user"
	"strconv"
	"strings"
	"time"

	"github.com/charmbracelet/x/term"
	"github.com/spf13/cobra"

	"github.com/eptop/eptop/internal/collect"
	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/model"
)

// long has one line for each paragraph: the help wraps it to the terminal, and the man
// page makes a paragraph of each line.
var long = strings.Join([]string{
	"eptop shows which processes hold epoll instances and sockets, how many watches each has against " +
		"fs.epoll.max_user_watches, and what a watch and an idle connection cost in kernel memory on the running kernel, " +
		"with the slab caches, NUMA nodes and zones behind them.",
	"Without a terminal on its output it prints one snapshot, as \"eptop snapshot\" does.",
	"OVERHEAD",
	"Reading an epoll's fdinfo holds that instance's lock: with 19 000 watches for some 30 ms the first time and 10 ms " +
		"afterwards, in which its owner waits in epoll_ctl. eptop reads an instance again only when that keeps the lock held " +
		"for at most --max-stall percent of the time, and shows how old each number is.",
	"Listing the fds of a process makes the kernel create some 920 bytes for each, which it frees under memory pressure. " +
		"eptop lists a process when its number of fds changed, and at most --max-fds of them.",
	"All listing and reading takes at most 3 percent of the time, dumping sockets another 4: what does not fit waits.",
	"CAVEATS",
	"Without root other users' processes and /proc/slabinfo cannot be read; eptop says what is missing.",
	"The user that an instance is charged to is a guess, the user of its oldest holder: /proc does not show who created the instance.",
}, "\n\n")

// settings are the flags that all commands share that look at the machine.
type settings struct {
	pids     []int
	delay    float64
	source   string
	procRoot string
	sysRoot  string
	user     string
	uid      maybe.Of[int] // of user; absent is everybody
	noColor  bool
	noMouse  bool
	loadNow  int64 // connections to start with; 0 is none
	maxStall float64
	maxFDs   int
}

func newRoot() *cobra.Command {
	s := &settings{}
	root := &cobra.Command{
		Use:     "eptop",
		Short:   "What epoll and sockets cost in kernel memory, live",
		Long:    long,
		Example: "  sudo eptop\n  sudo eptop --pid $(pgrep -o nginx)\n  sudo eptop snapshot --json | jq .epoll",
		Args:    noArgs,
		Version: version,
		// run prints errors, without the usage.
		SilenceErrors: true, SilenceUsage: true,
		PersistentPreRunE: func(*cobra.Command, []string) error {
			return s.check()
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := s.checkLoad(cmd.Flags().Changed("load")); err != nil {
				return err
			}
			if reason := noDashboard(); reason != "" {
				if reason != notATerminal {
					fmt.Fprintln(cmd.ErrOrStderr(), "eptop: "+reason+"; this is one snapshot instead")
				}
				return s.snapshot(cmd, snapshotFlags{})
			}
			return s.dashboard(cmd.Context())
		},
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.SetHelpFunc(printHelp)
	root.SetVersionTemplate("eptop {{.Version}}\n")
	f := root.PersistentFlags()
	f.BoolP("version", "V", false, "print the version")
	f.VarP((*pidList)(&s.pids), "pid", "p", "attach to process `P` (snapshot: restrict to it; repeatable)")
	f.Float64VarP(&s.delay, "delay", "d", 1, "`SECONDS` between looks, 0.1 to 60")
	f.StringVar(&s.source, "source", "auto", "where files, watches and sockets are read from: `auto|proc|bpf`")
	f.StringVar(&s.procRoot, "path.procfs", "/proc", "procfs mount point, or a captured tree")
	f.StringVar(&s.sysRoot, "path.sysfs", "/sys", "sysfs mount point, or that of a captured tree")
	f.StringVarP(&s.user, "user", "u", "", "show only processes of this `USER` (name or number)")
	f.BoolVar(&s.noColor, "no-color", false, "no colours (also: NO_COLOR)")
	f.BoolVar(&s.noMouse, "no-mouse", false, "leave the mouse to the terminal")
	f.Float64Var(&s.maxStall, "max-stall", 100*collect.DefaultMaxStall, "`PERCENT` of time an epoll's lock may be held by looking, above 0 up to 100")
	f.IntVar(&s.maxFDs, "max-fds", collect.DefaultMaxFDs, "list at most `N` fds of a process, 0 for all")
	root.Flags().Var((*number)(&s.loadNow), "load", "open `N` idle connections at once, in the Load view (10k and 2M are understood)")
	root.AddCommand(newSnapshot(s), newLoad(s), newMeasure(s), newLab(s), newMan())
	for _, cmd := range root.Commands() {
		cmd.Version = version
		cmd.SetVersionTemplate("eptop {{.Version}}\n")
	}
	return root
}

// pidList is --pid: numbers, repeated or with commas between them.
type pidList []int

func (l *pidList) String() string { return strings.Trim(fmt.Sprint(*l), "[]") }
func (l *pidList) Type() string   { return "P" }

func (l *pidList) Set(text string) error {
	for _, word := range strings.Split(text, ",") {
		pid, err := strconv.ParseInt(word, 10, 32)
		if err != nil || pid <= 0 {
			return fmt.Errorf("%q is not a process number", word)
		}
		*l = append(*l, int(pid))
	}
	return nil
}

func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef("unknown command %q; see %s --help", args[0], cmd.CommandPath())
	}
	return nil
}

// check refuses values that make no sense before anything is read.
func (s *settings) check() error {
	if !(s.delay >= 0.1 && s.delay <= 60) {
		return usagef("--delay %g: not between 0.1 and 60 seconds", s.delay)
	}
	if !(s.maxStall > 0 && s.maxStall <= 100) {
		return usagef("--max-stall %g: not above 0 and up to 100 percent", s.maxStall)
	}
	if s.maxFDs < 0 {
		return usagef("--max-fds %d: negative", s.maxFDs)
	}
	if err := collect.CheckSource(s.source); err != nil {
		return usagef("--source %w", err)
	}
	var err error
	s.uid, err = s.lookUpUser()
	return err
}

// checkLoad refuses a --load that cannot be started.
func (s *settings) checkLoad(given bool) error {
	if !given {
		return nil
	}
	plan := model.DefaultLoadPlan()
	plan.Connections = s.loadNow
	if err := plan.Check(); err != nil {
		return usagef("--load: %w", err)
	}
	if reason := noDashboard(); reason != "" {
		return usagef("--load %d: %s; eptop load and eptop measure need none", s.loadNow, reason)
	}
	return nil
}

// lookUpUser turns --user into a number; absent is everybody.
func (s *settings) lookUpUser() (maybe.Of[int], error) {
	if s.user == "" {
		return maybe.Of[int]{}, nil
	}
	if n, err := strconv.Atoi(s.user); err == nil && n >= 0 {
		return maybe.Some(n), nil
	}
	u, err := user.Lookup(s.user)
	if err != nil {
		return maybe.Of[int]{}, usagef("--user %q: no such user", s.user)
	}
	n, err := strconv.Atoi(u.Uid)
	return maybe.Some(n), err
}

// collect returns where to look and how gently. lookTime bounds a look; 0 is no bound.
func (s *settings) collect(lookTime time.Duration) collect.Options {
	return collect.Options{ProcRoot: s.procRoot, SysRoot: s.sysRoot, Source: s.source, MaxStall: s.maxStall / 100, MaxFDs: s.maxFDs, LookTime: lookTime}
}

const notATerminal = "no terminal on standard output"

// noDashboard returns why the dashboard cannot be shown here; "" where it can.
func noDashboard() string {
	if !term.IsTerminal(os.Stdout.Fd()) {
		return notATerminal
	}
	if t := os.Getenv("TERM"); t == "dumb" || t == "" {
		return fmt.Sprintf("a terminal of type %q cannot show the dashboard", t)
	}
	return ""
}
