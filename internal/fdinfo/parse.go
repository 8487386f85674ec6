package fdinfo

import (
	"bytes"
	"errors"
	"fmt"
	"math"

	"github.com/eptop/eptop/internal/epoll"
)

// ErrMalformed is the kind of every error that says the text of a file is
// not what the kernel prints. Use errors.Is; a [*LineError] carries the line.
var ErrMalformed = errors.New("malformed")

// LineError is a watch line that does not parse.
type LineError struct {
	Line   int    // number of the line, the first is 1
	Text   string // the line, cut to maxQuote bytes
	Reason string // what is wrong with it
}

// maxQuote bounds how much of a bad line an error carries, in bytes.
const maxQuote = 160

// Error returns the line number, the reason and the quoted line.
func (e *LineError) Error() string {
	return fmt.Sprintf("line %d: %s: %q", e.Line, e.Reason, e.Text)
}

// Is makes errors.Is(err, ErrMalformed) true.
func (e *LineError) Is(target error) bool { return target == ErrMalformed }

// AppendWatches parses the tfd: lines in b, a part of the fdinfo file of an epoll, and
// appends one [Watch] for each to dst. It skips other lines that begin with a key (pos:,
// flags:, mnt_id:, ino:, keys of newer kernels), and columns after sdev. It allocates
// nothing beyond the growth of dst.
//
// The text can come in parts cut anywhere: rest is the incomplete last line of b, and
// belongs before the next part. The file is whole when rest is empty at its end;
// [CheckRest] judges a rest that is left there.
//
// A watch line that does not parse, and a line without a key, end the parsing with a
// [*LineError] (an [ErrMalformed]) that counts lines from the start of b; the watches
// before that line are returned, and rest starts with it.
func AppendWatches(dst []epoll.Watch, b []byte) (watches []epoll.Watch, rest []byte, err error) {
	i := 0
	for i < len(b) {
		if len(b)-i >= fastWindow {
			if len(dst) == cap(dst) {
				dst = append(dst, epoll.Watch{})[:len(dst)]
			}
			dst = dst[:len(dst)+1]
			if n := parseFast((*[fastWindow]byte)(b[i:]), &dst[len(dst)-1]); n > 0 {
				i += n
				continue
			}
			dst = dst[:len(dst)-1]
		}
		end := bytes.IndexByte(b[i:], '\n')
		if end < 0 {
			break
		}
		line := b[i : i+end]
		w, reason := epoll.Watch{}, ""
		if bytes.HasPrefix(line, tfdKey) {
			w, reason = parseLine(line)
			dst = append(dst, w)
		} else if key := bytes.IndexByte(line, ':'); key < 1 || bytes.Contains(line, eventsKey) {
			reason = "not a line of fdinfo"
			dst = append(dst, w)
		}
		if reason != "" {
			return dst[:len(dst)-1], b[i:], newLineError(1+bytes.Count(b[:i], newline), line, reason)
		}
		i += end + 1
	}
	return dst, b[i:], nil
}

// CheckRest judges the rest that [AppendWatches] left at the end of a file: an
// [ErrMalformed] where there is one, because the kernel ends every line, so that the file
// was cut there and watches may be missing. line is the number of that line.
func CheckRest(rest []byte, line int) error {
	if len(rest) == 0 {
		return nil
	}
	return newLineError(line, rest, "file ends inside the line")
}

// checkHeader judges the beginning of a file: seq_show() in fs/proc/fd.c begins every fdinfo
// with the position and the flags of the file, on all kernels. Text without them is not that
// of an epoll without watches.
func checkHeader(b []byte) error {
	first, rest, _ := bytes.Cut(b, newline)
	second, _, whole := bytes.Cut(rest, newline)
	if whole && bytes.HasPrefix(first, posKey) && bytes.HasPrefix(second, flagsKey) {
		return nil
	}
	return newLineError(1, first, "not the beginning of an fdinfo")
}

func newLineError(number int, line []byte, reason string) *LineError {
	return &LineError{Line: number, Text: string(line[:min(len(line), maxQuote)]), Reason: reason}
}

var (
	newline   = []byte{'\n'}
	tfdKey    = []byte("tfd:")
	eventsKey = []byte("events:")
	dataKey   = []byte("data:")
	posKey    = []byte("pos:")
	flagsKey  = []byte("flags:")
	inoKey    = []byte("ino:")
	sdevKey   = []byte("sdev:")
)

// parseLine parses one watch line without its newline, with columns of any width. A
// reason other than "" says why it could not.
func parseLine(line []byte) (w epoll.Watch, reason string) {
	f := fields{b: line}
	f.key(tfdKey)
	w.TFD = int32(f.decimal(math.MaxInt32))
	f.gap()
	f.key(eventsKey)
	w.Mask = epoll.Mask(f.hex(math.MaxUint32))
	f.gap()
	f.key(dataKey)
	w.Data = f.hex(math.MaxUint64)
	if f.reason != "" || len(f.b) == 0 {
		return w, f.reason
	}
	w.HasInode = true
	f.gap()
	f.key(posKey)
	w.Pos = f.signed()
	f.gap()
	f.key(inoKey)
	w.Ino = f.hex(math.MaxUint64)
	f.gap()
	f.key(sdevKey)
	w.Sdev = uint32(f.hex(math.MaxUint32))
	if len(f.b) > 0 {
		f.gap()
	}
	return w, f.reason
}

// fields splits a line from the left. The first error sets reason, and all later calls
// do nothing.
type fields struct {
	b      []byte
	reason string
}

func (f *fields) fail(reason string) {
	if f.reason == "" {
		f.reason = reason
	}
	f.b = nil
}

func (f *fields) key(key []byte) {
	if !bytes.HasPrefix(f.b, key) {
		f.fail("missing column")
		return
	}
	f.b = f.b[len(key):]
}

// gap skips the spaces between two columns; at least one must be there.
func (f *fields) gap() {
	if len(f.b) == 0 || f.b[0] != ' ' {
		f.fail("column not followed by a space")
		return
	}
	f.pad()
}

func (f *fields) pad() {
	for len(f.b) > 0 && f.b[0] == ' ' {
		f.b = f.b[1:]
	}
}

func (f *fields) decimal(limit uint64) uint64 {
	f.pad()
	var v uint64
	i := 0
	for ; i < len(f.b); i++ {
		d := uint64(f.b[i] - '0')
		if d > 9 {
			break
		}
		if v > (limit-d)/10 {
			f.fail("number too large")
			return 0
		}
		v = v*10 + d
	}
	if i == 0 {
		f.fail("number missing")
		return 0
	}
	f.b = f.b[i:]
	return v
}

// signed parses a decimal number that may be negative.
func (f *fields) signed() int64 {
	f.pad()
	if len(f.b) > 0 && f.b[0] == '-' {
		f.b = f.b[1:]
		if len(f.b) > 0 && f.b[0] == ' ' {
			f.fail("number missing")
			return 0
		}
		return -int64(f.decimal(-math.MinInt64))
	}
	return int64(f.decimal(math.MaxInt64))
}

func (f *fields) hex(limit uint64) uint64 {
	f.pad()
	var v uint64
	i := 0
	for ; i < len(f.b); i++ {
		var d uint64
		switch c := f.b[i]; {
		case '0' <= c && c <= '9':
			d = uint64(c - '0')
		case 'a' <= c && c <= 'f':
			d = uint64(c-'a') + 10
		default:
			d = 16
		}
		if d > 15 {
			break
		}
		if v > limit>>4 {
			f.fail("number too large")
			return 0
		}
		v = v<<4 | d
	}
	if i == 0 {
		f.fail("number missing")
		return 0
	}
	f.b = f.b[i:]
	return v
}
