package ui

import "testing"

// TestManual: every key and column has a description, and every view its keys.
func TestManual(t *testing.T) {
	m := NewManual()
	if len(m.Keys) != 1+len(tabs()) {
		t.Errorf("%d sections of keys for %d views", len(m.Keys), len(tabs()))
	}
	for _, s := range append(m.Keys, m.Columns...) {
		if s.Title == "" || len(s.Entries) == 0 {
			t.Errorf("section %q has %d entries", s.Title, len(s.Entries))
		}
		for _, e := range s.Entries {
			if e.Name == "" || e.Text == "" {
				t.Errorf("%s: %q is described as %q", s.Title, e.Name, e.Text)
			}
		}
	}
}
