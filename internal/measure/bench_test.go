package measure

import (
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
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

// churn opens and closes 1 000 connections a second for ever, leaving TIME_WAIT.
func churn() {
	listener, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	check(err)
	check(unix.Bind(listener, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	check(unix.Listen(listener, 100))
	to, err := unix.Getsockname(listener)
	check(err)
	for range time.Tick(time.Millisecond) {
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

func check(err error) {
	if err != nil {
		panic(err)
	}
}

// BenchmarkMeasure measures 10 000 connections three times, alone and with two other
// programs at work, and reports how far the results are from the sum of this kernel's
// object sizes.
func BenchmarkMeasure(b *testing.B) {
	for _, noise := range [][]string{nil, {"walk"}, {"churn"}, {"walk", "churn"}} {
		b.Run(fmt.Sprintf("noise=%v", noise), func(b *testing.B) {
			for _, name := range noise {
				cmd := exec.Command("/proc/self/exe")
				cmd.Env = append(os.Environ(), noiseEnv+"="+name)
				if err := cmd.Start(); err != nil {
					b.Fatal(err)
				}
				defer func() {
					_ = cmd.Process.Kill()
					_ = cmd.Wait()
				}()
			}
			for b.Loop() {
				benchmarkMeasure(b)
			}
		})
	}
}

func benchmarkMeasure(b *testing.B) {
	snap := kernel(b)
	var off, watchOff, took float64
	least, most := math.Inf(1), math.Inf(-1)
	for range 3 {
		start := time.Now()
		e := begin(b, plan(10_000), snap)
		l := settle(b, e)
		e.Set(0)
		settle(b, e)
		took = max(took, time.Since(start).Seconds())
		m := l.Found
		got := float64(m.BytesPerConnection.Value)
		if l.Open != 10_000 || got == 0 {
			b.Fatalf("%+v", m)
		}
		least, most = min(least, got), max(most, got)
		want := float64(m.ExpectedBytes.Value)
		off = max(off, math.Abs(got-want)/want)
		watchOff = max(watchOff, math.Abs(float64(m.BytesPerWatch.Value-m.ExpectedWatch.Value)))
		b.Logf("%d ± %d B, expected %d; a watch %d B (slope %d ± %d), expected %d; %d B unexplained; cgroup %d B",
			m.BytesPerConnection.Value, m.CI95Bytes.Value, m.ExpectedBytes.Value, m.BytesPerWatch.Value, m.FittedWatch.Value,
			m.WatchCI95Bytes.Value, m.ExpectedWatch.Value, m.UnexplainedBytes.Value, m.CgroupBytes.Value)
	}
	b.ReportMetric(100*off, "%-off-worst-of-3")
	b.ReportMetric(100*(most-least)/least, "%-apart")
	b.ReportMetric(watchOff, "B-watch-off")
	b.ReportMetric(took, "s/run")
	b.ReportMetric(0, "ns/op")
}
