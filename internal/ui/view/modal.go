package view

import (
	"strconv"
	"strings"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/eptop/eptop/internal/ui/cell"
	"github.com/eptop/eptop/internal/ui/draw"
)

// Modal is something that lies over the view and receives every key before it.
type Modal interface {
	// Pressed handles a key. It returns what lies over the view from then on, nil for
	// nothing, and whether the key had a meaning here.
	Pressed(tea.KeyPressMsg, KeyMap) (next Modal, cmd tea.Cmd, handled bool)
}

// Boxed is implemented by a Modal that is drawn as a box over the view.
type Boxed interface{ Box() *Overlay }

// Overlay is a box of text over the view.
type Overlay struct {
	title string
	// lines writes the text for an inner width.
	lines func(p *draw.Pens, w int) []string
	// top is the first visible line. beyond is how many lines do not fit into the box,
	// which is known once it was drawn.
	top, beyond int
	// way is the part of the title that says how to close the box.
	way string
}

// NewOverlay returns a box whose text lines writes for an inner width.
func NewOverlay(title string, lines func(*draw.Pens, int) []string) *Overlay {
	return &Overlay{title: title, lines: lines, way: "Esc closes"}
}

// Box returns the box itself, as Boxed demands.
func (o *Overlay) Box() *Overlay { return o }

// Paragraphs returns a function that wraps a text into lines, for NewOverlay.
func Paragraphs(text string) func(*draw.Pens, int) []string {
	return func(p *draw.Pens, w int) []string {
		var out []string
		for line := range strings.SplitSeq(text, "\n") {
			for _, l := range draw.Wrap(cell.Clean(line), w) {
				out = append(out, p.Text.Ink(l))
			}
		}
		return out
	}
}

// Pressed scrolls the text, or closes the box.
func (o *Overlay) Pressed(msg tea.KeyPressMsg, k KeyMap) (Modal, tea.Cmd, bool) {
	switch {
	case key.Matches(msg, k.Up):
		o.Scroll(-1)
	case key.Matches(msg, k.Down):
		o.Scroll(1)
	case key.Matches(msg, k.PageUp):
		o.Scroll(-10)
	case key.Matches(msg, k.PageDown, k.Freeze):
		o.Scroll(10)
	case key.Matches(msg, k.Top):
		o.top = 0
	case key.Matches(msg, k.Bottom):
		o.top = o.beyond
	case key.Matches(msg, k.Back, k.Help, k.Explain, k.Enter):
		return nil, nil, true
	default:
		return o, nil, false
	}
	return o, nil, true
}

// Scroll moves the text by a number of lines, and not past its ends.
func (o *Overlay) Scroll(by int) { o.top = max(0, min(o.beyond, o.top+by)) }

// Over draws the box over the lines of a view of w cells.
func (o *Overlay) Over(p *draw.Pens, lines []string, w int) []string {
	const most = 92
	h := len(lines)
	boxW := min(w, max(24, min(most, w-6)))
	text := o.lines(p, draw.CardInner(boxW))
	boxH := min(h, len(text)+2)
	room := max(0, boxH-2)
	o.beyond = max(0, len(text)-room)
	o.Scroll(0)
	title := o.title + " · " + o.way
	if o.beyond > 0 {
		title = o.title + " · " + strconv.Itoa(o.top+1) + "–" + strconv.Itoa(o.top+room) + " of " + strconv.Itoa(len(text)) + ", ↓ more · " + o.way
	}
	box := p.Card(cell.Clean(title), boxW, boxH, true, text[o.top:min(len(text), o.top+room)])
	x, y := (w-boxW)/2, (h-boxH)/2
	out := append([]string(nil), lines...)
	for i, b := range box {
		under := draw.Fit(out[y+i], w)
		out[y+i] = ansi.Cut(under, 0, x) + "\x1b[m" + b + "\x1b[m" + ansi.Cut(under, x+boxW, w)
	}
	return out
}

// Question is a box with a question that is answered with yes or no.
type Question struct {
	*Overlay
	yes tea.Cmd
}

// NewQuestion returns a question. The command yes is run if the answer is yes.
func NewQuestion(title, text string, yes tea.Cmd) *Question {
	q := &Question{NewOverlay(title, Paragraphs(text)), yes}
	q.way = "y or Enter: yes · Esc: no"
	return q
}

// Pressed answers the question, or scrolls its text.
func (q *Question) Pressed(msg tea.KeyPressMsg, k KeyMap) (Modal, tea.Cmd, bool) {
	switch {
	case key.Matches(msg, k.Enter), msg.String() == "y":
		return nil, q.yes, true
	case key.Matches(msg, k.Back), msg.String() == "n":
		return nil, nil, true
	case key.Matches(msg, k.Up):
		q.Scroll(-1)
	case key.Matches(msg, k.Down):
		q.Scroll(1)
	}
	return q, nil, true
}
