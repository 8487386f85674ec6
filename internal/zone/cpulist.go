package zone

import (
	"bytes"

	"github.com/eptop/eptop/internal/kernfile"
)

// ParseList parses a list of CPUs or nodes as the kernel's "%*pbl" prints it,
// ascending and ended by a newline: "0-3,8,10-11\n", or "\n" for none.
func ParseList(b []byte) ([]int, error) { return parseList("list", b, maxCPU) }

func parseList(file string, b []byte, limit uint64) ([]int, error) {
	rest, err := oneLine(file, b)
	if err != nil {
		return nil, err
	}
	l := lines{file: file, line: rest, number: 1}
	var out []int
	for len(rest) > 0 {
		var part []byte
		var comma bool
		part, rest, comma = bytes.Cut(rest, []byte{','})
		first, last, why := parseRange(part, limit)
		switch {
		case why != "":
			return nil, l.malformed(why)
		case comma && len(rest) == 0:
			return nil, l.malformed("ends with a comma")
		case len(out) > 0 && first <= out[len(out)-1]:
			return nil, l.malformed("not ascending")
		}
		for i := first; i <= last; i++ {
			out = append(out, i)
		}
	}
	return out, nil
}

// parseRange parses "8" or "10-11".
func parseRange(b []byte, limit uint64) (first, last int, why string) {
	from, to, dash := bytes.Cut(b, []byte{'-'})
	first, why = small(from, limit)
	if why != "" || !dash {
		return first, first, why
	}
	last, why = small(to, limit)
	if why == "" && last < first {
		why = "not ascending"
	}
	return first, last, why
}

// parseDistances parses nodeN/distance: one number for each online node, in
// the order of their numbers ("10 21 31 31\n"). 10 is the node itself; the
// unit is the firmware's SLIT, where 20 means twice as far.
func parseDistances(file string, b []byte) ([]int, error) {
	rest, err := oneLine(file, b)
	if err != nil {
		return nil, err
	}
	l := lines{file: file, line: rest, number: 1}
	var out []int
	for {
		var f []byte
		if f, rest = field(rest); len(f) == 0 {
			break
		}
		d, why := small(f, maxDistance)
		if why != "" {
			return nil, l.malformed(why)
		}
		out = append(out, d)
	}
	if len(out) == 0 {
		return nil, l.malformed("no distance")
	}
	return out, nil
}

// oneLine returns the content of a file of exactly one line, without its end.
func oneLine(file string, b []byte) ([]byte, error) {
	line, whole := kernfile.Line(b)
	l := lines{file: file, line: line, number: 1}
	switch {
	case !whole:
		return nil, l.cut()
	case bytes.IndexByte(line, '\n') >= 0:
		return nil, l.malformed("more than one line")
	}
	return line, nil
}
