package slab

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseNodeCounts(t *testing.T) {
	for _, tc := range []struct {
		in   string
		want []nodeCount
		err  string
	}{
		{in: "152022 N0=152022\n", want: []nodeCount{{0, 152022}}},
		{in: "832 N0=208 N3=624\n", want: []nodeCount{{0, 208}, {3, 624}}},
		{in: "0\n"},
		{in: "26\n", want: []nodeCount{{0, 26}}}, // no CONFIG_NUMA
		{in: "26 N1=26 C0=3\n", want: []nodeCount{{1, 26}}},
		{in: "", err: "cut"},
		{in: "\n", err: "not a number"},
		{in: "832 N0=20", err: "cut"},
		{in: "832 N0=208\n", err: "less than the sum"},
		{in: "832 N0=833\n", err: "more than the sum"},
		{in: "832 N0=\n", err: "not a number"},
		{in: "832 N0=400 N0=432\n", err: "not ascending"},
		{in: "832 N99999999999=832\n", err: "too large"},
		{in: "832 N1024=832\n", err: "too large"},
		{in: "18446744073709551616\n", err: "too large"},
		{in: "68719476737 N0=68719476737\n", err: "too large"},
		{in: "3 N0=5 N1=18446744073709551614\n", err: "more than the sum"},
		{in: "1 N0=9\n", err: "more than the sum"},
	} {
		got, err := parseNodeCounts([]byte(tc.in))
		checkError(t, err, tc.err)
		if diff := cmp.Diff(tc.want, got, cmp.AllowUnexported(nodeCount{})); diff != "" {
			t.Errorf("%q (-want +got):\n%s", tc.in, diff)
		}
	}
}

func TestParseUint(t *testing.T) {
	for _, tc := range []struct {
		in    string
		limit uint64
		want  uint64
		why   string
	}{
		{"0", 0, 0, ""},
		{"1", 0, 0, "number too large"},
		{"1", 1, 1, ""},
		{"9", 1, 0, "number too large"},
		{"10", 9, 0, "number too large"},
		{"0010", 10, 10, ""},
		{"18446744073709551615", 1<<64 - 1, 1<<64 - 1, ""},
		{"18446744073709551616", 1<<64 - 1, 0, "number too large"},
		{"", 9, 0, "not a number"},
	} {
		if got, why := parseUint([]byte(tc.in), tc.limit); got != tc.want || why != tc.why {
			t.Errorf("parseUint(%q, %d) = %d, %q, want %d, %q", tc.in, tc.limit, got, why, tc.want, tc.why)
		}
	}
}

func TestParseLinkName(t *testing.T) {
	for _, tc := range []struct {
		in   string
		want Attr
		ok   bool
	}{
		{":0000184", Attr{ObjectBytes: 184, Reclaimable: no, FromLink: true}, true},
		{":A-0000064", Attr{ObjectBytes: 64, Reclaimable: no, FromLink: true}, true},
		{":aA-0000032", Attr{ObjectBytes: 32, Reclaimable: yes, FromLink: true}, true},
		{":at-0000104", Attr{ObjectBytes: 104, Reclaimable: yes, FromLink: true}, true}, // before Linux 4.15
		{":12345678", Attr{ObjectBytes: 12345678, Reclaimable: no, FromLink: true}, true},
		{"TCP", Attr{}, false},
		{"", Attr{}, false},
		{":", Attr{}, false},
		{":A-", Attr{}, false},
		{":0000000", Attr{}, false},
		{":A-99999999999", Attr{}, false},
	} {
		got, ok := parseLinkName(tc.in)
		if got != tc.want || ok != tc.ok {
			t.Errorf("%q: %+v, %v", tc.in, got, ok)
		}
	}
}
