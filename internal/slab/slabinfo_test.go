package slab

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/eptop/eptop/internal/maybe"
)

const (
	version = "slabinfo - version: 2.1\n"
	header  = "# name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab> : tunables <limit> <batchcount> <sharedfactor> : slabdata <active_slabs> <num_slabs> <sharedavail>\n"
	tcpLine = "TCP                   24     26   2368   13    8 : tunables    0    0    0 : slabdata      2      3      0\n"
)

// yes and no are what a cache may answer; the zero value is that nobody knows.
var yes, no = maybe.Some(true), maybe.Some(false)

var tcp = Cache{Name: "TCP", ActiveObjs: 24, Objs: 26, ObjectBytes: 2368, ObjsPerSlab: 13, PagesPerSlab: 8, ActiveSlabs: 2, Slabs: 3}

func named(c Cache, name string) Cache { c.Name = name; return c }

func parseSlabinfo(b []byte) ([]Cache, error) { return new(Parser).AppendCaches([]Cache{}, b) }

func TestParseSlabinfo(t *testing.T) {
	idle := tcp
	idle.ActiveObjs = 0
	const huge = "huge 0 268435456 67108864 1 1 : tunables 0 0 0 : slabdata 0 34359738368 0\n"
	hugeCache := Cache{Name: "huge", Objs: 1 << 28, ObjectBytes: 1 << 26, ObjsPerSlab: 1, PagesPerSlab: 1, Slabs: 1 << 35}
	for _, tc := range []struct {
		name, in string
		want     []Cache
		err      string // part of the error, "" for none
	}{
		{name: "a cache", in: version + header + tcpLine, want: []Cache{tcp}},
		{name: "no header", in: tcpLine, want: []Cache{tcp}},
		{
			name: "CONFIG_DEBUG_SLAB",
			in: "slabinfo - version: 2.1 (statistics)\n" + strings.Replace(header, "\n", " : globalstat <listallocs> <maxobjs>\n", 1) +
				strings.Replace(tcpLine, "\n", " : globalstat      10   20 : cpustat      1      2      3      4\n", 1),
			want: []Cache{tcp},
		},
		{
			name: "a column more after slabdata, a section more before",
			in:   header + strings.NewReplacer(": slabdata", ": sheaves 7 : slabdata", "\n", " 99\n").Replace(tcpLine),
			want: []Cache{tcp},
		},
		{
			name: "a column more that the header names",
			in: strings.Replace(header, "<pagesperslab>", "<pagesperslab> <color>", 1) +
				strings.Replace(tcpLine, "   13    8 ", "   13    8    5 ", 1),
			want: []Cache{tcp},
		},
		{
			name: "a column more that no header names",
			in:   header + strings.Replace(tcpLine, "   13    8 ", "   13    8    5 ", 1),
			err:  "more columns than the header names",
		},
		{name: "a name with spaces", in: header + strings.Replace(tcpLine, "TCP ", "dentry(7:my group)", 1), want: []Cache{named(tcp, "dentry(7:my group)")}},
		{name: "a name as wide as the column", in: strings.Replace(tcpLine, "TCP ", "request_sock_subflow_v4", 1), want: []Cache{named(tcp, "request_sock_subflow_v4")}},
		{name: "a name with numbers", in: strings.Replace(tcpLine, "TCP ", "kmalloc-cg-8k 9p", 1), want: []Cache{named(tcp, "kmalloc-cg-8k 9p")}},
		{name: "two caches of one name", in: tcpLine + tcpLine, want: []Cache{tcp, tcp}},
		{
			name: "a version that has not been seen, and can be read",
			in:   "slabinfo - version: 3.0\n" + tcpLine,
			want: []Cache{tcp},
		},
		{
			name: "a version that has not been seen, and cannot be read",
			in:   "slabinfo - version: 3.0\nTCP 24\n",
			err:  `malformed: slabinfo line 2: no section after the table columns: "TCP 24" (format version 3.0, known is 2.1)`,
		},
		{
			name: "one bad line among good ones",
			in:   version + header + tcpLine + "UDP 1 2 3 : slabdata 1 2\nfoo\n" + tcpLine,
			want: []Cache{tcp, tcp},
			err:  `malformed: slabinfo line 4: a column is missing: "UDP 1 2 3 : slabdata 1 2" and 1 more`,
		},
		{name: "empty", in: "", err: "no line of a cache"},
		{name: "only a header", in: version + header, err: "no line of a cache"},
		{name: "a header that was cut", in: version + header[:20], err: "line 2: cut before its newline"},
		{name: "cut inside the last number", in: header + tcpLine + tcpLine[:len(tcpLine)-1], want: []Cache{tcp}, err: "line 3: cut before its newline"},
		{name: "cut after the table", in: tcpLine[:40] + "\n", err: "no section"},
		{name: "no slabdata", in: strings.Replace(tcpLine, "slabdata", "slabbata", 1), err: "no slabdata section"},
		{name: "slabdata without numbers", in: tcpLine[:strings.Index(tcpLine, "slabdata")+8] + "\n", err: "a column is missing after slabdata"},
		{name: "a number above 64 bits", in: strings.Replace(tcpLine, "    24 ", " 18446744073709551616 ", 1), err: "number too large"},
		{name: "below 0", in: strings.Replace(tcpLine, "    24 ", " 18446744073709551615 ", 1), want: []Cache{idle}},
		{name: "below 0 with 32 bits", in: strings.Replace(tcpLine, "    24 ", " 4294967290 ", 1), want: []Cache{idle}},
		{name: "more active than there are", in: strings.Replace(tcpLine, "    24 ", " 27 ", 1), err: "more active objects than objects"},
		{
			name: "an object of 4 MiB", in: "kmalloc-4194304 3 3 4194304 1 1024 : tunables 1 1 0 : slabdata 3 3 0\n",
			want: []Cache{{Name: "kmalloc-4194304", ActiveObjs: 3, Objs: 3, ObjectBytes: 4 << 20, ObjsPerSlab: 1, PagesPerSlab: 1024, ActiveSlabs: 3, Slabs: 3}},
		},
		{name: "together more memory than there can be", in: huge + huge, want: []Cache{hugeCache}, err: "line 2: more memory than there can be"},
		{name: "slabs of more memory than there can be", in: strings.NewReplacer("   13    8 ", "   13 16384 ", "      3 ", " 68719476735 ").Replace(tcpLine), err: "more memory than there can be"},
		{name: "objects of more memory than there can be", in: strings.NewReplacer("  26 ", " 68719476735 ", "2368", "1048575").Replace(tcpLine), err: "more memory than there can be"},
		{name: "an object of 64 MiB", in: strings.Replace(tcpLine, "2368", "67108865", 1), err: "number too large"},
		{name: "a negative number", in: strings.Replace(tcpLine, "    8 :", "   -8 :", 1), err: "not a number"},
		{name: "no name", in: strings.Replace(tcpLine, "TCP", "   ", 1), err: "a column is missing"},
		{name: "an empty line", in: "\n" + tcpLine, want: []Cache{tcp}, err: "line 1"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := parseSlabinfo([]byte(tc.in))
			checkError(t, err, tc.err)
			if diff := cmp.Diff(tc.want, got); diff != "" && len(tc.want)+len(got) > 0 {
				t.Errorf("caches (-want +got):\n%s", diff)
			}
		})
	}
}

// checkError wants an error wrapping ErrMalformed that contains part, or none.
func checkError(t *testing.T, err error, part string) {
	t.Helper()
	switch {
	case part == "" && err != nil:
		t.Errorf("error %v", err)
	case part != "" && (!errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), part)):
		t.Errorf("error %v, want malformed: … %s", err, part)
	}
}

func TestParserKeepsNames(t *testing.T) {
	text := []byte(version + header + strings.Repeat(tcpLine, 100))
	var p Parser
	caches, err := p.AppendCaches(nil, text)
	if err != nil || len(caches) != 100 {
		t.Fatalf("%d caches, %v", len(caches), err)
	}
	allocs := testing.AllocsPerRun(10, func() {
		caches, err = p.AppendCaches(caches[:0], text)
	})
	if err != nil || allocs > 1 { // one for the version's string
		t.Errorf("%v allocations for 100 lines seen before, %v", allocs, err)
	}
}

func TestCosts(t *testing.T) {
	const page = 4096
	if got := tcp.BytesPerObject(page); got != 2521 { // 32768/13 = 2520.6
		t.Errorf("a TCP object costs %d bytes", got)
	}
	if got := tcp.Bytes(page); got != 3*8*page {
		t.Errorf("TCP takes %d bytes", got)
	}
	if got, want := tcp.UnusedBytes(page), uint64(3*8*page-24*2368); got != want {
		t.Errorf("unused %d bytes, want %d", got, want)
	}
	if got := (Cache{PagesPerSlab: 1, Slabs: 1}).BytesPerObject(page); got != 0 {
		t.Errorf("an object of a slab without objects costs %d bytes", got)
	}
	racy := tcp
	racy.ActiveObjs = 1<<64 - 1 // the kernel subtracts counts of different moments
	if got, want := racy.UnusedBytes(page), uint64(3*8*page-26*2368); got != want {
		t.Errorf("unused %d bytes, want %d", got, want)
	}
}
