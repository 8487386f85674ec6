package model

import (
	"slices"
	"time"
)

// CheckSchema names the shape of a Check's JSON.
const CheckSchema = "eptop.check/1"

// Check is what a machine looked like to a script: the findings of the last of several
// looks, without those that were allowed.
type Check struct {
	Schema string    `json:"schema"`
	Time   time.Time `json:"time"`
	Looks  int       `json:"looks"`
	// Rules are those that were asked for, by name. A rule that is in neither of the
	// findings nor FindingsUnjudged has passed.
	Rules            []string         `json:"rules"`
	Findings         []Finding        `json:"findings"`
	Allowed          []AllowedFinding `json:"findings_allowed,omitempty"`
	FindingsUnjudged []Unjudged       `json:"findings_unjudged"`
	Walls            []Wall           `json:"walls"`
	// Breached counts the findings at least as bad as FailOn.
	Breached int      `json:"breached"`
	FailOn   Severity `json:"fail_on"`
}

// AllowedFinding is one that an allow file leaves alone.
type AllowedFinding struct {
	Finding
	Reason string `json:"reason"`
}

// CheckPlan says what a check is about.
type CheckPlan struct {
	Only   []string // the names of rules; all where there are none
	Allow  []Allowance
	FailOn Severity
	// Processes: only findings about a process count, as where PIDs were asked for.
	Processes bool
}

// NewCheck judges the last of several looks.
func NewCheck(s *Snapshot, looks int, plan CheckPlan) *Check {
	c := &Check{
		Schema: CheckSchema, Time: s.Time, Looks: looks, Findings: []Finding{}, FindingsUnjudged: []Unjudged{},
		Walls: slices.Clone(s.Walls), FailOn: plan.FailOn,
	}
	if c.Walls == nil {
		c.Walls = []Wall{}
	}
	wanted := func(rule string) bool { return len(plan.Only) == 0 || slices.Contains(plan.Only, rule) }
	for i := range rules {
		if wanted(rules[i].Name) {
			c.Rules = append(c.Rules, rules[i].Name)
		}
	}
	for _, f := range s.Findings {
		if !wanted(f.Rule) || plan.Processes && f.PID == 0 {
			continue
		}
		if i := slices.IndexFunc(plan.Allow, func(a Allowance) bool { return a.Allows(&f) }); i >= 0 {
			c.Allowed = append(c.Allowed, AllowedFinding{f, plan.Allow[i].Reason})
			continue
		}
		c.Findings = append(c.Findings, f)
		if c.Breaches(&f) {
			c.Breached++
		}
	}
	for _, u := range s.FindingsUnjudged {
		if wanted(u.Rule) {
			c.FindingsUnjudged = append(c.FindingsUnjudged, u)
		}
	}
	return c
}

// Breaches reports whether a finding is bad enough for the check to fail.
func (c *Check) Breaches(f *Finding) bool { return f.Severity.Rank() >= c.FailOn.Rank() }

// Unknown reports whether no rule at all could be judged, for want of what it rests on.
func (c *Check) Unknown() bool {
	denied := func(u Unjudged) bool { return !u.Early }
	return len(c.Rules) > 0 && len(c.FindingsUnjudged) == len(c.Rules) && len(c.Findings) == 0 && slices.ContainsFunc(c.FindingsUnjudged, denied)
}

// Passed counts the rules that were judged and found nothing that was not allowed.
func (c *Check) Passed() int {
	not := map[string]bool{}
	for i := range c.Findings {
		not[c.Findings[i].Rule] = true
	}
	for _, u := range c.FindingsUnjudged {
		not[u.Rule] = true
	}
	return len(c.Rules) - len(not)
}
