package model

import (
	"strconv"

	"github.com/eptop/eptop/internal/epoll"
	"github.com/eptop/eptop/internal/maybe"
)

// Target is a watch as programs read it, joined with its socket.
func (s *Snapshot) Target(w epoll.Watch) Target {
	t := newTarget(w)
	if so, ok := s.SocketOf(w); ok {
		t.Kind, t.State, t.Local, t.Peer = so.Kind, so.State, so.Local.String(), so.Peer.String()
		t.RecvQueue, t.SendQueue, t.BufferBytes = so.RecvQueue, so.SendQueue, so.Buffers
		if so.PeerHere {
			t.Notes = append(t.Notes, "peer on this host")
		}
	}
	return t
}

func newTarget(w epoll.Watch) Target {
	t := Target{
		FD: int(w.TFD), Events: w.Mask.Events(), Mask: uint32(w.Mask),
		Data: "0x" + strconv.FormatUint(w.Data, 16), Notes: Notes(w),
	}
	if w.Kind != epoll.KindUnknown {
		t.Kind = w.Kind.String()
	}
	if w.HasInode {
		t.Ino, t.Sdev = maybe.Some(w.Ino), maybe.Some(w.Sdev)
	}
	return t
}

// Notes are what is remarkable about a watch: stale, unproven, disarmed.
func Notes(w epoll.Watch) []string {
	var notes []string
	switch w.Link {
	case epoll.Stale:
		notes = append(notes, "stale")
	case epoll.Unproven:
		notes = append(notes, "unproven")
	}
	if w.Mask.Disarmed() {
		notes = append(notes, "disarmed")
	}
	return notes
}
