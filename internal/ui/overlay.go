package ui

import (
	"slices"
	"strconv"
	"strings"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"github.com/eptop/eptop/internal/ui/draw"
	"github.com/eptop/eptop/internal/ui/input"
	"github.com/eptop/eptop/internal/ui/view"
)

// prompt asks for a PID in the status line.
type prompt struct{ line input.Line }

func newPrompt() *prompt { return &prompt{input.New(20, nil)} }

func (q *prompt) Pressed(msg tea.KeyPressMsg, k view.KeyMap) (view.Modal, tea.Cmd, bool) {
	switch {
	case key.Matches(msg, k.Back):
		return nil, nil, true
	case key.Matches(msg, k.Enter):
		pid, err := strconv.Atoi(strings.TrimSpace(q.line.Value()))
		if err != nil || pid <= 0 || pid > 1<<22 {
			return nil, view.Send(view.StatusMsg{Text: strconv.Quote(q.line.Value()) + " is no PID: a number from 1 to 4194304", Bad: true}), true
		}
		return nil, view.Send(view.OpenProcessMsg{PID: pid}), true
	default:
		q.line.Update(msg)
	}
	return q, nil, true
}

// globalKeys returns the global keys, without those that the view on screen overrides.
func (m *Model) globalKeys() []key.Binding {
	var out []key.Binding
	for _, b := range m.keys.Everywhere() {
		if !slices.ContainsFunc(b.Keys(), func(k string) bool { return m.overridesKey(tea.KeyPressMsg{Text: k, Code: []rune(k)[0]}) }) {
			out = append(out, b)
		}
	}
	return out
}

// help writes all keys, those of the view and the global ones, and what the mouse does.
func (m *Model) help(p *draw.Pens, w int) []string {
	columns := max(1, min(2, (w+2)/30))
	each := (w - 2*(columns-1)) / columns
	var out []string
	section := func(title string, keys []key.Binding) {
		if len(out) > 0 {
			out = append(out, "")
		}
		out = append(out, p.Title.Ink(title))
		rows := (len(keys) + columns - 1) / columns
		for r := range rows {
			line := ""
			for c := range columns {
				if i := c*rows + r; i < len(keys) {
					if c > 0 {
						line += "  "
					}
					h := keys[i].Help()
					line += p.Key.Ink(draw.Fit(h.Key, 9)) + " " + draw.Fit(h.Desc, max(1, each-10))
				}
			}
			out = append(out, line)
		}
	}
	section("In "+m.current().Title(), m.current().Keys())
	var views []key.Binding
	for i, t := range m.tabs {
		if !m.hasTab(i) || t.key == "" {
			continue
		}
		views = append(views, key.NewBinding(key.WithKeys(t.key), key.WithHelp(t.key, t.title)))
	}
	section("Views", views)
	section("Everywhere", m.globalKeys())
	out = append(out, "", p.Title.Ink("Mouse"))
	for _, l := range draw.Wrap("Click a tab, a row, a column's head (again: turns the order round); a second click on a row opens it; the wheel scrolls.", w) {
		out = append(out, p.Text.Ink(l))
	}
	return append(out, "", p.Muted.Ink(draw.Fit("eptop "+m.opts.Version+" looks and touches nothing: no process is stopped or changed.", w)))
}
