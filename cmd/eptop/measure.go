package main

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/eptop/eptop/internal/loadgen"
	"github.com/eptop/eptop/internal/measure"
	"github.com/eptop/eptop/internal/report"
)

func newMeasure(s *settings) *cobra.Command {
	f := &loadFlags{}
	cmd := &cobra.Command{
		Use:   "measure",
		Short: "Measure what an idle connection and a watch cost in kernel memory",
		Long: strings.Join([]string{
			"eptop measure opens connections in steps, as eptop load does, counts the objects of every slab cache after each, " +
				"and fits lines through the counts: what a connection costs is their slope, with a 95 % interval. " +
				"It takes socket(), connect(), accept() and epoll_ctl() apart, closes all connections, and sees whether the memory comes back.",
			"What other programs allocate meanwhile is told apart by the time, and what looking into /proc grows is left out. " +
				"It needs root, for /proc/slabinfo.",
		}, "\n\n"),
		Example: "  sudo eptop measure -c 10000\n  sudo eptop measure --family unix --watch none --json",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.check(s, cmd); err != nil {
				return err
			}
			return s.measure(cmd, f)
		},
	}
	f.add(cmd, "default 0")
	return cmd
}

func (s *settings) measure(cmd *cobra.Command, f *loadFlags) error {
	ctx := interruptible(cmd.Context())
	snap, _, err := s.preflight(cmd, f.plan)
	if err != nil {
		return err
	}
	e, err := measure.Start(f.plan, snap)
	if err != nil {
		return err
	}
	defer func() { _ = e.Close() }() // after another error, which says more
	if problem := e.Load().Problem; problem != "" {
		return errors.New(problem)
	}
	status := func() loadgen.Status { return e.Load().Status }
	interrupted := follow(cmd, status, func() error { return e.Settled(ctx) })
	if interrupted == nil && f.hold > 0 {
		say(cmd, holding(status(), f.hold))
		interrupted = watchLosses(ctx, cmd, status, f.hold)
	}
	say(cmd, "closing them")
	e.Set(0)
	// An interrupted run has a result too, and leaves nothing behind.
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainWithin)
	defer cancel()
	if err := e.Settled(drain); err != nil {
		return err
	}
	if problem := e.Load().Problem; problem != "" {
		return errors.New(problem)
	}
	var printed error
	if f.json {
		printed = report.Result(cmd.OutOrStdout(), e.Result())
	} else {
		printed = report.MeasureText(cmd.OutOrStdout(), e.Result())
	}
	return errors.Join(interrupted, printed)
}

// drainWithin is long enough to close millions of connections.
const drainWithin = 10 * time.Minute
