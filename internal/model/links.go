package model

import (
	"iter"
	"sync"

	"github.com/eptop/eptop/internal/epoll"
)

// Links says of each file of a Snapshot who holds it and which epolls watch it. What it is
// made of is one pass over all files and one over all watches, at the first use of each: it
// is made by whoever needs it, and kept as long as From says.
type Links struct {
	snap              *Snapshot
	procs             []*Process
	watching          []watchList
	holders, watchers chains // of procs, of watching
}

// watchList is an epoll instance under its first holder.
type watchList struct {
	process *Process
	epoll   *Epoll
}

// Watcher is an epoll that watches a file, and how.
type Watcher struct {
	// PID and EpollFD are its first holder.
	PID     int    `json:"pid"`
	Comm    string `json:"comm,omitempty"`
	EpollFD int    `json:"epoll_fd"`
	// FD is the number under which the file was added.
	FD     int      `json:"fd"`
	Events []string `json:"events"`
	Mask   uint32   `json:"mask"`
	// Exclusive: it has EPOLLEXCLUSIVE, so that an event wakes not every such epoll.
	Exclusive bool `json:"exclusive,omitempty"`
	// SharedCount is how many further fds refer to the instance.
	SharedCount int `json:"shared_with_count,omitempty"`

	Watch epoll.Watch `json:"-"`
	Epoll *Epoll      `json:"-"`
}

// File identifies a file within a Snapshot; the zero File is none that could be told from
// others.
type File uint64

// fileOther sets the numbers of open files apart from the inodes of sockets, each of which
// has one open file.
const fileOther File = 1 << 62

// SocketFile is the socket with an inode.
func SocketFile(ino uint64) File { return File(ino) }

// FileOf is the file that watch i of an epoll watches. Of what is no socket only the kernel's
// own structures say which open file it is.
func (e *Epoll) FileOf(i int) File {
	if w := &e.List[i]; w.Kind == epoll.KindSocket && w.HasInode {
		return SocketFile(w.Ino)
	}
	if i < len(e.FileIndex) {
		return fileOther | File(e.FileIndex[i])
	}
	return 0
}

// fileCount is how many entries fileAt has.
func (p *Process) fileCount() int {
	if p.FileIndex != nil {
		return len(p.FileIndex)
	}
	return len(p.Held)
}

// fileAt is the i-th file of a process, and its fd.
func (p *Process) fileAt(i int) (File, int32) {
	if p.FileIndex == nil {
		return SocketFile(uint64(p.Held[i].Ino)), p.Held[i].FD
	}
	f := &p.Files[i]
	if f.Kind == epoll.KindSocket && f.Ino != 0 {
		return SocketFile(f.Ino), f.Num
	}
	return fileOther | File(p.FileIndex[i]), f.Num
}

// NewLinks finds who holds and who watches what.
func NewLinks(s *Snapshot) *Links {
	l := &Links{snap: s}
	files := 0
	seen := map[*epoll.Watch]bool{}
	watches := 0
	for p := range s.all() {
		l.procs = append(l.procs, p)
		files += p.fileCount()
		for i := range p.Epolls {
			e := &p.Epolls[i]
			if len(e.List) == 0 || seen[&e.List[0]] {
				continue
			}
			seen[&e.List[0]] = true
			l.watching = append(l.watching, watchList{p, e})
			watches += len(e.List)
		}
	}
	l.holders.make = func(c *chains) {
		c.room(files, func(owner, at uint32) File {
			f, _ := l.procs[owner].fileAt(int(at))
			return f
		})
		for owner := len(l.procs) - 1; owner >= 0; owner-- {
			for at := l.procs[owner].fileCount() - 1; at >= 0; at-- {
				c.add(uint32(owner), uint32(at))
			}
		}
	}
	l.watchers.make = func(c *chains) {
		c.room(watches, func(owner, at uint32) File { return l.watching[owner].epoll.FileOf(int(at)) })
		for owner := len(l.watching) - 1; owner >= 0; owner-- {
			for at := len(l.watching[owner].epoll.List) - 1; at >= 0; at-- {
				c.add(uint32(owner), uint32(at))
			}
		}
	}
	return l
}

// From reports whether the links of s are those of l: no list of files or watches is another.
func (l *Links) From(s *Snapshot) bool {
	if l == nil {
		return false
	}
	if l.snap == s {
		return true
	}
	i := 0
	w := 0
	seen := map[*epoll.Watch]bool{}
	for p := range s.all() {
		if i >= len(l.procs) || !sameFiles(l.procs[i], p) {
			return false
		}
		i++
		for j := range p.Epolls {
			list := p.Epolls[j].List
			if len(list) == 0 || seen[&list[0]] {
				continue
			}
			seen[&list[0]] = true
			if w >= len(l.watching) || l.watching[w].epoll.FD != p.Epolls[j].FD || !sameMemory(l.watching[w].epoll.List, list) {
				return false
			}
			w++
		}
	}
	return i == len(l.procs) && w == len(l.watching)
}

func sameFiles(a, b *Process) bool {
	return a.PID == b.PID && sameMemory(a.Held, b.Held) && sameMemory(a.Files, b.Files) && sameMemory(a.FileIndex, b.FileIndex)
}

// Holders iterates over the fds that refer to a file. Where /proc was read they are known of
// sockets alone, one for each process.
func (l *Links) Holders(f File) iter.Seq[epoll.Holder] {
	return func(yield func(epoll.Holder) bool) {
		for owner, at := range l.holders.of(f) {
			p := l.procs[owner]
			if _, fd := p.fileAt(int(at)); !yield(epoll.Holder{PID: p.PID, FD: int(fd)}) {
				return
			}
		}
	}
}

// Watchers iterates over the watches on a file, of each epoll instance once whoever shares
// it.
func (l *Links) Watchers(f File) iter.Seq[Watcher] {
	return func(yield func(Watcher) bool) {
		for owner, at := range l.watchers.of(f) {
			w := l.watching[owner]
			watch := w.epoll.List[at]
			if !yield(Watcher{
				PID: w.process.PID, Comm: w.process.Comm, EpollFD: w.epoll.FD, FD: int(watch.TFD), Events: watch.Mask.Events(), Mask: uint32(watch.Mask),
				Exclusive: watch.Mask&epoll.Exclusive != 0, SharedCount: w.epoll.SharedCount, Watch: watch, Epoll: w.epoll,
			}) {
				return
			}
		}
	}
}

// IndexWatchers makes what Watchers looks into, where a first use of it may not take time.
func (l *Links) IndexWatchers() { l.watchers.once.Do(func() { l.watchers.make(&l.watchers) }) }

// Size is how many files and watches there are.
func (l *Links) Size() (n int) {
	for _, p := range l.procs {
		n += p.fileCount()
	}
	for _, w := range l.watching {
		n += len(w.epoll.List)
	}
	return n
}

// FirstWatcher is a watch on a file, and how many there are: one in an epoll of process pid
// where it has one.
func (l *Links) FirstWatcher(f File, pid int) (holder epoll.Holder, w *epoll.Watch, count int) {
	for owner, at := range l.watchers.of(f) {
		list := l.watching[owner]
		own, is := list.heldBy(pid)
		if count++; count == 1 || is && holder.PID != pid {
			holder, w = own, &list.epoll.List[at]
		}
	}
	return holder, w, count
}

// heldBy is the fd of a process that refers to the instance, or else its first holder.
func (w *watchList) heldBy(pid int) (h epoll.Holder, is bool) {
	if w.process.PID != pid {
		for _, h := range w.epoll.SharedWith {
			if h.PID == pid {
				return h, true
			}
		}
	}
	return epoll.Holder{PID: w.process.PID, FD: w.epoll.FD}, w.process.PID == pid
}

// chains has entries by file, at 12 bytes an entry: a table of the first entry of each file,
// and of each entry the next one of the same file. They are made at the first use.
type chains struct {
	once    sync.Once
	make    func(*chains)
	slots   []chainSlot
	entries []chainEntry
	file    func(owner, at uint32) File
}

// chainSlot is the first entry of a file, counted from 1, and a part of the file's hash: only
// where that is the same is the entry itself looked at, for it is somewhere else in memory.
type chainSlot struct{ first, mark uint32 }

type chainEntry struct{ owner, at, next uint32 }

func (c *chains) room(n int, file func(owner, at uint32) File) {
	c.slots, c.entries, c.file = make([]chainSlot, n+n/2+8), make([]chainEntry, 0, n), file
}

// slot is the place of a file in the table, or where it belongs.
func (c *chains) slot(f File) (at int, mark uint32) {
	hash := uint64(f) * 0x9E3779B97F4A7C15
	mark = uint32(hash>>20) | 1
	at = int(hash >> 32 * uint64(len(c.slots)) >> 32)
	for c.slots[at].first != 0 {
		if c.slots[at].mark == mark {
			if e := &c.entries[c.slots[at].first-1]; c.file(e.owner, e.at) == f {
				return at, mark
			}
		}
		if at++; at == len(c.slots) {
			at = 0
		}
	}
	return at, mark
}

// add puts an entry before those of its file.
func (c *chains) add(owner, at uint32) {
	f := c.file(owner, at)
	if f == 0 {
		return
	}
	slot, mark := c.slot(f)
	c.entries = append(c.entries, chainEntry{owner, at, c.slots[slot].first})
	c.slots[slot] = chainSlot{uint32(len(c.entries)), mark}
}

// of iterates over the entries of a file.
func (c *chains) of(f File) iter.Seq2[uint32, uint32] {
	return func(yield func(owner, at uint32) bool) {
		c.once.Do(func() { c.make(c) })
		if f == 0 || len(c.entries) == 0 {
			return
		}
		slot, _ := c.slot(f)
		for next := c.slots[slot].first; next != 0; next = c.entries[next-1].next {
			if e := &c.entries[next-1]; !yield(e.owner, e.at) {
				return
			}
		}
	}
}
