package measure

import (
	"bytes"
	"fmt"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/eptop/eptop/internal/kernfile"
)

// sockstat is /proc/net/sockstat, kept open from reading to reading: each look into
// /proc/net makes inodes, which would grow the very caches that are counted.
type sockstat struct {
	mu sync.Mutex
	fd int // -1 once closed
}

// sockets are other programs' too: those in use in eptop's network namespace, and TCP's
// allocated ones of all and in TIME_WAIT of eptop's.
type sockets struct{ used, alloc, waiting int64 }

func openSockstat(path string) (*sockstat, error) {
	fd, err := kernfile.Open(path)
	if err != nil {
		return nil, err
	}
	return &sockstat{fd: fd}, nil
}

func (s *sockstat) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fd >= 0 {
		_ = unix.Close(s.fd)
	}
	s.fd = -1
}

func (s *sockstat) read() (sockets, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var buf [4096]byte
	n, err := unix.Pread(s.fd, buf[:], 0)
	if err != nil {
		return sockets{}, fmt.Errorf("read sockstat: %w", err)
	}
	return parseSockstat(buf[:n])
}

// parseSockstat reads the lines of sockstat_seq_show in net/ipv4/proc.c:
//
//	sockets: used 283
//	TCP: inuse 35 orphan 0 tw 4 alloc 59 mem 22
func parseSockstat(text []byte) (s sockets, err error) {
	found := 0
	for line := range bytes.Lines(text) {
		words := bytes.Fields(line)
		for i := 1; i+1 < len(words); i += 2 {
			var to *int64
			switch string(words[0]) + string(words[i]) {
			case "sockets:used":
				to = &s.used
			case "TCP:alloc":
				to = &s.alloc
			case "TCP:tw":
				to = &s.waiting
			default:
				continue
			}
			if *to, err = strconv.ParseInt(string(words[i+1]), 10, 64); err != nil {
				return sockets{}, fmt.Errorf("sockstat: malformed: %q", line)
			}
			found++
		}
	}
	if found != 3 {
		return sockets{}, fmt.Errorf("sockstat: malformed: %q", text)
	}
	return s, nil
}
