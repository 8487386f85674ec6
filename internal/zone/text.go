package zone

import (
	"bytes"
	"fmt"
	"math"
)

// The highest numbers that a kernel prints, with room for CPUs, whose limit has
// grown: without a bound a damaged "0-4294967295" would ask for gigabytes.
const (
	maxCPU      = 1<<16 - 1 // CONFIG_NR_CPUS is 8,192 at most
	maxNode     = 1<<10 - 1 // CONFIG_NODES_SHIFT is 10 at most
	maxDistance = 1<<8 - 1  // the SLIT has a byte for each
)

// lines walks the lines of one file and knows where it is for error messages.
type lines struct {
	file   string
	rest   []byte
	line   []byte
	number int
	whole  bool // the line ended with a newline
}

func newLines(file string, b []byte) *lines { return &lines{file: file, rest: b} }

// next moves to the following line and reports whether there is one.
func (l *lines) next() bool {
	if len(l.rest) == 0 {
		return false
	}
	l.number++
	l.line, l.rest, l.whole = bytes.Cut(l.rest, []byte{'\n'})
	return true
}

// malformed is the error for the current line.
func (l *lines) malformed(why string) error {
	line := l.line
	const most = 120
	if len(line) > most {
		line = line[:most]
	}
	return fmt.Errorf("%s: line %d %q: %s: %w", l.file, l.number, line, why, ErrMalformed)
}

// cut is the error for a line without its newline. The kernel ends every line,
// so a number there may have lost its last digits.
func (l *lines) cut() error { return l.malformed("cut short") }

// field splits the first blank-separated field off b.
func field(b []byte) (first, rest []byte) {
	i := 0
	for i < len(b) && blank(b[i]) {
		i++
	}
	j := i
	for j < len(b) && !blank(b[j]) {
		j++
	}
	return b[i:j], b[j:]
}

func blank(c byte) bool { return c == ' ' || c == '\t' }

// number parses a decimal field without sign. An empty why means success.
func number(b []byte) (v uint64, why string) {
	if len(b) == 0 {
		return 0, "number missing"
	}
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, "not a number"
		}
		d := uint64(c - '0')
		if v > (math.MaxUint64-d)/10 {
			return 0, "number too large"
		}
		v = v*10 + d
	}
	return v, ""
}

// small parses a number of at most limit.
func small(b []byte, limit uint64) (v int, why string) {
	n, why := number(b)
	if why != "" {
		return 0, why
	}
	if n > limit {
		return 0, "number too large"
	}
	return int(n), ""
}

// nameAndNumber parses the line "name value", the form of numastat, vmstat and
// the statistics in zoneinfo.
func nameAndNumber(line []byte) (name []byte, v uint64, why string) {
	name, rest := field(line)
	value, _ := field(rest)
	v, why = number(value)
	return name, v, why
}

// names hands out one string for each distinct name, so that a refresh does
// not allocate names it has seen. A nil names works and remembers nothing.
type names map[string]string

func (n names) of(b []byte) string {
	if s, ok := n[string(b)]; ok {
		return s
	}
	s := string(b)
	if n != nil {
		n[s] = s
	}
	return s
}
