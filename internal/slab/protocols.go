package slab

import (
	"bytes"
	"fmt"
	"math"
	"path/filepath"
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
	// MemoryPages are the pages of buffers charged to all sockets of the
	// protocol in all network namespaces, in pages. -1: not accounted.
	MemoryPages int64
	// Slab is true when the socket comes from a cache of its own, false when
	// from kmalloc.
	Slab bool
}

// Protocols reads /proc/net/protocols: without root it is the source of socket
// sizes and counts. The error says what is malformed; the protocols of all
// other lines are returned beside it.
func (f *FS) Protocols() ([]Protocol, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var err error
	f.small, err = readAll(filepath.Join(f.proc, "net", "protocols"), f.small)
	if err != nil {
		return nil, err
	}
	return ParseProtocols(f.small)
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
	var bad badLines
	for number := 1; len(b) > 0; number++ {
		line, rest, whole := bytes.Cut(b, []byte{'\n'})
		b = rest
		if number == 1 && whole && firstField(line) == "protocol" {
			continue
		}
		why := "cut before its newline"
		var p Protocol
		if whole {
			p, why = parseProtocol(line)
		}
		if why != "" {
			bad.add(number, line, why)
			continue
		}
		out = append(out, p)
	}
	if err := bad.error("net/protocols", ""); err != nil {
		return out, err
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%w: net/protocols: no line of a protocol", ErrMalformed)
	}
	return out, nil
}

func parseProtocol(line []byte) (p Protocol, why string) {
	var fields [7][]byte
	for i := range fields {
		fields[i], line = cutField(line)
	}
	name, size, sockets, memory, slab := fields[0], fields[1], fields[2], fields[3], fields[6]
	if len(slab) == 0 {
		return p, "a column is missing"
	}
	bytes32, why := parseUint(size, math.MaxUint32)
	if why != "" {
		return p, why
	}
	if p.Sockets, why = parseInt(sockets); why != "" {
		return p, why
	}
	if p.MemoryPages, why = parseInt(memory); why != "" {
		return p, why
	}
	if s := string(slab); s != "yes" && s != "no" {
		return p, "slab is neither yes nor no"
	}
	p.Name, p.SockBytes, p.Slab = string(name), uint32(bytes32), string(slab) == "yes"
	return p, ""
}
