package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/charmbracelet/x/term"
	"github.com/spf13/cobra"

	"github.com/eptop/eptop/internal/loadgen"
	"github.com/eptop/eptop/internal/units"
)

// How often progress is written: to a terminal over the last line, else as a line.
const (
	progressEach     = 200 * time.Millisecond
	progressLineEach = 5 * time.Second
)

// follow writes how far a load is until do returns.
func follow(cmd *cobra.Command, status func() loadgen.Status, do func() error) error {
	done := make(chan error, 1)
	go func() { done <- do() }()
	out := cmd.ErrOrStderr()
	f, isFile := out.(*os.File)
	terminal := isFile && term.IsTerminal(f.Fd())
	each := progressLineEach
	if terminal {
		each = progressEach
	}
	ticker := time.NewTicker(each)
	defer ticker.Stop()
	for {
		select {
		case err := <-done:
			if terminal {
				fmt.Fprint(out, "\r\x1b[K")
			}
			return err
		case <-ticker.C:
			writeProgress(out, terminal, status())
		}
	}
}

func writeProgress(out io.Writer, terminal bool, s loadgen.Status) {
	text := fmt.Sprintf("%s of %s open, %s a second", units.Count(s.Open), units.Count(s.Wanted), units.Count(int64(s.PerSecond)))
	if s.Left > 0 {
		text += ", " + units.Duration(s.Left) + " left"
	}
	if s.Failed > 0 {
		text += ", " + units.Count(s.Failed) + " failed"
	}
	if terminal {
		fmt.Fprintf(out, "\r\x1b[K%s", text)
		return
	}
	fmt.Fprintln(out, text)
}

func say(cmd *cobra.Command, text string) { fmt.Fprintln(cmd.ErrOrStderr(), text) }

// holding says what is open now, and until when.
func holding(s loadgen.Status, hold time.Duration) string {
	text := units.Many(s.Open, "connection") + " open"
	if s.StoppedBy != "" {
		text += ", stopped by " + string(s.StoppedBy) + " (" + s.Reason + ")"
	}
	switch {
	case hold < 0:
		text += "; Ctrl-C closes them"
	case hold > 0:
		text += "; holding for " + hold.String()
	}
	return text
}

// lossEach is how often a held load is looked at for workers that died.
const lossEach = time.Second

// watchLosses waits for d, or for ever where it is negative, and says what is lost
// meanwhile.
func watchLosses(ctx context.Context, cmd *cobra.Command, status func() loadgen.Status, d time.Duration) error {
	var end <-chan time.Time
	if d >= 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		end = timer.C
	}
	look := time.NewTicker(lossEach)
	defer look.Stop()
	lost := status().LastLoss
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-end:
			return nil
		case <-look.C:
			if s := status(); s.LastLoss != lost {
				lost = s.LastLoss
				say(cmd, fmt.Sprintf("%s open, %s lost: %s", units.Many(s.Open, "connection"), units.Count(s.Lost), lost))
			}
		}
	}
}
