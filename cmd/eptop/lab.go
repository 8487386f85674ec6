package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/eptop/eptop/internal/engine"
	"github.com/eptop/eptop/internal/lab"
	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/report"
)

type labFlags struct{ json, hold, heavy bool }

func newLab(s *settings) *cobra.Command {
	var f labFlags
	cmd := &cobra.Command{
		Use:   "lab [NAME…]",
		Short: "Try epoll's rules on this kernel",
		Long: strings.Join([]string{
			"eptop lab runs each promise of epoll(7) as a small experiment on the kernel that runs, in a process of its own, and " +
				"says PASS, DIFFERENT from the manual, or CANNOT TELL with the reason, with the evidence. \"eptop lab list\" names them.",
			"With --hold one experiment stays at its turning point until Enter: eptop says which process and which fds to look at, " +
				"and what its dashboard shows there.",
			"\"eptop lab anatomy\" follows one connection from the system calls to the memory modules, with this machine's numbers at each floor.",
			"The exit code is 4 where one is different from the manual. Nothing is left behind, and no sysctl is changed.",
		}, "\n\n"),
		Example: "  eptop lab\n  eptop lab et-half-read exclusive --json\n  eptop lab --hold et-half-read",
		RunE: func(cmd *cobra.Command, names []string) error {
			for _, name := range []string{"pid", "delay", "source", "user", "max-stall", "max-fds", "path.procfs", "path.sysfs"} {
				if cmd.Flags().Changed(name) {
					return usagef("--%s: of no meaning to an experiment", name)
				}
			}
			if len(names) == 1 && names[0] == "list" {
				return report.LabList(cmd.OutOrStdout())
			}
			if len(names) == 1 && names[0] == "anatomy" {
				return s.anatomy(cmd, f)
			}
			list, err := experiments(cmd, names)
			if err != nil {
				return err
			}
			if f.hold {
				return holdExperiment(cmd, list, f)
			}
			return runLab(cmd, list, f)
		},
	}
	cmd.Flags().BoolVar(&f.json, "json", false, "print the results as one JSON object")
	cmd.Flags().BoolVar(&f.heavy, "heavy", false, "make as many watches as fs.epoll.max_user_watches allows, as a user of its own, where the memory suffices")
	cmd.Flags().BoolVar(&f.hold, "hold", false, "keep one experiment at its turning point until Enter")
	return cmd
}

// anatomy follows a connection from its system calls to the memory modules.
func (s *settings) anatomy(cmd *cobra.Command, f labFlags) error {
	if f.json || f.hold {
		return usagef("lab anatomy is for people: eptop snapshot --json has its numbers")
	}
	e, err := engine.New(engine.Options{Options: s.collect(0), Once: true})
	if err != nil {
		return err
	}
	defer func() { _ = e.Close() }() // nothing was started that Close could fail to end
	snap, err := e.Look(cmd.Context(), model.Focus{AllCaches: true})
	if err != nil {
		return err
	}
	return report.AnatomyText(cmd.OutOrStdout(), snap)
}

// experiments returns those with these names, all where there are none.
func experiments(cmd *cobra.Command, names []string) ([]*lab.Experiment, error) {
	if len(names) == 0 {
		return lab.All(), nil
	}
	var list []*lab.Experiment
	for _, name := range names {
		e := lab.Find(name)
		if e == nil {
			fmt.Fprintln(cmd.ErrOrStderr(), "The experiments:")
			return nil, errors.Join(report.LabList(cmd.ErrOrStderr()), usagef("no experiment is called %q", name))
		}
		list = append(list, e)
	}
	return list, nil
}

// errDifferent: an experiment came out different from the manual.
var errDifferent = errors.New("different from the manual")

func runLab(cmd *cobra.Command, list []*lab.Experiment, f labFlags) error {
	var failed error
	results := lab.RunAll(cmd.Context(), list, lab.Options{Heavy: f.heavy}, func(r lab.Result) {
		if !f.json && failed == nil && cmd.Context().Err() == nil {
			failed = report.LabLine(cmd.OutOrStdout(), r)
		}
	})
	if err := cmd.Context().Err(); err != nil {
		return err
	}
	switch {
	case f.json:
		failed = report.LabJSON(cmd.OutOrStdout(), lab.Kernel(), results)
	case failed == nil && len(list) > 1:
		failed = report.LabSummary(cmd.OutOrStdout(), lab.Kernel(), results)
	}
	return errors.Join(failed, different(results))
}

// different returns an error where a result is different from the manual.
func different(results []lab.Result) error {
	var names []string
	for _, r := range results {
		if r.Verdict == lab.Different {
			names = append(names, r.Name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %s", errDifferent, strings.Join(names, ", "))
}

// holdExperiment shows one experiment step by step and keeps it at its turning point.
func holdExperiment(cmd *cobra.Command, list []*lab.Experiment, f labFlags) error {
	switch {
	case len(list) != 1:
		return usagef("--hold: one experiment at a time")
	case f.json:
		return usagef("--hold is for people, --json for programs")
	case list[0].Shows == "":
		return usagef("--hold: %s has no turning point", list[0].Name)
	}
	out := cmd.OutOrStdout()
	ctx, fail := context.WithCancelCause(cmd.Context())
	defer fail(nil)
	say := func(err error) {
		if err != nil {
			fail(err) // nobody reads: it is not held for nobody
		}
	}
	say(report.LabIntroduction(out, list[0]))
	release := make(chan struct{})
	r := list[0].Run(ctx, lab.Options{
		Hold: true, Heavy: f.heavy, Release: release,
		Step: func(_ *lab.Experiment, s lab.Step) { say(report.LabStep(out, s)) },
		Held: func(e *lab.Experiment, h lab.Held) {
			say(report.LabHeld(out, e, h))
			go releaseOnEnter(cmd.InOrStdin(), release)
		},
	})
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return errors.Join(report.LabOutcome(out, r), different([]lab.Result{r}))
}

// releaseOnEnter closes release at the first line of in. Where in ends without one, such as
// in a script, only a signal ends the experiment.
func releaseOnEnter(in io.Reader, release chan<- struct{}) {
	if _, err := bufio.NewReader(in).ReadString('\n'); err == nil {
		close(release)
	}
}
