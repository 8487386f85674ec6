// Package draw draws cards, bars, sparklines and columns as lines of text: pure functions
// from numbers to strings, exact in their display width.
//
// Every shape can be read without colour, which only repeats what a glyph, a number or a
// word says.
package draw

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"

	"github.com/eptop/eptop/internal/ui/cell"
)

const blanks = "                                                                "

// Spaces returns n blanks; none when n is negative.
func Spaces(n int) string {
	if n <= 0 {
		return ""
	}
	if n <= len(blanks) {
		return blanks[:n]
	}
	return strings.Repeat(" ", n)
}

// Width returns the number of cells that s takes on screen.
func Width(s string) int {
	for i := range len(s) {
		if s[i] < 0x20 || s[i] > 0x7e {
			return ansi.StringWidth(s)
		}
	}
	return len(s)
}

// Fit makes s exactly w cells wide: it cuts with an ellipsis, or pads on the right. A number
// is not cut but left out, for its first digits are another number.
func Fit(s string, w int) string {
	return fit(s, w, false)
}

// FitRight is Fit that pads on the left, for numbers.
func FitRight(s string, w int) string {
	return fit(s, w, true)
}

func fit(s string, w int, right bool) string {
	if w <= 0 {
		return ""
	}
	have := Width(s)
	if have > w {
		whole := s
		s = ansi.Truncate(whole, w, "…")
		if n := beforeNumber(ansi.Strip(whole), strings.TrimSuffix(ansi.Strip(s), "…")); n >= 0 {
			s = ansi.Truncate(whole, n+1, "…")
		}
		// A double-width character at the edge leaves one cell empty.
		have = Width(s)
	}
	if right {
		return Spaces(w-have) + s
	}
	return s + Spaces(w-have)
}

// beforeNumber returns how many cells of head, the beginning of whole, are before a number
// that goes on after it; -1 where none does. Digits of a name or an address are no number.
func beforeNumber(whole, head string) int {
	rest, ok := strings.CutPrefix(whole, head)
	number := strings.TrimRight(head, digits+" .")
	number = head[len(number):]
	if !ok || strings.Count(number, ".") > 1 || strings.Trim(number, " .") == "" || !goesOn(number, rest) {
		return -1
	}
	before := head[:len(head)-len(number)]
	if r, _ := utf8.DecodeLastRuneInString(before); unicode.IsLetter(r) && number[0] != ' ' {
		return -1
	}
	return Width(before) + len(number) - len(strings.TrimLeft(number, " "))
}

const digits = "0123456789"

// goesOn reports whether rest begins with more of a number: digits, a point and digits, or
// a blank and three digits.
func goesOn(number, rest string) bool {
	isDigit := func(s string, i int) bool { return i < len(s) && strings.IndexByte(digits, s[i]) >= 0 }
	switch {
	case isDigit(rest, 0):
		return true
	case rest == "" || !isDigit(number, len(number)-1):
		return false
	case rest[0] == ' ':
		return isDigit(rest, 1) && isDigit(rest, 2) && isDigit(rest, 3)
	}
	return rest[0] == '.' && isDigit(rest, 1)
}

// FitWords is Fit for a sentence that goes on: it ends with an ellipsis, after a whole word
// where there is room for one.
func FitWords(s string, w int) string {
	for Width(s)+2 > w {
		at := strings.LastIndexByte(strings.TrimRight(s, " "), ' ')
		if at < 0 {
			return Fit(s+" …", w)
		}
		s = s[:at]
	}
	return Fit(strings.TrimRight(s, " ")+" …", w)
}

// Spread places left and right at the two ends of w cells. When both do not fit, left is
// cut.
func Spread(left, right string, w int) string {
	r := Width(right)
	if r >= w {
		return Fit(right, w)
	}
	if l := Width(left); l+r >= w {
		return Fit(left, w-r-1) + " " + right
	}
	return Fit(left, w-r) + right
}

// Wrap breaks text into lines of at most w cells, at blanks where it can. It returns at
// least one line, which is empty where w has no room for text.
func Wrap(text string, w int) []string {
	if w <= 0 {
		return []string{""}
	}
	return strings.Split(ansi.Wrap(text, w, " "), "\n")
}

// Clean makes a string from outside safe for the screen: the name of a process may contain
// control characters and escape sequences.
func Clean(s string) string { return cell.Clean(s) }

// Cell is one column of a line made by Columns.
type Cell struct {
	Text string
	// W is the width in cells; 0 takes what the others leave.
	W     int
	Right bool
	Pen   Pen
}

// Columns places cells side by side with a blank between two, in exactly w cells. Where
// they do not fit, the last ones are cut off.
func Columns(w int, cells ...Cell) string {
	rest, flex := w-(len(cells)-1), 0
	for _, c := range cells {
		rest -= max(0, c.W)
		if c.W == 0 {
			flex++
		}
	}
	var b strings.Builder
	left := w
	for i, c := range cells {
		if i > 0 {
			if left <= 0 {
				break
			}
			b.WriteByte(' ')
			left--
		}
		cw := c.W
		if cw == 0 {
			// Several open columns share the rest; none falls below 1.
			cw = max(1, rest/flex)
			rest -= cw
			flex--
		}
		cw = max(0, min(cw, left))
		b.WriteString(c.Pen.Ink(fit(c.Text, cw, c.Right)))
		left -= cw
	}
	b.WriteString(Spaces(left))
	return b.String()
}
