package load

import (
	"fmt"

	tea "charm.land/bubbletea/v2"

	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/ui/view"
)

// run is the state of the load that the view controls: the number of connections that was
// asked for last, and the latest answer of the generator. Setting and reading are
// commands, one of each at a time, so that the last number asked for is the one that
// counts.
type run struct {
	loader view.Loader
	now    *model.Load // nil before the first start
	// target is how many connections were asked for last.
	target int64
	// queued: a start waits for Pending. starting: a command starts the load. setting: a
	// command sets the number of connections to sent.
	queued, starting bool
	setting          bool
	sent             int64
	polling          bool
	// changed: the last answer differed from the one before.
	changed bool
}

type (
	// startMsg confirms that plan is to be opened.
	startMsg struct{ plan model.LoadPlan }
	// answerMsg carries an answer of the generator; started: it is the answer to a start.
	answerMsg struct {
		load    *model.Load
		started bool
		err     error
	}
	// loadSetMsg: reports that the generator was given a number.
	setMsg struct{ err error }
)

// busy reports whether connections are open, or will be.
func (r *run) busy() bool {
	return r.starting || r.setting && r.sent > 0 || r.now != nil && (r.now.Phase != model.LoadDrained || r.now.Wanted > 0)
}

// update stores an answer, unless it is older than the last one.
func (r *run) update(l *model.Load) {
	if l == nil || r.now != nil && l.Time.Before(r.now.Time) {
		return
	}
	r.changed = r.now == nil || r.now.Phase != l.Phase || r.now.Open != l.Open || readings(r.now) != readings(l)
	r.now = l
	// The generator does not open connections again that were lost with a worker.
	if l.GivenUp > 0 && !r.starting && !r.setting && r.sent == r.target && l.Wanted < r.target {
		r.target, r.sent = l.Wanted, l.Wanted
	}
}

func readings(l *model.Load) int {
	if l.Found == nil {
		return 0
	}
	return l.Found.Readings
}

// unmeasured reports whether connections are open without being measured.
func (r *run) unmeasured() bool {
	return r.now != nil && r.now.Problem != "" && len(r.now.Points) == 0
}

// start opens what plan says.
func (r *run) start(plan model.LoadPlan) tea.Cmd {
	if r.busy() {
		return nil
	}
	r.starting, r.target, r.sent = true, plan.Connections, plan.Connections
	l := r.loader
	return tea.Batch(view.Send(view.ThawMsg{}), func() tea.Msg {
		msg := answerMsg{started: true}
		msg.err = catchPanic("starting a load", func() error {
			if err := l.Start(plan); err != nil {
				return err
			}
			msg.load = l.Load()
			return nil
		})
		return msg
	})
}

// set asks for n connections.
func (r *run) set(n int64) tea.Cmd {
	r.target = n
	if r.starting || r.setting {
		return nil // the answer sends it
	}
	return tea.Batch(view.Send(view.ThawMsg{}), r.send())
}

func (r *run) send() tea.Cmd {
	r.setting, r.sent = true, r.target
	l, n := r.loader, r.target
	return func() tea.Msg {
		return setMsg{catchPanic("changing the load", func() error {
			l.Set(n)
			return nil
		})}
	}
}

// finishSet handles the end of send's command, and sends a number asked for meanwhile.
func (r *run) finishSet(msg setMsg) tea.Cmd {
	r.setting, r.changed = false, true
	if msg.err != nil {
		return view.Send(view.StatusMsg{Text: msg.err.Error(), Bad: true})
	}
	if r.sent != r.target {
		return r.send()
	}
	return nil
}

// takeAnswer handles the answer to a start or a poll.
func (r *run) takeAnswer(msg answerMsg) tea.Cmd {
	asked := r.target
	if msg.started {
		r.starting = false
		if msg.load != nil {
			r.now = nil // the one before is another load
			asked = msg.load.Wanted
		}
	} else {
		r.polling = false
	}
	r.update(msg.load)
	switch {
	case msg.err != nil:
		if msg.started && r.now != nil {
			r.target = r.now.Wanted
		}
		return view.Send(view.StatusMsg{Text: "the load: " + msg.err.Error(), Bad: true})
	case r.target != asked && !r.setting:
		return r.send()
	}
	return nil
}

// poll returns the command for the next answer while there is something to wait for.
func (r *run) poll() tea.Cmd {
	if r.polling || !r.isChanging() {
		return nil
	}
	r.polling = true
	l := r.loader
	return func() tea.Msg {
		var msg answerMsg
		msg.err = catchPanic("reading the load", func() error {
			msg.load = l.Load()
			return nil
		})
		return msg
	}
}

// isChanging reports whether the next answer will probably differ from the last one.
func (r *run) isChanging() bool {
	l := r.now
	switch {
	case l == nil || r.starting:
		return false // the answer to the start comes first
	case r.changed, r.setting, l.Wanted != r.target:
		return true
	case l.Phase == model.LoadOpening, l.Phase == model.LoadDraining:
		return true
	case l.Phase == model.LoadDrained && l.Wanted > 0:
		return l.Lost == 0 && l.StoppedBy == "" // its first worker is being started
	case l.Phase == model.LoadDrained && l.Problem == "" && l.Found != nil:
		return !l.Found.DrainedToBaseline.Known && !l.Found.MayParkBytes.Known // the memory is on its way back
	}
	return false
}

// catchPanic turns a panic of the generator into an error.
func catchPanic(what string, do func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%s went wrong inside eptop: %v", what, p)
		}
	}()
	return do()
}
