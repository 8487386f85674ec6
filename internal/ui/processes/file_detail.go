package processes

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/ui/view"
	"github.com/eptop/eptop/internal/units"
)

// mostOthers bounds the holders and watches of a file that are named.
const mostOthers = 12

// describeHeld writes all that is known of a socket that a process holds.
func describeHeld(s *model.Snapshot, links *model.Links, p *model.Process, h model.HeldSocket) string {
	var b strings.Builder
	line := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%-9s %s\n", name, fmt.Sprintf(format, args...))
	}
	line("fd", "%d of process %d (%s)", h.FD, p.PID, p.Comm)
	line("inode", "%d", h.Ino)
	socket, joined := s.SocketWith(uint64(h.Ino))
	switch {
	case joined:
		line("kind", "%s socket", socket.Kind)
		b.WriteString(describeSocket(&socket))
		line("as of", "%s ago, when sockets were last listed", units.Duration(s.Sockets.Age))
	case s.Sockets != nil:
		b.WriteString("\nNo list of sockets has this one: it is of another family, in a namespace that was not looked into, or opened since.\n")
	default:
		b.WriteString("\n" + view.Absence(s, "sock_diag", "Sockets were not looked at.") + "\n")
	}
	b.WriteString("\n" + describeFile(s, links, model.SocketFile(uint64(h.Ino)), nil))
	return strings.TrimRight(b.String(), "\n")
}

// watchAt is one watch of an epoll of a process.
type watchAt struct {
	process *model.Process
	epoll   *model.Epoll
	row     int
}

// describeFile writes who holds a file and which epolls watch it, and how. but is a watch
// that is described already, or nil.
func describeFile(s *model.Snapshot, links *model.Links, f model.File, but *watchAt) string {
	text := describeHolders(s, links, f) + "\n" + describeWatchers(links, f, but)
	if s.Hidden > 0 || s.Epoll.Unread > 0 {
		text += "\nProcesses whose fds may not be listed, and epolls whose watches are not known, are not searched."
	}
	return text
}

func describeHolders(s *model.Snapshot, links *model.Links, f model.File) string {
	var lines []string
	n := 0
	for h := range links.Holders(f) {
		if n++; n <= mostOthers {
			lines = append(lines, "  process "+strconv.Itoa(h.PID)+nameOf(s, h.PID)+", fd "+strconv.Itoa(h.FD))
		}
	}
	switch {
	case n == 0:
		return "No process that eptop sees holds the file: it may be in flight over a UNIX socket, or a fixed file of io_uring."
	case n > mostOthers:
		lines = append(lines, "  and "+units.Count(int64(n-mostOthers))+" more")
	}
	return "Held by:\n" + strings.Join(lines, "\n")
}

// nameOf is the name of a process in brackets.
func nameOf(s *model.Snapshot, pid int) string {
	if p := s.Process(pid); p != nil {
		return " (" + p.Comm + ")"
	}
	for i := range s.Others {
		if s.Others[i].PID == pid {
			return " (" + s.Others[i].Comm + ")"
		}
	}
	return ""
}

func describeWatchers(links *model.Links, f model.File, but *watchAt) string {
	var lines []string
	n := 0
	for w := range links.Watchers(f) {
		if but != nil && isWatch(but, &w) {
			continue
		}
		if n++; n <= mostOthers {
			lines = append(lines, "  process "+view.WatcherText(&w))
		}
	}
	if n > mostOthers {
		lines = append(lines, "  and "+units.Count(int64(n-mostOthers))+" more")
	}
	head := "Watched by:"
	switch {
	case n == 0 && but == nil:
		head = "No epoll that eptop sees watches it: nobody is told of its events."
	case n == 0:
		head = "No other epoll that eptop sees watches the same file."
	case but != nil:
		head = "Also watched by:"
	}
	text := strings.Join(append([]string{head}, lines...), "\n")
	if herd := model.Herd(links.Herd(f)); herd != "" {
		text += "\n" + herd
	}
	return text
}

// isWatch reports whether a watch is the one at a place.
func isWatch(at *watchAt, w *model.Watcher) bool {
	list := at.epoll.List
	return len(w.Epoll.List) > 0 && &w.Epoll.List[0] == &list[0] && w.Watch == list[at.row]
}
