package model

import (
	"fmt"
	"time"

	"github.com/eptop/eptop/internal/maybe"
)

// Severity is how bad a finding is.
type Severity string

// The severities. Info is remarkable and may be wanted, Warn costs something now or soon,
// Critical loses connections or stops a server.
const (
	SeverityInfo     Severity = "info"
	SeverityWarn     Severity = "warn"
	SeverityCritical Severity = "critical"
)

// Rank orders severities, the worst highest; 0 is none of them.
func (s Severity) Rank() int {
	switch s {
	case SeverityInfo:
		return 1
	case SeverityWarn:
		return 2
	case SeverityCritical:
		return 3
	}
	return 0
}

// Finding is a fault that a rule found, at one place.
type Finding struct {
	// ID is the rule's stable number, EP101; Rule is its name, stale-watch.
	ID       string   `json:"id"`
	Rule     string   `json:"rule"`
	Severity Severity `json:"severity"`
	// Certain: the kernel says so. Otherwise it follows from what several looks saw, and
	// FalseAlarm says how it could be wrong.
	Certain bool `json:"certain"`
	// Since is the first look of those that saw it without a gap, Looks is how many they
	// are: only looks count that read anew what it rests on.
	Since time.Time `json:"since"`
	Looks int       `json:"looks"`
	// Ended is when it was no longer seen; absent while it holds.
	Ended maybe.Of[time.Time] `json:"ended,omitzero"`
	// The place: a process, an epoll of it, a descriptor, a socket or a limit; each
	// absent or empty where the finding has none. FD is the first where there are
	// several.
	PID     int           `json:"pid,omitempty"`
	Comm    string        `json:"comm,omitempty"`
	EpollFD maybe.Of[int] `json:"epoll_fd,omitzero"`
	FD      maybe.Of[int] `json:"fd,omitzero"`
	// Socket is an address, a limit's name, or both ends of a connection.
	Socket string `json:"socket,omitempty"`
	// Count is how many watches, sockets or files it is about.
	Count int64 `json:"count,omitempty"`
	// Text says in a few words what it is, without the place. Evidence is one whole line for a bug report.
	Text     string `json:"text"`
	Evidence string `json:"evidence"`
	// Why says why it matters, Cure what helps, FalseAlarm how it could be wrong.
	Why        string `json:"why"`
	Cure       string `json:"cure"`
	FalseAlarm string `json:"false_alarm"`
}

// Title is the rule in words, "stale watches".
func (f *Finding) Title() string {
	if r, ok := RuleNamed(f.Rule); ok {
		return r.Title
	}
	return f.Rule
}

// Owner is the process as it is shown, "nginx[4242]"; empty where there is none.
func (f *Finding) Owner() string {
	if f.PID == 0 {
		return ""
	}
	return processName(f.PID, f.Comm)
}

// Place is where it is in words: the process and the socket.
func (f *Finding) Place() string {
	switch owner := f.Owner(); {
	case owner == "":
		return f.Socket
	case f.Socket == "":
		return owner
	default:
		return owner + " " + f.Socket
	}
}

// Held is how long a finding has held at a time.
func (f *Finding) Held(at time.Time) time.Duration {
	if end, ok := f.Ended.Get(); ok {
		at = end
	}
	return max(0, at.Sub(f.Since))
}

// compareFindings orders the worst first, and among equals those that hold longest.
func compareFindings(a, b *Finding) int {
	if d := b.Severity.Rank() - a.Severity.Rank(); d != 0 {
		return d
	}
	if d := rulePlace(a.Rule) - rulePlace(b.Rule); d != 0 {
		return d
	}
	if d := a.Since.Compare(b.Since); d != 0 {
		return d
	}
	if a.PID != b.PID {
		return a.PID - b.PID
	}
	if a.Socket != b.Socket {
		if a.Socket < b.Socket {
			return -1
		}
		return 1
	}
	return a.EpollFD.Value - b.EpollFD.Value
}

// Unjudged is a rule that could not be judged: whether its fault is there is not known.
type Unjudged struct {
	ID   string `json:"id"`
	Rule string `json:"rule"`
	// Why names the source that is missing, or how many looks the rule needs.
	Why string `json:"why"`
	// Early: it had too few looks, or over too short a time. MoreLooks is how many further
	// ones it needs at least.
	Early     bool `json:"early,omitempty"`
	MoreLooks int  `json:"more_looks,omitempty"`
}

func processName(pid int, comm string) string {
	if comm == "" {
		return fmt.Sprintf("pid %d", pid)
	}
	return fmt.Sprintf("%s[%d]", comm, pid)
}
