package view

import (
	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"github.com/eptop/eptop/internal/ui/draw"
	"github.com/eptop/eptop/internal/ui/table"
)

// Deck is a group of cards with one table below them, and one cursor that moves over
// both. A value of type C identifies a card.
type Deck[C comparable] struct {
	Keys  KeyMap
	Table *table.Model
	// Gap is the number of lines between the cards and the table.
	Gap int

	// Lay computes the fields below from the cards and the size.
	cards  []C
	Boxes  []draw.Box
	Places []draw.Place
	Texts  [][]string
	Height int // of all cards together, in lines

	// OnCard: the cursor is on the card Here; otherwise it is in the table.
	OnCard bool
	Here   C
}

// Add puts one more card on the deck.
func (d *Deck[C]) Add(c C, b draw.Box) {
	d.cards = append(d.cards, c)
	d.Boxes = append(d.Boxes, b)
}

// Clear takes all cards off the deck.
func (d *Deck[C]) Clear() { d.cards, d.Boxes = d.cards[:0], d.Boxes[:0] }

// Lay places the cards in columns of these widths, in at most most lines.
func (d *Deck[C]) Lay(widths []int, most int) {
	d.Places, d.Texts, d.Height = draw.Flow(widths, most, d.Boxes)
}

// Focus shows the cursor where it is. It leaves a card that was dropped for the table.
func (d *Deck[C]) Focus() {
	if d.OnCard && d.index() < 0 {
		d.OnCard = false
	}
	d.Table.SetFocused(!d.OnCard)
}

// index returns the index of the card under the cursor, or -1.
func (d *Deck[C]) index() int {
	if d.OnCard {
		for i, c := range d.cards {
			if c == d.Here && i < len(d.Places) && d.Places[i].H > 0 {
				return i
			}
		}
	}
	return -1
}

// Update handles a message. In mouse messages 0,0 is the first cell of the deck.
func (d *Deck[C]) Update(msg tea.Msg) table.Event {
	switch msg := msg.(type) {
	case tea.KeyPressMsg:
		if !d.Table.Capturing() && d.handleMoveKey(msg) {
			d.Focus()
			return table.Handled
		}
	case tea.MouseClickMsg:
		if msg.Y < d.Height {
			if i := draw.At(d.Places, msg.X, msg.Y); i >= 0 && msg.Button == tea.MouseLeft {
				d.OnCard, d.Here = true, d.cards[i]
				d.Focus()
			}
			return table.Handled
		}
		// Focus goes to the table after it has seen the click: the first click
		// on a row must not open it.
		msg.Y -= d.Height + d.Gap
		return d.toTable(msg)
	}
	return d.toTable(msg)
}

func (d *Deck[C]) toTable(msg tea.Msg) table.Event {
	event := d.Table.Update(msg)
	if event == table.Handled {
		switch msg.(type) {
		case tea.KeyPressMsg, tea.MouseClickMsg, tea.MouseWheelMsg:
			d.OnCard = false
			d.Focus()
		}
	}
	return event
}

// handleMoveKey handles the keys that move between the cards and into and out of the
// table, and reports whether the key was one of them.
func (d *Deck[C]) handleMoveKey(msg tea.KeyPressMsg) bool {
	dx, dy := 0, 0
	switch k := d.Keys; {
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
	if !d.OnCard {
		return dy < 0 && d.leaveTable(msg)
	}
	i := d.index()
	if i < 0 {
		d.OnCard = false
		return true
	}
	next := draw.Step(d.Places, i, dx, dy)
	if next == i && dy > 0 {
		d.OnCard = false
		return true
	}
	d.Here = d.cards[next]
	return true
}

// leaveTable moves up in the table. From the first row the cursor goes to the lowest card
// on the left, if there is one.
func (d *Deck[C]) leaveTable(msg tea.KeyPressMsg) bool {
	before, ok := d.Table.Row()
	d.Table.Update(msg)
	if after, _ := d.Table.Row(); ok && after != before {
		return true
	}
	best := -1
	for i, p := range d.Places {
		if p.H > 0 && p.X == 0 && (best < 0 || p.Y > d.Places[best].Y) {
			best = i
		}
	}
	if best < 0 {
		return false
	}
	d.OnCard, d.Here = true, d.cards[best]
	return true
}

// Back steps from a card into the table, or closes what the table has open.
func (d *Deck[C]) Back() bool {
	if d.OnCard {
		d.OnCard = false
		d.Focus()
		return true
	}
	return d.Table.Back()
}

// Draw draws the cards in lines of w cells.
func (d *Deck[C]) Draw(p *draw.Pens, w int) []string {
	return p.Render(w, d.Height, d.index(), d.Boxes, d.Places, d.Texts)
}
