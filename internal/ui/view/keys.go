package view

import (
	"charm.land/bubbles/v2/key"

	"github.com/eptop/eptop/internal/ui/table"
)

// KeyMap holds the keys that have the same meaning in every view. The help, the hints of
// the status line and the tests are built from it.
type KeyMap struct {
	table.Keys

	Quit, Suspend, Help, Explain    key.Binding
	Next, Prev                      key.Binding
	Freeze, Faster, Slower, Refresh key.Binding
	Attach, Write, Mark             key.Binding
}

// NewKeyMap returns the keys that the manual documents.
func NewKeyMap() KeyMap {
	bind := func(help, desc string, keys ...string) key.Binding {
		return key.NewBinding(key.WithKeys(keys...), key.WithHelp(help, desc))
	}
	return KeyMap{
		Keys:    table.NewKeys(),
		Quit:    bind("q", "quit; Ctrl-C at once", "q"),
		Suspend: bind("Ctrl-Z", "suspend; fg comes back", "ctrl+z"),
		Help:    bind("?", "help", "?"),
		Explain: bind("e", "explain", "e"),
		Next:    bind("Tab", "next view", "tab"),
		Prev:    bind("Shift-Tab", "view before", "shift+tab"),
		Freeze:  bind("Space", "freeze, go on", "space"),
		Faster:  bind("-", "look more often", "-"),
		Slower:  bind("+", "look less often", "+", "="),
		Refresh: bind("r", "look again now", "r"),
		Attach:  bind("p", "go to a PID", "p"),
		Write:   bind("w", "write to a file", "w"),
		Mark:    bind("m", "mark: compare with now", "m"),
	}
}

// Everywhere lists the keys that the root handles, for the help.
func (k KeyMap) Everywhere() []key.Binding {
	return []key.Binding{
		k.Next, k.Prev, k.Back, k.Attach, k.Freeze, k.Refresh, k.Slower, k.Faster,
		k.Explain, k.Mark, k.Write, k.Help, k.Suspend, k.Quit,
	}
}
