package sockets

import (
	"cmp"
	"strconv"
	"strings"

	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/ui/cell"
	"github.com/eptop/eptop/internal/ui/table"
	"github.com/eptop/eptop/internal/ui/view"
	"github.com/eptop/eptop/internal/units"
)

// grouping is what sockets in one row have in common.
type grouping int

const (
	byState grouping = iota
	byProcess
	byPort
	byRemote
	byUser
	groupings
)

func (g grouping) String() string {
	return [...]string{"state", "process", "port", "remote", "user"}[g]
}

// note is the one thing to know of the grouping.
func (g grouping) note() string {
	return [...]string{
		"all sockets of all namespaces counted, each once",
		"processes whose fds may be listed; a socket of two is in both",
		"listeners, with the connections accepted on them",
		"sockets that have another end, by its address",
		"the owner of each socket that still has one",
	}[g]
}

// explain says what the rows are and what they leave out.
func (g grouping) explain() string {
	return [...]string{
		"By state: every socket of TCP, UDP and UNIX in the namespaces counted is in one row. TIME_WAIT and SYN_RECV are small structures without buffers, inode or owner. CLOSE of UDP and UNIX is a socket that is not connected.",
		"By process: the sockets among the fds of each process whose fds may be listed, as of the last listing. A socket that two processes hold (after fork) is in both, and one that waits in an accept queue, that was closed (orphan) or is in TIME_WAIT is in none, so the rows do not add up to the whole.",
		"By port: each listening socket, with the connections that were accepted on its address, itself included. The connections of a UNIX listener are those with its name. Who listens is known of processes whose fds may be listed.",
		"By remote: sockets that are connected, by the address of their other end. Of a loopback connection both ends are here, each under the other's address. Beyond 10 000 addresses the rest is one row. UNIX sockets and those without another end are in no row.",
		"By user: the owner of the socket (the effective user of the process that made it). Connections in an accept queue, orphans, TIME_WAIT and SYN_RECV have none and are in no row.",
	}[g]
}

// empty says why no row is there.
func (g grouping) empty(s *model.Snapshot) string {
	switch g {
	case byProcess:
		if s.Hidden > 0 {
			return view.NoProcess(s)
		}
		return "No process holds a socket."
	case byPort:
		return "Nothing listens."
	case byRemote:
		return "No socket is connected."
	}
	return "There is no socket in the namespaces that were looked into."
}

// row is one row of any grouping. What a grouping does not know of its
// rows is absent.
type row struct {
	name, kind, user                            string
	sockets, here, recv, send, drops            maybe.Of[int64]
	structs, buffers, watches, waiting, backlog maybe.Of[int64]
	// pids hold a listener, or are the process itself; owner names them.
	pids  []int
	owner string
	// queue is the state of the fullest accept queue, whose waiting and backlog these are;
	// alike of queues are in it.
	queue         model.QueueState
	alike, queues int
	key           table.Key
}

func (r *row) title() string {
	if r.kind != "" {
		return r.kind + " " + r.name
	}
	return r.name
}

// field is a column of the table.
type field = table.Field[*row]

// newRows are the rows of a grouping.
func newRows(by grouping, s *model.Snapshot) *table.List[*row] {
	l := &table.List[*row]{
		Fields: fields(by),
		Count:  len(s.Processes),
		At:     func(i int) *row { return rowOfProcess(&s.Processes[i]) },
		KeyOf:  func(r *row) table.Key { return r.key },
		Search: appendWords,
	}
	if by != byProcess {
		k := s.Sockets
		groups := [...][]model.SocketGroup{byState: k.ByState, byPort: k.ByPort, byRemote: k.ByRemote, byUser: k.ByUser}[by]
		l.Count = len(groups)
		l.At = func(i int) *row { return rowOfGroup(by, s, &groups[i]) }
	}
	return l
}

// rowOfGroup is the row of sockets that have something in common.
func rowOfGroup(by grouping, s *model.Snapshot, g *model.SocketGroup) *row {
	r := &row{
		name: g.Name, kind: g.Kind, structs: g.StructBytes, buffers: g.BufferBytes,
		sockets: maybe.Some(g.Sockets), here: g.Here(), recv: g.RecvQueue, send: g.SendQueue,
		pids: g.PIDs, drops: g.Drops,
	}
	switch by {
	case byState:
		if kind, state, ok := strings.Cut(g.Name, " "); ok {
			r.kind, r.name = kind, state
		}
	case byPort:
		if g.Sockets == 0 { // its connections are not distinguished from others
			r = &row{name: g.Name, kind: g.Kind, pids: g.PIDs}
		}
		fullest, alike := g.Fullest()
		r.waiting, r.backlog, r.queue, r.alike, r.queues = fullest.Waiting, fullest.Backlog, fullest.State, alike, len(g.Queues)
		r.owner = ownerOf(s, g.PIDs)
	}
	r.key = table.Key{Text: g.Kind + " " + g.Name}
	if len(g.PIDs) > 0 {
		r.key.Num[0] = uint64(g.PIDs[0])
	}
	return r
}

// rowOfProcess is the row of a process's sockets.
func rowOfProcess(p *model.Process) *row {
	r := &row{
		key:  table.Key{Num: [3]uint64{uint64(p.PID), uint64(p.Started.UnixNano())}},
		name: strconv.Itoa(p.PID), user: p.User, owner: p.Comm, pids: []int{p.PID},
		sockets: p.Sockets, structs: view.StructsOf(p), buffers: view.BuffersOf(p),
	}
	if p.KernelBytes.Sockets.Known || p.KernelBytes.Buffers.Known {
		r.here = maybe.When(p.EndsHere, p.EndsUnknown == 0)
	}
	r.watches = p.Watches
	return r
}

// ownerOf names the processes that hold a listener.
func ownerOf(s *model.Snapshot, pids []int) string {
	if len(pids) == 0 {
		return "?"
	}
	text := strconv.Itoa(pids[0])
	if p := s.Process(pids[0]); p != nil {
		text += " " + p.Comm
	}
	if len(pids) > 1 {
		text += " +" + strconv.Itoa(len(pids)-1)
	}
	return text
}

// appendWords appends what a filter searches.
func appendWords(dst []byte, r *row) []byte {
	for _, s := range []string{r.name, r.kind, r.user, r.owner, acceptQueue(r).Text} {
		dst = append(append(dst, s...), ' ')
	}
	return dst
}

// acceptQueue is how many connections wait for accept, of how many may.
func acceptQueue(r *row) table.Cell {
	waiting, ok := r.waiting.Get()
	if !ok {
		return table.Cell{Text: "–", Role: table.Muted}
	}
	limit := "?"
	if n, ok := r.backlog.Get(); ok {
		limit = units.Count(n)
	}
	c := table.Cell{Text: units.Count(waiting) + "/" + limit}
	switch r.queue {
	case model.QueueFull:
		c.Text, c.Role = "FULL "+c.Text, table.Crit
	case model.QueueEmpty:
		c.Role = table.Muted
	case model.QueueNear:
		c.Text, c.Role = "near "+c.Text, table.Warn
	}
	if r.queues > 1 {
		c.Text += " in " + strconv.Itoa(r.alike) + " of " + strconv.Itoa(r.queues)
	}
	return c
}

// maybeCount and maybeBytes write a number that may be absent; 0 steps back.
func maybeCount(m maybe.Of[int64], role table.Role) table.Cell {
	n, ok := m.Get()
	if !ok {
		return table.Cell{Text: "–", Role: table.Muted}
	}
	return view.QuietZero(n, role)
}

// newTable is the table of a grouping, the most sockets on top.
func newTable(by grouping, keys table.Keys) *table.Model {
	t := table.New(table.Heads(fields(by)), keys)
	t.SetOrder(t.Named("SOCKETS"), true)
	return t
}

// fields are the columns of a grouping.
func fields(by grouping) []field {
	text := func(c table.Column, role table.Role, of func(*row) string) field {
		return field{
			Column: c, Show: func(r *row) table.Cell { return table.Cell{Text: cell.Clean(of(r)), Role: role} },
			Compare: func(a, b *row) int { return cmp.Compare(of(a), of(b)) },
		}
	}
	number := func(c table.Column, role table.Role, show func(maybe.Of[int64], table.Role) table.Cell, of func(*row) maybe.Of[int64]) field {
		c.Align, c.Falling = cell.Right, true
		return field{
			Column: c, Show: func(r *row) table.Cell { return show(of(r), role) },
			Compare: func(a, b *row) int { return maybe.Compare(of(a), of(b)) },
		}
	}
	name := func(r *row) string { return r.name }
	kind := text(table.Column{Title: "KIND", Min: 6, Max: 14, Weight: 1, Rank: 6,
		Explain: "The protocol and address family as ss names them: tcp, tcp6, udp, udp6, unix (stream), unix-dgram, unix-seqpacket. mptcp and mptcp6: a TCP socket that an MPTCP socket uses, with the memory of both."}, table.Muted, func(r *row) string { return r.kind })
	user := text(table.Column{Title: "USER", Min: 8, Max: 14, Weight: 1, Rank: 6, Explain: "The effective user of the process."}, table.Muted, func(r *row) string { return r.user })
	counted := number(table.Column{Title: "SOCKETS", Min: 10,
		Explain: "How many sockets, of TCP, UDP and UNIX (sock_diag). Of a process: its sockets of any family, each once however many fds refer to it. Not counted: namespaces that were not looked into (the card What is counted names them) and other families."},
		table.Strong, maybeCount, func(r *row) maybe.Of[int64] { return r.sockets })
	rest := []field{
		counted,
		number(table.Column{Title: "HERE", Min: 10, Rank: 5,
			Explain: "Those whose other end is a socket of the same namespace: both ends take memory of this host. One loopback connection is two ends. A dash: without sock_diag nobody knows the other ends of UNIX sockets."},
			table.Plain, maybeCount, func(r *row) maybe.Of[int64] { return r.here }),
		number(table.Column{Title: "STRUCTS", Min: 8, Rank: 1,
			Explain: "Kernel memory of the sockets themselves: sock, inode, file, dentry, security blobs and bind buckets, each with its share of the slab's waste. Watches, buffers and route caches are not in it. A dash: the size on this kernel is not known."},
			table.Strong, view.MaybeBytes, func(r *row) maybe.Of[int64] { return r.structs }),
		number(table.Column{Title: "BUFFERS", Min: 8, Rank: 2,
			Explain: "What SKMEMINFO reports of their buffers: received and not read, written and not acknowledged, charged ahead, backlog and options (as ss -m, added up). Each byte once, with the overhead of its sk_buff. A dash: the kernel reported none of them."},
			table.Plain, view.MaybeBytes, func(r *row) maybe.Of[int64] { return r.buffers }),
	}
	queues := []field{
		number(table.Column{Title: "RXQ", Min: 8, Rank: 3,
			Explain: "Bytes received that the process has not read (Recv-Q of ss). Of UDP whole buffers with their overhead, of UNIX datagrams the first alone, and of TCP in CLOSE_WAIT one more for the FIN. Listeners' accept queues are not in it."},
			table.Plain, view.MaybeBytes, func(r *row) maybe.Of[int64] { return r.recv }),
		number(table.Column{Title: "TXQ", Min: 8, Rank: 4,
			Explain: "Bytes written that the other end has not acknowledged or, of UNIX, not read (Send-Q of ss). A listener's limit is not in it."},
			table.Plain, view.MaybeBytes, func(r *row) maybe.Of[int64] { return r.send }),
		number(table.Column{Title: "DROPS", Min: 6, Rank: 7,
			Explain: "Packets lost since each socket was made (sk_drops): of UDP for want of buffer, of a listener the connections it had no room for among them. A dash on TCP connections: there the kernel counts each keepalive probe of a healthy connection too. Sockets that are gone are not counted."},
			table.Warn, maybeCount, func(r *row) maybe.Of[int64] { return r.drops }),
	}
	switch by {
	case byProcess:
		pid := text(table.Column{Title: "PID", Min: 7, Align: cell.Right, Explain: "The process as this PID namespace numbers it."}, table.Plain, name)
		pid.Compare = func(a, b *row) int { return cmp.Compare(a.pids[0], b.pids[0]) }
		return append(append([]field{pid, user}, rest...),
			number(table.Column{Title: "WATCHES", Min: 10, Rank: 4, Explain: "The watches of its epoll instances, of sockets and of anything else. A dash: not read (yet)."},
				table.Plain, maybeCount, func(r *row) maybe.Of[int64] { return r.watches }),
			text(table.Column{Title: "COMMAND", Min: 15, Max: 60, Weight: 3, Rank: 1, Explain: "The name the process gives itself (/proc/PID/comm), at most 15 bytes."}, table.Plain, func(r *row) string { return r.owner }))
	case byPort:
		accept := field{
			Column: table.Column{Title: "ACCEPTQ", Min: 16, Max: 24, Weight: 1, Align: cell.Right, Falling: true, Rank: 1,
				Explain: "Connections that wait for accept, of the backlog: what listen(2) was given, at most net.core.somaxconn. FULL: one more than the backlog waits, and new connections are dropped or time out. near: four fifths of it. Sockets that share the address (SO_REUSEPORT) have a queue each: the fullest is shown, and how many of them are as full. A ? behind the stroke: this kernel does not report the backlog."},
			Show:    acceptQueue,
			Compare: compareQueues,
		}
		columns := append([]field{
			text(table.Column{Title: "LISTENS ON", Min: 18, Max: 44, Weight: 2, Explain: "The address and port, with % and the interface it is bound to, or the name of a UNIX socket (@ before an abstract one). Listeners that share all of it are one row."}, table.Strong, name), kind, accept,
		}, rest...)
		return append(append(columns, queues...),
			text(table.Column{Title: "OWNER", Min: 14, Max: 40, Weight: 2, Rank: 2, Explain: "PID and name of a process that holds the listening socket, and how many more do; Enter shows them. A ?: no process whose fds may be listed."}, table.Plain,
				func(r *row) string { return r.owner }))
	case byState:
		first := text(table.Column{Title: "STATE", Min: 12, Max: 20, Weight: 1, Explain: "The state of the socket (include/net/tcp_states.h). UDP and UNIX sockets use ESTABLISHED (connected) and CLOSE (not connected), UNIX LISTEN too. IN ACCEPT QUEUE: UNIX connections that nobody has accepted yet; they are in no list, the length of the queues counts them."}, table.Strong, name)
		return append(append([]field{first, kind}, rest...), queues...)
	case byRemote:
		first := text(table.Column{Title: "REMOTE", Min: 18, Max: 44, Weight: 2, Explain: "The address of the other end, whatever its port; IPv4 also where it comes through an IPv6 socket."}, table.Strong, name)
		return append(append([]field{first}, rest...), queues...)
	}
	first := text(table.Column{Title: "USER", Min: 12, Max: 30, Weight: 1, Explain: "The owner of the socket; a number where no process seen runs as that user."}, table.Strong, name)
	return append(append([]field{first}, rest...), queues...)
}

// compareQueues orders listeners by how full their fullest accept queues are.
func compareQueues(a, b *row) int {
	x, y := model.AcceptQueue{Waiting: a.waiting, Backlog: a.backlog}, model.AcceptQueue{Waiting: b.waiting, Backlog: b.backlog}
	return x.Compare(&y)
}
