package processes

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/eptop/eptop/internal/epoll"
	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/ui/view"
	"github.com/eptop/eptop/internal/units"
)

// describeWatch writes all that is known of one watch, and who else holds and watches the
// same file.
func describeWatch(s *model.Snapshot, links *model.Links, p *model.Process, e *model.Epoll, row int) string {
	w := &e.List[row]
	var b strings.Builder
	line := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%-9s %s\n", name, fmt.Sprintf(format, args...))
	}
	line("fd", "%d of process %d (%s)", w.TFD, p.PID, p.Comm)
	socket, joined := s.SocketOf(*w)
	if joined {
		line("kind", "%s socket", socket.Kind)
	} else {
		line("kind", "%s", w.Kind)
	}
	line("events", "%s (mask 0x%x; ERR and HUP are in every mask)", w.Mask, uint32(w.Mask))
	line("data", "%s, %d in decimal", hexData(w.Data), w.Data)
	if w.HasInode {
		line("inode", "%d on device %d:%d", w.Ino, w.Sdev>>20, w.Sdev&(1<<20-1))
		line("position", "%d", w.Pos)
	} else {
		line("inode", "not reported by this kernel (before Linux 4.13)")
	}
	switch w.Link {
	case epoll.Current:
		line("fd now", "still is the watched file")
	case epoll.Stale:
		line("fd now", "STALE: closed, or another file; a duplicate keeps the watched file open, and its events still come under this number")
	default:
		line("fd now", "unproven: whether it still is the watched file is not known")
	}
	if w.Mask.Disarmed() {
		line("armed", "no, disarmed: it has fired once and waits for EPOLL_CTL_MOD")
	}
	if ready, ok := model.ReadyOf(*w).Get(); ok {
		if ready {
			line("ready", "yes, on the epoll's ready list: the next epoll_wait looks at it")
		} else {
			line("ready", "no, not on the epoll's ready list")
		}
	}
	if nonblock, ok := model.NonblockOf(*w).Get(); ok {
		switch {
		case nonblock:
			line("blocking", "no, the file has O_NONBLOCK")
		case w.Mask&epoll.ET != 0:
			line("blocking", "YES, the file lacks O_NONBLOCK: edge-triggered, it has to be read until EAGAIN, and that read waits")
		default:
			line("blocking", "yes, the file lacks O_NONBLOCK: a read or accept of what another took meanwhile waits")
		}
	}
	if twins := twinsOf(e, row); twins > 0 {
		line("twins", "fd %d stands %s more in this epoll: closed and opened again while a duplicate lived on", w.TFD, units.Many(int64(twins), "time"))
	}
	switch {
	case joined:
		b.WriteString("\n" + describeSocket(&socket))
		if s.Sockets != nil && s.Sockets.Age > 0 {
			line("as of", "%s ago, when sockets were last listed", units.Duration(s.Sockets.Age.Round(time.Millisecond)))
		}
	case w.Kind == epoll.KindSocket && s.Sockets != nil:
		b.WriteString("\nNo list of sockets has this one: it is of another family, in a namespace that was not looked into, or opened since.\n")
	case w.Kind == epoll.KindSocket:
		b.WriteString("\n" + view.Absence(s, "sock_diag", "Sockets were not looked at.") + "\n")
	}
	if f := e.FileOf(row); f != 0 {
		b.WriteString("\n" + describeFile(s, links, f, &watchAt{p, e, row}))
	} else {
		b.WriteString("\n" + othersWatching(s, p, e, row))
	}
	return strings.TrimRight(b.String(), "\n")
}

// describeSocket writes all that is known of the socket behind a watch.
func describeSocket(s *model.WatchedSocket) string {
	var b strings.Builder
	line := func(name, text string) {
		fmt.Fprintf(&b, "%-9s %s\n", name, text)
	}
	or := func(text, without string) string {
		if text == "" {
			return without
		}
		return text
	}
	queue := func(m maybe.Of[int64], what string) string {
		n, ok := m.Get()
		if !ok {
			return "not reported"
		}
		return units.Count(n) + " B " + what
	}
	state := s.State
	if seen, ok := s.InState.Get(); ok {
		state += ", seen so for " + seenText(seen)
	}
	line("state", state)
	if seen, ok := s.Seen.Get(); ok {
		line("seen", "for "+seenText(seen))
	}
	line("local", or(s.Local.String(), "none"))
	switch {
	case s.PeerHere:
		line("peer", or(s.Peer.String(), "none")+", a socket of this host too: the connection takes the memory of two ends here")
	default:
		line("peer", or(s.Peer.String(), "none"))
	}
	if waiting, backlog := s.AcceptQueue(); waiting.Known {
		line("accept", view.WaitingText(waiting, backlog))
	} else {
		line("unread", queue(s.RecvQueue, "received and not read"))
		line("unsent", queue(s.SendQueue, "written and not acknowledged, or not read by the peer"))
	}
	line("buffers", queue(s.Buffers, "of kernel memory, the overhead of each sk_buff in it"))
	if n, ok := s.Drops.Get(); ok {
		line("drops", units.Count(n)+" packets since it was made")
	}
	return b.String()
}

// twinsOf counts the other watches under the same fd number.
func twinsOf(e *model.Epoll, row int) (n int) {
	for i := range e.List {
		if i != row && e.List[i].TFD == e.List[row].TFD {
			n++
		}
	}
	return n
}

// proof is what a watch's inode says about which file it is.
type proof int

const (
	inodeProves  proof = iota // one inode, one file: sockets, files
	pipeEnds                  // both ends of a pipe have one inode
	inodeNothing              // an anonymous inode, or no inode at all
)

func proofOf(e *model.Epoll, row int) proof {
	w := &e.List[row]
	if !w.HasInode {
		return inodeNothing
	}
	switch w.Kind.String() {
	case "socket", "file", "tty":
		return inodeProves
	case "pipe":
		return pipeEnds
	}
	return inodeNothing
}

// othersWatching lists the other instances that watch the same file, and says
// what of that cannot be known.
func othersWatching(s *model.Snapshot, p *model.Process, e *model.Epoll, row int) string {
	const most = 12
	w, how := &e.List[row], proofOf(e, row)
	var found []string
	n := 0
	for i := range s.Processes {
		other := &s.Processes[i]
		for j := range other.Epolls {
			o := &other.Epolls[j]
			if other.PID == p.PID && o.FD == e.FD || holds(o, p.PID, e.FD) {
				continue
			}
			for k := range o.List {
				x := &o.List[k]
				same := x.HasInode && x.Ino == w.Ino && x.Sdev == w.Sdev
				if how == inodeNothing {
					same = other.PID == p.PID && x.TFD == w.TFD && x.Kind == w.Kind
				}
				if !same {
					continue
				}
				if n++; n <= most {
					found = append(found, fmt.Sprintf("  process %d (%s), epoll %d: fd %d for %s", other.PID, other.Comm, o.FD, x.TFD, x.Mask))
				}
			}
		}
	}
	if n > most {
		found = append(found, "  and "+strconv.Itoa(n-most)+" more")
	}
	head := "No other epoll that eptop sees watches the same file."
	if n > 0 {
		head = map[proof]string{
			inodeProves:  "The same file is also watched by (same inode and device):",
			pipeEnds:     "The same pipe, this or its other end, is also watched by:",
			inodeNothing: "Probably the same file (same fd number and kind in this process) is also watched by:",
		}[how]
	}
	text := head + "\n" + strings.Join(found, "\n")
	if how == inodeNothing {
		text += "\nFiles of this kind share one inode, so which epolls of other processes watch it cannot be known."
	}
	if s.Hidden > 0 || s.Epoll.Unread > 0 {
		text += "\nEpolls whose watches are not known are not searched."
	}
	return text
}

// holds reports whether an instance is shared with a descriptor.
func holds(e *model.Epoll, pid, fd int) bool {
	for _, h := range e.SharedWith {
		if h.PID == pid && h.FD == fd {
			return true
		}
	}
	return false
}
