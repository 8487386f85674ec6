package main

import (
	"context"
	"errors"
	"fmt"
	"os/signal"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/eptop/eptop/internal/engine"
	"github.com/eptop/eptop/internal/loadgen"
	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/report"
	"github.com/eptop/eptop/internal/units"
)

// loadFlags are those of load and measure.
type loadFlags struct {
	plan   model.LoadPlan
	family string
	watch  string
	floor  float64
	hold   time.Duration
	json   bool
}

func (f *loadFlags) add(cmd *cobra.Command, hold string) {
	f.plan = model.DefaultLoadPlan()
	flags := cmd.Flags()
	flags.VarP((*number)(&f.plan.Connections), "connections", "c", "open `N` connections (10k, 2M)")
	flags.StringVar(&f.family, "family", string(f.plan.Family), "`FAMILY` of the addresses: tcp4, tcp6 or unix")
	flags.StringVar(&f.watch, "watch", string(f.plan.Watch), "how the server ends are watched: `MODE` is et, lt, oneshot, exclusive or none")
	flags.Var((*number)(&f.plan.Rate), "rate", "open `N` a second; 0 is as fast as it goes")
	flags.DurationVar(&f.hold, "hold", -1, "hold them for `DURATION`, 30s or 5m; "+hold)
	flags.Float64Var(&f.plan.ActivePercent, "active", 0, "let `PERCENT` of the connections echo")
	flags.Float64Var(&f.plan.BeatsPerSecond, "active-rate", f.plan.BeatsPerSecond, "let each of these echo `N` times a second")
	flags.Var((*number)(&f.plan.UnreadBytes), "unread", "leave `BYTES` unread in the receive buffer of each idle server end")
	flags.Float64Var(&f.floor, "floor", 100*f.plan.Floor, "stop before less than `PERCENT` of the memory is available")
	flags.BoolVar(&f.json, "json", false, "print the result as one JSON object")
	flags.Lookup("hold").DefValue = "" // the usage says what it is
	completeLoadFlags(cmd)
}

// check makes the plan that the flags describe.
func (f *loadFlags) check(cmd *cobra.Command) error {
	f.plan.Family, f.plan.Watch, f.plan.Floor = loadgen.Family(f.family), loadgen.Watch(f.watch), f.floor/100
	if err := f.plan.Check(); err != nil {
		return usageError{err}
	}
	if cmd.Flags().Changed("hold") && f.hold < 0 {
		return usagef("--hold %s: negative", f.hold)
	}
	return nil
}

// number is a count with a suffix for thousands or millions.
type number int64

func (n *number) String() string { return strconv.FormatInt(int64(*n), 10) }
func (n *number) Type() string   { return "N" }

func (n *number) Set(text string) error {
	digits, times := text, int64(1)
	for suffix, by := range map[string]int64{"k": 1000, "M": 1_000_000} {
		if rest, ok := strings.CutSuffix(text, suffix); ok {
			digits, times = rest, by
		}
	}
	v, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || v*times/times != v {
		return fmt.Errorf("%q is not a whole number (10k and 2M are understood)", text)
	}
	*n = number(v * times)
	return nil
}

func newLoad(s *settings) *cobra.Command {
	f := &loadFlags{}
	cmd := &cobra.Command{
		Use:   "load",
		Short: "Open many idle connections on this host, hold them, close them",
		Long: strings.Join([]string{
			"eptop load opens connections between its own worker processes, over 127.0.0.0/8, ::1 or UNIX sockets alone, holds " +
				"them until Ctrl-C or for --hold, and closes them. Each server end is watched by an epoll.",
			"Before it starts it says which limit of this machine ends it first. It stops by itself before less than --floor " +
				"percent of the memory is available; what was opened until then is the result. Workers are added as " +
				"RLIMIT_NOFILE asks for it, and end with eptop, however that ends. No sysctl is changed.",
		}, "\n\n"),
		Example: "  eptop load -c 10000\n  eptop load -c 1M --hold 5m --json",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.check(cmd); err != nil {
				return err
			}
			return s.load(cmd, f)
		},
	}
	f.add(cmd, "not given: until interrupted")
	return cmd
}

func (s *settings) load(cmd *cobra.Command, f *loadFlags) error {
	e, err := engine.New(engine.Options{Options: s.collect(0)})
	if err != nil {
		return err
	}
	defer func() { _ = e.Close() }() // a result leaves nothing open, and the first error says more
	p := newProgress(cmd, f.hold)
	r, err := e.RunLoad(interruptible(cmd.Context()), engine.Run{Plan: f.plan, Hold: f.hold, Progress: p, Every: p.every()})
	if r == nil {
		return err
	}
	if err == nil && r.Opened == 0 {
		err = fmt.Errorf("none of %s could be opened", units.Many(r.Connections, "connection"))
		if r.StoppedBy != "" {
			err = fmt.Errorf("%w, stopped by %s: %s", err, model.WallTitle(r.StoppedBy), r.Reason)
		} else if r.LastLoss != "" {
			err = fmt.Errorf("%w: %s", err, r.LastLoss)
		}
	}
	if f.json {
		return errors.Join(err, report.Result(cmd.OutOrStdout(), r))
	}
	return errors.Join(err, report.LoadText(cmd.OutOrStdout(), r))
}

// interruptible returns ctx; once it has ended the next signal kills eptop, for those
// who cannot wait until a million connections are closed. Workers end with eptop in
// any case.
func interruptible(ctx context.Context) context.Context {
	context.AfterFunc(ctx, func() { signal.Reset() })
	return ctx
}
