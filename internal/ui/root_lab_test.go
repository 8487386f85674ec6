package ui

import (
	"strings"
	"testing"

	"github.com/eptop/eptop/internal/lab"
)

// stillBench has nothing to tell.
type stillBench struct{ tried []string }

func (b *stillBench) Try(e *lab.Experiment) { b.tried = append(b.tried, e.Name) }
func (b *stillBench) Release()              {}
func (b *stillBench) State() lab.State      { return lab.State{} }

// TestLabPage: l in the Load view opens the experiments, whose tab stands there meanwhile.
func TestLabPage(t *testing.T) {
	b := &stillBench{}
	r, _ := newLoadRig(t, func(o *Options) { o.Bench = b })
	if strings.Contains(r.screen(), "Lab]") {
		t.Error("the page has a tab before it is open")
	}
	r.keys("l")
	r.settle()
	if !strings.Contains(r.screen(), "[Lab]") || !strings.Contains(r.screen(), "et-half-read") {
		t.Fatalf("l opens no lab:\n%s", r.screen())
	}
	r.keys("enter")
	r.settle()
	if len(b.tried) != 1 {
		t.Errorf("tried %v", b.tried)
	}
	r.keys("esc")
	r.settle()
	if !strings.Contains(r.screen(), "[6 Load]") || strings.Contains(r.screen(), "Lab]") {
		t.Errorf("Esc does not lead back:\n%s", r.screen())
	}
	for range len(r.m.views) - 1 {
		r.keys("tab")
		r.settle()
		if strings.Contains(r.screen(), "[Lab]") {
			t.Error("Tab stops at the lab")
		}
	}
}
