package model

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/eptop/eptop/internal/maybe"
)

// Rule is one fault that eptop looks for: what is said of it, and how it is judged.
type Rule struct {
	// ID never changes and is never given to another rule. Name is the one for people and
	// command lines.
	ID, Name, Title string
	// Severity is the usual one; a finding may have another.
	Severity Severity
	// What says what the rule looks for, Why why that matters, FalseAlarm how it could be
	// wrong, Cure what is known to help.
	What, Why, FalseAlarm, Cure string
	// Looks is how many looks in a row must see the fault before it is a finding, and Holds
	// how long it must have been seen.
	Looks int
	Holds time.Duration
	// Threshold is the number that can be set; absent where there is none to set.
	Threshold maybe.Of[Threshold]

	// warnAfter is for how long a finding that begins as info must hold to be a warning; 0
	// is for ever.
	warnAfter time.Duration
	// linger is how long a finding stays after the last sighting, beyond the two looks that
	// every finding stays.
	linger time.Duration
	judge  func(*ruling) verdict
}

// Threshold is the number from which on a rule's fault is one.
type Threshold struct {
	Default int64
	// Unit says what it counts: "%", "sockets".
	Unit string
	// Least and Most are the numbers that make sense.
	Least, Most int64
	// End is the share of the threshold below which a finding ends.
	End float64
}

// Check says why a number is no threshold of a rule.
func (r *Rule) Check(n int64) error {
	t, ok := r.Threshold.Get()
	switch {
	case !ok:
		return fmt.Errorf("%s has no threshold; those that have one: %s", r.Name, strings.Join(withThreshold(), ", "))
	case n < t.Least || n > t.Most:
		return fmt.Errorf("%s=%d: not between %d and %d %s", r.Name, n, t.Least, t.Most, t.Unit)
	}
	return nil
}

func withThreshold() []string {
	var names []string
	for i := range rules {
		if rules[i].Threshold.Known {
			names = append(names, rules[i].Name)
		}
	}
	return names
}

// verdict is what a rule has to say of one look.
type verdict struct {
	sightings []sighting
	// at is when what the rule rests on was read: a look that did not read it anew is none
	// for the rule. The zero time is that of the look.
	at time.Time
	// unjudged says why it could not judge; empty where it could. passing: a further look
	// may be able to.
	unjudged string
	passing  bool
}

func unjudged(why string) verdict { return verdict{unjudged: why} }

// sighting is one look's view of a fault at one place.
type sighting struct {
	site
	// held: the fault is above the threshold at which it ends, and below that at which it
	// begins: no finding begins with it, and one goes on.
	held bool
	// severity is another than the rule's; "" for the rule's.
	severity Severity
	certain  bool
	count    int64
	// at is when that was read; the zero time is the verdict's.
	at time.Time
	// marks distinguish the things that are at fault. Where there are any, one must be
	// there look after look, or it is another fault each time. They are in order.
	marks []uint64
	// sure: the rule itself has seen it in as many looks as it needs, the first of them at
	// since.
	sure  bool
	since time.Time
	text  string
	// detail is what the evidence says beyond place and text.
	detail string
}

// site is where a fault is.
type site struct {
	pid     int
	started int64 // distinguishes processes that have had the same PID
	epollFD maybe.Of[int]
	fd      maybe.Of[int] // no part of what distinguishes places
	socket  string
}

func (p site) key() site {
	p.fd = maybe.Of[int]{}
	return p
}

// rules are all rules, those first that people suffer from most.
var rules []Rule

func init() {
	rules = slices.Concat(watchRules(), socketRules(), queueRules(), growthRules(), limitRules(), spinRules(), edgeRules(), shapeRules())
	slices.SortStableFunc(rules, func(a, b Rule) int { return cmp.Compare(a.ID, b.ID) })
}

// Rules returns all rules by their number.
func Rules() []Rule { return slices.Clone(rules) }

// RuleNamed returns the rule with a name or a number.
func RuleNamed(name string) (Rule, bool) {
	if i := rulePlace(name); i < len(rules) {
		return rules[i], true
	}
	return Rule{}, false
}

// rulePlace is the number of a rule in the list, that of its end where it is not known.
func rulePlace(name string) int {
	for i := range rules {
		if rules[i].Name == name || strings.EqualFold(rules[i].ID, name) {
			return i
		}
	}
	return len(rules)
}

// Thresholds are the numbers that were set, by the name of the rule.
type Thresholds map[string]int64

// ParseThreshold reads "nofile=90".
func ParseThreshold(text string) (rule string, n int64, err error) {
	name, number, ok := strings.Cut(text, "=")
	if !ok {
		return "", 0, fmt.Errorf("%q is not RULE=NUMBER", text)
	}
	r, known := RuleNamed(strings.TrimSpace(name))
	if !known {
		return "", 0, UnknownRule(name)
	}
	number = strings.TrimSuffix(strings.TrimSpace(number), "%")
	if _, err := fmt.Sscanf(number, "%d", &n); err != nil || fmt.Sprint(n) != number {
		return "", 0, fmt.Errorf("%s=%s: not a whole number", r.Name, number)
	}
	return r.Name, n, r.Check(n)
}

// UnknownRule is the error for a name that no rule has; it has the list.
func UnknownRule(name string) error {
	names := make([]string, len(rules))
	for i := range rules {
		names[i] = rules[i].ID + " " + rules[i].Name
	}
	return fmt.Errorf("unknown rule %q; the rules are:\n  %s", name, strings.Join(names, "\n  "))
}
