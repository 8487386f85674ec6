package theme

import (
	"strings"

	"charm.land/lipgloss/v2"
)

// Pen is a style as the two escape sequences around a text. A table draws
// hundreds of cells a frame with a few pens, and lays out none of them.
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

// On and Off are what stands before and after a text.
func (p Pen) On() string { return p.on }

// Off ends what On began.
func (p Pen) Off() string { return p.off }

// Ink returns text in the pen's style; nothing stays nothing.
func (p Pen) Ink(text string) string {
	if text == "" || p.on == "" {
		return text
	}
	return p.on + text + p.off
}
