package sockets

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/ui/draw"
	"github.com/eptop/eptop/internal/ui/view"
	"github.com/eptop/eptop/internal/units"
)

// Each function here writes the lines of one card for an inner width of w.
// A line's Drop says how soon it goes where the screen is too low.

// tcpLines: buffers against the marks of tcp_mem, and sockstat's own counts.
func tcpLines(p *draw.Pens, s *model.Sockets, w int, withStates bool) []draw.Line {
	var lines []draw.Line
	add := func(drop int, text string) {
		lines = append(lines, draw.Line{Text: draw.Fit(text, w), Drop: drop})
	}
	used, ok1 := s.TCP.MemBytes.Get()
	marks, ok2 := s.TCPMem.Get()
	switch {
	case ok1 && ok2 && marks.High > 0:
		share := float64(used) / float64(marks.High)
		pen, word := p.Bar, units.Percent(share)+" of high"
		switch s.TCPMemState {
		case model.TCPMemOverHigh:
			pen, word = p.Crit, view.Longest(w-20, "OVER HIGH: no more is given", "OVER HIGH")
		case model.TCPMemPressure:
			pen, word = p.Warn, view.Longest(w-20, "PRESSURE: buffers shrink", "PRESSURE")
		case model.TCPMemAboveLow:
			word += ", above low"
		}
		add(0, draw.Spread(p.Strong.Ink(units.Bytes(used))+" of all TCP", pen.Ink(word), w))
		add(1, p.Gauge(pen, w, share, float64(marks.Low)/float64(marks.High), float64(marks.Pressure)/float64(marks.High)))
		add(3, p.Muted.Ink(view.Longest(w, "low "+units.Bytes(marks.Low)+" · pressure "+units.Bytes(marks.Pressure)+" · high "+units.Bytes(marks.High),
			"┃ "+units.Bytes(marks.Low)+" ┃ "+units.Bytes(marks.Pressure)+" ▕ "+units.Bytes(marks.High))))
	case ok1:
		add(0, p.Strong.Ink(units.Bytes(used))+" of all TCP; tcp_mem is not known")
	default:
		add(0, p.Muted.Ink("sockstat could not be read"))
	}
	count := func(name string, n maybe.Of[int64]) string {
		return p.Muted.Ink(name+" ") + p.Text.Ink(view.CountOrDash(n))
	}
	pair := func(long, short string, a, b string) string {
		both, short := a+p.Muted.Ink(" · ")+b, p.Muted.Ink(short+" ")
		return view.Longest(w, p.Muted.Ink(long+" ")+both, short+both, both, short+a)
	}
	add(2, pair("this namespace", "here", count("in use", s.TCP.InUse), count("time wait", s.TCP.TimeWait)))
	add(2, pair("all namespaces", "all", count("alloc", s.TCP.Alloc), count("orphan", s.TCP.Orphan)))
	if withStates {
		text := ""
		for _, st := range statesOf(s) {
			part := st.name + " " + units.Count(st.n)
			if text != "" {
				part = " · " + part
			}
			if draw.Width(text+part) > w {
				break
			}
			text += part
		}
		add(4, p.Text.Ink(text))
	}
	return lines
}

type stateCount struct {
	name string
	n    int64
}

// statesOf lists the states of TCP sockets, the most frequent first.
func statesOf(s *model.Sockets) []stateCount {
	var out []stateCount
	for name, n := range s.TCP.States {
		if n > 0 {
			out = append(out, stateCount{draw.Clean(name), n})
		}
	}
	slices.SortFunc(out, func(a, b stateCount) int { return cmp.Or(cmp.Compare(b.n, a.n), cmp.Compare(a.name, b.name)) })
	return out
}

// stateLines: how many TCP sockets are in which state.
func stateLines(p *draw.Pens, s *model.Sockets, w int) []draw.Line {
	states := statesOf(s)
	if len(states) == 0 {
		return []draw.Line{{Text: p.Muted.Ink(draw.Fit("There is no TCP socket.", w))}}
	}
	var sum int64
	for _, st := range states {
		sum += st.n
	}
	var lines []draw.Line
	for i, st := range states {
		cells := []draw.Cell{{Text: st.name, W: 12}, {Text: units.Count(st.n), W: 10, Right: true, Pen: p.Strong}}
		if bar := w - 12 - 10 - 2; bar >= 3 {
			cells = append(cells, draw.Cell{Text: draw.Bar(p.Bar, bar, float64(st.n)/float64(sum)), W: bar})
		}
		lines = append(lines, draw.Line{Text: draw.Columns(w, cells...), Drop: min(i, 1) * (3 + i)})
	}
	return lines
}

// coveredLines: how old the numbers are and which namespaces they cover.
func coveredLines(p *draw.Pens, snap *model.Snapshot, w int) []draw.Line {
	s := snap.Sockets
	fresh := "listed " + units.Duration(s.Age.Round(time.Millisecond)) + " ago"
	pen := p.Text
	if s.NextRead > view.LongWait {
		pen = p.Warn
		next := ", next in " + units.Duration(s.NextRead.Round(100*time.Millisecond))
		if src, ok := view.SourceOf(snap, "sock_diag"); ok && src.Took > 0 {
			fresh = view.Longest(w, fresh+next+": it took "+units.Duration(src.Took), fresh+next)
		} else {
			fresh += next
		}
	}
	lines := []draw.Line{{Text: pen.Ink(draw.Fit(fresh, w))}}
	var covered []string
	for _, ns := range s.Namespaces {
		if n, ok := ns.Sockets.Get(); ok {
			covered = append(covered, namespaceName(ns)+" "+units.Count(n))
		}
	}
	for i, gap := range s.LeavesOut {
		if i == shownGaps {
			more := "✗ and " + units.Many(int64(len(s.LeavesOut)-i), "gap") + " more: e lists them"
			lines = append(lines, draw.Line{Text: p.Warn.Ink(draw.Fit(more, w)), Drop: 1})
			break
		}
		without := view.WrapLines(p.Warn, w, 4, "✗ without "+draw.Clean(gap))
		without[0].Drop = 0
		lines = append(lines, without...)
	}
	head := units.Many(int64(len(covered)), "namespace")
	if len(covered) > 0 {
		head += ": " + strings.Join(covered, ", ")
	}
	lines = append(lines, draw.Line{Text: p.Text.Ink(draw.Fit(head, w)), Drop: 1})
	if c, ok := s.Cgroup.Get(); ok {
		lines = append(lines, cgroupLines(p, c, w)...)
	}
	return lines
}

// shownGaps bounds what the card says of what is missing; Explain has all of it.
const shownGaps = 2

// coverage lists every namespace and every gap.
func coverage(s *model.Sockets) string {
	var b strings.Builder
	for _, ns := range s.Namespaces {
		b.WriteString("\n\n" + draw.Clean(ns.ID) + " (" + namespaceName(ns) + "): " + string(ns.State))
		if n, ok := ns.Sockets.Get(); ok {
			b.WriteString(", " + units.Many(n, "socket"))
		}
		if ns.Detail != "" {
			b.WriteString("; " + draw.Clean(ns.Detail))
		}
	}
	for _, gap := range s.LeavesOut {
		b.WriteString("\n\n✗ without " + draw.Clean(gap))
	}
	return b.String()
}

func namespaceName(ns model.NetworkNamespace) string {
	switch {
	case ns.Own:
		return "this one"
	case ns.PID > 0:
		return "pid " + strconv.Itoa(ns.PID) + "'s"
	}
	return draw.Clean(ns.ID)
}

// cgroupLines: what the memory cgroup itself is charged, to hold the sums
// against.
func cgroupLines(p *draw.Pens, c model.Cgroup, w int) []draw.Line {
	var parts []string
	for _, part := range []struct {
		name  string
		bytes maybe.Of[int64]
	}{{"kernel", c.KernelBytes}, {"slab", c.SlabBytes}, {"sock", c.SockBytes}} {
		if n, ok := part.bytes.Get(); ok {
			parts = append(parts, part.name+" "+units.Bytes(n))
		}
	}
	if len(parts) == 0 {
		parts = []string{"an unknown amount"}
	}
	head := "cgroup of pid " + strconv.Itoa(c.PID) + " (v" + strconv.Itoa(c.Version) + ") is charged"
	return []draw.Line{{Text: p.Muted.Ink(draw.Fit(head, w)), Drop: 5}, {Text: p.Text.Ink(draw.Fit(strings.Join(parts, ", "), w)), Drop: 5}}
}

// explainSocketCard says where the numbers of a card of the Sockets view are
// from and what they leave out.
func explainSocketCard(c socketCard) (title, text string) {
	switch c {
	case cardTCP:
		return "TCP buffers against tcp_mem", "The kernel's own sum of what TCP buffers are charged, in all namespaces (mem of /proc/net/sockstat), against the three marks of net.ipv4.tcp_mem: " +
			"below low nothing is done, above pressure buffers shrink, above high the kernel gives no more. The marks on the bar are low and pressure, its end is high.\n\n" +
			"/proc/net/sockstat mixes namespaces: in use and time wait are of eptop's own, alloc, orphan and mem are of all. alloc counts every TCP socket that is allocated, " +
			"in use those that are hashed, orphan those that no process holds any more. All of them are blind to structures: a million idle connections have next to no mem."
	case cardCovered:
		return "What is counted", "Sockets of TCP and UDP over IPv4 and IPv6 and of UNIX, as the kernel lists them through sock_diag (NETLINK_SOCK_DIAG), in eptop's own network namespace and in that of every process with sockets whose fds may be listed. " +
			"A namespace that may not be entered is named here, and its sockets are in no sum.\n\n" +
			"Listing takes the longer the more sockets there are; the next list waits so that it takes a small share of a core, and until then everything here is as old as it says.\n\n" +
			"The cgroup line is what the memory cgroup of the attached process is charged (memory.stat, or memory.kmem of cgroup v1): all kernel memory that its processes caused, sockets or not. It is there to hold the sums against.\n\n" +
			"Not counted: netlink, packet, raw, vsock and other families, TCP sockets that neither listen nor are connected, and namespaces in which no such process is. UNIX connections in an accept queue are in no list: they are counted by the lengths of the queues."
	case cardStates:
		return "States of TCP sockets", "All TCP sockets of the namespaces counted, IPv4 and IPv6, by state. TIME_WAIT is a small structure (tw_sock_TCP) that holds a port for 60 s; SYN_RECV another one (request_sock_TCP), a connection whose handshake is not finished. " +
			"CLOSE_WAIT: the other end has closed, and this process has not. FIN_WAIT2 can be a full socket or a small structure."
	}
	return view.ExplainSocketMemory()
}
