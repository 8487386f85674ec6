package theme

import (
	"strings"

	"charm.land/lipgloss/v2"
)

// Pen is a style as the two escape sequences around a text. A table draws hundreds of cells
// a frame with a few pens, which is cheaper than rendering each cell with lipgloss.
type Pen struct{ on, off string }

// NewPen returns the pen of a style without padding, border or size.
func NewPen(s lipgloss.Style) Pen {
	on, off, _ := strings.Cut(s.Render("x"), "x")
	return Pen{on, off}
}

// Append appends text in the pen's style to dst.
func (p Pen) Append(dst []byte, text string) []byte {
	dst = append(dst, p.on...)
	dst = append(dst, text...)
	return append(dst, p.off...)
}

// On returns the escape sequence before a text.
func (p Pen) On() string { return p.on }

// Off returns the escape sequence after a text, which ends the style.
func (p Pen) Off() string { return p.off }

// Ink returns text in the pen's style. An empty text stays empty.
func (p Pen) Ink(text string) string {
	if text == "" || p.on == "" {
		return text
	}
	return p.on + text + p.off
}
