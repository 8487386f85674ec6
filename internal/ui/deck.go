package ui

import (
	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"github.com/eptop/eptop/internal/ui/draw"
	"github.com/eptop/eptop/internal/ui/table"
)

// deck is cards with one table below them and one cursor over both. The cards
// are told apart by a value of type C.
type deck[C comparable] struct {
	keys  keyMap
	table *table.Model
	// gap is how many lines stand between the cards and the table.
	gap int

	// What lay made of the cards and the size.
	cards  []C
	boxes  []draw.Box
	places []draw.Place
	texts  [][]string
	height int // of the cards

	// onCard: the cursor is on the card here, else in the table.
	onCard bool
	here   C
}

// add puts one more card on the deck.
func (d *deck[C]) add(c C, b draw.Box) {
	d.cards = append(d.cards, c)
	d.boxes = append(d.boxes, b)
}

// clear takes all cards off the deck.
func (d *deck[C]) clear() { d.cards, d.boxes = d.cards[:0], d.boxes[:0] }

// lay places the cards into columns and at most so many lines.
func (d *deck[C]) lay(widths []int, most int) {
	d.places, d.texts, d.height = draw.Flow(widths, most, d.boxes)
}

// focus shows the cursor where it is; a card that was dropped cannot have it.
func (d *deck[C]) focus() {
	if d.onCard && d.index() < 0 {
		d.onCard = false
	}
	d.table.SetFocused(!d.onCard)
}

// index is the place of the card under the cursor, or -1.
func (d *deck[C]) index() int {
	if d.onCard {
		for i, c := range d.cards {
			if c == d.here && i < len(d.places) && d.places[i].H > 0 {
				return i
			}
		}
	}
	return -1
}

// Update handles a message whose mouse coordinates are those of the deck.
func (d *deck[C]) Update(msg tea.Msg) table.Event {
	switch msg := msg.(type) {
	case tea.KeyPressMsg:
		if !d.table.Capturing() && d.moved(msg) {
			d.focus()
			return table.Handled
		}
	case tea.MouseClickMsg:
		if msg.Y < d.height {
			if i := draw.At(d.places, msg.X, msg.Y); i >= 0 && msg.Button == tea.MouseLeft {
				d.onCard, d.here = true, d.cards[i]
				d.focus()
			}
			return table.Handled
		}
		// Focus goes to the table after it has seen the click: the first click
		// on a row must not open it.
		msg.Y -= d.height + d.gap
		return d.toTable(msg)
	}
	return d.toTable(msg)
}

func (d *deck[C]) toTable(msg tea.Msg) table.Event {
	event := d.table.Update(msg)
	if event == table.Handled {
		switch msg.(type) {
		case tea.KeyPressMsg, tea.MouseClickMsg, tea.MouseWheelMsg:
			d.onCard = false
			d.focus()
		}
	}
	return event
}

// moved handles the keys that move between the cards and into and out of the
// table, and reports whether the key was one of them.
func (d *deck[C]) moved(msg tea.KeyPressMsg) bool {
	dx, dy := 0, 0
	switch k := d.keys; {
	case key.Matches(msg, k.Left):
		dx = -1
	case key.Matches(msg, k.Right):
		dx = 1
	case key.Matches(msg, k.Up):
		dy = -1
	case key.Matches(msg, k.Down):
		dy = 1
	default:
		return false
	}
	if !d.onCard {
		return dy < 0 && d.leaveTable(msg)
	}
	i := d.index()
	if i < 0 {
		d.onCard = false
		return true
	}
	next := draw.Step(d.places, i, dx, dy)
	if next == i && dy > 0 {
		d.onCard = false
		return true
	}
	d.here = d.cards[next]
	return true
}

// leaveTable moves up in the table; on its first row already, the cursor goes
// to the lowest card on the left, if there is one.
func (d *deck[C]) leaveTable(msg tea.KeyPressMsg) bool {
	before, ok := d.table.Row()
	d.table.Update(msg)
	if after, _ := d.table.Row(); ok && after != before {
		return true
	}
	best := -1
	for i, p := range d.places {
		if p.H > 0 && p.X == 0 && (best < 0 || p.Y > d.places[best].Y) {
			best = i
		}
	}
	if best < 0 {
		return false
	}
	d.onCard, d.here = true, d.cards[best]
	return true
}

// Back steps from a card into the table, or closes what the table has open.
func (d *deck[C]) Back() bool {
	if d.onCard {
		d.onCard = false
		d.focus()
		return true
	}
	return d.table.Back()
}

// draw draws the cards in w cells.
func (d *deck[C]) draw(p *draw.Pens, w int) []string {
	return p.Render(w, d.height, d.index(), d.boxes, d.places, d.texts)
}
