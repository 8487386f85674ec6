package fdinfo

import (
	"fmt"
	"testing"

	"github.com/eptop/eptop/internal/epoll"
)

// kernelFormat is the format string of ep_show_fdinfo() in fs/eventpoll.c since
// Linux 4.13.
const kernelFormat = "tfd: %8d events: %8x data: %16x  pos:%d ino:%x sdev:%x\n"

// socketLines renders the fdinfo file of an epoll that watches n sockets
// edge-triggered, and returns it with the sum of its descriptors.
func socketLines(n int) (text []byte, sum int64) {
	text = []byte("pos:\t0\nflags:\t02\nmnt_id:\t16\nino:\t30\n")
	for i := range n {
		tfd := 5 + i
		sum += int64(tfd)
		text = fmt.Appendf(text, kernelFormat, tfd, uint32(epoll.In|epoll.RdHup|epoll.ET|epoll.Err|epoll.Hup), 0x7f3a00000000+uint64(i)*64, 0, 0x4c1e2f0+i*3, 9)
	}
	return text, sum
}

func benchmarkSizes(b *testing.B, run func(b *testing.B, n int)) {
	for _, n := range []int{23, 10_000, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) { run(b, n) })
	}
}

func checkSockets(tb testing.TB, watches []epoll.Watch, n int, sum int64) {
	tb.Helper()
	var got int64
	for i := range watches {
		w := &watches[i]
		got += int64(w.TFD)
		if w.Mask != epoll.In|epoll.RdHup|epoll.ET|epoll.Err|epoll.Hup || w.Sdev != 9 || w.Ino != uint64(0x4c1e2f0+i*3) || w.Data != 0x7f3a00000000+uint64(i)*64 {
			tb.Fatalf("watch %d: %+v", i, *w)
		}
	}
	if len(watches) != n || got != sum {
		tb.Fatalf("%d watches with descriptor sum %d, want %d and %d", len(watches), got, n, sum)
	}
}

func BenchmarkAppendWatches(b *testing.B) {
	benchmarkSizes(b, func(b *testing.B, n int) {
		text, sum := socketLines(n)
		watches := make([]epoll.Watch, 0, n)
		b.SetBytes(int64(len(text)))
		b.ReportAllocs()
		for b.Loop() {
			var rest []byte
			var err error
			watches, rest, err = AppendWatches(watches[:0], text)
			if err != nil || len(rest) != 0 {
				b.Fatal(err, len(rest))
			}
		}
		b.StopTimer()
		checkSockets(b, watches, n, sum)
	})
}
