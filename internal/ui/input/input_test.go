package input

import (
	"testing"
	"unicode"

	tea "charm.land/bubbletea/v2"
)

func TestLine(t *testing.T) {
	l := New(8, unicode.IsDigit)
	press := func(msgs ...tea.Msg) (changed bool) {
		for _, m := range msgs {
			changed = l.Update(m)
		}
		return changed
	}
	text := func(s string) tea.KeyPressMsg { return tea.KeyPressMsg{Code: []rune(s)[0], Text: s} }
	if !press(text("4"), text("2")) || l.String() != "42▏" {
		t.Errorf("typed %q", l.String())
	}
	if press(text("x")) || press(tea.KeyPressMsg{Code: tea.KeyLeft}) || l.String() != "4▏2" {
		t.Errorf("a letter, and to the left: %q", l.String())
	}
	if !press(tea.PasteMsg{Content: " 17\n18 "}) || l.String() != "41718▏2" {
		t.Errorf("pasted %q", l.String())
	}
	press(tea.PasteMsg{Content: "999999"})
	if l.Value() != "41718992" {
		t.Errorf("beyond the limit: %q", l.Value())
	}
	if !press(tea.KeyPressMsg{Code: tea.KeyBackspace}) || l.Value() != "4171892" {
		t.Errorf("one less: %q", l.Value())
	}
	l.SetValue("7")
	if press(tea.KeyPressMsg{Code: 'u', Mod: tea.ModCtrl}); l.Value() != "" {
		t.Errorf("Ctrl-U leaves %q", l.Value())
	}
	// Ctrl-V would start a program.
	if press(tea.KeyPressMsg{Code: 'v', Mod: tea.ModCtrl}) || l.Value() != "" {
		t.Errorf("Ctrl-V: %q", l.Value())
	}
}
