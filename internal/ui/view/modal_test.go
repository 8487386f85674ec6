package view

import (
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"

	"github.com/eptop/eptop/internal/ui/draw"
	"github.com/eptop/eptop/internal/ui/theme"
)

// TestOverlayOfAnySize: a box fits over a view of any size, scrolled or not.
func TestOverlayOfAnySize(t *testing.T) {
	p := draw.NewPens(theme.New(true))
	for _, text := range []string{"", "one line", strings.Repeat("many words ", 200)} {
		o := NewOverlay("Title \x1b[2J", Paragraphs(text))
		for w := -2; w < 110; w++ {
			for h := range 9 {
				under := draw.Exact([]string{"世界👩‍👩‍👧e\u0301世界" + strings.Repeat("世", 60), " " + strings.Repeat("界", 60)}, w, h)
				over := o.Over(p, under, w)
				if len(over) != h {
					t.Fatalf("%d lines over %d", len(over), h)
				}
				for _, line := range over {
					if n := ansi.StringWidth(line); n > max(0, w) {
						t.Fatalf("a line of %d cells at %dx%d: %q", n, w, h, line)
					}
				}
				o.Scroll(w%3 - 1)
			}
		}
	}
}
