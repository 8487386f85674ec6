// Package theme names eptop's styles by role, for a dark and for a light background. Colour
// is never the only sign: what is red has a word or a mark that says the same.
package theme

import (
	"image/color"

	"charm.land/lipgloss/v2"
)

// Theme has every style that the screen uses.
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
	onHeat                color.Color // text before these
}

// palette has the colours, named by what they mean.
type palette struct {
	accent, muted, line, good, warn, crit color.Color
	chosen, other                         color.Color // behind a row
	// onRow is the text there: the terminal's own may be of the other brightness.
	onRow                 color.Color
	coldBG, warmBG, hotBG color.Color // behind a cell of a heat map; nil: colour the text
	onHeat                color.Color // text before these
}

// New builds the theme for a dark or a light background. Bubble Tea turns the
// colours into what the terminal can show; the backgrounds of rows are chosen so that 256
// colours have similar ones.
func New(dark bool) Theme {
	pick := lipgloss.LightDark(dark)
	col := func(light, onDark string) color.Color {
		return pick(lipgloss.Color(light), lipgloss.Color(onDark))
	}
	return build(dark, palette{
		accent: col("#0b6bcb", "#6cb6ff"),
		muted:  col("#66707b", "#8b949e"),
		line:   col("#b6bec8", "#444c56"),
		good:   col("#1a7f37", "#56d364"),
		warn:   col("#8a5a00", "#e3b341"),
		crit:   col("#c1121f", "#ff7b72"),
		onRow:  col("#1f2328", "#f0f6fc"),
		chosen: col("#cfe3fb", "#264f78"),
		other:  col("#e4e4e4", "#30363d"),
		coldBG: col("#d3f0da", "#12351f"),
		warmBG: col("#fbe9b7", "#4a3a0c"),
		hotBG:  col("#fbcfcb", "#6b1f1b"),
		onHeat: col("#1f2328", "#f0f3f6"),
	})
}

// Sixteen builds the theme for a terminal of 16 colours. The nearest of these to the
// colours of New are not good enough: a soft grey would become a dark blue.
func Sixteen(dark bool) Theme {
	pick := lipgloss.LightDark(dark)
	return build(dark, palette{
		accent: pick(lipgloss.Blue, lipgloss.BrightCyan),
		muted:  pick(lipgloss.BrightBlack, lipgloss.White),
		line:   pick(lipgloss.White, lipgloss.BrightBlack),
		good:   pick(lipgloss.Green, lipgloss.BrightGreen),
		warn:   pick(lipgloss.Magenta, lipgloss.BrightYellow),
		crit:   pick(lipgloss.Red, lipgloss.BrightRed),
		onRow:  pick(lipgloss.Black, lipgloss.BrightWhite),
		chosen: pick(lipgloss.BrightCyan, lipgloss.Blue),
		other:  pick(lipgloss.White, lipgloss.BrightBlack),
	})
}

func build(dark bool, p palette) Theme {
	fg := func(c color.Color) lipgloss.Style { return lipgloss.NewStyle().Foreground(c) }
	return Theme{
		Dark:     dark,
		Text:     lipgloss.NewStyle(),
		Muted:    fg(p.muted),
		Strong:   lipgloss.NewStyle().Bold(true),
		Title:    fg(p.accent).Bold(true),
		Brand:    fg(p.accent).Bold(true),
		Border:   fg(p.line),
		Header:   fg(p.muted).Bold(true),
		Sorted:   fg(p.accent).Bold(true).Underline(true),
		Selected: fg(p.onRow).Background(p.chosen).Bold(true),
		Passive:  fg(p.onRow).Background(p.other),
		Tab:      fg(p.muted),
		TabHere:  fg(p.accent).Bold(true).Underline(true),
		Key:      fg(p.accent).Bold(true),
		Good:     fg(p.good),
		Warn:     fg(p.warn),
		Crit:     fg(p.crit).Bold(true),
		Bar:      fg(p.accent),
		BarRest:  fg(p.line),
		Mark:     fg(p.warn),
		cold:     p.good,
		warm:     p.warn,
		hot:      p.crit,
		coldBG:   p.coldBG,
		warmBG:   p.warmBG,
		hotBG:    p.hotBG,
		onHeat:   p.onHeat,
	}
}

// Heat returns the style for a share from 0 (cold) to 1 (hot).
func (t Theme) Heat(share float64) lipgloss.Style {
	steps := lipgloss.Blend1D(11, t.cold, t.warm, t.hot)
	i := int(share*10 + 0.5)
	return lipgloss.NewStyle().Foreground(steps[max(0, min(10, i))])
}

// HeatCell returns the style of a cell of a heat map for a share from 0 (cold) to 1 (hot):
// the colour is the background, on which the text is readable whatever colour the terminal
// gives to text.
func (t Theme) HeatCell(share float64) lipgloss.Style {
	if t.coldBG == nil {
		third := min(2, int(share*3))
		return lipgloss.NewStyle().Foreground([]color.Color{t.cold, t.warm, t.hot}[third])
	}
	steps := lipgloss.Blend1D(11, t.coldBG, t.warmBG, t.hotBG)
	i := int(share*10 + 0.5)
	return lipgloss.NewStyle().Foreground(t.onHeat).Background(steps[max(0, min(10, i))])
}
