package lab

import (
	"fmt"
	"strings"
	"time"

	"github.com/eptop/eptop/internal/epoll"
)

// Experiment is one rule of epoll and the way to try it.
type Experiment struct {
	Name  string // as on the command line
	Title string // a line
	// Promise is what the manual says, in other words than its own.
	Promise string
	Section string // where the manual says it
	// Function is the kernel function that makes it so, Since the release that brought it.
	Function, Since string
	// Advice is what to do in a server.
	Advice string
	// Facts are what the experiment finds out, in this order.
	Facts []Claim
	// Shows says what the dashboard shows of the process while it is held; "" where the
	// experiment has no turning point.
	Shows string
	// Timed experiments measure time, so each runs alone.
	Timed bool

	run func(*scene)
}

// Claim is one thing that an experiment finds out.
type Claim struct {
	What string
	// Promised is what the manual says it is; "" where the manual says nothing.
	Promised string
	// meets reports whether what was seen is what was promised; nil compares the words.
	meets func(seen string) bool
}

// Verdict is the outcome of an experiment.
type Verdict string

// The outcomes.
const (
	Pass       Verdict = "pass"
	Different  Verdict = "different"
	CannotTell Verdict = "cannot_tell"
)

// Words returns the verdict as people read it.
func (v Verdict) Words() string { return strings.ToUpper(strings.ReplaceAll(string(v), "_", " ")) }

// Fact is a Claim and what was seen.
type Fact struct {
	What     string `json:"what"`
	Promised string `json:"promised,omitempty"` // absent where the manual promises nothing
	Seen     string `json:"seen"`
	Differs  bool   `json:"differs,omitempty"`
}

// Point is one measured value of a Series.
type Point struct {
	At    string  `json:"at"` // what it was measured with, such as a number of fds
	Value float64 `json:"value"`
}

// Series are values measured in one way.
type Series struct {
	Name   string  `json:"name"`
	Unit   string  `json:"unit"` // ns, bytes, objects, connections or bytes_per_second
	Points []Point `json:"points"`
}

// Step is one thing that happened.
type Step struct {
	At  time.Duration `json:"at_ns"` // since the experiment began
	Who string        `json:"who"`   // the kernel, the server, a peer, a waiter
	Did string        `json:"did"`
	// Woke: a wait returned with an event.
	Woke bool `json:"woke,omitempty"`
}

// Held is an experiment at its turning point, where it stays until it is released.
type Held struct {
	PID int       `json:"pid"`
	FDs []HeldFD  `json:"fds"`
	At  time.Time `json:"at"`
}

// HeldFD is an fd to look at.
type HeldFD struct {
	FD   int    `json:"fd"`
	What string `json:"what"`
}

// Result is what came out.
type Result struct {
	Name     string  `json:"name"`
	Title    string  `json:"title"`
	Verdict  Verdict `json:"verdict"`
	Promise  string  `json:"promise"`
	Happened string  `json:"happened"` // every fact in one sentence; "" where nothing is known
	// Evidence is one line: the numbers behind a pass, what differs, or why nobody can tell.
	Evidence string        `json:"evidence"`
	Section  string        `json:"section"`
	Function string        `json:"kernel_function"`
	Since    string        `json:"since"`
	Advice   string        `json:"advice"`
	Took     time.Duration `json:"took_ns"`
	Facts    []Fact        `json:"facts,omitempty"`
	Series   []Series      `json:"series,omitempty"`
	Steps    []Step        `json:"steps,omitempty"`
}

// observation is what a worker reports at its end.
type observation struct {
	Seen     map[string]string // by Claim.What
	Evidence string
	Series   []Series
	Unable   string // why nothing can be said; "" where something can
}

// judge compares what was seen with what is promised.
func (e *Experiment) judge(o observation) Result {
	r := Result{Name: e.Name, Title: e.Title, Promise: e.Promise, Section: e.Section, Function: e.Function, Since: e.Since,
		Advice: e.Advice, Series: o.Series, Verdict: Pass, Evidence: o.Evidence}
	var happened, differs, missing []string
	for _, c := range e.Facts {
		seen, ok := o.Seen[c.What]
		if !ok {
			if c.Promised != "" {
				missing = append(missing, c.What)
			}
			continue
		}
		f := Fact{What: c.What, Promised: c.Promised, Seen: seen}
		if f.Differs = !c.met(seen); f.Differs {
			differs = append(differs, fmt.Sprintf("%s: %s, promised is %s", c.What, seen, c.Promised))
		}
		r.Facts = append(r.Facts, f)
		happened = append(happened, c.What+": "+seen)
	}
	r.Happened = strings.Join(happened, "; ")
	switch {
	case len(differs) > 0:
		// What was seen stands, even where the rest could not be seen.
		r.Verdict, r.Evidence = Different, strings.Join(differs, "; ")
	case o.Unable != "":
		r.Verdict, r.Evidence = CannotTell, o.Unable
	case len(missing) > 0:
		r.Verdict, r.Evidence = CannotTell, "not seen: "+strings.Join(missing, ", ")
	}
	return r
}

func (c Claim) met(seen string) bool {
	switch {
	case c.Promised == "":
		return true
	case c.meets != nil:
		return c.meets(seen)
	}
	return seen == c.Promised
}

// events are the words for a number of events, in facts and steps.
func events(n int) string {
	switch n {
	case 0:
		return noEvent
	case 1:
		return oneEvent
	}
	return fmt.Sprintf("%d events", n)
}

const (
	noEvent  = "no event"
	oneEvent = "1 event"
)

// maskWords are the events that a wait returned. Unlike those of a watch they name ERR and
// HUP, which are news here.
func maskWords(m epoll.Mask) string {
	words := m.Events()
	for _, b := range []struct {
		bit  epoll.Mask
		name string
	}{{epoll.Err, "ERR"}, {epoll.Hup, "HUP"}} {
		if m&b.bit != 0 {
			words = append(words, b.name)
		}
	}
	if len(words) == 0 {
		return noEvent
	}
	return strings.Join(words, "|")
}
