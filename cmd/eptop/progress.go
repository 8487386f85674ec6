package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/charmbracelet/x/term"
	"github.com/spf13/cobra"

	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/report"
	"github.com/eptop/eptop/internal/units"
)

// progress writes on stderr how a run goes; it implements engine.Progress.
type progress struct {
	out      io.Writer
	terminal bool
	hold     time.Duration
	brief    bool // leaves out what is open
	none     bool // nothing was opened
}

func newProgress(cmd *cobra.Command, hold time.Duration) *progress {
	out := cmd.ErrOrStderr()
	f, isFile := out.(*os.File)
	return &progress{out: out, terminal: isFile && term.IsTerminal(f.Fd()), hold: hold}
}

// every returns how often progress is written: over the last line on a terminal,
// elsewhere as a new line.
func (p *progress) every() time.Duration {
	if p.terminal {
		return 200 * time.Millisecond
	}
	return 5 * time.Second
}

func (p *progress) Planned(plan model.LoadPlan, f model.Preflight) error {
	return report.PreflightText(p.out, plan, f)
}

func (p *progress) Opening(s model.LoadStatus) {
	text := fmt.Sprintf("%s of %s open, %s a second", units.Count(s.Open), units.Count(s.Wanted), units.Count(int64(s.PerSecond)))
	if s.Left > 0 {
		text += ", " + units.Duration(s.Left) + " left"
	}
	if s.Failed > 0 {
		text += ", " + units.Count(s.Failed) + " failed"
	}
	if p.terminal {
		fmt.Fprint(p.out, "\r\x1b[K", text)
		return
	}
	fmt.Fprintln(p.out, text)
}

// Opened says what is open now, and until when.
func (p *progress) Opened(s model.LoadStatus) {
	p.none = s.Open == 0
	if p.brief {
		return
	}
	text := units.Many(s.Open, "connection") + " open"
	if p.none {
		text = "nothing was opened"
	}
	if s.StoppedBy != "" {
		text += ", stopped by " + model.WallTitle(s.StoppedBy) + " (" + s.Reason + ")"
	}
	switch {
	case p.none:
	case p.hold < 0:
		text += "; Ctrl-C closes them"
	case p.hold > 0:
		text += "; holding for " + p.hold.String()
	}
	p.say(text)
}

func (p *progress) Lost(s model.LoadStatus) {
	p.say(fmt.Sprintf("%s open, %s lost: %s", units.Many(s.Open, "connection"), units.Count(s.Lost), s.LastLoss))
}

func (p *progress) Closing() {
	if !p.none {
		p.say("closing them")
	}
}

// say writes a line, over the progress where that was written last.
func (p *progress) say(text string) {
	if p.terminal {
		fmt.Fprint(p.out, "\r\x1b[K")
	}
	fmt.Fprintln(p.out, text)
}
