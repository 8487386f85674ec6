package ui

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/ui/cell"
	"github.com/eptop/eptop/internal/ui/draw"
	"github.com/eptop/eptop/internal/ui/view"
	"github.com/eptop/eptop/internal/units"
)

// The smallest terminal that the dashboard is drawn in.
const (
	leastWidth  = 60
	leastHeight = 15
)

// layout divides a screen of w by h cells: the first line, the tabs, the view and the status line.
func layout(w, h int) (head, tabs, body, status view.Area) {
	head = view.Area{X: 0, Y: 0, W: w, H: 1}
	tabs = view.Area{X: 0, Y: 1, W: w, H: 1}
	body = view.Area{X: 0, Y: 2, W: w, H: max(0, h-3)}
	status = view.Area{X: 0, Y: h - 1, W: w, H: 1}
	return head, tabs, body, status
}

func (m *Model) tooSmall() bool { return m.w < leastWidth || m.h < leastHeight }

// resize lays the views out anew, unless the terminal is too small for them: they keep
// the size they had.
func (m *Model) resize(w, h int) {
	m.w, m.h = w, h
	if !m.tooSmall() {
		m.layOut(w, h)
	}
}

// layOut gives the views their room on a screen of w by h cells.
func (m *Model) layOut(w, h int) {
	_, _, body, _ := layout(w, h)
	for _, v := range m.views {
		v.SetSize(body.W, body.H)
	}
}

// View draws the screen. The frame is kept until the next message.
func (m *Model) View() tea.View {
	if m.frame == "" {
		m.frame = m.drawOrFail()
	}
	v := tea.NewView(m.frame)
	v.AltScreen = true
	if !m.opts.NoMouse {
		v.MouseMode = tea.MouseModeCellMotion
	}
	return v
}

// drawOrFail draws the screen, after a panic that of the fault.
func (m *Model) drawOrFail() (frame string) {
	defer func() {
		if r := recover(); r != nil {
			m.fail(newFault(r))
			frame = m.drawFault()
		}
	}()
	if m.fault != nil {
		return m.drawFault()
	}
	return m.draw()
}

func (m *Model) draw() string {
	if m.w <= 0 || m.h <= 0 {
		return ""
	}
	if m.tooSmall() {
		return m.drawText(fmt.Sprintf("eptop needs a terminal of at least %dx%d; this one has %dx%d. q quits.", leastWidth, leastHeight, m.w, m.h))
	}
	head, tabs, body, status := layout(m.w, m.h)
	shown := strings.Join(draw.Exact([]string{"", "  " + lookingText + " " + m.looking}, body.W, body.H), "\n")
	if m.snap != nil {
		shown = m.current().View()
	}
	if o, ok := m.modal.(view.Boxed); ok {
		shown = strings.Join(o.Box().Over(m.pens, strings.Split(shown, "\n"), body.W), "\n")
	}
	return strings.Join([]string{m.drawHead(head.W), m.drawTabs(tabs.W), shown, m.drawStatus(status.W)}, "\n")
}

// drawText fills the screen with a text.
func (m *Model) drawText(text string) string {
	var lines []string
	for line := range strings.SplitSeq(text, "\n") {
		lines = append(lines, draw.Wrap(line, m.w)...)
	}
	return strings.Join(draw.Exact(lines, m.w, m.h), "\n")
}

// drawHead draws the first line: the machine on the left, how eptop looks at it on the
// right. What does not fit is left out, beginning in the middle of the line.
func (m *Model) drawHead(w int) string {
	p := m.pens
	right := m.lookWords()
	var left []string
	if m.snap != nil {
		left = machineWords(m.snap)
	}
	const brand = "eptop"
	for {
		l := strings.Join(left, " · ")
		r := strings.Join(right, " · ")
		gap := w - len(brand) - 3 - draw.Width(l) - draw.Width(r) - 1
		switch {
		case gap >= 1 || len(left) <= 1 && len(right) <= 1:
			line := p.Title.Ink(brand) + "  " + draw.Fit(l, max(0, w-len(brand)-3-draw.Width(r))) + " "
			pen := p.Muted
			if m.look.frozen || m.isLate() {
				pen = p.Warn
			}
			return draw.Fit(line+pen.Ink(r), w)
		case len(left) > 3:
			left = left[:len(left)-1]
		case len(right) > 1:
			right = right[1:]
		default:
			left = left[:len(left)-1]
		}
	}
}

// machineWords describe the machine, the most important first.
func machineWords(s *model.Snapshot) []string {
	words := []string{cell.Clean(s.Host.Hostname), "Linux " + cell.Clean(s.Host.Kernel)}
	if s.Host.CPUs > 0 {
		words = append(words, strconv.Itoa(s.Host.CPUs)+" CPU")
	}
	if total, ok := s.Host.MemTotalBytes.Get(); ok {
		words = append(words, units.Bytes(total))
	}
	if n := len(s.Nodes); n > 0 {
		words = append(words, units.Many(int64(n), "node"))
	}
	return words
}

// lookWords describe how eptop looks at the machine, the most important last.
func (m *Model) lookWords() []string {
	rhythm := "every " + seconds(m.look.delay)
	if m.look.frozen {
		rhythm = "FROZEN"
		if m.snap != nil {
			rhythm += " at " + m.snap.Time.Format("15:04:05")
		}
	}
	if m.snap == nil {
		return []string{rhythm}
	}
	if m.isLate() {
		rhythm = "NO LOOK FOR " + units.Duration(m.age().Truncate(time.Second))
	}
	source := "proc"
	if src, ok := view.SourceOf(m.snap, "bpf"); ok && src.Used != "" {
		source = src.Used
	}
	g := m.snap.Guest
	words := []string{"source " + source, "cost " + units.Duration(g.CPU), rhythm}
	if n := m.openConnections(); n > 0 {
		words = []string{words[0], words[1], "holds " + units.Many(n, "connection"), rhythm}
	}
	if progress := view.Progress(&m.snap.Coverage); progress != nil {
		words = slices.Insert(words, len(words)-1, progress[len(progress)-1])
	}
	if g.Stall > 0 {
		words = append([]string{"stall " + units.Duration(g.Stall)}, words...)
	}
	return words
}

// isLate reports whether the numbers on screen are older than the interval explains, since
// looks fail or do not end.
func (m *Model) isLate() bool {
	const grace = 3 * time.Second
	return !m.look.frozen && m.snap != nil && m.age() > grace && (m.look.failing || m.age() > m.look.delay+grace)
}

func seconds(d time.Duration) string {
	return strconv.FormatFloat(d.Seconds(), 'f', -1, 64) + "s"
}

// tabSpans returns the area of each tab in the tab line.
func (m *Model) tabSpans() []view.Area {
	x := 0
	spans := make([]view.Area, len(m.tabs))
	for i := range m.tabs {
		if !m.hasTab(i) {
			continue
		}
		w := draw.Width(m.tabText(i)) + 2
		spans[i] = view.Area{X: x, Y: 1, W: w, H: 1}
		x += w + 1
	}
	return spans
}

// tabText is the key, the title and the number of a tab.
func (m *Model) tabText(i int) string {
	text := m.tabs[i].label()
	if b, ok := m.views[i].(view.Badger); ok {
		switch n := b.Badge(); {
		case n > 20:
			text += fmt.Sprintf(" (%d)", n)
		case n > 0:
			text += " " + string(rune('①'+n-1))
		}
	}
	return text
}

func (m *Model) drawTabs(w int) string {
	var b strings.Builder
	for i := range m.tabs {
		if !m.hasTab(i) {
			continue
		}
		if i > 0 {
			b.WriteByte(' ')
		}
		text := m.tabText(i)
		if i == m.active {
			b.WriteString(m.theme.TabHere.Render("[" + text + "]"))
		} else {
			b.WriteString(m.pens.Muted.Ink(" " + text + " "))
		}
	}
	return draw.Fit(b.String(), w)
}

// drawStatus draws the last line: what just happened or went wrong, otherwise the keys
// that matter in this view. At the right end stands the view's own status.
func (m *Model) drawStatus(w int) string {
	p := m.pens
	position := ""
	if t, ok := m.current().(view.StatusReporter); ok {
		position = t.Status()
	}
	right := p.Muted.Ink(cell.Clean(position))
	if q, ok := m.modal.(*prompt); ok {
		return draw.Spread(p.Key.Ink("PID: ")+cell.Clean(q.line.String())+p.Muted.Ink("  Enter goes there, Esc does not"), right, w)
	}
	switch {
	case m.status.Text != "" && m.status.Bad:
		return draw.Spread(p.Warn.Ink("! "+cell.Clean(m.status.Text)), right, w)
	case m.status.Text != "":
		return draw.Spread(p.Strong.Ink(cell.Clean(m.status.Text)), right, w)
	case m.look.err != nil:
		return draw.Spread(p.Crit.Ink("✗ "+cell.Clean(m.look.err.Error())), right, w)
	}
	return draw.Spread(m.hints(w-draw.Width(position)-2), right, w)
}

// hints writes the first keys of the view, as many as fit, and always that of the help.
func (m *Model) hints(w int) string {
	p := m.pens
	last := p.Key.Ink("?") + p.Muted.Ink(" all keys")
	w -= draw.Width(last)
	line := ""
	k := m.keys
	for _, b := range append(m.current().Keys(), k.Explain, k.Freeze, k.Attach, k.Quit) {
		if !isHinted(b, k) {
			continue
		}
		h := b.Help()
		desc := h.Desc
		if i := strings.IndexAny(desc, "(:,;"); i > 0 {
			desc = strings.TrimSpace(desc[:i])
		}
		word := p.Key.Ink(h.Key) + p.Muted.Ink(" "+desc+"  ")
		if strings.Contains(line, word) {
			continue
		}
		if n := draw.Width(word); n <= w {
			line += word
			w -= n
		}
	}
	return line + last
}

// isHinted reports whether the hints list a key. They leave out arrows, paging and other
// keys that everybody tries anyway.
func isHinted(b key.Binding, k view.KeyMap) bool {
	for _, arrow := range []key.Binding{k.Up, k.Down, k.Left, k.Right} {
		if b.Help().Key == arrow.Help().Key {
			return false
		}
	}
	for _, plain := range []key.Binding{
		k.PageUp, k.PageDown, k.Top, k.Bottom, k.ColumnPrev, k.ColumnNext, k.Follow, k.Reverse,
	} {
		if b.Help() == plain.Help() {
			return false
		}
	}
	return true
}

// handleMouse routes a click or the wheel by its place on the screen.
func (m *Model) handleMouse(msg tea.MouseMsg) tea.Cmd {
	if m.tooSmall() {
		return nil
	}
	at := msg.Mouse()
	if o, ok := m.modal.(view.Boxed); ok {
		switch msg := msg.(type) {
		case tea.MouseWheelMsg:
			step := map[tea.MouseButton]int{tea.MouseWheelUp: -3, tea.MouseWheelDown: 3}
			o.Box().Scroll(step[msg.Button])
		case tea.MouseClickMsg:
			m.modal = nil
		}
		return nil
	}
	_, tabs, body, _ := layout(m.w, m.h)
	switch msg := msg.(type) {
	case tea.MouseClickMsg:
		if tabs.Holds(at.X, at.Y) && msg.Button == tea.MouseLeft {
			for i, span := range m.tabSpans() {
				if span.Holds(at.X, at.Y) {
					m.status = view.StatusMsg{}
					m.selectTab(i)
				}
			}
			return nil
		}
		if body.Holds(at.X, at.Y) {
			m.status = view.StatusMsg{}
			msg.X, msg.Y = at.X-body.X, at.Y-body.Y
			return m.current().Update(msg)
		}
	case tea.MouseWheelMsg:
		if body.Holds(at.X, at.Y) {
			msg.X, msg.Y = at.X-body.X, at.Y-body.Y
			return m.current().Update(msg)
		}
	}
	return nil
}
