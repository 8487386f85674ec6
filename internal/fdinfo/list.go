package fdinfo

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/eptop/eptop/internal/epoll"
)

// Listing is the descriptors of one process at one moment.
type Listing struct {
	FDs       []epoll.FD // ascending by Num
	Truncated bool       // the limit was reached, and there are more
	Epolls    []int32    // the numbers of those that are epolls, ascending
	Sockets   int        // how many are sockets
	// Dir is what StatFDs would have returned just before.
	Dir DirStat
	// Took is the time the listing took, almost all of it in the kernel.
	Took time.Duration
}

// Find returns the descriptor of a number.
func (l *Listing) Find(num int32) (epoll.FD, bool) {
	// Numbers are dense as a rule, so that the place of one is at most its value,
	// and often exactly that.
	n := min(len(l.FDs), max(0, int(num)+1))
	if n > 0 && l.FDs[n-1].Num == num {
		return l.FDs[n-1], true
	}
	i, found := slices.BinarySearchFunc(l.FDs[:n], num, func(fd epoll.FD, num int32) int { return int(fd.Num) - int(num) })
	if !found {
		return epoll.FD{}, false
	}
	return l.FDs[i], true
}

// List lists the descriptors of a process and reads the link of each. It stops
// after limit of them (0 = no limit), because every descriptor listed makes the
// kernel create a proc inode and a dentry (proc_fill_cache() in fs/proc/base.c,
// about 920 bytes of slab), and reading its link takes some 4 µs.
//
// The slices of reuse are used again; pass the previous listing of any process
// or the zero value. Another user's process needs root or CAP_SYS_PTRACE.
func (f *FS) List(pid, limit int, reuse Listing) (Listing, error) {
	p, err := f.Open(pid)
	if err != nil {
		return Listing{FDs: reuse.FDs[:0], Epolls: reuse.Epolls[:0]}, err
	}
	defer p.Close()
	return p.List(limit, reuse)
}

// KindOf returns what one descriptor of a process is, by the text of its link.
func (f *FS) KindOf(pid, fd int) (epoll.Kind, error) {
	path := f.path(pid, "fd/"+strconv.Itoa(fd))
	link, err := os.Readlink(path)
	if err != nil {
		return epoll.KindUnknown, pathError("readlink", path, err)
	}
	kind, _ := parseLink([]byte(link))
	return kind, nil
}

// appendNumbers reads the directory, whose entries carry nothing but the number.
func (f *FS) appendNumbers(l *Listing, dir int, path string, limit int) error {
	pooled := f.buffers.Get().(*[]byte)
	defer f.buffers.Put(pooled)
	for {
		if err := f.ended(); err != nil {
			return pathError("getdents", path, err)
		}
		buf := *pooled
		if limit > 0 {
			// The buffer fits only the wanted entries and one more, which shows whether
			// there are more: so the kernel makes no inodes for the rest.
			const entryBytes = 24
			buf = buf[:min(len(buf), max(4*entryBytes, (limit-len(l.FDs)+1)*entryBytes))]
		}
		n, err := readDirent(dir, buf)
		if err != nil {
			return pathError("getdents", path, err)
		}
		if n == 0 {
			break
		}
		for num := range numericNames(buf[:n]) {
			if limit > 0 && len(l.FDs) == limit {
				l.Truncated = true
				break
			}
			l.FDs = append(l.FDs, epoll.FD{Num: num})
		}
		if l.Truncated {
			break
		}
	}
	sortIfNeeded(l.FDs, func(a, b epoll.FD) int { return int(a.Num) - int(b.Num) })
	return nil
}

// readLinks fills in what the links say, and drops descriptors that were closed since.
func (f *FS) readLinks(l *Listing, dir int, path string) error {
	var buf [maxLink]byte
	kept := l.FDs[:0]
	for _, fd := range l.FDs {
		if err := f.ended(); err != nil {
			return pathError("readlink", path, err)
		}
		link, err := readLink(dir, strconv.Itoa(int(fd.Num)), buf[:])
		if errors.Is(err, unix.ENOENT) {
			continue
		}
		if err != nil {
			return pathError("readlink", path+"/"+strconv.Itoa(int(fd.Num)), err)
		}
		fd.Kind, fd.Ino = parseLink(link)
		switch fd.Kind {
		case epoll.KindEpoll:
			l.Epolls = append(l.Epolls, fd.Num)
		case epoll.KindSocket:
			l.Sockets++
		}
		kept = append(kept, fd)
		if f.count != nil {
			f.count.Files.Add(1)
		}
	}
	if f.count != nil {
		f.count.Processes.Add(1)
	}
	l.FDs = kept
	return nil
}

// maxLink is how many bytes of a link are read; a longer one is a path, whose
// beginning is enough.
const maxLink = 128

func readLink(dir int, name string, buf []byte) (link []byte, err error) {
	var n int
	err = retryEINTR(func() (err error) {
		n, err = unix.Readlinkat(dir, name, buf)
		return err
	})
	if err != nil {
		return nil, err
	}
	return buf[:n], nil
}

// anonNames are the names that the kernel gives to anonymous inodes, by
// anon_inode_getfile() and similar functions.
var anonNames = map[string]epoll.Kind{
	"[eventfd]":   epoll.KindEventfd,
	"[timerfd]":   epoll.KindTimerfd,
	"[signalfd]":  epoll.KindSignalfd,
	"inotify":     epoll.KindInotify,
	"[eventpoll]": epoll.KindEpoll,
	"[pidfd]":     epoll.KindPidfd,
	"[io_uring]":  epoll.KindIOUring,
}

// parseLink returns the kind and the inode that a link in /proc/PID/fd names. The
// names of sockets and pipes come from sockfs_dname() and pipefs_dname(), as
// "socket:[4242]".
func parseLink(link []byte) (epoll.Kind, uint64) {
	if len(link) > 0 && link[0] == '/' {
		return pathKind(link), 0
	}
	sort, name, _ := bytes.Cut(link, []byte{':'})
	switch string(sort) {
	case "socket":
		return epoll.KindSocket, parseBracketed(name)
	case "pipe":
		return epoll.KindPipe, parseBracketed(name)
	case "pidfd":
		return epoll.KindPidfd, 0
	case "anon_inode":
		if kind, ok := anonNames[string(name)]; ok {
			return kind, 0
		}
		if bytes.HasPrefix(name, []byte("bpf")) || bytes.HasPrefix(name, []byte("[bpf")) {
			return epoll.KindBPF, 0
		}
	}
	return epoll.KindOther, 0
}

func pathKind(path []byte) epoll.Kind {
	for _, prefix := range [...]string{"/dev/pts/", "/dev/tty", "/dev/console", "/dev/ptmx"} {
		if bytes.HasPrefix(path, []byte(prefix)) {
			return epoll.KindTty
		}
	}
	return epoll.KindFile
}

// bracketed parses "[4242]", and returns 0 for anything else.
func parseBracketed(s []byte) uint64 {
	if len(s) < 3 || s[0] != '[' || s[len(s)-1] != ']' {
		return 0
	}
	n, err := strconv.ParseUint(string(s[1:len(s)-1]), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// isGone reports whether err means that a process or descriptor does not exist.
func isGone(err error) bool { return errors.Is(err, fs.ErrNotExist) }
