package view_test

import (
	"testing"

	"github.com/eptop/eptop/internal/ui/view"
	"github.com/eptop/eptop/internal/ui/viewtest"
)

func TestGapWords(t *testing.T) {
	s := viewtest.Shared()
	if g := view.HostGap(s); g != (view.Gap{Waiting: 1, Failed: 1}) {
		t.Errorf("hostGap = %+v", g)
	}
	for want, g := range map[string]view.Gap{
		"without 1 instance not read yet":                     {Waiting: 1},
		"without 2 instances that could not be read":          {Failed: 2},
		"without 2 that could not be read and 1 not read yet": {Failed: 2, Waiting: 1},
	} {
		if got := g.Words()[0]; got != want {
			t.Errorf("%q instead of %q", got, want)
		}
	}
}
