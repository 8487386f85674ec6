package load

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/ui/draw"
	"github.com/eptop/eptop/internal/ui/input"
	"github.com/eptop/eptop/internal/ui/view"
	"github.com/eptop/eptop/internal/units"
)

// fieldNames are the fields of the form, in their order.
var fieldNames = [...]string{"connections", "family", "watch", "rate", "active", "unread"}

// takesNumber reports whether a field takes a number.
func (i item) takesNumber() bool {
	return slices.Contains([]item{itemConnections, itemRate, itemActive, itemUnread}, i)
}

// The values that ← and → go through. Values between them can be typed.
var (
	connectionSteps = ladder(1_000, 10_000_000)
	rateSteps       = append([]float64{0}, ladder(100, 100_000)...)
	activeSteps     = []float64{0, 1, 2, 5, 10, 20, 50, 100}
	unreadSteps     = append([]float64{0, 1}, ladder(100, 1_000_000)...)
)

// ladder returns 1, 2 and 5 times each power of ten from lo to hi.
func ladder(lo, hi float64) []float64 {
	var out []float64
	for unit := lo; unit <= hi; unit *= 10 {
		out = append(out, unit, 2*unit, 5*unit)
	}
	return out[:len(out)-2]
}

// nextStep returns the value above or below now on a ladder, or now at its ends.
func nextStep(steps []float64, now float64, by int) float64 {
	if by > 0 {
		for _, s := range steps {
			if s > now {
				return s
			}
		}
		return now
	}
	for _, s := range slices.Backward(steps) {
		if s < now {
			return s
		}
	}
	return now
}

// cycle returns the choice before or after now; the first follows the last.
func cycle[T comparable](all []T, now T, by int) T {
	i := slices.Index(all, now)
	return all[(i+by+len(all))%len(all)]
}

// changeValue changes the value of the field under the cursor.
func (v *View) changeValue(by int) tea.Cmd {
	if v.here >= itemButton {
		return nil
	}
	p := &v.plan
	if v.here == itemConnections {
		return v.setConnections(int64(nextStep(connectionSteps, float64(v.connections()), by)))
	}
	if v.run.busy() {
		return view.Send(view.StatusMsg{Text: "only the number can be changed while connections are open; d drains", Bad: true})
	}
	switch v.here {
	case itemFamily:
		p.Family = cycle(model.LoadFamilies(), p.Family, by)
	case itemWatch:
		p.Watch = cycle(model.LoadWatches(), p.Watch, by)
	case itemRate:
		p.Rate = int64(nextStep(rateSteps, float64(p.Rate), by))
	case itemActive:
		p.ActivePercent = nextStep(activeSteps, p.ActivePercent, by)
	case itemUnread:
		p.UnreadBytes = int64(nextStep(unreadSteps, float64(p.UnreadBytes), by))
	}
	return nil
}

// connections returns how many connections the form asks for, or the load that is open.
func (v *View) connections() int64 {
	if v.run.busy() {
		return v.run.target
	}
	return v.plan.Connections
}

// add asks for by more connections; by may be negative. From fewer than fewConnections
// it goes to by itself, so that the numbers stay round.
func (v *View) add(by int64) tea.Cmd {
	n := v.connections() + by
	if by > 0 && v.connections() < fewConnections {
		n = by
	}
	return v.setConnections(n)
}

// setConnections sets the number of connections of the form, or of the load that is open.
func (v *View) setConnections(n int64) tea.Cmd {
	n = max(n, 0)
	plan := v.plan
	plan.Connections = max(n, 1)
	if err := plan.Check(); err != nil {
		return view.Send(view.StatusMsg{Text: err.Error(), Bad: true})
	}
	if v.run.busy() {
		return v.run.set(n)
	}
	v.plan = plan
	return nil
}

// start asks whether to open what the form says.
func (v *View) start() tea.Cmd {
	switch err := v.plan.Check(); {
	case v.run.busy():
		return view.Send(view.StatusMsg{Text: "a load is open already: + and - change it, d drains it", Bad: true})
	case err != nil:
		return view.Send(view.StatusMsg{Text: err.Error(), Bad: true})
	}
	v.question = view.NewQuestion("Open "+units.Many(v.plan.Connections, "connection")+"?", v.describePlan(), view.Send(startMsg{v.plan}))
	return nil
}

// drain closes all connections.
func (v *View) drain() tea.Cmd {
	if !v.run.busy() {
		return view.Send(view.StatusMsg{Text: "nothing is open", Bad: true})
	}
	return v.run.set(0)
}

// handleTypedKey handles a key of the number that is being typed.
func (v *View) handleTypedKey(msg tea.KeyPressMsg) tea.Cmd {
	switch {
	case key.Matches(msg, v.keys.Back):
		v.typing = false
	case key.Matches(msg, v.keys.Enter):
		return v.acceptNumber()
	default:
		v.line.Update(msg)
	}
	return nil
}

// newNumberLine returns an input line for the characters that numbers are written with.
func newNumberLine() input.Line {
	return input.New(12, func(r rune) bool { return r >= '0' && r <= '9' || strings.ContainsRune("kKmM. ", r) })
}

// acceptNumber puts the typed number into its field. A number that is refused stays, so
// that it can be corrected.
func (v *View) acceptNumber() tea.Cmd {
	if strings.TrimSpace(v.line.Value()) == "" {
		v.typing = false
		return nil
	}
	n, err := parseNumber(v.line.Value())
	if err != nil {
		return view.Send(view.StatusMsg{Text: err.Error(), Bad: true})
	}
	if v.here == itemConnections {
		least := int64(1)
		if v.run.busy() {
			least = 0
		}
		if int64(n) < least {
			return view.Send(view.StatusMsg{Text: "at least one connection", Bad: true})
		}
		cmd := v.setConnections(int64(n))
		plan := v.plan
		plan.Connections = max(1, int64(n))
		v.typing = plan.Check() != nil
		return cmd
	}
	plan := v.plan
	switch v.here {
	case itemRate:
		plan.Rate = int64(n)
	case itemActive:
		plan.ActivePercent = n
	case itemUnread:
		plan.UnreadBytes = int64(n)
	}
	if err := plan.Check(); err != nil {
		return view.Send(view.StatusMsg{Text: err.Error(), Bad: true})
	}
	v.plan, v.typing = plan, false
	return nil
}

// parseNumber reads 10000, 10 000, 10k or 1.5M.
func parseNumber(text string) (float64, error) {
	word := strings.ToLower(strings.ReplaceAll(text, " ", ""))
	times := 1.0
	if rest, ok := strings.CutSuffix(word, "k"); ok {
		word, times = rest, 1e3
	} else if rest, ok := strings.CutSuffix(word, "m"); ok {
		word, times = rest, 1e6
	}
	n, err := strconv.ParseFloat(word, 64)
	if err != nil || !(n >= 0) || n*times > math.MaxInt32*1000.0 {
		return 0, fmt.Errorf("%q is no number; 10000, 10k and 1M are", strings.TrimSpace(text))
	}
	return n * times, nil
}

// formLines are the fields, and the button below them.
func (v *View) formLines(w int) []draw.Line {
	var lines []draw.Line
	for i := itemConnections; i < itemButton; i++ {
		lines = append(lines, v.addStop(i, v.fieldLine(i, w)))
	}
	if err := v.plan.Check(); err != nil {
		lines = append(lines, view.WrapLines(v.pens.Warn, w, 0, "✗ "+err.Error())...)
	}
	return append(lines, v.addStop(itemButton, v.buttonLine(w, "Start", v.keys.Start, "asks first, says what it opens", "asks first")))
}

// addStop returns a line that the cursor can stop at.
func (v *View) addStop(item item, text string) draw.Line {
	v.rows[text] = item
	v.items = append(v.items, item)
	return draw.Line{Text: text}
}

// fieldLine writes the name of a field, its value, and what that means.
func (v *View) fieldLine(item item, w int) string {
	p := v.pens
	const nameW = 12
	value, notes := v.describeField(item)
	here := item == v.here
	head, pen := "  ", p.Text
	if here {
		head, pen = "▸ ", p.Strong
	}
	line := p.Title.Ink(head) + pen.Ink(draw.Fit(fieldNames[item], nameW))
	switch {
	case here && v.typing:
		return draw.Fit(line+p.Key.Ink("  "+v.line.String())+p.Muted.Ink("  Enter takes it"), w)
	case here && !(item != itemConnections && v.run.busy()):
		line += p.Key.Ink("‹ ") + p.Strong.Ink(value) + p.Key.Ink(" ›")
	default:
		line += "  " + pen.Ink(value) + "  "
	}
	room := w - 2 - nameW - 4 - draw.Width(value) - 1
	if note := view.Longest(room, append(notes, "")...); note != "" {
		line += p.Muted.Ink(" " + note)
	}
	return draw.Fit(line, w)
}

// buttonLine writes a button: its word, its key, and what it does.
func (v *View) buttonLine(w int, word string, k key.Binding, notes ...string) string {
	p := v.pens
	head, pen := "  ", p.Title
	if v.here == itemButton {
		head, pen = "▸ ", p.Selected
	}
	text := p.Title.Ink(head) + pen.Ink("[ "+word+" ]") + "  " + p.Key.Ink(k.Help().Key)
	return draw.Fit(text+p.Muted.Ink(" "+view.Longest(w-draw.Width(word)-10, append(notes, "")...)), w)
}

// describeField returns the value of a field, and notes on it, the longest first.
func (v *View) describeField(item item) (value string, notes []string) {
	plan := v.plan
	switch item {
	case itemConnections:
		return units.Count(v.connections()), []string{"+ - 1 000, < > 10 000, Enter types", "+ - 1k, < > 10k, Enter types", "+ - 1k  < > 10k"}
	case itemFamily:
		return string(plan.Family), []string{map[model.LoadFamily]string{
			"tcp4": "over 127.0.0.0/8", "tcp6": "over ::1", "unix": "stream sockets",
		}[plan.Family]}
	case itemWatch:
		return string(plan.Watch), []string{map[model.LoadWatch]string{
			"et": "edge-triggered", "lt": "level-triggered", "oneshot": "EPOLLONESHOT", "exclusive": "EPOLLEXCLUSIVE", "none": "no epoll",
		}[plan.Watch]}
	case itemRate:
		return rateWords(plan.Rate), nil
	case itemActive:
		if plan.ActivePercent == 0 {
			return "none", []string{"all are idle"}
		}
		return activeWords(plan.ActivePercent), []string{"echo once a second", "echo"}
	}
	if plan.UnreadBytes == 0 {
		return "nothing", []string{"buffers are empty"}
	}
	return units.Count(plan.UnreadBytes) + " B", []string{"wait in each receive buffer", "in each"}
}

func rateWords(rate int64) string {
	if rate == 0 {
		return "as fast as it goes"
	}
	return units.Count(rate) + " a second"
}

func activeWords(percent float64) string { return strconv.FormatFloat(percent, 'f', -1, 64) + " %" }

// planWords describe the plan in one line, without the number of connections.
func planWords(plan model.LoadPlan) string {
	words := []string{string(plan.Family), string(plan.Watch)}
	if plan.Rate > 0 {
		words = append(words, rateWords(plan.Rate))
	}
	if plan.ActivePercent > 0 {
		words = append(words, activeWords(plan.ActivePercent)+" active")
	}
	if plan.UnreadBytes > 0 {
		words = append(words, units.Count(plan.UnreadBytes)+" B unread")
	}
	return strings.Join(words, " · ")
}
