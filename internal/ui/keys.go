package ui

import "charm.land/bubbles/v2/key"

// keyMap is every key of the program. The help overlay, the hints of the
// status line and the tests are built from it.
type keyMap struct {
	// Global keys, handled by the root.
	Quit, Help, Next, Prev, Back    key.Binding
	Freeze, Faster, Slower, Refresh key.Binding
	Attach, Explain, Write, Mark    key.Binding
	Suspend                         key.Binding
	// Moving, handled by views and tables.
	Up, Down, Left, Right         key.Binding
	PageUp, PageDown, Top, Bottom key.Binding
	// Tables.
	Enter, Filter, Sort    key.Binding
	ColumnPrev, ColumnNext key.Binding
	Reverse, Follow        key.Binding
}

// newKeyMap returns the keys as they are documented.
func newKeyMap() keyMap {
	bind := func(help, desc string, keys ...string) key.Binding {
		return key.NewBinding(key.WithKeys(keys...), key.WithHelp(help, desc))
	}
	return keyMap{
		Quit:       bind("q", "quit", "q", "ctrl+c"),
		Help:       bind("?", "help", "?"),
		Next:       bind("Tab", "next view", "tab"),
		Prev:       bind("⇧Tab", "previous view", "shift+tab"),
		Back:       bind("Esc", "back", "esc"),
		Freeze:     bind("Space", "freeze", "space"),
		Faster:     bind("-", "shorter interval", "-"),
		Slower:     bind("+", "longer interval", "+", "="),
		Refresh:    bind("r", "look again now", "r"),
		Attach:     bind("p", "attach to a PID", "p"),
		Explain:    bind("e", "explain", "e"),
		Write:      bind("w", "write snapshot", "w"),
		Mark:       bind("m", "mark", "m"),
		Suspend:    bind("^Z", "suspend", "ctrl+z"),
		Up:         bind("↑/k", "up", "up", "k"),
		Down:       bind("↓/j", "down", "down", "j"),
		Left:       bind("←/h", "left", "left", "h"),
		Right:      bind("→/l", "right", "right", "l"),
		PageUp:     bind("PgUp", "page up", "pgup", "ctrl+b"),
		PageDown:   bind("PgDn", "page down", "pgdown", "ctrl+f"),
		Top:        bind("g", "first row", "g", "home"),
		Bottom:     bind("G", "last row", "G", "end"),
		Enter:      bind("Enter", "open", "enter"),
		Filter:     bind("/", "filter", "/"),
		Sort:       bind("s", "sort by column", "s"),
		ColumnPrev: bind("<", "column to the left", "<"),
		ColumnNext: bind(">", "column to the right", ">"),
		Reverse:    bind("R", "reverse order", "R"),
		Follow:     bind("F", "follow the row", "F"),
	}
}
