package collect

import (
	"slices"

	"golang.org/x/sys/unix"

	"github.com/eptop/eptop/internal/bpf"
	"github.com/eptop/eptop/internal/epoll"
	"github.com/eptop/eptop/internal/sock"
)

// pass sorts the files of one pass by table and by epoll as they come. Its memory is kept
// for the next one.
type pass struct {
	// files numbers the open file descriptions: one has the same number at all passes. seen
	// has those that this pass has shown.
	files bpf.IDs
	seen  bits
	shown int
	one   bool // it is a pass over one process

	tables  []table
	byTable map[tableKey]uint32
	key     tableKey // of the table that comes now
	current uint32
	// fds and index are those of the table that comes now.
	fds   []epoll.FD
	index []uint32
	// before are the files that a process or thread had at the last pass, was the numbers of
	// those of the table that comes now.
	before map[int]*process
	was    []uint32

	epolls  []passedEpoll
	byEpoll map[bpf.ID]uint32
	lastID  bpf.ID
	last    uint32
	known   map[bpf.ID]*knownInstance

	// unjudged are the watches of which it is not known whether their number still is that
	// file; places is where the files they are on were seen, unsettled has the files' bits.
	unjudged  []unjudged
	places    []place
	unsettled bits

	networks []*passedNetwork
	spare    map[uint32]*sock.Table // tables to fill, by network namespace
	network  int                    // the one of the last socket
	socket   sock.Socket            // that is added

	// torn counts the files whose list of watches changed under the pass, cut those that
	// have more watches than a pass lists.
	torn, cut int
}

type tableKey struct {
	pid   int32
	table bpf.ID
}

// table is one table of files.
type table struct {
	pid, tid    int32
	leaderEnded bool
	fds         []epoll.FD
	index       []uint32 // the number of the file behind each
	epolls      []int32
	sockets     int
	of          *process
}

// unjudged is a watch that waits for the end of the pass.
type unjudged struct {
	epoll, at uint32 // the at-th of its epoll
	file      uint32
	tfd       int32
}

// place is a file in a table.
type place struct {
	file, table uint32
	num         int32
}

// begin begins a pass over all processes, or over one of them.
func (p *pass) begin(s *bpfSource, one bool) {
	// Numbers of files that are gone would gather.
	if p.one = one; !one && p.files.Len() > 2*p.shown+spareFiles {
		p.files.Reset()
	}
	p.shown = 0
	clear(p.seen)
	p.tables, p.epolls = p.tables[:0], p.epolls[:0]
	p.byTable, p.byEpoll = map[tableKey]uint32{}, map[bpf.ID]uint32{}
	p.key, p.lastID = tableKey{}, bpf.ID{}
	p.before, p.known = s.processes, s.known
	p.unjudged, p.places = p.unjudged[:0], p.places[:0]
	clear(p.unsettled)
	p.networks, p.network = nil, 0
	p.torn, p.cut = 0, 0
}

// spareFiles is how many numbers of files that are gone do not matter.
const spareFiles = 1 << 14

// end lets go what is not needed for the next pass.
func (p *pass) end() {
	shown := p.shown
	if p.one {
		shown = p.files.Len()
	}
	*p = pass{spare: p.spare, files: p.files, seen: p.seen, shown: shown, unsettled: p.unsettled, fds: p.fds, index: p.index}
}

// visit takes one file of the pass.
func (p *pass) visit(f *bpf.File) error {
	if key := (tableKey{f.PID, f.Table}); key != p.key {
		p.beginTable(key, f)
	}
	number := p.numberOf(f.File.Of(f.Ino))
	isNew := !p.seen.has(number)
	if isNew {
		p.seen.set(number)
		p.shown++
	}
	fd := epoll.FD{Num: f.Num, Kind: f.Kind}
	t := &p.tables[p.current]
	switch f.Kind {
	case epoll.KindSocket:
		fd.Ino = f.Ino
		t.sockets++
		if isNew && f.Socket != nil && !p.one {
			p.addSocket(f)
		}
	case epoll.KindPipe:
		fd.Ino = f.Ino
	case epoll.KindEpoll:
		t.epolls = append(t.epolls, f.Num)
		p.addHolder(f)
	}
	p.fds, p.index = append(p.fds, fd), append(p.index, number)
	if len(f.Watches) > 0 || f.Torn {
		p.addWatches(f, number, isNew)
	}
	return nil
}

// numberOf numbers a file. Most are in the same place of the same table as before.
func (p *pass) numberOf(file bpf.ID) uint32 {
	if at := len(p.index); at < len(p.was) && p.files.Has(p.was[at], file) {
		return p.was[at]
	}
	number, _ := p.files.Add(file)
	return number
}

// beginTable ends a table and begins another one, or goes on with one that began before:
// several threads may show it in turn.
func (p *pass) beginTable(key tableKey, f *bpf.File) {
	p.endTable()
	p.key = key
	at, began := p.byTable[key]
	if !began {
		at = uint32(len(p.tables))
		p.byTable[key] = at
		p.tables = append(p.tables, table{pid: f.PID, tid: f.TID, leaderEnded: f.LeaderEnded})
	}
	p.current = at
	t := &p.tables[at]
	p.fds, p.index = append(p.fds[:0], t.fds...), append(p.index[:0], t.index...)
	_, p.was = p.listedBefore(t)
}

// endTable stores the files of the table that came last. Those that are the same as before
// are the same memory, which leaves nothing for the garbage collector.
func (p *pass) endTable() {
	if p.key == (tableKey{}) {
		return
	}
	p.key = tableKey{}
	t := &p.tables[p.current]
	t.fds, t.index = p.listedBefore(t)
	t.fds, t.index = kept(t.fds, p.fds), kept(t.index, p.index)
	if cap(p.fds) > keepScratch {
		p.fds, p.index = nil, nil
	}
}

// listedBefore returns the files of a table as they were at the pass before.
func (p *pass) listedBefore(t *table) ([]epoll.FD, []uint32) {
	pid := int(t.pid)
	if before := p.before[int(t.tid)]; before != nil && t.tid != t.pid && before.threadOf != 0 {
		pid = int(t.tid)
	}
	if before := p.before[pid]; before != nil {
		return before.listing.FDs, before.fileIndex
	}
	return nil, nil
}

// kept returns was where it is the same as scratch, and otherwise a copy of scratch.
func kept[T comparable](was, scratch []T) []T {
	if slices.Equal(was, scratch) && was != nil {
		return was
	}
	return slices.Clone(scratch)
}

// epollAt returns the place of an epoll in epolls.
func (p *pass) epollAt(id bpf.ID) uint32 {
	if id == p.lastID {
		return p.last
	}
	at, ok := p.byEpoll[id]
	if !ok {
		at = uint32(len(p.epolls))
		p.byEpoll[id] = at
		p.epolls = append(p.epolls, passedEpoll{id: id, before: p.known[id]})
	}
	p.lastID, p.last = id, at
	return at
}

// addHolder adds an fd that is an epoll.
func (p *pass) addHolder(f *bpf.File) {
	at := p.epollAt(f.Epoll.ID)
	e := &p.epolls[at]
	e.holders = append(e.holders, place{table: p.current, num: f.Num})
	e.kernel, e.isKnown = *f.Epoll, true
}

// addWatches adds the watches on a file, the first time it comes, and judges them as far as
// that can be done: a watch is current where its number is that file in a table that holds
// the epoll.
//
// Of a file with more watches than a pass lists, the others may belong to any epoll.
func (p *pass) addWatches(f *bpf.File, number uint32, isNew bool) {
	if !isNew {
		if p.unsettled.has(number) {
			p.places = append(p.places, place{number, p.current, f.Num})
		}
		return
	}
	if f.Torn {
		p.torn++
	}
	if f.Cut {
		p.cut++
	}
	settled := true
	w := epoll.Watch{Ino: f.Ino, Pos: f.Pos, Sdev: f.Dev, HasInode: true, Kind: f.Kind}
	for i := range f.Watches {
		of := &f.Watches[i]
		at := p.epollAt(of.Epoll)
		e := &p.epolls[at]
		w.Data, w.Mask, w.TFD = of.Data, of.Mask, of.TFD
		w.Facts = factsOf(f, of)
		w.Link = epoll.Unproven
		if of.TFD == f.Num && e.isHeldBy(p.current) {
			w.Link = epoll.Current
		} else {
			settled = false
			p.unjudged = append(p.unjudged, unjudged{at, uint32(e.n), number, of.TFD})
		}
		e.add(&w, number)
	}
	if !settled {
		p.unsettled.set(number)
		p.places = append(p.places, place{number, p.current, f.Num})
	}
}

// factsOf returns what only the kernel says of a watch.
func factsOf(f *bpf.File, w *bpf.Watch) epoll.Facts {
	facts := epoll.KnowsReady | epoll.KnowsFlags
	if w.Ready {
		facts |= epoll.IsReady
	}
	if f.Flags&unix.O_NONBLOCK == 0 {
		facts |= epoll.IsBlocking
	}
	return facts
}

// bits has a bit for each file.
type bits []uint64

func (b bits) has(file uint32) bool {
	word := int(file / 64)
	return word < len(b) && b[word]&(1<<(file%64)) != 0
}

func (b *bits) set(file uint32) {
	word := int(file / 64)
	if word >= len(*b) {
		*b = append(*b, make([]uint64, max(word+1, 2*len(*b))-len(*b))...)
	}
	(*b)[word] |= 1 << (file % 64)
}
