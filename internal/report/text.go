package report

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"unicode"
	"unicode/utf8"

	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/units"
)

// absent stands where a value is not known: it is not a zero.
// unknown stands where nothing of a sum is known yet.
const (
	absent  = "-"
	unknown = "?"
)

// Text writes the snapshot for people, with details the epolls of each process and the
// states of its sockets, and the lists that are wanted.
func Text(w io.Writer, s *model.Snapshot, details bool, lists Lists) error {
	t := &text{w: bufio.NewWriter(w)}
	t.host(s)
	t.connection(s)
	t.watch(s)
	t.users(s)
	t.sockets(s, details)
	t.processes(s)
	if details || lists.Watches {
		t.epolls(s, lists.Watches)
	}
	if details || lists.Sockets {
		t.socketsHeld(s, lists.Sockets)
	}
	t.walls(s)
	t.slab(s)
	t.nodes(s)
	t.placements(s)
	t.modules(s)
	t.sources(s)
	return t.w.Flush()
}

// text collects lines; bufio keeps the first error until Flush.
type text struct{ w *bufio.Writer }

func (t *text) line(format string, args ...any) { fmt.Fprintf(t.w, format+"\n", args...) }

func (t *text) title(format string, args ...any) {
	fmt.Fprintln(t.w)
	t.line(format, args...)
}

// table aligns rows of tab-separated cells to the right; the last cell of a row
// stays where it is.
func (t *text) table(rows []string) {
	tw := tabwriter.NewWriter(t.w, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, row := range rows {
		cells := strings.Split(row, "\t")
		last := len(cells) - 1
		fmt.Fprintf(tw, "%s\t  %s\n", strings.Join(cells[:last], "\t"), cells[last])
	}
	_ = tw.Flush() // bufio keeps the error
}

func row(cells ...any) string {
	out := make([]string, len(cells))
	for i, c := range cells {
		switch v := c.(type) {
		case int64:
			out[i] = units.Count(v)
		case int:
			out[i] = units.Count(int64(v))
		case maybe.Of[int64]:
			out[i] = count(v)
		default:
			out[i] = clean(fmt.Sprint(v))
		}
	}
	return strings.Join(out, "\t")
}

// clean replaces characters in names of processes and firmware that would move the
// cursor, change the direction of the text or break a table.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r == utf8.RuneError || unicode.In(r, unicode.C, unicode.Mn, unicode.Zl, unicode.Zp) {
			return '?'
		}
		return r
	}, s)
}

// short cuts a name that no screen has room for.
func short(s string) string {
	const most = 40
	if runes := []rune(s); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return s
}

func count(m maybe.Of[int64]) string {
	if n, ok := m.Get(); ok {
		return units.Count(n)
	}
	return absent
}

func bytesOf(m maybe.Of[int64]) string {
	if n, ok := m.Get(); ok {
		return units.Bytes(n)
	}
	return absent
}

// sum writes a sum with its mark.
func sum(m maybe.Of[int64], e *model.Extent) string { return marked(m, e, count) }

func sumBytes(m maybe.Of[int64], e *model.Extent) string { return marked(m, e, bytesOf) }

func marked(m maybe.Of[int64], e *model.Extent, write func(maybe.Of[int64]) string) string {
	if !m.Known && e.Pending() {
		return unknown
	}
	if !m.Known {
		return absent
	}
	return e.Mark() + write(m)
}

// without names what a sum leaves out.
func (t *text) without(gaps []string) {
	for _, gap := range gaps {
		t.line("  without %s", clean(gap))
	}
}

func (t *text) host(s *model.Snapshot) {
	h := s.Host
	cpus := absent + " CPUs"
	if h.CPUs > 0 {
		cpus = units.Many(int64(h.CPUs), "CPU")
	}
	t.line("%s · Linux %s · %s · %s memory, %s available · %s", clean(cmp.Or(h.Hostname, absent)), clean(cmp.Or(h.Kernel, absent)),
		cpus, bytesOf(h.MemTotalBytes), bytesOf(h.MemAvailableBytes), units.Many(int64(len(s.Nodes)), "NUMA node"))
	g := s.Guest
	t.line("looking took %s, %s of CPU, held epoll locks for %s and listed %s fds",
		units.Duration(s.Took), units.Duration(g.CPU), units.Duration(g.Stall), units.Count(int64(g.FDsListed)))
	if pass, ok := g.Pass.Get(); ok {
		t.line("a BPF pass over %s files took %s, %s of CPU, and held no lock of theirs",
			units.Count(pass.Files), units.Duration(pass.Wall), units.Duration(pass.CPU))
	}
}

func (t *text) connection(s *model.Snapshot) {
	c, ok := s.ConnectionCost.TCP4.Get()
	if !ok {
		t.title("What an idle connection costs is not known here: see the sources below.")
		return
	}
	t.title("One end of an idle TCP connection takes %s B (%s)", costBytes(c.Bytes, c.AtLeast), c.Origin)
	t.parts(c.Parts, c.LeavesOut)
	line := fmt.Sprintf("  folklore %s B (Linux 3.10)", units.Count(s.ConnectionCost.FolkloreBytes))
	if !c.AtLeast { // a part is no share of the whole
		line += fmt.Sprintf(": this kernel is at %.0f %%", 100*float64(c.Bytes)/float64(s.ConnectionCost.FolkloreBytes))
	}
	for _, f := range []struct {
		name string
		cost maybe.Of[model.Cost]
	}{{"over IPv6", s.ConnectionCost.TCP6}, {"UNIX stream", s.ConnectionCost.Unix}} {
		if c, ok := f.cost.Get(); ok {
			line += fmt.Sprintf(" · %s %s B", f.name, costBytes(c.Bytes, c.AtLeast))
		}
	}
	t.line("%s", line)
}

// costBytes writes a cost, as a lower bound where parts of it are not known.
func costBytes(n int64, atLeast bool) string { return model.Mark(atLeast, false) + units.Count(n) }

func (t *text) parts(parts []model.Part, leavesOut []string) {
	rows := []string{row("BYTES", "OBJECT", "ORIGIN", "SLAB CACHE")}
	for _, p := range parts {
		name := p.Cache
		if p.ShownAs != "" && p.ShownAs != p.Cache {
			name += " (slabinfo counts it under " + p.ShownAs + ")"
		}
		rows = append(rows, row(p.Bytes, p.ObjectBytes, p.Origin, name))
	}
	t.table(rows)
	if len(leavesOut) > 0 {
		t.line("  not counted, because this kernel does not report their sizes: %s", strings.Join(leavesOut, ", "))
	}
}

func (t *text) watch(s *model.Snapshot) {
	w, ok := s.Epoll.Cost.Get()
	if !ok {
		return
	}
	charged := ""
	if n, ok := w.ChargedBytes.Get(); ok {
		charged = " charged against max_user_watches: " + units.Count(n) + " B;"
	}
	t.title("One watch takes %s B (%s);%s epoll(7) says %s B", costBytes(w.Bytes, w.AtLeast), w.Origin, charged, units.Count(w.ManualBytes))
	t.parts(w.Parts, w.LeavesOut)
}

func (t *text) users(s *model.Snapshot) {
	e := s.Epoll
	of := e.InstancesExtent()
	once := ", each instance once"
	if e.AtMost {
		once = ""
	}
	t.title("%s in %s%s; max_user_watches is %s for each user", units.Counted(sum(e.Watches, &e.Extent), "watch"),
		units.Counted(sum(e.Instances, &of), "epoll instance"), once, count(e.MaxUserWatches))
	t.without(e.LeavesOut)
	if len(e.Users) == 0 {
		return
	}
	if slices.ContainsFunc(e.Users, func(u model.User) bool { return !u.Counted.Known }) {
		t.line("  users are the real ones of the oldest holders: the kernel charges who created an instance, which /proc does not show")
	}
	rows := []string{row("EPOLLS", "WATCHES", "LIMIT", "USED", "MEMORY", "USER")}
	for _, u := range e.Users {
		used := absent
		if share, ok := u.WatchShare().Get(); ok {
			_, of := u.Charged()
			used = of.Mark() + units.Percent(share)
		}
		name := u.User
		if u.Unsure > 0 {
			name += fmt.Sprintf(" (%s by guess)", units.Many(int64(u.Unsure), "instance"))
		}
		charged, ofCharged := u.Charged()
		if missing := u.Counted.Value - u.Watches.Value; u.Counted.Known && missing > 0 {
			name += fmt.Sprintf(" (%s not seen)", units.Many(missing, "watch"))
		}
		of := u.BytesExtent()
		rows = append(rows, row(u.Mark()+units.Count(int64(u.Instances)), sum(charged, &ofCharged), u.Limit, used, sumBytes(u.WatchBytes, &of), name))
	}
	t.table(rows)
}

func (t *text) processes(s *model.Snapshot) {
	t.title("Processes")
	shared := false
	rows := []string{row("PID", "USER", "EPOLLS", "WATCHES", "FDS", "SOCKETS", "STRUCTS", "BUFFERS", "MEMORY*", "COMMAND")}
	for i := range s.Processes {
		p := &s.Processes[i]
		name := p.Comm
		if p.Problem != "" {
			name += " (" + p.Problem + ")"
		}
		if len(p.LeavesOut) > 0 && p.Problem == "" {
			name += " (without " + strings.Join(p.LeavesOut, ", ") + ")"
		}
		if p.SharedSockets > 0 {
			shared = true
			name += fmt.Sprintf(" (%s held by other processes too)", units.Many(p.SharedSockets, "socket"))
		}
		of, files := p.InstancesExtent(), p.FilesExtent()
		bytes := p.Extent
		bytes.AtLeast, bytes.AtMost = bytes.AtLeast || p.KernelBytes.AtLeast, p.KernelBytes.AtMost
		fds, ofFDs := p.OpenFDs()
		instances, watches := sum(p.Instances, &of), sum(p.Watches, &p.Extent)
		rows = append(rows, row(fmt.Sprint(p.PID), cmp.Or(p.User, "?"), instances, watches, sum(fds, &ofFDs), sum(p.Sockets, &files),
			sumBytes(p.KernelBytes.Sockets, &bytes), sumBytes(p.KernelBytes.Buffers, &bytes), sumBytes(p.KernelBytes.Total, &bytes), name))
	}
	t.table(rows)
	t.line("  * kernel memory of sockets (structures and buffers), watches and epoll instances, as far as it is known")
	if shared {
		t.line("  what several processes hold is in the row of each: the rows add up to more than the host's sums")
	}
}

func (t *text) epolls(s *model.Snapshot, watches bool) {
	for i := range s.Processes {
		p := &s.Processes[i]
		t.title("Epolls of %d %s", p.PID, clean(p.Comm))
		rows := []string{row("FD", "WATCHES", "ET", "ONESHOT", "DISARMED", "EXCLUSIVE", "WAKEUP", "STALE", "UNPROVEN", "BYTES", "AGE", "NOTES")}
		for j := range p.Epolls {
			e := &p.Epolls[j]
			if e.State != model.OK {
				none := slices.Repeat([]any{absent}, 10)
				rows = append(rows, row(append(append([]any{fmt.Sprint(e.FD)}, none...), epollNotes(e))...))
				continue
			}
			rows = append(rows, row(fmt.Sprint(e.FD), e.Watches, e.ET, e.OneShot, e.Disarmed, e.Exclusive, e.Wakeup,
				e.Stale, e.Unproven, e.Bytes, units.Duration(e.Age), epollNotes(e)))
		}
		t.table(rows)
		for j := range p.Epolls {
			if watches {
				t.targets(s, &p.Epolls[j])
			}
		}
	}
}

func epollNotes(e *model.Epoll) string {
	var notes []string
	if e.State != model.OK {
		notes = append(notes, e.Problem)
	}
	if len(e.SharedWith) > 0 {
		shared := make([]string, len(e.SharedWith))
		for i, h := range e.SharedWith {
			shared[i] = fmt.Sprintf("pid %d fd %d", h.PID, h.FD)
		}
		if more := e.SharedCount - len(shared); more > 0 {
			shared = append(shared, units.Count(int64(more))+" more")
		}
		notes = append(notes, "shared with "+strings.Join(shared, ", "))
	}
	if e.SharingUnknown {
		notes = append(notes, "sharing unknown")
	}
	if n, ok := e.Waiters.Get(); ok && n > 0 {
		notes = append(notes, model.Waiters(n)+" waiting")
	}
	if n, ok := e.Ready.Get(); ok && n > 0 {
		notes = append(notes, units.Count(n)+" ready")
	}
	if n := e.Unheld.Value; n > 0 {
		notes = append(notes, units.Count(n)+" on files that no process holds")
	}
	return strings.Join(notes, "; ")
}

// blockRows is how many watches are aligned together: to align a million, all would
// have to be in memory.
const blockRows = 10_000

func (t *text) targets(s *model.Snapshot, e *model.Epoll) {
	if len(e.List) == 0 {
		return
	}
	t.title("Watches of epoll %d", e.FD)
	rows := []string{row("FD", "KIND", "EVENTS", "DATA", "INO", "STATE", "RXQ", "TXQ", "BUFFERS", "LOCAL", "PEER", "NOTES")}
	for i := range e.List {
		w := s.Target(e.List[i])
		kind, ino := cmp.Or(w.Kind, absent), absent
		if n, ok := w.Ino.Get(); ok {
			ino = fmt.Sprint(n)
		}
		if len(rows) == blockRows {
			t.table(rows)
			rows = rows[:0]
		}
		rows = append(rows, row(fmt.Sprint(w.FD), kind, cmp.Or(strings.Join(w.Events, "|"), absent), w.Data, ino,
			cmp.Or(w.State, absent), w.RecvQueue, w.SendQueue, w.BufferBytes, cmp.Or(w.Local, absent), cmp.Or(w.Peer, absent), strings.Join(w.Notes, ", ")))
	}
	t.table(rows)
}

// groupRows bounds each list of socket groups; the JSON has all of them.
const groupRows = 8

// sockets writes the sums over sockets. With details the processes of s are those that
// were asked for, and their listeners come first.
func (t *text) sockets(s *model.Snapshot, details bool) {
	k := s.Sockets
	if k == nil {
		return
	}
	ofStructs, ofBuffers := k.StructsExtent(), k.BuffersExtent()
	t.title("%s sockets in %s take %s in structures (%s) and %s in buffers", k.Mark()+units.Count(k.Total),
		units.Many(int64(len(k.Namespaces)), "network namespace"), sumBytes(k.StructBytes, &ofStructs), k.Origin, sumBytes(k.BufferBytes, &ofBuffers))
	t.line("  %s of the structures count as reclaimable although live sockets pin them; %s have their other end on this host too",
		sumBytes(k.PinnedReclaimableBytes, &ofStructs), k.HereMark()+units.Count(k.EndsHere))
	if m, ok := k.TCPMem.Get(); ok {
		t.line("  TCP buffers %s of tcp_mem's %s low, %s pressure, %s high%s", bytesOf(k.TCP.MemBytes),
			units.Bytes(m.Low), units.Bytes(m.Pressure), units.Bytes(m.High), tcpMemRemarks[k.TCPMemState])
	}
	t.without(k.LeavesOut)
	t.groups("STATE", k.ByState)
	t.groups("LISTENING ON", listeners(s, details))
	t.groups("REMOTE", k.ByRemote)
}

// tcpMemRemarks say what the kernel does to TCP's buffers; nothing is remarkable below low.
var tcpMemRemarks = map[model.TCPMemState]string{
	model.TCPMemAboveLow: ": above low",
	model.TCPMemPressure: ": PRESSURE, the kernel shrinks buffers",
	model.TCPMemOverHigh: ": OVER HIGH, the kernel gives no more",
}

// listeners puts those with a full accept queue first, then with details those of the
// processes that were asked for.
func listeners(s *model.Snapshot, details bool) []model.SocketGroup {
	rank := func(g *model.SocketGroup) int {
		rank := 0
		if details && slices.ContainsFunc(g.PIDs, func(pid int) bool { return s.Process(pid) != nil }) {
			rank += 2
		}
		switch g.QueueState {
		case model.QueueFull:
			rank += 4
		case model.QueueNear:
			rank++
		}
		return rank
	}
	out := slices.Clone(s.Sockets.ByPort)
	slices.SortStableFunc(out, func(a, b model.SocketGroup) int { return cmp.Compare(rank(&b), rank(&a)) })
	return out
}

func (t *text) groups(name string, groups []model.SocketGroup) {
	if len(groups) == 0 {
		return
	}
	rows := []string{row("SOCKETS", "HERE", "STRUCTS", "BUFFERS", "RXQ", "TXQ", "DROPS", "ACCEPTQ", "BACKLOG", name)}
	shown := groups[:min(groupRows, len(groups))]
	// A full queue is shown however many there are.
	for len(shown) < len(groups) && groups[len(shown)].QueueState == model.QueueFull {
		shown = groups[:len(shown)+1]
	}
	for i := range shown {
		g := &shown[i]
		what := g.Name
		if g.Kind != "" {
			what += " " + g.Kind
		}
		if len(g.PIDs) > 0 {
			what += " of pid " + strings.Trim(fmt.Sprint(g.PIDs), "[]")
		}
		fullest, alike := g.Fullest()
		if fullest.State == model.QueueFull || fullest.State == model.QueueNear {
			what += ": " + queueWords[fullest.State]
			if len(g.Queues) > 1 {
				what += fmt.Sprintf(" (%d of %d queues)", alike, len(g.Queues))
			}
		}
		rows = append(rows, row(g.Sockets, g.Here(), bytesOf(g.StructBytes), bytesOf(g.BufferBytes), g.RecvQueue, g.SendQueue,
			g.Drops, fullest.Waiting, fullest.Backlog, what))
	}
	t.table(rows)
	if more := len(groups) - len(shown); more > 0 {
		t.line("  and %s more", units.Count(int64(more)))
	}
}

var queueWords = map[model.QueueState]string{model.QueueFull: "FULL", model.QueueNear: "nearly full"}

func (t *text) walls(s *model.Snapshot) {
	if len(s.Walls) == 0 {
		return
	}
	t.title("Which wall comes first")
	rows := []string{row("CONNECTIONS LEFT", "USED", "LIMIT", "SCOPE", "WALL")}
	for _, w := range s.Walls {
		rows = append(rows, row(w.LeftMark()+units.Count(w.ConnectionsLeft), model.Mark(w.AtLeast, w.AtMost)+amount(w, w.Used), amount(w, w.Limit), w.Scope, model.WallTitle(w.Name)))
	}
	t.table(rows)
}

// slabRows bounds the caches that the text shows; the JSON has all of them.
const slabRows = 12

func (t *text) slab(s *model.Snapshot) {
	if len(s.Slab) == 0 {
		return
	}
	all := slices.Clone(s.Slab)
	slices.SortStableFunc(all, func(a, b model.Cache) int { return cmp.Compare(b.Bytes, a.Bytes) })
	shown := all[:min(slabRows, len(all))]
	sum, network := s.SlabTotals.Value, s.SlabNetwork.Value
	t.title("The %d largest of %d slab caches, which take %s together; those behind sockets and epoll %s",
		len(shown), len(all), units.Bytes(sum.Bytes), units.Bytes(network.Bytes))
	t.line("  %s of %s active (%s of %s), %s in free places, %s padding; reclaimable %s, of it at least %s pinned by sockets and epolls",
		units.Count(sum.Active), units.Many(sum.Objects, "object"), units.Bytes(sum.ActiveBytes), units.Bytes(sum.ObjectsBytes),
		units.Bytes(sum.FreeBytes), units.Bytes(sum.PaddingBytes), reclaimable(&sum), bytesOf(sum.PinnedBytes))
	rows := []string{row("ACTIVE", "OBJECTS", "KNOWN", "SLOT", "EACH", "FREE", "PADDING", "MEMORY", "CACHE")}
	for i := range shown {
		c := &shown[i]
		name := c.Name
		if len(c.Aliases) > 0 {
			name += " = " + strings.Join(c.Aliases, " ")
		}
		rows = append(rows, row(c.Active, c.Objects, explainedShare(c), c.SlotBytes, c.BytesPerObject, units.Bytes(c.FreeBytes), units.Bytes(c.PaddingBytes), units.Bytes(c.Bytes), name))
	}
	t.table(rows)
	t.uses(s)
}

// reclaimable returns the bytes in reclaimable caches, as a lower bound where some
// caches are not known to be reclaimable or not.
func reclaimable(n *model.SlabTotals) string {
	switch n.ReclaimUnknown {
	case 0:
		return units.Bytes(n.ReclaimableBytes)
	case n.Caches:
		return absent
	}
	return "≥ " + units.Bytes(n.ReclaimableBytes)
}

// explainedShare returns the share of a cache's active objects whose owner is known.
func explainedShare(c *model.Cache) string {
	explained, ok := c.Explained()
	switch {
	case !ok || c.Active == 0:
		return absent
	case explained > c.Active:
		return ">100 %"
	}
	return units.Percent(float64(explained) / float64(c.Active))
}

// uses says who the objects of merged caches belong to: their lines alone do not.
func (t *text) uses(s *model.Snapshot) {
	rows := []string{row("ACTIVE", "ORIGIN", "COUNTED IN", "WHOSE")}
	var gaps []string
	for i := range s.Slab {
		c := &s.Slab[i]
		if len(c.Aliases) == 0 || len(c.ExplainedBy) == 0 {
			continue
		}
		for j := range c.ExplainedBy {
			u := &c.ExplainedBy[j]
			of := model.Extent{AtLeast: u.AtLeast, AtMost: u.AtMost}
			rows = append(rows, row(of.Mark()+units.Count(u.Objects), string(u.Origin), c.Name, u.Cache+": "+u.For))
			for _, gap := range u.LeavesOut {
				if !slices.Contains(gaps, gap) {
					gaps = append(gaps, gap)
				}
			}
		}
		if n, ok := c.Unexplained.Get(); ok {
			rows = append(rows, row(n, absent, c.Name, "others: "+strings.Join(append(slices.Clone(c.UncountedNames), "free ones on per-CPU slabs", "or not seen"), ", ")))
		}
	}
	if len(rows) == 1 {
		return
	}
	t.title("Whose the objects of merged caches are, as far as eptop counted what needs them")
	t.table(rows)
	t.without(gaps)
}

// sources names what could not be read, and what would unlock it.
func (t *text) sources(s *model.Snapshot) {
	first := true
	for _, src := range s.Sources {
		if src.State == model.OK && src.Detail == "" {
			continue
		}
		if first {
			t.title("Not read, or not in full")
			first = false
		}
		line := fmt.Sprintf("  %-10s %-7s %s", src.Name, src.State, clean(src.Detail))
		if src.Remedy != "" {
			line += "; try: " + src.Remedy
		}
		t.line("%s", line)
	}
}
