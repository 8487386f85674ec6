package model

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"

	"github.com/eptop/eptop/internal/sock"
)

// Grouping is what the sockets of a SocketGroup have in common.
type Grouping string

// The groupings of Sockets.
const (
	GroupState  Grouping = "state"
	GroupPort   Grouping = "port"
	GroupRemote Grouping = "remote"
	GroupUser   Grouping = "user"
)

// Behind is what stands behind a group of sockets: who holds them and where they go.
type Behind struct {
	Sockets int64
	// Nobodys of them are held by no process that eptop sees: they wait in accept queues,
	// were closed, or belong to processes that may not be listed.
	Nobodys int64
	// Watchers are the watches on the listening sockets, where the group is a listener's: at
	// most maxShared of WatcherCount. Herd says what a new connection does to their threads.
	Watchers     []Watcher
	WatcherCount int64
	Herd         string
	// Processes hold the others, the most first; a socket of two processes is in both.
	Processes []BehindProcess
	// Ends are the sockets by where they were accepted or went to, the most first. Of a
	// listener's they are the addresses of the other ends.
	Ends []BehindEnd
}

// BehindProcess is a process that holds sockets of a group, and how many of them an epoll
// watches.
type BehindProcess struct {
	PID              int
	Comm             string
	Sockets, Watched int64
}

// BehindEnd is a listener or a destination of sockets.
type BehindEnd struct {
	// Name is an address, or the name of a UNIX socket; "" for those that have neither.
	Name string
	// Listener: they were accepted on it, or listen there themselves.
	Listener         bool
	Sockets, Watched int64
}

// maxEnds bounds the ends that are distinguished.
const maxEnds = 10_000

// Behind finds what stands behind a group, in one pass over all sockets.
func (l *Links) Behind(by Grouping, g *SocketGroup) Behind {
	b := behind{links: l, processes: map[int]*BehindProcess{}, ends: map[BehindEnd]*BehindEnd{}, remotes: by == GroupPort}
	for _, t := range l.snap.Sockets.tables() {
		if g.Namespace != "" && t.Namespace != g.Namespace || by != GroupState && by != GroupUser && g.Namespace == "" && !l.snap.Sockets.isOwn(t.Namespace) {
			continue
		}
		b.listeners = &survey{serving: map[listenerKey]int{}}
		b.listeners.listeners(t.Table)
		is := b.match(by, g)
		if is == nil {
			continue
		}
		for i := range t.Table.Len() {
			s := t.Table.Brief(i)
			if by == GroupState && !is(&s) {
				continue
			}
			if s = t.Table.At(i); is(&s) {
				b.add(&s)
			}
		}
	}
	if by == GroupPort {
		b.herd(g)
	}
	return b.result()
}

// herd finds the watches on each socket of a listener.
func (b *behind) herd(g *SocketGroup) {
	for _, q := range g.Queues {
		f := SocketFile(q.Ino)
		for w := range b.links.Watchers(f) {
			if b.WatcherCount++; len(b.Watchers) < maxShared {
				b.Watchers = append(b.Watchers, w)
			}
		}
		// Of several sockets on one address (SO_REUSEPORT) each has a herd of its own.
		if text := Herd(b.links.Herd(f)); text != "" && b.Herd == "" {
			b.Herd = text
		}
	}
}

// isOwn reports whether a namespace is eptop's own, as one alone is taken to be.
func (s *Sockets) isOwn(namespace string) bool {
	for i := range s.Namespaces {
		if s.Namespaces[i].ID == namespace {
			return s.Namespaces[i].Own
		}
	}
	return len(s.Tables) == 1
}

// behind adds up what stands behind sockets.
type behind struct {
	Behind
	links     *Links
	processes map[int]*BehindProcess
	ends      map[BehindEnd]*BehindEnd // by name and Listener
	listeners *survey                  // of the table
	remotes   bool                     // the ends are the other ones'
}

// match returns what distinguishes the sockets of a group, nil where nothing does.
func (b *behind) match(by Grouping, g *SocketGroup) func(*sock.Socket) bool {
	switch by {
	case GroupState:
		return func(s *sock.Socket) bool { return stateName(s) == g.Name }
	case GroupUser:
		uid, ok := g.UID.Get()
		if !ok {
			return nil
		}
		return func(s *sock.Socket) bool { return s.HasUID && s.Ino != 0 && int(s.UID) == uid }
	case GroupRemote:
		name, _, _ := strings.Cut(g.Name, " in ")
		remote, err := netip.ParseAddr(name)
		if err != nil {
			return nil
		}
		return func(s *sock.Socket) bool { return s.Remote.Port() != 0 && s.Remote.Addr().Unmap() == remote }
	}
	at := slices.IndexFunc(b.listeners.Listeners, func(l listener) bool {
		return len(l.Queues) > 0 && slices.ContainsFunc(g.Queues, func(q AcceptQueue) bool { return q.Ino != 0 && q.Ino == uint64(l.Queues[0].Ino) })
	})
	if at < 0 {
		return nil
	}
	return func(s *sock.Socket) bool { return b.listeners.listenerOf(s) == at }
}

// add counts a socket of the group.
func (b *behind) add(s *sock.Socket) {
	b.Sockets++
	f := SocketFile(uint64(s.Ino))
	watched := int64(0)
	for range b.links.watchers.of(f) {
		watched = 1
		break
	}
	last := 0
	for h := range b.links.Holders(f) {
		if h.PID == last { // another fd of the same process
			continue
		}
		last = h.PID
		p := b.processes[h.PID]
		if p == nil {
			p = &BehindProcess{PID: h.PID}
			b.processes[h.PID] = p
		}
		p.Sockets++
		p.Watched += watched
	}
	if last == 0 {
		b.Nobodys++
	}
	key := b.endOf(s)
	end := b.ends[key]
	if end == nil && len(b.ends) >= maxEnds {
		return
	}
	if end == nil {
		end = &BehindEnd{Name: key.Name, Listener: key.Listener}
		b.ends[key] = end
	}
	end.Sockets++
	end.Watched += watched
}

// endOf is the listener of a socket, or else where it goes to.
func (b *behind) endOf(s *sock.Socket) BehindEnd {
	at := b.listeners.listenerOf(s)
	switch {
	case b.remotes && s.Remote.Port() != 0:
		return BehindEnd{Name: s.Remote.Addr().Unmap().String()}
	case at >= 0:
		l := &b.listeners.Listeners[at]
		return BehindEnd{Name: l.title(nil), Listener: true}
	case s.Remote.Port() != 0:
		return BehindEnd{Name: local(s.Remote).String()}
	}
	return BehindEnd{Name: s.Name}
}

func (b *behind) result() Behind {
	for p := range b.links.snap.all() {
		if got := b.processes[p.PID]; got != nil {
			got.Comm = p.Comm
			b.Processes = append(b.Processes, *got)
		}
	}
	for _, end := range b.ends {
		b.Ends = append(b.Ends, *end)
	}
	slices.SortFunc(b.Processes, func(x, y BehindProcess) int {
		return cmp.Or(cmp.Compare(y.Sockets, x.Sockets), cmp.Compare(x.PID, y.PID))
	})
	slices.SortFunc(b.Ends, func(x, y BehindEnd) int {
		return cmp.Or(cmp.Compare(y.Sockets, x.Sockets), cmp.Compare(x.Name, y.Name), cmp.Compare(one(y.Listener), one(x.Listener)))
	})
	return b.Behind
}
