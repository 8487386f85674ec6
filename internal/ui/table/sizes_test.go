package table

import (
	"math/rand/v2"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
)

// TestAnySize: a table of no, one or many rows takes any size, less than none among them,
// in any order, with keys and clicks in between, and draws just that.
func TestAnySize(t *testing.T) {
	keys := []string{"up", "down", "pgdown", "pgup", "G", "g", "s", "left", "right", "enter", "R", "F", "/", "1", "esc", ">", "<"}
	for _, rows := range []int{0, 1, 2, 5000} {
		r := rand.New(rand.NewPCG(7, uint64(rows)))
		m := New(columns(), NewKeys())
		m.SetSource(numbers(rows))
		for range 4000 {
			w, h := r.IntN(30)-4, r.IntN(12)-4
			m.SetSize(w, h)
			switch r.IntN(4) {
			case 0:
				press(m, keys[r.IntN(len(keys))])
			case 1:
				m.Update(tea.MouseClickMsg{X: r.IntN(40) - 5, Y: r.IntN(20) - 5, Button: tea.MouseLeft})
			case 2:
				m.Update(tea.MouseWheelMsg{X: r.IntN(40) - 5, Y: r.IntN(20) - 5, Button: tea.MouseWheelDown})
			case 3:
				m.SetSource(numbers(max(0, rows-r.IntN(3))))
			}
			m.Pending()
			got := m.View()
			if h <= 0 && got != "" || h > 0 && strings.Count(got, "\n") != h-1 {
				t.Fatalf("%d rows at %dx%d: %d lines", rows, w, h, 1+strings.Count(got, "\n"))
			}
			for line := range strings.SplitSeq(got, "\n") {
				if n := ansi.StringWidth(line); n != max(0, w) && h > 0 {
					t.Fatalf("%d rows at %dx%d: a line of %d cells: %q", rows, w, h, n, line)
				}
			}
			m.OnScreen()
			m.Row()
			m.Status()
		}
	}
}
