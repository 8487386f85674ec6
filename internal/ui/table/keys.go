package table

import "charm.land/bubbles/v2/key"

// Keys are the keys of a table.
type Keys struct {
	Up, Down, Left, Right         key.Binding
	PageUp, PageDown, Top, Bottom key.Binding
	Enter, Filter, Sort           key.Binding
	ColumnPrev, ColumnNext        key.Binding
	Reverse, Follow, Back         key.Binding
}

// NewKeys returns the keys that the manual documents.
func NewKeys() Keys {
	bind := func(help, desc string, keys ...string) key.Binding {
		return key.NewBinding(key.WithKeys(keys...), key.WithHelp(help, desc))
	}
	return Keys{
		Up:         bind("↑ k", "up", "up", "k"),
		Down:       bind("↓ j", "down", "down", "j"),
		Left:       bind("← h", "left", "left", "h"),
		Right:      bind("→ l", "right", "right", "l"),
		PageUp:     bind("PgUp", "a page up", "pgup", "ctrl+b"),
		PageDown:   bind("PgDn", "a page down", "pgdown", "ctrl+f"),
		Top:        bind("g", "first row", "g", "home"),
		Bottom:     bind("G", "last row", "G", "end"),
		Enter:      bind("Enter", "open", "enter"),
		Filter:     bind("/", "filter (! leaves out)", "/"),
		Sort:       bind("s", "sort by…", "s"),
		ColumnPrev: bind("<", "sort by column before", "<"),
		ColumnNext: bind(">", "sort by column after", ">"),
		Reverse:    bind("R", "reverse the order", "R"),
		Follow:     bind("F", "follow the row", "F"),
		Back:       bind("Esc", "back", "esc"),
	}
}

// Help lists the keys, the most important first.
func (k Keys) Help() []key.Binding {
	return []key.Binding{
		k.Enter, k.Filter, k.Sort, k.ColumnPrev, k.ColumnNext, k.Reverse, k.Follow,
		k.Up, k.Down, k.Left, k.Right, k.PageUp, k.PageDown, k.Top, k.Bottom,
	}
}
