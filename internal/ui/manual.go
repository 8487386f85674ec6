package ui

import (
	"charm.land/bubbles/v2/key"

	"github.com/eptop/eptop/internal/ui/view"
)

// Manual is what the dashboard's own help says, for the man page.
type Manual struct {
	// Keys are those that mean the same everywhere, then those of each view.
	Keys []Section
	// Columns are those of each table.
	Columns []Section
}

// Section is a part of a manual.
type Section struct {
	Title   string
	Entries []Entry
}

// Entry is one key or one column with its description.
type Entry struct{ Name, Text string }

// NewManual collects the keys and columns of all views.
func NewManual() Manual {
	keys := view.NewKeyMap()
	out := Manual{Keys: []Section{{"Everywhere", bindings(keys.Everywhere())}}}
	for _, t := range tabs() {
		v := t.make(keys)
		views := &out.Keys[0].Entries
		if t.key != "" {
			*views = append(*views, Entry{t.key, "the view " + t.title})
		}
		out.Keys = append(out.Keys, Section{"In " + t.title, bindings(v.Keys())})
		if l, ok := v.(view.ColumnLister); ok {
			for _, c := range l.Columns() {
				s := Section{Title: c.Title}
				for _, column := range c.Columns {
					s.Entries = append(s.Entries, Entry{column.Title, column.Explain})
				}
				out.Columns = append(out.Columns, s)
			}
		}
	}
	return out
}

func bindings(keys []key.Binding) (out []Entry) {
	for _, b := range keys {
		out = append(out, Entry{b.Help().Key, b.Help().Desc})
	}
	return out
}
