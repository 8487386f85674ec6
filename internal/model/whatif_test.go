package model

import (
	"slices"
	"strings"
	"testing"

	"github.com/eptop/eptop/internal/maybe"
)

// TestWhatIf: a million more connections on a machine whose limits are far too low, and a
// hundred that fit.
func TestWhatIf(t *testing.T) {
	s := sample()
	s.NrOpen = maybe.Some[int64](1 << 20)
	s.NetworkLimits = NetworkLimits{
		Conntrack: maybe.Some[int64](10), MostConntrack: maybe.Some[int64](262_144), Ports: maybe.Some(LocalPorts{Low: 32_768, High: 60_999}),
	}
	s.Host.MemTotalBytes, s.Host.MemAvailableBytes = maybe.Some[int64](32<<30), maybe.Some[int64](16<<30)
	snap := New(s)
	got := snap.WhatIf(1_000_000, 10)
	if got.Bytes != maybe.Some[int64](1_000_000*(3829+208)) || got.Fits != maybe.Some[int64](900) {
		t.Errorf("%+v", got)
	}
	if first, short := got.First(); !short || first.Name != WallUserWatches || first.ConnectionsLeft != 900 {
		t.Errorf("first %+v, %v", first, short)
	}
	want := []string{
		"sysctl -w fs.epoll.max_user_watches=1000100", "sysctl -w fs.file-max=1000100",
		"sysctl -w net.netfilter.nf_conntrack_max=1000010", "prlimit --pid 10 --nofile=1000120",
	}
	// 1 000 120 is less than fs.nr_open, which stays as it is.
	if !slices.Equal(slices.Sorted(slices.Values(got.Commands)), slices.Sorted(slices.Values(want))) || got.Commands[len(got.Commands)-1] != want[3] {
		t.Errorf("commands %q, want %q", got.Commands, want)
	}
	if text := strings.Join(got.Notes, "\n"); !strings.Contains(text, "28232 local ports") || !strings.Contains(text, "36 addresses") {
		t.Errorf("notes %q", got.Notes)
	}
	// Two million need a higher fs.nr_open first.
	if got := snap.WhatIf(2_000_000, 0); got.Commands[0] != "sysctl -w fs.nr_open=2000064" || !strings.HasPrefix(got.Commands[len(got.Commands)-1], "ulimit -n 2000064 ") {
		t.Errorf("commands %q", got.Commands)
	}
	got = snap.WhatIf(100, 10)
	if _, short := got.First(); short || len(got.Commands) > 0 || got.Fits != maybe.Some[int64](900) {
		t.Errorf("a hundred: %+v", got)
	}
	// More memory than there is: said, and no command.
	got = snap.WhatIf(10_000_000, 10)
	i := slices.IndexFunc(got.Limits, func(n Need) bool { return n.Name == WallMemory })
	if i < 0 || !got.Limits[i].TooLow || got.Limits[i].Needed != 32<<30+10_000_000*(3829+208)-16<<30 || !slices.Contains(got.Notes, "this machine needs more memory: no command helps") {
		t.Errorf("ten million: %+v", got)
	}
}
