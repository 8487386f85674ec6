package loadgen

import (
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestCheck(t *testing.T) {
	good := config()
	for name, c := range map[string]struct {
		change func(*Config)
		want   string // "" is no error
	}{
		"good":                    {func(*Config) {}, ""},
		"family":                  {func(c *Config) { c.Family = "udp" }, `family "udp"`},
		"watch":                   {func(c *Config) { c.Watch = "edge" }, `watch "edge"`},
		"rate":                    {func(c *Config) { c.Rate = -1 }, "negative"},
		"active":                  {func(c *Config) { c.ActivePercent = 101 }, "percent"},
		"beats":                   {func(c *Config) { c.BeatsPerSecond = -1 }, "echoes a second"},
		"unread":                  {func(c *Config) { c.UnreadBytes = -1 }, "unread"},
		"too much unread":         {func(c *Config) { c.UnreadBytes = 1 << 31 }, "unread"},
		"floor":                   {func(c *Config) { c.Floor = 1 }, "floor"},
		"per pair":                {func(c *Config) { c.PerPair = -1 }, "negative"},
		"active without watch":    {func(c *Config) { c.ActivePercent, c.Watch = 1, WatchNone }, "need a watch"},
		"unread for ever ready":   {func(c *Config) { c.ActivePercent, c.UnreadBytes, c.Watch = 1, 1, WatchLT }, "ready for ever"},
		"unread and active by et": {func(c *Config) { c.ActivePercent, c.UnreadBytes = 1, 1 }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			bad := good
			c.change(&bad)
			err := bad.Check()
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
	for _, n := range []int64{0, -1, 1e12} {
		if CheckConnections(n) == nil {
			t.Errorf("%d connections: no error", n)
		}
	}
}

func TestIsActiveSpreadsEvenly(t *testing.T) {
	for _, percent := range []float64{0, 1, 12.5, 50, 100} {
		c := config(func(c *Config) { c.ActivePercent = percent })
		n, run := 0, 0
		for i := range int64(1000) {
			if c.isActive(i) {
				n, run = n+1, 0
			} else if run++; percent > 0 && float64(run) > 100/percent {
				t.Fatalf("%g %%: %d idle in a row", percent, run)
			}
		}
		if n != int(percent*10) {
			t.Errorf("%g %%: %d of 1000", percent, n)
		}
	}
}

func TestWalls(t *testing.T) {
	for errno, want := range map[unix.Errno]Wall{
		unix.EMFILE: "nofile", unix.ENFILE: "file_max", unix.ENOMEM: "memory", unix.ENOBUFS: "memory",
		unix.EADDRNOTAVAIL: "ports", unix.EADDRINUSE: "ports", unix.ENOSPC: "user_watches", unix.EIO: "error",
	} {
		if got := wall(callEpollCtl, errno); got != want {
			t.Errorf("%s: %s, want %s", unix.ErrnoName(errno), got, want)
		}
	}
	if got := wall(callAccept, unix.ENOSPC); got != "error" {
		t.Errorf("ENOSPC of accept4: %s", got)
	}
	if text := reason(callEpollCtl, unix.ENOSPC); !strings.Contains(text, "epoll_ctl: ENOSPC") || !strings.Contains(text, "max_user_watches") {
		t.Error(text)
	}
}

// TestUnwatchableEnd: an end that can get no watch is closed, and whole connections
// stay.
func TestUnwatchableEnd(t *testing.T) {
	p := &page{}
	s := newServer(order{Config: config(), Room: 10}, p)
	var err error
	if s.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	var ends [2]int
	if ends, err = unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0); err != nil {
		t.Fatal(err)
	}
	s.fds = []int32{int32(ends[0]), int32(ends[1])}
	if !s.watch(s.fds[0]) {
		t.Fatal("the first end has no watch")
	}
	// Nothing can be added to an epoll that is closed.
	if err := unix.Close(s.epoll); err != nil {
		t.Fatal(err)
	}
	if s.watch(s.fds[1]) {
		t.Fatal("a watch without an epoll")
	}
	if p.server.stopErrno.Load() != int64(unix.EBADF) || call(p.server.stopCall.Load()) != callEpollCtl {
		t.Errorf("stopped by %d", p.server.stopErrno.Load())
	}
	if len(s.fds) != 1 || p.server.dropped.Load() != 1 || p.server.accepts.Load() != 1 || p.server.watches.Load() != 1 {
		t.Errorf("%d ends, %d dropped, %d accepted, %d watched", len(s.fds), p.server.dropped.Load(), p.server.accepts.Load(), p.server.watches.Load())
	}
	if err := unix.Close(int(s.fds[0])); err != nil {
		t.Fatal(err)
	}
}
