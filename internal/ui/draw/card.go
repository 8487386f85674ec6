package draw

import "strings"

// Card draws lines in a rounded frame with the title in its upper border, in
// exactly w times h cells. The card under the cursor has a ▸ before its title.
func (p *Pens) Card(title string, w, h int, here bool, lines []string) []string {
	if w <= 0 || h <= 0 {
		return nil
	}
	if w < 4 || h < 2 {
		return blank(w, h)
	}
	frame, before := p.Border, " "
	if here {
		frame, before = p.Title, "▸"
	}
	out := make([]string, 0, h)
	var b strings.Builder
	top := func() {
		room := w - 2
		head := ""
		if title != "" && room >= 4 {
			head = title
			if Width(head) > room-3 {
				head = Fit(head, room-3)
			}
		}
		b.WriteString(frame.Ink("╭"))
		if head != "" {
			b.WriteString(frame.Ink(before))
			b.WriteString(p.Title.Ink(head))
			b.WriteByte(' ')
			room -= Width(head) + 2
		}
		b.WriteString(frame.Ink(strings.Repeat("─", room) + "╮"))
	}
	top()
	out = append(out, b.String())
	side := frame.Ink("│")
	for i := range h - 2 {
		text := ""
		if i < len(lines) {
			text = lines[i]
		}
		// A card too narrow for margins shows its text without.
		if w < 8 {
			out = append(out, side+Fit(text, w-2)+side)
			continue
		}
		out = append(out, side+" "+Fit(text, w-4)+" "+side)
	}
	return append(out, frame.Ink("╰"+strings.Repeat("─", w-2)+"╯"))
}

// CardInner returns the width of the text in a card of w cells.
func CardInner(w int) int {
	if w < 8 {
		return max(0, w-2)
	}
	return w - 4
}

func blank(w, h int) []string {
	out := make([]string, h)
	for i := range out {
		out[i] = Spaces(w)
	}
	return out
}

// Exact cuts and pads lines to a block of exactly h lines, each w cells wide.
func Exact(lines []string, w, h int) []string {
	out := make([]string, max(0, h))
	for i := range out {
		if i < len(lines) {
			out[i] = Fit(lines[i], w)
		} else {
			out[i] = Spaces(w)
		}
	}
	return out
}
