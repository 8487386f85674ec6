package main

import (
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"github.com/eptop/eptop/internal/engine"
	"github.com/eptop/eptop/internal/report"
)

func newMeasure(s *settings) *cobra.Command {
	f := &loadFlags{}
	cmd := &cobra.Command{
		Use:   "measure",
		Short: "Measure what an idle connection and a watch cost in kernel memory",
		Long: strings.Join([]string{
			"eptop measure opens connections in steps, as eptop load does, and counts the objects of every slab cache after each: " +
				"what a connection costs is by how much they grow, with a 95 % interval. " +
				"It measures socket(), connect(), accept() and epoll_ctl() separately, closes all connections, and checks whether the memory comes back.",
			"What other programs allocate is recognised by growing with time or with their sockets, and what looking into /proc grows is left out. " +
				"Where the counts leave no doubt, an object is counted whole. It needs root, for /proc/slabinfo. " +
				"Where nothing could be measured the exit code is 1, and the report says why.",
		}, "\n\n"),
		Example: "  sudo eptop measure -c 10000\n  sudo eptop measure --family unix --watch none --json",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.check(cmd); err != nil {
				return err
			}
			return s.measure(cmd, f)
		},
	}
	f.add(cmd, "not given: not at all")
	return cmd
}

func (s *settings) measure(cmd *cobra.Command, f *loadFlags) error {
	e, err := engine.New(engine.Options{Options: s.collect(0)})
	if err != nil {
		return err
	}
	defer func() { _ = e.Close() }() // a result leaves nothing open, and an error says more
	hold := max(0, f.hold)           // not given, there is none
	p := newProgress(cmd, hold)
	p.brief = hold == 0
	m, err := e.Measure(interruptible(cmd.Context()), engine.Run{Plan: f.plan, Hold: hold, Progress: p, Every: p.every()})
	if m == nil {
		return err
	}
	if f.json {
		return errors.Join(err, report.Result(cmd.OutOrStdout(), m), report.Unmeasured(m))
	}
	return errors.Join(err, report.MeasureText(cmd.OutOrStdout(), m), report.Unmeasured(m))
}
