package view

import (
	"strings"
	"time"

	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/ui/draw"
	"github.com/eptop/eptop/internal/units"
)

// LongWait is the wait for the next list of sockets from which on the screen mentions it.
const LongWait = time.Second

// SocketMemory writes the lines of a card: the bytes of structures and of buffers, and
// which part of them only looks reclaimable.
func SocketMemory(p *draw.Pens, s *model.Sockets, w int) []draw.Line {
	structs, ok1 := s.StructBytes.Get()
	buffers, ok2 := s.BufferBytes.Get()
	ofStructs, ofBuffers := s.StructsExtent(), s.BuffersExtent()
	marked := func(n int64, of model.Extent) string { return strings.TrimSpace(of.Mark()) + units.Bytes(n) }
	line := func(name string, m maybe.Of[int64], of model.Extent) string {
		value := "?"
		if n, ok := m.Get(); ok {
			value = marked(n, of)
		}
		cells := []draw.Cell{{Text: name, W: 10}, {Text: value, W: 9, Right: true, Pen: p.Strong}}
		if bar := w - 10 - 9 - 7 - 3; ok1 && ok2 && structs+buffers > 0 && bar >= 3 {
			share := float64(m.Value) / float64(structs+buffers)
			cells = append(cells, draw.Cell{Text: p.Gauge(p.Bar, bar, share), W: bar}, draw.Cell{Text: units.Percent(share), W: 7, Right: true})
		}
		return draw.Columns(w, cells...)
	}
	lines := []draw.Line{{Text: line("structures", s.StructBytes, ofStructs)}, {Text: line("buffers", s.BufferBytes, ofBuffers)}}
	if n, ok := s.PinnedReclaimableBytes.Get(); ok {
		head := "pinned     " + p.Strong.Ink(draw.FitRight(marked(n, ofStructs), 9))
		words := Longest(w-21, `though "reclaimable", by these sockets`, `though "reclaimable"`, `"reclaimable"`, "")
		lines = append(lines, draw.Line{Text: draw.Fit(head+" "+p.Warn.Ink(words), w), Drop: 2})
	}
	if ok1 && s.Total > 0 {
		each := strings.TrimSpace(model.Mark(s.StructBytesAtLeast, false)) + units.Count(structs/s.Total)
		head := "a socket   " + p.Strong.Ink(draw.FitRight(each+" B", 9))
		words := Longest(w-21, "of structures on average, "+string(s.Origin), "on average, "+string(s.Origin), "on average", "average")
		lines = append(lines, draw.Line{Text: draw.Fit(head+" "+p.Muted.Ink(words), w), Drop: 4})
	}
	total := units.Counted(s.Mark()+units.Count(s.Total), "socket")
	here := s.HereMark() + units.Count(s.EndsHere)
	text := Longest(w, total+", "+here+" with their other end here", total+", "+here+" ends here", total)
	lines = append(lines, draw.Line{Text: p.Text.Ink(text), Drop: 3})
	if s.EndsHere > 0 {
		lines = append(lines, draw.Line{Text: p.Muted.Ink(draw.Fit("a loopback connection is two ends", w)), Drop: 5})
	}
	if s.Age > Old {
		lines = append(lines, draw.Line{Text: p.Warn.Ink(draw.Fit("listed "+units.Duration(s.Age)+" ago", w)), Drop: 1})
	}
	return lines
}

// WaitingText says how many connections wait in an accept queue, and how many may.
func WaitingText(waiting, backlog maybe.Of[int64]) string {
	text := units.Many(waiting.Value, "connection") + " waiting, of "
	limit, ok := backlog.Get()
	if !ok {
		return text + "an unknown backlog"
	}
	text += "a backlog of " + units.Count(limit)
	if model.QueueStateOf(waiting, backlog) == model.QueueFull {
		text += ": FULL, no more are accepted"
	}
	return text
}

// ExplainSocketMemory says where the numbers of SocketMemory come from and what they leave
// out.
func ExplainSocketMemory() (title, text string) {
	return "Socket memory", "Structures are what the slab holds for the sockets: sock, inode, file, dentry, security blobs and bind buckets, each kind and state with its own objects, as bytes of a slab over the objects in it. " +
		"Buffers are what SKMEMINFO reports for each socket: received and not read, written and not acknowledged, charged ahead, backlog and options.\n\n" +
		"Pinned: the kernel counts the caches of inodes and dentries as SReclaimable and so as MemAvailable, but memory pressure cannot free those that a live socket holds.\n\n" +
		"A socket whose other end is on this host counts for itself: a loopback connection is two ends and takes the memory of two.\n\n" +
		"Not counted: epoll watches, routes, conntrack, the program's own memory, and what is not explained yet. measured, derived and estimated mean the same as on the Overview; a ? marks a number that is not known."
}
