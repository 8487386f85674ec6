package lab

import "testing"

// TestBench: an experiment is held, let go, and ended by the next one and by Close.
func TestBench(t *testing.T) {
	var b Bench
	if s := b.State(); s.Running() || s.Name != "" {
		t.Errorf("at first: %+v", s)
	}
	held := func() bool { s := b.State(); return s.Held != nil && s.PID == s.Held.PID }
	b.Try(Find("et-half-read"))
	eventually(t, "held", held)
	if s := b.State(); len(s.Steps) == 0 || !s.Running() {
		t.Errorf("held: %+v", s)
	}
	b.Release()
	b.Release()
	eventually(t, "the end", func() bool { s := b.State(); return !s.Running() })
	if s := b.State(); s.Result.Verdict != Pass || s.Results["et-half-read"].Verdict != Pass {
		t.Errorf("let go: %+v", s)
	}
	b.Try(Find("oneshot"))
	eventually(t, "held", held)
	first := b.State().PID
	b.Try(Find("close-with-dup"))
	eventually(t, "the next is held", func() bool { return held() && b.State().PID != first })
	if s := b.State(); s.Name != "close-with-dup" {
		t.Errorf("the next: %+v", s)
	}
	b.Close()
	if s := b.State(); s.Result == nil || s.Result.Verdict != CannotTell {
		t.Errorf("closed: %+v", s.Result)
	}
	b.Try(Find("oneshot"))
	if s := b.State(); s.Name != "close-with-dup" {
		t.Errorf("tried after Close: %+v", s)
	}
}
