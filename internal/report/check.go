package report

import (
	"bufio"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"strings"

	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/units"
)

// CheckJSON writes a check as one JSON object.
func CheckJSON(w io.Writer, c *model.Check) error { return json.NewEncoder(escaper{w}).Encode(c) }

var severityMarks = map[model.Severity]string{model.SeverityCritical: "✗", model.SeverityWarn: "!", model.SeverityInfo: "i"}

// CheckText writes a check for people.
func CheckText(w io.Writer, c *model.Check) error {
	t := &text{w: bufio.NewWriter(w)}
	for i := range c.Findings {
		f := &c.Findings[i]
		fmt.Fprintf(t.w, "%s %s %s %s: %s\n", severityMarks[f.Severity], f.Severity, f.ID, f.Rule, clean(placeOr(f)+f.Text))
		fmt.Fprintf(t.w, "    held for %s, seen in %d looks\n", units.Duration(f.Held(c.Time)), f.Looks)
		fmt.Fprintf(t.w, "    why:  %s\n    cure: %s\n", f.Why, f.Cure)
		if !f.Certain {
			fmt.Fprintf(t.w, "    likely, not certain: %s\n", f.FalseAlarm)
		}
		fmt.Fprintf(t.w, "    %s\n", clean(f.Evidence))
	}
	for i := range c.Allowed {
		f := &c.Allowed[i]
		fmt.Fprintf(t.w, "- allowed %s %s: %s (%s)\n", f.ID, f.Rule, clean(placeOr(&f.Finding)+f.Text), clean(f.Reason))
	}
	for _, u := range c.FindingsUnjudged {
		fmt.Fprintf(t.w, "? not judged %s %s: %s\n", u.ID, u.Rule, clean(u.Why))
	}
	fmt.Fprintf(t.w, "%s, %s: %d passed, %s, %d breached (%s or worse), %d allowed, %d not judged\n",
		units.Many(int64(len(c.Rules)), "rule"), units.Many(int64(c.Looks), "look"), c.Passed(), units.Many(int64(len(c.Findings)), "finding"),
		c.Breached, c.FailOn, len(c.Allowed), len(c.FindingsUnjudged))
	return t.w.Flush()
}

func placeOr(f *model.Finding) string {
	if place := f.Place(); place != "" {
		return place + ": "
	}
	return ""
}

type junitSuite struct {
	XMLName   xml.Name    `xml:"testsuite"`
	Name      string      `xml:"name,attr"`
	Tests     int         `xml:"tests,attr"`
	Failures  int         `xml:"failures,attr"`
	Skipped   int         `xml:"skipped,attr"`
	Timestamp string      `xml:"timestamp,attr"`
	Cases     []junitCase `xml:"testcase"`
}

type junitCase struct {
	Name     string         `xml:"name,attr"`
	Class    string         `xml:"classname,attr"`
	Failures []junitFailure `xml:"failure"`
	Skipped  *junitSkipped  `xml:"skipped"`
	Output   string         `xml:"system-out,omitempty"`
}

type junitFailure struct {
	Type    string `xml:"type,attr"`
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

type junitSkipped struct {
	Message string `xml:"message,attr"`
}

// CheckJUnit writes a check as a JUnit test suite: a case for each rule, which fails where
// it is breached and is skipped where it could not be judged.
func CheckJUnit(w io.Writer, c *model.Check) error {
	suite := junitSuite{Name: "eptop check", Tests: len(c.Rules), Timestamp: c.Time.UTC().Format("2006-01-02T15:04:05")}
	for _, name := range c.Rules {
		one := junitCase{Name: name, Class: "eptop"}
		if r, ok := model.RuleNamed(name); ok {
			one.Class = "eptop." + r.ID
		}
		for i := range c.Findings {
			f := &c.Findings[i]
			switch {
			case f.Rule != name:
			case c.Breaches(f):
				one.Failures = append(one.Failures, junitFailure{
					Type: string(f.Severity), Message: clean(placeOr(f) + f.Text), Text: strings.Join([]string{clean(f.Evidence), f.Why, "cure: " + f.Cure}, "\n"),
				})
			default:
				one.Output += clean(f.Evidence) + "\n"
			}
		}
		for _, u := range c.FindingsUnjudged {
			if u.Rule == name && len(one.Failures) == 0 {
				one.Skipped = &junitSkipped{clean(u.Why)}
				suite.Skipped++
			}
		}
		if len(one.Failures) > 0 {
			suite.Failures++
		}
		suite.Cases = append(suite.Cases, one)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	out := xml.NewEncoder(w)
	out.Indent("", "  ")
	if err := out.Encode(suite); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}
