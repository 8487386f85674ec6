package model

import (
	"fmt"
	"slices"

	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/units"
)

// GapKind is one way in which a sum does not cover everything.
type GapKind string

// The kinds of gaps.
const (
	// GapNotListed: processes whose fds have not been listed yet; Files is theirs.
	GapNotListed GapKind = "processes_not_listed"
	// GapDenied: processes whose fds this user may not list.
	GapDenied GapKind = "processes_denied"
	// GapFailed: processes whose fds could not be listed for another reason.
	GapFailed GapKind = "processes_failed"
	// GapHidePID: processes of other users that hidepid= hides; nobody knows how many.
	GapHidePID GapKind = "hidepid"
	// GapPIDNamespace: processes outside the procfs's PID namespace.
	GapPIDNamespace GapKind = "pid_namespace"
	// GapNoProcess: all processes, for the tree has none whose fds could be listed.
	GapNoProcess GapKind = "no_process"
	// GapThreads: processes with threads whose tables of files were not compared.
	GapThreads GapKind = "threads"
	// GapBeyondMax: fds beyond the limit of one listing (--max-fds).
	GapBeyondMax GapKind = "fds_beyond_max"
	// GapNotCompared: epoll fds of which nobody knows yet which instance they are.
	GapNotCompared GapKind = "epolls_not_compared"
	// GapNotRead: instances whose watches have not been read yet.
	GapNotRead GapKind = "instances_not_read"
	// GapUnread: instances whose watches could not be read.
	GapUnread GapKind = "instances_unread"
	// GapNoUser: instances of which nobody knows the user that pays.
	GapNoUser GapKind = "instances_without_user"
	// GapSharing: instances that could not be compared with others (kcmp(2)). One that
	// several processes share is counted for each of them: the sum is not too low but
	// too high.
	GapSharing GapKind = "sharing_unknown"
	// GapChanged: fds that were opened or closed since the fds of the process were listed.
	GapChanged GapKind = "fds_changed"
	// GapUnseen: watches of a user that the kernel counts and eptop does not see, in
	// processes or on files that nobody shows.
	GapUnseen GapKind = "watches_unseen"
	// GapUnlisted: watches that their epolls count and that were not listed.
	GapUnlisted GapKind = "watches_unlisted"
	// GapNamespaces: network namespaces that were not looked into, or not in full.
	GapNamespaces GapKind = "namespaces"
	// GapNotBound: sockets that processes hold and sock_diag does not report: those that are
	// neither bound nor connected, and maybe others.
	GapNotBound GapKind = "sockets_not_reported"
	// GapBuffers: sockets whose buffers the kernel did not report.
	GapBuffers GapKind = "buffers_unreported"
)

// Gap is so many things of one kind that a sum does not cover.
type Gap struct {
	What GapKind `json:"what"`
	// Count of them; absent where nobody knows it.
	Count maybe.Of[int64] `json:"count,omitzero"`
	// Files are the fds of processes that have not been listed, where they are known.
	Files maybe.Of[int64] `json:"files,omitzero"`
}

// gap is a Gap of a known size.
func gap(what GapKind, count int) Gap { return Gap{What: what, Count: maybe.Some(int64(count))} }

// Extent goes with a sum and says what it does not cover. The zero Extent covers
// everything.
type Extent struct {
	// AtLeast: the truth may be more. AtMost: it may be less.
	AtLeast bool `json:"at_least,omitempty"`
	AtMost  bool `json:"at_most,omitempty"`
	// LeavesOut says it in words, one sentence part for each gap: "3 processes whose
	// fds …".
	LeavesOut []string `json:"leaves_out,omitempty"`
	Gaps      []Gap    `json:"gaps,omitempty"`
}

// Mark is what stands before the sum: ≥, ≤, ≈ where the truth may be either, and nothing
// where it covers everything.
func (e *Extent) Mark() string { return Mark(e.AtLeast, e.AtMost) }

// Mark is what stands before a number that may be too low or too high.
func Mark(atLeast, atMost bool) string {
	switch {
	case atLeast && atMost:
		return "≈ "
	case atLeast:
		return "≥ "
	case atMost:
		return "≤ "
	}
	return ""
}

// leave adds gaps, those that are empty excepted.
func (e *Extent) leave(gaps ...Gap) {
	for _, g := range gaps {
		if g.Count.Known && g.Count.Value <= 0 {
			continue
		}
		e.AtMost = e.AtMost || g.What == GapSharing || g.What == GapChanged
		e.AtLeast = e.AtLeast || g.What != GapSharing
		e.Gaps = append(e.Gaps, g)
		e.LeavesOut = append(e.LeavesOut, g.String())
	}
}

// ExtentOf is what a sum with these gaps covers.
func ExtentOf(gaps ...Gap) Extent {
	var e Extent
	e.leave(gaps...)
	return e
}

// Has reports whether there is a gap of one of the kinds.
func (e *Extent) Has(kinds ...GapKind) bool {
	return slices.ContainsFunc(e.Gaps, func(g Gap) bool { return slices.Contains(kinds, g.What) })
}

// Pending reports whether the gaps go away by themselves, as eptop gets around to it.
func (e *Extent) Pending() bool { return e.Has(GapNotListed, GapNotCompared, GapNotRead) }

// InstancesExtent is what a number of instances leaves out, beside watches that leave out
// this: their watches need not be read.
func (e *Extent) InstancesExtent() Extent { return ExtentOf(e.without(GapNotRead, GapUnread)...) }

// FilesExtent is what Sockets leaves out.
func (p *Process) FilesExtent() Extent {
	return ExtentOf(append(p.without(GapNotRead, GapUnread, GapNotCompared), p.changed())...)
}

// changed are the fds of which nobody knows what they are or were: sockets, maybe.
func (p *Process) changed() Gap {
	n := p.FDsChanged
	return Gap{What: GapChanged, Count: maybe.Some(max(n, -n))}
}

// BytesExtent is what the memory of the watches leaves out.
func (t *EpollTotals) BytesExtent() Extent {
	out := t.andAtLeast(t.Cost.Value.AtLeast || t.MaybeLarger > 0)
	if t.MaybeLarger > 0 {
		out.LeavesOut = append(slices.Clone(out.LeavesOut), secondQueues)
	}
	return out
}

// BytesExtent is what WatchBytes leaves out.
func (u *User) BytesExtent() Extent {
	return u.andAtLeast(u.WatchBytesAtLeast)
}

// OpenFDs is how many fds are open, at least those that were listed where the kernel does not
// count them (before Linux 6.2).
func (p *Process) OpenFDs() (maybe.Of[int64], Extent) {
	if !p.FDs.Known {
		return p.FDsSeen, Extent{AtLeast: p.FDsSeen.Known}
	}
	return p.FDs, Extent{}
}

// andAtLeast is the extent of a sum that may be too low for a reason of its own too.
func (e *Extent) andAtLeast(too bool) Extent {
	out := *e
	out.AtLeast = out.AtLeast || too
	return out
}

// without are the gaps of other kinds.
func (e *Extent) without(kinds ...GapKind) []Gap {
	return slices.DeleteFunc(slices.Clone(e.Gaps), func(g Gap) bool { return slices.Contains(kinds, g.What) })
}

// known is a sum over what was covered. A sum of nothing is 0 only where nothing is left
// out.
func (e *Extent) known(sum int64) maybe.Of[int64] {
	return maybe.When(sum, sum != 0 || !e.AtLeast)
}

// String is the gap as the end of a sentence that begins with "without".
func (g Gap) String() string {
	n := g.Count.Value
	count := func(thing string) string {
		if !g.Count.Known {
			return thing + "s"
		}
		return units.Many(n, thing)
	}
	switch g.What {
	case GapNotListed:
		text := count("process") + " not listed yet"
		if files, ok := g.Files.Get(); ok {
			text += " (" + units.Many(files, "fd") + ")"
		}
		return text
	case GapDenied:
		return count("process") + " whose fds this user may not list"
	case GapFailed:
		return count("process") + " whose fds could not be listed"
	case GapHidePID:
		return "other users' processes, which hidepid= hides"
	case GapPIDNamespace:
		return "processes outside this PID namespace"
	case GapNoProcess:
		return "processes, of which none could be listed"
	case GapThreads:
		return "files that threads of " + count("process") + " may hold by themselves"
	case GapBeyondMax:
		return count("fd") + " beyond --max-fds"
	case GapNotCompared:
		return count("epoll fd") + " not compared yet"
	case GapNotRead:
		return count("instance") + " not read yet"
	case GapUnread:
		return count("instance") + " that could not be read"
	case GapNoUser:
		return count("instance") + " whose user is not known"
	case GapSharing:
		return count("instance") + " that may be counted more than once (not comparable by kcmp)"
	case GapChanged:
		return count("fd") + " opened or closed since they were listed"
	case GapUnseen:
		return units.Many(n, "watch") + " in processes or of files that eptop does not see"
	case GapUnlisted:
		return count("watch") + " that their epolls count and the pass did not see"
	case GapNamespaces:
		return count("network namespace") + " not looked into in full"
	case GapNotBound:
		return count("socket") + " that sock_diag does not report"
	case GapBuffers:
		return "the buffers of " + count("socket") + ", which the kernel did not report"
	}
	return fmt.Sprintf("%d %s", n, g.What)
}

// gaps are those of a sum over the files of all processes.
func (c *Coverage) gaps() []Gap {
	listed := gap(GapNotListed, c.Waiting)
	listed.Files = c.FilesWaiting
	gaps := []Gap{listed, gap(GapDenied, c.Denied), gap(GapFailed, c.Failed)}
	if c.HidePID {
		gaps = append(gaps, Gap{What: GapHidePID})
	}
	if c.PIDNamespace {
		gaps = append(gaps, Gap{What: GapPIDNamespace})
	}
	if c.NoProcess {
		gaps = append(gaps, Gap{What: GapNoProcess})
	}
	gaps = append(gaps, gap(GapThreads, c.ThreadsUnchecked))
	if c.Cut > 0 {
		gaps = append(gaps, Gap{What: GapBeyondMax, Count: c.FilesBeyond})
	}
	// A server opens and closes some at any moment: they matter where they are many.
	if c.FilesChanged*100 > c.Files {
		gaps = append(gaps, Gap{What: GapChanged, Count: maybe.Some(c.FilesChanged)})
	}
	if c.WatchesUnlisted*100 > c.Files {
		gaps = append(gaps, Gap{What: GapUnlisted, Count: maybe.Some(c.WatchesUnlisted)})
	}
	return append(gaps, gap(GapNotCompared, c.EpollsWaiting))
}

// cover says for programs what LeavesOut says in words.
func (s *Sockets) cover(sample *Sample, unreported, unmeasured int64) {
	partial := 0
	for i := range sample.Networks {
		if sample.Networks[i].State != OK {
			partial++
		}
	}
	e := ExtentOf(append(sample.Coverage.processGaps(), gap(GapNamespaces, partial), gap(GapNotBound, int(unreported)))...)
	s.AtLeast = e.AtLeast // the buffers are missing in their own sum only
	e.leave(Gap{What: GapBuffers, Count: maybe.Some(unmeasured)})
	s.Gaps = e.Gaps
}

// processGaps are the processes that were not looked into at all.
func (c *Coverage) processGaps() []Gap {
	return slices.DeleteFunc(c.gaps(), func(g Gap) bool {
		return slices.Contains([]GapKind{GapThreads, GapBeyondMax, GapNotCompared, GapChanged, GapUnlisted}, g.What)
	})
}
