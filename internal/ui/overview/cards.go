package overview

import (
	"math"
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/object"
	"github.com/eptop/eptop/internal/ui/draw"
	"github.com/eptop/eptop/internal/ui/view"
	"github.com/eptop/eptop/internal/units"
)

// Each function here writes the lines of one card for an inner width of w.
// A line's Drop says how soon it goes where the screen is too low.

// The lines of the parts go after that of a million connections, the last part first.
const (
	dropPart    = 2
	dropMillion = 8
)

// connectionLines: what an idle connection costs, in so many parts at most.
func (v *View) connectionLines(w, most int) []draw.Line {
	p := v.pens
	costs := v.snap.ConnectionCost
	cost, ok := costs.TCP4.Get()
	if !ok {
		lines := view.WrapLines(p.Warn, w, 0, "Its size on this kernel is not known: neither slabinfo, /sys/kernel/slab nor BTF could be read.")
		return append(lines, draw.Line{Text: v.costLine(w, p.Muted, "folklore (3.10)", "", costs.FolkloreBytes, view.Longest(costRest(w), "not measured here", "")), Drop: 1})
	}
	lines := []draw.Line{{Text: v.costLine(w, p.Strong, "one TCP end", strings.TrimSpace(model.Mark(cost.AtLeast, false)), cost.Bytes, view.Longest(costRest(w), string(cost.Origin), map[model.Origin]string{model.Estimated: "estim."}[cost.Origin]))}}
	bar := max(1, costRest(w))
	for i, part := range fewerParts(foldParts(cost.Parts), most) {
		text := ""
		if costRest(w) > 2 && cost.Bytes > 0 {
			text = draw.Bar(p.Bar, bar, float64(part.Bytes)/float64(cost.Bytes))
		}
		lines = append(lines, draw.Line{Text: v.costLine(w, p.Text, "  "+draw.Clean(part.Cache), "", part.Bytes, text), Drop: min(dropPart+i, dropMillion-1)})
	}
	if len(cost.LeavesOut) > 0 {
		lines = append(lines, draw.Line{Text: p.Warn.Ink(draw.Fit("  unknown, not counted: "+draw.Clean(strings.Join(cost.LeavesOut, ", ")), w)), Drop: 1})
	}
	watch, watched := v.snap.Epoll.Cost.Get()
	if watched {
		words := "epi pwq head"
		if watch.AtLeast {
			words = "in part"
		}
		lines = append(lines, draw.Line{Text: v.costLine(w, p.Strong, "watched", "+"+strings.TrimSpace(model.Mark(watch.AtLeast, false)), watch.Bytes, view.Longest(costRest(w), words, "")), Drop: 1})
	}
	if costs.FolkloreBytes > 0 {
		words := ""
		if !cost.AtLeast { // a part is no share of the whole
			share := units.Count((cost.Bytes*100+costs.FolkloreBytes/2)/costs.FolkloreBytes) + " %"
			words = view.Longest(costRest(w), "we are at "+share, "at "+share, share)
		}
		lines = append(lines, draw.Line{Text: v.costLine(w, p.Muted, "folklore (3.10)", "", costs.FolkloreBytes, words), Drop: 1})
	}
	if !cost.AtLeast && !watch.AtLeast {
		lines = append(lines, draw.Line{Text: draw.Fit("a million of them "+p.Strong.Ink(units.Bytes((cost.Bytes+watch.Bytes)*1_000_000)), w), Drop: dropMillion})
	}
	others := []string{}
	if c, ok := costs.TCP6.Get(); ok {
		others = append(others, "IPv6 "+model.Mark(c.AtLeast, false)+units.Count(c.Bytes)+" B")
	}
	if c, ok := costs.Unix.Get(); ok {
		others = append(others, "unix "+model.Mark(c.AtLeast, false)+units.Count(c.Bytes)+" B")
	}
	if len(others) > 0 {
		lines = append(lines, draw.Line{Text: p.Muted.Ink(draw.Fit(strings.Join(others, " · ")+" an end", w)), Drop: 9})
	}
	return lines
}

// costRest is how many cells a cost line leaves for its bar or words.
func costRest(w int) int { return w - costName(w) - 10 }

func costName(w int) int { return max(4, min(20, max(18, w*2/5), w-9)) }

// costLine is a name, a number of bytes, and a bar or words behind it.
func (v *View) costLine(w int, pen draw.Pen, name, sign string, bytes int64, rest string) string {
	number := units.Count(bytes) + " B"
	nameW := costName(w)
	if sign != "" {
		name = draw.Spread(name, sign, nameW)
	}
	cells := []draw.Cell{{Text: name, W: nameW, Pen: pen}, {Text: number, W: 8, Right: true, Pen: pen}}
	if r := costRest(w); r > 2 {
		cells = append(cells, draw.Cell{Text: rest, W: r, Pen: v.pens.Muted})
	}
	return draw.Columns(w, cells...)
}

// foldParts adds the security modules' parts up into one: they are small and
// always together.
func foldParts(parts []model.Part) []model.Part {
	var out []model.Part
	lsm := -1
	for _, p := range parts {
		if strings.HasPrefix(p.Cache, "lsm_") {
			if lsm >= 0 {
				out[lsm].Bytes += p.Bytes
				continue
			}
			lsm = len(out)
			p.Cache = "lsm inode + file"
		}
		out = append(out, p)
	}
	return out
}

// fewerParts adds the last parts up into one, so that at most so many are left and
// they still come to the total; one part would say no more than the total does.
func fewerParts(parts []model.Part, most int) []model.Part {
	switch {
	case len(parts) <= most:
		return parts
	case most < 2:
		return nil
	}
	out := slices.Clone(parts[:most])
	others := &out[most-1]
	others.Cache = view.OthersCache
	for _, p := range parts[most:] {
		others.Bytes += p.Bytes
	}
	return out
}

// watchLines: who is how far from max_user_watches, and what a watch costs.
func (v *View) watchLines(w int) []draw.Line {
	p, e := v.pens, v.snap.Epoll
	lines := []draw.Line{}
	limit, limited := e.MaxUserWatches.Get()
	if limited {
		lines = append(lines, draw.Line{Text: p.Muted.Ink(draw.Spread("limit of each user", units.Count(limit), w)), Drop: 6})
	}
	users := slices.Clone(e.Users)
	slices.SortStableFunc(users, func(a, b model.User) int {
		x, _ := a.Charged()
		y, _ := b.Charged()
		return maybe.Compare(y, x)
	})
	unsure := 0
	for i, u := range users[:min(len(users), 5)] {
		unsure += u.Unsure
		lines = append(lines, draw.Line{Text: v.userLine(w, u), Drop: min(i, 1) * (5 + i)})
	}
	if len(users) == 0 {
		text := "Nobody watches anything."
		if e.AtLeast {
			text = "No epoll seen."
		}
		lines = append(lines, view.WrapLines(p.Muted, w, 0, text)...)
	}
	if slices.ContainsFunc(users, func(u model.User) bool { return !u.Counted.Known }) {
		lines = append(lines, draw.Line{Text: p.Muted.Ink(draw.Fit(view.Longest(w, "users: the oldest holders', not surely the creators'", "users: the oldest holders'", ""), w)), Drop: 9})
	}
	if unsure > 0 {
		lines = append(lines, draw.Line{Text: p.Warn.Ink(draw.Fit("? "+units.Many(int64(unsure), "instance")+" may be charged to another user", w)), Drop: 8})
	}
	if texts := view.Without(&e.Extent); texts != nil {
		lines = append(lines, draw.Line{Text: p.Warn.Ink(draw.Fit(view.Longest(w, texts...), w)), Drop: 3})
	}
	if e.Age > view.Old {
		lines = append(lines, draw.Line{Text: p.Warn.Ink(draw.Fit("read up to "+units.Duration(e.Age)+" ago", w)), Drop: 7})
	}
	cost, ok := e.Cost.Get()
	if !ok {
		return append(lines, view.WrapLines(p.Muted, w, 1, "What a watch takes here is not known; epoll(7) says roughly 160 B.")...)
	}
	one, manual := model.Mark(cost.AtLeast, false)+units.Count(cost.Bytes)+" B", units.Count(cost.ManualBytes)
	room := w - draw.Width("a watch "+one)
	note := view.Longest(room, " (manual "+manual+")", "")
	if c, ok := cost.ChargedBytes.Get(); ok {
		charged := units.Count(c)
		note = view.Longest(room, " (charged "+charged+", manual "+manual+")", ", charged "+charged+", man "+manual, " (charged "+charged+")", "")
	}
	lines = append(lines, draw.Line{Text: "a watch " + p.Strong.Ink(one) + p.Muted.Ink(note), Drop: 1})
	bytesOf := func(watches int64) string { return units.Bytes(watches * cost.Bytes) }
	of := e.BytesExtent()
	now, limitText := view.Sum(e.Watches, bytesOf, &of), ""
	if limited && !cost.AtLeast {
		full := bytesOf(limit)
		limitText = view.Longest(w-draw.Width("all "+now+" now"), ", "+full+" at the limit", ", "+full+" at limit", "")
	}
	return append(lines, draw.Line{Text: "all " + p.Strong.Ink(now) + " now" + p.Muted.Ink(limitText), Drop: 4})
}

func (v *View) userLine(w int, u model.User) string {
	p := v.pens
	name := draw.Clean(u.User)
	if name == "" {
		name = "uid " + units.Count(int64(u.UID))
	}
	share, ok := u.WatchShare().Get()
	used, of := u.Charged()
	count := view.Sum(used, units.Count, &of)
	if u.Unsure > 0 && used.Known {
		count += "?"
	}
	if draw.Width(count) > 11 {
		count = strings.Replace(count, "≥ ", "≥", 1)
	}
	if !ok {
		return draw.Columns(w, draw.Cell{Text: name}, draw.Cell{Text: count, W: 11, Right: true, Pen: p.Strong})
	}
	nameW := min(10, max(4, w/4))
	bar := w - nameW - 11 - 7 - 3
	cells := []draw.Cell{{Text: name, W: nameW}, {Text: count, W: 11, Right: true, Pen: p.Strong}}
	if bar >= 2 {
		cells = append(cells, draw.Cell{Text: p.Gauge(view.LimitPen(p, share), bar, share), W: bar})
	}
	return draw.Columns(w, append(cells, draw.Cell{Text: view.Longest(7, strings.TrimSpace(of.Mark())+units.Percent(share), units.Percent(share)), W: 7, Right: true, Pen: view.LimitPen(p, share)})...)
}

// mostWalls is how many limits are shown: the nearest ones of any kind.
const mostWalls = 5

// wallLines: the nearest limits in their order, and where each leads.
func (v *View) wallLines(w int) (lines []draw.Line, rows []cardRow) {
	p := v.pens
	walls := v.snap.Walls[:min(len(v.snap.Walls), mostWalls)]
	if len(walls) == 0 {
		return view.WrapLines(p.Muted, w, 0, "No limit is in sight: no process with sockets may be looked at, or its limits are not known."), nil
	}
	lines = []draw.Line{{Text: p.Muted.Ink(draw.Spread("", "connections left", w)), Drop: 7}}
	leftW := 9
	for _, wall := range walls {
		leftW = max(leftW, draw.Width(view.ConnectionsLeft(wall)))
	}
	for i := range walls {
		wall := &walls[i]
		row := cardRow{text: v.wallLine(w, leftW, wall, i == 0), does: "explain", enter: v.explainWall(*wall)}
		switch {
		case wall.PID != 0:
			row.does, row.enter = "go there", goToProcess(wall.PID)
		case wall.Name == model.WallUserWatches:
			row.does, row.enter = "go there", goTo("Processes")
		case slices.Contains([]model.WallName{model.WallPorts, model.WallTCPMem, model.WallOrphans, model.WallAcceptQueue}, wall.Name):
			row.does, row.enter = "go there", goTo("Sockets")
		}
		lines, rows = append(lines, draw.Line{Text: row.text, Drop: min(i, 1) * (3 + i)}), append(rows, row)
		// Half a command helps nobody: e shows the whole of it.
		if raise := "    " + draw.Clean(wall.RaiseWith); i == 0 && wall.RaiseWith != "" && draw.Width(raise) <= w {
			lines = append(lines, draw.Line{Text: p.Muted.Ink(raise), Drop: 8})
		}
	}
	return lines, rows
}

func (v *View) wallLine(w, leftW int, wall *model.Wall, first bool) string {
	p := v.pens
	pen := p.Text
	if first || wall.Level != model.LevelOK && wall.Level != "" {
		pen = wallPen(p, wall)
	}
	left := view.ConnectionsLeft(*wall)
	name := wallName(*wall)
	w -= 2
	fewer := strings.NewReplacer(" of pid ", " ", " of ", " ", "local ports from ", "ports ", " to ", "→").Replace(name)
	name = view.Longest(w-leftW-1, name, fewer, shortWall(wall))
	cells := []draw.Cell{{Text: name, Pen: pen}}
	share, ok := wall.Share().Get()
	// The bar says again what the numbers do, a name of which half is missing says nothing.
	if bar := min(12, w-24-leftW-2-6); bar >= 4 && ok && draw.Width(name) <= w-leftW-bar-9 {
		cells = append(cells, draw.Cell{Text: p.Gauge(view.LimitPen(p, share), bar, share), W: bar}, draw.Cell{Text: units.Percent(share), W: 7, Right: true, Pen: view.LimitPen(p, share)})
	}
	return "  " + draw.Columns(w, append(cells, draw.Cell{Text: left, W: leftW, Right: true, Pen: pen})...)
}

// explainWall opens all that is known of a limit.
func (v *View) explainWall(wall model.Wall) func() tea.Cmd {
	return func() tea.Cmd { return view.Send(view.OverlayMsg{Title: wallName(wall), Text: wallText(&wall)}) }
}

// wallText is a limit in sentences.
func wallText(wall *model.Wall) string {
	amount := func(n int64) string { return units.Count(n) + " " + string(wall.Unit) }
	if wall.Unit == model.UnitBytes {
		amount = units.Bytes
	}
	text := model.Mark(wall.AtLeast, wall.AtMost) + amount(wall.Used) + " of " + amount(wall.Limit) + " are used; " +
		view.ConnectionsLeft(*wall) + " connections are left (" + string(wall.Origin) + "). It holds for " + draw.Clean(wall.Scope) + "."
	if wall.Others > 0 {
		text += "\n\n" + units.Many(int64(wall.Others), "other limit") + " of this kind is farther away."
		if wall.Others > 1 {
			text = strings.Replace(text, "kind is farther", "kind are farther", 1)
		}
	}
	if wall.RaiseWith != "" {
		text += "\n\nWhat moves it: " + draw.Clean(wall.RaiseWith)
	}
	return text
}

// raiseWith lists what moves each wall.
func raiseWith(s *model.Snapshot) string {
	text := ""
	for _, wall := range s.Walls {
		if wall.RaiseWith != "" {
			text += "\n" + wallName(wall) + ": " + draw.Clean(wall.RaiseWith)
		}
	}
	return text
}

func wallName(w model.Wall) string { return draw.Clean(w.Title()) }

// memoryLines: how much is left, what of it is slab, and what of that only
// looks reclaimable.
func (v *View) memoryLines(w int) []draw.Line {
	p, host := v.pens, v.snap.Host
	lines := []draw.Line{}
	total, ok1 := host.MemTotalBytes.Get()
	available, ok2 := host.MemAvailableBytes.Get()
	if ok1 && ok2 && total > 0 {
		used := 1 - float64(available)/float64(total)
		text := units.Bytes(available) + " of " + units.Bytes(total)
		cells := []draw.Cell{{Text: "available", W: 9}, {Text: text, Pen: p.Strong}}
		if bar := w - 10 - draw.Width(text) - 9; bar >= 4 {
			bar = min(bar, 16)
			cells = []draw.Cell{{Text: "available", W: 9}, {Text: text, Pen: p.Strong}, {Text: p.Gauge(view.LimitPen(p, used), bar, used), W: bar}, {Text: units.Percent(used), W: 7, Right: true}}
		}
		lines = append(lines, draw.Line{Text: draw.Columns(w, cells...)})
	} else {
		lines = append(lines, view.WrapLines(p.Muted, w, 0, view.Absence(v.snap, "meminfo", "Not known."))...)
	}
	slab, ok := v.snap.Host.SlabBytes().Get()
	pinned, okPinned := v.pinned()
	if !ok {
		return lines
	}
	text := "slab      " + p.Strong.Ink(units.Bytes(slab))
	lines = append(lines, draw.Line{Text: text + p.Muted.Ink(", "+units.Bytes(host.SReclaimableBytes.Value)+" reclaimable"), Drop: 2})
	if okPinned {
		text := "pinned    " + p.Strong.Ink(pinned) + p.Muted.Ink(" of that by sockets")
		lines = append(lines, draw.Line{Text: text, Drop: 3})
	}
	return lines
}

// socketLines: what sockets hold, structures against buffers, and what of it
// only looks reclaimable.
func (v *View) socketLines(w int) []draw.Line {
	s := v.snap.Sockets
	if s == nil {
		return v.sockstatLines(w)
	}
	return view.SocketMemory(v.pens, s, w)
}

// sockstatLines: what the kernel counts by itself, while its sockets are not listed.
func (v *View) sockstatLines(w int) []draw.Line {
	p := v.pens
	count, ok := v.snap.Sockstat.Get()
	if !ok {
		return nil
	}
	lines := view.MakeLines([]string{
		draw.Spread("TCP sockets allocated", p.Strong.Ink(view.CountOrDash(count.Alloc)), w),
		draw.Spread("their buffers", p.Strong.Ink(view.BytesOrDash(count.MemBytes)), w),
	})
	if files, ok := v.snap.OpenFiles.Get(); ok {
		lines = append(lines, draw.Line{Text: draw.Spread("open files", p.Strong.Ink(units.Count(files)), w), Drop: 1})
	}
	return append(lines, view.WrapLines(p.Warn, w, 2, view.Absence(v.snap, "sock_diag", "They are many, and are listed in the next look."))...)
}

// pinned is what counts as reclaimable although sockets hold it: of the
// sockets themselves where they were looked at, else for each object of
// sock_inode_cache the inode and its dentry.
func (v *View) pinned() (text string, ok bool) {
	s := v.snap
	if s.Sockets != nil && s.Sockets.PinnedReclaimableBytes.Known {
		of := s.Sockets.StructsExtent()
		return view.Sum(s.Sockets.PinnedReclaimableBytes, units.Bytes, &of), true
	}
	cost, ok := s.ConnectionCost.TCP4.Get()
	if !ok {
		return "", false
	}
	each := int64(0)
	for _, part := range cost.Parts {
		if rec, ok := part.Reclaimable.Get(); ok && rec {
			each += part.Bytes
		}
	}
	for _, c := range s.Slab {
		if rec, ok := c.Reclaimable.Get(); c.Name == object.SocketInode.Cache && ok && rec && each > 0 {
			return model.Mark(cost.AtLeast, false) + units.Bytes(c.Active*each), true
		}
	}
	return "", false
}

// trendLines: watches and slab memory over the last minutes, with the scale of each.
func (v *View) trendLines(w, high int) []draw.Line {
	p := v.pens
	chart := func(name string, values []int64, value string, write func(int64) string, drop int) []draw.Line {
		const label = 10
		wide := w - label - 1 - 12
		if wide < 4 || len(values) == 0 || high < 2 {
			return []draw.Line{{Text: draw.Spread(name, value, w), Drop: drop}}
		}
		points, lo, hi := view.ChartPoints(values)
		lines := make([]draw.Line, high)
		for i, row := range draw.Chart(p.Bar, wide, high, points, lo, hi) {
			cells := []draw.Cell{{W: label}, {Text: row, W: wide}, {W: 11}}
			switch i {
			case high - 1: // what is now
				cells[0], cells[2] = draw.Cell{Text: name, W: label}, draw.Cell{Text: value, W: 11, Right: true, Pen: p.Strong}
			case 0: // between what it is drawn
				cells[0], cells[2] = draw.Cell{Text: "▔ " + write(int64(math.Ceil(hi))), W: label, Pen: p.Muted}, draw.Cell{Text: "▁ " + write(int64(lo)), W: 11, Right: true, Pen: p.Muted}
			}
			lines[i] = draw.Line{Text: draw.Columns(w, cells...), Drop: drop}
		}
		return lines
	}
	lines := chart("watches", v.snap.History.Watches, view.HostWatches(v.snap), units.Short, 0)
	if b, ok := v.snap.Host.SlabBytes().Get(); ok {
		lines = append(lines, chart("slab", v.snap.History.SlabBytes, units.Bytes(b), units.Bytes, 8)...)
	}
	return lines
}

// trendTitle says how far back the chart goes.
func (v *View) trendTitle() string {
	if span := v.snap.History.Span(len(v.snap.History.Times)); span > 0 {
		return "the last " + view.RoundDuration(span)
	}
	return "from now on"
}

// unseen names what sums leave out for good; a source or the progress says the rest.
func (v *View) unseen() []string {
	gaps := v.snap.Epoll.Gaps
	if v.snap.Sockets != nil {
		gaps = slices.Concat(gaps, v.snap.Sockets.Gaps)
	}
	var out []string
	for _, g := range gaps {
		switch g.What {
		case model.GapNotListed, model.GapNotCompared, model.GapNotRead, model.GapDenied, model.GapBuffers:
			continue
		}
		if text := g.String(); !slices.Contains(out, text) {
			out = append(out, text)
		}
	}
	return out
}

// unread are the sources that hide something from eptop: not what a machine simply does not
// have.
func (v *View) unread() []model.Source {
	return slices.DeleteFunc(slices.Clone(v.snap.Sources), func(s model.Source) bool {
		return s.State == model.OK || s.State == model.Absent && s.Remedy == "" && slices.Contains([]string{"bpf", "nodes", "dmi", "cgroups"}, s.Name)
	})
}

func sourceDetail(s *model.Source) string {
	if s.Detail == "" {
		return string(s.State)
	}
	return s.Detail
}

// missingLines: what eptop could not look at, and the commands that would let
// it; nothing when it sees everything.
func (v *View) missingLines(w int) []draw.Line {
	p := v.pens
	var lines []draw.Line
	if texts := view.Progress(&v.snap.Coverage); texts != nil {
		lines = append(lines, draw.Line{Text: p.Warn.Ink(draw.Fit(view.Longest(w, texts...), w))})
	}
	for _, gap := range v.unseen() {
		lines = append(lines, view.WrapLines(p.Warn, w, 5, "✗ "+draw.Clean(gap))...)
	}
	var remedies []string
	for _, s := range v.unread() {
		detail := draw.Clean(sourceDetail(&s))
		said := view.WrapLines(p.Warn, w, 6, "✗ "+s.Name+": "+detail)
		said[0].Drop = 5
		lines = append(lines, said...)
		if s.Remedy != "" && !slices.Contains(remedies, s.Remedy) {
			remedies = append(remedies, s.Remedy)
		}
	}
	for _, r := range remedies {
		lines = append(lines, draw.Line{Text: draw.Fit("to see it: "+p.Key.Ink(draw.Clean(r)), w)})
	}
	if len(lines) > 0 && len(remedies) == 0 {
		lines[0].Drop = 0
	}
	return lines
}
