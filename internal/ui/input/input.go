// Package input is a line of text that a person types: a filter, a PID, a number.
package input

import (
	"strings"

	"charm.land/bubbles/v2/key"
	"charm.land/bubbles/v2/textinput"
	tea "charm.land/bubbletea/v2"
)

// Line is the text and the place in it where one types. The keys are those of
// bubbles' textinput; it is drawn by whoever has it, within a line of its own.
type Line struct {
	text   textinput.Model
	accept func(rune) bool
}

// New returns an empty line of at most limit characters, 0 for no limit. Characters
// that accept refuses are dropped; nil takes all.
func New(limit int, accept func(rune) bool) Line {
	t := textinput.New()
	t.CharLimit = limit
	t.SetVirtualCursor(false)
	// The terminal pastes. The key would start a program that reads the clipboard.
	t.KeyMap.Paste = key.NewBinding()
	t.Focus()
	return Line{text: t, accept: accept}
}

// Update takes a key or what was pasted, and reports whether the text is another now.
func (l *Line) Update(msg tea.Msg) (changed bool) {
	switch m := msg.(type) {
	case tea.KeyPressMsg:
		m.Text = l.accepted(m.Text)
		msg = m
	case tea.PasteMsg:
		m.Content = l.accepted(m.Content)
		msg = m
	}
	before := l.text.Value()
	l.text, _ = l.text.Update(msg) // its commands blink a cursor, which this has none of
	return l.text.Value() != before
}

func (l *Line) accepted(text string) string {
	if l.accept == nil {
		return text
	}
	return strings.Map(func(r rune) rune {
		if l.accept(r) {
			return r
		}
		return -1
	}, text)
}

// Value is the text.
func (l *Line) Value() string { return l.text.Value() }

// SetValue puts a text in place of what was typed, and the cursor behind it.
func (l *Line) SetValue(text string) {
	l.text.SetValue(text)
	l.text.CursorEnd()
}

// Cursor stands where one types.
const Cursor = "▏"

// String is the text with the Cursor in it.
func (l *Line) String() string {
	r := []rune(l.text.Value())
	at := min(l.text.Position(), len(r))
	return string(r[:at]) + Cursor + string(r[at:])
}
