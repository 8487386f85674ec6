package model

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/eptop/eptop/internal/maybe"
)

const (
	// quietLooks is how many looks in a row must not see a fault before it has ended.
	quietLooks = 2
	// shownEnded is how long a finding that has ended stays in the Snapshot.
	shownEnded = 15 * time.Second
	// maxFindings bounds the findings of one rule: a fault that is everywhere is said
	// once for the worst places.
	maxFindings = 64
	// longLooking is the gap after which looks before are no longer looks in a row.
	longLooking = 5 * time.Minute
)

// book is what the rules remember of the looks before.
type book struct {
	rules  map[string]*pages
	ended  []Finding
	last   time.Time
	memory ruleMemory
}

// pages are those of one rule.
type pages struct {
	open  map[site]*entry
	looks int       // that judged it
	since time.Time // the first of them
	at    time.Time // when what it rests on was read last
}

// entry is a fault that was seen, whether or not it is a finding yet.
type entry struct {
	sighting
	since, seen time.Time // the first and the last look that saw it
	looks       int
	quiet       int // looks since
	found       bool
	comm        string
}

// find has all rules judge a look, and puts the findings into the Snapshot.
func (k *book) find(r *ruling) {
	snap := r.snap
	snap.Findings, snap.FindingsUnjudged = []Finding{}, []Unjudged{}
	if k.rules == nil || snap.Time.Sub(k.last) > longLooking {
		*k = book{rules: map[string]*pages{}}
	}
	r.memory = &k.memory
	r.memory.begin(r)
	k.last = snap.Time
	k.ended = slices.DeleteFunc(k.ended, func(f Finding) bool { return snap.Time.Sub(f.Ended.Value) > shownEnded })
	for i := range rules {
		rule := &rules[i]
		if k.rules[rule.Name] == nil {
			k.rules[rule.Name] = &pages{open: map[site]*entry{}}
		}
		k.judge(rule, k.rules[rule.Name], r)
	}
	r.memory.end(r)
	slices.SortFunc(snap.Findings, func(a, b Finding) int { return compareFindings(&a, &b) })
	snap.FindingsEnded = slices.Clone(k.ended)
}

func (k *book) judge(rule *Rule, p *pages, r *ruling) {
	r.rule = rule
	v := rule.judge(r)
	snap := r.snap
	if v.unjudged != "" {
		u := Unjudged{ID: rule.ID, Rule: rule.Name, Why: v.unjudged}
		if v.passing {
			u.MoreLooks = max(1, rule.Looks-p.looks)
		}
		snap.FindingsUnjudged = append(snap.FindingsUnjudged, u)
		k.list(rule, p, r) // what held still does, as far as is known
		return
	}
	if v.at.IsZero() {
		v.at = snap.Time
	}
	if p.looks == 0 {
		p.since = v.at
	}
	fresh := p.looks == 0 || v.at.After(p.at)
	if fresh {
		p.looks++
		p.at = v.at
	}
	k.note(rule, p, v, fresh, r)
	if why := rule.early(p); why != "" {
		snap.FindingsUnjudged = append(snap.FindingsUnjudged, Unjudged{ID: rule.ID, Rule: rule.Name, Why: why, Early: true, MoreLooks: max(0, rule.Looks-p.looks)})
	}
	k.list(rule, p, r)
}

// early says that too few looks have judged a rule.
func (r *Rule) early(p *pages) string {
	switch held := p.at.Sub(p.since); {
	case p.looks < r.Looks:
		return fmt.Sprintf("needs %d looks, had %d", r.Looks, p.looks)
	case held < r.Holds:
		return fmt.Sprintf("needs looks over %s, had %s", seconds(r.Holds), seconds(held))
	}
	return ""
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.0f s", d.Seconds()) }

// note takes in what a look saw.
func (k *book) note(rule *Rule, p *pages, v verdict, fresh bool, r *ruling) {
	seen := make(map[site]bool, len(v.sightings))
	for i := range v.sightings {
		s := v.sightings[i]
		if s.at.IsZero() {
			s.at = v.at
		}
		key := s.key()
		if seen[key] {
			continue
		}
		seen[key] = true
		e := p.open[key]
		switch {
		case e == nil && s.held:
			continue
		case e == nil:
			e = &entry{since: s.at, seen: s.at, looks: 1}
			p.open[key] = e
		case len(s.marks) > 0 && !common(e.marks, s.marks):
			if s.at.Equal(e.at) {
				continue
			}
			k.end(rule, e, r)
			*e = entry{since: s.at, seen: s.at, looks: 1}
		case s.at.After(e.at):
			e.looks++
		}
		e.sighting, e.seen, e.quiet, e.comm = s, s.at, 0, r.comm(s.pid)
		if s.sure {
			if e.looks < rule.Looks {
				e.looks = rule.Looks
			}
			if !s.since.IsZero() && s.since.Before(e.since) {
				e.since = s.since
			}
			e.found = true
		}
		e.found = e.found || e.looks >= rule.Looks && e.seen.Sub(e.since) >= rule.Holds
	}
	for key, e := range p.open {
		if seen[key] || !fresh && r.lives(e.pid) {
			continue
		}
		e.quiet++
		switch {
		case !e.found:
			delete(p.open, key)
		case !r.lives(e.pid), e.quiet >= quietLooks && v.at.Sub(e.seen) >= rule.linger:
			k.end(rule, e, r)
			delete(p.open, key)
		}
	}
}

// end keeps a finding that has ended for a while.
func (k *book) end(rule *Rule, e *entry, r *ruling) {
	if !e.found {
		return
	}
	f := rule.finding(e, r.snap)
	f.Ended = maybe.Some(r.snap.Time)
	k.ended = append(k.ended, f)
}

// list puts a rule's findings into the Snapshot.
func (k *book) list(rule *Rule, p *pages, r *ruling) {
	var found []*entry
	for _, e := range p.open {
		if e.found {
			found = append(found, e)
		}
	}
	slices.SortFunc(found, func(a, b *entry) int {
		switch {
		case a.count != b.count:
			return int(max(-1, min(1, b.count-a.count)))
		case a.pid != b.pid:
			return a.pid - b.pid
		}
		return strings.Compare(a.socket, b.socket)
	})
	for i, e := range found {
		if i == maxFindings {
			r.snap.FindingsCut += int64(len(found) - maxFindings)
			break
		}
		r.snap.Findings = append(r.snap.Findings, rule.finding(e, r.snap))
	}
}

func (r *Rule) finding(e *entry, snap *Snapshot) Finding {
	f := Finding{
		ID: r.ID, Rule: r.Name, Severity: r.Severity, Certain: e.certain, Since: e.since, Looks: e.looks,
		PID: e.pid, Comm: e.comm, EpollFD: e.epollFD, FD: e.fd, Socket: e.socket, Count: e.count, Text: e.text,
		Why: r.Why, Cure: r.Cure, FalseAlarm: r.FalseAlarm,
	}
	if e.severity != "" {
		f.Severity = e.severity
	}
	if f.Severity == SeverityInfo && r.warnAfter > 0 && e.seen.Sub(e.since) >= r.warnAfter {
		f.Severity = SeverityWarn
	}
	f.Evidence = f.evidence(e.detail, snap)
	return f
}

// evidence is the line for a bug report: what, where, since when, on which kernel.
func (f *Finding) evidence(detail string, s *Snapshot) string {
	var b strings.Builder
	fmt.Fprintf(&b, "eptop %s %s:", f.ID, f.Rule)
	if owner := f.Owner(); owner != "" {
		fmt.Fprintf(&b, " %s", owner)
	}
	if fd, ok := f.EpollFD.Get(); ok {
		fmt.Fprintf(&b, " epoll fd %d", fd)
	}
	if fd, ok := f.FD.Get(); ok {
		fmt.Fprintf(&b, " fd %d", fd)
	}
	if f.Socket != "" {
		fmt.Fprintf(&b, " %s", f.Socket)
	}
	fmt.Fprintf(&b, ": %s", f.Text)
	if detail != "" {
		fmt.Fprintf(&b, "; %s", detail)
	}
	if !f.Certain {
		b.WriteString("; likely, not certain")
	}
	fmt.Fprintf(&b, "; seen in %d looks since %s", f.Looks, f.Since.UTC().Format(time.RFC3339))
	if s.Host.Kernel != "" {
		fmt.Fprintf(&b, "; Linux %s", s.Host.Kernel)
	}
	return b.String()
}

// common reports whether two lists in order have something in common.
func common(a, b []uint64) bool {
	for len(a) > 0 && len(b) > 0 {
		switch {
		case a[0] == b[0]:
			return true
		case a[0] < b[0]:
			a = a[1:]
		default:
			b = b[1:]
		}
	}
	return false
}
