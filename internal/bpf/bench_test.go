package bpf

import (
	"context"
	"fmt"
	"net/netip"
	"strconv"
	"testing"
	"time"

	"github.com/cilium/ebpf/btf"
	"golang.org/x/sys/unix"
)

// holdConnections holds so many TCP connections, both ends, and an epoll that watches one
// end of each.
func holdConnections(args []string) error {
	n := must(strconv.Atoi(args[0]))
	ep := newEpoll()
	l := newSocket(unix.AF_INET, unix.SOCK_STREAM, 0)
	at := listen(l, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}, 64)
	for range n {
		connect(unix.AF_INET, at)
		fd, _, err := unix.Accept(l)
		watch(ep, must(fd, err), unix.EPOLLIN|unix.EPOLLET)
	}
	return nil
}

const stateLaundry = 32 // struct state of kernel/scan.bpf.c: what bare counts in

// BenchmarkPass compares passes with an iterator that only counts the files, over 102,000
// connections. ratio is the CPU time of the one by the other's in the same run.
func BenchmarkPass(b *testing.B) {
	const processes, each = 12, 8500
	s, err := load(nil, scanProgScan, scanProgCalibrate, scanProgBare)
	if err != nil {
		skipOrFail(b, err)
	}
	defer s.Close()
	if err := s.calibrate(); err != nil {
		b.Fatal(err)
	}
	mine := map[int32]bool{}
	for range processes {
		c := start(b, fmt.Sprintf("connections %d", each), nil)
		mine[int32(c.pid)] = true
	}
	for _, tt := range []struct {
		name string
		o    Options
	}{{"plain", Options{}}, {"cgroups", Options{Cgroups: true}}, {"trees", Options{Trees: 4096}}} {
		b.Run(tt.name, func(b *testing.B) {
			b.ReportAllocs()
			var scan, bare time.Duration
			var st Stats
			for b.Loop() {
				sockets, watches := 0, 0
				if st, err = s.Scan(context.Background(), tt.o, func(f *File) error {
					if f.Socket != nil && mine[f.PID] && f.Socket.Remote != (netip.AddrPort{}) {
						sockets++
						watches += len(f.Watches)
					}
					return nil
				}); err != nil {
					b.Fatal(err)
				}
				if want := processes * each; watches != want || sockets != 2*want+processes {
					b.Fatalf("%d sockets and %d watches, want %d and %d", sockets, watches, 2*want+processes, want)
				}
				scan += st.CPU
				n, took := barePass(b, s)
				bare += took
				// Others open and close files between the two passes.
				if off := n - st.Files; off > st.Files/50 || off < -st.Files/50 {
					b.Fatalf("the bare iterator counts %d files, the pass shows %d", n, st.Files)
				}
			}
			b.ReportMetric(float64(scan)/float64(bare), "ratio")
			b.ReportMetric(float64(scan.Nanoseconds())/float64(b.N)/float64(st.Files), "ns/file")
			b.ReportMetric(float64(st.Files), "files")
		})
	}
}

func barePass(b *testing.B, s *Scanner) (files int64, took time.Duration) {
	b.Helper()
	host.PutUint64(s.state[stateLaundry:], 0)
	if err := s.putState(); err != nil {
		b.Fatal(err)
	}
	st, err := s.pass(context.Background(), scanProgBare, 0)
	if err != nil {
		b.Fatal(err)
	}
	state := make([]byte, len(s.state))
	if err := s.collection.Maps[scanMapStates].Lookup(uint32(0), &state); err != nil {
		b.Fatal(err)
	}
	return int64(host.Uint64(state[stateLaundry:])), st.CPU
}

// BenchmarkOne passes over one process of 17,000 files.
func BenchmarkOne(b *testing.B) {
	s := scanner(b)
	const each = 8500
	c := start(b, fmt.Sprintf("connections %d", each), nil)
	b.ReportAllocs()
	var cpu time.Duration
	for b.Loop() {
		st, err := s.Scan(context.Background(), Options{PID: c.pid}, func(*File) error { return nil })
		if err != nil || st.Files < 2*each || st.Watches < each {
			b.Fatalf("%+v: %v", st, err)
		}
		cpu += st.CPU
	}
	b.ReportMetric(float64(cpu.Microseconds())/1000/float64(b.N), "cpu-ms/op")
}

// BenchmarkLoad loads with the kernel's types at hand, as they are once struct sizes have
// been looked up.
func BenchmarkLoad(b *testing.B) {
	scanner(b)
	kernel, err := btf.LoadKernelSpec()
	if err != nil {
		b.Fatal(err)
	}
	var began, ended unix.Rusage
	must(0, unix.Getrusage(unix.RUSAGE_SELF, &began))
	for b.Loop() {
		s, err := Load(kernel)
		if err != nil {
			b.Fatal(err)
		}
		s.Close()
	}
	must(0, unix.Getrusage(unix.RUSAGE_SELF, &ended))
	cpu := ended.Utime.Nano() + ended.Stime.Nano() - began.Utime.Nano() - began.Stime.Nano()
	b.ReportMetric(float64(cpu)/1e6/float64(b.N), "cpu-ms/op")
}
