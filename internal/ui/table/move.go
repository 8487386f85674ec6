package table

import (
	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"
)

// Event says what a message did to the table.
type Event uint8

// The events.
const (
	Ignored Event = iota // the message was not for the table
	Handled              // the table changed, or a background job went on
	Opened               // Enter, or a click on the row under the cursor
)

// Update handles a message. Mouse coordinates are local to the table.
func (m *Model) Update(msg tea.Msg) Event {
	switch msg := msg.(type) {
	case doneMsg:
		return m.done(msg)
	case tickMsg:
		if msg.table == m && msg.job == m.job {
			m.tick(msg.job)
			return Handled
		}
	case tea.KeyPressMsg:
		switch {
		case m.typing:
			return m.handleFilterKey(msg)
		case m.heading:
			return m.handleColumnKey(msg)
		}
		return m.pressed(msg)
	case tea.PasteMsg:
		if m.typing {
			m.line.Update(msg)
			m.SetFilter(m.line.Value())
			return Handled
		}
	case tea.MouseClickMsg:
		if msg.Button == tea.MouseLeft {
			return m.click(msg.X, msg.Y)
		}
	case tea.MouseWheelMsg:
		return m.wheel(msg.Button)
	}
	return Ignored
}

// done shows the result of a job that is still wanted, and then begins with the data that
// arrived while it ran.
func (m *Model) done(msg doneMsg) Event {
	if msg.table != m {
		return Ignored
	}
	if msg.job != m.job {
		return Handled
	}
	m.job = nil
	m.apply(msg.job, msg.index, msg.at)
	if m.generation != msg.job.generation {
		m.refresh(refreshed)
	}
	return Handled
}

// Capturing reports whether keys are being typed into the table.
func (m *Model) Capturing() bool { return m.typing }

// Back closes the choice of a column or else the filter, and reports whether there was
// something to close.
func (m *Model) Back() bool {
	switch {
	case m.heading:
		m.heading = false
	case m.typing || m.want.filter != "":
		m.typing = false
		m.SetFilter("")
		m.clamp()
	default:
		return false
	}
	return true
}

func (m *Model) pressed(msg tea.KeyPressMsg) Event {
	k := &m.keys
	switch {
	case m.handleMoveKey(msg):
	case key.Matches(msg, k.Left):
		m.scroll(-1)
	case key.Matches(msg, k.Right):
		m.scroll(1)
	case key.Matches(msg, k.Enter):
		if m.Len() > 0 {
			return Opened
		}
	case key.Matches(msg, k.Filter):
		m.typing = true
		m.clamp()
	case key.Matches(msg, k.Sort):
		m.heading = true
		m.head = max(0, m.want.column)
	case key.Matches(msg, k.ColumnPrev):
		m.nextOrder(-1)
	case key.Matches(msg, k.ColumnNext):
		m.nextOrder(1)
	case key.Matches(msg, k.Reverse):
		m.SetOrder(m.want.column, !m.want.down)
	case key.Matches(msg, k.Follow):
		m.follow = !m.follow
	default:
		return Ignored
	}
	return Handled
}

// handleMoveKey handles the keys that move the cursor.
func (m *Model) handleMoveKey(msg tea.KeyPressMsg) bool {
	k := &m.keys
	switch {
	case key.Matches(msg, k.Up):
		m.cursor--
	case key.Matches(msg, k.Down):
		m.cursor++
	case key.Matches(msg, k.PageUp):
		m.cursor -= max(1, m.rows())
		m.top -= max(1, m.rows())
	case key.Matches(msg, k.PageDown):
		m.cursor += max(1, m.rows())
		m.top += max(1, m.rows())
	case key.Matches(msg, k.Top):
		m.cursor = 0
	case key.Matches(msg, k.Bottom):
		m.cursor = m.Len() - 1
	default:
		return false
	}
	m.clamp()
	return true
}

// handleFilterKey handles keys while a filter is typed. The arrows still move.
func (m *Model) handleFilterKey(msg tea.KeyPressMsg) Event {
	switch msg.String() {
	case "enter":
		m.typing = false
		m.clamp()
	case "esc":
		m.Back()
	case "backspace", "ctrl+h":
		if m.want.filter == "" {
			m.typing = false
			m.clamp()
			break
		}
		fallthrough
	default:
		if msg.Text == "" && m.handleMoveKey(msg) {
			break
		}
		if m.line.Update(msg) {
			m.SetFilter(m.line.Value())
		}
	}
	return Handled
}

// handleColumnKey handles keys while a column is chosen.
func (m *Model) handleColumnKey(msg tea.KeyPressMsg) Event {
	k := &m.keys
	switch {
	case key.Matches(msg, k.Left):
		m.head = m.neighbour(m.head, -1)
	case key.Matches(msg, k.Right):
		m.head = m.neighbour(m.head, 1)
	case key.Matches(msg, k.Enter, k.Sort):
		m.heading = false
		m.sortBy(m.head)
	case key.Matches(msg, k.Back):
		m.heading = false
	default:
		return m.pressed(msg)
	}
	return Handled
}

// sortBy sorts by a column, or reverses the order if the table is sorted by it already.
func (m *Model) sortBy(column int) {
	down := m.columns[column].Falling
	if m.want.column == column {
		down = !m.want.down
	}
	m.SetOrder(column, down)
}

// neighbour is the column on screen before or after another; the last one at
// the end.
func (m *Model) neighbour(column, step int) int {
	at := -1
	for i, s := range m.slots {
		if s.column == column {
			at = i
		}
	}
	if len(m.slots) == 0 {
		return column
	}
	return m.slots[max(0, min(len(m.slots)-1, at+step))].column
}

// nextOrder sorts by the next visible column. Beyond the ends comes the order of the
// source.
func (m *Model) nextOrder(step int) {
	order := []int{-1}
	at := 0
	for _, s := range m.slots {
		if s.column == m.want.column {
			at = len(order)
		}
		order = append(order, s.column)
	}
	column := order[(at+step+len(order))%len(order)]
	m.SetOrder(column, column >= 0 && m.columns[column].Falling)
}

// scroll moves the columns to the left or right while some are hidden.
func (m *Model) scroll(step int) {
	if step > 0 && m.hidden == m.skip && len(m.slots) > 0 {
		return // everything to the right is on screen
	}
	m.skip = max(0, min(len(m.columns)-2, m.skip+step))
	for m.skip > 0 && m.skip < len(m.columns)-2 && m.columns[m.skip].Hidden {
		m.skip += step
	}
	m.arrange()
}

func (m *Model) wheel(button tea.MouseButton) Event {
	switch button {
	case tea.MouseWheelUp:
		m.roll(-3)
	case tea.MouseWheelDown:
		m.roll(3)
	case tea.MouseWheelLeft:
		m.scroll(-1)
	case tea.MouseWheelRight:
		m.scroll(1)
	default:
		return Ignored
	}
	return Handled
}

// roll moves the window over the rows, and the cursor with it where it would leave the
// window.
func (m *Model) roll(step int) {
	m.top = max(0, min(m.Len()-m.rows(), m.top+step))
	m.cursor = max(m.top, min(m.top+m.rows()-1, m.cursor))
	m.clamp()
}

// click sorts on the header, selects a row, and opens the row that is selected already.
func (m *Model) click(x, y int) Event {
	if y == 0 {
		for _, s := range m.slots {
			if x >= s.x && x <= s.x+s.w {
				m.sortBy(s.column)
				return Handled
			}
		}
		return Ignored
	}
	place := m.top + y - 1
	if y < 0 || y > m.rows() || place >= m.Len() {
		return Ignored
	}
	if place == m.cursor && m.focused {
		return Opened
	}
	m.cursor = place
	return Handled
}

// rows returns how many rows the window shows.
func (m *Model) rows() int {
	n := m.h - 1
	if m.filterLine() {
		n--
	}
	return max(0, n)
}

// filterLine reports whether the last line shows the filter.
func (m *Model) filterLine() bool {
	return (m.typing || m.want.filter != "") && m.h > 2
}

// clamp keeps the cursor on a row and the window around the cursor.
func (m *Model) clamp() {
	n, rows := m.Len(), m.rows()
	m.cursor = max(0, min(n-1, m.cursor))
	m.top = min(m.top, m.cursor, max(0, n-rows))
	m.top = max(m.top, m.cursor-rows+1, 0)
}

// Choosing reports whether a column is being chosen.
func (m *Model) Choosing() bool { return m.heading }

// Scrolled reports whether columns are scrolled away on the left.
func (m *Model) Scrolled() bool { return m.skip > 0 }
