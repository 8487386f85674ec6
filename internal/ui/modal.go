package ui

import (
	"strconv"
	"strings"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/eptop/eptop/internal/ui/cell"
	"github.com/eptop/eptop/internal/ui/draw"
)

// modal lies over the view and gets every key first.
type modal interface {
	// pressed returns what lies over the view after the key, nil for nothing,
	// and whether the key meant something to it.
	pressed(tea.KeyPressMsg, keyMap) (next modal, cmd tea.Cmd, handled bool)
}

// boxed is a modal that is drawn as a box over the view.
type boxed interface{ box() *overlay }

// overlay is a box of text over the view.
type overlay struct {
	title string
	// lines writes the text for an inner width.
	lines func(p *draw.Pens, w int) []string
	// top is the first line in sight; least is how many there are beyond the
	// box, known once it was drawn.
	top, beyond int
	// way is what the title says of how to leave.
	way string
}

func newOverlay(title string, lines func(*draw.Pens, int) []string) *overlay {
	return &overlay{title: title, lines: lines, way: "Esc closes"}
}

func (o *overlay) box() *overlay { return o }

// paragraphs writes a text as wrapped lines.
func paragraphs(text string) func(*draw.Pens, int) []string {
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

func (o *overlay) pressed(msg tea.KeyPressMsg, k keyMap) (modal, tea.Cmd, bool) {
	switch {
	case key.Matches(msg, k.Up):
		o.scroll(-1)
	case key.Matches(msg, k.Down):
		o.scroll(1)
	case key.Matches(msg, k.PageUp):
		o.scroll(-10)
	case key.Matches(msg, k.PageDown, k.Freeze):
		o.scroll(10)
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

func (o *overlay) scroll(by int) { o.top = max(0, min(o.beyond, o.top+by)) }

// over draws the box over the lines of a view of w cells.
func (o *overlay) over(p *draw.Pens, lines []string, w int) []string {
	const most = 92
	h := len(lines)
	boxW := min(w, max(24, min(most, w-6)))
	text := o.lines(p, draw.CardInner(boxW))
	boxH := min(h, len(text)+2)
	room := max(0, boxH-2)
	o.beyond = max(0, len(text)-room)
	o.scroll(0)
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

// question is a box with a question to be answered with yes or no.
type question struct {
	*overlay
	yes tea.Cmd
}

func newQuestion(title, text string, yes tea.Cmd) *question {
	q := &question{newOverlay(title, paragraphs(text)), yes}
	q.way = "y or Enter: yes · Esc: no"
	return q
}

func (q *question) pressed(msg tea.KeyPressMsg, k keyMap) (modal, tea.Cmd, bool) {
	switch {
	case key.Matches(msg, k.Enter), msg.String() == "y":
		return nil, q.yes, true
	case key.Matches(msg, k.Back), msg.String() == "n":
		return nil, nil, true
	case key.Matches(msg, k.Up):
		q.scroll(-1)
	case key.Matches(msg, k.Down):
		q.scroll(1)
	}
	return q, nil, true
}
