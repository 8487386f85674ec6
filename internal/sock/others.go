package sock

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/eptop/eptop/internal/kernfile"
)

// otherFamilies are the files of /proc/net that list sockets which no dump has, with the
// number of the column of the inode, and how many columns a line has at least:
//
//	sk               Eth Pid        Groups   Rmem     Wmem     Dump  Locks    Drops    Inode
//	00000000d48e8b6a 0   0          00000000 0        0        0     2        0        4
//
// They are printed by netlink_native_seq_show(), packet_seq_show() and, as those of UDP,
// raw_sock_seq_show() and ping_v4_format_sock().
var otherFamilies = [...]struct {
	file, family string
	inode        int
}{
	{"netlink", "netlink", 9},
	{"packet", "packet", 8},
	{"raw", "raw", 9},
	{"raw6", "raw", 9},
	{"icmp", "icmp", 9},
	{"icmp6", "icmp", 9},
}

// ReadOtherFamilies returns the families of sockets that no dump lists, by inode, from a
// directory like /proc/net. A file that is not there has none. The error says what could
// not be read; what others say is returned with it.
func ReadOtherFamilies(dir string) (map[uint64]string, error) {
	out := map[uint64]string{}
	var errs []error
	for _, f := range otherFamilies {
		b, err := kernfile.ReadFile(filepath.Join(dir, f.file))
		if err == nil {
			err = parseOthers(b, f.family, f.inode, out)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, fmt.Errorf("%s: %w", f.file, err))
		}
	}
	return out, errors.Join(errs...)
}

// parseOthers adds the sockets of one file. A line that is cut or has no inode is none.
func parseOthers(b []byte, family string, column int, out map[uint64]string) error {
	for number := 1; ; number++ {
		line, rest, whole := bytes.Cut(b, []byte{'\n'})
		if !whole {
			return nil
		}
		b = rest
		if number == 1 {
			continue // the header
		}
		fields := bytes.Fields(line)
		if len(fields) <= column {
			return fmt.Errorf("%w: line %d: %d columns, want %d: %.120q", ErrMalformed, number, len(fields), column+1, line)
		}
		ino, err := strconv.ParseUint(string(fields[column]), 10, 64)
		if err != nil {
			return fmt.Errorf("%w: line %d: %w", ErrMalformed, number, err)
		}
		if ino != 0 {
			out[ino] = family
		}
	}
}

// InterfaceName returns the name of a network interface of the namespace by its index;
// "" where it is not known.
func (c *Conn) InterfaceName(index uint32) string {
	if s, ok := c.socket.(*diagSocket); ok {
		return s.interfaceName(index)
	}
	return ""
}

// interfaceName asks the namespace of the socket (dev_ioctl in net/core/dev_ioctl.c).
func (s *diagSocket) interfaceName(index uint32) string {
	r, err := unix.NewIfreq("")
	if err != nil {
		return ""
	}
	r.SetUint32(index)
	if unix.IoctlIfreq(s.fd, unix.SIOCGIFNAME, r) != nil {
		return ""
	}
	return r.Name()
}
