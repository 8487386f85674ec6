package theme

import "charm.land/lipgloss/v2"

// Mono returns the theme for a terminal without colours, or for NO_COLOR: reverse video and
// underlining replace the backgrounds.
func (t Theme) Mono() Theme {
	plain := lipgloss.NewStyle()
	bold := plain.Bold(true)
	t.Text, t.Muted, t.Strong, t.Border, t.Tab = plain, plain, bold, plain, plain
	t.Title, t.Brand, t.Header, t.Key = bold, bold, bold, bold
	t.Sorted = bold.Underline(true)
	t.Selected = plain.Reverse(true)
	t.Passive = plain.Underline(true)
	t.TabHere = plain.Reverse(true)
	t.Good, t.Warn, t.Crit = plain, bold, bold
	t.Bar, t.BarRest, t.Mark = plain, plain, bold
	t.cold, t.warm, t.hot = lipgloss.NoColor{}, lipgloss.NoColor{}, lipgloss.NoColor{}
	t.coldBG, t.warmBG, t.hotBG = nil, nil, nil
	return t
}
