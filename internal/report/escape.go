package report

import (
	"fmt"
	"io"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// escaper writes JSON in which every character that a terminal would act upon, or not show,
// is escaped: encoding/json leaves U+007F to U+009F and the marks that change the direction
// of text as they are, and names of processes and sockets are anybody's. It takes whole
// characters. All that is not ASCII stands in strings, where an escape means the same.
type escaper struct{ w io.Writer }

func (e escaper) Write(b []byte) (int, error) {
	done := 0 // of b
	for i := 0; i < len(b); {
		if b[i] < 0x7f {
			i++
			continue
		}
		r, size := utf8.DecodeRune(b[i:])
		if !unicode.IsPrint(r) {
			if _, err := e.w.Write(b[done:i]); err != nil {
				return done, err
			}
			if _, err := io.WriteString(e.w, escaped(r)); err != nil {
				return done, err
			}
			done = i + size
		}
		i += size
	}
	if _, err := e.w.Write(b[done:]); err != nil {
		return done, err
	}
	return len(b), nil
}

func escaped(r rune) string {
	if high, low := utf16.EncodeRune(r); high != utf8.RuneError {
		return fmt.Sprintf(`\u%04x\u%04x`, high, low)
	}
	return fmt.Sprintf(`\u%04x`, r)
}
