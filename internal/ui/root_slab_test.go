package ui

import (
	"context"
	"slices"
	"testing"

	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/ui/viewtest"
)

// TestSlabAsksForTheCachesOnScreen: the look is told which caches are in sight, and
// none while another view is.
func TestSlabAsksForTheCachesOnScreen(t *testing.T) {
	var asked []string
	m := New(Options{Look: func(_ context.Context, f Focus) (*model.Snapshot, error) {
		asked = f.Caches
		return viewtest.Rich(), nil
	}})
	m.resize(80, 15)
	ask := func() []string {
		asked = nil
		msg := m.startLook(false)()
		m.Update(msg)
		return asked
	}
	ask()
	if got := ask(); got != nil {
		t.Errorf("on the Overview a look asks for %q", got)
	}
	m.jump("4")
	// Of twelve lines three are sums, or two on a screen this low, and one is the head.
	if got := ask(); len(got) != 9 || got[0] != "TCP" || !slices.Contains(got, "ep_head") {
		t.Errorf("on the Slab view a look asks for %q", got)
	}
	m.Update(viewtest.Press("n"))
	m.Update(viewtest.Press("G"))
	if got := ask(); len(got) != 9 || slices.Contains(got, "TCP") || !slices.Contains(got, "btrfs_inode") {
		t.Errorf("at the end of all caches a look asks for %q", got)
	}
}
