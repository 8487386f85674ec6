package processes

import (
	"strconv"
	"strings"
	"time"

	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/ui/cell"
	"github.com/eptop/eptop/internal/ui/draw"
	"github.com/eptop/eptop/internal/ui/view"
	"github.com/eptop/eptop/internal/units"
)

// processLayout is where the parts of the Process view stand.
type processLayout struct {
	card                   view.Area
	epollTitle, watchTitle view.Area
	epolls, watches        view.Area // the tables
	about                  view.Area // what is known of the chosen instance
	socketTitle, sockets   view.Area
	sideBySide             bool
}

// sideBySideWidth is the width from which the panes stand beside each other.
const sideBySideWidth = 132

// The instances stand beside their watches in what those leave: wantedWatches is
// the width in which a watch shows all of its socket.
const (
	wantedWatches = 116
	leastEpolls   = 36
	mostEpolls    = 82
)

// arrange is the view's arithmetic.
func (v *process) arrange() {
	l := &v.rects
	*l = processLayout{}
	cardH := min(6, v.h)
	if v.h < 16 {
		cardH = min(4, v.h)
	}
	l.card = view.Area{X: 0, Y: 0, W: v.w, H: cardH}
	rest := max(0, v.h-cardH)
	l.socketTitle = view.Area{X: 0, Y: cardH, W: v.w, H: min(1, rest)}
	l.sockets = view.Area{X: 0, Y: cardH + 1, W: v.w, H: max(0, rest-1)}
	v.sockets.SetSize(l.sockets.W, l.sockets.H)
	if v.w >= sideBySideWidth {
		l.sideBySide = true
		left := min(max(leastEpolls, v.w-wantedWatches), mostEpolls)
		right := v.w - left - 1
		about := min(1+len(v.chargedLines(right)), max(0, rest-1))
		l.epollTitle = view.Area{X: 0, Y: cardH, W: left, H: min(1, rest)}
		l.epolls = view.Area{X: 0, Y: cardH + 1, W: left, H: max(0, rest-1)}
		l.watchTitle = view.Area{X: left + 1, Y: cardH, W: right, H: min(1, rest)}
		l.about = view.Area{X: left + 1, Y: cardH + 1, W: right, H: about}
		l.watches = view.Area{X: left + 1, Y: cardH + 1 + about, W: right, H: max(0, rest-1-about)}
	} else {
		instances := 1
		if v.data != nil {
			instances = max(1, len(v.data.Epolls))
		}
		// The header, its rows, and at least half of the room for the watches.
		epolls := min(1+instances, max(2, (rest-3)/3), max(0, rest-1))
		y := cardH
		l.epollTitle = view.Area{X: 0, Y: y, W: v.w, H: min(1, rest)}
		l.epolls = view.Area{X: 0, Y: y + 1, W: v.w, H: epolls}
		y += 1 + epolls
		left := max(0, v.h-y)
		about := min(1, max(0, left-1))
		l.watchTitle = view.Area{X: 0, Y: y, W: v.w, H: min(1, left)}
		l.about = view.Area{X: 0, Y: y + 1, W: v.w, H: about}
		l.watches = view.Area{X: 0, Y: y + 1 + about, W: v.w, H: max(0, left-1-about)}
	}
	v.epolls.SetSize(l.epolls.W, l.epolls.H)
	v.watches.SetSize(l.watches.W, l.watches.H)
}

func (v *process) View() string {
	switch {
	case v.h <= 0:
		return ""
	case v.data == nil:
		return strings.Join(draw.Exact(v.unseen(), v.w, v.h), "\n")
	}
	l := v.rects
	lines := v.pens.Card(v.cardTitle(), l.card.W, l.card.H, false, v.cardLines(draw.CardInner(l.card.W)))
	if v.onSockets {
		lines = append(lines, v.block(v.rule(v.socketsTitle(), true, l.socketTitle.W, "epolls"), nil, v.sockets.View(), l.sockets)...)
		return strings.Join(draw.Exact(lines, v.w, v.h), "\n")
	}
	left := v.block(v.rule("Epoll instances", !v.onWatches, l.epollTitle.W, "all sockets"), nil, v.epolls.View(), l.epolls)
	right := v.block(v.rule(v.watchesTitle(), v.onWatches, l.watchTitle.W, ""), v.aboutLines(), v.watches.View(), l.watches)
	if !l.sideBySide {
		lines = append(append(lines, left...), right...)
		return strings.Join(draw.Exact(lines, v.w, v.h), "\n")
	}
	for i := range max(len(left), len(right)) {
		a, b := draw.Spaces(l.epolls.W), ""
		if i < len(left) {
			a = left[i]
		}
		if i < len(right) {
			b = right[i]
		}
		lines = append(lines, a+" "+b)
	}
	return strings.Join(draw.Exact(lines, v.w, v.h), "\n")
}

// block puts a title, lines and a table one below the other.
func (v *process) block(title string, lines []string, table string, r view.Area) []string {
	out := append([]string{title}, lines...)
	if r.H > 0 {
		out = append(out, strings.Split(table, "\n")...)
	}
	return out
}

// rule is a pane's title with a line after it; ▸ marks the pane with the keys. other is what
// the key v shows instead, where there is room to say so.
func (v *process) rule(title string, here bool, w int, other string) string {
	p := v.pens
	pen, mark := p.Header, "  "
	if here {
		pen, mark = p.Title, "▸ "
	}
	text := draw.Fit(title, min(draw.Width(title), max(0, w-3)))
	line := w - 3 - draw.Width(text)
	hint := ""
	if n := 4 + draw.Width(other); other != "" && line >= n+3 {
		line -= n
		hint = " " + p.Key.Ink("v") + p.Muted.Ink(" "+other+" ")
	}
	return draw.Fit(pen.Ink(mark+text)+" "+p.Border.Ink(strings.Repeat("─", max(0, line)))+hint, w)
}

// unseen says why there is nothing to show.
func (v *process) unseen() []string {
	p := v.pens
	if v.state != absent {
		return []string{"", p.Muted.Ink("  looking at process " + strconv.Itoa(v.pid) + "…")}
	}
	lines := []string{"", p.Warn.Ink("  There is no process " + strconv.Itoa(v.pid) + " to look at."), ""}
	text := "It ended, never was, or is in another PID namespace. p goes to another PID, Esc back to the list."
	if v.snap != nil && v.snap.Hidden > 0 {
		text = view.Absence(v.snap, "fdinfo", text)
	}
	for _, l := range draw.Wrap(text, max(1, v.w-4)) {
		lines = append(lines, "  "+p.Text.Ink(l))
	}
	return lines
}

func (v *process) cardTitle() string {
	title := strconv.Itoa(v.data.PID) + " " + cell.Clean(v.data.Comm)
	switch v.state {
	case ended:
		title += " · ENDED: this is the last that was seen of it"
	case reused:
		title += " · ENDED: another process has its PID now (p " + strconv.Itoa(v.pid) + " goes there)"
	}
	return title
}

// cardLines are about the process: who, how many, how much, how fresh.
func (v *process) cardLines(w int) []string {
	p, d, s := v.pens, v.data, v.snap
	who := p.Muted.Ink("user not known")
	if uid, ok := d.UID.Get(); ok {
		who = p.Muted.Ink("user ") + p.Strong.Ink(cell.Clean(d.User)) + p.Muted.Ink(" (uid "+strconv.Itoa(uid)+")")
	}
	if !d.Started.IsZero() {
		who += p.Muted.Ink(" · started ") + p.Text.Ink(d.Started.Format("2006-01-02 15:04:05"))
		if !v.over() && !s.Host.Captured {
			who += p.Muted.Ink(", " + units.Duration(s.Time.Sub(d.Started).Round(time.Second)) + " ago")
		}
	}
	lines := []string{who, v.fdLine(w), v.memoryLine()}
	if w < 4 {
		return lines
	}
	return append(lines, v.freshLine())
}

func (v *process) fdLine(w int) string {
	p, d := v.pens, v.data
	line := p.Muted.Ink("fds ") + p.Strong.Ink(view.FDsText(d))
	if limit, ok := d.Nofile.Get(); ok {
		line += p.Muted.Ink(" of ") + p.Text.Ink(units.Count(limit))
		if share, ok := d.NofileShare().Get(); ok {
			pen := view.LimitPen(p, share)
			line += " " + draw.Bar(pen, max(4, min(16, w/10)), share) + " " + pen.Ink(units.Percent(share))
		}
	}
	if seen, ok := d.FDsSeen.Get(); ok {
		line += p.Warn.Ink(" · only the first " + units.Count(seen) + " looked at")
	}
	line += p.Muted.Ink(" · sockets ") + p.Text.Ink(view.SocketsText(d))
	if d.EndsHere > 0 {
		line += p.Muted.Ink(view.Longest(w-draw.Width(line)-40, " ("+units.Count(d.EndsHere)+" with their other end here)", " ("+units.Count(d.EndsHere)+" here)", ""))
	}
	watches := units.Counted(view.WatchesText(d), "watch")
	return line + p.Muted.Ink(" · ") + p.Text.Ink(view.Longest(w-draw.Width(line)-3, watches+" in "+units.Counted(view.InstancesText(d), "instance"), watches))
}

func (v *process) memoryLine() string {
	p, kb := v.pens, v.data.KernelBytes
	line := p.Muted.Ink("kernel memory ") + p.Strong.Ink(view.TotalText(v.data))
	if len(kb.LeavesOut) > 0 {
		line += p.Warn.Ink(" without " + cell.Clean(strings.Join(kb.LeavesOut, ", ")))
	}
	sign := " = "
	for _, part := range []struct {
		name  string
		bytes maybe.Of[int64]
	}{{"sockets", kb.Sockets}, {"watches", kb.Watches}, {"instances", kb.Instances}, {"buffers", kb.Buffers}} {
		if b, ok := part.bytes.Get(); ok {
			line += p.Muted.Ink(sign+part.name+" ") + p.Text.Ink(units.Bytes(b))
			sign = " + "
		}
	}
	return line
}

// freshLine says what is wrong, or how old the data is and what is waited for.
func (v *process) freshLine() string {
	p, d := v.pens, v.data
	if d.Problem != "" && !v.over() {
		return p.Warn.Ink("! " + cell.Clean(d.Problem))
	}
	if v.over() {
		seen := v.seen.Time.Add(-v.seen.Stale)
		return p.Warn.Ink("last seen " + seen.Format("15:04:05") + ", " + units.Duration(v.snap.Time.Sub(seen).Round(time.Second)) + " ago")
	}
	line := p.Muted.Ink("fds listed " + units.Duration(d.ListedAge.Round(time.Millisecond)) + " ago")
	var wait time.Duration
	n := 0
	for i := range d.Epolls {
		if next := d.Epolls[i].NextRead; next > 0 {
			n++
			wait = max(wait, next)
		}
	}
	if n > 0 {
		line += p.Muted.Ink(" · " + units.Many(int64(n), "instance") + " read again in up to " + units.Duration(wait.Round(time.Millisecond)) +
			": locks are held for " + units.Percent(v.snap.Guest.MaxStall) + " of the time at most")
	}
	return line
}

func (v *process) watchesTitle() string {
	e := v.epoll()
	if e == nil {
		return "Watches"
	}
	title := "Watches of epoll fd " + strconv.Itoa(e.FD)
	if e.State == model.OK {
		title += " · " + units.Count(e.Watches)
	}
	if column, _ := v.watches.Order(); column < 0 {
		title += " · in the kernel's order"
	}
	return title
}

// chargedLines say who is charged for the chosen instance, and why.
func (v *process) chargedLines(w int) []string {
	e := v.epoll()
	if e == nil {
		return []string{""}
	}
	return draw.Wrap(cell.Clean(charged(v.seen, e)), max(1, w-2))
}

// aboutLines are about the chosen instance: who pays, who shares, how fresh.
func (v *process) aboutLines() []string {
	p, r := v.pens, v.rects.about
	e := v.epoll()
	if e == nil || r.H == 0 {
		return draw.Exact(nil, r.W, r.H)
	}
	var second []string
	if s := sharedWith(e); s != "" {
		second = append(second, s)
	}
	switch {
	case e.State != model.OK:
	case v.over():
		second = append(second, "read at "+v.seen.Time.Add(-e.Age).Format("15:04:05")+" in "+units.Duration(e.ReadTook))
	default:
		read := "read " + units.Duration(e.Age.Round(time.Millisecond)) + " ago"
		if e.ReadTook > 0 { // a pass over all files reads no instance for itself
			read += " in " + units.Duration(e.ReadTook)
		}
		second = append(second, read)
	}
	if b, ok := e.Bytes.Get(); ok {
		second = append(second, units.Bytes(b)+" of kernel memory")
	}
	second = append(second, kernelFacts(e)...)
	if e.NextRead > 0 && !v.over() {
		second = append(second, "next in "+units.Duration(e.NextRead.Round(time.Millisecond)))
	}
	if s := v.snap.Sockets; s != nil && s.NextRead > view.LongWait && !v.over() {
		second = append(second, "sockets listed "+units.Duration(s.Age.Round(time.Millisecond))+" ago")
	}
	rest := strings.Join(second, " · ")
	lines := append(v.chargedLines(r.W), rest)
	if r.H < len(lines) {
		// e says the rest of what does not fit.
		short := cell.Clean(chargedTo(v.seen, e))
		lines = []string{view.Longest(r.W-2, charged(v.seen, e)+" · "+rest, short+" · "+rest)}
	}
	for i := range lines {
		lines[i] = p.Muted.Ink(draw.Fit("  "+cell.Clean(lines[i]), r.W))
	}
	return lines
}

// kernelFacts are what only the kernel's own structures say of an instance.
func kernelFacts(e *model.Epoll) (facts []string) {
	if n, ok := e.Waiters.Get(); ok {
		facts = append(facts, model.Waiters(n)+" waiting")
	}
	if n, ok := e.Ready.Get(); ok {
		facts = append(facts, units.Count(n)+" ready")
	}
	if n := e.Unheld.Value; n > 0 {
		facts = append(facts, units.Many(n, "watch")+" on files that no process holds, not listed")
	}
	if b, ok := e.BusyPoll.Get(); ok && b.Usecs > 0 {
		facts = append(facts, "busy polling for "+units.Count(int64(b.Usecs))+" µs")
	}
	return facts
}
