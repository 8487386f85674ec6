package measure

import (
	"fmt"
	"math"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/sock"
)

// noiseEnv makes the test binary a program that disturbs measurements.
const noiseEnv = "MEASURE_TEST_NOISE"

var noises = map[string]func(){"walk": walk, "churn": churn}

// walk lists the fds of all processes for ever, as a monitor does.
func walk() {
	for {
		dirs, _ := filepath.Glob("/proc/[0-9]*/fd")
		for _, dir := range dirs {
			list, err := os.ReadDir(dir)
			if err != nil {
				continue
			}
			for _, fd := range list {
				_, _ = os.Readlink(dir + "/" + fd.Name())
			}
		}
	}
}

// churn opens and closes 1 500 connections a second for ever, leaving TIME_WAIT.
func churn() {
	listener, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	check(err)
	check(unix.Bind(listener, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	check(unix.Listen(listener, 100))
	to, err := unix.Getsockname(listener)
	check(err)
	start, done := time.Now(), 0.0
	for range time.Tick(2 * time.Millisecond) {
		// What was missed for more than a moment is not made up for.
		due := time.Since(start).Seconds() * 1500
		for done = max(done, due-300); done < due; done++ {
			client, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
			check(err)
			if err := unix.Connect(client, to); err != nil {
				_ = unix.Close(client) // all ports wait
				continue
			}
			server, _, err := unix.Accept(listener)
			check(err)
			check(unix.Close(client))
			check(unix.Close(server))
		}
	}
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

// runsEach is how often each benchmark measures 10 000 connections.
const runsEach = 15

// quantities are what the table has rows of. Width is the median half of an interval that a
// line through single readings has of them in 15 runs on a quiet machine with 2 CPUs (Huber's
// weights, 20 cycles): intervals that hold the truth may be twice as wide.
var quantities = []struct {
	name  string
	width int64
}{{"connection", 34}, {"end", 20}, {"watch", 1}, {"socket", 20}, {"connect", 17}, {"accept", 9}, {"epoll_ctl", 1}}

// BenchmarkMeasure measures alone and with two other programs at work. Its table says how many
// intervals hold the true cost, which is the sum of the sizes of this kernel's objects with the
// bind buckets as there were ports, and how wide they are.
func BenchmarkMeasure(b *testing.B) {
	for _, noise := range [][]string{nil, {"walk"}, {"churn"}, {"walk", "churn"}} {
		name := strings.Join(noise, "+")
		if name == "" {
			name = "quiet"
		}
		b.Run(name, func(b *testing.B) {
			for _, program := range noise {
				cmd := exec.Command("/proc/self/exe")
				cmd.Env = append(os.Environ(), noiseEnv+"="+program)
				if err := cmd.Start(); err != nil {
					b.Fatal(err)
				}
				defer func() {
					_ = cmd.Process.Kill()
					_ = cmd.Wait()
				}()
			}
			snap := kernel(b)
			for b.Loop() {
				benchmarkMeasure(b, snap)
			}
		})
	}
}

// verdict is how an interval compares with the truth.
type verdict struct {
	width int64
	holds bool
}

func benchmarkMeasure(b *testing.B, snap *model.Snapshot) {
	verdicts := map[string][]verdict{}
	var took []float64
	for range runsEach {
		start := time.Now()
		before := portsInUse(b)
		e := begin(b, plan(10_000), snap)
		l := settle(b, e)
		if l.Open != 10_000 {
			b.Fatalf("%+v", l)
		}
		missing, unsure := before.missing(b)
		e.Set(0)
		m := settle(b, e).Found
		took = append(took, time.Since(start).Seconds())
		if err := e.Close(); err != nil {
			b.Fatal(err)
		}
		for name, v := range judge(m, missing, unsure) {
			verdicts[name] = append(verdicts[name], v)
			if !v.holds {
				b.Logf("%s: %+v; %.3f ± %.3f bind buckets missing; %+v", name, v, missing, unsure, m)
			}
		}
	}
	fmt.Printf("%-12s %10s %10s %10s %12s\n", "", "INTERVALS", "HOLD", "± MEDIAN", "± OF LINES")
	held, all := 0, 0
	for _, q := range quantities {
		var widths []int64
		holds := 0
		for _, v := range verdicts[q.name] {
			widths = append(widths, v.width)
			if v.holds {
				holds++
			}
		}
		held, all = held+holds, all+len(widths)
		if len(widths) == 0 {
			continue
		}
		slices.Sort(widths)
		fmt.Printf("%-12s %10d %8.0f %% %10d %12d\n", q.name, len(widths), 100*float64(holds)/float64(len(widths)), widths[len(widths)/2], q.width)
	}
	slices.Sort(took)
	b.ReportMetric(100*float64(held)/float64(max(1, all)), "%-hold")
	b.ReportMetric(float64(all)/float64(len(quantities)*runsEach)*100, "%-known")
	b.ReportMetric(took[len(took)/2], "s/run")
	b.ReportMetric(0, "ns/op")
}

// judge compares what was measured with the truth. Of two bind buckets a connection some are
// missing, more or less unsure.
func judge(m *model.Measurement, missing, unsure float64) map[string]verdict {
	bucket, socket := 0.0, 0.0
	for i, p := range m.Parts {
		if strings.HasPrefix(p.Cache, "tcp_bind_bucket") {
			bucket = p.BytesPerObject
		}
		if i == 0 {
			socket = p.BytesPerObject
		}
	}
	end := float64(m.ExpectedEnd.Value)
	out := map[string]verdict{}
	add := func(name string, got, half maybe.Of[int64], want, unsure float64) {
		if got.Known && half.Known {
			out[name] = verdict{half.Value, math.Abs(float64(got.Value)-want) <= float64(half.Value)+unsure+0.5}
		}
	}
	add("connection", m.BytesPerConnection, m.CI95Bytes, float64(m.ExpectedBytes.Value)-missing*bucket, unsure*bucket)
	add("end", m.BytesPerEnd, m.EndCI95Bytes, end, 0)
	add("watch", m.BytesPerWatch, m.WatchCI95Bytes, float64(m.ExpectedWatch.Value), 0)
	for _, s := range m.Stages {
		want, unsureBytes := map[string]float64{
			"socket": end, "connect": socket + (2-missing)*bucket, "accept": end - socket, "epoll_ctl": float64(m.ExpectedWatch.Value),
		}[s.Stage], 0.0
		if s.Stage == "connect" {
			unsureBytes = unsure * bucket
		}
		add(s.Stage, maybe.Some(s.Bytes), maybe.Some(s.CI95Bytes), want, unsureBytes)
	}
	return out
}

// inUse are the ports that other sockets had before a run.
type inUse map[uint16]bool

func portsInUse(tb testing.TB) inUse {
	out := inUse{}
	for s := range sockets4(tb) {
		out[s.Port()] = true
	}
	return out
}

func sockets4(tb testing.TB) map[netip.AddrPort]netip.AddrPort {
	c, err := sock.OpenOwn("")
	if err != nil {
		tb.Fatal(err)
	}
	defer c.Close()
	out := map[netip.AddrPort]netip.AddrPort{}
	for _, s := range c.Dump(tb.Context(), nil, sock.FamilyTCP4).All() {
		out[s.Local] = s.Remote
	}
	return out
}

// missing returns how many bind buckets a connection shares with sockets that were there
// before, now that the run's are open. Of the sockets that came meanwhile nobody knows which
// were first.
func (before inUse) missing(tb testing.TB) (buckets, unsure float64) {
	sources := netip.MustParsePrefix("127.1.0.0/16")
	later := map[uint16]bool{}
	n := 0.0
	own := map[uint16]int{}
	for local, remote := range sockets4(tb) {
		switch {
		case sources.Contains(local.Addr()):
			own[local.Port()]++
			n++
		case !sources.Contains(remote.Addr()):
			later[local.Port()] = true
		}
	}
	for port, count := range own {
		buckets += float64(count - 1) // a second source address has a bucket of its own
		switch {
		case before[port]:
			buckets++
		case later[port]:
			buckets, unsure = buckets+0.5, unsure+0.5
		}
	}
	return buckets / n, unsure / n
}
