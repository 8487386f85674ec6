package table

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/eptop/eptop/internal/ui/cell"
)

// list is a source of numbers: id, value, and a name.
type list struct {
	ids    []uint64
	values []int64
}

func (l *list) Len() int { return len(l.ids) }
func (l *list) Row(i int, dst []Cell) {
	dst[0] = Cell{Text: strconv.FormatUint(l.ids[i], 10)}
	dst[1] = Cell{Text: strconv.FormatInt(l.values[i], 10), Role: Strong}
	dst[2] = Cell{Text: fmt.Sprintf("Name-%d", l.ids[i]), Role: Muted}
}
func (l *list) Key(i int) Key { return Key{Num: [3]uint64{l.ids[i]}} }
func (l *list) Compare(column, a, b int) int {
	if column == 1 {
		return int(l.values[a] - l.values[b])
	}
	return int(l.ids[a]) - int(l.ids[b])
}
func (l *list) AppendText(dst []byte, i int) []byte {
	return strconv.AppendUint(append(dst, "Name-"...), l.ids[i], 10)
}

func numbers(n int) *list {
	l := &list{}
	r := rand.New(rand.NewPCG(1, uint64(n)))
	for i := range n {
		l.ids = append(l.ids, uint64(i))
		l.values = append(l.values, r.Int64N(int64(n)))
	}
	return l
}

func columns() []Column {
	return []Column{
		{Title: "ID", Min: 8, Align: cell.Right},
		{Title: "VALUE", Min: 9, Align: cell.Right, Falling: true, Rank: 1},
		{Title: "NAME", Min: 10, Weight: 1, Rank: 2},
	}
}

// drain runs the table's commands until none is left, as the program would.
func drain(t testing.TB, m *Model) {
	t.Helper()
	queue := []tea.Cmd{m.Pending()}
	for len(queue) > 0 {
		cmd := queue[0]
		queue = queue[1:]
		if cmd == nil {
			continue
		}
		switch msg := cmd().(type) {
		case tea.BatchMsg:
			queue = append(queue, msg...)
		default:
			m.Update(msg)
			queue = append(queue, m.Pending())
		}
	}
}

func press(m *Model, keys ...string) {
	for _, k := range keys {
		m.Update(stroke(k))
	}
}

func stroke(k string) tea.KeyPressMsg {
	codes := map[string]rune{
		"enter": tea.KeyEnter, "esc": tea.KeyEscape, "up": tea.KeyUp, "down": tea.KeyDown, "left": tea.KeyLeft,
		"right": tea.KeyRight, "pgup": tea.KeyPgUp, "pgdown": tea.KeyPgDown, "backspace": tea.KeyBackspace,
	}
	if c, ok := codes[k]; ok {
		return tea.KeyPressMsg{Code: c}
	}
	return tea.KeyPressMsg{Code: []rune(k)[0], Text: k}
}

func newTable(n, w, h int) *Model {
	m := New(columns(), NewKeys())
	m.SetSize(w, h)
	m.SetSource(numbers(n))
	return m
}

func row(t testing.TB, m *Model) uint64 {
	t.Helper()
	i, ok := m.Row()
	if !ok {
		t.Fatal("no row under the cursor")
	}
	return m.Source().Key(i).Num[0]
}

// shown are the ids on screen, and the one under the cursor.
func shown(m *Model) (ids []string, cursor string) {
	for _, l := range strings.Split(ansi.Strip(m.View()), "\n")[1:] {
		f := strings.Fields(l)
		if len(f) > 0 && f[0] == "▸" {
			cursor, f = f[1], f[1:]
		}
		if len(f) > 0 {
			ids = append(ids, f[0])
		}
	}
	return ids, cursor
}

func TestMoves(t *testing.T) {
	m := newTable(100, 40, 11)
	for _, c := range []struct {
		key  string
		want uint64
	}{
		{"down", 1}, {"j", 2}, {"k", 1}, {"up", 0}, {"up", 0}, {"pgdown", 10}, {"pgdown", 20},
		{"pgup", 10}, {"G", 99}, {"j", 99}, {"g", 0}, {"G", 99}, {"pgup", 89},
	} {
		press(m, c.key)
		if got := row(t, m); got != c.want {
			t.Errorf("after %s the cursor is on %d, want %d", c.key, got, c.want)
		}
		if ids, cursor := shown(m); len(ids) != 10 || cursor != strconv.FormatUint(c.want, 10) {
			t.Errorf("after %s the screen shows %v with the cursor on %s", c.key, ids, cursor)
		}
	}
}

func TestSortsSmallAndLarge(t *testing.T) {
	for _, n := range []int{0, 1, 2, inPlace, inPlace + 1, chunk + 1, 3*chunk + 77} {
		m := newTable(n, 40, 10)
		press(m, "s", "right", "enter") // by VALUE, largest on top
		drain(t, m)
		l := m.Source().(*list)
		if m.Busy() || m.Len() != n {
			t.Fatalf("%d rows: busy %v, %d rows left", n, m.Busy(), m.Len())
		}
		for i := 1; i < n; i++ {
			a, b := l.values[m.rowAt(i-1)], l.values[m.rowAt(i)]
			if a < b || a == b && m.rowAt(i-1) > m.rowAt(i) {
				t.Fatalf("%d rows: places %d and %d are out of order", n, i-1, i)
			}
		}
		seen := slices.Clone(m.index)
		slices.Sort(seen)
		for i, v := range seen {
			if int(v) != i {
				t.Fatalf("%d rows: row %d is missing or doubled", n, i)
			}
		}
	}
}

func TestOldOrderStaysWhileSorting(t *testing.T) {
	m := newTable(100_000, 40, 5)
	press(m, "s", "right", "enter")
	if !m.Busy() {
		t.Fatal("100,000 rows were sorted within Update")
	}
	before := m.View()
	press(m, "down")
	if ids, cursor := shown(m); ids[0] != "0" || cursor != "1" {
		t.Errorf("while sorting: %v, cursor %s", ids, cursor)
	}
	if !strings.Contains(m.Status(), "sorting 100 000 rows") {
		t.Errorf("Status = %q", m.Status())
	}
	first := m.job
	press(m, "R") // a newer question
	if !first.stop.Load() || m.job == first {
		t.Error("the older job was not cancelled")
	}
	drain(t, m)
	if m.View() == before || m.Busy() {
		t.Error("the order did not arrive")
	}
	l := m.Source().(*list)
	if l.values[m.rowAt(0)] != slices.Min(l.values) {
		t.Error("the answer of the cancelled job is shown")
	}
}

func TestFilter(t *testing.T) {
	for _, n := range []int{1000, 50_000} {
		m := newTable(n, 40, 10)
		press(m, "/", "9", "9")
		drain(t, m)
		if !m.Capturing() {
			t.Fatal("not typing")
		}
		want := 0
		for i := range n {
			if strings.Contains(strconv.Itoa(i), "99") {
				want++
			}
		}
		if m.Len() != want {
			t.Errorf("/99 leaves %d rows of %d, want %d", m.Len(), n, want)
		}
		press(m, "backspace", "backspace", "!", "9", "9", "enter")
		drain(t, m)
		if m.Len() != n-want || m.Capturing() {
			t.Errorf("/!99 leaves %d rows, want %d", m.Len(), n-want)
		}
		if !m.Back() || m.Back() {
			t.Error("Esc takes the filter off once")
		}
		drain(t, m)
		if m.Len() != n {
			t.Errorf("without a filter %d rows, want %d", m.Len(), n)
		}
		for filter, want := range map[string]int{"name-7": 1, "Name-7": 1, "NAME-7": 0} {
			m.SetFilter(filter)
			drain(t, m)
			if (m.Len() > 0) != (want > 0) {
				t.Errorf("filter %q leaves %d rows", filter, m.Len())
			}
		}
	}
}

func TestCursorFollowsTheRow(t *testing.T) {
	shift := func(l *list, by int) *list {
		return &list{ids: append(slices.Repeat([]uint64{7777}, by), l.ids...), values: append(make([]int64, by), l.values...)}
	}
	m := newTable(100, 40, 11)
	press(m, "j", "j", "j")
	m.SetSource(shift(numbers(100), 2))
	if got, line := row(t, m), m.cursor-m.top; got != 3 || line != 5 || m.top != 0 {
		t.Errorf("row %d on line %d, want row 3 on line 5 of an unmoved window", got, line)
	}
	m.SetSource(shift(numbers(100), 50)) // out of the window: the line stays
	if got, line := row(t, m), m.cursor-m.top; got != 7777 || line != 5 {
		t.Errorf("row %d on line %d, want line 5", got, line)
	}
	m.SetSource(numbers(100))
	press(m, "g", "j", "j", "F")
	m.SetSource(shift(numbers(100), 50))
	if got, line := row(t, m), m.cursor-m.top; got != 2 || line != 2 || m.top != 50 {
		t.Errorf("following: row %d on line %d, window at %d", got, line, m.top)
	}
}

func TestClicks(t *testing.T) {
	m := newTable(50, 60, 11)
	click := func(x, y int) Event { return m.Update(tea.MouseClickMsg{X: x, Y: y, Button: tea.MouseLeft}) }
	if click(5, 4); row(t, m) != 3 {
		t.Errorf("click on the fourth row selects %d", row(t, m))
	}
	if click(5, 4) != Opened {
		t.Error("a click on the selected row does not open it")
	}
	if click(m.slots[1].x+2, 0); m.want.column != 1 || !m.want.down {
		t.Errorf("click on a header sorts by %d", m.want.column)
	}
	if click(m.slots[1].x+2, 0); m.want.column != 1 || m.want.down {
		t.Error("a second click on a header does not reverse")
	}
	m.SetOrder(-1, false)
	m.Update(tea.MouseWheelMsg{Button: tea.MouseWheelDown})
	if m.top != 3 || row(t, m) != 3 {
		t.Errorf("wheel: window at %d, cursor on %d", m.top, row(t, m))
	}
	if click(5, 30) != Ignored {
		t.Error("a click below the table does something")
	}
}

func TestFits(t *testing.T) {
	m := newTable(30, 10, 10)
	for w := range 70 {
		for h := range 14 {
			for _, filter := range []string{"", "9", "nothing"} {
				m.SetSize(w, h)
				m.SetFilter(filter)
				view := m.View()
				lines := strings.Split(view, "\n")
				if h == 0 {
					if view != "" {
						t.Fatalf("%dx%d: %q", w, h, view)
					}
					continue
				}
				if len(lines) != h {
					t.Fatalf("%dx%d: %d lines", w, h, len(lines))
				}
				for _, l := range lines {
					if got := ansi.StringWidth(l); got != w {
						t.Fatalf("%dx%d: a line of %d cells: %q", w, h, got, ansi.Strip(l))
					}
				}
			}
		}
	}
}

func TestHiddenColumnsScroll(t *testing.T) {
	m := newTable(5, 20, 5)
	head := func() string { return strings.Split(ansi.Strip(m.View()), "\n")[0] }
	if h := head(); !strings.Contains(h, "VALUE") || strings.Contains(h, "NAME") || !strings.HasSuffix(h, "›") {
		t.Errorf("header %q", h)
	}
	press(m, "right")
	if h := head(); !strings.Contains(h, "NAME") || strings.Contains(h, "VALUE") {
		t.Errorf("scrolled header %q", h)
	}
	press(m, "right", "left", "left")
	if h := head(); !strings.Contains(h, "VALUE") {
		t.Errorf("header %q", h)
	}
}

const million = 1_000_000

// BenchmarkKeyEcho is one key and the frame after it over a million rows.
func BenchmarkKeyEcho(b *testing.B) {
	m := newTable(million, 160, 50)
	drain(b, m)
	n := 0
	for b.Loop() {
		press(m, "down")
		n++
		if v := m.View(); len(v) < 160*50 {
			b.Fatal("no frame")
		}
	}
	if got := row(b, m); got != uint64(min(n, million-1)) {
		b.Fatalf("the cursor is on %d after %d keys", got, n)
	}
}

// BenchmarkSort sorts a million rows.
func BenchmarkSort(b *testing.B) {
	l := numbers(million)
	for b.Loop() {
		j := &job{ask: ask{src: l, column: 1}}
		index, ok := j.run()
		if !ok || l.values[index[0]] != slices.Min(l.values) || len(index) != million {
			b.Fatal("not sorted")
		}
	}
}

// BenchmarkFilter searches a million rows.
func BenchmarkFilter(b *testing.B) {
	l := numbers(million)
	for b.Loop() {
		j := &job{ask: ask{src: l, column: -1, filter: "999"}}
		index, ok := j.run()
		if !ok || len(index) != 3700 {
			b.Fatalf("%d rows", len(index))
		}
	}
}
