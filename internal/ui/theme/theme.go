// Package theme names eptop's styles by role, once for a dark and once for a
// light background. Colour is never the only sign: whatever is red also says
// so in words or with a mark.
package theme

import (
	"image/color"

	"charm.land/lipgloss/v2"
)

// Theme is every style the screen uses.
type Theme struct {
	Dark bool

	Text     lipgloss.Style // plain text
	Muted    lipgloss.Style // units, hints, ages
	Strong   lipgloss.Style // the number that matters
	Title    lipgloss.Style // a card's or table's title
	Brand    lipgloss.Style // the name in the first line
	Border   lipgloss.Style // a card's frame
	Header   lipgloss.Style // column heads
	Sorted   lipgloss.Style // the head of the sorted column
	Selected lipgloss.Style // the row under the cursor in the pane with focus
	Passive  lipgloss.Style // the row under the cursor in another pane
	Tab      lipgloss.Style
	TabHere  lipgloss.Style // the tab of the view on screen
	Key      lipgloss.Style // a key's name in help
	Good     lipgloss.Style
	Warn     lipgloss.Style
	Crit     lipgloss.Style
	Bar      lipgloss.Style // filled part of a bar
	BarRest  lipgloss.Style // its empty part
	Mark     lipgloss.Style // a mark on a bar (watermark, limit)

	cold, warm, hot       color.Color // of text
	coldBG, warmBG, hotBG color.Color // behind text
}

// New builds the theme for a dark or a light background. Bubble Tea turns the
// colours into what the terminal can show, down to none.
func New(dark bool) Theme {
	pick := lipgloss.LightDark(dark)
	col := func(light, onDark string) color.Color {
		return pick(lipgloss.Color(light), lipgloss.Color(onDark))
	}
	fg := func(c color.Color) lipgloss.Style { return lipgloss.NewStyle().Foreground(c) }
	var (
		accent = col("#0b6bcb", "#6cb6ff")
		muted  = col("#66707b", "#8b949e")
		line   = col("#b6bec8", "#444c56")
		good   = col("#1a7f37", "#56d364")
		warn   = col("#8a5a00", "#e3b341")
		crit   = col("#c1121f", "#ff7b72")
		chosen = col("#cfe3fb", "#1f3d63")
		other  = col("#e6eaef", "#2d333b")
	)
	return Theme{
		Dark:     dark,
		Text:     lipgloss.NewStyle(),
		Muted:    fg(muted),
		Strong:   lipgloss.NewStyle().Bold(true),
		Title:    fg(accent).Bold(true),
		Brand:    fg(accent).Bold(true),
		Border:   fg(line),
		Header:   fg(muted).Bold(true),
		Sorted:   fg(accent).Bold(true).Underline(true),
		Selected: lipgloss.NewStyle().Background(chosen).Bold(true),
		Passive:  lipgloss.NewStyle().Background(other),
		Tab:      fg(muted),
		TabHere:  fg(accent).Bold(true).Underline(true),
		Key:      fg(accent).Bold(true),
		Good:     fg(good),
		Warn:     fg(warn),
		Crit:     fg(crit).Bold(true),
		Bar:      fg(accent),
		BarRest:  fg(line),
		Mark:     fg(warn),
		cold:     good,
		warm:     warn,
		hot:      crit,
		coldBG:   col("#d3f0da", "#12351f"),
		warmBG:   col("#fbe9b7", "#4a3a0c"),
		hotBG:    col("#fbcfcb", "#6b1f1b"),
	}
}

// Heat is the style for a share of 0 (cold) to 1 (hot).
func (t Theme) Heat(share float64) lipgloss.Style {
	steps := lipgloss.Blend1D(11, t.cold, t.warm, t.hot)
	i := int(share*10 + 0.5)
	return lipgloss.NewStyle().Foreground(steps[max(0, min(10, i))])
}

// HeatCell is the style of a cell of a heat map for a share of 0 (cold) to 1
// (hot): the heat lies behind the text, which stays readable on all of it.
func (t Theme) HeatCell(share float64) lipgloss.Style {
	steps := lipgloss.Blend1D(11, t.coldBG, t.warmBG, t.hotBG)
	i := int(share*10 + 0.5)
	return lipgloss.NewStyle().Background(steps[max(0, min(10, i))])
}
