package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/eptop/eptop/internal/collect"
	"github.com/eptop/eptop/internal/engine"
	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/report"
)

// checkFlags are those of eptop check.
type checkFlags struct {
	json       bool
	out        string
	looks      int
	only       []string
	allow      string
	thresholds []string
	failOn     string
	list       bool
	// connections asks what so many more connections need, and for nothing else.
	connections number
}

// breachError is a check that is breached: the output says by what.
type breachError struct{}

func (breachError) Error() string { return "" }

func newCheck(s *settings) *cobra.Command {
	var f checkFlags
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Find faults and near limits, for scripts: exit status 4 where there are any",
		Long: "eptop check looks several times and reports faults: stale watches, CLOSE_WAIT leaks, full accept queues, spinning loops, limits that are near. " +
			"It ends with status 0 where no finding is as bad as --fail-on, and with 4 otherwise. A rule that could not be judged is listed as such and has not passed; where none could, the status is 3.\n\n" +
			"Each line of an --allow FILE names a rule and a reason, and may name a process and a port:\n\n" +
			"close-wait process=node port=8080 reason=\"pool of the old client, until 2.0\"",
		Example: "  eptop check\n  eptop check --pid 4242 --out junit > eptop.xml\n  eptop check --only stale-watch,close-wait --threshold close-wait=1\n  eptop check --looks 31 --only fd-leak",
		Args:    noArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return s.runCheck(cmd, f) },
	}
	s.addFlags(cmd)
	flags := cmd.Flags()
	flags.BoolVar(&f.json, "json", false, "print one JSON object")
	flags.StringVar(&f.out, "out", "text", "how to print: `text|json|junit`")
	flags.IntVar(&f.looks, "looks", 0, "look `N` times, --delay seconds apart; 0: until all rules have had enough looks that need no longer time, 9 at most")
	flags.StringSliceVar(&f.only, "only", nil, "check these `RULES` alone, by name or number")
	flags.StringVar(&f.allow, "allow", "", "leave alone the findings that `FILE` names")
	flags.StringArrayVar(&f.thresholds, "threshold", nil, "another `RULE=NUMBER` than the rule's own (repeatable)")
	flags.StringVar(&f.failOn, "fail-on", string(model.SeverityWarn), "the least severity that breaches the check: `info|warn|critical`")
	flags.VarP(&f.connections, "connections", "c", "say instead what `N` more connections (1000, 10k, 1M) need here: memory, and the limits that are too low")
	flags.BoolVar(&f.list, "list", false, "print the rules and end")
	complete(cmd, "out", func() []string { return []string{"text", "json", "junit"} })
	complete(cmd, "fail-on", func() []string { return []string{"info", "warn", "critical"} })
	complete(cmd, "only", func() []string { return ruleNames(false) })
	complete(cmd, "threshold", func() []string { return ruleNames(true) })
	complete(cmd, "looks", nothing)
	return cmd
}

// ruleNames are those of all rules, or of those that have a threshold, for shells.
func ruleNames(withThreshold bool) []string {
	var names []string
	for _, r := range model.Rules() {
		if t, ok := r.Threshold.Get(); withThreshold && ok {
			names = append(names, fmt.Sprintf("%s=%d\t%s", r.Name, t.Default, t.Unit))
		} else if !withThreshold {
			names = append(names, r.Name+"\t"+r.Title)
		}
	}
	return names
}

// plan refuses what makes no sense before anything is read.
func (f *checkFlags) plan() (plan model.CheckPlan, thresholds model.Thresholds, err error) {
	fail := func(err error) (model.CheckPlan, model.Thresholds, error) { return plan, nil, usageError{err} }
	if f.json {
		f.out = "json"
	}
	if !slices.Contains([]string{"text", "json", "junit"}, f.out) {
		return fail(fmt.Errorf("--out %q: not text, json or junit", f.out))
	}
	if f.connections < 0 || f.connections > 1<<40 || f.connections > 0 && f.out == "junit" {
		return fail(fmt.Errorf("--connections %d: not a number of connections, or not for --out junit", f.connections))
	}
	const most = 100_000
	if f.looks < 0 || f.looks > most {
		return fail(fmt.Errorf("--looks %d: not between 0 and %d", f.looks, most))
	}
	for _, name := range f.only {
		r, known := model.RuleNamed(strings.TrimSpace(name))
		if !known {
			return fail(fmt.Errorf("--only: %w", model.UnknownRule(name)))
		}
		plan.Only = append(plan.Only, r.Name)
	}
	thresholds = model.Thresholds{}
	for _, text := range f.thresholds {
		name, n, err := model.ParseThreshold(text)
		if err != nil {
			return fail(fmt.Errorf("--threshold: %w", err))
		}
		thresholds[name] = n
	}
	plan.FailOn = model.Severity(f.failOn)
	if plan.FailOn.Rank() == 0 {
		return fail(fmt.Errorf("--fail-on %q: not info, warn or critical", f.failOn))
	}
	if f.allow != "" {
		text, err := os.ReadFile(f.allow)
		if err != nil {
			return fail(fmt.Errorf("--allow: %w", err))
		}
		if plan.Allow, err = model.ParseAllow(string(text)); err != nil {
			return fail(fmt.Errorf("--allow %s: %w", f.allow, err))
		}
	}
	return plan, thresholds, nil
}

func (s *settings) runCheck(cmd *cobra.Command, f checkFlags) error {
	plan, thresholds, err := f.plan()
	if err != nil {
		return err
	}
	if f.list {
		return listRules(cmd.OutOrStdout())
	}
	defer endSoon(cmd.Context())()
	if f.connections > 0 {
		return s.checkConnections(cmd, f)
	}
	plan.Processes = len(s.pids) > 0
	e, err := engine.New(engine.Options{Options: s.collect(0), PIDs: s.pids, User: s.uid, Thresholds: thresholds})
	if err != nil {
		return err
	}
	defer func() { _ = e.Close() }() // there is no load that Close could fail to close
	shown := showLooking(cmd, e)
	snap, looks, err := s.lookTimes(cmd, e, f.looks)
	shown()
	if err != nil {
		return err
	}
	c := model.NewCheck(snap, looks, plan)
	print := map[string]func(io.Writer, *model.Check) error{"text": report.CheckText, "json": report.CheckJSON, "junit": report.CheckJUnit}[f.out]
	if err := print(cmd.OutOrStdout(), c); err != nil {
		return err
	}
	switch {
	case c.Breached > 0:
		return breachError{}
	case c.Unknown():
		return fmt.Errorf("no rule could be judged, for what they rest on %w", collect.ErrDenied)
	}
	return nil
}

// checkConnections says what so many more connections need; it is breached where a limit is
// too low for them.
func (s *settings) checkConnections(cmd *cobra.Command, f checkFlags) error {
	e, err := engine.New(engine.Options{Once: true, Options: s.collect(0), PIDs: s.pids, User: s.uid})
	if err != nil {
		return err
	}
	defer func() { _ = e.Close() }() // there is no load that Close could fail to close
	snap, err := e.Look(cmd.Context(), model.Focus{Limits: true})
	if err != nil {
		return err
	}
	pid := 0
	if len(s.pids) > 0 {
		if pid = s.pids[0]; snap.Process(pid) == nil {
			return fmt.Errorf("pid %d: %w", pid, collect.ErrGone)
		}
	}
	needs := snap.WhatIf(int64(f.connections), pid)
	if f.out == "json" {
		err = report.Result(cmd.OutOrStdout(), needs)
	} else {
		err = report.WhatIfText(cmd.OutOrStdout(), needs)
	}
	if _, short := needs.First(); err == nil && short {
		return breachError{}
	}
	return err
}

// mostLooks bounds how many looks are made where nobody said how many.
const mostLooks = 9

// lookTimes looks n times and returns the last Snapshot; where n is 0, until a further look
// would judge no further rule.
func (s *settings) lookTimes(cmd *cobra.Command, e *engine.Engine, n int) (snap *model.Snapshot, looks int, err error) {
	ctx := cmd.Context()
	tick := time.NewTicker(time.Duration(s.delay * float64(time.Second)))
	defer tick.Stop()
	for {
		if snap, err = e.Look(ctx, model.Focus{}); err != nil {
			return nil, looks, err
		}
		looks++
		for _, pid := range s.pids {
			if snap.Process(pid) == nil {
				return nil, looks, fmt.Errorf("pid %d: %w", pid, collect.ErrGone)
			}
		}
		if n > 0 && looks >= n || n == 0 && (looks >= mostLooks || !needsLooks(snap)) {
			return snap, looks, ctx.Err()
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, looks, ctx.Err()
		}
	}
}

// needsLooks reports whether a rule could be judged by further looks alone.
func needsLooks(s *model.Snapshot) bool {
	return slices.ContainsFunc(s.FindingsUnjudged, func(u model.Unjudged) bool { return u.MoreLooks > 0 })
}

// listRules prints what eptop check looks for.
func listRules(w io.Writer) error {
	for _, r := range model.Rules() {
		more := ""
		if t, ok := r.Threshold.Get(); ok {
			more = fmt.Sprintf(" [%s=%d %s]", r.Name, t.Default, t.Unit)
		}
		if _, err := fmt.Fprintf(w, "%s %-20s %-8s %s%s\n", r.ID, r.Name, r.Severity, r.What, more); err != nil {
			return err
		}
	}
	return nil
}
