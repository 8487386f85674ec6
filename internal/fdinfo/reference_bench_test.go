package fdinfo

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"

	"github.com/eptop/eptop/internal/epoll"
)

// The benchmarks here are what BenchmarkAppendWatches is measured against.

// BenchmarkReferenceSscanf parses the same text in the usual way.
func BenchmarkReferenceSscanf(b *testing.B) {
	benchmarkSizes(b, func(b *testing.B, n int) {
		text, sum := socketLines(n)
		watches := make([]epoll.Watch, 0, n)
		b.SetBytes(int64(len(text)))
		b.ReportAllocs()
		for b.Loop() {
			watches = watches[:0]
			lines := bufio.NewScanner(bytes.NewReader(text))
			for lines.Scan() {
				if !bytes.HasPrefix(lines.Bytes(), tfdKey) {
					continue
				}
				w := epoll.Watch{HasInode: true}
				if _, err := fmt.Sscanf(lines.Text(), "tfd: %d events: %x data: %x pos:%d ino:%x sdev:%x",
					&w.TFD, &w.Mask, &w.Data, &w.Pos, &w.Ino, &w.Sdev); err != nil {
					b.Fatal(err)
				}
				watches = append(watches, w)
			}
			if lines.Err() != nil {
				b.Fatal(lines.Err())
			}
		}
		b.StopTimer()
		checkSockets(b, watches, n, sum)
	})
}

// BenchmarkReferenceProcfs reads the same text from a file with procfs, which does not
// know tfd: lines, and stops at 1 MiB without an error. It reports the watches that
// procfs does not return, and those that it does not even read. Its MB/s count what
// procfs reads.
func BenchmarkReferenceProcfs(b *testing.B) {
	benchmarkSizes(b, func(b *testing.B, n int) {
		text, _ := socketLines(n)
		p := captured(b, text)
		const limit = 1 << 20
		b.SetBytes(int64(min(len(text), limit)))
		b.ReportAllocs()
		var info *procfs.ProcFDInfo
		for b.Loop() {
			var err error
			if info, err = p.FDInfo("7"); err != nil {
				b.Fatal(err)
			}
		}
		b.StopTimer()
		if info.MntID != "16" || info.Ino != "30" || len(info.InotifyInfos) != 0 {
			b.Fatalf("%+v", info)
		}
		b.ReportMetric(float64(n), "watches-lost")
		b.ReportMetric(float64(bytes.Count(text[min(len(text), limit):], newline)), "lines-unread")
	})
}

// BenchmarkReadCapturedFile reads the file that BenchmarkReferenceProcfs reads.
func BenchmarkReadCapturedFile(b *testing.B) {
	benchmarkSizes(b, func(b *testing.B, n int) {
		text, sum := socketLines(n)
		f, err := NewFS(b.TempDir())
		if err != nil {
			b.Fatal(err)
		}
		writeCaptured(b, f.root, text)
		var r Reader
		watches := make([]epoll.Watch, 0, n)
		b.SetBytes(int64(len(text)))
		b.ReportAllocs()
		for b.Loop() {
			if watches, _, err = readEpoll(&r, f, 42, 7, watches[:0]); err != nil {
				b.Fatal(err)
			}
		}
		b.StopTimer()
		checkSockets(b, watches, n, sum)
	})
}

func captured(b *testing.B, text []byte) procfs.Proc {
	b.Helper()
	root := b.TempDir()
	writeCaptured(b, root, text)
	tree, err := procfs.NewFS(root)
	if err != nil {
		b.Fatal(err)
	}
	p, err := tree.Proc(42)
	if err != nil {
		b.Fatal(err)
	}
	return p
}

func writeCaptured(b *testing.B, root string, text []byte) {
	b.Helper()
	dir := filepath.Join(root, "42", "fdinfo")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "7"), text, 0o644); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkLive reads, lists and judges an epoll of this process that watches
// sockets, as eptop does.
func BenchmarkLive(b *testing.B) {
	f := live(b)
	const n = 2000
	epfd := newEpoll(b)
	for range n / 2 {
		x, y := newPair(b)
		watch(b, epfd, x, epoll.In|epoll.ET)
		watch(b, epfd, y, epoll.In|epoll.ET)
	}
	var r Reader
	var l Listing
	watches := make([]epoll.Watch, 0, n)
	var err error
	b.Run("Read", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if watches, _, err = readEpoll(&r, f, os.Getpid(), epfd, watches[:0]); err != nil {
				b.Fatal(err)
			}
		}
		if len(watches) != n {
			b.Fatal(len(watches))
		}
	})
	b.Run("ReadAgain", func(b *testing.B) {
		file, err := f.OpenEpoll(os.Getpid(), epfd)
		if err != nil {
			b.Fatal(err)
		}
		defer file.Close()
		b.ReportAllocs()
		for b.Loop() {
			if watches, _, err = r.ReadFile(file, watches[:0]); err != nil {
				b.Fatal(err)
			}
		}
		if len(watches) != n {
			b.Fatal(len(watches))
		}
	})
	b.Run("List", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if l, err = f.List(os.Getpid(), 0, l); err != nil {
				b.Fatal(err)
			}
		}
		if l.Sockets != n {
			b.Fatal(l.Sockets)
		}
	})
	b.Run("Judge", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if stats := judgeAlone(f, os.Getpid(), epfd, watches, &l, 0); stats.Current != n {
				b.Fatalf("%+v", stats)
			}
		}
	})
	b.Run("StatFDs", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if d, err := f.StatFDs(os.Getpid()); err != nil || d.Count.Known && d.Count.Value < n {
				b.Fatalf("%+v, %v", d, err)
			}
		}
	})
	b.Run("Kcmp", func(b *testing.B) {
		w := watches[n/2]
		slot := epollSlot{efd: uint32(epfd), tfd: uint32(w.TFD)}
		for b.Loop() {
			if order, errno := compareTarget(os.Getpid(), w.TFD, os.Getpid(), slot); order != Equal || errno != unix.Errno(0) {
				b.Fatal(order, errno)
			}
		}
	})
}
