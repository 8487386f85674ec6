package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/eptop/eptop/internal/collect"
	"github.com/eptop/eptop/internal/engine"
	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/report"
)

type snapshotFlags struct{ json, watches, sockets bool }

func newSnapshot(s *settings) *cobra.Command {
	var f snapshotFlags
	cmd := &cobra.Command{
		Use:     "snapshot",
		Short:   "Look once and print it: text for people, JSON for programs",
		Example: "  eptop snapshot\n  eptop snapshot --json --pid 4242 --watches | jq '.processes[].epolls[].targets[]'",
		Args:    noArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return s.snapshot(cmd, f) },
	}
	s.addFlags(cmd)
	cmd.Flags().BoolVar(&f.json, "json", false, "print one JSON object")
	cmd.Flags().BoolVar(&f.watches, "watches", false, "add every watch")
	cmd.Flags().BoolVar(&f.sockets, "sockets", false, "add every socket of each process")
	return cmd
}

func (s *settings) snapshot(cmd *cobra.Command, f snapshotFlags) error {
	defer endSoon(cmd.Context())()
	e, err := engine.New(engine.Options{Options: s.collect(0), PIDs: s.pids, User: s.uid, Once: true})
	if err != nil {
		return err
	}
	defer func() { _ = e.Close() }() // there is no load that Close could fail to close
	shown := showLooking(cmd, e)
	snap, err := e.Look(cmd.Context(), model.Focus{AllCaches: true})
	shown()
	if err != nil {
		return err
	}
	for _, pid := range s.pids {
		if snap.Process(pid) == nil {
			return fmt.Errorf("pid %d: %w", pid, collect.ErrGone)
		}
	}
	if err := cmd.Context().Err(); err != nil {
		return err
	}
	if f.json {
		return report.JSON(cmd.OutOrStdout(), snap, report.Lists{Watches: f.watches, Sockets: f.sockets})
	}
	return report.Text(cmd.OutOrStdout(), snap, len(s.pids) > 0, report.Lists{Watches: f.watches, Sockets: f.sockets})
}

// endSoon ends eptop a moment after ctx has ended, should it still be at work then: in a
// system call that nothing interrupts, or printing to somebody who does not read. It is
// for commands that leave nothing behind.
func endSoon(ctx context.Context) (stop func() bool) {
	const moment = 200 * time.Millisecond
	return context.AfterFunc(ctx, func() {
		time.Sleep(moment)
		os.Exit(exitInterrupted)
	})
}

// showLooking shows on a terminal how far a slow look is. The function it returns ends that.
func showLooking(cmd *cobra.Command, e *engine.Engine) (end func()) {
	p := newProgress(cmd, 0)
	if t := os.Getenv("TERM"); !p.terminal || t == "dumb" || t == "" {
		return func() {}
	}
	over, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(p.every())
		defer tick.Stop()
		slow := time.After(time.Second)
		for written := false; ; {
			select {
			case <-slow:
				slow, written = nil, true
			case <-tick.C:
			case <-over:
				if written {
					fmt.Fprint(p.out, "\r\x1b[K")
				}
				return
			}
			if written {
				fmt.Fprint(p.out, "\r\x1b[Klooking… ", e.Progress())
			}
		}
	}()
	return func() {
		close(over)
		<-ended
	}
}
