package view

import (
	"strconv"
	"strings"

	"charm.land/bubbles/v2/key"
	"charm.land/bubbles/v2/viewport"
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
	// port shows the visible part of the text, which it has once the box was drawn.
	port viewport.Model
	// way is the part of the title that says how to close the box.
	way string
}

// NewOverlay returns a box whose text lines writes for an inner width.
func NewOverlay(title string, lines func(*draw.Pens, int) []string) *Overlay {
	return &Overlay{title: title, lines: lines, port: viewport.New(), way: "Esc closes"}
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
		o.port.ScrollUp(1)
	case key.Matches(msg, k.Down):
		o.port.ScrollDown(1)
	case key.Matches(msg, k.PageUp):
		o.port.PageUp()
	case key.Matches(msg, k.PageDown, k.Freeze):
		o.port.PageDown()
	case key.Matches(msg, k.Top):
		o.port.GotoTop()
	case key.Matches(msg, k.Bottom):
		o.port.GotoBottom()
	case key.Matches(msg, k.Back, k.Help, k.Explain, k.Enter):
		return nil, nil, true
	default:
		return o, nil, false
	}
	return o, nil, true
}

// Scroll moves the text by a number of lines, and not past its ends.
func (o *Overlay) Scroll(by int) { o.port.SetYOffset(o.port.YOffset() + by) }

// Over draws the box over the lines of a view of w cells.
func (o *Overlay) Over(p *draw.Pens, lines []string, w int) []string {
	const most = 92
	h := len(lines)
	boxW := min(w, max(24, min(most, w-6)))
	text := o.lines(p, draw.CardInner(boxW))
	boxH := min(h, len(text)+2)
	room := max(0, boxH-2)
	o.port.SetWidth(draw.CardInner(boxW))
	o.port.SetHeight(room)
	o.port.SetContentLines(text)
	title := o.title + " · " + o.way
	if top := o.port.YOffset(); len(text) > room {
		title = o.title + " · " + strconv.Itoa(top+1) + "–" + strconv.Itoa(top+room) + " of " + strconv.Itoa(len(text)) + ", ↓ more · " + o.way
	}
	box := p.Card(cell.Clean(title), boxW, boxH, true, strings.Split(o.port.View(), "\n"))
	x, y := (w-boxW)/2, (h-boxH)/2
	out := append([]string(nil), lines...)
	for i, b := range box {
		under := draw.Fit(out[y+i], w)
		out[y+i] = draw.Fit(ansi.Cut(under, 0, x), x) + "\x1b[m" + b + "\x1b[m" + rightOf(under, x+boxW, w)
	}
	return out
}

// rightOf returns the cells of a line from x to w. A wide character that begins before x
// leaves a blank.
func rightOf(line string, x, w int) string {
	rest := ansi.Cut(line, x, w)
	for from := x + 1; draw.Width(rest) > w-x && from <= w; from++ {
		rest = ansi.Cut(line, from, w)
	}
	return draw.FitRight(rest, w-x)
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
