package model

import (
	"fmt"
	"hash/maphash"
	"slices"
	"strings"

	"github.com/eptop/eptop/internal/epoll"
	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/sock"
)

// ruling is what the rules judge: one look, with what the looks before left behind.
type ruling struct {
	*Deriver
	sample *Sample
	snap   *Snapshot
	memory *ruleMemory
	rule   *Rule // that judges
	seen   *sights

	processes map[int]*ProcessSample
	own       []int // eptop itself and its workers, which no rule is about
}

func (d *Deriver) ruling(s *Sample, snap *Snapshot) *ruling {
	r := &ruling{Deriver: d, sample: s, snap: snap, processes: make(map[int]*ProcessSample, len(s.Processes)), own: []int{s.Self}}
	if s.Load != nil {
		r.own = append(r.own, s.Load.Workers...)
	}
	for i := range s.Processes {
		r.processes[s.Processes[i].PID] = &s.Processes[i]
	}
	return r
}

// isOwn reports whether a process is eptop or a worker of its load.
func (r *ruling) isOwn(pid int) bool { return slices.Contains(r.own, pid) }

// lives reports whether a finding's process is still there; one without a process is of
// the host, which is.
func (r *ruling) lives(pid int) bool { return pid == 0 || r.processes[pid] != nil }

func (r *ruling) comm(pid int) string {
	if p := r.processes[pid]; p != nil {
		return p.Comm
	}
	return ""
}

// at is the place of a process.
func (r *ruling) at(pid int) site {
	p := site{pid: pid}
	if known := r.processes[pid]; known != nil && !known.Started.IsZero() {
		p.started = known.Started.UnixNano()
	}
	return p
}

// in is the place of an epoll, as its first holder has it.
func (r *ruling) in(in *InstanceSample) site {
	p := r.at(in.Holders[0].PID)
	p.epollFD = maybe.Some(in.Holders[0].FD)
	return p
}

// threshold is the number of the rule that judges, and the one below which it ends.
func (r *ruling) threshold() (onset, end int64) {
	t := r.rule.Threshold.Value
	onset = t.Default
	if n, ok := r.Thresholds[r.rule.Name]; ok {
		onset = n
	}
	return onset, int64(float64(onset) * t.End)
}

// instances calls judge for each instance that was read and is not eptop's own.
func (r *ruling) instances(judge func(*InstanceSample)) {
	for i := range r.sample.Instances {
		in := &r.sample.Instances[i]
		if in.State == OK && len(in.Holders) > 0 && !r.isOwn(in.Holders[0].PID) {
			judge(in)
		}
	}
}

// noInstances says why rules about watches cannot be judged; empty where they can.
func (r *ruling) noInstances() string {
	if c := &r.sample.Coverage; c.Processes > 0 && c.Processes == c.Denied+c.Waiting+c.Failed {
		return "no process's files could be listed"
	}
	if n := len(r.sample.Instances); n > 0 && !slices.ContainsFunc(r.sample.Instances, func(in InstanceSample) bool { return in.State == OK }) {
		return fmt.Sprintf("the watches of none of %d epolls could be read", n)
	}
	return ""
}

// noSockets says why rules about sockets cannot be judged; empty where they can.
func (r *ruling) noSockets() string {
	if r.snap.Sockets != nil {
		return ""
	}
	for i := range r.sample.Sources {
		if src := &r.sample.Sources[i]; src.Name == "sock_diag" {
			if src.Detail != "" {
				return fmt.Sprintf("sock_diag %s: %s", src.State, src.Detail)
			}
			return "sock_diag " + string(src.State)
		}
	}
	return "sockets were not looked at"
}

// socketOf finds a socket by its inode in all tables.
func (d *Deriver) socketOf(ino uint64) (sock.Socket, bool) {
	for _, t := range d.tables {
		if t == nil {
			continue
		}
		if row, ok := t.Find(ino); ok {
			return t.At(row), true
		}
	}
	return sock.Socket{}, false
}

// ends are both ends of a socket in words.
func ends(s *sock.Socket) string {
	switch {
	case s.Kind.IsUnix() && s.Name != "":
		return unixName(s.Name, s.Abstract)
	case s.Kind.IsUnix():
		return fmt.Sprintf("socket:[%d]", s.Ino)
	case s.Remote.Port() == 0:
		return local(s.Local).String()
	}
	return local(s.Local).String() + " to " + local(s.Remote).String()
}

// watchText is a watch in words, for evidence.
func (r *ruling) watchText(w *epoll.Watch) string {
	text := fmt.Sprintf("fd %d %s", w.TFD, w.Mask)
	if w.Kind == epoll.KindSocket && w.HasInode {
		text += fmt.Sprintf(" socket:[%d]", w.Ino)
		if s, ok := r.socketOf(w.Ino); ok {
			text += " " + s.Protocol() + " " + s.State.String() + " " + ends(&s)
		}
	} else if w.Kind != epoll.KindUnknown {
		text += " " + w.Kind.String()
	}
	return text
}

var markSeed = maphash.MakeSeed()

// watchMark distinguishes a watch from others of its instance.
func watchMark(w *epoll.Watch) uint64 {
	return maphash.Comparable(markSeed, [3]uint64{uint64(uint32(w.TFD)), w.Ino, w.Data})
}

// maxMarks bounds the marks of a sighting.
const maxMarks = 256

// marked adds a mark, in order and not beyond the bound: the smallest stay, so that the
// same ones are kept look after look.
func marked(marks []uint64, mark uint64) []uint64 {
	i, known := slices.BinarySearch(marks, mark)
	switch {
	case known || i == maxMarks:
		return marks
	case len(marks) == maxMarks:
		marks = marks[:maxMarks-1]
	}
	return slices.Insert(marks, i, mark)
}

// some joins the first of many texts.
func some(texts []string, n int64) string {
	const shown = 3
	if len(texts) > shown {
		texts = texts[:shown]
	}
	text := strings.Join(texts, ", ")
	if more := n - int64(len(texts)); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// findHolders finds the descriptors of sockets and pipes by their inodes, the keys of
// holders. At most a few of each are kept.
func (r *ruling) findHolders(holders map[uint64][]epoll.Holder) {
	if len(holders) == 0 {
		return
	}
	const most = 4
	var filter inodeFilter
	for ino := range holders {
		filter.add(ino)
	}
	for i := range r.sample.Processes {
		p := &r.sample.Processes[i]
		for _, fd := range p.Files.Value {
			if fd.Ino == 0 || !filter.mayHave(fd.Ino) {
				continue
			}
			if known, wanted := holders[fd.Ino]; wanted && len(known) < most {
				holders[fd.Ino] = append(known, epoll.Holder{PID: p.PID, FD: int(fd.Num)})
			}
		}
	}
}
