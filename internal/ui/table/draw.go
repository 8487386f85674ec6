package table

import (
	"charm.land/lipgloss/v2"

	"github.com/eptop/eptop/internal/ui/cell"
	"github.com/eptop/eptop/internal/ui/theme"
	"github.com/eptop/eptop/internal/units"
)

// The states of a row.
const (
	ordinary = iota
	passive  // under the cursor of a table without focus
	selected // under the cursor
	states
)

// headPens draw the header.
type headPens struct{ plain, sorted, chosen, hint, key theme.Pen }

// SetTheme sets the styles that the table is drawn with.
func (m *Model) SetTheme(t theme.Theme) {
	byRole := [roles]lipgloss.Style{
		Plain: t.Text, Muted: t.Muted, Strong: t.Strong, Accent: t.Title, Good: t.Good, Warn: t.Warn, Crit: t.Crit,
	}
	for role, style := range byRole {
		m.pens[ordinary][role] = theme.NewPen(style)
		m.pens[passive][role] = theme.NewPen(t.Passive.Inherit(style))
		m.pens[selected][role] = theme.NewPen(t.Selected.Inherit(style))
	}
	m.heads = headPens{
		plain: theme.NewPen(t.Header), sorted: theme.NewPen(t.Sorted),
		chosen: theme.NewPen(t.Selected), hint: theme.NewPen(t.Title), key: theme.NewPen(t.Key),
	}
}

// View draws exactly as many lines and cells as SetSize gave.
func (m *Model) View() string {
	if m.h == 0 {
		return ""
	}
	b := m.drawHeader(m.buf[:0])
	rows := m.rows()
	for line := range rows {
		b = append(b, '\n')
		place := m.top + line
		switch {
		case place < m.Len():
			b = m.drawRow(b, place)
		case m.Len() == 0 && line == min(1, rows-1):
			b = m.drawEmpty(b)
		default:
			b = cell.Spaces(b, m.w)
		}
	}
	if m.filterLine() {
		b = append(b, '\n')
		b = m.drawFilter(b)
	}
	m.buf = b
	return string(b)
}

func (m *Model) drawHeader(b []byte) []byte {
	x := 0
	for _, s := range m.slots {
		b = cell.Spaces(b, s.x-x)
		c := m.columns[s.column]
		pen, title := m.heads.plain, c.Title
		if s.column == m.want.column {
			pen = m.heads.sorted
			title += arrow(m.want.down)
		}
		if m.heading && s.column == m.head {
			pen = m.heads.chosen
		}
		b = append(b, pen.On()...)
		w := s.w
		// The hint stands in the last cell of the header.
		if s.x+s.w == m.w && m.hidden > m.skip {
			w--
		}
		b = cell.Append(b, title, w, c.Align)
		b = append(b, pen.Off()...)
		x = s.x + w
	}
	if m.hidden > m.skip && x < m.w {
		b = cell.Spaces(b, m.w-x-1)
		return m.heads.hint.Append(b, "›")
	}
	return cell.Spaces(b, m.w-x)
}

func arrow(down bool) string {
	if down {
		return "▼"
	}
	return "▲"
}

func (m *Model) drawRow(b []byte, place int) []byte {
	clear(m.cells)
	m.src.Row(m.rowAt(place), m.cells)
	state, mark := ordinary, " "
	if place == m.cursor {
		state, mark = passive, "·"
		if m.focused {
			state, mark = selected, "▸"
		}
	}
	pens := &m.pens[state]
	last := pens[Plain]
	b = append(b, last.On()...)
	if m.w > 0 {
		b = append(b, mark...)
	}
	x := gutter
	for _, s := range m.slots {
		b = cell.Spaces(b, s.x-x)
		c := &m.cells[s.column]
		if pen := pens[c.Role]; pen != last {
			b = append(b, last.Off()...)
			b = append(b, pen.On()...)
			last = pen
		}
		b = cell.Append(b, c.Text, s.w, m.columns[s.column].Align)
		x = s.x + s.w
	}
	b = cell.Spaces(b, m.w-x)
	return append(b, last.Off()...)
}

func (m *Model) drawEmpty(b []byte) []byte {
	text := m.empty
	if m.want.filter != "" {
		text = "no row has what the filter asks for"
	}
	pen := m.pens[ordinary][Muted]
	b = append(b, pen.On()...)
	b = cell.Append(b, " "+text, m.w, cell.Left)
	return append(b, pen.Off()...)
}

// drawFilter draws the line below the rows: the filter, and how many rows pass it.
func (m *Model) drawFilter(b []byte) []byte {
	left := units.Count(int64(m.Len())) + " of " + units.Count(int64(m.src.Len())) + " rows"
	if m.job != nil {
		left = "searching…"
	}
	text := "/" + m.want.filter
	if m.typing {
		text = "/" + m.line.String()
	}
	rest := max(0, m.w-cell.Width(left)-1)
	if rest < 8 {
		rest, left = m.w, ""
	}
	b = append(b, m.heads.key.On()...)
	b = cell.Append(b, text, rest, cell.Left)
	b = append(b, m.heads.key.Off()...)
	pen := m.pens[ordinary][Muted]
	b = append(b, pen.On()...)
	b = cell.Append(b, left, m.w-rest, cell.Right)
	return append(b, pen.Off()...)
}
