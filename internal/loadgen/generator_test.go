package loadgen

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/eptop/eptop/internal/maybe"
)

func TestEveryFamilyAndWatch(t *testing.T) {
	masks := map[Watch]uint32{
		// The kernel adds EPOLLERR and EPOLLHUP to every watch.
		WatchET:        unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLERR | unix.EPOLLHUP | unix.EPOLLET,
		WatchLT:        unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLERR | unix.EPOLLHUP,
		WatchOneShot:   unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLERR | unix.EPOLLHUP | unix.EPOLLONESHOT,
		WatchExclusive: unix.EPOLLIN | unix.EPOLLERR | unix.EPOLLHUP | unix.EPOLLEXCLUSIVE,
	}
	for _, family := range Families() {
		for _, watch := range Watches() {
			t.Run(fmt.Sprintf("%s-%s", family, watch), func(t *testing.T) {
				g := newGenerator(t, config(func(c *Config) { c.Family, c.Watch = family, watch }))
				st := open(t, g, 23)
				if st.Open != 23 || st.Phase != Holding || st.Failed != 0 || st.StoppedBy != "" {
					t.Fatalf("%+v", st)
				}
				clients, servers := workersOf(st, "client"), workersOf(st, "server")
				if len(clients) != 1 || len(servers) != 1 {
					t.Fatalf("workers %v: clients %v, servers %v", st.Workers, clients, servers)
				}
				// Each has the control socket, the server its listeners too.
				if n := sockets(clients[0]) - 1; n != 23 {
					t.Errorf("the client has %d sockets", n)
				}
				if n := sockets(servers[0]) - 1 - int(g.pairs[0].page.ready.Load()); n != 23 {
					t.Errorf("the server has %d sockets", n)
				}
				want := 23
				if watch == WatchNone {
					want = 0
				}
				got := watched(t, servers[0])
				if len(got) != want {
					t.Fatalf("%d watches, want %d", len(got), want)
				}
				for _, mask := range got {
					if mask != masks[watch] {
						t.Errorf("mask %x, want %x", mask, masks[watch])
					}
				}
				if n := len(watched(t, clients[0])); n != 0 {
					t.Errorf("%d client ends are watched", n)
				}
			})
		}
	}
}

func TestUpAndDown(t *testing.T) {
	for _, family := range Families() {
		t.Run(string(family), func(t *testing.T) {
			g := newGenerator(t, config(func(c *Config) { c.Family, c.PerPair = family, 100 }))
			for _, want := range []int64{70, 230, 150, 151, 20, 310, 0, 5} {
				st := open(t, g, want)
				if st.Open != want || st.Have != All(want) {
					t.Fatalf("wanted %d: %+v", want, st)
				}
				pairs := int(want+99) / 100
				eventually(t, fmt.Sprintf("%d workers", 2*pairs), func() bool { return len(g.Status().Workers) == 2*pairs })
				sum := 0
				for _, pid := range workersOf(g.Status(), "server") {
					sum += len(watched(t, pid))
				}
				if int64(sum) != want {
					t.Fatalf("%d watches, want %d", sum, want)
				}
			}
		})
	}
}

func TestTwoChangesAtOnce(t *testing.T) {
	g := newGenerator(t, config(func(c *Config) { c.PerPair = 1000 }))
	for i := range int64(20) {
		g.Set(3000 - i*100)
		g.Set(3050 - i*100)
		g.Set(i)
	}
	if st := open(t, g, 700); st.Open != 700 || st.Have != All(700) {
		t.Fatalf("%+v", st)
	}
}

func TestStagesApart(t *testing.T) {
	g := newGenerator(t, config())
	open(t, g, 10)
	want := Stages{Sockets: 100, Connects: 60, Accepts: 40, Watches: 20}
	g.SetStages(want)
	st := settled(t, g)
	if st.Have != want || st.Open != 20 {
		t.Fatalf("%+v", st)
	}
	server := workersOf(st, "server")[0]
	if n := sockets(server) - 2; n != 40 {
		t.Errorf("the server has %d sockets", n)
	}
	if n := len(watched(t, server)); n != 20 {
		t.Errorf("%d watches", n)
	}
	if st := open(t, g, 100); st.Have != All(100) {
		t.Errorf("%+v", st)
	}
	// Shrink again, with connections that nobody has accepted.
	g.SetStages(Stages{Sockets: 130, Connects: 120, Accepts: 100, Watches: 100})
	settled(t, g)
	if st := open(t, g, 50); st.Have != All(50) {
		t.Errorf("%+v", st)
	}
}

func TestRate(t *testing.T) {
	g := newGenerator(t, config(func(c *Config) { c.Rate = 200 }))
	st := open(t, g, 60)
	// The first is free.
	if least := 59 * time.Second / 200; st.OpenTook < least*9/10 || st.Open != 60 {
		t.Errorf("%d in %v, not slower than %v", st.Open, st.OpenTook, least)
	}
}

func TestActiveEcho(t *testing.T) {
	for _, watch := range []Watch{WatchET, WatchLT, WatchOneShot, WatchExclusive} {
		t.Run(string(watch), func(t *testing.T) {
			g := newGenerator(t, config(func(c *Config) {
				c.Watch, c.ActivePercent, c.BeatsPerSecond = watch, 50, 50
			}))
			open(t, g, 20)
			eventually(t, "100 echoes", func() bool { return g.Status().Echoes >= 100 })
		})
	}
}

func TestUnread(t *testing.T) {
	g := newGenerator(t, config(func(c *Config) { c.UnreadBytes, c.ActivePercent, c.BeatsPerSecond = 1000, 25, 100 }))
	st := open(t, g, 40)
	if st.UnreadBytes != 30*1000 {
		t.Errorf("%d bytes unread, want 1000 on each of 30 idle ones", st.UnreadBytes)
	}
	eventually(t, "echoes among unread bytes", func() bool { return g.Status().Echoes >= 20 })
	port := g.pairs[0].page.addresses[0].Load()
	if got := receiveQueues(t, port); got != 30 {
		t.Errorf("%d server ends have 1000 bytes to read, want 30", got)
	}
}

// receiveQueues counts connections to a local port with 1000 bytes to read.
func receiveQueues(t *testing.T, port int64) int {
	t.Helper()
	text, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		t.Fatal(err)
	}
	// The kernel may print a socket twice while others come and go.
	peers := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		if len(f) > 4 && strings.HasSuffix(f[1], fmt.Sprintf(":%04X", port)) && strings.HasSuffix(f[4], fmt.Sprintf(":%08X", 1000)) {
			peers[f[2]] = true
		}
	}
	return len(peers)
}

func TestKilledWorker(t *testing.T) {
	for _, role := range []string{"client", "server"} {
		t.Run(role, func(t *testing.T) {
			g := newGenerator(t, config(func(c *Config) { c.PerPair = 100 }))
			st := open(t, g, 300)
			if err := syscall.Kill(workersOf(st, role)[1], syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the loss is counted", func() bool { return g.Status().Lost == 100 && len(g.Status().Workers) == 4 })
			st = settled(t, g)
			if st.Open != 200 || !strings.Contains(st.LastLoss, role+" worker") || !strings.Contains(st.LastLoss, "killed") {
				t.Errorf("%+v", st)
			}
			if st := open(t, g, 300); st.Open != 300 {
				t.Errorf("after asking again: %+v", st)
			}
		})
	}
}

func TestKilledWhileOpening(t *testing.T) {
	g := newGenerator(t, config(func(c *Config) { c.PerPair = 500 }))
	g.Set(5000)
	eventually(t, "the second pair opens", func() bool { return g.Have().Accepts > 600 })
	if err := syscall.Kill(workersOf(g.Status(), "client")[1], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	st := settled(t, g)
	eventually(t, "the loss is counted", func() bool { st = g.Status(); return st.LastLoss != "" && st.Phase == Holding })
	if st.Open != 4500 {
		t.Errorf("%d open, want those of the other nine pairs: %+v", st.Open, st)
	}
}

func TestKilledGeneratorLeavesNobody(t *testing.T) {
	for _, signal := range []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP} {
		t.Run(signal.String(), func(t *testing.T) {
			cmd, out := start(t, "hold", 0)
			var st Status
			if err := json.NewDecoder(out).Decode(&st); err != nil {
				t.Fatal(err)
			}
			if len(st.Workers) != 6 || st.Open != 500 {
				t.Fatalf("%+v", st)
			}
			if err := cmd.Process.Signal(signal); err != nil {
				t.Fatal(err)
			}
			for _, pid := range st.Workers {
				eventually(t, fmt.Sprintf("worker %d ends", pid), func() bool { return !alive(pid) })
			}
		})
	}
}

func TestTooManyFiles(t *testing.T) {
	for _, role := range []string{"client", "server"} {
		t.Run(role, func(t *testing.T) {
			g := newGenerator(t, config())
			st := open(t, g, 10)
			// Root or not, a process may lower the limits of another of its user.
			few := unix.Rlimit{Cur: 60, Max: 60}
			if err := unix.Prlimit(workersOf(st, role)[0], unix.RLIMIT_NOFILE, &few, nil); err != nil {
				t.Fatal(err)
			}
			st = open(t, g, 1000)
			if st.StoppedBy != "nofile" || st.Failures["EMFILE"] == 0 || !strings.Contains(st.Reason, "EMFILE") {
				t.Errorf("%+v", st)
			}
			if st.Open < 30 || st.Open > 60 {
				t.Errorf("%d open: not what 60 files hold", st.Open)
			}
			if st := open(t, g, 20); st.Open != 20 || st.StoppedBy != "" {
				t.Errorf("down to what fits: %+v", st)
			}
		})
	}
}

func TestFewPorts(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root to make a network namespace")
	}
	for name, want := range map[string]struct {
		open      int64
		stoppedBy Wall
		failure   string
	}{
		// 10 of 40 ports are the listeners'.
		"few-ports":  {10 * 30, "ports", ""},
		"taken-port": {0, "ports", "EADDRINUSE"},
	} {
		t.Run(name, func(t *testing.T) {
			_, out := start(t, name, unix.CLONE_NEWNET)
			var st Status
			if err := json.NewDecoder(out).Decode(&st); err != nil {
				t.Fatal(err)
			}
			if st.Open != want.open || st.StoppedBy != want.stoppedBy || want.failure != "" && st.Failures[want.failure] == 0 {
				t.Errorf("%+v", st)
			}
		})
	}
}

func TestMemoryFloor(t *testing.T) {
	g := newGenerator(t, config(func(c *Config) { c.Floor = 0.999 }))
	g.Set(100_000)
	st := settled(t, g)
	if st.StoppedBy != "memory" || st.Open >= 100_000 {
		t.Errorf("%+v", st)
	}
}

func TestCgroupLimit(t *testing.T) {
	g := newGenerator(t, config())
	var asked atomic.Int64
	g.mu.Lock()
	g.cgroups = func() (c Cgroups, err error) {
		if asked.Add(1) > 3 {
			c.CgroupUsed, c.CgroupLimit = maybe.Some[int64](1000), maybe.Some[int64](1001)
		}
		return c, nil
	}
	g.mu.Unlock()
	g.Set(1_000_000)
	if st := settled(t, g); st.StoppedBy != "cgroup" || st.Open >= 1_000_000 {
		t.Errorf("%+v", st)
	}
}

// TestCgroupIsNeverOverstepped: whatever a connection takes up to mostEach, and however
// late the generator looks, what is asked for fits into the room seen last.
func TestCgroupIsNeverOverstepped(t *testing.T) {
	const limit, own = 80 << 20, 20 << 20
	for name, c := range map[string]struct{ each, least int64 }{
		"large": {mostEach, 2500},
		"small": {mostEach / 4, 2500 * 4},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGenerator(t, config())
			var worst atomic.Int64
			g.mu.Lock()
			g.cgroups = func() (out Cgroups, err error) { // called with g.mu held
				used := own + int64(len(g.pairs))*2*WorkerBytes
				for _, p := range g.pairs {
					used += p.page.stages().Sockets * c.each
				}
				worst.Store(max(worst.Load(), used))
				out.CgroupUsed, out.CgroupLimit, out.CgroupDir = maybe.Some(used), maybe.Some[int64](limit), "/c"
				return out, nil
			}
			g.mu.Unlock()
			g.Set(1_000_000)
			st := settled(t, g)
			if st.StoppedBy != WallCgroup || !strings.Contains(st.Reason, "cgroup /c") || st.Open < c.least {
				t.Errorf("%+v", st)
			}
			if left := limit - worst.Load(); left < leastLeft-mostEach {
				t.Errorf("%d bytes were left, want %d", left, leastLeft)
			}
		})
	}
}

// TestNoRoomForWorkers: none is started where the cgroup has no memory for two.
func TestNoRoomForWorkers(t *testing.T) {
	g := newGenerator(t, config())
	g.mu.Lock()
	g.cgroups = func() (c Cgroups, err error) {
		c.CgroupUsed, c.CgroupLimit, c.CgroupDir = maybe.Some[int64](20<<20), maybe.Some[int64](20<<20+leastLeft+2*WorkerBytes-1), "/c"
		return c, nil
	}
	g.mu.Unlock()
	g.Set(100)
	if st := settled(t, g); st.StoppedBy != WallCgroup || st.Open != 0 || g.started != 0 || st.Reason == "" {
		t.Errorf("%+v", st)
	}
}

// TestMemoryTakesTheLoadFirst: the kernel chooses workers before all others.
func TestMemoryTakesTheLoadFirst(t *testing.T) {
	g := newGenerator(t, config())
	g.Set(10)
	for _, pid := range settled(t, g).Workers {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/oom_score_adj", pid))
		if err != nil || strings.TrimSpace(string(text)) != "1000" {
			t.Errorf("worker %d: %q, %v", pid, text, err)
		}
	}
}

func TestCloseWhileOpening(t *testing.T) {
	g, err := New(config(func(c *Config) { c.PerPair = 300 }))
	if err != nil {
		t.Fatal(err)
	}
	g.Set(50_000)
	eventually(t, "some are open", func() bool { return g.Have().Accepts > 100 })
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	if left := children(os.Getpid()); len(left) > 0 {
		t.Errorf("workers %v", left)
	}
}

func TestSettledGivesUp(t *testing.T) {
	g := newGenerator(t, config(func(c *Config) { c.Rate = 1 }))
	g.Set(1000)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := g.Settled(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// timeWait counts TCP sockets in TIME_WAIT.
func timeWait(t *testing.T) int {
	t.Helper()
	text, err := os.ReadFile("/proc/net/sockstat")
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(text), " tw ")
	var n int
	if _, err := fmt.Sscan(after, &n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestLeavesNoTimeWait(t *testing.T) {
	before := timeWait(t)
	g, err := New(config())
	if err != nil {
		t.Fatal(err)
	}
	open(t, g, 3000)
	open(t, g, 1000)
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	if after := timeWait(t); after > before+100 {
		t.Errorf("%d in TIME_WAIT, %d before", after, before)
	}
}
