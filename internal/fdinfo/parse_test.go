package fdinfo

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"

	"github.com/eptop/eptop/internal/epoll"
)

// formatBefore413 is the format string of ep_show_fdinfo() before Linux 4.13.
const formatBefore413 = "tfd: %8d events: %8x data: %16x\n"

// filler is text without a newline that makes the fast path see any line before
// it.
var filler = strings.Repeat("#", fastWindow)

func TestWatchIs40Bytes(t *testing.T) {
	if size := unsafe.Sizeof(epoll.Watch{}); size != 40 {
		t.Errorf("%d bytes", size)
	}
}

func TestAppendWatches(t *testing.T) {
	inode := func(w epoll.Watch) epoll.Watch { w.HasInode = true; return w }
	for _, test := range []struct {
		name, line string
		want       epoll.Watch
	}{
		{"socket", "tfd:       11 events:       19 data:                b  pos:0 ino:2864 sdev:8",
			inode(epoll.Watch{TFD: 11, Mask: 0x19, Data: 0xb, Ino: 0x2864, Sdev: 8})},
		{"before 4.13", "tfd:       11 events: 80002019 data:     7f3a00000000",
			epoll.Watch{TFD: 11, Mask: 0x80002019, Data: 0x7f3a00000000}},
		{"position", "tfd:        5 events:       1f data:                0  pos:1234567 ino:7 sdev:800001",
			inode(epoll.Watch{TFD: 5, Mask: 0x1f, Pos: 1234567, Ino: 7, Sdev: 0x800001})},
		{"negative position", "tfd:        5 events:       1f data:                0  pos:-1 ino:7 sdev:1",
			inode(epoll.Watch{TFD: 5, Mask: 0x1f, Pos: -1, Ino: 7, Sdev: 1})},
		{"everything largest", "tfd: 2147483647 events: ffffffff data: ffffffffffffffff  pos:9223372036854775807 ino:ffffffffffffffff sdev:ffffffff",
			inode(epoll.Watch{TFD: math.MaxInt32, Mask: math.MaxUint32, Data: math.MaxUint64, Pos: math.MaxInt64, Ino: math.MaxUint64, Sdev: math.MaxUint32})},
		{"eight digits", "tfd: 12345678 events: 9abcdef0 data: 123456789abcdef0  pos:999999999999999999 ino:12345678 sdev:9abcdef0",
			inode(epoll.Watch{TFD: 12345678, Mask: 0x9abcdef0, Data: 0x123456789abcdef0, Pos: 999999999999999999, Ino: 0x12345678, Sdev: 0x9abcdef0})},
		{"more columns", "tfd:        5 events:       19 data:                0  pos:0 ino:7 sdev:1 napi:3 x",
			inode(epoll.Watch{TFD: 5, Mask: 0x19, Ino: 7, Sdev: 1})},
		{"other widths", "tfd: 5 events: 19 data: 0 pos: 3 ino: 007 sdev: 1",
			inode(epoll.Watch{TFD: 5, Mask: 0x19, Pos: 3, Ino: 7, Sdev: 1})},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, after := range []string{"", filler} {
				text := "pos:\t0\nino:\t30\n" + test.line + "\nnew:\tkey\n" + after
				got, rest, err := AppendWatches(nil, []byte(text))
				if err != nil || string(rest) != after {
					t.Fatalf("rest %q, %v", rest, err)
				}
				if diff := cmp.Diff([]epoll.Watch{test.want}, got); diff != "" {
					t.Error(diff)
				}
			}
		})
	}
}

func TestAppendWatchesMalformed(t *testing.T) {
	good := "tfd:       11 events:       19 data:                b  pos:0 ino:2864 sdev:8\n"
	for _, test := range []struct{ name, line, reason string }{
		{"cut in events", "tfd:       11 events:", "number missing"},
		{"cut in inode", "tfd:       11 events:       19 data:                b  pos:0 ino:2864", "column not followed by a space"},
		{"cut in sdev", "tfd:       11 events:       19 data:                b  pos:0 ino:2864 sdev:", "number missing"},
		{"descriptor too large", "tfd: 2147483648 events:       19 data:                b  pos:0 ino:2864 sdev:8", "number too large"},
		{"mask too large", "tfd:       11 events: 100000000 data:                b  pos:0 ino:2864 sdev:8", "number too large"},
		{"data too large", "tfd:       11 events:       19 data: 10000000000000000  pos:0 ino:2864 sdev:8", "number too large"},
		{"position too large", "tfd:       11 events:       19 data:                b  pos:9223372036854775808 ino:2864 sdev:8", "number too large"},
		{"inode too large", "tfd:       11 events:       19 data:                b  pos:0 ino:10000000000000000 sdev:8", "number too large"},
		{"sdev too large", "tfd:       11 events:       19 data:                b  pos:0 ino:2864 sdev:100000000", "number too large"},
		{"negative descriptor", "tfd:       -1 events:       19 data:                b  pos:0 ino:2864 sdev:8", "number missing"},
		{"space inside", "tfd:      1 1 events:       19 data:                b  pos:0 ino:2864 sdev:8", "missing column"},
		{"no digits", "tfd:          events:       19 data:                b  pos:0 ino:2864 sdev:8", "number missing"},
		{"upper case", "tfd:       11 events:       1F data:                b  pos:0 ino:2864 sdev:8", "column not followed by a space"},
		{"carriage return", "tfd:       11 events:       19 data:                b  pos:0 ino:2864 sdev:8\r", "column not followed by a space"},
		{"another key", "tfe:       11 events:       19 data:                b  pos:0 ino:2864 sdev:8", "not a line of fdinfo"},
		{"no key", "11 events", "not a line of fdinfo"}, {"empty", "", "not a line of fdinfo"}, {"zero bytes", "\x00\x00", "not a line of fdinfo"},
		{"long", "tfd:" + strings.Repeat("9", 4000), "number too large"},
	} {
		t.Run(test.name, func(t *testing.T) {
			text := "flags:\t02\n" + good + test.line + "\n" + good
			watches, rest, err := AppendWatches(nil, []byte(text))
			line, ok := errors.AsType[*LineError](err)
			if !ok || !errors.Is(err, ErrMalformed) {
				t.Fatalf("%d watches and %v", len(watches), err)
			}
			want := LineError{Line: 3, Text: test.line[:min(len(test.line), maxQuote)], Reason: test.reason}
			if diff := cmp.Diff(want, *line); diff != "" {
				t.Error(diff)
			}
			if len(watches) != 1 || string(rest) != test.line+"\n"+good {
				t.Errorf("%d watches, rest %q", len(watches), rest)
			}
		})
	}
}

func TestCheckRest(t *testing.T) {
	for rest, bad := range map[string]bool{
		"": false, "pos:\t0": true, "x": true, "t": true, "tfd": true, "tfd:": true, "tfd:       11 events:       19 data:                b  pos:0 ino:2864 sdev:8": true,
	} {
		err := CheckRest([]byte(rest), 7)
		if errors.Is(err, ErrMalformed) != bad || (err != nil) != bad {
			t.Errorf("%q: %v", rest, err)
		}
	}
}

// TestCaptured parses what Linux 6.1 and 6.12 printed.
func TestCaptured(t *testing.T) {
	for _, test := range []struct {
		file        string
		first, last epoll.Watch
	}{
		{"linux-6.1-1", epoll.Watch{TFD: 11, Data: 0xb, Ino: 0x2864, Sdev: 8}, epoll.Watch{TFD: 115, Data: 0x73, Ino: 0x1e, Sdev: 0xe}},
		{"linux-6.1-2-nomerge", epoll.Watch{TFD: 8, Data: 8, Ino: 0x2c09, Sdev: 8}, epoll.Watch{TFD: 122, Data: 0x7a, Ino: 0x2aeb, Sdev: 0xe}},
		{"linux-6.12-4", epoll.Watch{TFD: 7, Data: 7, Ino: 0x8cf, Sdev: 9}, epoll.Watch{TFD: 124, Data: 0x7c, Ino: 0x417, Sdev: 0x10}},
	} {
		text, err := os.ReadFile("testdata/" + test.file)
		if err != nil {
			t.Fatal(err)
		}
		watches, rest, err := AppendWatches(nil, text)
		if err != nil || len(rest) != 0 || len(watches) != 120 {
			t.Fatalf("%s: %d watches, rest %q, %v", test.file, len(watches), rest, err)
		}
		for i, want := range map[int]epoll.Watch{0: test.first, 119: test.last} {
			want.Mask, want.HasInode = 0x19, true
			if diff := cmp.Diff(want, watches[i]); diff != "" {
				t.Errorf("%s: watch %d: %s", test.file, i, diff)
			}
		}
		checkText(t, text)
	}
}

// TestEveryByte puts every byte into every place of some lines.
func TestEveryByte(t *testing.T) {
	for _, line := range []string{
		"tfd:       11 events: 8000201f data:     7f3a00000000  pos:0 ino:2864 sdev:8",
		"tfd: 10000011 events:       19 data: 8000007f3a000000  pos:77 ino:123456789a sdev:800001",
		"tfd:        3 events:       19 data:                0",
	} {
		text := []byte(line + "\n" + filler)
		for i := range line {
			for c := range 256 {
				text[i] = byte(c)
				checkText(t, text)
			}
			text[i] = line[i]
		}
	}
}

func TestAppendWatchesAllocatesNothing(t *testing.T) {
	text, _ := socketLines(1000)
	watches := make([]epoll.Watch, 0, 1000)
	if n := testing.AllocsPerRun(10, func() { watches, _, _ = AppendWatches(watches[:0], text) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzKernelLine renders a line with the kernel's own format string and expects
// its numbers back.
func FuzzKernelLine(f *testing.F) {
	f.Add(int32(11), uint32(0x19), uint64(11), int64(0), uint64(0x2864), uint32(8), false)
	f.Add(int32(math.MaxInt32), uint32(math.MaxUint32), uint64(math.MaxUint64), int64(math.MinInt64), uint64(math.MaxUint64), uint32(math.MaxUint32), false)
	f.Add(int32(100000000), uint32(1<<30), uint64(0x7f3a00000000), int64(1<<62), uint64(0x123456789), uint32(1<<20), true)
	f.Fuzz(func(t *testing.T, tfd int32, mask uint32, data uint64, pos int64, ino uint64, sdev uint32, old bool) {
		want := epoll.Watch{TFD: tfd, Mask: epoll.Mask(mask), Data: data}
		line := fmt.Sprintf(formatBefore413, tfd, mask, data)
		if !old {
			want.Pos, want.Ino, want.Sdev, want.HasInode = pos, ino, sdev, true
			line = fmt.Sprintf(kernelFormat, tfd, mask, data, pos, ino, sdev)
		}
		for _, after := range []string{"", filler} {
			got, rest, err := AppendWatches(nil, []byte(line+after))
			if tfd < 0 {
				if !errors.Is(err, ErrMalformed) {
					t.Fatalf("%q: %v", line, err)
				}
				continue
			}
			if err != nil || string(rest) != after || len(got) != 1 || got[0] != want {
				t.Fatalf("%q: %+v, rest %q, %v", line, got, rest, err)
			}
		}
		checkText(t, []byte(line+filler))
	})
}

// FuzzAppendWatches gives arbitrary text to the parser, whole and in two parts,
// and compares with a simple one.
func FuzzAppendWatches(f *testing.F) {
	for _, file := range []string{"linux-6.1-1", "linux-6.12-4"} {
		text, err := os.ReadFile("testdata/" + file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text[:400], uint16(150))
	}
	f.Add(fmt.Appendf(nil, formatBefore413+kernelFormat, 1, 2, 3, 1<<30, 5, 6, -7, 8, 9), uint16(60))
	f.Add([]byte("tfd:\n\ntfd"), uint16(3))
	f.Fuzz(func(t *testing.T, text []byte, cut uint16) {
		checkText(t, text)
		checkText(t, append(bytes.Clone(text), filler...))
		checkParts(t, text, min(int(cut), len(text)))
	})
}

// TestEverySplit cuts a file in two at every place.
func TestEverySplit(t *testing.T) {
	text, err := os.ReadFile("testdata/linux-6.12-4")
	if err != nil {
		t.Fatal(err)
	}
	text = text[:1500]
	for cut := range text {
		checkParts(t, text, cut)
	}
}

// checkText compares the parser with the simple one.
func checkText(t *testing.T, text []byte) {
	t.Helper()
	watches, rest, err := AppendWatches(nil, text)
	want, wantRest, wantLine := parseSimply(text)
	line := 0
	if e, ok := errors.AsType[*LineError](err); ok {
		line = e.Line
	}
	if line != wantLine || (err != nil) != (wantLine > 0) || string(rest) != wantRest || !sameWatches(watches, want) {
		t.Fatalf("%q:\n%+v, rest %q, %v\nwant %+v, rest %q, error in line %d", text, watches, rest, err, want, wantRest, wantLine)
	}
}

// checkParts compares the parse of a text with that of its two parts.
func checkParts(t *testing.T, text []byte, cut int) {
	t.Helper()
	want, wantRest, wantErr := AppendWatches(nil, text)
	got, rest, err := AppendWatches(nil, text[:cut])
	if err == nil {
		got, rest, err = AppendWatches(got, append(bytes.Clone(rest), text[cut:]...))
	} else {
		rest = append(bytes.Clone(rest), text[cut:]...)
	}
	if (err != nil) != (wantErr != nil) || !bytes.Equal(rest, wantRest) || !sameWatches(got, want) {
		t.Fatalf("%q cut at %d:\n%+v, rest %q, %v\nwant %+v, rest %q, %v", text, cut, got, rest, err, want, wantRest, wantErr)
	}
}

func sameWatches(a, b []epoll.Watch) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

var watchLine = regexp.MustCompile(`(?s)^tfd: *([0-9]+) +events: *([0-9a-f]+) +data: *([0-9a-f]+)` +
	`( +pos: *(-?[0-9]+) +ino: *([0-9a-f]+) +sdev: *([0-9a-f]+)( .*)?)?$`)

// parseSimply is AppendWatches written to be read. line is the number of the line
// that does not parse, or 0.
func parseSimply(text []byte) (watches []epoll.Watch, rest string, line int) {
	rest = string(text)
	for {
		before, after, found := strings.Cut(rest, "\n")
		if !found {
			return watches, rest, 0
		}
		line++
		if strings.HasPrefix(before, "tfd:") {
			w, ok := parseLineSimply(before)
			if !ok {
				return watches, rest, line
			}
			watches = append(watches, w)
		} else if key, _, found := strings.Cut(before, ":"); !found || key == "" || strings.Contains(before, "events:") {
			return watches, rest, line
		}
		rest = after
	}
}

func parseLineSimply(line string) (w epoll.Watch, ok bool) {
	m := watchLine.FindStringSubmatch(line)
	if m == nil {
		return w, false
	}
	ok = true
	number := func(s string, base, bits int) uint64 {
		v, err := strconv.ParseUint(s, base, bits)
		ok = ok && err == nil
		return v
	}
	w.TFD = int32(number(m[1], 10, 31))
	w.Mask = epoll.Mask(number(m[2], 16, 32))
	w.Data = number(m[3], 16, 64)
	if m[4] != "" {
		w.HasInode = true
		pos, err := strconv.ParseInt(m[5], 10, 64)
		ok = ok && err == nil
		w.Pos = pos
		w.Ino = number(m[6], 16, 64)
		w.Sdev = uint32(number(m[7], 16, 32))
	}
	return w, ok
}
