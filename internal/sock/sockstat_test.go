package sock

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/eptop/eptop/internal/maybe"
)

// writeTree writes files below a directory of the test.
func writeTree(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestSockstat(t *testing.T) {
	v4 := "sockets: used 152031\nTCP: inuse 152005 orphan 3 tw 7 alloc 152009 mem 372\nUDP: inuse 5 mem 6\n" +
		"UDPLITE: inuse 0\nRAW: inuse 1\nFRAG: inuse 2 memory 4096\n"
	v6 := "TCP6: inuse 8\nUDP6: inuse 9\nUDPLITE6: inuse 0\nRAW6: inuse 10\nFRAG6: inuse 0 memory 0\n"
	got, err := ReadSockstat(writeTree(t, map[string]string{"net/sockstat": v4, "net/sockstat6": v6}))
	if err != nil {
		t.Fatal(err)
	}
	n := maybe.Some[int64]
	want := Sockstat{
		Used: n(152031), TCP: TCPStat{n(152005), n(7), n(3), n(152009), n(372)}, UDP: ProtoStat{n(5), n(6)},
		TCP6InUse: n(8), UDP6InUse: n(9), RawInUse: n(1), Raw6InUse: n(10), FragBytes: n(4096), Frag6Bytes: n(0),
	}
	diff(t, want, got)
	// Without IPv6 its numbers are absent.
	got, err = ReadSockstat(writeTree(t, map[string]string{"net/sockstat": v4}))
	if err != nil {
		t.Fatal(err)
	}
	absent := maybe.Of[int64]{}
	want.TCP6InUse, want.UDP6InUse, want.Raw6InUse, want.Frag6Bytes = absent, absent, absent, absent
	diff(t, want, got)
}

func TestSockstatRefused(t *testing.T) {
	for text, want := range map[string]error{
		"":                                          ErrMalformed,
		"sockets: used 1\n":                         ErrMalformed,
		"TCP: inuse x orphan 0\n":                   ErrMalformed,
		"TCP: inuse\n":                              ErrMalformed,
		"TCP: inuse -1 orphan 0\n":                  ErrMalformed,
		"TCP: inuse 1 orphan 12":                    ErrMalformed,
		"TCP: inuse 9223372036854775807\n":          ErrMalformed,
		"TCP: inuse 1 mem 100000000000000\n":        ErrMalformed,
		"TCP: inuse 1 alloc 18446744073709551615\n": ErrMalformed,
		"sockets: used\nTCP: inuse 1\n":             ErrMalformed,
	} {
		if s, err := ReadSockstat(writeTree(t, map[string]string{"net/sockstat": text})); !errors.Is(err, want) {
			t.Errorf("%q: %+v, %v", text, s, err)
		}
	}
	if _, err := ReadSockstat(t.TempDir()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	if _, err := ReadSockstat("/proc/1073741824"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no process: %v", err)
	}
}

func TestMarks(t *testing.T) {
	root := writeTree(t, map[string]string{
		"sys/net/ipv4/tcp_mem": "287901\t383868\t575802\n", "sys/net/ipv4/udp_mem": "1 2\n", "sys/net/ipv4/x": "1 2 y\n",
	})
	got, err := ReadMarks(root, "tcp_mem")
	if want := (Marks{287901, 383868, 575802}); err != nil || got != want {
		t.Errorf("%+v, %v", got, err)
	}
	for name, want := range map[string]error{"udp_mem": ErrMalformed, "x": ErrMalformed, "none": fs.ErrNotExist} {
		if _, err := ReadMarks(root, name); !errors.Is(err, want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestSockstatAsDump counts the mix in a namespace of its own and compares with the
// kernel's sums for it.
func TestSockstatAsDump(t *testing.T) {
	n := openNamespaces(t, 1)
	pid := startMix(t, t.TempDir(), true)
	c, err := n.Conn(pid)
	if err != nil {
		t.Fatal(err)
	}
	table := dumpOK(t, c, Families)
	stat, err := ReadSockstat(n.dir(pid))
	if err != nil {
		t.Fatal(err)
	}
	inUse := map[Kind]int64{}
	var timeWait int64
	for s, count := range table.Groups() {
		switch {
		case s.Body == BodyFull:
			inUse[s.Kind] += int64(count)
		case s.Body == BodyTimeWait:
			timeWait += int64(count)
		}
	}
	known := maybe.Some[int64]
	diff(t, map[Kind]maybe.Of[int64]{TCP4: stat.TCP.InUse, TCP6: stat.TCP6InUse, UDP4: stat.UDP.InUse, UDP6: stat.UDP6InUse}, map[Kind]maybe.Of[int64]{
		TCP4: known(inUse[TCP4]), TCP6: known(inUse[TCP6]), UDP4: known(inUse[UDP4]), UDP6: known(inUse[UDP6])})
	if maybe.Some(timeWait) != stat.TCP.TimeWait {
		t.Errorf("%d in TIME_WAIT structures, sockstat says %+v", timeWait, stat.TCP.TimeWait)
	}
	if stat.TCP.Alloc.Value < inUse[TCP4]+inUse[TCP6] {
		t.Errorf("%d allocated on the whole machine, %d are here", stat.TCP.Alloc.Value, inUse[TCP4]+inUse[TCP6])
	}
	if own, err := ReadMarks("/proc", "tcp_mem"); err != nil || own.LowPages == 0 || own.HighPages < own.PressurePages {
		t.Errorf("%+v, %v", own, err)
	}
}

// TestBufferBytesAsSockstat compares what the buffers of TCP sockets grow by with
// what the kernel says for all TCP sockets of the machine. The kernel adds up to a
// megabyte late for each CPU, and others may use the network meanwhile.
func TestBufferBytesAsSockstat(t *testing.T) {
	c := openOwn(t)
	sums := func() (ours, theirs int64) {
		for s, n := range dumpOK(t, c, FamilyTCP).Groups() {
			ours += int64(n) * int64(s.Mem.BufferBytes(s.Kind))
		}
		stat, err := ReadSockstat("/proc")
		if err != nil {
			t.Fatal(err)
		}
		return ours, stat.TCP.MemPages.Value * int64(os.Getpagesize())
	}
	for try := 1; ; try++ {
		oursBefore, theirsBefore := sums()
		for range 8 {
			startMix(t, t.TempDir(), false)
		}
		ours, theirs := sums()
		ours, theirs = ours-oursBefore, theirs-theirsBefore
		slack := theirs/50 + int64(runtime.NumCPU())<<20
		if theirs > 0 && ours >= theirs-slack && ours <= theirs+slack {
			t.Logf("buffers grew by %d bytes, sockstat by %d", ours, theirs)
			return
		}
		if try == 3 {
			t.Fatalf("buffers grew by %d bytes, sockstat by %d", ours, theirs)
		}
	}
}
