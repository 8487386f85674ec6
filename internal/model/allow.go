package model

import (
	"fmt"
	"strconv"
	"strings"
)

// Allowance is one line of an allow file: findings that somebody knows of and wants to
// leave alone, and why.
type Allowance struct {
	Rule string
	// Process is the name of the process or its PID, Port one of the socket's ports; each
	// is every one where it is empty or 0.
	Process string
	Port    uint16
	Reason  string
	Line    int
}

// ParseAllow reads an allow file. Each line names a rule and a reason, and may name a
// process and a port:
//
//	close-wait process=node port=8080 reason="pool of the old client, until 2.0"
//
// Empty lines and those that begin with # say nothing. Errors name the line.
func ParseAllow(text string) ([]Allowance, error) {
	var out []Allowance
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		a, err := parseAllowance(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
		a.Line = i + 1
		out = append(out, a)
	}
	return out, nil
}

func parseAllowance(line string) (Allowance, error) {
	name, rest, _ := strings.Cut(line, " ")
	r, known := RuleNamed(name)
	if !known {
		return Allowance{}, fmt.Errorf("no rule is called %q; eptop check --list names them", name)
	}
	a := Allowance{Rule: r.Name}
	for rest = strings.TrimSpace(rest); rest != ""; rest = strings.TrimSpace(rest) {
		key, after, ok := strings.Cut(rest, "=")
		if !ok {
			return a, fmt.Errorf("%q is not KEY=VALUE", rest)
		}
		value, left, err := allowValue(after)
		if err != nil {
			return a, fmt.Errorf("%s: %w", key, err)
		}
		if err := a.set(key, value); err != nil {
			return a, err
		}
		rest = left
	}
	if a.Reason == "" {
		return a, fmt.Errorf("%s has no reason: add reason=%q", r.Name, "…")
	}
	return a, nil
}

// allowValue reads a word, or a text in quotes.
func allowValue(text string) (value, rest string, err error) {
	if !strings.HasPrefix(text, `"`) {
		value, rest, _ = strings.Cut(text, " ")
		return value, rest, nil
	}
	quoted, err := strconv.QuotedPrefix(text)
	if err != nil {
		return "", "", fmt.Errorf("the quotes of %s do not end", text)
	}
	value, err = strconv.Unquote(quoted)
	return value, text[len(quoted):], err
}

func (a *Allowance) set(key, value string) error {
	if value == "" {
		return fmt.Errorf("%s has no value", key)
	}
	switch key {
	case "process":
		a.Process = value
	case "reason":
		a.Reason = value
	case "port":
		port, err := strconv.ParseUint(value, 10, 16)
		if err != nil || port == 0 {
			return fmt.Errorf("port=%s is no port", value)
		}
		a.Port = uint16(port)
	default:
		return fmt.Errorf("unknown key %q: process, port and reason are known", key)
	}
	return nil
}

// Allows reports whether a finding is one that was allowed.
func (a *Allowance) Allows(f *Finding) bool {
	if a.Rule != f.Rule || a.Process != "" && a.Process != f.Comm && a.Process != strconv.Itoa(f.PID) {
		return false
	}
	if a.Port == 0 {
		return true
	}
	port := ":" + strconv.Itoa(int(a.Port))
	for _, word := range strings.Fields(f.Socket + " " + f.Text) {
		if strings.HasSuffix(strings.Trim(word, ",;"), port) {
			return true
		}
	}
	return false
}
