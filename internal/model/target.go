package model

import (
	"strconv"

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
