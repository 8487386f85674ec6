package lab

import (
	"strings"
	"testing"
)

// asPromised returns an observation in which every fact is as the manual says. What has no
// one promised value is taken from allowed.
func asPromised(e *Experiment) observation {
	o := observation{Seen: map[string]string{}, Evidence: "made up"}
	for _, c := range e.Facts {
		seen := c.Promised
		if a, ok := allowed[e.Name+": "+c.What]; ok {
			seen = a.fits
		}
		o.Seen[c.What] = seen
	}
	return o
}

// allowed has, for facts that are compared by more than their words, one that fits and one
// that does not.
var allowed = map[string]struct{ fits, differs string }{
	"et-in-out: the peer has read all":            {"OUT", "IN"},
	"hup-unasked: peer closed, asked for nothing": {"ERR|HUP", "no event"},
	"exclusive: woken":                            {"2 of 4", "0 of 4"},
	"pwait2-timeout: a wait of 300 µs took":       {"310µs", "299µs"},
	"pwait2-timeout: a wait of 1.5 ms took":       {"2ms", "1ms"},
	"sockmap: loopback: TCP segments sent":        {"some", "none"},
}

// TestVerdicts: for every experiment, every promised fact that comes out differently makes
// it DIFFERENT, and says so.
func TestVerdicts(t *testing.T) {
	for _, e := range All() {
		if r := e.judge(asPromised(e)); r.Verdict != Pass || r.Evidence != "made up" {
			t.Errorf("%s, all as promised: %s, %s", e.Name, r.Verdict, r.Evidence)
		}
		promised := 0
		for _, c := range e.Facts {
			if c.Promised == "" {
				continue
			}
			promised++
			wrong := "something else"
			if c.meets != nil {
				a, ok := allowed[e.Name+": "+c.What]
				if !ok {
					t.Errorf("%s: %s has no made-up value in allowed", e.Name, c.What)
					continue
				}
				wrong = a.differs
			}
			o := asPromised(e)
			o.Seen[c.What] = wrong
			if r := e.judge(o); r.Verdict != Different || !strings.Contains(r.Evidence, wrong) || !strings.Contains(r.Evidence, c.Promised) {
				t.Errorf("%s, %s is %s: %s, %s", e.Name, c.What, wrong, r.Verdict, r.Evidence)
			}
			delete(o.Seen, c.What)
			if r := e.judge(o); r.Verdict != CannotTell || !strings.Contains(r.Evidence, c.What) {
				t.Errorf("%s, %s not seen: %s, %s", e.Name, c.What, r.Verdict, r.Evidence)
			}
		}
		if promised == 0 {
			t.Errorf("%s promises nothing", e.Name)
		}
		for _, text := range []string{e.Title, e.Promise, e.Section, e.Function, e.Since, e.Advice} {
			if text == "" {
				t.Errorf("%s says too little: %+v", e.Name, e)
			}
		}
	}
}

// TestUnable: a reason why nothing can be said is a verdict of its own, but what was seen stands.
func TestUnable(t *testing.T) {
	e := All()[0]
	o := asPromised(e)
	o.Unable = "no permission"
	if r := e.judge(o); r.Verdict != CannotTell || r.Evidence != "no permission" {
		t.Errorf("%s, %s", r.Verdict, r.Evidence)
	}
	o.Seen[e.Facts[0].What] = "something else"
	if r := e.judge(o); r.Verdict != Different {
		t.Errorf("%s, %s", r.Verdict, r.Evidence)
	}
}

func TestNames(t *testing.T) {
	seen := map[string]bool{}
	for _, e := range All() {
		if seen[e.Name] || e.Name == "list" || e.Name == "anatomy" {
			t.Errorf("the name %s is taken", e.Name)
		}
		seen[e.Name] = true
	}
}
