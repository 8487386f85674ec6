package view_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"

	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/ui/draw"
	"github.com/eptop/eptop/internal/ui/theme"
	"github.com/eptop/eptop/internal/ui/view"
	"github.com/eptop/eptop/internal/ui/viewtest"
	"github.com/eptop/eptop/internal/units"
)

func some(n int64) maybe.Of[int64] { return maybe.Some(n) }

func TestSum(t *testing.T) {
	all := model.Extent{}
	notYet := model.ExtentOf(model.Gap{What: model.GapNotListed, Count: some(3)})
	denied := model.ExtentOf(model.Gap{What: model.GapDenied, Count: some(3)})
	twice := model.ExtentOf(model.Gap{What: model.GapSharing, Count: some(2)})
	either := model.ExtentOf(denied.Gaps[0], twice.Gaps[0])
	for _, tt := range []struct {
		n    maybe.Of[int64]
		of   model.Extent
		want string
	}{
		{some(1700), all, "1 700"},
		{some(0), all, "0"},
		{some(1700), notYet, "≥ 1 700"},
		{some(1700), twice, "≤ 1 700"},
		{some(1700), either, "≈ 1 700"},
		{maybe.Of[int64]{}, notYet, "?"},
		{maybe.Of[int64]{}, denied, "–"},
		{maybe.Of[int64]{}, all, "–"},
	} {
		if got := view.Sum(tt.n, units.Count, &tt.of); got != tt.want {
			t.Errorf("%v of %v: %q, want %q", tt.n, tt.of.Gaps, got, tt.want)
		}
	}
}

func TestWithout(t *testing.T) {
	s := viewtest.Shared()
	want := []string{
		"without 41 processes whose fds this user may not list, 1 instance not read yet, 1 instance that could not be read",
		"without 41 hidden processes, 1 unread instance, 1 unreadable instance",
		"without 41 hidden processes and 2 more gaps",
		"41 hidden processes, 2 more gaps",
		"incomplete",
	}
	if got := view.Without(&s.Epoll.Extent); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if got := view.Without(&model.Extent{}); got != nil {
		t.Errorf("a whole sum leaves out %q", got)
	}
}

func TestProgress(t *testing.T) {
	c := model.Coverage{Processes: 366, Waiting: 309, Files: 1_200_000, FilesWaiting: some(800_000)}
	want := []string{"listed 57 of 366 processes, 1.2 M of 2.0 M files", "listed 57 of 366 processes", "listed 57 of 366"}
	if got := view.Progress(&c); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	c.FilesWaiting = maybe.Of[int64]{} // before Linux 6.2
	if got := view.Progress(&c); !slices.Equal(got, want[1:]) {
		t.Errorf("%q", got)
	}
	c.Waiting = 0
	if got := view.Progress(&c); got != nil {
		t.Errorf("%q when all was listed", got)
	}
}

// TestSumsOfSocketsAreMarkedAlike: where a sum is a lower bound, so is every part of it.
func TestSumsOfSocketsAreMarkedAlike(t *testing.T) {
	n := maybe.Some[int64]
	s := &model.Sockets{Total: 100_014, EndsHere: 100_012, StructBytes: n(382_900_000), BufferBytes: n(1_000_000), PinnedReclaimableBytes: n(105_700_000), Origin: model.Derived}
	p := draw.NewPens(theme.New(true))
	for want, of := range map[string]model.Extent{"": {}, "≥": model.ExtentOf(model.Gap{What: model.GapHidePID})} {
		s.Extent = of
		var b strings.Builder
		for _, l := range view.SocketMemory(p, s, 100) {
			b.WriteString(ansi.Strip(l.Text) + "\n")
		}
		for _, number := range []string{" %s382.9 MB", " %s1.0 MB", " %s105.7 MB", "%s100 014 sockets", " %s100 012 with their other end here"} {
			if number := fmt.Sprintf(number, want); !strings.Contains(strings.ReplaceAll(b.String(), "≥ ", "≥"), number) {
				t.Errorf("%q is not in\n%s", number, b.String())
			}
		}
	}
}

// TestFDsText: where nobody counts the fds, there are at least those that were listed.
func TestFDsText(t *testing.T) {
	for want, p := range map[string]model.Process{
		"≥200": {FDsSeen: some(200)}, "1 300": {FDs: some(1300), FDsSeen: some(200)}, "7": {FDs: some(7)}, "–": {},
	} {
		if got := view.FDsText(&p); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
