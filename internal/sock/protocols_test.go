package sock

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"unicode"

	"github.com/eptop/eptop/internal/maybe"
)

func TestParseProtocols(t *testing.T) {
	const (
		header = "protocol  size sockets  memory press maxhdr  slab module     cl co di ac io in de sh ss gs se re bi br ha uh gp em\n"
		tcp    = "TCP       2304    202       5   no     192   yes  kernel      y  y  y  y  y  y  y  y  y  y  y  y  n  y  y  y  y  y\n"
		packet = "PACKET    1600      0      -1   NI       0   no   kernel      n  n  n  n  n  n  n  n  n  n  n  n  n  n  n  n  n  n\n"
	)
	want := []Protocol{
		{Name: "TCP", SockBytes: 2304, Sockets: 202, MemoryPages: maybe.Some[int64](5), Slab: true},
		{Name: "PACKET", SockBytes: 1600},
	}
	for _, tc := range []struct {
		name, in string
		want     []Protocol
		err      string
	}{
		{name: "two", in: header + tcp + packet, want: want},
		{name: "a capability more", in: header + tcp[:len(tcp)-1] + "  y  y\n" + packet, want: want},
		{name: "no capabilities", in: tcp[:60] + "\n" + packet, want: want},
		{name: "one bad line", in: header + tcp + "UDP 1344\n" + packet, want: want, err: `net/protocols line 3: a column is missing: "UDP 1344"`},
		{name: "cut", in: header + tcp + packet + packet[:50], want: want, err: "line 4: cut before its newline"},
		{name: "too large", in: header + "TCP 4294967296 0 0 no 192 yes kernel\n", err: "value out of range"},
		{name: "too negative", in: header + "TCP 1 -9223372036854775809 0 no 192 yes kernel\n", err: "value out of range"},
		{name: "no answer", in: header + "TCP 1 0 0 no 192 maybe kernel\n", err: "neither yes nor no"},
		{name: "nothing", in: header, err: "no line of a protocol"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := ParseProtocols([]byte(tc.in))
			if (err == nil) != (tc.err == "") || err != nil && (!strings.Contains(err.Error(), tc.err) || !errors.Is(err, ErrMalformed)) {
				t.Errorf("error %v, want %q", err, tc.err)
			}
			diff(t, tc.want, got)
		})
	}
}

// TestCapturedProtocols finds the load of the captured machines, 202 TCP sockets.
func TestCapturedProtocols(t *testing.T) {
	for _, name := range []string{"6.1-1", "6.1-2-nomerge", "6.12-4"} {
		protocols, err := ReadProtocols("testdata/" + name)
		if err != nil {
			t.Fatal(err)
		}
		var tcp Protocol
		for _, p := range protocols {
			if p.Name == "TCP" {
				tcp = p
			}
		}
		if tcp.Sockets < 202 || !tcp.Slab {
			t.Errorf("%s: TCP in net/protocols: %+v, want 202 sockets", name, tcp)
		}
	}
	if _, err := ReadProtocols(t.TempDir()); !errors.Is(err, fs.ErrNotExist) || errors.Is(err, ErrMalformed) {
		t.Errorf("%v, want a file that does not exist", err)
	}
}

// FuzzProtocols renders a line as proto_seq_printf() in net/core/sock.c does,
// parses it and compares.
func FuzzProtocols(f *testing.F) {
	f.Add("TCP", uint32(2304), int32(202), int64(5), true, true)
	f.Add("UNIX-STREAM", uint32(maxSockBytes), int32(1<<31-1), int64(-1), false, false)
	f.Fuzz(func(t *testing.T, name string, size uint32, sockets int32, memory int64, press, slab bool) {
		if name == "" || strings.Contains(name, " ") || memory < -1 || sockets < 0 || size > maxSockBytes || strings.ContainsFunc(name, unicode.IsControl) {
			return
		}
		want := Protocol{Name: name, SockBytes: size, Sockets: int64(sockets), MemoryPages: maybe.When(memory, memory != -1), Slab: slab}
		word := map[bool]string{true: "yes", false: "no"}
		text := fmt.Sprintf("%-9s %4d %6d  %6d   %-3s %6d   %-3s  %-10s  %2c %2c\n",
			name, size, sockets, memory, word[press], 192, word[slab], "kernel", 'y', 'n')
		got, err := ParseProtocols([]byte("protocol  size sockets  memory press maxhdr  slab module     cl co\n" + text))
		if err != nil {
			t.Fatal(err)
		}
		diff(t, []Protocol{want}, got)
	})
}

// FuzzProtocolsBytes feeds any bytes to the parser.
func FuzzProtocolsBytes(f *testing.F) {
	f.Add([]byte("TCP 2304 2 0 no 192 yes kernel y n\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := ParseProtocols(b); err != nil && !errors.Is(err, ErrMalformed) {
			t.Errorf("error of another kind: %v", err)
		}
	})
}
