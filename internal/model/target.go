package model

import (
	"strconv"
	"time"

	"github.com/eptop/eptop/internal/epoll"
	"github.com/eptop/eptop/internal/maybe"
)

// Target is a watch as programs read it, joined with its socket.
func (s *Snapshot) Target(w epoll.Watch) Target {
	t := newTarget(w)
	so, ok := s.SocketOf(w)
	t.Notes = NotesOf(&w, &so).Words()
	if ok {
		t.Kind, t.State, t.Local, t.Peer = so.Kind, so.State, so.Local.String(), so.Peer.String()
		t.RecvQueue, t.SendQueue, t.BufferBytes = so.RecvQueue, so.SendQueue, so.Buffers
	}
	return t
}

func newTarget(w epoll.Watch) Target {
	t := Target{
		FD: int(w.TFD), Events: w.Mask.Events(), Mask: uint32(w.Mask),
		Data: "0x" + strconv.FormatUint(w.Data, 16),
	}
	if w.Kind != epoll.KindUnknown {
		t.Kind = w.Kind.String()
	}
	t.Ready, t.Nonblock = ReadyOf(w), NonblockOf(w)
	if w.HasInode {
		t.Ino, t.Sdev = maybe.Some(w.Ino), maybe.Some(w.Sdev)
	}
	return t
}

// ReadyOf reports whether a watch is on its epoll's ready list, where that is known.
func ReadyOf(w epoll.Watch) maybe.Of[bool] {
	return maybe.When(w.Facts&epoll.IsReady != 0, w.Facts&epoll.KnowsReady != 0)
}

// NonblockOf reports whether the watched file has O_NONBLOCK, where that is known.
func NonblockOf(w epoll.Watch) maybe.Of[bool] {
	return maybe.When(w.Facts&epoll.IsBlocking == 0, w.Facts&epoll.KnowsFlags != 0)
}

// Others are who else holds or watches a file. The counts are absent where the file cannot
// be told from others, as from /proc all that is no socket.
type Others struct {
	// WatchedBy are other watches on the file, at most maxShared of the WatchedByCount that
	// there are.
	WatchedBy      []Watcher       `json:"watched_by,omitempty"`
	WatchedByCount maybe.Of[int64] `json:"watched_by_count,omitzero"`
	// HeldBy are other fds that refer to the file, at most maxShared of the HeldByCount. Where
	// /proc was read they are one for each process.
	HeldBy      []epoll.Holder  `json:"held_by,omitempty"`
	HeldByCount maybe.Of[int64] `json:"held_by_count,omitzero"`
}

// ListedSocket is one socket of a process for programs.
type ListedSocket struct {
	FD  int    `json:"fd"`
	Ino uint64 `json:"ino"`
	// Kind is "socket" for one that sock_diag did not report, of which the rest is absent.
	Kind        string          `json:"kind"`
	State       string          `json:"state,omitempty"`
	Local       string          `json:"local,omitempty"`
	Peer        string          `json:"peer,omitempty"`
	RecvQueue   maybe.Of[int64] `json:"rx_queue,omitzero"`
	SendQueue   maybe.Of[int64] `json:"tx_queue,omitzero"`
	BufferBytes maybe.Of[int64] `json:"buffer_bytes,omitzero"`
	// Seen is how long eptop has seen it, InState in its state; at least that long where it
	// was there at the first look.
	Seen           maybe.Of[time.Duration] `json:"seen_ns,omitzero"`
	SeenAtLeast    bool                    `json:"seen_at_least,omitempty"`
	InState        maybe.Of[time.Duration] `json:"in_state_ns,omitzero"`
	InStateAtLeast bool                    `json:"in_state_at_least,omitempty"`
	// Others has all watches on it, those of this process's epolls among them.
	Others
}

// Target is watch i of an epoll of p as programs read it, with who else holds and watches
// the file.
func (l *Links) Target(p *Process, e *Epoll, i int) Target {
	t := l.snap.Target(e.List[i])
	t.Others = l.others(e.FileOf(i), epoll.Holder{PID: p.PID, FD: t.FD}, func(w *Watcher) bool {
		return sameMemory(w.Epoll.List, e.List) && w.Watch == e.List[i]
	})
	return t
}

// Listed is a socket of p as programs read it.
func (l *Links) Listed(p *Process, h HeldSocket) ListedSocket {
	out := ListedSocket{FD: int(h.FD), Ino: uint64(h.Ino), Kind: epoll.KindSocket.String()}
	if so, ok := l.snap.SocketWith(out.Ino); ok {
		out.Kind, out.State, out.Local, out.Peer = so.Kind, so.State, so.Local.String(), so.Peer.String()
		out.RecvQueue, out.SendQueue, out.BufferBytes = so.RecvQueue, so.SendQueue, so.Buffers
		out.Seen, out.SeenAtLeast = maybe.When(so.Seen.Value.For, so.Seen.Known), so.Seen.Value.AtLeast
		out.InState, out.InStateAtLeast = maybe.When(so.InState.Value.For, so.InState.Known), so.InState.Value.AtLeast
	}
	out.Others = l.others(SocketFile(out.Ino), epoll.Holder{PID: p.PID, FD: out.FD}, func(*Watcher) bool { return false })
	return out
}

// others are who holds and who watches a file but for a holder and a watch.
func (l *Links) others(f File, not epoll.Holder, itself func(*Watcher) bool) Others {
	var o Others
	if f == 0 {
		return o
	}
	o.WatchedByCount, o.HeldByCount = maybe.Some[int64](0), maybe.Some[int64](0)
	for w := range l.Watchers(f) {
		if itself(&w) {
			continue
		}
		if o.WatchedByCount.Value++; len(o.WatchedBy) < maxShared {
			o.WatchedBy = append(o.WatchedBy, w)
		}
	}
	for h := range l.Holders(f) {
		if h == not {
			continue
		}
		if o.HeldByCount.Value++; len(o.HeldBy) < maxShared {
			o.HeldBy = append(o.HeldBy, h)
		}
	}
	return o
}
