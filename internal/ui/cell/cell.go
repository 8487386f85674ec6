// Package cell fits text into a given number of terminal cells: measured by display width,
// cut with … and padded, and without control characters, whatever the name of a process
// contains.
package cell

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"
)

// Align is the side on which a text stands in its cells.
type Align uint8

// The sides.
const (
	Left Align = iota
	Right
)

// plain reports whether each byte of s is a printable ASCII character, so that
// its length is its width.
func plain(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// Clean returns s with a dot for every character that a terminal would act upon or not
// show. A process may be called "\x1b[2J".
func Clean(s string) string {
	if plain(s) {
		return s
	}
	bad := func(r rune) bool {
		return r == utf8.RuneError || !unicode.IsPrint(r) || unicode.Is(unicode.Mn, r)
	}
	if strings.IndexFunc(s, bad) < 0 {
		return s
	}
	return strings.Map(func(r rune) rune {
		if bad(r) {
			return '·'
		}
		return r
	}, s)
}

// Width returns how many cells the unstyled text s takes.
func Width(s string) int {
	if plain(s) {
		return len(s)
	}
	return ansi.StringWidth(s)
}

// Append appends the unstyled text s to dst in exactly w cells. It cuts with … what is too
// long, and pads with spaces what is too short.
func Append(dst []byte, s string, w int, align Align) []byte {
	if w <= 0 {
		return dst
	}
	s = Clean(s)
	n := Width(s)
	if n > w {
		s = ansi.Truncate(s, w, "…")
		n = ansi.StringWidth(s)
	}
	if align == Right {
		dst = Spaces(dst, w-n)
		return append(dst, s...)
	}
	dst = append(dst, s...)
	return Spaces(dst, w-n)
}

// Fit returns what Append would append.
func Fit(s string, w int, align Align) string { return string(Append(nil, s, w, align)) }

// Spaces appends n spaces.
func Spaces(dst []byte, n int) []byte {
	for range n {
		dst = append(dst, ' ')
	}
	return dst
}
