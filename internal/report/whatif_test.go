package report

import (
	"strings"
	"testing"

	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/model"
)

// TestWhatIfText: the commands stand on lines of their own, to be copied as they are.
func TestWhatIfText(t *testing.T) {
	wall := model.Wall{Name: model.WallNofile, Unit: model.UnitFiles, Used: 64, Limit: 1024, ConnectionsLeft: 960, Scope: "pid 7", PID: 7, Comm: "srv\x1b[2J"}
	f := model.WhatIf{
		Connections: 1_000_000, Bytes: maybe.Some[int64](4_037_000_000), Origin: model.Derived, Fits: maybe.Some[int64](960),
		Limits: []model.Need{{Wall: wall, Needed: 1_000_064, TooLow: true}}, Commands: []string{"sysctl -w fs.file-max=2000000", "prlimit --pid 7 --nofile=1000064"},
		Notes: []string{"a note"},
	}
	var b strings.Builder
	if err := WhatIfText(&b, f); err != nil {
		t.Fatal(err)
	}
	got := b.String()
	for _, want := range []string{
		"For 1 000 000 more connections", "4.0 GB of kernel memory (derived)", "only 960 fit now: open files of srv", "too low", "1 000 064",
		"\nsysctl -w fs.file-max=2000000\nprlimit --pid 7 --nofile=1000064\n", "note: a note\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if strings.Contains(got, "\x1b") {
		t.Errorf("a control sequence in %q", got)
	}
	b.Reset()
	if err := WhatIfText(&b, model.WhatIf{Connections: 5}); err != nil || !strings.Contains(b.String(), "not known") {
		t.Errorf("%v: %s", err, b.String())
	}
}
