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
		Use:                        "eptop",
		Short:                      "What epoll and sockets cost in kernel memory, live",
		Args:                       noArgs,
		Version:                    version,
		SuggestionsMinimumDistance: 2,
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
	s.addFlags(root)
	root.Flags().Var((*number)(&s.loadNow), "load", "open `N` idle connections at once (10k, 2M)")
	root.AddGroup(&cobra.Group{ID: groupOther})
	root.SetHelpCommand(newHelp())
	root.SetHelpCommandGroupID(groupOther)
	root.SetCompletionCommandGroupID(groupOther)
	root.AddCommand(newSnapshot(s), newLoad(s), newMeasure(s), newLab(s), newCheck(s), newMan(), newVersion())
	for _, cmd := range append(root.Commands(), root) {
		cmd.Version = version
		cmd.SetVersionTemplate("eptop {{.Version}}\n")
		cmd.Flags().BoolP("version", "V", false, "print the version")
		cmd.Flags().BoolP("help", "h", false, "print this help")
	}
	return root
}

// addFlags adds the flags of the commands that look at the machine.
func (s *settings) addFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.VarP((*pidList)(&s.pids), "pid", "p", pidUsage(cmd))
	f.Float64VarP(&s.delay, "delay", "d", 1, "`SECONDS` between looks, 0.1 to 60")
	f.StringVar(&s.source, "source", collect.SourceAuto, "where files, watches and sockets come from: `SOURCE` is auto, proc or bpf")
	f.StringVarP(&s.user, "user", "u", "", "only processes of `USER`, a name or number")
	f.StringVar(&s.procRoot, "path.procfs", "/proc", "`DIR` where procfs is mounted, or a captured tree")
	f.StringVar(&s.sysRoot, "path.sysfs", "/sys", "`DIR` where sysfs is mounted, or that of a captured tree")
	f.Float64Var(&s.maxStall, "max-stall", 100*collect.DefaultMaxStall, "hold an epoll's lock for at most `PERCENT` of the time, above 0 up to 100")
	f.IntVar(&s.maxFDs, "max-fds", collect.DefaultMaxFDs, "list at most `N` fds of a process, 0 for all")
	f.BoolVar(&s.noColor, "no-color", false, "no colours (NO_COLOR does the same)")
	f.BoolVar(&s.noMouse, "no-mouse", false, "leave the mouse to the terminal")
	for _, name := range []string{"path.procfs", "path.sysfs", "max-stall", "max-fds", "no-color", "no-mouse"} {
		f.Lookup(name).Annotations = map[string][]string{rare: nil}
	}
	completeFlags(cmd, s)
}

// pidUsage describes --pid: what prints restricts itself to processes, the dashboard
// attaches to one.
func pidUsage(cmd *cobra.Command) string {
	if cmd.Name() != "eptop" {
		return "only the process `PID`; repeatable"
	}
	return "attach to the process `PID`"
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
