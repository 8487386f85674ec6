package cell

import (
	"testing"

	"github.com/charmbracelet/x/ansi"
)

func TestAppendFits(t *testing.T) {
	for _, c := range []struct {
		in    string
		w     int
		align Align
		want  string
	}{
		{"nginx", 7, Left, "nginx  "},
		{"nginx", 7, Right, "  nginx"},
		{"nginx", 5, Left, "nginx"},
		{"nginx", 4, Left, "ngi…"},
		{"nginx", 1, Left, "…"},
		{"nginx", 0, Left, ""},
		{"", 3, Right, "   "},
		{"世界", 3, Left, "世…"},
		{"世界", 5, Right, " 世界"},
		{"a\x1b[2Jb", 8, Left, "a·[2Jb  "},
		{"tab\there", 8, Left, "tab·here"},
		{"bad\xff", 4, Left, "bad·"},
	} {
		if got := Fit(c.in, c.w, c.align); got != c.want {
			t.Errorf("Fit(%q, %d) = %q, want %q", c.in, c.w, got, c.want)
		}
	}
}

func FuzzFit(f *testing.F) {
	f.Add("exp server", 7)
	f.Add("\x1b]0;x\a世", 3)
	f.Fuzz(func(t *testing.T, s string, w int) {
		if w < 0 || w > 200 {
			t.Skip("no such width")
		}
		for _, a := range []Align{Left, Right} {
			if got := ansi.StringWidth(Fit(s, w, a)); got != w {
				t.Errorf("Fit(%q, %d) takes %d cells", s, w, got)
			}
		}
	})
}
