package zone

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestParseList(t *testing.T) {
	tests := map[string][]int{
		"\n":            nil,
		"0\n":           {0},
		"0-1\n":         {0, 1},
		"0-3,8,10-11\n": {0, 1, 2, 3, 8, 10, 11},
		"0,2,5\n":       {0, 2, 5},
		"65534-65535\n": {65534, 65535},
	}
	for in, want := range tests {
		got, err := ParseList([]byte(in))
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %v, error %v; want %v", in, got, err, want)
		}
	}
}

func TestParseListMalformed(t *testing.T) {
	for in, want := range map[string]string{
		"":                     "cut short",
		"0-":                   "cut short",
		"0-\n":                 "number missing",
		"-3\n":                 "number missing",
		"0,\n":                 "ends with a comma",
		",0\n":                 "number missing",
		"3-1\n":                "not ascending",
		"4,4\n":                "not ascending",
		"0-3,2\n":              "not ascending",
		"0 1\n":                "not a number",
		"0-4294967295\n":       "number too large",
		"18446744073709551616": "cut short",
		"0\n1\n":               "more than one line",
	} {
		_, err := ParseList([]byte(in))
		if !errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %q", in, err, want)
		}
	}
}

func TestParseDistances(t *testing.T) {
	// Where node 0 is offline the kernel prints a blank before the first number.
	for in, want := range map[string][]int{
		"10\n":          {10},
		"10 21 31 31\n": {10, 21, 31, 31},
		" 21 10\n":      {21, 10},
		"10 255\n":      {10, 255},
	} {
		got, err := parseDistances("distance", []byte(in))
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %v, error %v; want %v", in, got, err, want)
		}
	}
	for _, in := range []string{"", "\n", "10 2", "10 x\n", "10 256\n", "10 70000\n", "10\n21\n"} {
		if _, err := parseDistances("distance", []byte(in)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%q: error %v, want ErrMalformed", in, err)
		}
	}
}

// FuzzList prints a set as "%*pbl" does and parses it back, then feeds the
// bytes as they are.
func FuzzList(f *testing.F) {
	f.Add([]byte{0, 0, 0, 1, 0, 2, 0, 8})
	f.Add([]byte("0-3,8,10-11\n"))
	f.Add([]byte("\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var set []int
		for pair := range slices.Chunk(b, 2) {
			if len(pair) == 2 {
				set = append(set, int(pair[0])<<8|int(pair[1]))
			}
		}
		set = sorted(set)
		got, err := ParseList([]byte(formatList(set) + "\n"))
		if err != nil || !slices.Equal(got, set) {
			t.Fatalf("%v: %v, error %v", set, got, err)
		}

		got, err = ParseList(b)
		if err != nil && !errors.Is(err, ErrMalformed) {
			t.Fatalf("%q: error %v", b, err)
		}
		if err == nil && (!slices.IsSorted(got) || len(got) > maxCPU+1) {
			t.Fatalf("%q: %d numbers, or not ascending", b, len(got))
		}
	})
}

// FuzzDistances prints distances as node_read_distance() does and parses them
// back, then feeds the bytes as they are.
func FuzzDistances(f *testing.F) {
	f.Add([]byte{10, 21, 31, 31}, true)
	f.Add([]byte("10 21 31 31\n"), false)
	f.Fuzz(func(t *testing.T, b []byte, node0 bool) {
		var text strings.Builder
		var want []int
		for i, d := range b {
			if i > 0 || !node0 {
				text.WriteByte(' ')
			}
			fmt.Fprintf(&text, "%d", d)
			want = append(want, int(d))
		}
		text.WriteByte('\n')
		got, err := parseDistances("distance", []byte(text.String()))
		if (err != nil) != (len(b) == 0) || !slices.Equal(got, want) {
			t.Fatalf("%q: %v, error %v", text.String(), got, err)
		}
		if got, err := parseDistances("distance", b); (err == nil) != (len(got) > 0) || err != nil && !errors.Is(err, ErrMalformed) {
			t.Fatalf("%q: %v, error %v", b, got, err)
		}
	})
}
