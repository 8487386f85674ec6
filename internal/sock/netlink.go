package sock

import (
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// ErrMalformed marks an answer that was not understood: a message cut short,
// lengths that contradict each other, a line of /proc/net that does not parse.
var ErrMalformed = errors.New("malformed")

// Netlink is in host byte order, addresses and ports within it are not.
var host = binary.NativeEndian

// The sizes and places of struct nlmsghdr and struct nlattr, <linux/netlink.h>.
const (
	nlmsgHeader = unix.SizeofNlMsghdr // u32 len, u16 type, u16 flags, u32 seq, u32 pid
	nlattrHead  = unix.SizeofNlAttr   // u16 len, u16 type
	nlaTypeMask = 0x3fff              // less NLA_F_NESTED and NLA_F_NET_BYTEORDER
)

func align4(n int) int { return (n + 3) &^ 3 }

// message is one message of an answer.
type message struct {
	kind, flags uint16
	seq         uint32
	payload     []byte
}

// nextMessage cuts the first message off a buffer.
func nextMessage(b []byte) (m message, rest []byte, err error) {
	if len(b) < nlmsgHeader {
		return m, nil, fmt.Errorf("%w: netlink: %d bytes where a message of at least %d begins", ErrMalformed, len(b), nlmsgHeader)
	}
	size := host.Uint32(b)
	if size < nlmsgHeader || uint64(size) > uint64(len(b)) {
		return m, nil, fmt.Errorf("%w: netlink: a message of %d bytes in %d", ErrMalformed, size, len(b))
	}
	m = message{kind: host.Uint16(b[4:]), flags: host.Uint16(b[6:]), seq: host.Uint32(b[8:]), payload: b[nlmsgHeader:size]}
	return m, b[min(align4(int(size)), len(b)):], nil
}

// nextAttr cuts the first attribute off a buffer that is not empty.
func nextAttr(b []byte) (kind uint16, value, rest []byte, err error) {
	if len(b) < nlattrHead {
		return 0, nil, nil, fmt.Errorf("%w: netlink: %d bytes where an attribute begins", ErrMalformed, len(b))
	}
	size := int(host.Uint16(b))
	if size < nlattrHead || size > len(b) {
		return 0, nil, nil, fmt.Errorf("%w: netlink: an attribute of %d bytes in %d", ErrMalformed, size, len(b))
	}
	return host.Uint16(b[2:]) & nlaTypeMask, b[nlattrHead:size], b[min(align4(size), len(b)):], nil
}

// errnoOf reads the error that NLMSG_ERROR begins with and that NLMSG_DONE may
// carry. A dump whose protocol is unknown to inet_diag ends with the latter.
func errnoOf(payload []byte) error {
	if len(payload) < 4 {
		return fmt.Errorf("%w: netlink: an error of %d bytes", ErrMalformed, len(payload))
	}
	code := int32(host.Uint32(payload))
	if code < 0 && code > -4096 {
		return unix.Errno(-code)
	}
	if code < 0 {
		return fmt.Errorf("%w: netlink: error number %d", ErrMalformed, code)
	}
	return nil
}

// appendRequest appends a dump request whose payload is yet to come, and finish
// completes its length.
func appendRequest(b []byte, seq uint32) []byte {
	b = host.AppendUint32(b, 0)
	b = host.AppendUint16(b, unix.SOCK_DIAG_BY_FAMILY)
	b = host.AppendUint16(b, unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	b = host.AppendUint32(b, seq)
	return host.AppendUint32(b, 0)
}

// request builds the dump request of a family, of sockets in some states.
func request(b []byte, f Family, seq, states uint32) []byte {
	b = appendRequest(b[:0], seq)
	switch f {
	case FamilyUnix:
		b = appendUnixRequest(b)
	default:
		family, protocol := f.inet()
		b = appendInetRequest(b, family, protocol, states)
		if f&FamilyMPTCP != 0 {
			b = appendMPTCPAttr(b)
		}
	}
	host.PutUint32(b, uint32(len(b)))
	return b
}
