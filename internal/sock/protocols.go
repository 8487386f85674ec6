package sock

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"

	"github.com/eptop/eptop/internal/kernfile"
	"github.com/eptop/eptop/internal/maybe"
)

// Protocol is one line of /proc/net/protocols: a kind of socket. It needs no
// root.
type Protocol struct {
	// Name is the protocol's name, which is also the name of its slab cache if
	// it has one: TCP, TCPv6, UDP, UNIX-STREAM.
	Name string
	// SockBytes is the size of its socket struct (proto.obj_size, which is
	// sizeof(struct tcp_sock) for TCP), without the slab's alignment and waste
	// and without inode, dentry and file.
	SockBytes uint32
	// Sockets counts the protocol's sockets in the reader's network namespace
	// that are in its hash tables (sock_prot_inuse_get()). A TCP socket gets
	// there with listen() or connect(): one that is only open is not counted,
	// and neither is one in TIME_WAIT.
	Sockets int64
	// MemoryPages are the pages of buffers charged to all sockets of the protocol in
	// all network namespaces. Absent where the protocol accounts none: the kernel
	// prints -1.
	MemoryPages maybe.Of[int64]
	// Slab is true when the socket comes from a cache of its own, false when
	// from kmalloc.
	Slab bool
}

// ReadProtocols reads the kinds of sockets: without root it is the source of their
// sizes and counts. dir is "/proc", or "/proc/PID" for the namespace of a process. The
// error says what is malformed; the protocols of all other lines are returned with it.
func ReadProtocols(dir string) ([]Protocol, error) {
	b, err := kernfile.ReadFile(filepath.Join(dir, "net", "protocols"))
	if err != nil {
		return nil, kindOf(err)
	}
	return ParseProtocols(b)
}

// ParseProtocols parses the text of /proc/net/protocols, which
// proto_seq_printf() in net/core/sock.c prints:
//
//	protocol  size sockets  memory press maxhdr  slab module     cl co di …
//	TCP       2304      2       0   no     192   yes  kernel      y  y  y …
//
// It is not procfs.NetProtocols of prometheus/procfs because that panics on a
// line with fewer columns or with one capability more than it knows.
func ParseProtocols(b []byte) ([]Protocol, error) {
	var out []Protocol
	var first error
	bad := 0
	for number := 1; len(b) > 0; number++ {
		line, rest, whole := bytes.Cut(b, []byte{'\n'})
		b = rest
		if number == 1 && whole && bytes.HasPrefix(line, []byte("protocol ")) {
			continue
		}
		err := errors.New("cut before its newline")
		var p Protocol
		if whole {
			p, err = parseProtocol(line)
		}
		if err == nil {
			out = append(out, p)
		} else if bad++; bad == 1 {
			first = fmt.Errorf("%w: net/protocols line %d: %w: %q", ErrMalformed, number, err, line[:min(len(line), 240)])
		}
	}
	switch {
	case bad > 1:
		return out, fmt.Errorf("%w and %d more", first, bad-1)
	case bad == 1:
		return out, first
	case len(out) == 0:
		return nil, fmt.Errorf("%w: net/protocols: no line of a protocol", ErrMalformed)
	}
	return out, nil
}

// maxSockBytes is far above any socket, of 1 to 4 KB.
const maxSockBytes = 1 << 20

func parseProtocol(line []byte) (Protocol, error) {
	fields := bytes.FieldsFunc(line, func(r rune) bool { return r == ' ' })
	if len(fields) < 7 {
		return Protocol{}, errors.New("a column is missing")
	}
	slab := string(fields[6])
	size, err := strconv.ParseUint(string(fields[1]), 10, 32)
	sockets, errSockets := strconv.ParseInt(string(fields[2]), 10, 64)
	pages, errPages := strconv.ParseInt(string(fields[3]), 10, 64)
	if err := errors.Join(err, errSockets, errPages); err != nil {
		return Protocol{}, err
	}
	if size > maxSockBytes || sockets < 0 || pages < -1 {
		return Protocol{}, errors.New("a number that cannot be")
	}
	if slab != "yes" && slab != "no" {
		return Protocol{}, errors.New("slab is neither yes nor no")
	}
	return Protocol{
		Name: string(fields[0]), SockBytes: uint32(size), Sockets: sockets,
		MemoryPages: maybe.When(pages, pages != -1), Slab: slab == "yes",
	}, nil
}
